/* SPDX-License-Identifier: MIT */
/* See groups.h. A group is known while it has messages out or was passed over. Those that
 * were passed over and have room stand in a line and take turns. */
#include "producerd/spool/groups.h"

#include <assert.h>
#include <errno.h>

#include "util/hash-table.h"

struct group {
    struct hash_entry entry;
    struct group *next_idle;
    struct group *next_behind;
    uint64_t passed_number; /* the first message passed over; 0: none was */
    unsigned n_out;
    char group_id[SQS_ID_MAX_BYTES + 1];
};

struct spool_groups {
    unsigned out_max;
    struct group *behind_first, *behind_last;
    struct group *pool, *idle; /* the first n_used of n_max have been in use */
    size_t n_used, n_max;
    struct hash_table by_id;
};

int spool_groups_new(unsigned out_max, size_t groups_max, struct spool_groups **ret)
{
    CLEANUP(spool_groups_free) struct spool_groups *g = calloc(1, sizeof(*g));

    if (!g)
        return -ENOMEM;
    g->out_max = out_max;
    g->n_max = groups_max;
    g->pool = calloc(groups_max, sizeof(struct group));
    if (!g->pool || hash_table_reserve(&g->by_id, groups_max) < 0)
        return -ENOMEM;
    *ret = TAKE(g);
    return 0;
}

struct spool_groups *spool_groups_free(struct spool_groups *g)
{
    if (g) {
        hash_table_done(&g->by_id);
        free(g->pool);
        free(g);
    }
    return NULL;
}

static struct group *find(struct spool_groups *g, const char *group_id)
{
    struct hash_entry *found = hash_table_find(&g->by_id, group_id, strlen(group_id));

    return found ? CONTAINER_OF(found, struct group, entry) : NULL;
}

static struct group *add(struct spool_groups *g, const char *group_id)
{
    struct group *group = g->idle;
    size_t size = strlen(group_id) + 1;

    assert(size <= sizeof(group->group_id));
    if (group)
        g->idle = group->next_idle;
    else if (g->n_used < g->n_max)
        group = &g->pool[g->n_used++];
    else
        return NULL;
    assert(group);
    memset(group, 0, offsetof(struct group, group_id));
    memcpy(group->group_id, group_id, size);
    (void)hash_table_insert(&g->by_id, &group->entry, group->group_id, size - 1); /* reserved */
    return group;
}

static void forget_if_idle(struct spool_groups *g, struct group *group)
{
    if (group->n_out > 0 || group->passed_number > 0)
        return;
    hash_table_remove(&g->by_id, &group->entry);
    group->next_idle = g->idle;
    g->idle = group;
}

static void queue_behind(struct spool_groups *g, struct group *group)
{
    group->next_behind = NULL;
    if (g->behind_first)
        g->behind_last->next_behind = group;
    else
        g->behind_first = group;
    g->behind_last = group;
}

enum spool_turn spool_groups_turn(struct spool_groups *g, const char *group_id, uint64_t number)
{
    struct group *group = find(g, group_id);

    if (!group)
        group = add(g, group_id);
    if (!group)
        return SPOOL_TURN_STOP;
    if (group->passed_number == 0 && group->n_out < g->out_max) {
        group->n_out++;
        return SPOOL_TURN_TAKE;
    }
    if (group->passed_number == 0)
        group->passed_number = number;
    return SPOOL_TURN_PASS;
}

void spool_groups_done(struct spool_groups *g, const char *group_id)
{
    struct group *group = find(g, group_id);

    assert(group && group->n_out > 0);
    /* With room it stands in the line already. */
    if (group->passed_number > 0 && group->n_out == g->out_max)
        queue_behind(g, group);
    group->n_out--;
    forget_if_idle(g, group);
}

const char *spool_groups_behind(const struct spool_groups *g, uint64_t *ret_number)
{
    if (!g->behind_first)
        return NULL;
    *ret_number = g->behind_first->passed_number;
    return g->behind_first->group_id;
}

static struct group *take_behind(struct spool_groups *g)
{
    struct group *group = g->behind_first;

    assert(group);
    g->behind_first = group->next_behind;
    return group;
}

void spool_groups_found(struct spool_groups *g, uint64_t number)
{
    struct group *group = take_behind(g);

    group->passed_number = number + 1;
    group->n_out++;
    if (group->n_out < g->out_max)
        queue_behind(g, group);
}

void spool_groups_caught_up(struct spool_groups *g)
{
    struct group *group = take_behind(g);

    group->passed_number = 0;
    forget_if_idle(g, group);
}

size_t spool_groups_count(const struct spool_groups *g)
{
    return g->by_id.n_entries;
}
