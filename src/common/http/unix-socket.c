/* SPDX-License-Identifier: MIT */
/* Connecting to a Unix socket whose backlog (the listener's queue of connections) is full. A TCP
 * connect waits in that case. On a Unix socket connect(2) fails with EAGAIN, so this tries again,
 * with growing pauses, until the time for connecting is over. */
#include "http/client-internal.h"

#include <errno.h>
#include <stdio.h>

#include "util/clock.h"

enum {
    BACKLOG_PAUSE_MSEC = 5, /* doubled after each try */
    BACKLOG_PAUSE_MAX_MSEC = 320,
};

/* The errno with which connecting to a Unix socket failed. If the backlog is full, connect(2) fails
 * with EAGAIN. libcurl takes this for a connection in progress, and later finds neither a
 * connection nor an error. */
static int connect_error(const struct http_slot *slot)
{
    long error = 0;

    curl_easy_getinfo(slot->easy, CURLINFO_OS_ERRNO, &error);
    return error > 0 ? (int)error : EAGAIN;
}

/* libcurl's own text would name the URL's host and port, but nobody connected there. */
void http_describe_unix_connect_failure(struct http_slot *slot)
{
    int error = connect_error(slot);

    snprintf(slot->error_text, sizeof(slot->error_text), "cannot connect to the Unix socket: %s",
             error == EAGAIN ? "too many connections wait there" : strerror(error));
}

static void on_backlog_timer(void *userdata)
{
    struct http_slot *slot = userdata;

    slot->error_text[0] = '\0';
    if (curl_multi_add_handle(slot->client->multi, slot->easy) != CURLM_OK)
        http_slot_finish(slot, HTTP_FAILURE_REQUEST, "no memory to connect again");
}

bool http_retry_full_backlog(struct http_slot *slot)
{
    uint64_t now = clock_loop_usec(slot->client->event);
    uint64_t wait_msec = MIN((uint64_t)BACKLOG_PAUSE_MSEC << MIN(slot->backlog.n_full, 16U),
                             (uint64_t)BACKLOG_PAUSE_MAX_MSEC);
    int r = 0;

    if (connect_error(slot) != EAGAIN)
        return false;
    if (slot->backlog.n_full++ == 0)
        slot->backlog.since_usec = now;
    if (now - slot->backlog.since_usec >= slot->client->connect_timeout_usec)
        return false;

    if (!timer_is_initialized(&slot->backlog.timer))
        r = timer_init(&slot->backlog.timer, slot->client->event, 1, on_backlog_timer, slot);
    if (r >= 0)
        r = timer_set_after(&slot->backlog.timer, wait_msec * USEC_PER_MSEC);
    if (r >= 0)
        curl_multi_remove_handle(slot->client->multi, slot->easy);
    return r >= 0;
}
