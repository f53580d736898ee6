/* SPDX-License-Identifier: MIT */
/* Entries of the log that wait to be written, within a bounded memory.
 *
 * Where a new entry finds no room, entries that are less important than it make room: the least
 * important first, and of those the newest, so that how a burst began can still be read. Where
 * there are none, the new one is dropped. Entries that carry a message are never dropped and take
 * none of that memory: the messages in flight, which are bounded, bound them.
 *
 * No clock, no lock, no writing: the caller sees to those. */
#pragma once

#include "util/log-entry.h"

enum { LOG_PRIORITIES = LOG_DEBUG + 1 };

struct log_queue {
    struct list by_priority[LOG_PRIORITIES]; /* of struct log_entry */
    uint64_t next_number;
    size_t bytes_of[LOG_PRIORITIES]; /* without those that carry a message */
    size_t n, bytes, bytes_max;
    uint64_t n_dropped; /* not yet told */
};

void log_queue_init(struct log_queue *queue, size_t bytes_max);
void log_queue_done(struct log_queue *queue);

/* Takes the entry over. */
void log_queue_add(struct log_queue *queue, struct log_entry *entry);

/* The entry that was added first, which is the caller's then, or NULL. */
struct log_entry *log_queue_take(struct log_queue *queue);
