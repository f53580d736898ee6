/* SPDX-License-Identifier: MIT */
/* The environment is read at each hit of a point, since a build for tests has the time. Only hits
 * of the named point are counted. */
#include "util/fault-point.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fault_point(const char *name)
{
    static unsigned passings;
    const char *wanted = getenv("SQS_FAULT_POINT");
    size_t length = strlen(name);
    unsigned n = 1;

    if (!wanted || strncmp(wanted, name, length) != 0)
        return;
    if (wanted[length] != '\0' && sscanf(wanted + length, ":%9u", &n) != 1)
        return;
    if (++passings == n)
        raise(SIGKILL);
}
