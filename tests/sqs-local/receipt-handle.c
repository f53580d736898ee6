/* SPDX-License-Identifier: MIT */
/* A handle is the base64 of the numbers and of padding that is computed from them. So a handle that
 * a client has cut, changed to lower case or invented is not taken for a real one. */
#include "receipt-handle.h"

#include <errno.h>

#include <openssl/evp.h>

#define PREFIX "AQEB"

enum { RAW_BYTES = 132, NUMBERS_BYTES = 20, ENCODED_BYTES = RAW_BYTES / 3 * 4 };

static void put_number(unsigned char *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t get_number(const unsigned char *from, size_t size)
{
    uint64_t value = 0;

    for (size_t i = size; i-- > 0;)
        value = value << 8 | from[i];
    return value;
}

void receipt_handle_format(const struct receipt *receipt, char ret[RECEIPT_HANDLE_SIZE])
{
    unsigned char raw[RAW_BYTES];
    uint64_t x = receipt->queue_id * UINT64_C(0x9e3779b97f4a7c15) ^
                 receipt->serial * UINT64_C(0xd1342543de82ef95) ^
                 (receipt->generation + UINT64_C(1)) * UINT64_C(0xaf251af3b0f025b5);

    for (size_t i = NUMBERS_BYTES; i < RAW_BYTES; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        raw[i] = (unsigned char)(x >> 24);
    }
    put_number(raw, receipt->queue_id, 8);
    put_number(raw + 8, receipt->serial, 8);
    put_number(raw + 16, receipt->generation, 4);
    /* Without this, zeros in the numbers would show as runs of "A". */
    for (size_t i = 0; i < NUMBERS_BYTES; i++)
        raw[i] ^= raw[NUMBERS_BYTES + i];

    memcpy(ret, PREFIX, sizeof(PREFIX));
    EVP_EncodeBlock((unsigned char *)ret + strlen(PREFIX), raw, RAW_BYTES);
}

int receipt_handle_parse(const char *text, struct receipt *ret)
{
    unsigned char raw[RAW_BYTES + 3];
    char again[RECEIPT_HANDLE_SIZE];
    struct receipt receipt;

    if (strlen(text) != RECEIPT_HANDLE_SIZE - 1 || strncmp(text, PREFIX, strlen(PREFIX)) != 0)
        return -EINVAL;
    if (EVP_DecodeBlock(raw, (const unsigned char *)text + strlen(PREFIX), ENCODED_BYTES) !=
        RAW_BYTES)
        return -EINVAL;
    for (size_t i = 0; i < NUMBERS_BYTES; i++)
        raw[i] ^= raw[NUMBERS_BYTES + i];
    receipt = (struct receipt){
        .queue_id = get_number(raw, 8),
        .serial = get_number(raw + 8, 8),
        .generation = (uint32_t)get_number(raw + 16, 4),
    };
    receipt_handle_format(&receipt, again);
    if (!streq(text, again))
        return -EINVAL;
    *ret = receipt;
    return 0;
}
