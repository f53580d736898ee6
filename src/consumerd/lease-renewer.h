/* SPDX-License-Identifier: MIT */
/* Renews leases: sends SQS the due renewals in batches, and reports the leases that are lost. */
#pragma once

#include "consumerd/ack-request.h"
#include "consumerd/lease.h"

struct lease_renewer;

enum { LEASE_RENEWER_REQUESTS_MAX = 64 }; /* under way at once */

/* SQS no longer knows the message's receipt handle; the lease has been marked as lost. Never runs
 * from inside lease_renewer_dispatch. */
typedef void (*lease_renewer_lost_fn)(void *userdata, struct message *message,
                                      const struct ack_result *result);

/* A request has ended, and leases have new times. Call lease_renewer_dispatch soon, but not from
 * inside this callback. */
typedef void (*lease_renewer_changed_fn)(void *userdata);

/* The leases are borrowed; `changed` may be NULL. 0 or -ENOMEM. */
int lease_renewer_new(struct queue *queue, struct leases *leases, lease_renewer_lost_fn lost,
                      lease_renewer_changed_fn changed, void *userdata, struct lease_renewer **ret);
struct lease_renewer *lease_renewer_free(struct lease_renewer *renewer); /* runs no callback */
DEFINE_CLEANUP(struct lease_renewer *, lease_renewer_free)

/* Sends the renewals that are due. Call leases_take_ended first, until it returns NULL. 0, or a
 * negative errno: the renewals that could not be sent are due again in a second. */
int lease_renewer_dispatch(struct lease_renewer *renewer);
