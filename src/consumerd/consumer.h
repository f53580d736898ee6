/* SPDX-License-Identifier: MIT */
/* The consumer: receives messages while there is capacity, and gives them to the handler, many at
 * once, but those of a group one by one. It renews their leases. It deletes the messages that were
 * handled, and releases the others. */
#pragma once

#include "consumerd/handler/handler.h"
#include "daemon/queue.h"

/* The operations that the credentials must allow. */
#define CONSUMER_PERMISSIONS                                                                       \
    (PERMISSION_BIT(SQS_RECEIVE_MESSAGE) | PERMISSION_BIT(SQS_DELETE_MESSAGE) |                    \
     PERMISSION_BIT(SQS_CHANGE_MESSAGE_VISIBILITY))

struct consumer;

/* Opens the queue, then consumes it until the service stops or the configured number of receives in
 * a row were empty. Then it calls service_exit. The service and the configuration are borrowed and
 * must outlive the consumer. This function takes ownership of the handler, even when it fails.
 *
 * Opens the ledger first ($STATE_DIRECTORY/ledger.db), if the handler's kind uses one
 * (handlers.h) and consumer.ledger_max_messages is not 0.
 *
 * 0, a negative errno, or CONSUMER_E_CONFIG: the configuration is not valid, or only a person can
 * make the ledger usable. Then *error is one line, which the caller frees. */
enum { CONSUMER_E_CONFIG = 1 };
int consumer_new(struct service *service, const struct config *config, struct handler *handler,
                 struct consumer **ret, char **error);
/* Checks the configuration that consumer_reconfigure is to use, and prepares for it. Returns what
 * consumer_new does; on failure nothing has changed. */
int consumer_prepare(struct consumer *consumer, const struct config *next, char **error);

/* Works by the configuration's values as they are now. Values may have changed that a reload can
 * change (daemon/config-table.h); all others are as they were. `ca_bundle`: the CA bundle's path
 * now, NULL for the system's. Messages in flight keep what they began with. Not called once a stop
 * has begun, and never from inside a callback of the consumer. 0, or -ENOMEM: then the connections
 * to SQS keep what they had. */
int consumer_reconfigure(struct consumer *consumer, const char *ca_bundle);

/* Appends the metrics (daemon/metrics.h). */
void consumer_append_metrics(struct consumer *consumer, struct buffer *out);

/* Appends that the handler is not reached, as the status line has it, and returns true; false: it
 * is. */
bool consumer_append_failure(struct consumer *consumer, struct buffer *out);

/* Those that the queue was opened with (daemon/queue.h). */
const struct aws_effective_settings *consumer_aws_settings(const struct consumer *consumer);

struct consumer *consumer_free(struct consumer *consumer);
DEFINE_CLEANUP(struct consumer *, consumer_free)
