/* SPDX-License-Identifier: MIT */
#include "util/uuid.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#include <systemd/sd-id128.h>

_Static_assert(UUID_TEXT_SIZE == SD_ID128_UUID_STRING_MAX, "sd-id128 writes another form");
_Static_assert(UUID_RANDOM_BYTES % sizeof(sd_id128_t) == 0, "bytes would be left over");

static int refill(struct uuid_maker *maker)
{
    /* For more than 256 bytes, a signal may make getrandom(2) return fewer. */
    for (size_t n = 0; n < sizeof(maker->random);) {
        ssize_t r = getrandom(maker->random + n, sizeof(maker->random) - n, 0);

        if (r < 0 && errno != EINTR)
            return -errno;
        n += r > 0 ? (size_t)r : 0;
    }
    maker->left = sizeof(maker->random);
    return 0;
}

int uuid_make(struct uuid_maker *maker, char ret[UUID_TEXT_SIZE])
{
    sd_id128_t id;

    if (maker->left == 0) {
        int r = refill(maker);

        if (r < 0)
            return r;
    }
    memcpy(id.bytes, maker->random + sizeof(maker->random) - maker->left, sizeof(id));
    maker->left -= sizeof(id);
    id.bytes[6] = (uint8_t)(0x40 | (id.bytes[6] & 0x0f));
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
    sd_id128_to_uuid_string(id, ret);
    return 0;
}
