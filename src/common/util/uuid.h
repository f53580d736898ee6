/* SPDX-License-Identifier: MIT */
/* Random UUIDs (RFC 4122, version 4) as text. One system call gets the random bytes for several
 * UUIDs. sd_id128_randomize makes one for each UUID, which would cost more than all other work for
 * a small message. */
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

/* Writes one in lower case. Returns 0, or the negative errno of getrandom(2). */
int uuid_make(struct uuid_maker *maker, char ret[UUID_TEXT_SIZE]);
