/* SPDX-License-Identifier: MIT */
/* An HTTP server for tests that answers by a script and misbehaves on demand. Raw sockets on
 * 127.0.0.1 or a Unix socket, a thread for each connection; it writes down what it was asked. */
#pragma once

#include <openssl/ssl.h>
#include <systemd/sd-event.h>

#include "util/macro.h"

enum test_reply_how {
    REPLY_WHOLE,      /* and the connection stays open */
    REPLY_AND_CLOSE,  /* the same, and then the connection is closed without a word */
    REPLY_CUT_OFF,    /* the connection is closed one byte before the body's end */
    REPLY_RESET,      /* the same, by a reset */
    REPLY_CLOSE,      /* the connection is closed before the reply */
    REPLY_CLOSE_ALL,  /* the same, and nobody listens from then on */
    REPLY_STALL,      /* nothing comes, ever */
    REPLY_STALL_BODY, /* nothing comes after the body's first byte */
    REPLY_DRIP,       /* one byte every 2 ms */
    REPLY_RAW,        /* `body` is all that is sent, then the connection is closed */
};

struct test_reply {
    int status;          /* 0: 200 */
    const char *headers; /* more of them, each with its CRLF; NULL: none */
    const char *body;    /* NULL: empty */
    enum test_reply_how how;
    unsigned delay_msec; /* before the reply */
    bool is_held;        /* it waits for test_server_release() */
    size_t filler_bytes; /* so many 'x' instead of `body` */
};

enum { TEST_SERVER_REQUESTS_MAX = 512 };

struct test_server;

/* Replies go out in the order given, one for each request; the last one repeats. They are borrowed.
 * With `tls` (may be NULL) it speaks https; takes a reference. Fails the test where it cannot. */
struct test_server *test_server_new(const struct test_reply *replies, size_t n, SSL_CTX *tls);
#define TEST_SERVER(...)                                                                           \
    test_server_new((const struct test_reply[]){__VA_ARGS__},                                      \
                    ARRAY_SIZE(((const struct test_reply[]){__VA_ARGS__})), NULL)
/* The same on a Unix socket, which must not exist yet; whoever names the path removes it. */
struct test_server *test_server_new_unix(const struct test_reply *replies, size_t n,
                                         const char *path);
struct test_server *test_server_free(struct test_server *server);
DEFINE_CLEANUP(struct test_server *, test_server_free)

/* Lets one held reply go, or the next one. */
void test_server_release(struct test_server *server);

int test_server_port(const struct test_server *server); /* of a Unix socket: 0 */
/* "http://127.0.0.1:PORT/"; of a Unix socket "http://localhost/". */
const char *test_server_url(const struct test_server *server);

unsigned test_server_connections(struct test_server *server);      /* accepted so far */
unsigned test_server_connections_most(struct test_server *server); /* open at once, at most */
unsigned test_server_requests(struct test_server *server);         /* read so far */

/* Runs the loop until so many requests have been read; fails the test where it takes too long. */
void test_server_run_until_requests(struct test_server *server, sd_event *event, unsigned n);
/* The same with replies; the client has read them then. A reply that comes byte by byte counts from
 * its begin. */
void test_server_run_until_replies(struct test_server *server, sd_event *event, unsigned n);

/* The head of request `i`, lines ended by CRLF, and its body; "" where there was none. Valid until
 * the server is freed. */
const char *test_server_head(struct test_server *server, unsigned i);
const char *test_server_body(struct test_server *server, unsigned i);

/* The value of a header of request `i`, or NULL. The caller frees it. */
char *test_server_header(struct test_server *server, unsigned i, const char *name);
