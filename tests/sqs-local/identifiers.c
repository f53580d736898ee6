/* See identifiers.h. */
#include "identifiers.h"

#include <assert.h>
#include <stdio.h>
#include <sys/random.h>

#include "encode.h"

void uuid_make(char ret[UUID_SIZE])
{
    static unsigned char pool[256]; /* the kernel gives so many at once, without interruption */
    static size_t left;
    unsigned char bytes[16];
    char hex[2 * sizeof(bytes) + 1];

    if (left < sizeof(bytes)) {
        ssize_t n = getrandom(pool, sizeof(pool), 0);

        assert(n == sizeof(pool));
        left = sizeof(pool);
    }
    left -= sizeof(bytes);
    memcpy(bytes, pool + left, sizeof(bytes));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    hex_encode(bytes, sizeof(bytes), hex);
    snprintf(ret, UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}
