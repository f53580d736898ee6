/* SPDX-License-Identifier: MIT */
/* Requests over TLS through a proxy that connects. */
#include "http/client.h"
#include "test-certificate.h"
#include "test-loop.h"
#include "test-server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

static sd_event *event;

/* A proxy for one connection, which it makes to `port`, whatever host the client names. */
struct proxy {
    int listener, port;
    pthread_t thread;
};

static struct sockaddr_in address_of(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons((uint16_t)port)};
}

/* Passes on what has come. False: the connection has ended. */
static bool pass_on(int from, int to)
{
    char bytes[4096];
    ssize_t n = read(from, bytes, sizeof(bytes));

    return n > 0 && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static void relay(int a, int b)
{
    struct pollfd fds[] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};

    while (poll(fds, 2, -1) > 0)
        if ((fds[0].revents && !pass_on(a, b)) || (fds[1].revents && !pass_on(b, a)))
            return;
}

static void *run_proxy(void *userdata)
{
    static const char answer[] = "HTTP/1.1 200 Connected\r\nX-Proxy: yes\r\n\r\n";
    const struct proxy *p = userdata;
    struct sockaddr_in address = address_of(p->port);
    int client = accept(p->listener, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);
    char head[4096] = "";
    size_t size = 0;
    ssize_t n;

    while (!strstr(head, "\r\n\r\n") &&
           (n = read(client, head + size, sizeof(head) - 1 - size)) > 0)
        head[size += (size_t)n] = '\0';
    if (connect(server, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        send(client, answer, strlen(answer), MSG_NOSIGNAL) == (ssize_t)strlen(answer))
        relay(client, server);
    close(client);
    close(server);
    return NULL;
}

/* Starts the proxy, and names it in the environment. */
static void proxy_start(struct proxy *p, int port)
{
    struct sockaddr_in address = address_of(0);
    socklen_t size = sizeof(address);
    char url[64];

    p->port = port;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(p->listener, 1), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(address.sin_port));
    setenv("https_proxy", url, 1);
    assert_int_equal(pthread_create(&p->thread, NULL, run_proxy, p), 0);
}

static void proxy_end(struct proxy *p)
{
    pthread_join(p->thread, NULL);
    close(p->listener);
}

struct outcome {
    unsigned n_done;
    enum http_failure failure;
    enum http_phase phase;
    int status, head_status;
    unsigned n_begun;
    bool has_proxy_header;
};

static void on_done(void *userdata, const struct http_reply *reply)
{
    *(struct outcome *)userdata = (struct outcome){
        .n_done = 1,
        .failure = reply->failure,
        .phase = reply->phase,
        .status = reply->status,
        .head_status = reply->head_status,
        .n_begun = reply->n_begun,
        .has_proxy_header = http_reply_header(reply, "X-Proxy") != NULL,
    };
}

/* Asks a server that answers so, through a proxy. */
static struct outcome ask(const struct test_reply *reply)
{
    CLEANUP(test_authority_free) struct test_authority *authority = test_authority_new();
    CLEANUP(test_context_free)
    SSL_CTX *context = test_authority_context(authority, "DNS:queue.test", 3600);
    CLEANUP(test_server_free) struct test_server *server = test_server_new(reply, 1, context);
    struct http_client *client;
    struct http_slot *slot;
    struct outcome o = {};
    struct proxy proxy;

    proxy_start(&proxy, test_server_port(server));
    assert_int_equal(http_client_new(event,
                                     &(struct http_client_options){
                                         .user_agent = "test",
                                         .ca_bundle = test_authority_path(authority),
                                         .connect_timeout_usec = 20 * USEC_PER_SEC,
                                     },
                                     &client),
                     0);
    assert_int_equal(http_client_submit(client,
                                        &(struct http_request){
                                            .method = "POST",
                                            .url = "https://queue.test/",
                                            .body = "question",
                                            .body_bytes = 8,
                                            .timeout_usec = USEC_INFINITY,
                                            .reply_max_bytes = 1000,
                                        },
                                        on_done, &o, &slot),
                     0);
    run_until(event, &o.n_done, 1);
    http_client_free(client);
    proxy_end(&proxy);
    return o;
}

static void proxy_connects_server_answers(void **state)
{
    struct outcome o = ask(&(struct test_reply){.status = 201, .body = "ok"});

    assert_int_equal(o.failure, HTTP_FAILURE_NONE);
    assert_int_equal(o.status, 201);
    assert_int_equal(o.n_begun, 1);
    assert_false(o.has_proxy_header);
}

/* The proxy's answer is not the beginning of the server's. */
static void proxy_connects_server_closes_request_waited(void **state)
{
    struct outcome o = ask(&(struct test_reply){.how = REPLY_CLOSE});

    assert_int_equal(o.failure, HTTP_FAILURE_BROKEN);
    assert_int_equal(o.phase, HTTP_PHASE_WAIT);
    assert_int_equal(o.head_status, 0);
    assert_int_equal(o.n_begun, 1);
}

static void proxy_connects_head_is_cut_off(void **state)
{
    struct outcome o =
        ask(&(struct test_reply){.body = "HTTP/1.1 200 OK\r\nX-Test: ", .how = REPLY_RAW});

    assert_int_equal(o.failure, HTTP_FAILURE_BROKEN);
    assert_int_equal(o.phase, HTTP_PHASE_RECEIVE);
    assert_int_equal(o.head_status, 0);
}

static int set_up(void **state)
{
    static const char *const unwanted[] = {"all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"};

    for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++)
        unsetenv(unwanted[i]);
    return sd_event_new(&event) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    unsetenv("https_proxy");
    sd_event_unref(event);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(proxy_connects_server_answers),
        TEST(proxy_connects_server_closes_request_waited),
        TEST(proxy_connects_head_is_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
