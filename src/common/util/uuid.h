/* SPDX-License-Identifier: MIT */
/* Random UUIDs (RFC 4122, version 4) as text. The kernel is asked for the random bytes of several
 * at once, which sd_id128_randomize does not: a system call for each UUID would cost more than all
 * the rest of a small message. */
#pragma once

#include <stddef.h>

enum {
    UUID_TEXT_SIZE = 37, /* with its NUL */
    UUID_RANDOM_BYTES = 2048,
};

/* A plain value; all zero to begin with. */
struct uuid_maker {
    unsigned char random[UUID_RANDOM_BYTES];
    size_t left; /* bytes at the end of `random` that were not used yet */
};

/* Writes one in lower case. 0, or the negative errno of getrandom. */
int uuid_make(struct uuid_maker *maker, char ret[UUID_TEXT_SIZE]);
