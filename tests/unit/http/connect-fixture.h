/* SPDX-License-Identifier: MIT */
/* What the tests of connecting share: names of their own, a client, and a request's end. To be
 * included by one file of a test. */
#pragma once

#include "http/client.h"
#include "test-loop.h"
#include "test-server.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>

#define HOST_OF_TEST "queue.test"

static sd_event *event;
static struct http_client *client;

/* What HOST_OF_TEST is: in look-up 1, in look-up 2, and in all after that; in their order. */
static const char *addresses[3][2];
static atomic_uint n_look_ups;

/* libcurl's calls come to this, for a program's symbols go before those of its libraries. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    const char *const *found;
    struct addrinfo *more = NULL;
    int r;

    if (!host || !streq(host, HOST_OF_TEST))
        return next(host, service, hints, ret);
    found = addresses[MIN(n_look_ups, 2U)];
    r = next(found[0], service, hints, ret);
    if (r == 0 && found[1] && next(found[1], service, hints, &more) == 0) {
        struct addrinfo *last = *ret;

        while (last->ai_next)
            last = last->ai_next;
        last->ai_next = more;
    }
    n_look_ups++;
    return r;
}

struct outcome {
    unsigned n_done, n_begun;
    enum http_failure failure;
    enum http_phase phase;
    int status;
    char text[512];
};

static inline void on_done(void *userdata, const struct http_reply *reply)
{
    struct outcome *o = userdata;

    o->n_done++;
    o->n_begun = reply->n_begun;
    o->failure = reply->failure;
    o->phase = reply->phase;
    o->status = reply->status;
    snprintf(o->text, sizeof(o->text), "%s", reply->failure_text);
}

static inline void new_client(uint64_t connect_timeout_usec)
{
    http_client_free(client);
    assert_int_equal(http_client_new(event,
                                     &(struct http_client_options){
                                         .user_agent = "test",
                                         .connect_timeout_usec = connect_timeout_usec,
                                     },
                                     &client),
                     0);
}

static inline int set_up(void **state)
{
    assert_int_equal(sd_event_new(&event), 0);
    new_client(10 * USEC_PER_SEC);
    n_look_ups = 0;
    memset(addresses, 0, sizeof(addresses));
    return 0;
}

static inline int tear_down(void **state)
{
    client = http_client_free(client);
    event = sd_event_unref(event);
    unsetenv("https_proxy");
    return 0;
}

static inline void submit(struct outcome *o, const char *url, bool send_once)
{
    struct http_slot *slot;

    assert_int_equal(http_client_submit(client,
                                        &(struct http_request){
                                            .method = "POST",
                                            .url = url,
                                            .body = "x",
                                            .body_bytes = 1,
                                            .timeout_usec = 60 * USEC_PER_SEC,
                                            .reply_max_bytes = 1000,
                                            .send_once = send_once,
                                        },
                                        on_done, o, &slot),
                     0);
}

static inline struct outcome ask(const char *url, bool send_once)
{
    struct outcome o = {};

    submit(&o, url, send_once);
    run_until(event, &o.n_done, 1);
    return o;
}

/* Leaves so many connections to the server idle; its first so many replies are held. */
static inline void keep_connections(struct test_server *server, unsigned n)
{
    struct outcome outcomes[8] = {};

    for (unsigned i = 0; i < n; i++)
        submit(&outcomes[i], test_server_url(server), true);
    test_server_run_until_requests(server, event, n);
    for (unsigned i = 0; i < n; i++)
        test_server_release(server);
    for (unsigned i = 0; i < n; i++) {
        run_until(event, &outcomes[i].n_done, 1);
        assert_int_equal(outcomes[i].failure, HTTP_FAILURE_NONE);
    }
    assert_int_equal(test_server_connections(server), n);
}

#define HELD                                                                                       \
    {                                                                                              \
        .is_held = true                                                                            \
    }

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
