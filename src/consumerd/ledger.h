/* SPDX-License-Identifier: MIT */
/* The ids of messages that were handled and perhaps not deleted, on disk. So a message that is
 * received again is not handled again, even if the daemon or the machine crashed in between. A
 * message has the same id in all its deliveries. A person who moves a message out of a dead-letter
 * queue gives it a new id; it is handled as a new message.
 *
 * Additions and removals form one transaction until ledger_commit, which blocks for one sync of the
 * disk if anything was added (util/database.h). ledger_has sees them before that.
 *
 * Times are of the wall clock, because they must stay valid after a reboot. If the clock jumps
 * ahead by more than max_age, all ids are forgotten too early. If it jumps back later, the ids that
 * were added in between are forgotten. */
#pragma once

#include "util/macro.h"

struct ledger;

/* Beyond these limits the oldest ids are forgotten. A commit forgets as many as it adds, or 100 if
 * that is more; so it takes several commits until the file obeys limits that were lowered. */
struct ledger_limits {
    uint64_t max_messages; /* more than 0 */
    uint64_t max_age_usec; /* more than 0 */
};

/* Opens the file, and makes it if there is none. 0, LEDGER_E_UNUSABLE when only a person can help,
 * or a negative errno. On failure *error is one line, which the caller frees; not with -ENOMEM. */
enum { LEDGER_E_UNUSABLE = 1 };
int ledger_open(const char *path, const struct ledger_limits *limits, struct ledger **ret,
                char **error);

/* Changes the limits. */
void ledger_set_limits(struct ledger *ledger, const struct ledger_limits *limits);

/* Commits, then closes the file. */
struct ledger *ledger_free(struct ledger *ledger);
DEFINE_CLEANUP(struct ledger *, ledger_free)

/* Adds the id of a message that has been handled. It is on disk when ledger_commit has returned
 * LEDGER_COMMITTED. 0 or a negative errno; ledger_commit reports the error again. */
int ledger_add(struct ledger *ledger, const char *message_id, uint64_t now_usec);

/* Removes the id of a message that SQS has deleted, if it is there. Not synced: after a power cut
 * it may still be there, which does no harm. 0 or a negative errno; ledger_commit reports the error
 * again. */
int ledger_remove(struct ledger *ledger, const char *message_id);

/* LEDGER_HAS if the id is there and not too old, 0 if not, or a negative errno. */
enum { LEDGER_HAS = 1 };
int ledger_has(struct ledger *ledger, const char *message_id, uint64_t now_usec);

/* Ends the transaction. LEDGER_COMMITTED; 0: there was nothing to do; or a negative errno: no
 * addition and no removal since the last commit has taken effect. */
enum { LEDGER_COMMITTED = 1 };
int ledger_commit(struct ledger *ledger, uint64_t now_usec);

/* How many ids are in it, and how many were forgotten since it was opened because of
 * max_messages. */
uint64_t ledger_count(const struct ledger *ledger);
uint64_t ledger_crowded_out(const struct ledger *ledger);

/* Whether the next commit would forget ids because of max_messages. */
bool ledger_is_crowded(const struct ledger *ledger);

/* The last failure: one line that names the file. Valid until the next failure. */
const char *ledger_error(const struct ledger *ledger);
