/* SPDX-License-Identifier: MIT */
/* The cache of AWS keys. A caller that asks while the provider looks for keys joins the list of
 * waiting callers and gets the same answer.
 *
 * A deferred event source sends the answers, so no callback runs inside credentials_get. The list
 * is emptied before the first answer is sent. So a caller that asks again in its callback starts a
 * new fetch.
 *
 * Keys are replaced by newer ones, but never dropped: after a failed refresh the old keys stay in
 * use. Only after AWS has refused them (credentials_refused) does the cache stop giving them
 * out. */
#include "aws/credentials.h"

#include <errno.h>
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
    struct credentials_provider *provider;

    struct clock_skew own_skew, *skew; /* `skew` is the one in use */

    struct aws_credentials *cached;
    uint64_t refresh_at_usec; /* on AWS's clock: when to look for newer ones */
    uint64_t retry_at_usec;   /* no refresh before this, on the boot clock */
    uint64_t file_check_usec; /* the next look at the file's stamp, on the boot clock */
    bool is_refused;          /* AWS refused the cached keys: fetch before using them again */
    bool is_used_past_expiry; /* the cached keys have expired, and a later fetch found no others */

    bool is_fetching;
    bool fetches_again;  /* after this fetch, which may have read files before they changed */
    bool was_unanswered; /* the last answer was NO_ANSWER_YET */
    uint64_t unanswered_since_usec;   /* on the boot clock; valid while `was_unanswered` */
    enum credentials_outcome outcome; /* this, `found` and `text`: of the fetch that just ended */
    struct aws_credentials *found;
    struct buffer text;

    struct credentials_slot *waiting, **waiting_end;
    size_t n_waiting;
    struct credentials_slot *answering;
};

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
    c->refresh_at_usec = USEC_INFINITY;
    if (c->cached->expiry_usec == USEC_INFINITY)
        return;
    ahead = refresh_ahead_usec();
    c->refresh_at_usec = c->cached->expiry_usec > ahead ? c->cached->expiry_usec - ahead : 0;
    /* New keys that are already near their expiry are used; the next refresh waits this long. */
    c->retry_at_usec = clock_loop_usec(c->event) + CREDENTIALS_REFRESH_RETRY_USEC;
}

static void start_fetch(struct credentials *c);

static int on_answer(sd_event_source *source, void *userdata)
{
    struct credentials *c = userdata;
    CLEANUP(aws_credentials_unref) struct aws_credentials *answer = NULL;
    CLEANUP(buffer_done) struct buffer text = c->text;
    bool fetches_again;
    enum credentials_outcome outcome = c->outcome;

    c->text = BUFFER_INIT(CREDENTIALS_ANSWER_MAX_BYTES);

    cache_found(c);
    answer = TAKE(c->found);
    /* A refresh that failed leaves the old keys in use until AWS refuses them. */
    if (!answer && c->cached && !c->is_refused)
        answer = aws_credentials_ref(c->cached);
    c->is_used_past_expiry = c->cached && c->cached->expiry_usec <= aws_clock_usec(c);

    c->answering = TAKE(c->waiting);
    c->waiting_end = &c->waiting;
    c->n_waiting = 0;
    c->is_fetching = false;

    while (c->answering) {
        struct credentials_slot *slot = c->answering;
        credentials_done_fn done = TAKE(slot->done);

        if (done)
            done(slot->userdata, answer ? CREDENTIALS_FOUND : outcome, answer,
                 answer ? NULL : buffer_string(&text));
        c->answering = slot->next;
        free(slot);
    }
    fetches_again = TAKE(c->fetches_again);
    if (fetches_again)
        start_fetch(c);
    return 0;
}

/* A provider that has not answered for a minute counts as not set up. */
static enum credentials_outcome limit_wait(struct credentials *c, enum credentials_outcome outcome)
{
    bool was_unanswered = c->was_unanswered;
    uint64_t now = clock_loop_usec(c->event);

    c->was_unanswered = outcome == CREDENTIALS_NO_ANSWER_YET;
    if (!c->was_unanswered)
        return outcome;
    if (!was_unanswered)
        c->unanswered_since_usec = now;
    return now < c->unanswered_since_usec + CREDENTIALS_NO_ANSWER_MAX_USEC
               ? CREDENTIALS_NO_ANSWER_YET
               : CREDENTIALS_NOT_SET_UP;
}

static void on_fetched(void *userdata, enum credentials_outcome outcome,
                       struct aws_credentials *credentials, const char *text)
{
    struct credentials *c = userdata;

    c->outcome = limit_wait(c, outcome);
    if (credentials) {
        c->found = aws_credentials_ref(credentials);
    } else {
        buffer_append_string(&c->text, text);
        if (c->cached) {
            c->retry_at_usec = clock_loop_usec(c->event) + CREDENTIALS_REFRESH_RETRY_USEC;
            c->file_check_usec = c->retry_at_usec;
        }
    }
    sd_event_source_set_enabled(c->answer_source, SD_EVENT_ONESHOT);
}

static void start_fetch(struct credentials *c)
{
    if (c->is_fetching)
        return;
    c->is_fetching = true;
    buffer_reset(&c->text);
    credentials_provider_fetch(c->provider, on_fetched, c);
}

int credentials_new(sd_event *event, struct credentials_provider *provider,
                    struct credentials **ret)
{
    struct credentials *c = calloc(1, sizeof(*c));
    int r;

    if (!c) {
        credentials_provider_free(provider);
        return -ENOMEM;
    }
    c->event = sd_event_ref(event);
    c->provider = provider;
    c->skew = &c->own_skew;
    c->waiting_end = &c->waiting;
    c->text = BUFFER_INIT(CREDENTIALS_ANSWER_MAX_BYTES);

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
    credentials_provider_free(c->provider);
    free_slots(c->waiting);
    aws_credentials_unref(c->cached);
    aws_credentials_unref(c->found);
    buffer_done(&c->text);
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
        start_fetch(c);
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
        start_fetch(c);
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
    start_fetch(c);
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

uint64_t credentials_expiry_usec(const struct credentials *c)
{
    return c->cached ? c->cached->expiry_usec : 0;
}

void credentials_refused(struct credentials *c, const struct aws_credentials *refused)
{
    if (c->cached && streq(c->cached->access_key_id, refused->access_key_id) &&
        streq(c->cached->secret_access_key, refused->secret_access_key))
        c->is_refused = true;
}

void credentials_renew(struct credentials *c)
{
    if (c->is_fetching)
        c->fetches_again = true;
    else
        start_fetch(c);
}
