/* What is done with a message that was received: one file, handler-<name>.c, behind this table.
 * Many messages may be with a handler at once. */
#pragma once

#include <systemd/sd-event.h>

#include "buffer.h"
#include "config.h"
#include "sqs-message.h"

/* Of a log entry about a received message, for LOG_FIELDS. */
#define MESSAGE_FIELDS(received)                                                                   \
    {"SQS_MESSAGE_ID", (received)->message_id},                                                    \
    {                                                                                              \
        "SQS_MESSAGE_GROUP_ID", (received)->group_id                                               \
    }

enum handler_outcome {
    HANDLER_DONE,        /* delete it */
    HANDLER_RETRY,       /* let it come back */
    HANDLER_UNANSWERED,  /* the same, but there was no answer: what others get is not known by it */
    HANDLER_REJECT,      /* it will never be handled: delete it, and say so */
    HANDLER_NOT_REACHED, /* the handler is away, which is not the message's fault: try again */
    HANDLER_UNAVAILABLE, /* a gateway says so in the handler's place: see outage.h */
};

/* HANDLER_RETRY, HANDLER_UNANSWERED: let it come back after the delay that the consumer grows with
 * each receive; after consumer.retry_delay, whatever the receive. */
#define HANDLER_DELAY_DEFAULT USEC_INFINITY
#define HANDLER_DELAY_CONSTANT (USEC_INFINITY - 1)

/* Runs once for each message run that was not cancelled, maybe from inside `run` or `end`: nothing
 * is done about the message any more. `delay_usec` is when the message is to come back, for all
 * that let it: one of the two above, or what the handler asks for. That only makes the growing
 * delay longer; whole seconds are made of it. */
typedef void (*handler_done_fn)(void *userdata, enum handler_outcome outcome, uint64_t delay_usec);

/* The most that the work on a message is given to end in. */
#define HANDLER_END_MAX_USEC (5 * USEC_PER_SEC)

struct handler;
struct handler_run; /* the handling of one message; the handler's own */

struct handler_ops {
    /* Begins to handle a message, which is borrowed until `done` or `cancel`. `*ret_run` is for
     * `cancel`, valid until `done` or `cancel`; it stays untouched where `done` runs inside `run`.
     * 0, or a negative errno: then `done` will not run. */
    int (*run)(struct handler *handler, const struct sqs_received_message *message,
               handler_done_fn done, void *userdata, struct handler_run **ret_run);
    /* Asks the work on a message to end, within that time: its lease is lost, or the time to stop
     * is over. `done` runs when it has ended, with HANDLER_DONE only where it is known to have got
     * through before. May be called again, to have it end sooner. */
    void (*end)(struct handler_run *run, uint64_t grace_usec);
    /* Ends the work on a message without its answer, where nobody waits for that any more: the
     * handler will be freed. */
    void (*cancel)(struct handler_run *run);
    /* All runs have ended by then. */
    void (*free)(struct handler *handler);
    /* Why the last HANDLER_NOT_REACHED or HANDLER_UNAVAILABLE: one line, borrowed until the next.
     * NULL for a handler that has neither. */
    const char *(*trouble)(const struct handler *handler);
    /* A run that has begun has reached the handler, also before its answer. */
    bool is_reached_at_once;
};

/* The head of each handler's own structure. */
struct handler {
    const struct handler_ops *ops;
    const char *target; /* for people: what handles the messages, a path or a URL without its query;
                           NULL: the daemon itself */
};

static inline struct handler *handler_free(struct handler *handler)
{
    if (handler)
        handler->ops->free(handler);
    return NULL;
}
DEFINE_CLEANUP(struct handler *, handler_free)

/* Writes the message into the journal: the demo's line where its body is the demo's JSON, else the
 * body as it is, escaped and shortened. Done when the log has taken the line, and not reached
 * where it cannot. 0 or -ENOMEM. */
int handler_journal_new(struct handler **ret);

/* The settings do not fit the handler; *error is one line, which the caller frees. */
enum { HANDLER_E_CONFIG = 1 };

/* Runs consumer.command for the message: the body is its standard input, exec-environment.h says
 * what it knows of the message. What it prints goes into the log line by line, standard output at
 * info and standard error at warning, 1,000 lines of each message at most. Its exit status says
 * what becomes of the message:
 *
 *   0                   done
 *   75 (EX_TEMPFAIL)    to come back after consumer.retry_delay
 *   65 (EX_DATAERR)     rejected
 *   any other, a signal, or more than consumer.timeout; also where its arguments and environment
 *   are more than the kernel hands over
 *                       to come back after the growing delay
 *
 * Where it cannot be started for another reason (the file is away or may not be run, no memory, too
 * many processes), it is not reached. Nor is it where its time ends while the log is slow: what it
 * prints waits for the log then.
 *
 * Its end is as child.h has it, with HANDLER_END_MAX_USEC of grace, or less where `end` says so. Of
 * one that was asked to end the message comes back, whatever its exit status. When the handler is
 * freed, what still runs has up to one second for all, which that waits.
 *
 * Loop and configuration are borrowed and must outlive the handler. Raises this process's limit of
 * open files where consumer.concurrency asks for that, and closes this process's memory and
 * environment to others of the same user (PR_SET_DUMPABLE). 0, negative errno, or HANDLER_E_CONFIG.
 */
int handler_exec_new(sd_event *event, const struct config *config, struct handler **ret,
                     char **error);

/* Posts the message to consumer.url as Elastic Beanstalk's worker daemon does (sqsd-headers.h), and
 * goes by the reply's status alone:
 *
 *   200                     done
 *   502, 503 and 504        unavailable; tried again no sooner than the Retry-After of a 503
 *                           (RFC 9110) says
 *   429 with a Retry-After  to come back after that time, at most SQS's 12 hours, but not sooner
 *                           than after the growing delay
 *   any other status, or    to come back after the growing delay
 *   no whole reply within
 *   consumer.timeout
 *
 * Where nothing of it could be sent (no address for the name, no connection, no TLS), it is not
 * reached. Neither is it where a proxy refuses to connect: then the next try waits for a minute.
 *
 * Where a connection that served before ends without a word, the message is posted once more on a
 * new one, as aws-sqsd does; on a new one that is a failure.
 *
 * One that is to end is given up at once, whatever the application then does with it.
 *
 * To a server on this machine it goes directly, to others as the environment's proxy variables say.
 * The loop is borrowed, the configuration only read. 0, negative errno, or HANDLER_E_CONFIG. */
int handler_http_new(sd_event *event, const struct config *config, struct handler **ret,
                     char **error);

/* The handler that consumer.handler names. As handler_exec_new. */
int handler_new(sd_event *event, const struct config *config, struct handler **ret, char **error);

/* Appends, for people, which it is: "handler exec (/usr/local/bin/handle)". */
void handler_append(struct buffer *text, const struct config *config,
                    const struct handler *handler);

/* Whether that handler could be made. 0, negative errno, or HANDLER_E_CONFIG. */
int handler_check(const struct config *config, char **error);
