/* SPDX-License-Identifier: MIT */
/* Decides when a request has taken too long. Two limits apply. The stall time-out ends a request
 * when no byte has moved for `stall_usec`; while it waits for the first byte of its reply,
 * `wait_usec` is added. The total time-out ends it at `end_usec`, whatever moves.
 *
 * The kernel knows what has moved (TCP_INFO). It is asked only when the timer fires, so a fast
 * request costs no system call for this. libcurl does not know: it counts bytes as sent while they
 * still wait in the socket's buffer, which may hold megabytes.
 *
 * The timer runs on the boot clock, because libcurl's own time-outs stand still while the machine
 * is suspended. The ages in TCP_INFO stand still too, so the time of the suspend is added to them.
 *
 * After this process itself stood still (stopped, starved, a machine paused), the timer may fire
 * before libcurl has read a reply that has come long ago. So bytes that wait in the socket count as
 * moved now, and when the total time has passed, they get a moment to be read.
 *
 * What always holds: the slot's timer is set no later than `due_usec`. It may fire earlier,
 * for an older request of the same slot, and is then set again. This saves a timerfd_settime for
 * each request. */
#include "http/client-internal.h"

#include <inttypes.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "util/clock.h"

enum { ESTABLISHED = 1 }; /* tcp_info.tcpi_state */

#define READ_LATE_USEC USEC_PER_SEC /* the moment beyond the total time-out */

/* Sets the slot's timer to its deadline, unless it fires before. 0, or the errno of the event loop.
 */
static int set_timer(struct http_slot *slot)
{
    return timer_set_no_later(&slot->deadline.timer, slot->deadline.due_usec);
}

static uint64_t add(uint64_t usec, uint64_t more_usec)
{
    return more_usec >= USEC_INFINITY - usec ? USEC_INFINITY : usec + more_usec;
}

/* How long the machine has been suspended since it was booted. */
static uint64_t slept_usec(const struct http_client *client)
{
    uint64_t boot_usec = clock_loop_usec(client->event), running_usec = boot_usec;

    (void)sd_event_now(client->event, CLOCK_MONOTONIC, &running_usec);
    return boot_usec > running_usec ? boot_usec - running_usec : 0;
}

int http_deadline_begin(struct http_slot *slot, const struct http_request *request)
{
    uint64_t now_usec = clock_loop_usec(slot->client->event);

    slot->deadline.end_usec = USEC_INFINITY;
    slot->deadline.grows = request->timeout_grows;
    slot->deadline.stall_usec = request->stall_usec > 0 ? request->stall_usec : USEC_INFINITY;
    slot->deadline.wait_usec = request->wait_usec;
    slot->reply.n_received = 0;
    slot->request.body_bytes = streq(request->method, "GET") ? 0 : request->body_bytes;
    slot->deadline.slept_usec = slept_usec(slot->client);
    slot->deadline.begun_usec = slot->deadline.moved_usec = now_usec;
    slot->deadline.n_acked = 0;
    slot->deadline.had_late_read = false;
    slot->deadline.end_usec =
        add(now_usec, slot->deadline.grows ? http_connect_grown_usec(slot, request->timeout_usec)
                                           : request->timeout_usec);
    slot->deadline.due_usec =
        MIN(slot->deadline.end_usec,
            add(add(now_usec, slot->deadline.stall_usec), slot->deadline.wait_usec));
    return set_timer(slot);
}

/* --- What has moved --- */

static uint64_t off_t_of(const struct http_slot *slot, CURLINFO info)
{
    curl_off_t value = 0;

    curl_easy_getinfo(slot->easy, info, &value);
    return value > 0 ? (uint64_t)value : 0;
}

/* Bytes of the request that wait in the socket's buffer. */
static uint64_t unsent_bytes(const struct http_slot *slot)
{
    int fd = http_watch_socket_of(slot), n = 0;

    return fd >= 0 && ioctl(fd, SIOCOUTQ, &n) >= 0 && n > 0 ? (uint64_t)n : 0;
}

static uint64_t sent_bytes(const struct http_slot *slot)
{
    uint64_t taken = MIN(off_t_of(slot, CURLINFO_SIZE_UPLOAD_T), slot->request.body_bytes);

    return taken - MIN(unsent_bytes(slot), taken);
}

/* Whether bytes of the reply wait in the socket until libcurl reads them. */
static bool has_unread_bytes(const struct http_slot *slot)
{
    int fd = http_watch_socket_of(slot), n = 0;

    return fd >= 0 && !slot->reply.is_paused && ioctl(fd, FIONREAD, &n) >= 0 && n > 0;
}

static bool get_tcp_info(const struct http_slot *slot, struct tcp_info *ret)
{
    socklen_t size = sizeof(*ret);
    int fd = http_watch_socket_of(slot);

    *ret = (struct tcp_info){};
    return fd >= 0 && getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret, &size) >= 0;
}

static enum http_phase phase_before_begin(const struct http_slot *slot)
{
    struct tcp_info info;

    if (slot->client->connections_max > 0 && slot->client->n_busy > slot->client->connections_max)
        return HTTP_PHASE_QUEUED;
    if (get_tcp_info(slot, &info) && info.tcpi_state == ESTABLISHED)
        return HTTP_PHASE_HANDSHAKE;
    return off_t_of(slot, CURLINFO_NAMELOOKUP_TIME_T) > 0 || slot->request.is_unix
               ? HTTP_PHASE_CONNECT
               : HTTP_PHASE_LOOK_UP;
}

static enum http_phase phase_of(const struct http_slot *slot, uint64_t n_sent)
{
    if (slot->sending.n_begun == 0)
        return phase_before_begin(slot);
    if (slot->reply.has_begun)
        return HTTP_PHASE_RECEIVE;
    return n_sent < slot->request.body_bytes ? HTTP_PHASE_SEND : HTTP_PHASE_WAIT;
}

/* Asks the kernel when bytes have last moved, and notes it. While sent bytes are not acknowledged,
 * an acknowledgement may only answer a keep-alive or window probe of TCP's. So it counts only if
 * more bytes are acknowledged than at the last call. */
static void look(struct http_slot *slot, uint64_t now_usec)
{
    uint64_t slept = slept_usec(slot->client), idle_usec;
    struct tcp_info info;
    uint32_t idle_msec;

    if (has_unread_bytes(slot)) {
        slot->deadline.moved_usec = now_usec;
        return;
    }
    if (!get_tcp_info(slot, &info))
        return;
    idle_msec = info.tcpi_last_data_recv;
    if (info.tcpi_unacked == 0)
        idle_msec = MIN(idle_msec, info.tcpi_last_data_sent);
    else if (info.tcpi_bytes_acked != slot->deadline.n_acked)
        idle_msec = MIN(idle_msec, info.tcpi_last_ack_recv);
    slot->deadline.n_acked = info.tcpi_bytes_acked;
    idle_usec = idle_msec * USEC_PER_MSEC + (slept - MIN(slot->deadline.slept_usec, slept));
    if (idle_usec < now_usec)
        slot->deadline.moved_usec = MAX(slot->deadline.moved_usec, now_usec - idle_usec);
}

/* When the request stalls if no more bytes move. */
static uint64_t due_usec(struct http_slot *slot, uint64_t now_usec)
{
    uint64_t limit_usec = slot->deadline.stall_usec;

    if (slot->deadline.stall_usec == USEC_INFINITY || slot->request.is_unix ||
        slot->reply.is_paused)
        return USEC_INFINITY;
    /* While it connects, the connection time-out applies, which libcurl enforces. */
    if (slot->sending.n_begun == 0)
        return add(slot->deadline.begun_usec,
                   MAX(limit_usec, add(slot->connect.timeout_usec, USEC_PER_SEC)));
    look(slot, now_usec);
    if (phase_of(slot, sent_bytes(slot)) == HTTP_PHASE_WAIT)
        limit_usec = add(limit_usec, slot->deadline.wait_usec);
    return add(slot->deadline.moved_usec, limit_usec);
}

void http_deadline_resume(struct http_slot *slot)
{
    uint64_t now_usec = clock_loop_usec(slot->client->event);

    if (slot->deadline.stall_usec == USEC_INFINITY)
        return;
    slot->deadline.moved_usec = now_usec;
    slot->deadline.due_usec =
        MIN(slot->deadline.end_usec, add(now_usec, slot->deadline.stall_usec));
    set_timer(slot); /* on failure the total time-out still ends it */
}

void http_deadline_expire_soon(struct http_slot *slot)
{
    slot->deadline.due_usec = 0;
    set_timer(slot); /* on failure the request ends when the timer fires for another reason */
}

/* --- The end --- */

void http_deadline_fill_reply(const struct http_slot *slot, struct http_reply *reply)
{
    reply->sent_bytes = slot->sending.n_begun > 0 ? sent_bytes(slot) : 0;
    reply->received_bytes = slot->reply.n_received;
    reply->expected_bytes = off_t_of(slot, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T);
    reply->phase = phase_of(slot, reply->sent_bytes);
}

static double seconds(uint64_t usec)
{
    return (double)usec / USEC_PER_SEC;
}

/* Writes "no data for 10 s", or that the total time-out has passed. */
static void say_why(const struct http_slot *slot, enum http_phase phase, uint64_t now_usec,
                    char *text, size_t size)
{
    uint64_t usec =
        slot->deadline.stall_usec + (phase == HTTP_PHASE_WAIT ? slot->deadline.wait_usec : 0);

    if (now_usec < slot->deadline.end_usec)
        snprintf(text, size, "no data for %.3g s", seconds(usec));
    else
        snprintf(text, size, "not done in %.3g s", seconds(now_usec - slot->deadline.begun_usec));
}

static const char *what_before_begin(const struct http_slot *slot, enum http_phase phase)
{
    if (phase == HTTP_PHASE_QUEUED)
        return "waiting for other requests to end";
    if (phase == HTTP_PHASE_LOOK_UP)
        return "looking up the host's name";
    return phase == HTTP_PHASE_HANDSHAKE && slot->request.is_tls ? "in the TLS handshake"
                                                                 : "connecting";
}

void http_deadline_describe_connecting(struct http_slot *slot)
{
    enum http_phase phase = phase_before_begin(slot);

    /* With TLS, only the socket could tell connecting and the handshake apart, but it is closed. */
    snprintf(
        slot->error_text, sizeof(slot->error_text),
        "timed out %s after %.3g s; the next attempt has %.3g s",
        phase == HTTP_PHASE_CONNECT && slot->request.is_tls ? "connecting or in the TLS handshake"
                                                            : what_before_begin(slot, phase),
        seconds(slot->connect.timeout_usec), seconds(slot->connect.host->connect_timeout_usec));
}

static void say_what_took_so_long(struct http_slot *slot, uint64_t now_usec)
{
    struct http_reply reply = {};
    char *text = slot->error_text, why[64], of[32] = "";
    const size_t size = sizeof(slot->error_text);

    http_deadline_fill_reply(slot, &reply);
    say_why(slot, reply.phase, now_usec, why, sizeof(why));
    switch (reply.phase) {
    case HTTP_PHASE_QUEUED:
    case HTTP_PHASE_LOOK_UP:
    case HTTP_PHASE_CONNECT:
    case HTTP_PHASE_HANDSHAKE:
        snprintf(text, size, "timed out %s", what_before_begin(slot, reply.phase));
        break;
    case HTTP_PHASE_SEND:
        snprintf(text, size, "timed out sending the request (%s): %" PRIu64 " of %zu bytes sent",
                 why, reply.sent_bytes, slot->request.body_bytes);
        break;
    case HTTP_PHASE_WAIT:
        snprintf(text, size,
                 "timed out waiting for the reply (%s): the request's %zu bytes were "
                 "sent, none came",
                 why, slot->request.body_bytes);
        break;
    case HTTP_PHASE_RECEIVE:
        if (reply.expected_bytes > 0)
            snprintf(of, sizeof(of), " of %" PRIu64, reply.expected_bytes);
        snprintf(text, size, "timed out receiving the reply (%s): %" PRIu64 "%s bytes had come",
                 why, reply.received_bytes, of);
        break;
    }
}

/* Once for a request: a peer that goes on sending gets no further time. */
static void read_late(struct http_slot *slot, uint64_t now_usec)
{
    if (slot->deadline.had_late_read || !has_unread_bytes(slot))
        return;
    slot->deadline.had_late_read = true;
    slot->deadline.end_usec = slot->deadline.due_usec = add(now_usec, READ_LATE_USEC);
}

enum http_deadline http_deadline_check(struct http_slot *slot)
{
    uint64_t now_usec = clock_loop_usec(slot->client->event);

    if (now_usec >= slot->deadline.due_usec && slot->deadline.due_usec < slot->deadline.end_usec)
        slot->deadline.due_usec = MIN(slot->deadline.end_usec, due_usec(slot, now_usec));
    if (now_usec >= slot->deadline.end_usec)
        read_late(slot, now_usec);
    if (now_usec < slot->deadline.due_usec)
        return set_timer(slot) < 0 ? HTTP_DEADLINE_NO_TIMER : HTTP_DEADLINE_AHEAD;
    say_what_took_so_long(slot, now_usec);
    if (slot->deadline.grows && phase_before_begin(slot) != HTTP_PHASE_QUEUED)
        http_connect_failed(slot, HTTP_FAILURE_TIMEOUT, true);
    return HTTP_DEADLINE_PASSED;
}
