/* SPDX-License-Identifier: MIT */
/* The one queue that a daemon works on: where it is, what it allows, and what happens when it
 * cannot be reached. Opening it asks GetQueueAttributes; what goes wrong then and later is logged
 * here, so that the cores see only answers.
 *
 * The start fails (service_exit) where nobody but a person can help: a queue that does not exist,
 * credentials that are missing or refused, a permission that is missing for 30 s
 * (sqs/permission.h). Later on the same faults are retried, slowly: a queue may come back, keys may
 * be replaced. Only the denial of an action that has never succeeded yet ends the daemon then, too.
 * A daemon that has other work meanwhile may ask to retry all from the start. */
#pragma once

#include "daemon/config.h"
#include "daemon/service.h"
#include "sqs/client.h"
#include "sqs/permission.h"

struct queue;

/* `opened` runs once, when the queue has answered, and no permission that is needed is known to be
 * missing. */
typedef void (*queue_opened_fn)(void *userdata);

/* Runs after the callbacks of operations that were answered together, or failed together, never
 * inside one of them; not after all. What it starts goes out without a round of the event loop. */
typedef void (*queue_replied_fn)(void *userdata);

struct queue_options {
    const char *name;     /* with the version it makes up the User-Agent */
    unsigned permissions; /* those that are needed: bits PERMISSION_BIT(operation) */
    bool keep_trying;     /* the start does not fail, and waits for no permission */
    queue_opened_fn opened;
    size_t reply_memory_bytes; /* as of http_client_options */
    queue_replied_fn replied;  /* NULL: none */
    /* The queue was asked again for its attributes (refresher.h), and queue_attributes are as new
     * as they get: they may have changed. NULL: none. */
    void (*refreshed)(void *userdata);
    void *userdata;
};

/* Between two tries to open a queue where SQS said no for a reason that is not known to pass. */
#define QUEUE_REOPEN_INTERVAL_USEC (60 * USEC_PER_SEC)

/* Reads region, profile and the rest from the configuration (borrowed; must outlive the queue) and
 * the environment, and starts to open the queue. 0, a negative errno, or QUEUE_E_CONFIG with *error
 * a line; the caller frees it. */
enum { QUEUE_E_CONFIG = 1 };
int queue_open(struct service *service, const struct config *config,
               const struct queue_options *options, struct queue **ret, char **error);
struct queue *queue_free(struct queue *queue);
DEFINE_CLEANUP(struct queue *, queue_free)

const char *queue_url(const struct queue *queue); /* as configured */
bool queue_is_fifo(const struct queue *queue);
bool queue_is_open(const struct queue *queue);

/* What the queue told of itself; SQS's defaults where asking was denied. */
const struct sqs_queue_attributes *queue_attributes(const struct queue *queue);

/* Something speaks against them, or is about to be decided by them for good. True: they are asked
 * for again, and `refreshed` will run. False: they are but seconds old, or cannot be asked for. */
bool queue_refresh(struct queue *queue);

/* Where the keys in use come from, for people; NULL: there are none just now. Borrowed until the
 * loop goes on. */
const char *queue_keys_source(struct queue *queue);

/* As http_client_set_owner_bytes: of replies, so many bytes are held. */
void queue_set_owner_bytes(struct queue *queue, size_t bytes);

/* What is wrong with an operation that cannot go on, the opening among them; see service_stall_fn.
 */
const char *queue_find_stall(const struct queue *queue, uint64_t now_usec);

/* Starts an operation that is retried until SQS has said yes or has said no to this very request:
 * what only a person can mend is always retried, whatever the options say. Takes the request. As
 * sqs_client_call. */
int queue_call(struct queue *queue, struct sqs_request *request,
               const struct sqs_call_options *options, sqs_done_fn done, void *userdata,
               struct sqs_call **ret);
