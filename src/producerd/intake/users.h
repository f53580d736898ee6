/* SPDX-License-Identifier: MIT */
/* Counts the connections and the messages of each user. Pure. */
#pragma once

#include <sys/types.h>

#include "util/macro.h"

struct intake_user {
    uid_t uid;
    bool is_used;
    size_t n_connections;
    uint64_t n_messages; /* stored for the user; lost when its slot is reused */
};

struct intake_users;

/* A table for `connections_max` connections. Returns NULL without memory. */
struct intake_users *intake_users_new(size_t connections_max);
struct intake_users *intake_users_free(struct intake_users *users);
DEFINE_CLEANUP(struct intake_users *, intake_users_free)

/* Returns the entry of the user; it does not move while the user has connections. Returns NULL when
 * every slot has connections of another user. */
struct intake_user *intake_users_get(struct intake_users *users, uid_t uid);

/* Return the user with the most connections or messages, or NULL when there is none. */
const struct intake_user *intake_users_most_connections(const struct intake_users *users);
const struct intake_user *intake_users_most_messages(const struct intake_users *users);
