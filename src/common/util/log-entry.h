/* SPDX-License-Identifier: MIT */
/* One entry of the log. The event loop's thread builds it, and any thread may write it.
 *
 * For the journal an entry is one datagram of fields (systemd's "Native Journal Protocol"). For
 * standard error it is one line, either the text or a JSON object with the same fields, written by
 * one write(2), so that lines of several processes do not mix. */
#pragma once

#include "util/buffer.h"
#include "util/list.h"
#include "util/log.h"

enum {
    /* MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, MESSAGE_ID, and in JSON __REALTIME_TIMESTAMP */
    LOG_ENTRY_OWN_FIELDS = 5,
    LOG_ENTRY_FIELDS_MAX = LOG_ENTRY_OWN_FIELDS + 2 * LOG_FIELDS_MAX,
};

struct log_entry {
    struct list link; /* in the queue or in the list of written entries */
    uint64_t number;  /* entries are written in this order */
    int priority;
    bool to_journal;
    bool is_json;        /* an object, else a line of text; only for standard error */
    struct buffer bytes; /* the line; for the journal, the fields one after the other */
    size_t begin[LOG_ENTRY_FIELDS_MAX + 1]; /* where each field begins, and where the last ends */
    size_t n_fields;
    log_written_fn written; /* called after the write; NULL: nobody waits for it */
    void *userdata;         /* of `written` */
    bool carries_message;   /* then it is never dropped */
    bool needs_fields;      /* its text without the fields would not do */
    int result;             /* what log_entry_write has returned */
};

/* Creates an empty entry. NULL: no memory. */
struct log_entry *log_entry_new(int priority, bool to_journal);
struct log_entry *log_entry_free(struct log_entry *entry); /* NULL is allowed */
DEFINE_CLEANUP(struct log_entry *, log_entry_free)

/* Appends `before`, the line, `after` and a line break. `before` and `after` may be "". */
void log_entry_set_line(struct log_entry *entry, const char *before, const char *line,
                        const char *after);

/* Appends a field, unless the value is NULL or "". A value longer than LOG_FIELD_MAX_BYTES is cut,
 * but not inside a character. For the journal the caller must add MESSAGE first. In JSON, bytes
 * that are not UTF-8 become U+FFFD, and characters that are not safe in a line are escaped. */
void log_entry_add_field(struct log_entry *entry, const char *name, const char *value);

/* Ends an entry of fields. Call it after the last field. */
void log_entry_end_fields(struct log_entry *entry);

/* The memory that the entry uses, in bytes. */
size_t log_entry_bytes(const struct log_entry *entry);

/* Writes the entry and blocks until that is done. If the journal refuses the entry, its message is
 * written to standard error as a plain line, or as a JSON object of its fields (without
 * __REALTIME_TIMESTAMP) if it needs them. Returns 0, or the negative errno of the last attempt if
 * the entry was written nowhere. */
int log_entry_write(const struct log_entry *entry);

/* When the journal last took an entry, on the boot clock in microseconds; 0: never. */
uint64_t log_entry_journal_usec(void);
