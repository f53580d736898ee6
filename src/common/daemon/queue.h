/* SPDX-License-Identifier: MIT */
/* The one queue that a daemon works on: its URL, its attributes, and what happens when it cannot be
 * reached. Opening the queue sends GetQueueAttributes. Failures, at the start and later, are logged
 * here, so that the cores see only answers.
 *
 * The start fails (service_exit) when only a person can help: the queue does not exist, credentials
 * are missing or refused, or a permission is missing for 30 s (sqs/permission.h). After the start
 * the same errors are retried, slowly, because a queue may be created again and keys may be
 * replaced. One error still ends the daemon then: an action is denied that has never succeeded yet.
 * A daemon that has other work meanwhile may ask to retry every error from the start on
 * (keep_trying). */
#pragma once

#include "aws/effective-settings.h"
#include "daemon/config.h"
#include "daemon/service.h"
#include "sqs/client.h"
#include "sqs/permission.h"

struct queue;

/* Runs once, when the queue has answered and no needed permission is known to be missing. */
typedef void (*queue_opened_fn)(void *userdata);

/* Runs after the callbacks of operations that were answered or failed together, never inside one of
 * them. It does not run after every operation. Requests that it starts are sent in the same round
 * of the event loop. */
typedef void (*queue_replied_fn)(void *userdata);

struct queue_options {
    const char *name;     /* User-Agent is the name and the version */
    unsigned permissions; /* the needed ones: bits PERMISSION_BIT(operation) */
    bool keep_trying;     /* the start does not fail and does not wait for permissions */
    queue_opened_fn opened;
    size_t reply_memory_bytes; /* see http_client_options */
    queue_replied_fn replied;  /* NULL: none */
    /* Runs after the queue was asked again for its attributes (sqs/attributes-refresher.h).
     * queue_attributes are then as new as they can be, and may have changed. NULL: none. */
    void (*refreshed)(void *userdata);
    void *userdata;
};

/* With keep_trying: the time between two attempts to open the queue, after SQS refused it for a
 * reason that is not known to pass. */
#define QUEUE_REOPEN_INTERVAL_USEC (60 * USEC_PER_SEC)

/* Reads the region, the profile and the other settings of AWS from the configuration and the
 * environment, and starts to open the queue. The configuration is borrowed and must outlive the
 * queue. Returns 0, a negative errno, or QUEUE_E_CONFIG with *error: one line, which the caller
 * frees. */
enum { QUEUE_E_CONFIG = 1 };
int queue_open(struct service *service, const struct config *config,
               const struct queue_options *options, struct queue **ret, char **error);
struct queue *queue_free(struct queue *queue);
DEFINE_CLEANUP(struct queue *, queue_free)

/* The configuration has changed: see queue_client_reconfigure. A queue that waits to be opened
 * again is asked at once. 0 or -ENOMEM. */
int queue_reconfigure(struct queue *queue, const char *ca_bundle, size_t reply_memory_bytes);

const char *queue_url(const struct queue *queue); /* as configured */
bool queue_is_fifo(const struct queue *queue);

/* The queue's attributes; SQS's defaults if GetQueueAttributes was denied. */
const struct sqs_queue_attributes *queue_attributes(const struct queue *queue);

/* To be called when something contradicts the attributes, or before a final decision that depends
 * on them. True: they are asked for again, and `refreshed` will run. False: they are only seconds
 * old, or cannot be asked for. */
bool queue_refresh(struct queue *queue);

/* The settings of AWS that the queue was opened with; only the CA bundle may be another by now. */
const struct aws_effective_settings *queue_aws_settings(const struct queue *queue);

/* Where the credentials in use come from, as text for people. NULL: there are none at the moment.
 * Borrowed until the event loop runs again. */
const char *queue_keys_source(struct queue *queue);

/* What the queue's requests go through. Borrowed. */
const struct queue_client *queue_client(const struct queue *queue);

/* The caller still holds this many bytes of replies; see http_client_set_owner_bytes. */
void queue_set_owner_bytes(struct queue *queue, size_t bytes);

/* What is wrong with an operation that cannot go on, including the opening; see
 * service_stall_fn. */
const char *queue_find_stall(const struct queue *queue, uint64_t now_usec);

/* Starts an operation. It is retried until SQS accepts it or refuses this particular request. An
 * error that only a person can correct is always retried, whatever the options say. Takes the
 * request. For the rest, see sqs_client_call. */
int queue_call(struct queue *queue, struct sqs_request *request,
               const struct sqs_call_options *options, sqs_done_fn done, void *userdata,
               struct sqs_call **ret);
