/* SPDX-License-Identifier: MIT */
/* The text of a receipt handle. It contains the queue, the message and the number of the receive.
 * To clients it is opaque. Like AWS's it is long and in base64's characters. */
#pragma once

#include "util/macro.h"

struct receipt {
    uint64_t queue_id;
    uint64_t serial;     /* the message's number in its queue */
    uint32_t generation; /* 1: the message's first receive from its queue */
};

enum { RECEIPT_HANDLE_SIZE = sizeof("AQEB") + 176 }; /* with its NUL */

void receipt_handle_format(const struct receipt *receipt, char ret[RECEIPT_HANDLE_SIZE]);

/* Returns 0, or -EINVAL if the text was not made by receipt_handle_format. */
int receipt_handle_parse(const char *text, struct receipt *ret);
