/* SPDX-License-Identifier: MIT */
/* The part of one call, to SQS or to STS, in the estimate of AWS's clock (clock-skew.h). The call
 * signs each attempt with the estimate. When AWS refuses a signature, the call learns AWS's time
 * from the refusal, and its next attempt may go out at once. That is bounded: a server that
 * contradicts itself gets only CLOCK_CORRECTIONS_MAX such attempts. */
#pragma once

#include "aws/clock-skew.h"
#include "aws/error.h"
#include "util/clock.h"

/* Attempts that one call makes at once with a corrected time. */
enum { CLOCK_CORRECTIONS_MAX = 3 };

/* Of one call. All zero: no attempt was signed. */
struct clock_correction {
    time_t signed_sec;    /* the time in the last attempt's signature */
    uint64_t signed_usec; /* the boot clock when it was signed */
    unsigned n_corrected; /* attempts made at once since a signature was last accepted */
};

/* What a refused signature says about the clocks. */
struct clock_lesson {
    enum clock_skew_change change;   /* of the estimate */
    bool is_time_corrected;          /* the time to sign with is another now: try again at once */
    bool is_server_time_implausible; /* no clock can show the server's time. So its refusal proves
                                      nothing about ours; another server may answer a retry. */
    time_t server_sec;               /* only if is_server_time_implausible */
};

/* Reads both clocks of this machine. */
static inline struct clock_reading clocks_read(sd_event *event)
{
    return (struct clock_reading){.wall_sec = clock_wall_sec(),
                                  .boot_usec = clock_loop_usec(event)};
}

/* Sets the time to sign an attempt with. A change of the estimate is kept by the estimate
 * (clock_skew_take_change). */
void clock_correction_sign(struct clock_correction *correction, struct clock_skew *skew,
                           const struct clock_reading *now);

/* AWS has refused the last attempt's signature, with an error of class AWS_ERROR_CLOCK or
 * AWS_ERROR_CREDENTIALS: a wrong time may cause both. `date` is the reply's Date header, and
 * `message` the error's text; NULL: none. If ret->is_time_corrected, the next attempt counts as
 * made. */
void clock_correction_refused(struct clock_correction *correction, struct clock_skew *skew,
                              const struct clock_reading *now, enum aws_error_class class,
                              const char *date, const char *message, struct clock_lesson *ret);

/* AWS has accepted the last attempt's signature. */
void clock_correction_accepted(struct clock_correction *correction, struct clock_skew *skew);
