/* SPDX-License-Identifier: MIT */
/* Runs libcurl's multi handle on the event loop. Through two callbacks libcurl says which sockets
 * it wants to watch and when it wants to be called. The callbacks only note that and set up event
 * sources. When a source fires, libcurl is called (curl_multi_socket_action); this is called an
 * action.
 *
 * For each request libcurl asks to watch the connection's socket, then to stop watching it, and it
 * moves its time-out several times. Following each wish would cost more system calls than the
 * request itself. So three shortcuts are taken. A socket that was opened here stays in the loop
 * until it is closed. Its event source is turned off only if the socket becomes ready while libcurl
 * does not want to watch it. The timer is set again only for an earlier time. If it fires too
 * early, it is set again. A time-out of 0 needs no timer, only a deferred event source.
 *
 * What always holds: libcurl is never called from inside its own callbacks, and the client's
 * `after_action` callback runs after each action, outside libcurl. */
#include "http/client-internal.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"

/* --- Actions --- */

/* Ends an action of libcurl. Requests that callbacks submit start at once, in a second action of
 * the same round. If libcurl wants to be called again after that, it waits for the next round, so
 * that the other event sources get their time. */
static void end_action(struct http_client *client)
{
    struct http_watch *w = &client->watch;
    int running;

    w->after_action(client);
    if (w->is_timeout_due) {
        w->is_timeout_due = false;
        curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        w->after_action(client);
    }
    w->is_in_action = false;
    if (w->is_timeout_due)
        sd_event_source_set_enabled(w->deferred, SD_EVENT_ONESHOT);
}

static void act(struct http_client *client, curl_socket_t fd, int what)
{
    int running;

    client->watch.is_in_action = true;
    curl_multi_socket_action(client->multi, fd, what, &running);
    end_action(client);
}

/* curl_multi_socket_all is deprecated, since it takes longer the more requests there are. But
 * nothing else reaches a request that has neither a socket nor a time-out, and a request whose
 * address did not answer is in that state. */
void http_watch_act_on_all(struct http_client *client)
{
    int running;

    client->watch.is_in_action = true;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    curl_multi_socket_all(client->multi, &running);
#pragma GCC diagnostic pop
    end_action(client);
}

static int on_deferred(sd_event_source *source, void *userdata)
{
    struct http_client *client = userdata;

    /* libcurl may have been called since. */
    if (client->watch.is_timeout_due) {
        client->watch.is_timeout_due = false;
        act(client, CURL_SOCKET_TIMEOUT, 0);
    }
    return 0;
}

/* --- Times --- */

static int set_timer(struct http_watch *w)
{
    return timer_set_no_later(&w->timer, w->timeout_usec);
}

static void on_timer(void *userdata)
{
    struct http_client *client = userdata;
    struct http_watch *w = &client->watch;

    if (w->timeout_usec <= clock_loop_usec(client->event)) {
        w->timeout_usec = USEC_INFINITY; /* if that is too early, libcurl sets a new time-out */
        act(client, CURL_SOCKET_TIMEOUT, 0);
    }
    set_timer(w);
}

static int on_time_wanted(CURLM *multi, long timeout_msec, void *userdata)
{
    struct http_client *client = userdata;
    struct http_watch *w = &client->watch;

    w->is_timeout_due = timeout_msec == 0;
    w->timeout_usec = USEC_INFINITY;
    if (timeout_msec < 0)
        return 0;
    if (w->is_timeout_due)
        return w->is_in_action || sd_event_source_set_enabled(w->deferred, SD_EVENT_ONESHOT) >= 0
                   ? 0
                   : -1;
    w->timeout_usec = clock_loop_usec(client->event) + (uint64_t)timeout_msec * USEC_PER_MSEC;
    return set_timer(w) < 0 ? -1 : 0;
}

/* --- Sockets --- */

/* NULL: no memory. */
static struct http_socket *socket_at(struct http_watch *w, curl_socket_t fd)
{
    size_t n = (size_t)fd + 1;

    if (n > w->n_sockets) {
        struct http_socket *sockets;

        n = MAX(n, 2 * w->n_sockets);
        sockets = reallocarray(w->sockets, n, sizeof(struct http_socket));
        if (!sockets)
            return NULL;
        memset(sockets + w->n_sockets, 0, (n - w->n_sockets) * sizeof(struct http_socket));
        w->sockets = sockets;
        w->n_sockets = n;
    }
    return &w->sockets[fd];
}

static void unwatch(struct http_socket *s)
{
    s->source = sd_event_source_disable_unref(s->source);
}

static void forget(struct http_socket *s)
{
    unwatch(s);
    *s = (struct http_socket){};
}

/* SOCK_CLOEXEC: spawned programs must not inherit the socket. */
int http_watch_open_socket(struct http_client *client, const struct curl_sockaddr *address)
{
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    struct http_socket *s;

    if (fd < 0)
        return -errno;
    s = socket_at(&client->watch, fd);
    if (!s) {
        close(fd);
        return -ENOMEM;
    }
    forget(s); /* of an earlier socket with this number that was closed unnoticed */
    s->is_opened_here = true;
    return fd;
}

int http_socket_close(void *userdata, curl_socket_t fd)
{
    struct http_client *client = userdata;

    if ((size_t)fd < client->watch.n_sockets)
        forget(&client->watch.sockets[fd]);
    return close(fd);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct http_client *client = userdata;
    int what = 0;

    /* The server has probably closed an idle connection. libcurl notices that before it uses the
     * connection again. */
    if (!client->watch.sockets[fd].is_wanted) {
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
    }
    if (events & (EPOLLIN | EPOLLHUP))
        what |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (events & EPOLLERR)
        what |= CURL_CSELECT_ERR;
    act(client, fd, what);
    return 0;
}

static int watch(struct http_client *client, struct http_socket *s, curl_socket_t fd,
                 uint32_t events)
{
    int r;

    if (s->source) {
        r = sd_event_source_set_io_events(s->source, events);
        return r < 0 ? r : sd_event_source_set_enabled(s->source, SD_EVENT_ON);
    }
    r = sd_event_add_io(client->event, &s->source, fd, events, on_io, client);
    if (r >= 0)
        sd_event_source_set_description(s->source, "http-socket");
    return r;
}

/* Whether a socket that libcurl no longer wants to watch may stay in the loop. A socket that is not
 * yet connected may not: it is watched for EPOLLOUT. */
static bool may_stay(const struct http_socket *s)
{
    uint32_t events = 0;

    return s->is_opened_here && s->source &&
           sd_event_source_get_io_events(s->source, &events) >= 0 && events == EPOLLIN;
}

/* CURLMOPT_SOCKETFUNCTION: libcurl asks to watch a socket, or to stop. If the socket cannot be
 * watched, the request runs into its deadline. */
static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *userdata, void *assigned)
{
    struct http_client *client = userdata;
    struct http_socket *s = socket_at(&client->watch, fd);

    if (!s)
        return 0;
    s->is_wanted = what != CURL_POLL_REMOVE;
    s->easy = easy;
    if (s->is_wanted)
        watch(client, s, fd,
              (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u));
    else if (!may_stay(s))
        unwatch(s);
    return 0;
}

int http_watch_socket_of(const struct http_slot *slot)
{
    const struct http_watch *w = &slot->client->watch;

    for (size_t fd = 0; fd < w->n_sockets; fd++)
        if (w->sockets[fd].is_wanted && w->sockets[fd].easy == slot->easy)
            return (int)fd;
    return -1;
}

/* --- Life --- */

int http_watch_set_up(struct http_client *client, void (*after_action)(struct http_client *client))
{
    struct http_watch *w = &client->watch;
    int r;

    w->after_action = after_action;
    w->timeout_usec = USEC_INFINITY;
    r = timer_init(&w->timer, client->event, 1, on_timer, client);
    if (r >= 0)
        r = sd_event_add_defer(client->event, &w->deferred, on_deferred, client);
    if (r >= 0)
        r = sd_event_source_set_enabled(w->deferred, SD_EVENT_OFF);
    if (r < 0)
        return r;
    sd_event_source_set_description(w->deferred, "http-deferred");

    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_time_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    return 0;
}

void http_watch_done(struct http_client *client)
{
    struct http_watch *w = &client->watch;

    for (size_t fd = 0; fd < w->n_sockets; fd++)
        forget(&w->sockets[fd]);
    free(w->sockets);
    timer_done(&w->timer);
    sd_event_source_disable_unref(w->deferred);
}
