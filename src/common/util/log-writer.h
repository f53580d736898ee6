/* SPDX-License-Identifier: MIT */
/* A thread that only writes log entries. sd_journal_sendv and a write to a pipe may block, and
 * there is no way to prevent that. So the event loop's thread only adds entries and never waits.
 *
 * The thread never holds the lock while it writes. It touches nothing but entries. A written entry
 * that somebody waits for goes into a list, and an eventfd wakes the loop, which calls the entry's
 * callback. All functions here must be called from the loop's thread. */
#pragma once

#include <systemd/sd-event.h>

#include "util/log-entry.h"

struct log_writer;

/* Called on the event loop when the log takes entries again after it was congested
 * (log_writer_is_congested) or after entries were dropped. `n_dropped` is the number of dropped
 * entries. The callback may add entries. */
typedef void (*log_writer_resumed_fn)(uint64_t n_dropped);

/* Starts the thread. `bytes_max` bounds the memory of the waiting entries (log-queue.h). The loop
 * is referenced. Returns 0, -ENOMEM, or the errno of the thread, the eventfd or the loop. */
int log_writer_new(sd_event *event, size_t bytes_max, log_writer_resumed_fn resumed,
                   struct log_writer **ret);

/* The writer owns the entry from now on. */
void log_writer_add(struct log_writer *writer, struct log_entry *entry);

/* True once more than half of the memory was in use, until less than a quarter is in use. */
bool log_writer_is_congested(const struct log_writer *writer);

/* Waits until all entries are written. Gives up when none was written for `usec`, and after five
 * times `usec` in any case. Returns whether all are written. */
bool log_writer_flush(struct log_writer *writer, uint64_t usec);

/* How many entries were dropped since this was last reported, here or to `resumed`. */
uint64_t log_writer_take_dropped(struct log_writer *writer);

/* How many entries were dropped in all. */
uint64_t log_writer_count_dropped(struct log_writer *writer);

/* Ends the thread and removes the writer from the loop. No callback runs any more. False: the
 * thread is still writing. Nothing can end it then, so it is left behind, and its memory is not
 * freed. */
bool log_writer_stop(struct log_writer *writer);
