/* SPDX-License-Identifier: MIT */
#include "network.h"

/* Linux's TCP_RTO_MIN and TCP_TIMEOUT_INIT. */
#define RETRANSMISSION_USEC (200 * USEC_PER_MSEC)
#define OPEN_RETRANSMISSION_USEC USEC_PER_SEC

bool network_is_played(const struct network *network)
{
    return network->rtt_usec > 0 || network->jitter_usec > 0 || network->loss > 0;
}

/* The delay of a packet by its losses. `timeout_usec` is the first time-out. */
static uint64_t lose(struct network *network, uint64_t timeout_usec, bool *ret_is_reset)
{
    uint64_t total_usec = 0;

    for (unsigned n = 0; n < NETWORK_LOSSES_MAX; n++) {
        if (!chance_has(&network->chance, network->loss))
            return total_usec;
        network->n_lost++;
        total_usec += timeout_usec << n;
    }
    network->n_reset++;
    *ret_is_reset = true;
    return total_usec;
}

static uint64_t travel_usec(struct network *network)
{
    uint64_t jitter_usec = network->jitter_usec / 2, usec = network->rtt_usec / 2;

    if (jitter_usec > 0)
        usec += (uint64_t)(chance_fraction(&network->chance) * (double)(jitter_usec + 1));
    return usec;
}

uint64_t network_one_way_usec(struct network *network, bool *ret_is_reset)
{
    uint64_t usec;

    *ret_is_reset = false;
    usec = lose(network, network->rtt_usec + RETRANSMISSION_USEC, ret_is_reset);
    return *ret_is_reset ? usec : usec + travel_usec(network);
}

uint64_t network_open_usec(struct network *network, bool is_tls, bool *ret_is_reset)
{
    uint64_t usec = 0, timeout_usec = OPEN_RETRANSMISSION_USEC;

    *ret_is_reset = false;
    for (unsigned trips = is_tls ? 2 : 1; trips > 0 && !*ret_is_reset; trips--) {
        usec += lose(network, timeout_usec, ret_is_reset);
        usec += travel_usec(network) + travel_usec(network);
        timeout_usec = network->rtt_usec + RETRANSMISSION_USEC;
    }
    return usec;
}
