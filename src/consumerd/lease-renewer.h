/* SPDX-License-Identifier: MIT */
/* Keeps the leases: asks SQS to extend those that are due, in batches, and reports those that are
 * lost. */
#pragma once

#include "consumerd/ack-request.h"
#include "consumerd/lease.h"

struct extender;

enum { EXTENDER_REQUESTS_MAX = 64 }; /* on their way at once */

/* SQS says that a message is no longer ours; its lease is forfeited. Never runs from inside
 * extender_turn. */
typedef void (*extender_lost_fn)(void *userdata, struct message *message,
                                 const struct batch_result *result);

/* A request has ended, and with it the times of the leases are others: extender_turn is to be called
 * soon, not from inside. */
typedef void (*extender_changed_fn)(void *userdata);

/* The leases are borrowed; `changed` may be NULL. 0 or -ENOMEM. */
int extender_new(struct queue *queue, struct leases *leases, extender_lost_fn lost,
                 extender_changed_fn changed, void *userdata, struct extender **ret);
struct extender *extender_free(struct extender *extender); /* silently */
DEFINE_CLEANUP(struct extender *, extender_free)

/* Sends what is due; the leases that are over must have been taken out. 0 or a negative errno: then
 * what could not be sent is due again in a second. */
int extender_turn(struct extender *extender);
