/* SPDX-License-Identifier: MIT */
/* How messages come in and leave: see inflight.h, and message-state.h for their states. */
#include "consumerd/inflight-internal.h"

#include <errno.h>

#include "daemon/message-ids.h"
#include "util/clock.h"
#include "util/log.h"

/* --- Taking in --- */

/* Whether a neighbour in the list, or its head, is a message of that reply. */
static bool is_of(const struct inflight *f, struct list *link, const struct sqs_reply *reply)
{
    return link != &f->messages && CONTAINER_OF(link, struct message, of_owner)->reply == reply;
}

/* Old emulators do not know MessageGroupId. */
static void tell_groupless(struct inflight *f, const struct message *m)
{
    if (!f->options.is_fifo || m->received->group_id || f->is_groupless_told)
        return;
    f->is_groupless_told = true;
    log_warning(
        "The server does not tell the MessageGroupId of messages on this FIFO queue, so they are "
        "all handled one after the other, as if of one group.");
}

int inflight_add_message(struct inflight *f, struct sqs_reply *reply, size_t i, uint64_t sent_usec,
                         uint64_t now_usec)
{
    struct message *m = message_new(reply, i, sent_usec);
    int r;

    if (!m)
        return -ENOMEM;
    m->owner = f;
    tell_groupless(f, m);
    lease_begin(&f->leases, m, now_usec);
    r = lanes_add(f->lanes, m);
    if (r < 0) {
        lease_stop_renewal(&f->leases, m);
        message_unref(m);
        return r;
    }
    if (!is_of(f, f->messages.previous, reply))
        f->bytes += reply->bytes;
    list_append(&f->messages, &m->of_owner);
    f->n_messages++;
    inflight_apply(f, m, ON_RECEIPT, 0);
    return 0;
}

/* --- The ends --- */

void inflight_withdraw(struct inflight *f, struct message *m)
{
    idempotency_remove(&f->idempotency, m);
    lanes_remove(f->lanes, m);
    lease_stop_renewal(&f->leases, m);
}

void inflight_remove(struct inflight *f, struct message *m, uint64_t *counter)
{
    (*counter)++;
    inflight_withdraw(f, m);
    if (!is_of(f, m->of_owner.previous, m->reply) && !is_of(f, m->of_owner.next, m->reply))
        f->bytes -= m->reply->bytes;
    list_remove(&m->of_owner);
    f->n_messages--;
    if (m->has_slot)
        f->n_slots_taken--;
    message_unref(m);
    f->changed(f->userdata);
}

void inflight_note_visible(struct inflight *f, uint64_t usec)
{
    f->visible_usec = MAX(f->visible_usec, usec);
}

void inflight_release(struct inflight *f, struct message *m, unsigned delay_sec)
{
    inflight_withdraw(f, m);
    ack_queue_add(f->releaser, m, delay_sec, clock_boot_usec());
    f->changed(f->userdata);
}

/* Whether its delete is on its way. Where it is not, it will not be sent. */
static bool is_delete_sent(struct inflight *f, struct message *m)
{
    return m->state == MESSAGE_ACKNOWLEDGING && !ack_queue_remove(f->deleter, m);
}

/* Stops all work on a message, because one before it in its lane comes back. False: that was done
 * before. */
static bool drop(struct inflight *f, struct message *m)
{
    bool is_first = m->state != MESSAGE_CANCELLED_BEHIND && m->state != MESSAGE_LEASE_LOST;

    inflight_apply(f, m, is_delete_sent(f, m) ? ON_BEHIND_SENT : ON_BEHIND, 0);
    return is_first;
}

/* The last first: whatever ends with one of them drops those behind it, too. Returns how many. */
static size_t release_behind(struct inflight *f, struct message *m)
{
    struct message *last = m, *next, *before;
    size_t n = 0;

    while ((next = lane_after(last)))
        last = next;
    for (; last != m; last = before) {
        before = lane_before(last);
        n += drop(f, last);
    }
    return n;
}

void inflight_release_behind(struct inflight *f, struct message *m, const char *why)
{
    size_t n = release_behind(f, m);

    if (n > 0)
        log_write(LOG_INFO, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
                  "Releasing %zu message%s behind " MESSAGE_FORMAT ", which comes back: %s.", n,
                  n == 1 ? "" : "s", MESSAGE_ARGUMENTS(m->received), why);
}

void inflight_lease_lost(struct inflight *f, struct message *m, const char *why)
{
    size_t n_after = release_behind(f, m);

    log_write(LOG_WARNING, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
              "Message %s is lost%s, it comes back: %s (%zu after it in its group dropped)",
              m->received->message_id,
              message_state_is_with_handler(m->state) ? " while it was handled" : "", why, n_after);
    lease_stop_renewal(&f->leases, m);
    inflight_apply(f, m, is_delete_sent(f, m) ? ON_LEASE_LOST_SENT : ON_LEASE_LOST, 0);
}

void inflight_on_lease_lost(void *userdata, struct message *m, const struct ack_result *result)
{
    inflight_lease_lost(userdata, m, result->text[0] ? result->text : result->code);
}

void inflight_on_deleted(void *userdata, struct message *m, enum ack_outcome what,
                         const struct ack_result *result)
{
    struct inflight *f = userdata;
    bool is_leased;

    if (what == ACK_OK) {
        idempotency_forget(&f->idempotency, m);
        log_write(LOG_INFO, MESSAGE_ID_MESSAGE_DELETED,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id}),
                  "Message deleted from queue. SQS Message Id:%s", m->received->message_id);
        inflight_apply(f, m, ON_DELETED, 0);
        return;
    }
    if (m->state == MESSAGE_ACKNOWLEDGING) {
        log_write(LOG_WARNING, NULL,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id},
                             {"SQS_ERROR_CODE", result->code}),
                  "Message %s cannot be deleted, it comes back: %s: %s", m->received->message_id,
                  result->code[0] ? result->code : "its lease has ended", result->text);
        inflight_release_behind(f, m, "it cannot be deleted");
    }
    is_leased = lease_holds(m, clock_boot_usec());
    /* One that was withdrawn, and is neither deleted nor with another, is released: nobody else
     * does that. */
    if (!is_leased || m->state == MESSAGE_ACKNOWLEDGING)
        inflight_note_visible(f, lease_end_usec(m));
    inflight_apply(f, m, is_leased ? ON_NOT_DELETED_LEASED : ON_NOT_DELETED, 0);
}

void inflight_on_released(void *userdata, struct message *m, enum ack_outcome what,
                          const struct ack_result *result)
{
    struct inflight *f = userdata;

    /* If not known to be done, perhaps still so. */
    inflight_note_visible(f, clock_boot_usec() + ack_queue_visibility_sec(m) * USEC_PER_SEC);
    if (what != ACK_OK)
        inflight_note_visible(f, lease_end_usec(m));
    /* An extension that it waited for in vain may still be made. */
    if (lease_is_renewing(m))
        inflight_note_visible(f, clock_boot_usec() + f->leases.visibility_usec);
    /* A message that is lost is back already. */
    if (what == ACK_REFUSED)
        log_write(LOG_WARNING, NULL,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id},
                             {"SQS_ERROR_CODE", result->code}),
                  "Cannot release message %s, it comes back when its visibility timeout ends: "
                  "%s: %s",
                  m->received->message_id, result->code, result->text);
    inflight_apply(f, m, what == ACK_OK ? ON_RELEASED : ON_NOT_RELEASED, 0);
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

void inflight_release_waiting(struct inflight *f)
{
    size_t n = 0;

    if (f->is_receiving)
        return;
    LIST_FOREACH(&f->messages, link)
    {
        struct message *m = CONTAINER_OF(link, struct message, of_owner);

        if (!message_state_is_waiting(m->state) || waits_for_an_end(m))
            continue;
        inflight_apply(f, m, ON_STOP, 0);
        n++;
    }
    if (n > 0)
        log_info("Releasing %zu message%s not yet begun.", n, n == 1 ? "" : "s");
}
