/* SPDX-License-Identifier: MIT */
/* Why messages wait for the handler, in the log and in the status: a line when an outage begins,
 * one a minute while it lasts, one at its end. */
#pragma once

#include "consumerd/message.h"
#include "daemon/trouble.h"

struct handler_trouble { /* all zero: none yet */
    struct trouble outage, charges;
};

/* A try has failed; `why` is one line, or NULL. `n_waiting` messages are in flight. */
void handler_trouble_add(struct handler_trouble *trouble, const struct outage *outage,
                         const char *why, size_t n_waiting, uint64_t now_usec);

/* The handler answers again. */
void handler_trouble_end(struct handler_trouble *trouble, uint64_t now_usec);

/* A message that a gateway refused is charged with that. */
void handler_trouble_charged(struct handler_trouble *trouble, const struct message *message,
                             uint64_t now_usec);
