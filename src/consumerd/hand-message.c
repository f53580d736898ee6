/* How messages come into our hands and leave them: see hand.h, and hand.c for their states. */
#include "hand-internal.h"

#include <errno.h>

#include "log.h"
#include "message-ids.h"
#include "outside.h"

/* --- Taking in --- */

/* Whether a neighbour in the list, or its head, is a message of that reply. */
static bool is_of(const struct hand *h, struct list *link, const struct sqs_reply *reply)
{
    return link != &h->messages && CONTAINER_OF(link, struct message, of_owner)->reply == reply;
}

/* Old emulators do not know MessageGroupId. */
static void tell_groupless(struct hand *h, const struct message *m)
{
    if (!h->options.is_fifo || m->received->group_id || h->is_groupless_told)
        return;
    h->is_groupless_told = true;
    log_warning(
        "The server does not tell the MessageGroupId of messages on this FIFO queue, so they are "
        "all handled one after the other, as if of one group.");
}

int hand_take_in(struct hand *h, struct sqs_reply *reply, size_t i, uint64_t sent_usec,
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

/* --- The ends --- */

void hand_withdraw(struct hand *h, struct message *m)
{
    handled_remove(&h->handled, m);
    lanes_remove(h->lanes, m);
    lease_end(&h->leases, m);
}

void hand_settled(struct hand *h, struct message *m, uint64_t *counter)
{
    (*counter)++;
    hand_withdraw(h, m);
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

void hand_note_back(struct hand *h, uint64_t usec)
{
    h->back_usec = MAX(h->back_usec, usec);
}

/* "message <id> of group <id>"; a standard queue's messages are of none. */
#define MESSAGE_FORMAT "message %s%s%s"
#define MESSAGE_ARGUMENTS(received)                                                                \
    (received)->message_id, (received)->group_id ? " of group " : "",                              \
        (received)->group_id ? (received)->group_id : ""

void hand_release(struct hand *h, struct message *m, unsigned delay_sec, enum release_reason reason)
{
    uint64_t now_usec = outside_now_usec();

    delay_sec = MIN(delay_sec, lease_seconds_left(m, now_usec));
    /* All others are counted in a line about their cause. */
    log_write(reason == RELEASE_AWAY ? LOG_INFO : LOG_DEBUG, NULL,
              LOG_FIELDS(MESSAGE_FIELDS(m->received)),
              "Releasing " MESSAGE_FORMAT ", to come back in %u s: %s.",
              MESSAGE_ARGUMENTS(m->received), delay_sec, release_reason_text(reason));
    hand_withdraw(h, m);
    m->state = MESSAGE_RELEASING;
    m->release_reason = reason;
    settler_add(h->releaser, m, delay_sec, now_usec);
    h->changed(h->userdata);
}

/* Stops all work on a message that is still ours, and gives it back. False: that was done before.
 */
static bool drop(struct hand *h, struct message *m, enum release_reason reason)
{
    bool is_first = !m->is_dropped;

    if (m->state == MESSAGE_ENDING)
        return false;
    if (m->state == MESSAGE_HANDLING) {
        m->is_dropped = true;
        hand_end_handling(h, m, HANDLER_END_MAX_USEC);
        return is_first;
    }
    if (m->state == MESSAGE_DELETING && !settler_remove(h->deleter, m)) {
        hand_withdraw(h, m);
        m->state = MESSAGE_ABANDONED;
        m->release_reason = reason;
        return true;
    }
    hand_release(h, m, 0, reason);
    return true;
}

/* The last first: whatever ends with one of them drops those behind it, too. Returns how many. */
static size_t drop_after(struct hand *h, struct message *m)
{
    struct message *last = m, *next, *before;
    size_t n = 0;

    while ((next = lane_after(last)))
        last = next;
    for (; last != m; last = before) {
        before = lane_before(last);
        n += drop(h, last, RELEASE_BEHIND);
    }
    return n;
}

void hand_drop_after(struct hand *h, struct message *m, const char *why)
{
    size_t n = drop_after(h, m);

    if (n > 0)
        log_write(LOG_INFO, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
                  "Releasing %zu message%s behind " MESSAGE_FORMAT ", which comes back: %s.", n,
                  n == 1 ? "" : "s", MESSAGE_ARGUMENTS(m->received), why);
}

void hand_lose(struct hand *h, struct message *m, const char *why)
{
    size_t n_after = drop_after(h, m);

    log_write(LOG_WARNING, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
              "Message %s is lost%s, it comes back: %s (%zu after it in its group dropped)",
              m->received->message_id, m->state == MESSAGE_HANDLING ? " while it was handled" : "",
              why, n_after);
    if (m->state != MESSAGE_HANDLING) {
        (void)drop(h, m, RELEASE_LEASE);
        return;
    }
    lease_end(&h->leases, m);
    m->state = MESSAGE_ENDING;
    hand_end_handling(h, m, HANDLER_END_MAX_USEC);
}

void hand_on_lost(void *userdata, struct message *m, const struct batch_result *result)
{
    hand_lose(userdata, m, result->text[0] ? result->text : result->code);
}

void hand_on_deleted(void *userdata, struct message *m, enum settled what,
                     const struct batch_result *result)
{
    struct hand *h = userdata;

    /* Dropped, and neither deleted nor with another: nobody else gives it back. */
    if (m->state == MESSAGE_ABANDONED && what != SETTLED_OK && lease_holds(m, outside_now_usec())) {
        hand_release(h, m, 0, m->release_reason);
        return;
    }
    if (what == SETTLED_OK) {
        handled_forget(&h->handled, m);
        log_write(LOG_INFO, MESSAGE_ID_MESSAGE_DELETED,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id}),
                  "Message deleted from queue. SQS Message Id:%s", m->received->message_id);
    } else if (m->state != MESSAGE_ABANDONED) {
        log_write(LOG_WARNING, NULL,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id},
                             {"SQS_ERROR_CODE", result->code}),
                  "Message %s cannot be deleted, it comes back: %s: %s", m->received->message_id,
                  result->code[0] ? result->code : "its lease has ended", result->text);
        hand_drop_after(h, m, "it cannot be deleted");
    }
    if (what != SETTLED_OK)
        hand_note_back(h, m->lease.end_usec);
    hand_settled(h, m, what == SETTLED_OK ? &h->counts.deleted : &h->counts.lost);
}

void hand_on_released(void *userdata, struct message *m, enum settled what,
                      const struct batch_result *result)
{
    struct hand *h = userdata;

    /* If not known to be done, perhaps still so. */
    hand_note_back(h, outside_now_usec() + m->settle.visibility_sec * USEC_PER_SEC);
    if (what != SETTLED_OK)
        hand_note_back(h, m->lease.end_usec);
    /* An extension that it waited for in vain may still be made. */
    if (m->lease.is_extending)
        hand_note_back(h, outside_now_usec() + h->leases.visibility_usec);
    /* A message that is lost is back already. */
    if (what == SETTLED_REFUSED)
        log_write(LOG_WARNING, NULL,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id},
                             {"SQS_ERROR_CODE", result->code}),
                  "Cannot release message %s, it comes back when its visibility timeout ends: "
                  "%s: %s",
                  m->received->message_id, result->code, result->text);
    hand_settled(h, m,
                 what == SETTLED_OK ? &h->counts.released[m->release_reason] : &h->counts.lost);
}

/* Whether what lost its lease is still with the handler, further ahead in its lane. It may be the
 * same message: given back, others would handle it beside that. Those between were asked before:
 * what still waits is kept for the same reason. */
static bool waits_for_an_end(const struct message *m)
{
    const struct message *before = lane_before(m);

    return before && (before->state == MESSAGE_ENDING || before->state == MESSAGE_WAITING);
}

void hand_release_waiting(struct hand *h)
{
    size_t n = 0;

    LIST_FOREACH(&h->messages, link)
    {
        struct message *m = CONTAINER_OF(link, struct message, of_owner);

        if (m->state != MESSAGE_WAITING || waits_for_an_end(m))
            continue;
        hand_release(h, m, 0, RELEASE_NOT_BEGUN);
        n++;
    }
    if (n > 0)
        log_info("Releasing %zu message%s not yet begun.", n, n == 1 ? "" : "s");
}
