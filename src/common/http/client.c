/* SPDX-License-Identifier: MIT */
/* The front of the HTTP client: it creates clients, submits and cancels requests, and reports their
 * results.
 *
 * watch.c drives libcurl from the event loop, and calls report_finished after each action of
 * libcurl. Finished requests are reported only there. So a caller's callback never runs inside
 * libcurl, and never inside http_client_submit, which only adds a handle: libcurl then asks watch.c
 * for an action.
 *
 * deadline.c decides when a request has taken too long, and the slot's timer ends the request here.
 * libcurl closes the connection of an easy handle that is removed before its end, so a connection
 * that timed out is never used again. */
#include "http/client-internal.h"

#include <errno.h>
#include <stdio.h>

#include "util/clock.h"

/* After each action of libcurl: reports the requests that have ended, then calls `replied` once. */
static void report_finished(struct http_client *client)
{
    bool has_replied = false;
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left))) {
        struct http_slot *slot = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
        http_finish_by_code(slot, message->data.result);
        has_replied = true;
    }
    if (has_replied && client->replied)
        client->replied(client->userdata);
}

/* The variables in which libcurl looks for a proxy. */
static bool environment_has_proxy(void)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (is_set(getenv(names[i])))
            return true;
    return false;
}

static void set_options(struct http_client *client, const struct http_client_options *options)
{
    client->connect_timeout_usec = options->connect_timeout_usec;
    client->connections_max = options->connections_max;
    client->reply_memory_bytes = options->reply_memory_bytes;
    http_hosts_set_up(client);
    if (options->connections_max > 0) {
        curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                          (long)options->connections_max);
        curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)options->connections_max);
    }
}

/* NULL for a path that is not set. 0 or -ENOMEM. */
static int copy_path(const char *path, char **ret)
{
    char *copy = is_set(path) ? strdup(path) : NULL;

    if (is_set(path) && !copy)
        return -ENOMEM;
    *ret = copy;
    return 0;
}

int http_client_new(sd_event *event, const struct http_client_options *options,
                    struct http_client **ret)
{
    CLEANUP(http_client_free) struct http_client *client = NULL;
    const char *no_proxy;
    int r;

    /* libcurl counts these calls; http_client_free undoes this one. */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    client = calloc(1, sizeof(*client));
    if (!client) {
        curl_global_cleanup();
        return -ENOMEM;
    }
    list_init(&client->busy);
    list_init(&client->idle);
    list_init(&client->receiving);
    client->event = sd_event_ref(event);
    client->replied = options->replied;
    client->userdata = options->userdata;
    client->has_proxy = environment_has_proxy();
    no_proxy = getenv("no_proxy"); /* libcurl looks for it in the same order */
    no_proxy = is_set(no_proxy) ? no_proxy : getenv("NO_PROXY");
    if (no_proxy) {
        client->no_proxy = strdup(no_proxy);
        if (!client->no_proxy)
            return -ENOMEM;
    }
    client->multi = curl_multi_init();
    client->user_agent = strdup(options->user_agent);
    r = copy_path(options->ca_bundle, &client->ca_bundle);
    if (r < 0 || !client->multi || !client->user_agent)
        return -ENOMEM;

    set_options(client, options);
    r = http_watch_set_up(client, report_finished);
    if (r >= 0)
        r = http_connect_set_up(client);
    if (r < 0)
        return r;
    curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    *ret = TAKE(client);
    return 0;
}

/* An easy handle keeps the CA bundle that it was told. So those that are idle are freed now, and
 * those that are busy when their requests end. */
int http_client_reconfigure(struct http_client *client, const struct http_client_options *options)
{
    char *ca_bundle;
    int r = copy_path(options->ca_bundle, &ca_bundle);

    if (r < 0)
        return r;
    free(client->ca_bundle);
    client->ca_bundle = ca_bundle;
    client->ca_since_usec = clock_monotonic_usec();
    client->epoch++;
    http_slots_free_idle(client);
    set_options(client, options);
    return 0;
}

struct http_client *http_client_free(struct http_client *client)
{
    if (!client)
        return NULL;
    while (!list_is_empty(&client->busy))
        http_slot_release(CONTAINER_OF(client->busy.next, struct http_slot, link));
    http_slots_free_idle(client);
    if (client->multi)
        curl_multi_cleanup(client->multi);
    http_watch_done(client);
    http_hosts_done(client);
    timer_done(&client->connect_tick);
    sd_event_unref(client->event);
    free(client->user_agent);
    free(client->ca_bundle);
    free(client->no_proxy);
    free(client);
    curl_global_cleanup();
    return NULL;
}

static void on_timer(void *userdata)
{
    struct http_slot *slot = userdata;

    if (slot->reply.resume_error != CURLE_OK) {
        http_finish_by_code(slot, slot->reply.resume_error);
        return;
    }
    switch (http_deadline_check(slot)) {
    case HTTP_DEADLINE_AHEAD:
        break;
    case HTTP_DEADLINE_PASSED:
        http_slot_finish(slot, HTTP_FAILURE_TIMEOUT, slot->error_text);
        break;
    case HTTP_DEADLINE_NO_TIMER:
        http_slot_finish(slot, HTTP_FAILURE_REQUEST, "the time-out cannot be set");
        break;
    }
}

static int slot_get(struct http_client *client, struct http_slot **ret)
{
    struct list *idle = list_first(&client->idle);
    struct http_slot *slot;
    int r;

    if (idle) {
        list_remove(idle);
        client->n_idle--;
        *ret = CONTAINER_OF(idle, struct http_slot, link);
        return 0;
    }
    slot = calloc(1, sizeof(*slot));
    if (!slot)
        return -ENOMEM;
    slot->client = client;
    slot->epoch = client->epoch;
    slot->deadline.due_usec = USEC_INFINITY;
    slot->request.header_lines = BUFFER_INIT(HTTP_HEADERS_MAX_BYTES);
    slot->easy = curl_easy_init();
    if (!slot->easy) {
        http_slot_free(slot);
        return -ENOMEM;
    }
    r = http_slot_set_up(slot);
    if (r >= 0)
        r = timer_init(&slot->deadline.timer, client->event, 10 * USEC_PER_MSEC, on_timer, slot);
    if (r < 0) {
        http_slot_free(slot);
        return r;
    }
    *ret = slot;
    return 0;
}

int http_client_submit(struct http_client *client, const struct http_request *request,
                       http_done_fn done, void *userdata, struct http_slot **ret)
{
    struct http_slot *slot = NULL;
    int r = slot_get(client, &slot);

    if (r < 0)
        return r;
    r = http_slot_prepare(slot, request);
    if (r >= 0 && curl_multi_add_handle(client->multi, slot->easy) != CURLM_OK)
        r = -ENOMEM;
    if (r < 0) {
        http_slot_free(slot);
        return r;
    }
    slot->done = done;
    slot->userdata = userdata;
    list_prepend(&client->busy, &slot->link);
    client->n_busy++;
    http_connect_tick_if_waiting(client);
    *ret = slot;
    return 0;
}

bool http_slot_has_begun(const struct http_slot *slot)
{
    return slot->sending.n_begun > 0;
}

struct http_slot *http_slot_cancel(struct http_slot *slot)
{
    /* `done` is NULL while the slot's own callback runs; the request has ended then. */
    if (slot && slot->done)
        http_slot_release(slot);
    return NULL;
}

const char *http_reply_header(const struct http_reply *reply, const char *name)
{
    struct curl_header *header = NULL;

    if (!reply->handle)
        return NULL;
    if (curl_easy_header(reply->handle, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return NULL;
    return header->value;
}
