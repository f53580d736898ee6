/* SPDX-License-Identifier: MIT */
#include "producerd/intake/series.h"

#include <stdio.h>

enum {
    UUID_TEXT_BYTES = UUID_TEXT_SIZE - 1,
    NUMBERED_AT = 24, /* the last 12 digits, 48 bits */
};

#define NUMBERED_MASK ((UINT64_C(1) << 48) - 1)

bool series_is_id(const char *text)
{
    size_t i = 0;

    for (; i < UUID_TEXT_BYTES && text[i] != '\0'; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (is_dash ? text[i] != '-' : !strchr("0123456789abcdef", text[i]))
            return false;
    }
    return i == UUID_TEXT_BYTES && text[i] == '\0';
}

void series_message_id(const char *series_id, uint64_t number, char ret[UUID_TEXT_SIZE])
{
    uint64_t last = strtoull(series_id + NUMBERED_AT, NULL, 16);

    snprintf(ret, UUID_TEXT_SIZE, "%.*s%012llx", NUMBERED_AT, series_id,
             (unsigned long long)((last + number) & NUMBERED_MASK));
}

void series_begin(struct series *series, const char *id, uint64_t stored, uint64_t after)
{
    *series = (struct series){
        .is_begun = true,
        .stored.number = stored,
        .committed = stored,
        .next = after + 1,
    };
    snprintf(series->stored.id, sizeof(series->stored.id), "%s", id);
}

void series_committed(struct series *series, bool is_stored)
{
    if (is_stored) {
        series->committed = series->stored.number;
        return;
    }
    series->is_interrupted = series->is_interrupted || series->stored.number > series->committed;
    series->stored.number = series->committed;
}
