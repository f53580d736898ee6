/* SPDX-License-Identifier: MIT */
#include "identifiers.h"

#include <assert.h>

#include "util/uuid.h"

_Static_assert((int)IDENTIFIER_SIZE == (int)UUID_TEXT_SIZE, "an identifier is a UUID");

void identifier_make(char ret[IDENTIFIER_SIZE])
{
    static struct uuid_maker uuids;
    int r = uuid_make(&uuids, ret);

    assert(r == 0);
}
