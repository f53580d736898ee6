/* SPDX-License-Identifier: MIT */
/* The bare loop of the floor (floor.c): requests that were made before go out by libcurl and epoll,
 * and their replies come back. What fails ends the process. */
#pragma once

#include <curl/curl.h>

#include "sqs/reply.h"
#include "sqs/request.h"

enum { FLOOR_IN_FLIGHT_MAX = 256 };

struct floor_request {
    struct sqs_request *request;
    struct curl_slist *headers;
};

/* Only where it is set are replies kept in memory until they are whole. */
typedef void (*floor_reply_fn)(void *userdata, const struct floor_request *request,
                               const char *body, size_t body_bytes);

struct floor_loop;

/* `in_flight` connections to "address:port", at most FLOOR_IN_FLIGHT_MAX. */
struct floor_loop *floor_loop_new(const char *host, unsigned in_flight);
struct floor_loop *floor_loop_free(struct floor_loop *loop);

/* Sends the requests in their order, as many at once as there are connections; returns when all are
 * answered, with how many bytes the replies' bodies had. */
unsigned long long floor_loop_run(struct floor_loop *loop, const struct floor_request *requests,
                                  size_t n, floor_reply_fn on_reply, void *userdata);

/* "floor: <what>: <error>" and the end; r is a negative errno. */
void floor_die(const char *what, int r) __attribute__((noreturn));
