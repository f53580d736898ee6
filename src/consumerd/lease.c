/* SPDX-License-Identifier: MIT */
/* One list, sorted by the time at which something must be done about a lease. If the lease can be
 * renewed, that is when half of its remaining time has passed. If it cannot be renewed, or if a
 * renewal is under way, that is when it ends. A new time is nearly always the latest, so the search
 * for its place begins at the back of the list. */
#include "consumerd/lease.h"

static struct message *of(struct list *link)
{
    return CONTAINER_OF(link, struct message, lease.by_time);
}

void leases_init(struct leases *leases, uint64_t visibility_usec)
{
    list_init(&leases->by_time);
    leases->first_usec = leases->visibility_usec = visibility_usec;
}

void leases_set_times(struct leases *leases, unsigned first_sec, unsigned visibility_sec)
{
    leases->first_usec = first_sec * USEC_PER_SEC;
    leases->visibility_usec = visibility_sec * USEC_PER_SEC;
}

static void sort_in(struct leases *leases, struct message *m, uint64_t next_usec)
{
    struct list *place = &leases->by_time;

    m->lease.next_usec = MIN(next_usec, m->lease.end_usec);
    list_remove(&m->lease.by_time);
    while (place->previous != &leases->by_time &&
           of(place->previous)->lease.next_usec > m->lease.next_usec)
        place = place->previous;
    list_insert_before(place, &m->lease.by_time);
}

static void sort_in_at_half(struct leases *leases, struct message *m, uint64_t now_usec)
{
    uint64_t left = m->lease.end_usec > now_usec ? m->lease.end_usec - now_usec : 0;

    sort_in(leases, m, now_usec + left / 2);
}

void lease_begin(struct leases *leases, struct message *m, uint64_t now_usec)
{
    m->lease.end_usec = m->received_usec + leases->first_usec;
    sort_in_at_half(leases, m, now_usec);
}

void lease_stop_renewal(struct leases *leases, struct message *m)
{
    list_remove(&m->lease.by_time);
}

void lease_mark_lost(struct leases *leases, struct message *m)
{
    lease_stop_renewal(leases, m);
    m->lease.end_usec = 0;
    m->lease.is_renewing = false;
}

bool lease_holds(const struct message *m, uint64_t now_usec)
{
    return now_usec < m->lease.end_usec;
}

unsigned lease_visibility_max_sec(const struct message *m, uint64_t now_usec)
{
    uint64_t limit = m->received_usec + LEASE_TOTAL_MAX_USEC;

    return now_usec < limit ? (unsigned)((limit - now_usec) / USEC_PER_SEC) : 0;
}

uint64_t leases_next_usec(const struct leases *leases)
{
    if (list_is_empty(&leases->by_time))
        return USEC_INFINITY;
    return of(leases->by_time.next)->lease.next_usec;
}

struct message *leases_take_ended(struct leases *leases, uint64_t now_usec)
{
    LIST_FOREACH(&leases->by_time, link)
    {
        struct message *m = of(link);

        if (m->lease.next_usec > now_usec)
            break;
        if (!lease_holds(m, now_usec)) {
            lease_stop_renewal(leases, m);
            return m;
        }
    }
    return NULL;
}

size_t leases_take_due(struct leases *leases, uint64_t now_usec, struct lease_renewal *ret,
                       size_t max)
{
    uint64_t soon_usec = now_usec + leases->visibility_usec / 8;
    size_t n = 0;

    if (leases_next_usec(leases) > now_usec)
        return 0;
    LIST_FOREACH(&leases->by_time, link)
    {
        struct message *m = of(link);
        unsigned wanted = (unsigned)(leases->visibility_usec / USEC_PER_SEC), seconds;

        if (n == max || m->lease.next_usec > soon_usec)
            break;
        if (m->lease.next_usec == m->lease.end_usec)
            continue;
        seconds = MIN(wanted, lease_visibility_max_sec(m, now_usec));
        if (now_usec + seconds * USEC_PER_SEC > m->lease.end_usec) {
            ret[n++] = (struct lease_renewal){m, seconds};
            m->lease.is_renewing = true;
        } else if (seconds == wanted) { /* the timeout was longer before */
            sort_in_at_half(leases, m, now_usec);
            continue;
        }
        sort_in(leases, m,
                USEC_INFINITY); /* to its end: the loop may meet it again, and skips it */
    }
    return n;
}

static bool is_kept(const struct message *m)
{
    return list_is_linked(&m->lease.by_time);
}

void lease_renewed(struct leases *leases, struct message *m, uint64_t sent_usec,
                   unsigned visibility_sec, uint64_t now_usec)
{
    m->lease.end_usec = sent_usec + visibility_sec * USEC_PER_SEC;
    m->lease.is_renewing = false;
    if (is_kept(m))
        sort_in_at_half(leases, m, now_usec);
}

void lease_not_renewed(struct leases *leases, struct message *m, uint64_t retry_usec)
{
    m->lease.is_renewing = false;
    if (is_kept(m))
        sort_in(leases, m, retry_usec);
}
