/* SPDX-License-Identifier: MIT */
/* A series: messages that one client submits in order, numbered from 1, and submits again when the
 * connection ends without an answer. The store keeps, together with the messages, the number of the
 * last one that is stored, and which of the STORE_SERIES_KEPT lines up to it were refused for good.
 * A line up to that number is not stored again, and is answered as before: the id of a message is
 * made of the id of the series and its number. What the queue allows may have changed since then, so
 * a repeated line is never judged anew.
 *
 * This is enough only if no gap is filled later. So after a message that could be stored on another
 * attempt, all further ones of the connection are refused for now, too: what lies between two stored
 * messages was refused for good. Pure. */
#pragma once

#include "producerd/spool/message-store.h"
#include "util/uuid.h"

/* A plain value: all zero before a series begins on the connection. */
struct series {
    bool is_begun;
    bool is_interrupted;        /* a message was not stored now: none is stored after it */
    struct store_series stored; /* with the last message that was added */
    uint64_t committed;         /* the last message that is on disk */
    uint64_t next;              /* the number of the next line */
};

/* Whether the text is a UUID in lower case. */
bool series_is_id(const char *text);

/* The id of a message: the series's UUID with the number added to its last 48 bits. */
void series_message_id(const char *series_id, uint64_t number, char ret[UUID_TEXT_SIZE]);

/* Begins the series as it is on disk; the next line has the number after + 1. */
void series_begin(struct series *series, const struct store_series *stored, uint64_t after);

/* Whether the next line was answered before: it is stored or was refused. */
static inline bool series_is_repeated(const struct series *series)
{
    return series->next <= series->committed;
}

/* Whether the lines before the next one are repeated, and the next one is new. */
static inline bool series_ends_repetition(const struct series *series)
{
    return series->is_begun && series->next == series->committed + 1;
}

enum series_outcome {
    SERIES_STORED,
    SERIES_REFUSED,
    SERIES_FORGOTTEN, /* more than STORE_SERIES_KEPT lines ago */
};

/* What became of the next line, which is repeated. */
enum series_outcome series_outcome(const struct series *series);

/* Notes that the next line was added to the store. */
void series_add(struct series *series);

/* The commit has stored what was added, or nothing of it. */
void series_committed(struct series *series, bool is_stored);
