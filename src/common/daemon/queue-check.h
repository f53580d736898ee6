/* SPDX-License-Identifier: MIT */
/* --check-queue: asks SQS once for all that the start of a daemon needs, and says what it finds. */
#pragma once

#include "daemon/config.h"

struct queue_check {
    const char *name;             /* the program's; with the version it makes up the User-Agent */
    unsigned permissions;         /* as of queue_options */
    const char *credentials_note; /* a further line about where credentials come from; NULL: none */
};

/* Prints a line on standard output for each thing found, and logs what is wrong. Touches no message
 * and waits for nothing: where a daemon would try again, this ends. The exit status is EX_OK, or
 * that with which a daemon ends that cannot go on; EX_UNAVAILABLE as well where it would wait for
 * SQS to be reached; EX_CONFIG, EX_OSERR, or EX_IOERR where standard output takes nothing. To be
 * called before any other event loop of this thread. */
int queue_check_run(const struct queue_check *check, const struct config *config);
