/* SPDX-License-Identifier: MIT */
/* The operations that list queues, page by page. */
#include "operations.h"

#include <errno.h>

#include "json-writer.h"
#include "util/encode.h"

enum { LIST_MAX = 1000 };

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A page of a list of queues. */
struct page {
    const char **names; /* of all queues in the list, sorted */
    size_t n;
    const char *token;
    bool has_max;
    int64_t max;
};

/* Reads the parameters that both lists have, and allocates the names. */
static int begin_page(struct call *call, struct page *ret)
{
    int r = parameter_text(call, call->input, "NextToken", &ret->token);

    if (r == 0)
        r = parameter_integer(call, call->input, "MaxResults", &ret->has_max, &ret->max);
    if (r != 0)
        return r;
    if (ret->has_max && (ret->max < 1 || ret->max > LIST_MAX))
        return call_fail(
            call, ERROR_INVALID_PARAMETER_VALUE,
            "Value %lld for parameter MaxResults is invalid. Reason: MaxResults must be an "
            "integer between 1 and 1000.",
            (long long)ret->max);
    r = call_permit(call);
    if (r != 0)
        return r;
    ret->names = malloc((call->service->account.by_name.n_entries + 1) * sizeof(*ret->names));
    return ret->names ? 0 : -ENOMEM;
}

/* Sorts the names, and writes the reply with this page of them under `member`. */
static int put_page(struct call *call, const char *member, struct page *page)
{
    CLEANUP(buffer_done) struct buffer after = BUFFER_INIT(QUEUE_NAME_MAX_BYTES);
    struct buffer *b = &call->output;
    size_t first = 0, end;

    if (page->token &&
        (!page->has_max || base64_decode(&after, page->token, strlen(page->token)) < 0))
        return call_fail(call, ERROR_INVALID_PARAMETER_VALUE, "Invalid or expired next token.");
    qsort(page->names, page->n, sizeof(*page->names), compare_names);
    while (page->token && first < page->n && strcmp(page->names[first], buffer_string(&after)) <= 0)
        first++;
    end = MIN(page->n, first + (size_t)(page->has_max ? page->max : LIST_MAX));

    buffer_append_char(b, '{');
    if (first < end) {
        json_name(b, member);
        buffer_append_char(b, '[');
        for (size_t i = first; i < end; i++) {
            json_next(b);
            service_put_queue_url(call->service, b, page->names[i]);
        }
        buffer_append_char(b, ']');
    }
    if (page->has_max && end < page->n) {
        const char *last = page->names[end - 1];

        json_name(b, "NextToken");
        buffer_append_char(b, '"');
        base64_encode(b, last, strlen(last));
        buffer_append_char(b, '"');
    }
    buffer_append_char(b, '}');
    return 0;
}

int operation_list_queues(struct call *call)
{
    const char *prefix = NULL;
    struct page page = {};
    int r = parameter_text(call, call->input, "QueueNamePrefix", &prefix);

    if (r == 0)
        r = begin_page(call, &page);
    if (r != 0)
        return r;
    LIST_FOREACH(&call->service->account.queues, member)
    {
        const struct queue *queue = CONTAINER_OF(member, struct queue, of_account);

        if (!prefix || strncmp(queue->name, prefix, strlen(prefix)) == 0)
            page.names[page.n++] = queue->name;
    }
    r = put_page(call, "QueueUrls", &page);
    free(page.names);
    return r;
}

int operation_list_dead_letter_source_queues(struct call *call)
{
    const struct account *account = &call->service->account;
    struct page page = {};
    int r = begin_page(call, &page);

    if (r != 0)
        return r;
    LIST_FOREACH(&account->queues, member)
    {
        const struct queue *queue = CONTAINER_OF(member, struct queue, of_account);

        if (account_dead_letters(account, queue) == call->queue)
            page.names[page.n++] = queue->name;
    }
    r = put_page(call, "queueUrls", &page);
    free(page.names);
    return r;
}
