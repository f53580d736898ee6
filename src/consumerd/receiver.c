/* SPDX-License-Identifier: MIT */
/* polls[] has a place for each poll that may be under way. A place that is free knows when its next
 * poll may start: `not_before_usec`, and the pause after its last poll (receiver_options).
 *
 * The outcome of a receive is unknown if its request was cut off or its reply was lost. SQS may
 * have given it messages; they are hidden until in_doubt_until_usec. Until then the place keeps its
 * attempt id, if SQS still accepts it, and the next attempt brings those messages.
 *
 * During a stop a poll may be repeated (is_repeat) to get such messages before the process ends. */
#include "consumerd/receiver.h"

#include <errno.h>

#include <systemd/sd-id128.h>

#include "consumerd/attempt-id.h"
#include "consumerd/attempt-timeout.h"
#include "consumerd/poll-limit.h"
#include "util/clock.h"
#include "util/adaptive-limit.h"
#include "util/log.h"

struct poll {
    struct receiver *receiver;
    struct sqs_call *call;
    unsigned max_messages, wait_sec, visibility_sec; /* of the poll under way */
    unsigned epoch;                                  /* of `messages`, when its attempt was sent */
    unsigned n_stalls;                         /* while receiving the reply, with this attempt id */
    char attempt_id[SD_ID128_UUID_STRING_MAX]; /* "": none */
    uint64_t attempt_usec;                     /* when it was made */
    /* SQS may have given it messages in a reply that was lost; they are hidden until then. 0:
     * no. */
    uint64_t in_doubt_until_usec;
    uint64_t sent_usec; /* when the last attempt was sent, approximately */
    uint64_t not_before_usec;
    uint64_t pauses_since_usec; /* when the last poll ended; 0: no pause */
    bool is_repeat;             /* during a stop: asks again for messages whose reply was lost */
    unsigned n_repeat_attempts;
};

struct receiver {
    struct queue *queue;
    struct receiver_options options;
    struct poll_limit concurrent;
    struct adaptive_limit messages; /* of a poll */
    receiver_done_fn done;
    void *userdata;
    bool is_stopping;
    uint64_t deadline_usec; /* of the stop */
    uint64_t repeat_usec;   /* when polls that have not ended are repeated */
    uint64_t visible_usec;  /* see receiver_visible_usec */
    unsigned n_places;      /* of polls[], that were in use or may be */
    size_t n_polls, n_reserved, n_abandoned;
    unsigned lease_sec; /* see receiver_lease_sec */
    struct poll polls[RECEIVER_POLLS_MAX];
};

/* --- Attempt ids --- */

/* The messages of a lost reply cannot be received before they become visible. */
static void give_up_lost_reply(struct poll *p)
{
    p->receiver->visible_usec = MAX(p->receiver->visible_usec, p->in_doubt_until_usec);
    p->in_doubt_until_usec = 0;
}

/* Without random bits there is no id. The messages of a lost reply then stay hidden until their
 * visibility timeout ends. */
static void renew_attempt_id(struct poll *p, uint64_t now_usec)
{
    sd_id128_t id;

    give_up_lost_reply(p);
    p->attempt_id[0] = '\0';
    p->attempt_usec = now_usec;
    p->n_stalls = 0;
    if (p->receiver->options.is_fifo && sd_id128_randomize(&id) >= 0)
        sd_id128_to_uuid_string(id, p->attempt_id);
}

/* A poll that was cut off may still wait at SQS, and get messages until its wait ends. */
static void note_unknown_outcome(struct poll *p, uint64_t now_usec)
{
    p->in_doubt_until_usec = now_usec + (p->wait_sec + (uint64_t)p->visibility_sec) * USEC_PER_SEC;
}

static void note_failure(struct poll *p, const struct sqs_error *error, uint64_t now_usec)
{
    if (sqs_error_is_outcome_unknown(error))
        note_unknown_outcome(p, now_usec);
    else if (streq(error->name, SQS_ERROR_TOO_EARLY) && p->attempt_id[0] != '\0')
        p->in_doubt_until_usec = 0; /* SQS has answered this id: no messages were lost */
}

static bool is_in_doubt(const struct poll *p, uint64_t now_usec)
{
    return now_usec < p->in_doubt_until_usec;
}

static bool is_attempt_id_valid(const struct poll *p, uint64_t now_usec)
{
    return p->attempt_id[0] != '\0' && now_usec - p->attempt_usec < RECEIVER_ATTEMPT_MAX_USEC;
}

/* --- Polls --- */

static int make_request(const struct poll *p, struct sqs_request **ret)
{
    return sqs_request_receive_message(
        queue_url(p->receiver->queue),
        &(struct sqs_receive){
            .max_messages = p->max_messages,
            .wait_sec = p->is_repeat ? 0 : p->wait_sec,
            /* Sent each time, so that the lease is known even if the queue's timeout changes. */
            .visibility_sec = (int)p->visibility_sec,
            .attempt_id = p->attempt_id[0] != '\0' ? p->attempt_id : NULL,
        },
        ret);
}

/* Halves both limits: polls at once, and messages of each. Polls that stall together count once. */
static void note_stall(struct poll *p, const struct sqs_error *error)
{
    struct receiver *r = p->receiver;

    if (error->stall == SQS_STALL_NONE)
        return;
    if (error->stall == SQS_STALL_RECEIVE)
        p->n_stalls++;
    if (adaptive_limit_stalled(&r->messages, p->epoch))
        poll_limit_stalled(&r->concurrent);
}

/* With the same attempt id SQS brings the same messages, as many as before. If the reply stalled
 * because it was too large, that is worth one more try, not two. */
static bool may_keep_attempt_id(const struct poll *p, const struct sqs_error *error)
{
    return is_attempt_id_valid(p, p->sent_usec) && p->n_stalls < 2 &&
           (is_in_doubt(p, p->sent_usec) || !attempt_id_is_spent(error));
}

static void set_max_messages(struct poll *p, unsigned max_messages)
{
    p->receiver->n_reserved -= p->max_messages - max_messages;
    p->max_messages = max_messages;
}

static bool before_attempt(void *userdata, const struct sqs_error *error,
                           struct sqs_request **request)
{
    struct poll *p = userdata;
    struct receiver *r = p->receiver;
    struct sqs_request *renewed;

    p->sent_usec = clock_boot_usec();
    if (!error)
        return true;
    note_failure(p, error, p->sent_usec);
    note_stall(p, error);
    p->epoch = r->messages.epoch;
    /* A repeat is for the messages of a lost reply: another id would bring others. */
    if (p->is_repeat)
        return is_attempt_id_valid(p, p->sent_usec) && p->sent_usec < p->receiver->deadline_usec;
    /* With an unknown outcome even a spent id is worth a try. If SQS refuses it, that costs one
     * request; without it, lost messages would stay hidden for their visibility timeout. */
    if (r->options.is_fifo && may_keep_attempt_id(p, error))
        return true;
    if (error->stall != SQS_STALL_NONE && r->n_polls > r->concurrent.now)
        return false;
    if (!r->options.is_fifo && p->max_messages <= r->messages.current)
        return true;
    if (r->options.is_fifo)
        renew_attempt_id(p, p->sent_usec);
    set_max_messages(p, MIN(p->max_messages, r->messages.current));
    if (make_request(p, &renewed) < 0)
        return false;
    sqs_request_free(*request);
    *request = renewed;
    return true;
}

/* The timeout of a repeat's next attempt: several attempts share the time until the deadline. */
static uint64_t repeat_timeout(void *userdata)
{
    struct poll *p = userdata;

    return attempt_timeout_usec(p->n_repeat_attempts++, p->receiver->deadline_usec,
                                clock_boot_usec());
}

static void on_result(void *userdata, const struct sqs_result *result);

static int send(struct poll *p, uint64_t now_usec)
{
    struct receiver *r = p->receiver;
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    struct sqs_call_options options = {
        .wait_usec = p->is_repeat ? 0 : p->wait_sec * USEC_PER_SEC,
        .before_attempt = before_attempt,
        .timeout = p->is_repeat ? repeat_timeout : NULL,
    };
    int q = make_request(p, &request);

    if (q >= 0)
        q = queue_call(r->queue, TAKE(request), &options, on_result, p, &p->call);
    if (q < 0)
        return q;
    p->sent_usec = now_usec;
    p->epoch = r->messages.epoch;
    r->n_polls++;
    r->n_reserved += p->max_messages;
    return 0;
}

/* When the next poll of the place may start. */
static uint64_t due_usec(const struct poll *p)
{
    uint64_t pause_usec = p->receiver->options.pause_usec;

    return MAX(p->not_before_usec,
               p->pauses_since_usec > 0 ? p->pauses_since_usec + pause_usec : 0);
}

/* The poll is no longer under way. */
static void end_poll(struct poll *p)
{
    p->call = NULL;
    p->receiver->n_polls--;
    p->receiver->n_reserved -= p->max_messages;
}

static bool repeat(struct poll *p, uint64_t now_usec)
{
    int r;

    if (p->is_repeat || !is_attempt_id_valid(p, now_usec))
        return false;
    p->is_repeat = true;
    r = send(p, now_usec);
    if (r < 0)
        log_warning("Cannot repeat a receive whose reply was lost: %s.", strerror(-r));
    return r >= 0;
}

static void abandon(struct poll *p)
{
    log_warning("The reply to a receive is lost, and the receive cannot be repeated: up to %u "
                "messages come back when their visibility timeout of %u s ends.",
                p->max_messages, p->visibility_sec);
    p->receiver->n_abandoned += p->max_messages;
}

static void on_result(void *userdata, const struct sqs_result *result)
{
    struct poll *p = userdata;
    struct receiver *r = p->receiver;
    uint64_t now_usec = clock_boot_usec();

    end_poll(p);
    p->not_before_usec = 0;
    p->pauses_since_usec = now_usec;
    if (result->error) {
        bool is_lost;

        note_failure(p, result->error, now_usec);
        /* An earlier attempt counts, too. If SQS refuses the id now, that costs one request. */
        is_lost = r->is_stopping && is_in_doubt(p, now_usec);
        if (is_lost && !attempt_id_is_refused(result->error) && repeat(p, now_usec))
            return;
        if (!r->is_stopping && result->error->stall != SQS_STALL_NONE) {
            p->pauses_since_usec = 0; /* a limit was halved instead of a pause */
        } else if (attempt_id_is_refused(result->error)) {
            log_debug("A receive attempt can no longer be repeated: %s", result->error->message);
            p->pauses_since_usec = 0;
        } else {
            log_write(r->is_stopping ? LOG_WARNING : LOG_ERR, NULL,
                      LOG_FIELDS({"SQS_REQUEST_ID", result->request_id},
                                 {"SQS_ERROR_CODE", result->error->code}),
                      r->is_stopping ? "The last ReceiveMessage has failed: %s: %s"
                                     : "ReceiveMessage is refused, trying again: %s: %s",
                      result->error->name, result->error->message);
            p->not_before_usec = now_usec + RECEIVER_REFUSED_PAUSE_USEC;
            p->pauses_since_usec = 0;
        }
        if (is_lost)
            abandon(p);
    } else {
        poll_limit_received(&r->concurrent, p->max_messages, result->reply->n_messages);
        if (result->reply->n_messages >= p->max_messages)
            adaptive_limit_succeeded(&r->messages, p->epoch);
        if (p->attempt_id[0] != '\0')
            p->in_doubt_until_usec = 0; /* it has brought the messages of a lost reply */
    }
    give_up_lost_reply(p);
    r->lease_sec = p->visibility_sec;
    r->done(r->userdata, result);
}

/* --- Dispatch --- */

static int begin(struct poll *p, size_t max_messages, uint64_t now_usec)
{
    p->max_messages = (unsigned)max_messages;
    p->wait_sec = p->receiver->options.wait_sec;
    p->visibility_sec = p->receiver->options.visibility_sec;
    renew_attempt_id(p, now_usec);
    return send(p, now_usec);
}

/* The time from which a poll's reply is overdue. */
static uint64_t late_usec(const struct poll *p)
{
    return p->sent_usec + p->wait_sec * USEC_PER_SEC + RECEIVER_POLL_MARGIN_USEC;
}

/* Cancels a poll and repeats it. The repeat brings the same messages. */
static void replace(struct poll *p, uint64_t now_usec)
{
    sqs_call_cancel(p->call);
    end_poll(p);
    note_unknown_outcome(p, now_usec);
    if (!repeat(p, now_usec))
        abandon(p);
}

/* During a stop: repeats polls that take too long, and ends repeats at the deadline. Returns when
 * to call it again. */
static uint64_t end_late_polls(struct receiver *r, uint64_t now_usec)
{
    uint64_t next_usec = USEC_INFINITY;

    for (unsigned i = 0; i < r->n_places; i++) {
        struct poll *p = &r->polls[i];
        uint64_t replace_usec = MIN(late_usec(p), r->repeat_usec);

        if (!p->call)
            continue;
        if (now_usec < r->deadline_usec)
            next_usec = MIN(next_usec, r->deadline_usec);
        else if (p->is_repeat)
            sqs_call_stop_retrying(p->call);
        if (p->is_repeat || !is_attempt_id_valid(p, now_usec))
            continue;
        if (replace_usec <= now_usec)
            replace(p, now_usec);
        else
            next_usec = MIN(next_usec, replace_usec);
    }
    return next_usec;
}

/* The number of polls that are under way or pause. A poll that pauses counts, so that no other poll
 * starts instead of it. */
static unsigned n_busy(const struct receiver *r, uint64_t now_usec)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->n_places; i++)
        if (r->polls[i].call || due_usec(&r->polls[i]) > now_usec)
            n++;
    return n;
}

int receiver_dispatch(struct receiver *r, const struct receiver_capacity *capacity,
                      uint64_t now_usec, uint64_t *ret_next_usec)
{
    size_t reserved_before = r->n_reserved;
    uint64_t next_usec = USEC_INFINITY;
    unsigned busy;

    if (r->is_stopping) {
        *ret_next_usec = end_late_polls(r, now_usec);
        return 0;
    }
    busy = n_busy(r, now_usec);
    for (unsigned i = 0; i < r->n_places; i++) {
        struct poll *p = &r->polls[i];
        size_t reserved = r->n_reserved - reserved_before, wanted;
        uint64_t start_usec;
        int q;

        if (p->call)
            continue;
        if (capacity->free_slots <= reserved || capacity->messages <= reserved)
            break;
        wanted = MIN(r->messages.current, capacity->messages - reserved);
        if (r->n_polls > 0 && wanted < r->messages.current)
            break;
        start_usec =
            MAX(due_usec(p),
                capacity->since_usec > 0 ? capacity->since_usec + r->options.pause_usec : 0);
        if (start_usec > now_usec) {
            next_usec = MIN(next_usec, start_usec);
            continue;
        }
        if (busy >= r->concurrent.now)
            continue;
        q = begin(p, wanted, now_usec);
        if (q < 0)
            return q;
        busy++;
    }
    *ret_next_usec = next_usec;
    return 0;
}

void receiver_set_times(struct receiver *r, unsigned wait_sec, unsigned visibility_sec)
{
    r->options.wait_sec = wait_sec;
    r->options.visibility_sec = visibility_sec;
}

void receiver_reconfigure(struct receiver *r, unsigned polls, unsigned max_messages,
                          uint64_t pause_usec)
{
    r->n_places = MAX(r->n_places, polls);
    r->options.pause_usec = pause_usec;
    poll_limit_set_max(&r->concurrent, polls);
    adaptive_limit_set_max(&r->messages, max_messages);
}

unsigned receiver_lease_sec(const struct receiver *r)
{
    return r->lease_sec;
}

void receiver_stop(struct receiver *r, uint64_t now_usec, uint64_t deadline_usec)
{
    r->is_stopping = true;
    r->deadline_usec = deadline_usec;
    r->repeat_usec = deadline_usec - MIN(RECEIVER_POLL_MARGIN_USEC,
                                         (deadline_usec - MIN(now_usec, deadline_usec)) / 2);
    for (unsigned i = 0; i < r->n_places; i++)
        if (r->polls[i].call)
            sqs_call_stop_retrying(r->polls[i].call);
}

size_t receiver_polls(const struct receiver *r)
{
    return r->n_polls;
}

size_t receiver_reserved(const struct receiver *r)
{
    return r->n_reserved;
}

size_t receiver_abandoned(const struct receiver *r)
{
    return r->n_abandoned;
}

uint64_t receiver_visible_usec(const struct receiver *r)
{
    return r->visible_usec;
}

int receiver_new(struct queue *queue, const struct receiver_options *options, uint64_t start_usec,
                 receiver_done_fn done, void *userdata, struct receiver **ret)
{
    struct receiver *r = calloc(1, sizeof(*r));

    if (!r)
        return -ENOMEM;
    r->queue = queue;
    r->options = *options;
    r->n_places = options->polls;
    r->concurrent = POLL_LIMIT_INIT(options->polls);
    r->messages = ADAPTIVE_LIMIT_INIT(options->max_messages);
    r->done = done;
    r->userdata = userdata;
    for (unsigned i = 0; i < RECEIVER_POLLS_MAX; i++) {
        r->polls[i].receiver = r;
        r->polls[i].not_before_usec = start_usec;
    }
    *ret = r;
    return 0;
}

struct receiver *receiver_free(struct receiver *r)
{
    if (!r)
        return NULL;
    for (unsigned i = 0; i < RECEIVER_POLLS_MAX; i++)
        sqs_call_cancel(r->polls[i].call);
    free(r);
    return NULL;
}
