/* SPDX-License-Identifier: MIT */
/* A thread that does nothing but write log entries, since neither sd_journal_sendv nor a pipe can
 * be told not to block. The event loop's thread adds entries and never waits.
 *
 * The thread holds the lock only to take an entry from the queue, never while it writes. It touches
 * nothing but entries: what it has written of those that somebody waits for goes into a list, and
 * an eventfd wakes the loop, which tells them. All functions are for the loop's thread. */
#pragma once

#include <systemd/sd-event.h>

#include "util/log-entry.h"

struct log_writer;

/* The log takes entries again after it had been slow (log_writer_is_congested), or after entries were
 * dropped, of which there were so many. Runs on the loop; it may add entries. */
typedef void (*log_writer_resumed_fn)(uint64_t n_dropped);

/* Starts the thread. `bytes_max` bounds what waits (log-queue.h). The loop is referenced. 0,
 * -ENOMEM, or the errno of the thread, the eventfd or the loop. */
int log_writer_new(sd_event *event, size_t bytes_max, log_writer_resumed_fn resumed,
                   struct log_writer **ret);

/* Takes the entry over. */
void log_writer_add(struct log_writer *writer, struct log_entry *entry);

/* Whether more than half of the memory is in use. It stays so until less than a quarter is. */
bool log_writer_is_congested(const struct log_writer *writer);

/* Waits until all is written, but no longer than that. Returns whether it is. */
bool log_writer_flush(struct log_writer *writer, uint64_t usec);

/* How many entries were dropped and not told of yet; they count as told then. */
uint64_t log_writer_take_dropped(struct log_writer *writer);

/* Ends the thread, and takes it off the loop. A thread that still waits for the log is left alone,
 * with its memory, since nothing can end it; false then. Nobody is told about entries any more. */
bool log_writer_stop(struct log_writer *writer);
