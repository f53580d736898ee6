/* SPDX-License-Identifier: MIT */
/* The time to sign with, where this machine's clock is off AWS's.
 *
 * AWS refuses a signature whose time is 15 minutes off its own, and its refusal says what its clock
 * shows. That is measured against the boot clock, which nobody sets: so the estimate holds when
 * this machine's clock is set, and ends when the two agree.
 *
 * An estimate comes from outside, and the next answer that could correct it must be signed with it.
 * So it is only ever believed for a while: times that no server's clock can show are ignored, and
 * the estimate is dropped when a request that was signed with it is refused for its time, or when
 * no request signed with it is accepted for CLOCK_SKEW_UNCONFIRMED_MAX_USEC. */
#pragma once

#include <time.h>

#include "util/macro.h"

enum { CLOCK_SKEW_MIN_SEC = 4 * 60 }; /* less is not corrected */

#define CLOCK_SKEW_UNCONFIRMED_MAX_USEC (5 * 60 * USEC_PER_SEC)

/* What a server's clock may show: 2025-01-01 to 2100-01-01. */
#define SERVER_TIME_MIN ((time_t)1735689600)
#define SERVER_TIME_MAX ((time_t)4102444800)

static inline bool server_time_is_plausible(time_t t)
{
    return t >= SERVER_TIME_MIN && t <= SERVER_TIME_MAX;
}

/* Both clocks of this machine at one moment. */
struct clock_reading {
    time_t wall_sec;
    uint64_t boot_usec;
};

/* What became of the estimate. */
enum clock_skew_change {
    CLOCK_SKEW_UNCHANGED,
    CLOCK_SKEW_LEARNT,  /* it is new */
    CLOCK_SKEW_ENDED,   /* the own clock agrees with AWS's */
    CLOCK_SKEW_DROPPED, /* signing with it did not help */
};

/* One for all services that are asked: SQS and STS are by the same clock. All zero: nothing is known,
 * and this machine's own clock is signed with. */
struct clock_skew {
    bool is_known;
    bool is_confirmed;                 /* a request that was signed with it was accepted */
    int64_t offset_sec;                /* AWS's clock minus the boot clock */
    uint64_t measured_usec;            /* on the boot clock */
    enum clock_skew_change unreported; /* clock_skew_leave_change */
};

/* AWS's clock minus ours; 0 where nothing is known. */
int64_t clock_skew_sec(const struct clock_skew *skew, const struct clock_reading *now);

/* The time to sign with. `*ret_change`: an estimate may end here, by its age or because this
 * machine's clock was set. */
time_t clock_skew_signing_time(struct clock_skew *skew, const struct clock_reading *now,
                               enum clock_skew_change *ret_change);

/* A request that was refused, for its time or for its signature, which may be due to its time. */
struct clock_refusal {
    time_t signed_sec;    /* the time that it was signed with */
    uint64_t signed_usec; /* the boot clock then */
    bool is_about_time;   /* the refusal says so */
    bool has_server_time; /* plausible or not */
    time_t server_sec;
};

/* True: what to sign with is now another time than the refused request had, so that it is worth
 * another attempt. (Another answer may have taught it meanwhile.) */
bool clock_skew_refused(struct clock_skew *skew, const struct clock_refusal *refusal,
                        const struct clock_reading *now, enum clock_skew_change *ret_change);

/* A request's signature was accepted. */
void clock_skew_accepted(struct clock_skew *skew, time_t signed_sec, uint64_t signed_usec);

/* A user that cannot report a change leaves it for one that can. A later change replaces it. */
void clock_skew_leave_change(struct clock_skew *skew, enum clock_skew_change change);

/* The change that was left, once. */
enum clock_skew_change clock_skew_take_change(struct clock_skew *skew);
