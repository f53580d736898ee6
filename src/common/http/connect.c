/* SPDX-License-Identifier: MIT */
/* Connecting: what the client remembers about each host, how libcurl gets to run while it connects,
 * and when a request may be sent a second time.
 *
 * Two things are remembered about a host. After a failed connection, the next request looks the
 * name up again. After a connection time-out, the next request has twice the time to connect. A
 * successful connection ends both.
 *
 * libcurl tries a name's next address only when it is called, but does not ask for that call. It
 * also forgets, now and then, to ask for the call that begins a request which has waited for a
 * connection (7.88). So while any request connects or waits, a timer calls it every TICK_USEC.
 *
 * A kept connection may be closed by the server at the moment when a request goes out on it.
 * libcurl then sends the request again by itself. A request that must not take effect twice
 * (send_once) may be sent again only once, only if the connection was found closed at once, and
 * only over a new connection, because the other kept connections may be closed too. */
#include "http/client-internal.h"

#include <errno.h>

#include "util/clock.h"

#define TICK_USEC (200 * USEC_PER_MSEC)
#define CONNECT_TIMEOUT_MAX_USEC (60 * USEC_PER_SEC)
#define FOUND_CLOSED_MAX_USEC USEC_PER_SEC /* "at once": a round trip, and a busy loop */

/* --- Hosts --- */

void http_hosts_set_up(struct http_client *client)
{
    for (size_t i = 0; i < ARRAY_SIZE(client->hosts); i++)
        client->hosts[i].connect_timeout_usec = client->connect_timeout_usec;
}

void http_hosts_done(struct http_client *client)
{
    for (size_t i = 0; i < ARRAY_SIZE(client->hosts); i++)
        free(client->hosts[i].origin);
}

struct http_host *http_host_of(struct http_client *client, const char *url)
{
    const char *authority = strstr(url, "://");
    size_t size =
        authority ? (size_t)(authority + 3 - url) + strcspn(authority + 3, "/?#") : strlen(url);
    CLEANUP(free) char *origin = strndup(url, size);
    struct http_host *host;

    if (!origin)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(client->hosts); i++) {
        host = &client->hosts[i];
        if (host->origin && streq(host->origin, origin))
            return host;
    }
    /* Slots that still point to the replaced host share what is remembered about the new one. This
     * does no harm. */
    host = &client->hosts[client->next_host++ % ARRAY_SIZE(client->hosts)];
    free(host->origin);
    *host = (struct http_host){.origin = TAKE(origin),
                               .connect_timeout_usec = client->connect_timeout_usec};
    return host;
}

CURLcode http_connect_prepare(struct http_slot *slot)
{
    const struct http_host *host = slot->connect.host;
    uint64_t usec = host->connect_timeout_usec;
    CURLcode c = CURLE_OK;

    if (slot->connect.timeout_usec != usec)
        c = curl_easy_setopt(slot->easy, CURLOPT_CONNECTTIMEOUT_MS,
                             (long)((usec + USEC_PER_MSEC - 1) / USEC_PER_MSEC));
    slot->connect.timeout_usec = usec;
    /* 0: nothing in libcurl's cache is young enough. */
    if (c == CURLE_OK && slot->connect.is_looked_up_anew != host->is_suspect)
        c = curl_easy_setopt(slot->easy, CURLOPT_DNS_CACHE_TIMEOUT,
                             host->is_suspect ? 0L : (long)HTTP_DNS_MAX_AGE_SEC);
    slot->connect.is_looked_up_anew = host->is_suspect;
    if (c == CURLE_OK && slot->connect.is_fresh)
        c = curl_easy_setopt(slot->easy, CURLOPT_FRESH_CONNECT, 0L);
    slot->connect.is_fresh = slot->sending.may_repeat = slot->sending.wants_repeat =
        slot->sending.is_repeated = false;
    slot->sending.n_begun = 0;
    slot->connect.socket_errno = 0;
    return c;
}

void http_connect_failed(struct http_slot *slot, enum http_failure failure, bool by_time)
{
    struct http_host *host = slot->connect.host;

    if (failure == HTTP_FAILURE_RESOLVE || failure == HTTP_FAILURE_CONNECT ||
        failure == HTTP_FAILURE_HANDSHAKE || failure == HTTP_FAILURE_TLS ||
        failure == HTTP_FAILURE_TIMEOUT)
        host->is_suspect = true;
    /* Requests that timed out at the same time double it only once. */
    if (by_time && slot->sending.n_begun == 0 &&
        slot->connect.timeout_usec == host->connect_timeout_usec)
        host->connect_timeout_usec =
            MAX(MIN(2 * host->connect_timeout_usec, CONNECT_TIMEOUT_MAX_USEC),
                host->connect_timeout_usec);
}

uint64_t http_connect_grown_usec(const struct http_slot *slot, uint64_t usec)
{
    uint64_t times = slot->connect.host->connect_timeout_usec /
                     MAX(slot->client->connect_timeout_usec, UINT64_C(1));

    return MAX(MIN(usec * MAX(times, UINT64_C(1)), CONNECT_TIMEOUT_MAX_USEC), usec);
}

/* Called when a new connection to a host succeeds. */
static void forget_host_failures(struct http_slot *slot)
{
    struct http_client *client = slot->client;
    struct http_host *host = slot->connect.host;

    host->is_suspect = false;
    /* The longer time-out stays while connecting still takes long. */
    if (clock_loop_usec(client->event) - slot->deadline.begun_usec <
        client->connect_timeout_usec / 2)
        host->connect_timeout_usec = client->connect_timeout_usec;
}

/* --- Calling libcurl while it connects --- */

static void set_connecting(struct http_slot *slot, bool is_connecting)
{
    if (slot->connect.is_under_way == is_connecting)
        return;
    slot->connect.is_under_way = is_connecting;
    slot->client->n_connecting += is_connecting ? 1 : -1U;
}

void http_connect_done(struct http_slot *slot)
{
    set_connecting(slot, false);
}

static int opens(struct http_slot *slot)
{
    struct http_client *client = slot->client;

    set_connecting(slot, true);
    return timer_is_set(&client->connect_tick) ? 0
                                               : timer_set_after(&client->connect_tick, TICK_USEC);
}

curl_socket_t http_connect_open_socket(void *userdata, curlsocktype purpose,
                                       struct curl_sockaddr *address)
{
    struct http_slot *slot = userdata;
    int fd = http_watch_open_socket(slot->client, address);

    if (fd >= 0 && opens(slot) < 0) {
        http_socket_close(slot->client, fd);
        fd = -ENOMEM;
    }
    if (fd >= 0)
        return fd;
    slot->connect.socket_errno = -fd;
    return CURL_SOCKET_BAD;
}

static bool is_any_waiting(const struct http_client *client)
{
    if (client->connections_max > 0)
        LIST_FOREACH(&client->busy, link)
        {
            if (CONTAINER_OF(link, struct http_slot, link)->sending.n_begun == 0)
                return true;
        }
    return false;
}

static void on_tick(void *userdata)
{
    struct http_client *client = userdata;

    http_watch_act_on_all(client);
    if ((client->n_connecting > 0 || is_any_waiting(client)) &&
        !timer_is_set(&client->connect_tick))
        timer_set_after(&client->connect_tick, TICK_USEC);
}

void http_connect_tick_if_waiting(struct http_client *client)
{
    /* On failure the next request that connects sets it. */
    if (client->connections_max > 0 && client->n_busy > client->connections_max &&
        !timer_is_set(&client->connect_tick))
        timer_set_after(&client->connect_tick, TICK_USEC);
}

int http_connect_set_up(struct http_client *client)
{
    return timer_init(&client->connect_tick, client->event, 20 * USEC_PER_MSEC, on_tick, client);
}

/* --- Beginning --- */

static bool has_new_connection(const struct http_slot *slot)
{
    long n_connects = 0;

    curl_easy_getinfo(slot->easy, CURLINFO_NUM_CONNECTS, &n_connects);
    return n_connects > 0;
}

bool http_may_resend(const struct http_slot *slot)
{
    if (slot->sending.is_repeated)
        return false;
    return !slot->sending.is_once ||
           clock_loop_usec(slot->client->event) - slot->sending.begun_usec <= FOUND_CLOSED_MAX_USEC;
}

/* Whether libcurl may send the request again, which it does by itself or because of http_resend. */
static bool may_send_again(struct http_slot *slot)
{
    if (!slot->sending.is_once)
        return true;
    if (slot->sending.may_repeat) {
        slot->sending.may_repeat = false;
        return true;
    }
    if (!http_may_resend(slot))
        return false;
    slot->sending.wants_repeat = !has_new_connection(slot);
    slot->sending.is_repeated = true;
    return !slot->sending.wants_repeat;
}

/* CURLOPT_PREREQFUNCTION: called before the request is sent on a new or a kept connection. */
static int on_begin(void *userdata, char *peer, char *own, int peer_port, int own_port)
{
    struct http_slot *slot = userdata;

    if (slot->sending.n_begun > 0 && !may_send_again(slot))
        return CURL_PREREQFUNC_ABORT;
    if (slot->sending.n_begun++ == 0 && slot->sending.is_once)
        slot->sending.begun_usec = clock_loop_usec(slot->client->event);
    slot->connect.socket_errno = 0;
    if (slot->connect.is_under_way) {
        set_connecting(slot, false);
        forget_host_failures(slot);
    }
    return CURL_PREREQFUNC_OK;
}

bool http_resend(struct http_slot *slot)
{
    slot->sending.is_repeated = slot->sending.may_repeat = true;
    slot->sending.wants_repeat = false;
    slot->error_text[0] = '\0';
    if (slot->sending.is_once) {
        if (curl_easy_setopt(slot->easy, CURLOPT_FRESH_CONNECT, 1L) != CURLE_OK)
            return false;
        slot->connect.is_fresh = true;
    }
    curl_multi_remove_handle(slot->client->multi, slot->easy);
    return curl_multi_add_handle(slot->client->multi, slot->easy) == CURLM_OK;
}

CURLcode http_begin_set_up(struct http_slot *slot)
{
    CURLcode c = curl_easy_setopt(slot->easy, CURLOPT_PREREQFUNCTION, on_begin);

    return c ? c : curl_easy_setopt(slot->easy, CURLOPT_PREREQDATA, (void *)slot);
}
