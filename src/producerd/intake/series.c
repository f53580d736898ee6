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

void series_begin(struct series *series, const struct store_series *stored, uint64_t after)
{
    *series = (struct series){
        .is_begun = true,
        .stored = *stored,
        .committed = stored->number,
        .next = after + 1,
    };
}

static uint8_t *byte_of(struct store_series *stored, uint64_t number)
{
    return &stored->refused[number % STORE_SERIES_KEPT / 8];
}

enum series_outcome series_outcome(const struct series *series)
{
    uint64_t at = series->next % STORE_SERIES_KEPT;

    if (series->committed - series->next >= STORE_SERIES_KEPT)
        return SERIES_FORGOTTEN;
    return series->stored.refused[at / 8] >> at % 8 & 1 ? SERIES_REFUSED : SERIES_STORED;
}

void series_add(struct series *series)
{
    struct store_series *stored = &series->stored;
    uint64_t number = stored->number + 1;

    if (series->next - stored->number > STORE_SERIES_KEPT)
        number = series->next - STORE_SERIES_KEPT + 1; /* the earlier ones are forgotten */
    for (; number < series->next; number++)
        *byte_of(stored, number) |= (uint8_t)(1 << number % 8);
    *byte_of(stored, number) &= (uint8_t) ~(1 << number % 8);
    stored->number = number;
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
