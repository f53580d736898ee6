/* SPDX-License-Identifier: MIT */
/* The cache of AWS keys. To find keys it walks along its providers, and asks one at each step. A
 * caller that asks during a walk joins the list of waiting callers and gets the same answer.
 *
 * A deferred event source sends the answers, so no callback runs inside credentials_get. The list
 * is emptied before the first answer is sent. So a caller that asks again in its callback starts a
 * new walk.
 *
 * Keys are replaced by newer ones, but never dropped: after a failed refresh the old keys stay in
 * use. Only after AWS has refused them (credentials_refused) does the cache stop giving them
 * out. */
#include "aws/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "util/clock.h"
#include "util/random.h"

struct credentials_slot {
    struct credentials *owner;
    struct credentials_slot *next;
    credentials_done_fn done; /* NULL: cancelled */
    void *userdata;
};

struct credentials {
    sd_event *event;
    sd_event_source *answer_source;
    struct credentials_provider *providers[CREDENTIALS_PROVIDERS_MAX];
    size_t n_providers;

    struct clock_skew own_skew, *skew; /* `skew` is the one in use */

    struct aws_credentials *cached;
    uint64_t refresh_at_usec; /* on AWS's clock: when to look for newer ones */
    uint64_t retry_at_usec;   /* no refresh before this, on the boot clock */
    uint64_t file_check_usec; /* the next look at the file's stamp, on the boot clock */
    bool is_refused;          /* AWS refused the cached keys: walk before using them again */
    bool is_used_past_expiry; /* the cached keys have expired, and a later walk found no others */
    size_t cached_step;       /* the provider of the cached keys */

    bool is_walking;
    bool walks_again; /* after this walk, which may have read files before they changed */
    size_t step;
    bool is_any_unanswered;           /* in this walk, a provider gave NO_ANSWER_YET */
    bool was_unanswered;              /* so it was in each walk since unanswered_since_usec */
    uint64_t unanswered_since_usec;   /* on the boot clock */
    enum credentials_outcome outcome; /* this and `found`: of the walk that has just ended */
    struct aws_credentials *found;
    struct buffer looked_at; /* "environment: not set; ..." of this walk */

    struct credentials_slot *waiting, **waiting_end;
    size_t n_waiting;
    struct credentials_slot *answering;
};

enum { LOOKED_AT_MAX_BYTES = 32 * 1024 };

/* The time before expiry at which to look for newer ones, with jitter so that a fleet of machines
 * does not ask at the same moment. */
static uint64_t refresh_ahead_usec(void)
{
    return CREDENTIALS_REFRESH_AHEAD_USEC + random_u64() % (CREDENTIALS_REFRESH_AHEAD_USEC / 3);
}

static void free_slots(struct credentials_slot *slot)
{
    while (slot) {
        struct credentials_slot *next = slot->next;

        free(slot);
        slot = next;
    }
}

/* AWS's time, by the estimate of its clock. */
static uint64_t aws_clock_usec(const struct credentials *c)
{
    uint64_t wall_usec = clock_wall_usec();
    struct clock_reading now = {
        .wall_sec = (time_t)(wall_usec / USEC_PER_SEC),
        .boot_usec = clock_loop_usec(c->event),
    };

    return (uint64_t)((int64_t)wall_usec + clock_skew_sec(c->skew, &now) * (int64_t)USEC_PER_SEC);
}

static void cache_found(struct credentials *c)
{
    uint64_t ahead;

    if (!c->found)
        return;
    aws_credentials_unref(c->cached);
    c->cached = aws_credentials_ref(c->found);
    c->is_refused = false;
    c->cached_step = c->step;
    c->refresh_at_usec = USEC_INFINITY;
    if (c->cached->expiry_usec == USEC_INFINITY)
        return;
    ahead = refresh_ahead_usec();
    c->refresh_at_usec = c->cached->expiry_usec > ahead ? c->cached->expiry_usec - ahead : 0;
    /* New keys that are already near their expiry are used; the next refresh waits this long. */
    c->retry_at_usec = clock_loop_usec(c->event) + CREDENTIALS_REFRESH_RETRY_USEC;
}

static void start_walk(struct credentials *c);

static int on_answer(sd_event_source *source, void *userdata)
{
    struct credentials *c = userdata;
    CLEANUP(aws_credentials_unref) struct aws_credentials *answer = NULL;
    CLEANUP(buffer_done) struct buffer looked_at = c->looked_at;
    enum credentials_outcome outcome = c->outcome;

    c->looked_at = BUFFER_INIT(LOOKED_AT_MAX_BYTES);

    cache_found(c);
    answer = TAKE(c->found);
    /* A refresh that failed leaves the old keys in use until AWS refuses them. */
    if (!answer && c->cached && !c->is_refused)
        answer = aws_credentials_ref(c->cached);
    c->is_used_past_expiry = c->cached && c->cached->expiry_usec <= aws_clock_usec(c);

    c->answering = TAKE(c->waiting);
    c->waiting_end = &c->waiting;
    c->n_waiting = 0;
    c->is_walking = false;

    while (c->answering) {
        struct credentials_slot *slot = c->answering;
        credentials_done_fn done = TAKE(slot->done);

        if (done)
            done(slot->userdata, answer ? CREDENTIALS_FOUND : outcome, answer,
                 answer ? NULL : buffer_string(&looked_at));
        c->answering = slot->next;
        free(slot);
    }
    if (TAKE(c->walks_again))
        start_walk(c);
    return 0;
}

static void end_walk(struct credentials *c, enum credentials_outcome outcome)
{
    c->outcome = outcome;
    if (outcome != CREDENTIALS_NO_ANSWER_YET && outcome != CREDENTIALS_NOT_SET_UP)
        c->was_unanswered = false;
    if (!c->found && c->cached) {
        c->retry_at_usec = clock_loop_usec(c->event) + CREDENTIALS_REFRESH_RETRY_USEC;
        c->file_check_usec = c->retry_at_usec;
    }
    sd_event_source_set_enabled(c->answer_source, SD_EVENT_ONESHOT);
}

static void note(struct credentials *c, const char *name, const char *text)
{
    if (c->looked_at.size > 0)
        buffer_append_string(&c->looked_at, "; ");
    buffer_printf(&c->looked_at, "%s: %s", name, text);
}

/* Notes only this provider, which is set up. The other providers' texts would only hide its reason.
 */
static void note_only(struct credentials *c, const char *name, const char *text)
{
    buffer_reset(&c->looked_at);
    note(c, name, text);
}

/* Notes that a provider gave NO_ANSWER_YET. True: the keys in use came from that provider, so its
 * text is the answer. */
static bool note_unanswered(struct credentials *c, const char *name, const char *text)
{
    if (c->cached && c->cached_step == c->step) {
        note_only(c, name, text);
        return true;
    }
    c->is_any_unanswered = true;
    note(c, name, text);
    return false;
}

/* No provider is set up. */
static void end_without_keys(struct credentials *c)
{
    uint64_t now = clock_loop_usec(c->event);

    if (!c->is_any_unanswered) {
        c->was_unanswered = false;
    } else if (!c->was_unanswered) {
        c->was_unanswered = true;
        c->unanswered_since_usec = now;
    }
    end_walk(c, c->was_unanswered && now < c->unanswered_since_usec + CREDENTIALS_NO_ANSWER_MAX_USEC
                    ? CREDENTIALS_NO_ANSWER_YET
                    : CREDENTIALS_NOT_SET_UP);
}

static void walk(struct credentials *c);

static void on_provider_done(void *userdata, enum credentials_outcome outcome,
                             struct aws_credentials *credentials, const char *text)
{
    struct credentials *c = userdata;
    const char *name = c->providers[c->step]->name, *flaw;

    switch (outcome) {
    case CREDENTIALS_FOUND:
        flaw = aws_credentials_flaw(credentials->access_key_id, credentials->secret_access_key,
                                    credentials->session_token);
        if (flaw)
            note_only(c, name, flaw);
        else
            c->found = aws_credentials_ref(credentials);
        end_walk(c, c->found ? CREDENTIALS_FOUND : CREDENTIALS_FAILED);
        break;
    case CREDENTIALS_NOT_SET_UP:
        note(c, name, text);
        c->step++;
        walk(c);
        break;
    case CREDENTIALS_NO_ANSWER_YET:
        if (note_unanswered(c, name, text)) {
            end_walk(c, CREDENTIALS_UNREACHABLE);
            break;
        }
        c->step++;
        walk(c);
        break;
    case CREDENTIALS_FAILED:
    case CREDENTIALS_UNREACHABLE:
    case CREDENTIALS_SHORTAGE:
    case CREDENTIALS_INTERCEPTED:
    case CREDENTIALS_METADATA_INTERCEPTED:
        note_only(c, name, text);
        end_walk(c, outcome);
        break;
    }
}

/* Asks the next provider. The recursion through on_provider_done ends at the last one. */
static void walk(struct credentials *c)
{
    if (c->step < c->n_providers)
        credentials_provider_fetch(c->providers[c->step], on_provider_done, c);
    else
        end_without_keys(c);
}

static void start_walk(struct credentials *c)
{
    if (c->is_walking)
        return;
    c->is_walking = true;
    c->step = 0;
    c->is_any_unanswered = false;
    buffer_reset(&c->looked_at);
    walk(c);
}

int credentials_new(sd_event *event, struct credentials_provider **providers, size_t n,
                    struct credentials **ret)
{
    struct credentials *c = n <= CREDENTIALS_PROVIDERS_MAX ? calloc(1, sizeof(*c)) : NULL;
    int r;

    if (!c) {
        for (size_t i = 0; i < n; i++)
            credentials_provider_free(providers[i]);
        return n <= CREDENTIALS_PROVIDERS_MAX ? -ENOMEM : -E2BIG;
    }
    c->event = sd_event_ref(event);
    c->skew = &c->own_skew;
    c->waiting_end = &c->waiting;
    c->looked_at = BUFFER_INIT(LOOKED_AT_MAX_BYTES);
    c->n_providers = n;
    memcpy(c->providers, providers, n * sizeof(*providers));

    r = sd_event_add_defer(event, &c->answer_source, on_answer, c);
    if (r >= 0)
        r = sd_event_source_set_enabled(c->answer_source, SD_EVENT_OFF);
    if (r < 0) {
        credentials_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

struct credentials *credentials_free(struct credentials *c)
{
    if (!c)
        return NULL;
    for (size_t i = 0; i < c->n_providers; i++)
        credentials_provider_free(c->providers[i]);
    free_slots(c->waiting);
    aws_credentials_unref(c->cached);
    aws_credentials_unref(c->found);
    buffer_done(&c->looked_at);
    sd_event_source_disable_unref(c->answer_source);
    sd_event_unref(c->event);
    free(c);
    return NULL;
}

/* Keys in a file have no expiry. So a changed file is read anew; until then the old keys are used.
 */
static void check_file(struct credentials *c)
{
    uint64_t now = clock_loop_usec(c->event);

    if (!c->cached->path)
        return;
    if (now < c->file_check_usec)
        return;
    c->file_check_usec = now + CREDENTIALS_FILE_CHECK_USEC;
    if (aws_credentials_has_file_changed(c->cached))
        start_walk(c);
}

struct aws_credentials *credentials_peek(struct credentials *c)
{
    uint64_t now;

    if (!c->cached || c->is_refused)
        return NULL;
    if (c->cached->expiry_usec == USEC_INFINITY) {
        check_file(c);
        return c->cached;
    }
    now = aws_clock_usec(c);
    if (c->cached->expiry_usec > now)
        c->is_used_past_expiry = false;
    else if (!c->is_used_past_expiry)
        return NULL; /* the caller must wait for a search for newer ones */
    if (c->refresh_at_usec <= now && c->retry_at_usec <= clock_loop_usec(c->event))
        start_walk(c);
    return c->cached;
}

int credentials_get(struct credentials *c, credentials_done_fn done, void *userdata,
                    struct credentials_slot **ret)
{
    struct credentials_slot *slot;

    if (c->n_waiting >= CREDENTIALS_WAITING_MAX)
        return -EBUSY;
    slot = calloc(1, sizeof(*slot));
    if (!slot)
        return -ENOMEM;
    slot->owner = c;
    slot->done = done;
    slot->userdata = userdata;
    *c->waiting_end = slot;
    c->waiting_end = &slot->next;
    c->n_waiting++;
    start_walk(c);
    *ret = slot;
    return 0;
}

struct credentials_slot *credentials_slot_cancel(struct credentials_slot *slot)
{
    /* The slot stays in its list, and is freed when the answers are sent. */
    if (slot)
        slot->done = NULL;
    return NULL;
}

void credentials_set_skew(struct credentials *c, struct clock_skew *skew)
{
    c->skew = skew;
}

struct clock_skew *credentials_skew(struct credentials *c)
{
    return c->skew;
}

void credentials_refused(struct credentials *c, const struct aws_credentials *refused)
{
    if (c->cached && streq(c->cached->access_key_id, refused->access_key_id) &&
        streq(c->cached->secret_access_key, refused->secret_access_key))
        c->is_refused = true;
}

void credentials_renew(struct credentials *c)
{
    if (c->is_walking)
        c->walks_again = true;
    else
        start_walk(c);
}
