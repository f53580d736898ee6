/* SPDX-License-Identifier: MIT */
/* items[] is in the order of the request's entries. If an attempt leaves an item out, the item is
 * reported at once, the items behind it move up, and the request is built again. */
#include "consumerd/ack-request.h"

#include <assert.h>
#include <errno.h>

#include "consumerd/attempt-timeout.h"
#include "consumerd/lease.h"
#include "util/clock.h"

struct ack_request {
    struct list link;
    struct queue *queue;
    enum ack_kind kind;
    bool is_single; /* DeleteMessage */
    const struct ack_request_ops *ops;
    void *userdata;
    struct sqs_call *call;
    unsigned n_attempts; /* begun */
    size_t n;
    struct ack_item items[SQS_BATCH_MAX];
};

static int make_delete(const struct ack_request *ack, struct sqs_request **ret)
{
    const char *handles[SQS_BATCH_MAX];

    for (size_t i = 0; i < ack->n; i++)
        handles[i] = ack->items[i].message->received->receipt_handle;
    if (ack->is_single)
        return sqs_request_delete_message(queue_url(ack->queue), handles[0], ret);
    return sqs_request_delete_message_batch(queue_url(ack->queue), handles, ack->n, ret);
}

static int make_change(const struct ack_request *ack, struct sqs_request **ret)
{
    struct sqs_visibility_change changes[SQS_BATCH_MAX];

    for (size_t i = 0; i < ack->n; i++)
        changes[i] = (struct sqs_visibility_change){
            .receipt_handle = ack->items[i].message->received->receipt_handle,
            .visibility_sec = ack->items[i].visibility_sec,
        };
    return sqs_request_change_visibility_batch(queue_url(ack->queue), changes, ack->n, ret);
}

static int make_request(const struct ack_request *ack, struct sqs_request **ret)
{
    return ack->kind == ACK_DELETE ? make_delete(ack, ret) : make_change(ack, ret);
}

static void report(struct ack_request *ack, struct ack_item item, const struct ack_result *result)
{
    ack->ops->item_done(ack->userdata, &item, result);
    message_unref(item.message);
}

static enum ack_outcome outcome_of(const char *code, const char *text, enum aws_error_class class)
{
    if (sqs_error_is_lease_lost(code, text))
        return ACK_LEASE_LOST;
    return class == AWS_ERROR_PERMANENT ? ACK_REFUSED : ACK_RETRY;
}

static struct ack_result item_result(const struct sqs_result *result, size_t i)
{
    struct ack_result r = {
        .code = "",
        .text = "",
        .request_id = result->request_id,
        .sent_usec = result->sent_usec,
    };

    if (result->error) {
        r.class = result->error->class;
        r.code = result->error->name;
        r.text = result->error->message;
        r.outcome = outcome_of(r.code, r.text, r.class);
    } else if (i < result->reply->n_entries && !result->reply->entries[i].ok) {
        const struct sqs_entry_result *entry = &result->reply->entries[i];

        r.class = aws_error_class_of_code(entry->code, entry->sender_fault);
        r.code = entry->code;
        r.text = entry->message;
        r.outcome = outcome_of(r.code, r.text, r.class);
    }
    return r;
}

static void on_result(void *userdata, const struct sqs_result *result)
{
    struct ack_request *ack = userdata;

    ack->call = NULL;
    for (size_t i = 0; i < ack->n; i++) {
        struct ack_result r = item_result(result, i);

        report(ack, ack->items[i], &r);
    }
    ack->n = 0;
    ack->ops->done(ack->userdata, ack);
    ack_request_free(ack);
}

static bool before_attempt(void *userdata, const struct sqs_error *error,
                           struct sqs_request **request)
{
    struct ack_request *ack = userdata;
    struct sqs_request *smaller = NULL;
    uint64_t now_usec = clock_boot_usec();
    size_t n = ack->n;

    ack->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct ack_item item = ack->items[i];

        if (lease_holds(item.message, now_usec) && ack->ops->is_wanted(ack->userdata, &item))
            ack->items[ack->n++] = item;
        else
            report(ack, item,
                   &(struct ack_result){.outcome = ACK_LEASE_LOST,
                                        .code = error ? error->name : "",
                                        .text = error ? error->message : "",
                                        .request_id = ""});
    }
    if (ack->n == 0)
        return false;
    if (ack->n < n) {
        if (make_request(ack, &smaller) < 0)
            return false;
        sqs_request_free(*request);
        *request = smaller;
    }
    return true;
}

static uint64_t timeout(void *userdata)
{
    struct ack_request *ack = userdata;
    uint64_t end_usec = ack->ops->end_usec ? ack->ops->end_usec(ack->userdata) : USEC_INFINITY;

    /* A delete has no such end: its lease is renewed while it is under way. */
    for (size_t i = 0; i < ack->n && ack->kind == ACK_CHANGE_VISIBILITY; i++)
        end_usec = MIN(end_usec, lease_end_usec(ack->items[i].message));
    return attempt_timeout_usec(ack->n_attempts++, end_usec, clock_boot_usec());
}

int ack_request_send(struct queue *queue, enum ack_kind kind, const struct ack_item *items,
                     size_t n, const struct ack_request_ops *ops, void *userdata,
                     struct ack_request **ret)
{
    CLEANUP(ack_request_free) struct ack_request *ack = calloc(1, sizeof(*ack));
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r;

    assert(n > 0 && n <= SQS_BATCH_MAX);
    if (!ack)
        return -ENOMEM;
    ack->queue = queue;
    ack->kind = kind;
    ack->is_single = kind == ACK_DELETE && n == 1;
    ack->ops = ops;
    ack->userdata = userdata;
    for (size_t i = 0; i < n; i++) {
        ack->items[i] = items[i];
        message_ref(items[i].message);
    }
    ack->n = n;
    r = make_request(ack, &request);
    if (r >= 0)
        r = queue_call(queue, TAKE(request),
                       &(struct sqs_call_options){
                           .before_attempt = before_attempt,
                           .timeout = timeout,
                       },
                       on_result, ack, &ack->call);
    if (r < 0)
        return r;
    *ret = TAKE(ack);
    return 0;
}

struct ack_request *ack_request_free(struct ack_request *ack)
{
    if (!ack)
        return NULL;
    list_remove(&ack->link);
    sqs_call_cancel(ack->call);
    for (size_t i = 0; i < ack->n; i++)
        message_unref(ack->items[i].message);
    free(ack);
    return NULL;
}

struct list *ack_request_link(struct ack_request *ack)
{
    return &ack->link;
}

struct ack_request *ack_request_of_link(struct list *link)
{
    return CONTAINER_OF(link, struct ack_request, link);
}
