/* SPDX-License-Identifier: MIT */
/* Ends calls, sets their timers, and wakes calls that wait until SQS is back. */
#include "sqs/client-internal.h"

#include <assert.h>

/* --- Calls that wait until SQS is back --- */

void sqs_call_mark_failing(struct sqs_call *call)
{
    if (call->is_failing)
        return;
    call->is_failing = true;
    call->failing_operation = sqs_operation_single(call->request->operation);
    call->client->n_failing[call->failing_operation]++;
}

static void clear_failing(struct sqs_call *call)
{
    struct sqs_client *client = call->client;

    if (!call->is_failing)
        return;
    call->is_failing = false;
    if (--client->n_failing[call->failing_operation] == 0 && client->observer.retries_ended)
        client->observer.retries_ended(client->observer.userdata, call->failing_operation);
}

void sqs_call_set_wakeable(struct sqs_call *call, bool is_wakeable)
{
    if (call->is_wakeable == is_wakeable)
        return;
    call->is_wakeable = is_wakeable;
    call->client->n_wakeable += is_wakeable ? 1 : -1U;
}

void sqs_client_wake(struct sqs_client *client, unsigned n)
{
    for (; n > 0 && client->n_wakeable > 0; n--) {
        struct sqs_call *first = NULL;

        LIST_FOREACH(&client->calls, link)
        {
            struct sqs_call *call = CONTAINER_OF(link, struct sqs_call, link);

            if (call->is_wakeable &&
                (!first || timer_usec(&call->timer) < timer_usec(&first->timer)))
                first = call;
        }
        assert(first);
        sqs_call_set_wakeable(first, false);
        /* If this fails, the call still wakes at its own time. */
        timer_set_after(&first->timer, 0);
    }
}

void sqs_client_ensure_trial(struct sqs_client *client)
{
    if (client->quota.n_trials[false] == 0)
        sqs_client_wake(client, 1);
}

void sqs_call_leave(struct sqs_call *call)
{
    struct sqs_client *client = call->client;

    clear_failing(call);
    sqs_call_set_wakeable(call, false);
    retry_quota_end_trial(&client->quota, &call->retry.grant);
    if (!call->is_answered)
        sqs_client_ensure_trial(client);
}

/* --- The call --- */

void sqs_call_free(struct sqs_call *call)
{
    sqs_call_leave(call);
    credentials_slot_cancel(call->credentials_slot);
    http_slot_cancel(call->slot);
    timer_done(&call->timer);
    aws_credentials_unref(call->credentials);
    sqs_request_free(call->request);
    list_remove(&call->link);
    free(call);
}

void sqs_call_finish(struct sqs_call *call, struct sqs_reply *reply)
{
    sqs_done_fn done = TAKE(call->done);
    struct sqs_result result = {
        .reply = reply,
        .error = reply ? NULL : &call->error,
        .request_id = call->request_id,
        .http_status = call->http_status,
        .attempts = call->attempts,
        .sent_usec = call->sent_usec,
    };

    done(call->userdata, &result);
    sqs_call_free(call);
}

int sqs_call_set_timer(struct sqs_call *call, uint64_t delay_usec)
{
    int r = 0;

    if (!timer_is_initialized(&call->timer))
        r = timer_init(&call->timer, call->client->event, USEC_PER_MSEC, call->client->on_timer,
                       call);
    return r < 0 ? r : timer_set_after(&call->timer, delay_usec);
}

void sqs_call_set_error(struct sqs_call *call, enum aws_error_class class, const char *name,
                        const char *text)
{
    sqs_error_set(&call->error, class, name, text);
}
