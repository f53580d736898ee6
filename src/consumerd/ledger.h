/* SPDX-License-Identifier: MIT */
/* Which messages were handled and perhaps not deleted, by their ids, on disk: so that one that
 * comes back is not handled again, whatever ended the daemon in between. SQS keeps an id over all
 * deliveries of a message; one that a person moves back out of a dead-letter queue has a new id,
 * and is handled as a new message.
 *
 * Additions and removals are gathered into one transaction until ledger_commit, which blocks for
 * one sync of the disk if anything was added (see util/database.h). What is asked before that knows
 * of them.
 *
 * Times are of the wall clock, for they must hold over a boot. A clock that jumps ahead by more
 * than max_age makes it forget everything too early; one that jumped ahead and came back, what was
 * added meanwhile. */
#pragma once

#include "util/macro.h"

struct ledger;

/* Beyond these the oldest are forgotten, at the commits: each forgets as many as it adds, or some
 * more, so that it takes several until the file keeps to limits that were lowered. */
struct ledger_limits {
    uint64_t max_messages; /* more than 0 */
    uint64_t max_age_usec; /* more than 0 */
};

/* Opens the file, made where there is none. Returns as database_open does: 0, LEDGER_E_UNUSABLE
 * where only a person can help, or a negative errno; with all but -ENOMEM *error is one line, which
 * the caller frees. */
enum { LEDGER_E_UNUSABLE = 1 };
int ledger_open(const char *path, const struct ledger_limits *limits, struct ledger **ret,
                char **error);

/* Commits first. */
struct ledger *ledger_free(struct ledger *ledger);
DEFINE_CLEANUP(struct ledger *, ledger_free)

/* Adds a message that has been handled; it is on disk when ledger_commit says so. A failure, also
 * of a removal, is told again by the commit. 0 or a negative errno. */
int ledger_add(struct ledger *ledger, const char *message_id, uint64_t now_usec);

/* Removes a message that SQS has deleted; one that is not there is left alone. Not synced: after a
 * power cut it may be there still, which costs its place until it is forgotten and nothing else.
 * 0 or a negative errno. */
int ledger_remove(struct ledger *ledger, const char *message_id);

/* LEDGER_HAS, 0, or a negative errno: it cannot be read. */
enum { LEDGER_HAS = 1 };
int ledger_has(struct ledger *ledger, const char *message_id, uint64_t now_usec);

/* Ends the transaction: LEDGER_COMMITTED, 0: there was nothing to do, or a negative errno: what was
 * added since the last commit is not in the ledger, what was removed still is. */
enum { LEDGER_COMMITTED = 1 };
int ledger_commit(struct ledger *ledger, uint64_t now_usec);

/* How many are in it; how many were forgotten since it was opened because there were too many. */
uint64_t ledger_count(const struct ledger *ledger);
uint64_t ledger_crowded_out(const struct ledger *ledger);

/* Whether the next commit would forget some because there are too many. */
bool ledger_is_crowded(const struct ledger *ledger);

/* The last failure, one line that names the file. Valid until the next. */
const char *ledger_error(const struct ledger *ledger);
