/* SPDX-License-Identifier: MIT */
/* The network that the server plays: round trips that vary, and packets that get lost. Time alone:
 * a request, a reply or the opening of a connection is one packet, and this says how long it is on
 * its way.
 *
 * TCP sends a lost packet again once it has missed the acknowledgement. So a loss is seen as a
 * delay: of 200 ms more than a round trip for what is sent on a connection (Linux's least time-out,
 * RFC 6298), of 1 s for its opening; twice as long for each further loss of the same packet. A
 * packet that is lost NETWORK_LOSSES_MAX times in a row is given up, and the connection is reset:
 * so it is done, or not, by which of the two it was, request or reply. (Linux gives up after
 * minutes; a test would not see the end of that. A connection that just falls silent is the fault
 * `stall`.) */
#pragma once

#include "chance.h"

enum { NETWORK_LOSSES_MAX = 4 };

struct network {
    uint64_t rtt_usec;    /* half for each direction */
    uint64_t jitter_usec; /* at most so much more for a round trip, half for each direction */
    double loss;          /* the probability that a packet is lost; 0 to 1 */
    struct chance chance;
    uint64_t n_lost, n_reset; /* so far: losses, and packets given up for them */
};

/* Whether there is anything to play. */
bool network_is_played(const struct network *network);

/* How long a packet that leaves now takes in one direction. Where *ret_is_reset, the connection is
 * reset then. */
uint64_t network_one_way_usec(struct network *network, bool *ret_is_reset);

/* How long a connection takes from its begin until its first request can leave: a round trip, with
 * TLS two. */
uint64_t network_open_usec(struct network *network, bool is_tls, bool *ret_is_reset);
