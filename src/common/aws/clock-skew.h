/* SPDX-License-Identifier: MIT */
/* Estimates AWS's clock, to sign requests with when this machine's clock is wrong.
 *
 * AWS refuses a signature whose time differs from its own by 15 minutes, and the refusal contains
 * AWS's time. The estimate is kept as an offset to the boot clock, because nobody sets that clock.
 * So the estimate stays right when somebody sets this machine's clock. It ends when this machine's
 * clock agrees with AWS's.
 *
 * The estimate comes from the network, and the request that could correct it must be signed with
 * it. So it is not trusted for long. Times that no server's clock can show are ignored. The
 * estimate is dropped when a request that was signed with it is refused for its time, or when no
 * request signed with it is accepted for CLOCK_SKEW_UNCONFIRMED_MAX_USEC. */
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

/* How the estimate has changed. */
enum clock_skew_change {
    CLOCK_SKEW_UNCHANGED,
    CLOCK_SKEW_LEARNT,  /* it is new */
    CLOCK_SKEW_ENDED,   /* this machine's clock agrees with AWS's */
    CLOCK_SKEW_DROPPED, /* signing with it did not help */
};

/* SQS and STS share one estimate, because they use the same clock. All zero: nothing is known, and
 * requests are signed with this machine's clock. */
struct clock_skew {
    bool is_known;
    bool is_confirmed;                 /* a request that was signed with it was accepted */
    int64_t offset_sec;                /* AWS's clock minus the boot clock */
    uint64_t measured_usec;            /* on the boot clock */
    enum clock_skew_change unreported; /* clock_skew_leave_change */
};

/* AWS's clock minus this machine's, in seconds; 0 if nothing is known. */
int64_t clock_skew_sec(const struct clock_skew *skew, const struct clock_reading *now);

/* The time to sign with. The estimate may end here, because it is too old or because this machine's
 * clock was set; `*ret_change` tells. */
time_t clock_skew_signing_time(struct clock_skew *skew, const struct clock_reading *now,
                               enum clock_skew_change *ret_change);

/* A request that was refused for its time, or for its signature: a wrong time may cause that,
 * too. */
struct clock_refusal {
    time_t signed_sec;    /* the time in the signature */
    uint64_t signed_usec; /* the boot clock when it was signed */
    bool is_about_time;   /* the refusal names the time as its reason */
    bool has_server_time; /* plausible or not */
    time_t server_sec;
};

/* True: the signing time now differs from the refused request's, so another attempt is useful. The
 * change may also come from another request's answer in the meantime. */
bool clock_skew_refused(struct clock_skew *skew, const struct clock_refusal *refusal,
                        const struct clock_reading *now, enum clock_skew_change *ret_change);

/* A request's signature was accepted. */
void clock_skew_accepted(struct clock_skew *skew, time_t signed_sec, uint64_t signed_usec);

/* Keeps a change for a user that can report it, when the caller cannot. A later change replaces
 * it. */
void clock_skew_leave_change(struct clock_skew *skew, enum clock_skew_change change);

/* Takes the change that was kept; then none is kept any more. */
enum clock_skew_change clock_skew_take_change(struct clock_skew *skew);
