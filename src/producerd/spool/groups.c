/* SPDX-License-Identifier: MIT */
/* A group is known while it has messages in flight or rows that were skipped. Lagging groups that
 * may have a message more in flight stand in a queue and take turns. */
#include "producerd/spool/groups.h"

#include <assert.h>
#include <errno.h>

#include "util/hash-table.h"

struct group {
    struct hash_entry entry;
    struct group *next_idle;
    struct group *next_lagging;
    uint64_t skipped_from; /* number of the first row that was skipped; 0: none */
    unsigned n_in_flight;
    char group_id[SQS_ID_MAX_BYTES + 1];
};

struct spool_groups {
    unsigned in_flight_max;
    struct group *lagging_first, *lagging_last;
    struct group *pool, *idle; /* n_max groups; the first n_used were in use before */
    size_t n_used, n_max;
    struct hash_table by_id;
};

int spool_groups_new(unsigned in_flight_max, size_t groups_max, struct spool_groups **ret)
{
    CLEANUP(spool_groups_free) struct spool_groups *g = calloc(1, sizeof(*g));

    if (!g)
        return -ENOMEM;
    g->in_flight_max = in_flight_max;
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
    if (group->n_in_flight > 0 || group->skipped_from > 0)
        return;
    hash_table_remove(&g->by_id, &group->entry);
    group->next_idle = g->idle;
    g->idle = group;
}

static void add_lagging(struct spool_groups *g, struct group *group)
{
    group->next_lagging = NULL;
    if (g->lagging_first)
        g->lagging_last->next_lagging = group;
    else
        g->lagging_first = group;
    g->lagging_last = group;
}

enum group_decision spool_groups_decide(struct spool_groups *g, const char *group_id,
                                        uint64_t number)
{
    struct group *group = find(g, group_id);

    if (!group)
        group = add(g, group_id);
    if (!group)
        return GROUP_STOP;
    if (group->skipped_from == 0 && group->n_in_flight < g->in_flight_max) {
        group->n_in_flight++;
        return GROUP_TAKE;
    }
    if (group->skipped_from == 0)
        group->skipped_from = number;
    return GROUP_SKIP;
}

void spool_groups_done(struct spool_groups *g, const char *group_id)
{
    struct group *group = find(g, group_id);

    assert(group && group->n_in_flight > 0);
    /* A group below its maximum stands in the queue already. */
    if (group->skipped_from > 0 && group->n_in_flight == g->in_flight_max)
        add_lagging(g, group);
    group->n_in_flight--;
    forget_if_idle(g, group);
}

const char *spool_groups_next_lagging(const struct spool_groups *g, uint64_t *ret_number)
{
    if (!g->lagging_first)
        return NULL;
    *ret_number = g->lagging_first->skipped_from;
    return g->lagging_first->group_id;
}

static struct group *take_lagging(struct spool_groups *g)
{
    struct group *group = g->lagging_first;

    assert(group);
    g->lagging_first = group->next_lagging;
    return group;
}

void spool_groups_lagging_found(struct spool_groups *g, uint64_t number)
{
    struct group *group = take_lagging(g);

    group->skipped_from = number + 1;
    group->n_in_flight++;
    if (group->n_in_flight < g->in_flight_max)
        add_lagging(g, group);
}

void spool_groups_caught_up(struct spool_groups *g)
{
    struct group *group = take_lagging(g);

    group->skipped_from = 0;
    forget_if_idle(g, group);
}

size_t spool_groups_count(const struct spool_groups *g)
{
    return g->by_id.n_entries;
}
