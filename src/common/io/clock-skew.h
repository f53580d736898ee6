/* How far this machine's clock may be off AWS's before signatures are corrected by it. */
#pragma once

#include "macro.h"

enum { CLOCK_SKEW_MIN_SEC = 4 * 60 }; /* less is not corrected: AWS allows 15 min */

/* Whether two measurements of AWS's clock minus ours, in seconds, differ by what matters. */
static inline bool is_other_clock_skew(int64_t a, int64_t b)
{
    return llabs(a - b) >= CLOCK_SKEW_MIN_SEC;
}
