/* SPDX-License-Identifier: MIT */
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

/* When many messages fail together, the first begins the outage. The others were begun before it:
 * they do not count as tries, and do not raise the back-off. */
static void fail(struct outage *o, const struct outage_record *record, bool is_gateway,
                 uint64_t asked_usec, uint64_t now_usec, uint64_t random)
{
    uint64_t asked_for_usec = now_usec + MIN(asked_usec, OUTAGE_ASKED_MAX_USEC);

    o->is_gateway = is_gateway;
    if (!o->is_on) {
        o->is_on = true;
        o->n_outages++;
        o->begin_event = ++o->last_event;
        o->since_usec = now_usec;
        o->charged_usec = 0;
        o->n_failures = 1;
        o->next_usec = now_usec + backoff_usec(o, random);
    } else if (record->begun_event > o->begin_event) {
        o->n_failures++;
        o->next_usec = now_usec + backoff_usec(o, random);
    }
    o->next_usec = MAX(o->next_usec, asked_for_usec);
}

bool outage_may_begin(const struct outage *o, uint64_t now_usec)
{
    return !o->is_on || now_usec >= o->next_usec;
}

bool outage_is_suspect(const struct outage_record *record)
{
    return record->n_outages >= SUSPECT_OUTAGES;
}

void outage_message_begun(struct outage *o, struct outage_record *record, uint64_t now_usec,
                          uint64_t random)
{
    record->begun_event = ++o->last_event;
    record->is_isolated = !o->is_on && outage_is_suspect(record);
    /* A try may take long. The next one need not wait for its end. */
    if (o->is_on)
        o->next_usec = now_usec + backoff_usec(o, random);
}

bool outage_answered(struct outage *o, const struct outage_record *record)
{
    bool was_on = o->is_on;

    o->answered_begun_event = record->begun_event;
    o->is_on = false;
    return was_on;
}

void outage_mark_suspect(const struct outage *o, struct outage_record *record)
{
    if (record->refused_event > o->answered_begun_event)
        record->n_outages = MAX(record->n_outages, (unsigned)SUSPECT_OUTAGES);
}

void outage_not_reached(struct outage *o, const struct outage_record *record, uint64_t asked_usec,
                        uint64_t now_usec, uint64_t random)
{
    fail(o, record, false, asked_usec, now_usec, random);
}

void outage_retry_now(struct outage *o, uint64_t now_usec)
{
    o->next_usec = MIN(o->next_usec, now_usec);
}

bool outage_unavailable(struct outage *o, struct outage_record *record, bool is_alone,
                        uint64_t asked_usec, uint64_t now_usec, uint64_t random)
{
    fail(o, record, true, asked_usec, now_usec, random);
    record->refused_event = ++o->last_event;
    record->n_refused++;
    if (record->outage_number != o->n_outages)
        record->n_outages++;
    record->outage_number = o->n_outages;
    if (record->is_isolated)
        return true;
    if (record->n_refused <= OUTAGE_RETRIES_ALONE)
        return false;
    if (is_alone) {
        o->next_usec = now_usec; /* another message may tell more */
        return true;
    }
    if (now_usec - MAX(o->since_usec, o->charged_usec) < OUTAGE_UNDECIDED_MAX_USEC)
        return false;
    o->charged_usec = now_usec;
    return true;
}
