/* The operations that list queues, page by page. See operations.h. */
#include "operations.h"

#include <errno.h>

#include "encode.h"
#include "json-writer.h"

enum { LIST_MAX = 1000 };

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names that a ListQueues goes over, sorted; *ret is the caller's, the names are not. */
static int list_names(const struct account *account, const char *prefix, const char ***ret,
                      size_t *ret_n)
{
    const char **names = malloc((account->by_name.n_entries + 1) * sizeof(*names));
    size_t n = 0;

    if (!names)
        return -ENOMEM;
    LIST_FOREACH_SAFE(&account->queues, member)
    {
        const struct queue *queue = CONTAINER_OF(member, struct queue, of_account);

        if (strncmp(queue->name, prefix, strlen(prefix)) == 0)
            names[n++] = queue->name;
    }
    qsort(names, n, sizeof(*names), compare_names);
    *ret = names;
    *ret_n = n;
    return 0;
}

int operation_list_queues(struct call *call)
{
    CLEANUP(buffer_done) struct buffer after = BUFFER_INIT(QUEUE_NAME_MAX_BYTES);
    CLEANUP(free) const char **names = NULL;
    struct buffer *b = &call->output;
    const char *prefix = NULL, *token = NULL;
    size_t n, first = 0, end;
    bool has_max;
    int64_t max;
    int r = parameter_text(call, call->input, "QueueNamePrefix", &prefix);

    if (r == 0)
        r = parameter_text(call, call->input, "NextToken", &token);
    if (r == 0)
        r = parameter_integer(call, call->input, "MaxResults", &has_max, &max);
    if (r != 0)
        return r;
    if (has_max && (max < 1 || max > LIST_MAX))
        return call_fail(
            call, ERROR_INVALID_PARAMETER_VALUE,
            "Value %lld for parameter MaxResults is invalid. Reason: MaxResults must be an "
            "integer between 1 and 1000.",
            (long long)max);
    if (token && (!has_max || base64_decode(&after, token, strlen(token)) < 0))
        return call_fail(call, ERROR_INVALID_PARAMETER_VALUE, "Invalid or expired next token.");
    r = list_names(&call->service->account, prefix ? prefix : "", &names, &n);
    if (r < 0)
        return r;
    while (token && first < n && strcmp(names[first], buffer_string(&after)) <= 0)
        first++;
    end = MIN(n, first + (size_t)(has_max ? max : LIST_MAX));

    buffer_append_char(b, '{');
    if (first < end) {
        json_name(b, "QueueUrls");
        buffer_append_char(b, '[');
        for (size_t i = first; i < end; i++) {
            json_next(b);
            service_put_queue_url(call->service, b, names[i]);
        }
        buffer_append_char(b, ']');
    }
    if (has_max && end < n) {
        json_name(b, "NextToken");
        buffer_append_char(b, '"');
        base64_encode(b, names[end - 1], strlen(names[end - 1]));
        buffer_append_char(b, '"');
    }
    buffer_append_char(b, '}');
    return 0;
}
