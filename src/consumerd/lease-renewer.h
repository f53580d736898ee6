/* SPDX-License-Identifier: MIT */
/* Keeps the leases: asks SQS to extend those that are due, in batches, and reports those that are
 * lost. */
#pragma once

#include "consumerd/ack-request.h"
#include "consumerd/lease.h"

struct lease_renewer;

enum { LEASE_RENEWER_REQUESTS_MAX = 64 }; /* on their way at once */

/* SQS says that a message is no longer ours; its lease is forfeited. Never runs from inside
 * lease_renewer_dispatch. */
typedef void (*lease_renewer_lost_fn)(void *userdata, struct message *message,
                                      const struct ack_result *result);

/* A request has ended, and with it the times of the leases are others: lease_renewer_dispatch is to be called
 * soon, not from inside. */
typedef void (*lease_renewer_changed_fn)(void *userdata);

/* The leases are borrowed; `changed` may be NULL. 0 or -ENOMEM. */
int lease_renewer_new(struct queue *queue, struct leases *leases, lease_renewer_lost_fn lost,
                      lease_renewer_changed_fn changed, void *userdata, struct lease_renewer **ret);
struct lease_renewer *lease_renewer_free(struct lease_renewer *lease_renewer); /* silently */
DEFINE_CLEANUP(struct lease_renewer *, lease_renewer_free)

/* Sends what is due; the leases that are over must have been taken out. 0 or a negative errno: then
 * what could not be sent is due again in a second. */
int lease_renewer_dispatch(struct lease_renewer *lease_renewer);
