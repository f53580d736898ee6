/* SPDX-License-Identifier: MIT */
/* The requests are a pool; each has the batch that it carries. Every attempt, also one that the
 * client repeats, goes through before_attempt. So the notes on a message are always about the
 * attempt that is in flight. */
#include "producerd/sender.h"

#include <assert.h>
#include <errno.h>

#include "producerd/deduplication.h"
#include "producerd/producer-log.h"
#include "util/clock.h"
#include "util/adaptive-limit.h"

struct request {
    struct sender *sender;
    struct batch batch;
    struct sqs_call *call;
    uint64_t sent_usec;   /* boot clock: when the attempt in flight was sent */
    unsigned epoch;       /* the limit's epoch at that time */
    struct request *next; /* in the list of free requests */
};

struct sender {
    struct sender_options options;
    struct request requests[SENDER_REQUESTS_MAX], *first_free;
    unsigned n_in_flight;
    struct adaptive_limit limit; /* of requests in flight */
};

/* A single message goes by SendMessage. Its request and reply are shorter than those of a batch of
 * one, the price is the same, and a refusal concerns just this message. */
static int build(struct queue *queue, const struct batch *batch, struct sqs_request **ret)
{
    struct sqs_message messages[SQS_BATCH_MAX];

    if (batch->n == 1)
        return sqs_request_send_message(queue_url(queue), &batch->messages[0]->source->message,
                                        ret);
    for (size_t i = 0; i < batch->n; i++)
        messages[i] = batch->messages[i]->source->message;
    return sqs_request_send_message_batch(queue_url(queue), messages, batch->n, ret);
}

static void note_sending(struct request *request)
{
    const struct sender_options *o = &request->sender->options;
    const struct batch *batch = &request->batch;
    const struct source_message *messages[SQS_BATCH_MAX];

    for (size_t i = 0; i < batch->n; i++)
        messages[i] = batch->messages[i]->source;
    if (o->source->ops->sending)
        o->source->ops->sending(o->source, messages, batch->n);
    request->sent_usec = clock_boot_usec();
    request->epoch = request->sender->limit.epoch;
    for (size_t i = 0; i < batch->n; i++) {
        struct outgoing_message *m = batch->messages[i];
        bool may_duplicate = deduplication_has_expired(m, request->sent_usec);

        outgoing_message_apply(m, may_duplicate ? OUTGOING_ON_SENDING_POSSIBLE_DUPLICATE
                                                : OUTGOING_ON_SENDING);
        /* A standard queue remembers no deduplication ids: there every message may come twice. */
        if (may_duplicate && queue_is_fifo(o->queue))
            o->possible_duplicate(o->userdata, m);
    }
}

/* Notes a failed attempt that the client repeats. */
static void note_failure(struct request *request, const struct sqs_error *error)
{
    bool is_unknown = sqs_error_is_outcome_unknown(error);

    for (size_t i = 0; i < request->batch.n; i++) {
        if (is_unknown)
            deduplication_note_unknown(request->batch.messages[i], request->sent_usec);
        outgoing_message_apply(request->batch.messages[i], is_unknown ? OUTGOING_ON_ATTEMPT_UNKNOWN
                                                                      : OUTGOING_ON_ATTEMPT_FAILED);
    }
}

/* True when the client must not repeat this request: after a stall its messages go in smaller or
 * fewer requests. */
static bool must_give_up(struct request *request, const struct sqs_error *error)
{
    struct sender *s = request->sender;

    if (error->stall == SQS_STALL_NONE)
        return false;
    if (adaptive_limit_stalled(&s->limit, request->epoch))
        s->options.stalled(s->options.userdata);
    return request->batch.n > 1 || s->n_in_flight > s->limit.current;
}

/* The client may call it twice before one attempt. The second call changes only the time. */
static bool before_attempt(void *userdata, const struct sqs_error *error,
                           struct sqs_request **sqs_request)
{
    struct request *request = userdata;

    if (error && must_give_up(request, error))
        return false;
    if (error)
        note_failure(request, error);
    note_sending(request);
    return true;
}

static void on_answer(void *userdata, const struct sqs_result *result)
{
    struct request *request = userdata;
    struct sender *s = request->sender;
    struct batch batch = request->batch;
    uint64_t sent_usec = request->sent_usec;

    request->call = NULL;
    request->next = s->first_free;
    s->first_free = request;
    s->n_in_flight--;
    if (result->reply)
        adaptive_limit_succeeded(&s->limit, request->epoch);
    s->options.answered(s->options.userdata, &batch, sent_usec, result);
}

int sender_send(struct sender *s, const struct batch *batch)
{
    CLEANUP(sqs_request_free) struct sqs_request *sqs_request = NULL;
    struct request *request = s->first_free;
    int r;

    assert(request);
    r = build(s->options.queue, batch, &sqs_request);
    if (r < 0)
        return r;
    for (size_t i = 0; i < batch->n; i++)
        producer_log_sending(batch->messages[i]);
    request->batch = *batch;
    note_sending(request);
    r = queue_call(s->options.queue, TAKE(sqs_request),
                   &(struct sqs_call_options){.before_attempt = before_attempt}, on_answer, request,
                   &request->call);
    if (r < 0) {
        for (size_t i = 0; i < batch->n; i++)
            outgoing_message_apply(batch->messages[i], OUTGOING_ON_NOT_SENT);
        return r;
    }
    s->first_free = request->next;
    s->n_in_flight++;
    return 0;
}

bool sender_has_slot(const struct sender *s)
{
    return s->first_free && s->n_in_flight < s->limit.current;
}

unsigned sender_in_flight(const struct sender *s)
{
    return s->n_in_flight;
}

void sender_set_requests_max(struct sender *s, unsigned requests_max)
{
    assert(requests_max >= 1 && requests_max <= SENDER_REQUESTS_MAX);
    adaptive_limit_set_max(&s->limit, requests_max);
}

int sender_new(const struct sender_options *options, struct sender **ret)
{
    struct sender *s = calloc(1, sizeof(*s));

    assert(options->requests_max >= 1 && options->requests_max <= SENDER_REQUESTS_MAX);
    if (!s)
        return -ENOMEM;
    s->options = *options;
    s->limit = ADAPTIVE_LIMIT_INIT(options->requests_max);
    for (unsigned i = SENDER_REQUESTS_MAX; i-- > 0;) {
        s->requests[i] = (struct request){.sender = s, .next = s->first_free};
        s->first_free = &s->requests[i];
    }
    *ret = s;
    return 0;
}

struct sender *sender_free(struct sender *s)
{
    free(s);
    return NULL;
}
