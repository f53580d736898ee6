/* SPDX-License-Identifier: MIT */
/* Places where a test can kill the process, to see how the next start copes. They exist only in a
 * build with the option fault_points, which only tests use. */
#pragma once

/* FAULT_POINT("name") is a point of that name. If the environment has SQS_FAULT_POINT="name:N", the
 * process ends by SIGKILL when it passes points of that name for the Nth time. N is at least 1 and
 * has at most 9 digits. Without ":N" it is 1. Any other value of the variable does nothing. */
#ifdef FAULT_POINTS
#define FAULT_POINT(name) fault_point(name)
#else
#define FAULT_POINT(name) ((void)0)
#endif

void fault_point(const char *name);
