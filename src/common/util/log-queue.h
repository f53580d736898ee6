/* SPDX-License-Identifier: MIT */
/* Log entries that wait to be written, in bounded memory.
 *
 * If the memory is full, a new entry displaces less important ones. The least important are dropped
 * first, and among those the newest, so that the beginning of a burst is kept. If dropping all of
 * them does not free enough memory, the new entry is dropped. Entries that carry a message are
 * never dropped and do not count in that memory: the limit on messages in flight bounds them.
 *
 * This file has no clock and no lock, and writes nothing. */
#pragma once

#include "util/log-entry.h"

enum { LOG_PRIORITIES = LOG_DEBUG + 1 };

struct log_queue {
    struct list by_priority[LOG_PRIORITIES]; /* of struct log_entry */
    uint64_t next_number;
    size_t bytes_of[LOG_PRIORITIES]; /* entries that carry a message do not count */
    size_t n, bytes, bytes_max;
    uint64_t n_dropped; /* not reported yet */
    uint64_t n_dropped_in_all;
};

void log_queue_init(struct log_queue *queue, size_t bytes_max);
void log_queue_done(struct log_queue *queue);

/* The queue owns the entry from now on. */
void log_queue_add(struct log_queue *queue, struct log_entry *entry);

/* Takes the oldest entry out of the queue. The caller owns it. NULL: the queue is empty. */
struct log_entry *log_queue_take(struct log_queue *queue);
