/* SPDX-License-Identifier: MIT */
/* How a message ends: SQS has deleted it, SQS has made it visible again, or its lease is lost.
 *
 * On a FIFO queue SQS holds back the rest of a group while one of its messages is hidden. So a
 * message that comes back takes with it all messages behind it in its lane: they are released
 * first, the last of them first, and none of them can then be handled before it. */
#include "consumerd/inflight-internal.h"

#include "daemon/message-ids.h"
#include "util/clock.h"
#include "util/log.h"

/* Whether a neighbour in the list is a message of that reply. The neighbour may be the list's
 * head. */
static bool is_of(const struct inflight *f, struct list *link, const struct sqs_reply *reply)
{
    return link != &f->messages && CONTAINER_OF(link, struct message, of_owner)->reply == reply;
}

void inflight_withdraw(struct inflight *f, struct message *m)
{
    idempotency_remove(&f->idempotency, m);
    consumer_lanes_remove(f->lanes, m);
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

/* Takes the message out of the delete queue. True: its delete was sent before, and its answer is
 * awaited. */
static bool is_delete_sent(struct inflight *f, struct message *m)
{
    return m->state == MESSAGE_ACKNOWLEDGING && !ack_queue_remove(f->deleter, m);
}

/* Stops all work on a message, because an earlier message of its lane comes back. False: the work
 * was stopped before. */
static bool release_one_behind(struct inflight *f, struct message *m)
{
    bool is_first = m->state != MESSAGE_CANCELLED_BEHIND && m->state != MESSAGE_LEASE_LOST;

    inflight_apply(f, m, is_delete_sent(f, m) ? MESSAGE_ON_BEHIND_SENT : MESSAGE_ON_BEHIND, 0);
    return is_first;
}

/* Begins with the last: ending a message releases those behind it, too. Returns how many. */
static size_t release_behind(struct inflight *f, struct message *m)
{
    struct message *last = m, *next, *before;
    size_t n = 0;

    while ((next = lane_after(last)))
        last = next;
    for (; last != m; last = before) {
        before = lane_before(last);
        n += release_one_behind(f, last);
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
              "Message %s is lost%s, it comes back: %s (releasing %zu behind it in its group)",
              m->received->message_id,
              message_state_is_with_handler(m->state) ? " while it was handled" : "", why, n_after);
    lease_stop_renewal(&f->leases, m);
    inflight_apply(f, m, is_delete_sent(f, m) ? MESSAGE_ON_LEASE_LOST_SENT : MESSAGE_ON_LEASE_LOST,
                   0);
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
        idempotency_note_deleted(&f->idempotency, m);
        log_write(LOG_INFO, MESSAGE_ID_MESSAGE_DELETED,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id}),
                  "Message deleted from queue. SQS Message Id:%s", m->received->message_id);
        inflight_apply(f, m, MESSAGE_ON_DELETED, 0);
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
    /* A withdrawn message that was not deleted and keeps its lease is released by this transition.
     * All others stay hidden until their lease ends. */
    if (!is_leased || m->state == MESSAGE_ACKNOWLEDGING)
        inflight_note_visible(f, lease_end_usec(m));
    inflight_apply(f, m, is_leased ? MESSAGE_ON_NOT_DELETED_LEASED : MESSAGE_ON_NOT_DELETED, 0);
}

void inflight_on_released(void *userdata, struct message *m, enum ack_outcome what,
                          const struct ack_result *result)
{
    struct inflight *f = userdata;

    /* The request may have taken effect even if its outcome is not known. */
    inflight_note_visible(f, clock_boot_usec() + ack_queue_visibility_sec(m) * USEC_PER_SEC);
    if (what != ACK_OK)
        inflight_note_visible(f, lease_end_usec(m));
    /* A renewal is under way; SQS may get it after the release. */
    if (lease_is_renewing(m))
        inflight_note_visible(f, clock_boot_usec() + f->leases.visibility_usec);
    /* ACK_LEASE_LOST needs no line: the message is visible already. */
    if (what == ACK_REFUSED)
        log_write(LOG_WARNING, NULL,
                  LOG_FIELDS(MESSAGE_FIELDS(m->received), {"SQS_REQUEST_ID", result->request_id},
                             {"SQS_ERROR_CODE", result->code}),
                  "Cannot release message %s, it comes back when its visibility timeout ends: "
                  "%s: %s",
                  m->received->message_id, result->code, result->text);
    inflight_apply(f, m, what == ACK_OK ? MESSAGE_ON_RELEASED : MESSAGE_ON_NOT_RELEASED, 0);
}

/* Whether a message that lost its lease is still with the handler, further ahead in the lane. It
 * may be the same message, received once more: if it were released now, another consumer would
 * handle it at the same time. The caller goes through the lane in order. So if the predecessor
 * still waits, it waits for this reason, and this message must wait, too. */
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
        inflight_apply(f, m, MESSAGE_ON_STOP, 0);
        n++;
    }
    if (n > 0)
        log_info("Releasing %zu message%s whose handling has not begun.", n, n == 1 ? "" : "s");
}
