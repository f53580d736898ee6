/* SPDX-License-Identifier: MIT */
/* Who hands in, by uid: how many connections each has, so that nobody may take all places, and how
 * much has come from each. Pure. */
#pragma once

#include <sys/types.h>

#include "util/macro.h"

struct intake_user {
    uid_t uid;
    bool is_used;
    size_t n_connections;
    uint64_t n_messages; /* that were taken from it; 0 again where its slot was needed */
};

struct intake_users;

/* For `connections_max` connections at once. NULL without memory. */
struct intake_users *intake_users_new(size_t connections_max);
struct intake_users *intake_users_free(struct intake_users *users);
DEFINE_CLEANUP(struct intake_users *, intake_users_free)

/* The user's; it stays where it is while it has connections. NULL: as many others have some. */
struct intake_user *intake_users_get(struct intake_users *users, uid_t uid);

/* Those with the most connections, or from whom the most messages have come; NULL: there is nobody.
 */
const struct intake_user *intake_users_most_connections(const struct intake_users *users);
const struct intake_user *intake_users_most_messages(const struct intake_users *users);
