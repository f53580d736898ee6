/* SPDX-License-Identifier: MIT */
/* From a message's receipt to its deletion: receives for what there is room for, handles many
 * messages at once and those of a group one after the other, keeps their leases, deletes what was
 * handled and gives back what was not. */
#pragma once

#include "consumerd/handler/handler.h"
#include "daemon/queue.h"

/* What the credentials must be allowed. */
#define CONSUMER_PERMISSIONS                                                                       \
    (PERMISSION_BIT(SQS_RECEIVE_MESSAGE) | PERMISSION_BIT(SQS_DELETE_MESSAGE) |                    \
     PERMISSION_BIT(SQS_CHANGE_MESSAGE_VISIBILITY))

struct consumer;

/* Opens the queue, receives, hands to the handler, and deletes; calls service_exit after so many
 * empty receives in a row as are configured, or after a stop. The service and the configuration are
 * borrowed and must outlive the consumer; the handler is taken, also on failure.
 *
 * For all handlers but the journal's, and unless consumer.ledger_max_messages is 0, the ledger is
 * opened first: ledger.db in $STATE_DIRECTORY.
 *
 * 0, a negative errno, or CONSUMER_E_CONFIG with *error a line, which the caller frees: the
 * configuration does not do, or only a person can help the ledger. */
enum { CONSUMER_E_CONFIG = 1 };
int consumer_new(struct service *service, const struct config *config, struct handler *handler,
                 struct consumer **ret, char **error);
struct consumer *consumer_free(struct consumer *consumer);
DEFINE_CLEANUP(struct consumer *, consumer_free)
