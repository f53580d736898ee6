/* SPDX-License-Identifier: MIT */
/* The consumer: receives messages as long as there is capacity, has many handled at once and those
 * of a group one by one, keeps their leases, deletes what was handled and releases what was not. */
#pragma once

#include "consumerd/handler/handler.h"
#include "daemon/queue.h"

/* What the credentials must be allowed. */
#define CONSUMER_PERMISSIONS                                                                       \
    (PERMISSION_BIT(SQS_RECEIVE_MESSAGE) | PERMISSION_BIT(SQS_DELETE_MESSAGE) |                    \
     PERMISSION_BIT(SQS_CHANGE_MESSAGE_VISIBILITY))

struct consumer;

/* Opens the queue, then consumes it until the service stops, or until as many receives in a row
 * were empty as are configured; then it calls service_exit. The service and the configuration are
 * borrowed and must outlive the consumer. The consumer owns the handler, also when this function
 * fails.
 *
 * Opens the ledger first ($STATE_DIRECTORY/ledger.db), unless the handler is the journal's or
 * consumer.ledger_max_messages is 0.
 *
 * 0, a negative errno, or CONSUMER_E_CONFIG: the configuration is not valid, or the ledger needs a
 * person. Then *error is one line, which the caller frees. */
enum { CONSUMER_E_CONFIG = 1 };
int consumer_new(struct service *service, const struct config *config, struct handler *handler,
                 struct consumer **ret, char **error);
struct consumer *consumer_free(struct consumer *consumer);
DEFINE_CLEANUP(struct consumer *, consumer_free)
