/* SPDX-License-Identifier: MIT */
/* How messages come in and leave: see inflight.h, and message-state.h for their states. */
#include "consumerd/inflight-internal.h"

#include <errno.h>

#include "daemon/message-ids.h"
#include "util/clock.h"
#include "util/log.h"

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
    hand_apply(h, m, ON_RECEIPT, 0);
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
    if (!is_of(h, m->of_owner.previous, m->reply) && !is_of(h, m->of_owner.next, m->reply))
        h->bytes -= m->reply->bytes;
    list_remove(&m->of_owner);
    h->n_messages--;
    if (m->has_slot)
        h->n_begun--;
    message_unref(m);
    h->changed(h->userdata);
}

void hand_note_back(struct hand *h, uint64_t usec)
{
    h->back_usec = MAX(h->back_usec, usec);
}

void hand_release(struct hand *h, struct message *m, unsigned delay_sec)
{
    hand_withdraw(h, m);
    settler_add(h->releaser, m, delay_sec, clock_boot_usec());
    h->changed(h->userdata);
}

/* Whether its delete is on its way. Where it is not, it will not be sent. */
static bool is_delete_sent(struct hand *h, struct message *m)
{
    return m->state == MESSAGE_ACKNOWLEDGING && !settler_remove(h->deleter, m);
}

/* Stops all work on a message, because one before it in its lane comes back. False: that was done
 * before. */
static bool drop(struct hand *h, struct message *m)
{
    bool is_first = m->state != MESSAGE_CANCELLED_BEHIND && m->state != MESSAGE_LEASE_LOST;

    hand_apply(h, m, is_delete_sent(h, m) ? ON_BEHIND_SENT : ON_BEHIND, 0);
    return is_first;
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
        n += drop(h, last);
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
              m->received->message_id,
              message_state_is_with_handler(m->state) ? " while it was handled" : "", why, n_after);
    lease_end(&h->leases, m);
    hand_apply(h, m, is_delete_sent(h, m) ? ON_LEASE_LOST_SENT : ON_LEASE_LOST, 0);
}

void hand_on_lost(void *userdata, struct message *m, const struct batch_result *result)
{
    hand_lose(userdata, m, result->text[0] ? result->text : result->code);
}

void hand_on_deleted(void *userdata, struct message *m, enum settled what,
                     const struct batch_result *result)
{
    struct hand *h = userdata;
    bool is_leased;

    if (what == SETTLED_OK) {
        handled_forget(&h->handled, m);
        log_write(LOG_INFO, MESSAGE_ID_MESSAGE_DELETED,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id}),
                  "Message deleted from queue. SQS Message Id:%s", m->received->message_id);
        hand_apply(h, m, ON_DELETED, 0);
        return;
    }
    if (m->state == MESSAGE_ACKNOWLEDGING) {
        log_write(LOG_WARNING, NULL,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id},
                             {"SQS_ERROR_CODE", result->code}),
                  "Message %s cannot be deleted, it comes back: %s: %s", m->received->message_id,
                  result->code[0] ? result->code : "its lease has ended", result->text);
        hand_drop_after(h, m, "it cannot be deleted");
    }
    is_leased = lease_holds(m, clock_boot_usec());
    /* One that was withdrawn, and is neither deleted nor with another, is released: nobody else
     * does that. */
    if (!is_leased || m->state == MESSAGE_ACKNOWLEDGING)
        hand_note_back(h, lease_until_usec(m));
    hand_apply(h, m, is_leased ? ON_NOT_DELETED_LEASED : ON_NOT_DELETED, 0);
}

void hand_on_released(void *userdata, struct message *m, enum settled what,
                      const struct batch_result *result)
{
    struct hand *h = userdata;

    /* If not known to be done, perhaps still so. */
    hand_note_back(h, clock_boot_usec() + settler_visibility_sec(m) * USEC_PER_SEC);
    if (what != SETTLED_OK)
        hand_note_back(h, lease_until_usec(m));
    /* An extension that it waited for in vain may still be made. */
    if (lease_is_extending(m))
        hand_note_back(h, clock_boot_usec() + h->leases.visibility_usec);
    /* A message that is lost is back already. */
    if (what == SETTLED_REFUSED)
        log_write(LOG_WARNING, NULL,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id},
                             {"SQS_ERROR_CODE", result->code}),
                  "Cannot release message %s, it comes back when its visibility timeout ends: "
                  "%s: %s",
                  m->received->message_id, result->code, result->text);
    hand_apply(h, m, what == SETTLED_OK ? ON_RELEASED : ON_NOT_RELEASED, 0);
}

/* Whether what lost its lease is still with the handler, further ahead in its lane. It may be the
 * same message: given back, others would handle it beside that. Those between were asked before:
 * what still waits is kept for the same reason. */
static bool waits_for_an_end(const struct message *m)
{
    const struct message *before = lane_before(m);

    return before &&
           (before->state == MESSAGE_LEASE_LOST || message_state_is_waiting(before->state));
}

void hand_release_waiting(struct hand *h)
{
    size_t n = 0;

    if (h->is_receiving)
        return;
    LIST_FOREACH(&h->messages, link)
    {
        struct message *m = CONTAINER_OF(link, struct message, of_owner);

        if (!message_state_is_waiting(m->state) || waits_for_an_end(m))
            continue;
        hand_apply(h, m, ON_STOP, 0);
        n++;
    }
    if (n > 0)
        log_info("Releasing %zu message%s not yet begun.", n, n == 1 ? "" : "s");
}
