/* SPDX-License-Identifier: MIT */
/* Why messages wait for the handler, in the log and in the status: a line when an outage begins,
 * one a minute while it lasts, one at its end. */
#pragma once

#include "consumerd/message.h"
#include "daemon/failure-log.h"

struct outage_log { /* all zero: none yet */
    struct failure_log outage, charges;
};

/* A try has failed; `why` is one line, or NULL. `n_waiting` messages are in flight. */
void outage_log_failure(struct outage_log *log, const struct outage *outage, const char *why,
                        size_t n_waiting, uint64_t now_usec);

/* The handler answers again. */
void outage_log_end(struct outage_log *log, uint64_t now_usec);

/* A message that a gateway refused is charged with that. */
void outage_log_charge(struct outage_log *log, const struct message *message, uint64_t now_usec);
