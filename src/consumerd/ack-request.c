/* SPDX-License-Identifier: MIT */
/* See ack-request.h. The items stand in the order of the request's entries; those left out of an
 * attempt are reported at once, and the others close up. */
#include "consumerd/ack-request.h"

#include <assert.h>
#include <errno.h>

#include "consumerd/attempts.h"
#include "consumerd/lease.h"
#include "util/clock.h"

struct batch {
    struct list link;
    struct queue *queue;
    enum batch_kind kind;
    bool is_single; /* DeleteMessage */
    const struct batch_ops *ops;
    void *userdata;
    struct sqs_call *call;
    unsigned n_attempts; /* begun */
    size_t n;
    struct batch_item items[SQS_BATCH_MAX];
};

static int make_delete(const struct batch *batch, struct sqs_request **ret)
{
    const char *handles[SQS_BATCH_MAX];

    for (size_t i = 0; i < batch->n; i++)
        handles[i] = batch->items[i].message->received->receipt_handle;
    if (batch->is_single)
        return sqs_request_delete_message(queue_url(batch->queue), handles[0], ret);
    return sqs_request_delete_message_batch(queue_url(batch->queue), handles, batch->n, ret);
}

static int make_change(const struct batch *batch, struct sqs_request **ret)
{
    struct sqs_visibility_change changes[SQS_BATCH_MAX];

    for (size_t i = 0; i < batch->n; i++)
        changes[i] = (struct sqs_visibility_change){
            .receipt_handle = batch->items[i].message->received->receipt_handle,
            .visibility_sec = batch->items[i].visibility_sec,
        };
    return sqs_request_change_visibility_batch(queue_url(batch->queue), changes, batch->n, ret);
}

static int make_request(const struct batch *batch, struct sqs_request **ret)
{
    return batch->kind == BATCH_DELETE ? make_delete(batch, ret) : make_change(batch, ret);
}

static void report(struct batch *batch, struct batch_item item, const struct batch_result *result)
{
    batch->ops->item_done(batch->userdata, &item, result);
    message_unref(item.message);
}

/* SQS says in several ways that a handle is no longer good; the code alone does not tell it from
 * other bad parameters. */
static bool is_lost(const char *name, const char *text)
{
    return streq(name, "ReceiptHandleIsInvalid") || streq(name, "MessageNotInflight") ||
           (streq(name, "InvalidParameterValueException") &&
            (strstr(text, "receipt handle has expired") ||
             strstr(text, "not available for visibility timeout change")));
}

static enum batch_outcome outcome_of(const char *code, const char *text, enum aws_error_class class)
{
    if (is_lost(aws_error_canonical_name(code), text))
        return BATCH_LOST;
    return class == AWS_ERROR_PERMANENT ? BATCH_REFUSED : BATCH_AGAIN;
}

static struct batch_result item_result(const struct sqs_result *result, size_t i)
{
    struct batch_result r = {
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
    struct batch *batch = userdata;

    batch->call = NULL;
    for (size_t i = 0; i < batch->n; i++) {
        struct batch_result r = item_result(result, i);

        report(batch, batch->items[i], &r);
    }
    batch->n = 0;
    batch->ops->done(batch->userdata, batch);
    batch_free(batch);
}

static bool before_attempt(void *userdata, const struct sqs_error *error,
                           struct sqs_request **request)
{
    struct batch *batch = userdata;
    struct sqs_request *smaller = NULL;
    uint64_t now_usec = clock_boot_usec();
    size_t n = batch->n;

    batch->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct batch_item item = batch->items[i];

        if (lease_holds(item.message, now_usec) && batch->ops->is_wanted(batch->userdata, &item))
            batch->items[batch->n++] = item;
        else
            report(batch, item,
                   &(struct batch_result){.outcome = BATCH_LOST,
                                          .code = error ? error->name : "",
                                          .text = error ? error->message : "",
                                          .request_id = ""});
    }
    if (batch->n == 0)
        return false;
    if (batch->n < n) {
        if (make_request(batch, &smaller) < 0)
            return false;
        sqs_request_free(*request);
        *request = smaller;
    }
    return true;
}

static uint64_t timeout(void *userdata)
{
    struct batch *batch = userdata;
    uint64_t end_usec =
        batch->ops->end_usec ? batch->ops->end_usec(batch->userdata) : USEC_INFINITY;

    /* While a delete is on its way, its lease is extended. */
    for (size_t i = 0; i < batch->n && batch->kind == BATCH_CHANGE; i++)
        end_usec = MIN(end_usec, lease_until_usec(batch->items[i].message));
    return attempt_timeout_usec(batch->n_attempts++, end_usec, clock_boot_usec());
}

int batch_send(struct queue *queue, enum batch_kind kind, const struct batch_item *items, size_t n,
               const struct batch_ops *ops, void *userdata, struct batch **ret)
{
    CLEANUP(batch_free) struct batch *batch = calloc(1, sizeof(*batch));
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    int r;

    assert(n > 0 && n <= SQS_BATCH_MAX);
    if (!batch)
        return -ENOMEM;
    batch->queue = queue;
    batch->kind = kind;
    batch->is_single = kind == BATCH_DELETE && n == 1;
    batch->ops = ops;
    batch->userdata = userdata;
    for (size_t i = 0; i < n; i++) {
        batch->items[i] = items[i];
        message_ref(items[i].message);
    }
    batch->n = n;
    r = make_request(batch, &request);
    if (r >= 0)
        r = queue_call(queue, TAKE(request),
                       &(struct sqs_call_options){
                           .before_attempt = before_attempt,
                           .timeout = timeout,
                       },
                       on_result, batch, &batch->call);
    if (r < 0)
        return r;
    *ret = TAKE(batch);
    return 0;
}

struct batch *batch_free(struct batch *batch)
{
    if (!batch)
        return NULL;
    list_remove(&batch->link);
    sqs_call_cancel(batch->call);
    for (size_t i = 0; i < batch->n; i++)
        message_unref(batch->items[i].message);
    free(batch);
    return NULL;
}

struct list *batch_link(struct batch *batch)
{
    return &batch->link;
}

struct batch *batch_of_link(struct list *link)
{
    return CONTAINER_OF(link, struct batch, link);
}
