/* SPDX-License-Identifier: MIT */
/* A simulated network: round trips that vary, and packets that get lost. It only computes times. A
 * request, a reply and the opening of a connection are one packet each, and this file says how long
 * a packet takes.
 *
 * TCP sends a lost packet again when its acknowledgement does not come. So a loss shows as a delay.
 * On an open connection the delay is a round trip and 200 ms (Linux's least time-out, RFC 6298).
 * For the opening of a connection it is 1 s. It doubles with each further loss of the same packet.
 * After NETWORK_LOSSES_MAX losses in a row the packet is given up, and the connection is reset. The
 * operation is then carried out if the reply was lost, and not if the request was. (Linux gives up
 * only after minutes; a test would not see the end of that. For a connection that only falls silent
 * there is the fault `stall`.) */
#pragma once

#include "chance.h"

enum { NETWORK_LOSSES_MAX = 4 };

struct network {
    uint64_t rtt_usec;    /* half for each direction */
    uint64_t jitter_usec; /* added to a round trip at most; half for each direction */
    double loss;          /* the probability that a packet is lost; 0 to 1 */
    struct chance chance;
    uint64_t n_lost, n_reset; /* so far: losses, and packets that were given up */
};

/* Whether any of the settings has an effect. */
bool network_is_played(const struct network *network);

/* How long a packet that is sent now takes in one direction. If *ret_is_reset, the connection is
 * reset after that time. */
uint64_t network_one_way_usec(struct network *network, bool *ret_is_reset);

/* How long a connection takes from its start until its first request can be sent: one round trip,
 * or two with TLS. */
uint64_t network_open_usec(struct network *network, bool is_tls, bool *ret_is_reset);
