/* SPDX-License-Identifier: MIT */
/* From a source's message to SQS's acknowledgement.
 *
 * On a FIFO queue the messages of one group go out one after the other (lane.h), side by side with
 * those of other groups; up to `batch_size` of them share a request (batcher.h), and up to
 * `max_connections` requests are under way. A request whose answer is lost is asked again, with the
 * same deduplication ids, until its outcome is known; messages that SQS refuses for now go again
 * after a pause, and their group waits for them; messages that it will never take are put aside. */
#pragma once

#include "daemon/queue.h"

enum {
    /* Messages that are taken from the source and not settled are at most this many for each that
     * may be under way at once: enough for others to go on while some groups wait. */
    PRODUCER_MESSAGES_PER_SLOT = 4,
};

/* What the credentials must be allowed. */
#define PRODUCER_PERMISSIONS PERMISSION_BIT(SQS_SEND_MESSAGE)

struct producer;

/* Opens the queue and sends what the source of the configuration yields; calls service_exit when
 * that ends or after a stop. With the spool, the start does not fail for the queue's or the keys'
 * state. The service and the configuration are borrowed and must outlive the producer. 0, a
 * negative errno, or PRODUCER_E_CONFIG; *error is a line, which the caller frees, and may be NULL
 * with a negative errno. */
enum { PRODUCER_E_CONFIG = 1 };
int producer_new(struct service *service, const struct config *config, struct producer **ret,
                 char **error);
struct producer *producer_free(struct producer *producer);
DEFINE_CLEANUP(struct producer *, producer_free)
