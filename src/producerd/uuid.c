/* See uuid.h. */
#include "uuid.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

enum { UUID_BYTES = 16 };

static int refill(struct uuid_maker *maker)
{
    /* A signal may cut a long answer short. */
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
    static const char digits[] = "0123456789abcdef";
    unsigned char *bytes;
    char *out = ret;

    if (maker->left == 0) {
        int r = refill(maker);

        if (r < 0)
            return r;
    }
    bytes = maker->random + sizeof(maker->random) - maker->left;
    maker->left -= UUID_BYTES;
    bytes[6] = (unsigned char)(0x40 | (bytes[6] & 0x0f));
    bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3f));
    for (size_t i = 0; i < UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 0x0f];
    }
    *out = '\0';
    return 0;
}
