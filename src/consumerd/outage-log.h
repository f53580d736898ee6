/* SPDX-License-Identifier: MIT */
/* The log lines of the handler's outages: one when an outage begins, one a minute while it lasts,
 * one at its end. `outage.text` is the reason, for the service's status. */
#pragma once

#include "consumerd/message.h"
#include "daemon/failure-log.h"

struct outage_log { /* all zero: none yet */
    struct failure_log outage, charges;
};

/* A try has failed. `why` is one line, or NULL; `n_waiting` is the number of messages in flight. */
void outage_log_failure(struct outage_log *log, const struct outage *outage, const char *why,
                        size_t n_waiting, uint64_t now_usec);

/* The handler answers again. */
void outage_log_end(struct outage_log *log, uint64_t now_usec);

/* A message that a gateway refused is charged (outage.h), and comes back. */
void outage_log_charge(struct outage_log *log, const struct message *message, uint64_t now_usec);
