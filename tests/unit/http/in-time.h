/* SPDX-License-Identifier: MIT */
/* For tests whose loop and peer share a thread. Where the machine stops both for longer than a
 * time-out of the test, the time-out is over by right, and the test begins anew with a longer
 * one. */
#pragma once

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "test-loop.h"

enum { IN_TIME_TRIES_MAX = 6 };

/* Until the client has read what the peer has sent. */
static inline void run_until_heard(sd_event *event, int peer)
{
    int n_unread = 1;

    while (n_unread > 0) {
        assert_int_equal(ioctl(peer, SIOCOUTQ, &n_unread), 0);
        run_for(event, USEC_PER_MSEC);
    }
}

/* `is_in_time` returns false when the machine was too slow for time-outs of that length. */
static inline void repeat_until_in_time(bool (*is_in_time)(uint64_t usec), uint64_t usec,
                                        CMFixtureFunction set_up, CMFixtureFunction tear_down)
{
    for (int i = 1; !is_in_time(usec); i++, usec *= 2) {
        assert_true(i < IN_TIME_TRIES_MAX);
        assert_int_equal(tear_down(NULL), 0);
        assert_int_equal(set_up(NULL), 0);
    }
}
