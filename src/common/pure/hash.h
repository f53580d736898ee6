/* A hash for tables of texts: FNV-1a of Fowler, Noll and Vo, with its parameters for 64 bits
 * (draft-eastlake-fnv). It has no secret: whoever chooses the texts may choose them to collide, so
 * a table must bear to be searched from end to end. */
#pragma once

#include "macro.h"

static inline uint64_t hash_string(const char *s)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (; *s; s++)
        hash = (hash ^ (unsigned char)*s) * UINT64_C(1099511628211);
    return hash;
}
