/* SPDX-License-Identifier: MIT */
/* The end of a request. Its slot is kept for the next request, with its easy handle and its small
 * buffers, or it is freed. */
#include "http/client-internal.h"

enum { KEEP_BODY_BYTES_MAX = 256 * 1024 };

void http_slot_free(struct http_slot *slot)
{
    timer_done(&slot->deadline.timer);
    timer_done(&slot->backlog.timer);
    curl_easy_cleanup(slot->easy);
    buffer_done(&slot->request.header_lines);
    buffer_done(&slot->reply.body);
    free(slot->request.url);
    free(slot);
}

void http_slots_free_idle(struct http_client *client)
{
    LIST_FOREACH(&client->idle, link)
    {
        http_slot_free(CONTAINER_OF(link, struct http_slot, link));
    }
    list_init(&client->idle);
    client->n_idle = 0;
}

void http_slot_release(struct http_slot *slot)
{
    struct http_client *client = slot->client;

    curl_multi_remove_handle(client->multi, slot->easy);
    http_receive_done(slot);
    http_connect_done(slot);
    list_remove(&slot->link);
    client->n_busy--;
    if (client->n_idle >= HTTP_IDLE_HANDLES_MAX || slot->epoch != client->epoch) {
        http_slot_free(slot);
        return;
    }

    http_slot_forget_headers(slot);
    if (slot->reply.body.allocated > KEEP_BODY_BYTES_MAX)
        buffer_done(&slot->reply.body);
    else
        buffer_reset(&slot->reply.body);
    slot->deadline.due_usec = USEC_INFINITY;
    timer_stop(&slot->backlog.timer);
    slot->done = NULL;
    slot->userdata = NULL;
    list_prepend(&client->idle, &slot->link);
    client->n_idle++;
}

void http_slot_finish(struct http_slot *slot, enum http_failure failure, const char *text)
{
    http_done_fn done = TAKE(slot->done); /* NULL: a cancel from inside the callback does nothing */
    struct http_reply reply = {
        .failure = failure, .failure_text = text, .body = "", .n_begun = slot->sending.n_begun};
    long status = 0;

    slot->deadline.due_usec = USEC_INFINITY;
    if (failure != HTTP_FAILURE_NONE)
        http_connect_failed(slot, failure, false);
    if (failure == HTTP_FAILURE_NONE || slot->reply.is_head_whole)
        curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
    /* On failure the caller gets nothing of the reply. */
    if (failure == HTTP_FAILURE_NONE) {
        reply.status = (int)status;
        reply.body = buffer_string(&slot->reply.body);
        reply.body_bytes = slot->reply.body.size;
        reply.handle = slot->easy;
    } else {
        reply.head_status = (int)status;
        http_deadline_fill_reply(slot, &reply);
    }
    done(slot->userdata, &reply);
    http_slot_release(slot);
}
