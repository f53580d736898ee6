/* SPDX-License-Identifier: MIT */
/* The table has one slot more than connections can be open, so a new user always finds one. A user
 * without connections keeps its slot, for the count of its messages, until another user needs
 * it. */
#include "producerd/intake/users.h"

struct intake_users {
    size_t n_max;
    struct intake_user slots[];
};

struct intake_users *intake_users_new(size_t connections_max)
{
    struct intake_users *u =
        calloc(1, sizeof(*u) + (connections_max + 1) * sizeof(struct intake_user));

    if (u)
        u->n_max = connections_max + 1;
    return u;
}

struct intake_users *intake_users_free(struct intake_users *u)
{
    free(u);
    return NULL;
}

/* Returns true when `a` is the better slot to reuse: a slot never used, then that of the user with
 * the fewest messages. */
static bool is_freer(const struct intake_user *a, const struct intake_user *b)
{
    return !b || (a->is_used ? b->is_used && a->n_messages < b->n_messages : b->is_used);
}

struct intake_user *intake_users_get(struct intake_users *u, uid_t uid)
{
    struct intake_user *free_one = NULL;

    for (size_t i = 0; i < u->n_max; i++) {
        struct intake_user *user = &u->slots[i];

        if (user->is_used && user->uid == uid)
            return user;
        if (user->n_connections == 0 && is_freer(user, free_one))
            free_one = user;
        if (!user->is_used) /* no later slot is used */
            break;
    }
    if (free_one)
        *free_one = (struct intake_user){.uid = uid, .is_used = true};
    return free_one;
}

const struct intake_user *intake_users_most_connections(const struct intake_users *u)
{
    const struct intake_user *most = NULL;

    for (size_t i = 0; i < u->n_max && u->slots[i].is_used; i++)
        if (u->slots[i].n_connections > (most ? most->n_connections : 0))
            most = &u->slots[i];
    return most;
}

const struct intake_user *intake_users_most_messages(const struct intake_users *u)
{
    const struct intake_user *most = NULL;

    for (size_t i = 0; i < u->n_max && u->slots[i].is_used; i++)
        if (u->slots[i].n_messages > (most ? most->n_messages : 0))
            most = &u->slots[i];
    return most;
}
