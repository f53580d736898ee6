/* SPDX-License-Identifier: MIT */
/* See outage.h. */
#include "consumerd/outage.h"

enum { SUSPECT_OUTAGES = 2 };

static uint64_t backoff_usec(const struct outage *o, uint64_t random)
{
    uint64_t max = o->is_gateway ? OUTAGE_GATEWAY_BACKOFF_MAX_USEC : OUTAGE_BACKOFF_MAX_USEC;
    uint64_t usec = OUTAGE_BACKOFF_MIN_USEC;

    for (unsigned i = 1; i < o->n_failures && usec < max; i++)
        usec *= 2;
    usec = MIN(usec, max);
    return usec / 2 + random % (usec / 2 + 1);
}

/* Of many messages that fail together the first begins the outage, and the others tell nothing new.
 */
static void fail(struct outage *o, const struct outage_record *mark, bool is_gateway,
                 uint64_t asked_usec, uint64_t now_usec, uint64_t random)
{
    uint64_t asked_for_usec = now_usec + MIN(asked_usec, OUTAGE_ASKED_MAX_USEC);

    o->is_gateway = is_gateway;
    if (!o->is_on) {
        o->is_on = true;
        o->n_outages++;
        o->started = ++o->n_events;
        o->since_usec = now_usec;
        o->charged_usec = 0;
        o->n_failures = 1;
        o->next_usec = now_usec + backoff_usec(o, random);
    } else if (mark->begun > o->started) {
        o->n_failures++;
        o->next_usec = now_usec + backoff_usec(o, random);
    }
    o->next_usec = MAX(o->next_usec, asked_for_usec);
}

bool outage_may_begin(const struct outage *o, uint64_t now_usec)
{
    return !o->is_on || now_usec >= o->next_usec;
}

bool outage_is_suspect(const struct outage_record *mark)
{
    return mark->n_outages >= SUSPECT_OUTAGES;
}

void outage_message_begun(struct outage *o, struct outage_record *mark, uint64_t now_usec,
                          uint64_t random)
{
    mark->begun = ++o->n_events;
    mark->is_isolated = !o->is_on && outage_is_suspect(mark);
    /* A try may take long: it does not hold up the next. */
    if (o->is_on)
        o->next_usec = now_usec + backoff_usec(o, random);
}

bool outage_answered(struct outage *o, const struct outage_record *mark)
{
    bool was_on = o->is_on;

    o->answered_begun = mark->begun;
    o->is_on = false;
    return was_on;
}

void outage_mark_suspect(const struct outage *o, struct outage_record *mark)
{
    if (mark->refused > o->answered_begun)
        mark->n_outages = MAX(mark->n_outages, (unsigned)SUSPECT_OUTAGES);
}

void outage_not_reached(struct outage *o, const struct outage_record *mark, uint64_t asked_usec,
                        uint64_t now_usec, uint64_t random)
{
    fail(o, mark, false, asked_usec, now_usec, random);
}

bool outage_unavailable(struct outage *o, struct outage_record *mark, bool is_alone,
                        uint64_t asked_usec, uint64_t now_usec, uint64_t random)
{
    fail(o, mark, true, asked_usec, now_usec, random);
    mark->refused = ++o->n_events;
    mark->n_refused++;
    if (mark->outage != o->n_outages)
        mark->n_outages++;
    mark->outage = o->n_outages;
    if (mark->is_isolated)
        return true;
    if (mark->n_refused <= OUTAGE_RETRIES_ALONE)
        return false;
    if (is_alone) {
        o->next_usec = now_usec; /* with another message, which may tell */
        return true;
    }
    if (now_usec - MAX(o->since_usec, o->charged_usec) < OUTAGE_UNDECIDED_MAX_USEC)
        return false;
    o->charged_usec = now_usec;
    return true;
}
