/* SPDX-License-Identifier: MIT */
/* A clock is represented by its offset from the boot clock. Offsets that were measured at different
 * moments can be compared: equal offsets mean the same clock. */
#include "aws/clock-skew.h"

static int64_t boot_sec(uint64_t boot_usec)
{
    return (int64_t)(boot_usec / USEC_PER_SEC);
}

static int64_t offset_of(time_t sec, uint64_t boot_usec)
{
    return (int64_t)sec - boot_sec(boot_usec);
}

static bool is_same_clock(int64_t offset_sec, int64_t other_sec)
{
    return llabs(offset_sec - other_sec) < CLOCK_SKEW_MIN_SEC;
}

static void end(struct clock_skew *skew, enum clock_skew_change why, enum clock_skew_change *ret)
{
    *skew = (struct clock_skew){};
    *ret = why;
}

/* Ends an estimate that is no longer needed, or that was not confirmed in time. */
static void review(struct clock_skew *skew, const struct clock_reading *now,
                   enum clock_skew_change *ret)
{
    if (!skew->is_known)
        return;
    if (is_same_clock(skew->offset_sec, offset_of(now->wall_sec, now->boot_usec)))
        end(skew, CLOCK_SKEW_ENDED, ret);
    else if (!skew->is_confirmed &&
             now->boot_usec > skew->measured_usec + CLOCK_SKEW_UNCONFIRMED_MAX_USEC)
        end(skew, CLOCK_SKEW_DROPPED, ret);
}

/* The offset of the clock that is used for signatures. */
static int64_t signing_offset(const struct clock_skew *skew, const struct clock_reading *now)
{
    return skew->is_known ? skew->offset_sec : offset_of(now->wall_sec, now->boot_usec);
}

int64_t clock_skew_sec(const struct clock_skew *skew, const struct clock_reading *now)
{
    return signing_offset(skew, now) - offset_of(now->wall_sec, now->boot_usec);
}

time_t clock_skew_signing_time(struct clock_skew *skew, const struct clock_reading *now,
                               enum clock_skew_change *ret_change)
{
    *ret_change = CLOCK_SKEW_UNCHANGED;
    review(skew, now, ret_change);
    return (time_t)(signing_offset(skew, now) + boot_sec(now->boot_usec));
}

/* Learns from the server's clock, if it differs from the clock that is used for signatures. */
static void measure(struct clock_skew *skew, int64_t server_offset_sec,
                    const struct clock_reading *now, enum clock_skew_change *ret)
{
    bool was_known = skew->is_known;

    if (was_known && is_same_clock(skew->offset_sec, server_offset_sec)) {
        skew->measured_usec = now->boot_usec;
        return;
    }
    *skew = (struct clock_skew){
        .is_known = true,
        .offset_sec = server_offset_sec,
        .measured_usec = now->boot_usec,
    };
    *ret = CLOCK_SKEW_LEARNT;
    if (is_same_clock(server_offset_sec, offset_of(now->wall_sec, now->boot_usec)))
        end(skew, was_known ? CLOCK_SKEW_ENDED : CLOCK_SKEW_UNCHANGED, ret);
}

bool clock_skew_refused(struct clock_skew *skew, const struct clock_refusal *refusal,
                        const struct clock_reading *now, enum clock_skew_change *ret_change)
{
    int64_t signed_offset_sec = offset_of(refusal->signed_sec, refusal->signed_usec);
    int64_t server_offset_sec = offset_of(refusal->server_sec, now->boot_usec);
    bool is_measured = refusal->has_server_time && server_time_is_plausible(refusal->server_sec);
    bool was_signed_with_it = skew->is_known && is_same_clock(skew->offset_sec, signed_offset_sec);

    *ret_change = CLOCK_SKEW_UNCHANGED;
    if (is_measured && !is_same_clock(server_offset_sec, signed_offset_sec))
        measure(skew, server_offset_sec, now, ret_change);
    else if (was_signed_with_it &&
             (refusal->is_about_time || (!is_measured && !skew->is_confirmed)))
        end(skew, CLOCK_SKEW_DROPPED, ret_change);
    else if (is_measured && was_signed_with_it)
        skew->measured_usec = now->boot_usec; /* the time agrees: the key is refused */
    else
        review(skew, now, ret_change);
    return !is_same_clock(signing_offset(skew, now), signed_offset_sec);
}

void clock_skew_accepted(struct clock_skew *skew, time_t signed_sec, uint64_t signed_usec)
{
    if (skew->is_known && is_same_clock(skew->offset_sec, offset_of(signed_sec, signed_usec)))
        skew->is_confirmed = true;
}

void clock_skew_leave_change(struct clock_skew *skew, enum clock_skew_change change)
{
    if (change != CLOCK_SKEW_UNCHANGED)
        skew->unreported = change;
}

enum clock_skew_change clock_skew_take_change(struct clock_skew *skew)
{
    return TAKE(skew->unreported);
}
