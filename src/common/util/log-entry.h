/* SPDX-License-Identifier: MIT */
/* One entry of the log: built on the event loop's thread, written by any thread.
 *
 * For the journal an entry is one datagram of fields (systemd's "Native Journal Protocol"); for
 * standard error it is one line and one write, so that the lines of several processes do not mix.
 */
#pragma once

#include "util/buffer.h"
#include "util/list.h"
#include "util/log.h"

enum {
    LOG_ENTRY_OWN_FIELDS = 4, /* MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, MESSAGE_ID */
    LOG_ENTRY_FIELDS_MAX = LOG_ENTRY_OWN_FIELDS + 2 * LOG_FIELDS_MAX,
};

struct log_entry {
    struct list link; /* in the list that holds it */
    uint64_t number;  /* entries are written in this order */
    int priority;
    bool to_journal;
    struct buffer bytes; /* the line; for the journal the fields, one after the other */
    size_t begin[LOG_ENTRY_FIELDS_MAX + 1]; /* where each field begins, and where the last ends */
    size_t n_fields;
    log_written_fn written; /* NULL: nobody waits for it */
    void *userdata;         /* its */
    bool carries_message;   /* it is never dropped */
    int result;             /* what log_entry_write has returned */
};

/* An empty entry, or NULL: no memory. */
struct log_entry *log_entry_new(int priority, bool to_journal);
struct log_entry *log_entry_free(struct log_entry *entry); /* NULL is allowed */
DEFINE_CLEANUP(struct log_entry *, log_entry_free)

/* Appends the text as a line, with a line break, between two texts that may be "". */
void log_entry_set_line(struct log_entry *entry, const char *before, const char *line,
                        const char *after);

/* Appends a field. One without a value is left out, and a value is cut between characters after
 * LOG_FIELD_MAX_BYTES. MESSAGE comes first. */
void log_entry_add_field(struct log_entry *entry, const char *name, const char *value);

/* The memory that it takes, in bytes. */
size_t log_entry_bytes(const struct log_entry *entry);

/* Writes it, and waits for as long as that takes. What the journal refuses goes to standard error
 * as a plain line. 0, or the negative errno of the last attempt: nobody has it. */
int log_entry_write(const struct log_entry *entry);

/* When an entry last went to the journal, on the boot clock in microseconds; 0: never. */
uint64_t log_entry_journal_usec(void);
