/* SPDX-License-Identifier: MIT */
/* The replies of the submit socket: one line for each submitted line, in order.
 *
 *   {"ok": true, "id": "..."}                          the message is on disk
 *   {"ok": false, "error": "..."}                      the message is refused for good
 *   {"ok": false, "error": "...", "temporary": true}   not stored now: try again later
 *   {"ok": true, "messages": [{"number": 1, "id": "...", "group": "...", "bytes": 5,
 *                "rejected": 1700000000, "reason": "..."}], "more": false}
 *   {"ok": true, "count": 5, "more": false}            messages retried or dropped
 *
 * When "more" is true, give the command again; "rejected" with the last number as `after`. */
#pragma once

#include "producerd/spool/message-store.h"
#include "util/buffer.h"

enum {
    SUBMISSION_REPLY_MAX_BYTES = 1024 * 1024, /* with the newline */
    SUBMISSION_REASON_MAX_BYTES = 1024,       /* longer ones are cut */
};

/* Each function appends one line with its newline. Returns 0, -ENOMEM or -E2BIG, which stay in the
 * buffer. Text that is not UTF-8 is escaped. */
int submission_reply_stored(struct buffer *b, const char *id);
int submission_reply_error(struct buffer *b, const char *error, bool is_temporary);
int submission_reply_count(struct buffer *b, size_t count, bool has_more);

/* A page is one line: begin, any number of entries, end. It has times in whole seconds. */
int submission_reply_page_begin(struct buffer *b);
int submission_reply_page_add(struct buffer *b, const struct rejected_message *message);
int submission_reply_page_end(struct buffer *b, bool has_more);

/* Replaces each reply that says that a message is stored by that error, because the commit has
 * failed. Replies to commands stay: what a command has done is done. `b` holds whole lines made by
 * the functions above. Returns 0, -ENOMEM or -E2BIG. */
int submission_replies_revoke(struct buffer *b, const char *error);

/* A reply that was read. It owns its texts. */
struct submission_reply {
    bool is_ok;
    bool is_temporary;
    bool has_more;
    const char *id;    /* of a stored message; else NULL */
    const char *error; /* when is_ok is false */
    size_t count;      /* of messages retried or dropped */
    struct rejected_message *messages;
    size_t n_messages;
};

/* Reads a line without its newline. Returns 0, -ENOMEM, or SUBMISSION_REPLY_E_DAMAGED when it is no
 * such reply. */
enum { SUBMISSION_REPLY_E_DAMAGED = 1 };
int submission_reply_read(const char *line, size_t size, struct submission_reply **ret);
struct submission_reply *submission_reply_free(struct submission_reply *reply);
DEFINE_CLEANUP(struct submission_reply *, submission_reply_free)
