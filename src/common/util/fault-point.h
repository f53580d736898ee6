/* SPDX-License-Identifier: MIT */
/* Places where a test may kill the process, to see what it finds at its next start. In a build
 * without the option fault_points, which is every build but a test's, they are nothing at all. */
#pragma once

/* FAULT_POINT("name"): where the environment has SQS_FAULT_POINT="name:N", the Nth passing of all
 * points of that name ends the process by SIGKILL. N from 1 on, at most 9 digits; without ":N" it
 * is 1. What cannot be read as that kills nothing. */
#ifdef FAULT_POINTS
#define FAULT_POINT(name) fault_point(name)
#else
#define FAULT_POINT(name) ((void)0)
#endif

void fault_point(const char *name);
