/* SPDX-License-Identifier: MIT */
/* Control requests, with which a test changes the server while it runs. They need no signature,
 * because the server listens on loopback only. Their bodies and replies are JSON objects.
 *
 *   POST /control/credentials {"access_key_id":...,"secret_access_key":...,"session_token":...,
 *                              "expire_after_sec":...,"grace_sec":...}
 *     The keys to accept from now on. The former keys are accepted for grace_sec more, by default
 *     not at all. Without session_token, or with null, requests must have no token.
 *     expire_after_sec needs a token.
 *   POST /control/clock {"offset_sec":...}       how far the clock for signatures is ahead
 *   POST /control/permissions {"denied":["ACTION",...]}
 *                                                the actions to deny; replaces the former list
 *   POST /control/faults {"faults":["...",...]}  rules as for --fault; replaces all former rules
 *   GET /control/faults                          the rules, each with how often it has acted
 *   GET /control/counts                          control_counts, by the same names
 *
 * The reply has status 200 with {} or the requested data, or 400 or 404 with {"message":...} if
 * nothing was done. */
#pragma once

#include "auth.h"
#include "injections.h"
#include "permissions.h"

/* How often the server's options have made something happen. */
struct control_counts {
    uint64_t lost, reset;            /* packets; those that led to a reset connection */
    uint64_t over_limit;             /* calls beyond --fifo-limit */
    uint64_t duplicates, disordered; /* messages of all present queues */
};

/* What control requests act on. */
struct control {
    struct control_counts counts; /* updated before control_run */
    struct auth *auth;
    struct injections *injections;
    uint64_t seed; /* for new rules */
    int64_t clock_offset_sec;
    struct permissions permissions;
};

/* Whether a path is that of a control request. */
bool control_has(const char *path);

/* Carries out a control request. Returns the HTTP status of the reply, and appends its body to
 * `reply`. */
unsigned control_run(struct control *control, const char *method, const char *path,
                     const char *body, size_t body_bytes, uint64_t now_usec, struct buffer *reply);
