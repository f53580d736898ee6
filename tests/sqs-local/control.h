/* SPDX-License-Identifier: MIT */
/* Requests to the server itself, by which a test changes what it does while it runs. They need no
 * signature: the server listens on loopback only. Their bodies and replies are JSON objects.
 *
 *   POST /control/credentials {"access_key_id":...,"secret_access_key":...,"session_token":...,
 *                              "expire_after_sec":...,"grace_sec":...}
 *     The keys to accept from now on; those before are accepted for grace_sec more, by default
 *     not at all. Without a token, or null: there must be none. expire_after_sec needs a token.
 *   POST /control/clock {"offset_sec":...}       how far the clock for signatures is ahead
 *   POST /control/permissions {"denied":["ACTION",...]}
 *                                                what the keys may not do, in place of all before
 *   POST /control/faults {"faults":["...",...]}  as --fault, in place of all others
 *   GET /control/faults                          the rules, each with how often it has acted
 *   GET /control/counts                          control_counts, by the same names
 *
 * They answer 200 with {} or what was asked for; 400 or 404 with {"message":...} where nothing
 * was done. */
#pragma once

#include "auth.h"
#include "injections.h"
#include "permissions.h"

/* How often the server's options have made something happen. */
struct control_counts {
    uint64_t lost, reset;            /* packets; those after which a connection was reset */
    uint64_t over_limit;             /* calls beyond --fifo-limit */
    uint64_t duplicates, disordered; /* messages of all queues there are */
};

/* What they act on. */
struct control {
    struct control_counts counts; /* brought up to date before control_run */
    struct auth *auth;
    struct injections *injections;
    uint64_t seed; /* for new rules */
    int64_t clock_offset_sec;
    struct permissions permissions;
};

/* Whether a path is one of these. */
bool control_has(const char *path);

/* Does what a request asks for. Returns the reply's HTTP status; the body is appended to `reply`.
 */
unsigned control_run(struct control *control, const char *method, const char *path,
                     const char *body, size_t body_bytes, uint64_t now_usec, struct buffer *reply);
