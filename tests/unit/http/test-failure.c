/* SPDX-License-Identifier: MIT */
/* What a request that cannot connect fails with. */
#include "connect-fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int socket_error; /* what opening a socket comes to; 0: it is opened */

int socket(int domain, int type, int protocol)
{
    if (socket_error == 0)
        return (int)syscall(SYS_socket, domain, type, protocol);
    errno = socket_error;
    return -1;
}

static void shortage_is_told_from_an_address_that_cannot_be_used(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EAFNOSUPPORT};

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        struct outcome o;

        socket_error = errors[i];
        o = ask("http://127.0.0.2:1/", false);
        socket_error = 0;
        assert_int_equal(o.n_begun, 0);
        if (errors[i] == EAFNOSUPPORT) {
            assert_int_equal(o.failure, HTTP_FAILURE_CONNECT);
        } else {
            assert_int_equal(o.failure, HTTP_FAILURE_SHORTAGE);
            assert_non_null(strstr(o.text, strerror(errors[i])));
        }
    }
}

/* The request goes out on a kept connection, which is closed, and then needs a socket. */
static void kept_connection_closed_then_no_socket_is_a_shortage(void **state)
{
    for (int send_once = 0; send_once <= 1; send_once++) {
        CLEANUP(test_server_free)
        struct test_server *server = TEST_SERVER(HELD, {.how = REPLY_CLOSE});
        struct outcome o;

        new_client(10 * USEC_PER_SEC);
        keep_connections(server, 1);
        socket_error = EMFILE;
        o = ask(test_server_url(server), send_once);
        socket_error = 0;
        assert_int_equal(o.failure, HTTP_FAILURE_SHORTAGE);
        assert_string_equal(o.text, "no socket can be opened: Too many open files (LimitNOFILE of "
                                    "the service)");
        assert_int_equal(o.n_begun, 1);
    }
}

/* The resolver, too, needs descriptors, and says nothing of it. */
static void file_descriptors_used_up_is_a_shortage(void **state)
{
    static const char *const urls[] = {"http://127.0.0.2:1/", "http://" HOST_OF_TEST ":1/"};

    addresses[0][0] = addresses[1][0] = addresses[2][0] = "127.0.0.2";
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        struct rlimit before, none;
        struct outcome o;
        int fd;

        /* The first request opens what libcurl keeps. */
        assert_int_equal(ask(urls[i], false).failure, HTTP_FAILURE_CONNECT);
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = before;
        none.rlim_cur = (rlim_t)fd;
        close(fd);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        o = ask(urls[i], false);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(o.failure, HTTP_FAILURE_SHORTAGE);
        assert_int_equal(o.n_begun, 0);
        assert_string_equal(o.text, "no socket can be opened: Too many open files (LimitNOFILE of "
                                    "the service)");
    }
}

/* Accepts a connection, waits for its first bytes, and answers with `text`, or NULL: a reset. */
static struct outcome ask_answered_by(const char *url, int listener, const char *text)
{
    struct pollfd poll_listener = {.fd = listener, .events = POLLIN};
    struct outcome o = {};
    char bytes[4096];
    int fd;

    submit(&o, url, false);
    while (poll(&poll_listener, 1, 0) == 0)
        assert_true(sd_event_run(event, USEC_PER_MSEC) >= 0);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
        assert_true(sd_event_run(event, USEC_PER_MSEC) >= 0);
    if (text)
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    else
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                   sizeof(struct linger));
    if (!text)
        close(fd);
    run_until(event, &o.n_done, 1);
    if (text)
        close(fd);
    return o;
}

static int listen_at(char *url, size_t size, const char *scheme)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(listen(listener, 8), 0);
    snprintf(url, size, "%s://127.0.0.1:%d", scheme, ntohs(address.sin_port));
    return listener;
}

static void handshake_that_fails_is_no_fault_of_the_certificate(void **state)
{
    char url[64];
    int listener = listen_at(url, sizeof(url), "https");
    struct outcome o = ask_answered_by(url, listener, NULL);

    assert_int_equal(o.failure, HTTP_FAILURE_HANDSHAKE);
    assert_true(strlen(o.text) > 5);
    o = ask_answered_by(url, listener, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    assert_int_equal(o.failure, HTTP_FAILURE_HANDSHAKE);
    assert_string_equal(o.text, "the server does not speak TLS on this port: its URL may have to "
                                "begin with http://, not https://");
    close(listener);
}

static void proxy_that_refuses_is_told(void **state)
{
    char proxy[64];
    int listener = listen_at(proxy, sizeof(proxy), "http");
    struct outcome o;

    setenv("https_proxy", proxy, 1);
    new_client(10 * USEC_PER_SEC);
    o = ask_answered_by("https://queue.test/", listener,
                        "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
                        "Content-Length: 0\r\n\r\n");
    assert_int_equal(o.failure, HTTP_FAILURE_PROXY);
    assert_int_equal(o.n_begun, 0);
    assert_string_equal(o.text, "the proxy refuses to connect: it answers 407 to CONNECT (user "
                                "name and password missing or wrong)");
    o = ask_answered_by("https://queue.test/", listener,
                        "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(o.failure, HTTP_FAILURE_PROXY);
    assert_string_equal(o.text, "the proxy refuses to connect: it answers 403 to CONNECT");
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shortage_is_told_from_an_address_that_cannot_be_used),
        TEST(kept_connection_closed_then_no_socket_is_a_shortage),
        TEST(file_descriptors_used_up_is_a_shortage),
        TEST(handshake_that_fails_is_no_fault_of_the_certificate),
        TEST(proxy_that_refuses_is_told),
    };

    return cmocka_run_group_tests_name("http-failure", tests, NULL, NULL);
}
