/* See hand.h.
 *
 * A message has a lease until it is settled or lost. From WAITING it goes to HANDLING when its lane
 * and the number of places allow, then to DELETING or RELEASING, and ends when SQS has answered. A
 * place is taken from the beginning of the handling to the end of the delete, so that slow deletes
 * slow down the handling, and with it the receives.
 *
 * With a ledger it is HANDLED until the next turn has written that, before anything else: so the
 * ledger knows of a message before its delete goes out, and before the next of its lane is begun.
 * One that the ledger knows already goes from WAITING to DELETING.
 *
 * What is with the handler when it must be given back, or is lost, stays in its lane until the
 * handler has ended with it: so nothing of its group is handled beside it. Until then it keeps its
 * lease, if it has one, and where the handler got through all the same it was handled.
 *
 * On a FIFO queue, whatever gives a message back or loses it gives back all behind it in its lane:
 * SQS holds those back until the first is deleted, wherever it is handled then. One of those that
 * the handler got through with is given back, too, or it would be deleted before the first: only
 * the ledger learns of it. */
#include "hand.h"

#include <assert.h>
#include <errno.h>

#include "encode.h"
#include "extender.h"
#include "handled.h"
#include "handler-trouble.h"
#include "lane.h"
#include "log.h"
#include "message-ids.h"
#include "outside.h"
#include "rejection.h"
#include "settler.h"

struct hand {
    struct handler *handler;
    struct hand_options options;
    hand_changed_fn changed;
    void *userdata;

    struct lanes *lanes;
    struct leases leases;
    struct extender *extender;
    struct settler *deleter, *releaser;
    struct handled handled;
    struct outage outage;
    struct message *isolated; /* with the handler, and nothing may be beside it; NULL: none */
    struct handler_trouble trouble;

    struct list messages; /* the earliest received first: so those of a reply side by side */
    size_t bytes;         /* of their replies */
    size_t n_messages, n_begun, n_handling;
    uint64_t n_deleted;
    uint64_t back_usec; /* see struct hand_counts */
    bool is_stopping;
    bool is_groupless_told;
};

/* --- The ends of a message --- */

/* Takes it out of its lane and its lease, whatever becomes of it. */
static void withdraw(struct hand *h, struct message *m)
{
    handled_remove(&h->handled, m);
    lanes_remove(h->lanes, m);
    lease_end(&h->leases, m);
}

/* Whether a neighbour in the list, or its head, is a message of that reply. */
static bool is_of(const struct hand *h, struct list *link, const struct sqs_reply *reply)
{
    return link != &h->messages && CONTAINER_OF(link, struct message, of_owner)->reply == reply;
}

static void settled(struct hand *h, struct message *m)
{
    withdraw(h, m);
    m->state = MESSAGE_SETTLED;
    if (!is_of(h, m->of_owner.previous, m->reply) && !is_of(h, m->of_owner.next, m->reply))
        h->bytes -= m->reply->bytes;
    list_remove(&m->of_owner);
    h->n_messages--;
    if (m->is_begun)
        h->n_begun--;
    message_unref(m);
    h->changed(h->userdata);
}

/* It leaves our hands: until then it stays hidden, and with it the rest of its group. */
static void note_back(struct hand *h, uint64_t usec)
{
    h->back_usec = MAX(h->back_usec, usec);
}

/* Gives a message back, to come again after that time. */
static void release(struct hand *h, struct message *m, unsigned delay_sec)
{
    uint64_t now_usec = outside_now_usec();

    withdraw(h, m);
    m->state = MESSAGE_RELEASING;
    settler_add(h->releaser, m, MIN(delay_sec, lease_seconds_left(m, now_usec)), now_usec);
    h->changed(h->userdata);
}

static void end_run(struct hand *h, struct message *m, enum handler_outcome outcome,
                    uint64_t delay_usec, const char *why);

/* `done` follows, maybe from inside. Of a rejected message nobody waits for the line any more. */
static void end_handling(struct hand *h, struct message *m, uint64_t grace_usec)
{
    m->is_ending = true;
    if (!m->receipt) {
        h->handler->ops->end(m->run, grace_usec);
        return;
    }
    m->receipt = log_receipt_cancel(m->receipt);
    end_run(h, m, HANDLER_RETRY, HANDLER_DELAY_DEFAULT, NULL);
}

/* Stops all work on a message that is still ours, and gives it back. */
static void drop(struct hand *h, struct message *m)
{
    if (m->state == MESSAGE_HANDLING) {
        m->is_dropped = true;
        end_handling(h, m, HANDLER_END_MAX_USEC);
        return;
    }
    if (m->state == MESSAGE_ENDING)
        return;
    if (m->state == MESSAGE_DELETING && !settler_remove(h->deleter, m)) {
        withdraw(h, m);
        m->state = MESSAGE_ABANDONED;
        return;
    }
    release(h, m, 0);
}

/* The last first: whatever ends with one of them drops those behind it, too. */
static size_t drop_after(struct hand *h, struct message *m)
{
    struct message *last = m, *next, *before;
    size_t n = 0;

    while ((next = lane_after(last)))
        last = next;
    for (; last != m; last = before) {
        before = lane_before(last);
        drop(h, last);
        n++;
    }
    return n;
}

/* A message is no longer ours: it is handed out again. What follows it in its group must be dropped
 * with it, or would be handled before it. */
static void lose(struct hand *h, struct message *m, const char *why)
{
    size_t n_after = drop_after(h, m);

    log_write(LOG_WARNING, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
              "Message %s is lost%s, it comes back: %s (%zu after it in its group dropped)",
              m->received->message_id, m->state == MESSAGE_HANDLING ? " while it was handled" : "",
              why, n_after);
    if (m->state != MESSAGE_HANDLING) {
        drop(h, m);
        return;
    }
    lease_end(&h->leases, m);
    m->state = MESSAGE_ENDING;
    end_handling(h, m, HANDLER_END_MAX_USEC);
}

static void on_lost(void *userdata, struct message *m, const struct batch_result *result)
{
    lose(userdata, m, result->text[0] ? result->text : result->code);
}

static void on_deleted(void *userdata, struct message *m, enum settled what,
                       const struct batch_result *result)
{
    struct hand *h = userdata;

    /* Dropped, and neither deleted nor with another: nobody else gives it back. */
    if (m->state == MESSAGE_ABANDONED && what != SETTLED_OK && lease_holds(m, outside_now_usec())) {
        release(h, m, 0);
        return;
    }
    if (what == SETTLED_OK) {
        h->n_deleted++;
        handled_forget(&h->handled, m);
        log_write(LOG_INFO, MESSAGE_ID_MESSAGE_DELETED,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id}),
                  "Message deleted from queue.");
    } else if (m->state != MESSAGE_ABANDONED) {
        log_write(LOG_WARNING, NULL,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id},
                             {"SQS_ERROR_CODE", result->code}),
                  "Message %s cannot be deleted, it comes back: %s: %s", m->received->message_id,
                  result->code[0] ? result->code : "its lease has ended", result->text);
        drop_after(h, m);
    }
    if (what != SETTLED_OK)
        note_back(h, m->lease.end_usec);
    settled(h, m);
}

static void on_released(void *userdata, struct message *m, enum settled what,
                        const struct batch_result *result)
{
    struct hand *h = userdata;

    /* If not known to be done, perhaps still so. */
    note_back(h, outside_now_usec() + m->settle.visibility_sec * USEC_PER_SEC);
    if (what != SETTLED_OK)
        note_back(h, m->lease.end_usec);
    /* An extension that it waited for in vain may still be made. */
    if (m->lease.is_extending)
        note_back(h, outside_now_usec() + h->leases.visibility_usec);
    /* A message that is lost is back already. */
    if (what == SETTLED_REFUSED)
        log_write(LOG_WARNING, NULL,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id},
                             {"SQS_ERROR_CODE", result->code}),
                  "Cannot release message %s, it comes back when its visibility timeout ends: "
                  "%s: %s",
                  m->received->message_id, result->code, result->text);
    settled(h, m);
}

/* A request has ended, whatever came of it: times to look again have changed. */
static void on_request_ended(void *userdata)
{
    struct hand *h = userdata;

    h->changed(h->userdata);
}

/* Whether what lost its lease is still with the handler, further ahead in its lane. It may be the
 * same message: given back, others would handle it beside that. Those between were asked before:
 * what still waits is kept for the same reason. */
static bool waits_for_an_end(const struct message *m)
{
    const struct message *before = lane_before(m);

    return before && (before->state == MESSAGE_ENDING || before->state == MESSAGE_WAITING);
}

/* Gives back what is not begun, at a stop. */
static void release_waiting(struct hand *h)
{
    size_t n = 0;

    LIST_FOREACH(&h->messages, link)
    {
        struct message *m = CONTAINER_OF(link, struct message, of_owner);

        if (m->state != MESSAGE_WAITING || waits_for_an_end(m))
            continue;
        release(h, m, 0);
        n++;
    }
    if (n > 0)
        log_info("Releasing %zu message%s not yet begun.", n, n == 1 ? "" : "s");
}

/* --- Handling --- */

/* Doubled with each receive. */
static uint64_t growing_delay_usec(const struct hand *h, const struct message *m)
{
    uint64_t delay = h->options.retry_delay_usec;
    uint64_t max = h->options.retry_delay_max_usec;

    for (unsigned i = 1; i < m->received->receive_count && delay > 0 && delay < max; i++)
        delay *= 2;
    return MIN(delay, max);
}

/* As the handler's answer has it; what it asks for only makes the growing delay longer. */
static uint64_t retry_delay_usec(const struct hand *h, const struct message *m, uint64_t asked_usec)
{
    uint64_t growing_usec = growing_delay_usec(h, m);

    switch (asked_usec) {
    case HANDLER_DELAY_CONSTANT:
        return h->options.retry_delay_usec;
    case HANDLER_DELAY_DEFAULT:
        return growing_usec;
    default:
        return MAX(asked_usec, growing_usec);
    }
}

/* The message is to come back: so must those after it in its group, or they overtake it. They may
 * be seen at once, since SQS holds them back while this one is away. */
static void retry(struct hand *h, struct message *m, uint64_t delay_usec)
{
    uint64_t delay_sec = (delay_usec + USEC_PER_SEC - 1) / USEC_PER_SEC;

    drop_after(h, m);
    release(h, m, (unsigned)MIN(delay_sec, SQS_VISIBILITY_MAX_SEC));
}

static void begin_delete(struct hand *h, struct message *m)
{
    m->state = MESSAGE_DELETING;
    settler_add(h->deleter, m, 0, outside_now_usec());
}

/* A message that is not deleted though the handler got through with it need not be handled when it
 * comes again. */
static void note_handled(struct hand *h, struct message *m, const char *why)
{
    if (handled_add(&h->handled, m))
        log_write(LOG_NOTICE, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
                  "Message %s was handled though %s: when it comes back, it is only deleted.",
                  m->received->message_id, why);
}

/* A message whose lease was lost has gone from the handler. */
static void gone(struct hand *h, struct message *m, enum handler_outcome outcome)
{
    uint64_t now_usec = outside_now_usec();

    if (outcome == HANDLER_DONE) {
        lane_handled_late(m);
        note_handled(h, m, "its lease was lost");
    }
    if (lease_holds(m, now_usec)) {
        release(h, m, 0); /* an extension got through late */
    } else {
        /* One may have, without an answer. */
        note_back(h, now_usec + h->leases.visibility_usec);
        settled(h, m);
    }
    if (h->is_stopping)
        release_waiting(h); /* what waited for this */
}

/* --- The handler's outages --- */

static void charge(struct hand *h, struct message *m)
{
    handler_trouble_charged(&h->trouble, m, outside_now_usec());
    retry(h, m, retry_delay_usec(h, m, m->asked_usec));
}

/* The handler has answered to a message, or was reached with it. */
static void note_answer(struct hand *h, const struct message *m)
{
    if (!outage_answered(&h->outage, &m->outage))
        return;
    handler_trouble_end(&h->trouble, outside_now_usec());
    LIST_FOREACH(&h->messages, link)
    {
        struct message *other = CONTAINER_OF(link, struct message, of_owner);

        if (other->state == MESSAGE_WAITING)
            outage_suspect(&h->outage, &other->outage);
    }
}

/* A message that the handler was away for waits for it, in its place. */
static void wait_for_handler(struct hand *h, struct message *m, enum handler_outcome outcome,
                             uint64_t asked_usec, const char *why)
{
    uint64_t now_usec = outside_now_usec(), random = outside_random();
    bool is_asked = asked_usec < HANDLER_DELAY_CONSTANT;
    bool is_charged = false;

    m->state = MESSAGE_WAITING;
    m->is_begun = false;
    h->n_begun--;
    lanes_return(h->lanes, m);
    if (outcome == HANDLER_NOT_REACHED) {
        outage_not_reached(&h->outage, &m->outage, now_usec, random);
    } else {
        m->asked_usec = asked_usec;
        is_charged = outage_unavailable(&h->outage, &m->outage,
                                        h->n_handling == 0 && lanes_ready(h->lanes) == 1,
                                        is_asked ? asked_usec : 0, now_usec, random);
    }
    handler_trouble_add(&h->trouble, &h->outage, why, h->n_messages, now_usec);
    if (is_charged)
        charge(h, m);
    h->changed(h->userdata);
}

/* --- The ends of the handling --- */

static void handled(struct hand *h, struct message *m)
{
    lanes_handled(h->lanes, m);
    if (!handled_add(&h->handled, m))
        begin_delete(h, m);
    h->changed(h->userdata);
}

static void came_back(struct hand *h, struct message *m, enum handler_outcome outcome,
                      uint64_t delay_usec, const char *why)
{
    bool is_away = outcome == HANDLER_NOT_REACHED || outcome == HANDLER_UNAVAILABLE;

    if (is_away && !m->is_ending && !h->is_stopping) {
        wait_for_handler(h, m, outcome, delay_usec, why);
        return;
    }
    m->state = MESSAGE_WAITING;
    retry(h, m, is_away || m->is_ending ? 0 : retry_delay_usec(h, m, delay_usec));
}

static void end_run(struct hand *h, struct message *m, enum handler_outcome outcome,
                    uint64_t delay_usec, const char *why)
{
    assert(m->state == MESSAGE_HANDLING || m->state == MESSAGE_ENDING);
    m->run = NULL;
    h->n_handling--;
    if (h->isolated == m)
        h->isolated = NULL;
    if (outcome == HANDLER_DONE || outcome == HANDLER_REJECT ||
        (outcome == HANDLER_RETRY && !m->is_ending))
        note_answer(h, m);
    if (m->state == MESSAGE_ENDING) {
        gone(h, m, outcome);
        return;
    }
    m->state = MESSAGE_HANDLED;
    if (m->is_dropped) {
        if (outcome == HANDLER_DONE)
            note_handled(h, m, "one before it in its group was lost");
        retry(h, m, 0);
    } else if (outcome == HANDLER_DONE || outcome == HANDLER_REJECT) {
        handled(h, m);
    } else {
        came_back(h, m, outcome, delay_usec, why);
    }
}

/* The log has taken the line of a rejected message, or cannot take it: then the message stays. */
static void on_rejection_logged(void *userdata, int result)
{
    struct message *m = userdata;

    m->receipt = NULL;
    end_run(m->owner, m, result < 0 ? HANDLER_NOT_REACHED : HANDLER_REJECT, HANDLER_DELAY_DEFAULT,
            result < 0 ? "the log cannot take the line of a rejected message" : NULL);
}

/* A rejected message is still with the handler until its line is written. */
static bool waits_for_line(struct message *m)
{
    int r;

    if (m->state != MESSAGE_HANDLING || m->is_ending)
        return false;
    r = rejection_log(m, on_rejection_logged);
    if (r <= 0)
        on_rejection_logged(m, r);
    return true;
}

static void on_handled(void *userdata, enum handler_outcome outcome, uint64_t delay_usec)
{
    struct message *m = userdata;
    struct hand *h = m->owner;
    const struct handler_ops *ops = h->handler->ops;

    m->run = NULL;
    if (outcome == HANDLER_REJECT && waits_for_line(m))
        return;
    end_run(h, m, outcome, delay_usec, ops->trouble ? ops->trouble(h->handler) : NULL);
}

/* What the ledger has, or could not take, goes on to be deleted. */
static void delete_handled(struct hand *h)
{
    struct message *m;

    handled_write(&h->handled);
    while ((m = handled_take(&h->handled)))
        begin_delete(h, m);
}

/* SQS may give out a message twice, also in one reply. */
static bool is_copy_handled(const struct message *m)
{
    if (!lane_is_copy_handled(m))
        return false;
    log_write(LOG_NOTICE, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
              "Message %s was received twice: it has been handled, and the copy is only deleted.",
              m->received->message_id);
    return true;
}

static void note_begin(struct hand *h, struct message *m)
{
    bool is_try = h->outage.is_on;

    outage_begun(&h->outage, &m->outage, is_try ? outside_now_usec() : 0,
                 is_try ? outside_random() : 0);
    if (m->outage.is_isolated)
        h->isolated = m;
}

static void begin(struct hand *h, struct message *m)
{
    struct handler_run *run = NULL;
    int r;

    m->is_begun = true;
    h->n_begun++;
    if (is_copy_handled(m) || handled_before(&h->handled, m)) {
        lanes_handled(h->lanes, m);
        begin_delete(h, m);
        return;
    }
    m->state = MESSAGE_HANDLING;
    h->n_handling++;
    note_begin(h, m);
    r = h->handler->ops->run(h->handler, m->received, on_handled, m, &run);
    if (r >= 0) {
        if (m->state != MESSAGE_HANDLING)
            return;
        m->run = run;
        if (h->handler->ops->is_reached_at_once)
            note_answer(h, m);
        return;
    }
    end_run(h, m, r == -EINVAL || r == -E2BIG ? HANDLER_UNANSWERED : HANDLER_NOT_REACHED,
            HANDLER_DELAY_DEFAULT, strerror(-r));
}

/* Whether the next message may be handed over, as far as the handler's outages go. */
static bool is_reachable(const struct hand *h)
{
    const struct message *next = lanes_next(h->lanes);

    if (h->outage.is_on)
        return outage_may_begin(&h->outage, outside_now_usec());
    return !h->isolated && !(h->n_handling > 0 && next && outage_is_suspect(&next->outage));
}

static bool may_begin(const struct hand *h)
{
    return !h->is_stopping && h->n_begun < h->options.concurrency && is_reachable(h);
}

static void begin_all(struct hand *h)
{
    struct message *m;

    while (may_begin(h) && (m = lanes_begin(h->lanes)))
        begin(h, m);
}

/* While the handler is away, receives wait for what is in flight; without any of that, for the next
 * try. */
static bool is_paused(const struct hand *h, uint64_t now_usec)
{
    return h->outage.is_on && (lanes_ready(h->lanes) > 0 || h->n_handling > 0 ||
                               !outage_may_begin(&h->outage, now_usec));
}

/* When there is to be another try; USEC_INFINITY: none, or it waits for something else. */
static uint64_t next_try_usec(const struct hand *h, uint64_t now_usec)
{
    return h->outage.is_on && h->outage.next_usec > now_usec ? h->outage.next_usec : USEC_INFINITY;
}

/* --- From outside --- */

/* Old emulators do not know MessageGroupId. */
static void tell_groupless(struct hand *h, const struct message *m)
{
    if (!h->options.is_fifo || m->received->group_id || h->is_groupless_told)
        return;
    h->is_groupless_told = true;
    log_warning("The server does not tell the MessageGroupId of messages on this FIFO queue, so they are "
                "all handled one after the other, as if of one group.");
}

static int take_in(struct hand *h, struct sqs_reply *reply, size_t i, uint64_t sent_usec,
                   uint64_t now_usec)
{
    struct message *m = message_new(reply, i, sent_usec);
    int r;

    if (!m)
        return -ENOMEM;
    m->owner = h;
    tell_groupless(h, m);
    lease_begin(&h->leases, m, now_usec);
    r = lanes_add(h->lanes, m);
    if (r < 0) {
        lease_end(&h->leases, m);
        message_unref(m);
        return r;
    }
    if (!is_of(h, h->messages.previous, reply))
        h->bytes += reply->bytes;
    list_append(&h->messages, &m->of_owner);
    h->n_messages++;
    return 0;
}

void hand_set_lease(struct hand *h, unsigned first_sec, unsigned visibility_sec)
{
    leases_set_times(&h->leases, first_sec, visibility_sec);
}

void hand_take(struct hand *h, struct sqs_reply *reply, uint64_t sent_usec)
{
    uint64_t now_usec = outside_now_usec();

    for (size_t i = 0; i < reply->n_messages; i++) {
        int r = take_in(h, reply, i, sent_usec, now_usec);

        if (r < 0) {
            /* The rest of it too, or it might overtake this one. */
            log_error("Cannot take in %zu messages, they come back: %s.", reply->n_messages - i,
                      strerror(-r));
            break;
        }
    }
    if (h->is_stopping)
        release_waiting(h);
    h->changed(h->userdata);
}

int hand_turn(struct hand *h, uint64_t *ret_next_usec)
{
    uint64_t now_usec, next_usec;
    struct message *m;
    int r, q;

    delete_handled(h);
    now_usec = outside_now_usec();
    while ((m = leases_take_lost(&h->leases, now_usec)))
        lose(h, m,
             lease_seconds_left(m, now_usec) > 0 ? "its lease has ended"
                                                 : "SQS keeps no message for more than 12 hours");
    begin_all(h);
    r = settler_turn(h->deleter);
    q = settler_turn(h->releaser);
    r = r < 0 ? r : q;
    q = extender_turn(h->extender);
    r = r < 0 ? r : q;

    next_usec = MIN(settler_next_usec(h->deleter), settler_next_usec(h->releaser));
    next_usec = MIN(next_usec, next_try_usec(h, now_usec));
    *ret_next_usec = MIN(next_usec, leases_next_usec(&h->leases));
    return r;
}

void hand_stop(struct hand *h, uint64_t end_usec)
{
    h->is_stopping = true;
    settler_stop(h->deleter, end_usec);
    settler_stop(h->releaser, end_usec);
    release_waiting(h);
    h->changed(h->userdata);
}

size_t hand_end(struct hand *h, uint64_t grace_usec)
{
    size_t n = h->n_handling;

    LIST_FOREACH(&h->messages, link)
    {
        struct message *m = CONTAINER_OF(link, struct message, of_owner);

        if (m->state == MESSAGE_HANDLING || m->state == MESSAGE_ENDING)
            end_handling(h, m, grace_usec);
    }
    return n;
}

struct hand_counts hand_count(const struct hand *h)
{
    uint64_t now_usec = h->outage.is_on ? outside_now_usec() : 0;

    return (struct hand_counts){
        .messages = h->n_messages,
        .bytes = h->bytes,
        .wanted = h->n_begun + lanes_ready(h->lanes),
        .handling = h->n_handling,
        .deleting = h->handled.n_waiting + settler_count(h->deleter),
        .releasing = settler_count(h->releaser),
        .deleted = h->n_deleted,
        .is_paused = is_paused(h, now_usec),
        .away_usec = h->outage.is_on ? MAX(now_usec - h->outage.since_usec, 1U) : 0,
        .away = h->trouble.outage.text,
        .back_usec = h->back_usec,
    };
}

/* --- Life --- */

int hand_new(struct queue *queue, struct handler *handler, struct ledger *ledger,
             const struct hand_options *options, hand_changed_fn changed, void *userdata,
             struct hand **ret)
{
    CLEANUP(hand_free) struct hand *h = calloc(1, sizeof(*h));
    int r;

    if (!h)
        return -ENOMEM;
    h->handler = handler;
    h->options = *options;
    h->changed = changed;
    h->userdata = userdata;
    list_init(&h->messages);
    handled_init(&h->handled, ledger);
    leases_init(&h->leases, options->visibility_sec * USEC_PER_SEC);
    r = lanes_new(options->is_fifo, &h->lanes);
    if (r >= 0)
        r = extender_new(queue, &h->leases, on_lost, on_request_ended, h, &h->extender);
    if (r >= 0)
        r = settler_new(queue,
                        &(struct settler_options){
                            .kind = BATCH_DELETE,
                            .linger_usec = options->delete_linger_usec,
                            .changed = on_request_ended,
                        },
                        on_deleted, h, &h->deleter);
    if (r >= 0)
        r = settler_new(queue,
                        &(struct settler_options){
                            .kind = BATCH_CHANGE,
                            .changed = on_request_ended,
                        },
                        on_released, h, &h->releaser);
    if (r < 0)
        return r;
    *ret = TAKE(h);
    return 0;
}

struct hand *hand_free(struct hand *h)
{
    if (!h)
        return NULL;
    handled_done(&h->handled);
    extender_free(h->extender);
    settler_free(h->deleter);
    settler_free(h->releaser);
    LIST_FOREACH(&h->messages, link)
    {
        struct message *m = CONTAINER_OF(link, struct message, of_owner);

        log_receipt_cancel(m->receipt);
        if (m->run)
            h->handler->ops->cancel(TAKE(m->run));
        withdraw(h, m);
        message_unref(m);
    }
    lanes_free(h->lanes);
    free(h);
    return NULL;
}
