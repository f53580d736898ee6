/* SPDX-License-Identifier: MIT */
/* The producer: takes messages from a source, sends them to the queue, and tells the source how
 * each one ended.
 *
 * On a FIFO queue the messages of one group are sent one after the other (lane.h), while other
 * groups go at the same time. Up to `batch_size` messages share a request (batcher.h), and up to
 * `max_connections` requests are in flight. When an answer is lost, the messages are sent again
 * with the same deduplication ids until SQS answers. When SQS refuses a message for the moment, it
 * is sent again after a pause, and its group waits for it. A message that SQS will never accept is
 * rejected, and the source keeps or drops it. */
#pragma once

#include "daemon/queue.h"

enum {
    /* Messages in memory, for each message that may be in flight at once. The rest lets other
     * groups go on while some groups wait for a retry. */
    PRODUCER_MESSAGES_PER_SLOT = 4,
};

/* The permissions that the credentials need. */
#define PRODUCER_PERMISSIONS PERMISSION_BIT(SQS_SEND_MESSAGE)

struct producer;

/* Opens the queue and sends the messages of the configured source. Calls service_exit when the
 * source ends, or after a stop. With the spool as source, the start does not fail when the queue or
 * the credentials are not usable yet. `service` and `config` are borrowed and must outlive the
 * producer. Returns 0, a negative errno, or PRODUCER_E_CONFIG when only a person can help; *error
 * is then a line that the caller frees. With a negative errno it may be NULL. */
enum { PRODUCER_E_CONFIG = 1 };
int producer_new(struct service *service, const struct config *config, struct producer **ret,
                 char **error);
/* Works by the configuration's values as they are now. Values may have changed that a reload can
 * change (daemon/config-table.h); all others are as they were. `ca_bundle`: the CA bundle's path
 * now, NULL for the system's. Messages in flight keep what they began with. Not called once a stop
 * has begun, and never from inside a callback of the producer. 0, or -ENOMEM: then the connections
 * keep what they had. */
int producer_reconfigure(struct producer *producer, const char *ca_bundle);

/* Appends the metrics (daemon/metrics.h). */
void producer_append_metrics(struct producer *producer, struct buffer *out);

/* Those that the queue was opened with (daemon/queue.h). */
const struct aws_effective_settings *producer_aws_settings(const struct producer *producer);

struct producer *producer_free(struct producer *producer);
DEFINE_CLEANUP(struct producer *, producer_free)
