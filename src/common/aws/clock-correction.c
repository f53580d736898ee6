/* SPDX-License-Identifier: MIT */
#include "aws/clock-correction.h"

#include "http/date.h"

/* Takes the time from the Date header; if that is missing or implausible, from the error's text,
 * because a proxy may have set the Date. False: neither has a time. The result may be implausible.
 */
static bool read_server_time(const char *date, const char *message, time_t *ret)
{
    bool has_date = date && http_date_parse(date, ret) == 0;

    if (has_date && server_time_is_plausible(*ret))
        return true;
    return (message && aws_error_server_time(message, ret) == 0) || has_date;
}

void clock_correction_sign(struct clock_correction *correction, struct clock_skew *skew,
                           const struct clock_reading *now)
{
    enum clock_skew_change change;

    correction->signed_usec = now->boot_usec;
    correction->signed_sec = clock_skew_signing_time(skew, now, &change);
    clock_skew_leave_change(skew, change);
}

void clock_correction_refused(struct clock_correction *correction, struct clock_skew *skew,
                              const struct clock_reading *now, enum aws_error_class class,
                              const char *date, const char *message, struct clock_lesson *ret)
{
    struct clock_refusal refusal = {
        .signed_sec = correction->signed_sec,
        .signed_usec = correction->signed_usec,
        .is_about_time = class == AWS_ERROR_CLOCK,
    };
    struct clock_lesson lesson = {};
    bool is_other_time;

    refusal.has_server_time = read_server_time(date, message, &refusal.server_sec);
    is_other_time = clock_skew_refused(skew, &refusal, now, &lesson.change);
    if (refusal.is_about_time && refusal.has_server_time &&
        !server_time_is_plausible(refusal.server_sec)) {
        lesson.is_server_time_implausible = true;
        lesson.server_sec = refusal.server_sec;
    }
    if (is_other_time && correction->n_corrected < CLOCK_CORRECTIONS_MAX) {
        correction->n_corrected++;
        lesson.is_time_corrected = true;
    }
    *ret = lesson;
}

void clock_correction_accepted(struct clock_correction *correction, struct clock_skew *skew)
{
    correction->n_corrected = 0;
    clock_skew_accepted(skew, correction->signed_sec, correction->signed_usec);
}
