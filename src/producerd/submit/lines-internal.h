/* SPDX-License-Identifier: MIT */
/* What the files of --lines share. A file uses only files below it: lines.c (the loop), then
 * lines-link.c (the connection), lines-settle.c (what becomes of a line), lines-report.c (standard
 * error). */
#pragma once

#include <assert.h>

#include "producerd/spool/message-store.h"
#include "producerd/submit/line-reader.h"
#include "producerd/submit/lines.h"
#include "producerd/submit/pipeline.h"
#include "producerd/submit/rest-file.h"
#include "producerd/submit/window.h"
#include "util/clock.h"
#include "util/uuid.h"

/* What is repeated must be within what the daemon knows of a series. */
static_assert((int)WINDOW_LINES_MAX <= (int)STORE_SERIES_KEPT, "a window of lines is too long");

enum {
    LINES_UNSENT_MAX_BYTES = 1024 * 1024, /* beyond these no line is added */
    LINES_IDS_MAX_BYTES = 64 * 1024,      /* likewise for ids that are not printed */
    LINES_SHOWN_BYTES = 200,              /* of a text in an error */
    LINES_WRITE_BYTES = 4096,             /* at once, so that no pipe blocks: PIPE_BUF */
    LINES_ID_BYTES = 128,
    LINES_REASON_BYTES = 4096, /* of the daemon's error */
    /* Ids that are not printed, those of the whole window, and fewer that are printed. */
    LINES_IDS_BUFFER_BYTES = 2 * (LINES_IDS_MAX_BYTES + WINDOW_LINES_MAX * LINES_ID_BYTES),
};

/* Why no further line is sent. */
enum lines_stop {
    LINES_GO_ON,
    LINES_STOP_SIGNAL,
    LINES_STOP_UNREACHED, /* there was no connection */
    LINES_STOP_RETRY,     /* a line should be tried again */
    LINES_STOP_LOST,      /* the daemon is gone */
    LINES_STOP_PROTOCOL,  /* what answers is not this daemon */
    LINES_STOP_OUTPUT,    /* standard output cannot be written */
    LINES_STOP_REST,      /* the rest file cannot be written */
    LINES_STOP_INPUT,     /* the input cannot be read */
    LINES_STOP_SHORTAGE,  /* of memory */
};

enum lines_link {
    LINES_LINK_NONE,
    LINES_LINK_GREETED, /* the command that begins the series is not answered */
    LINES_LINK_READY,   /* lines can be sent */
};

struct lines_counts {
    uint64_t taken, refused;
    uint64_t unsent;                      /* read, and not sent any more */
    uint64_t retried;                     /* refused for now */
    uint64_t unknown;                     /* sent, and not answered */
    uint64_t unknown_first, unknown_last; /* their lines, from 1 */
};

struct lines {
    const struct lines_options *options;
    struct line_reader reader;
    struct window window;
    struct pipeline pipeline;
    struct rest_file rest;
    struct lines_counts counts;

    struct buffer line; /* being encoded */
    struct buffer ids;  /* to be printed */
    size_t ids_printed;
    uint64_t n_ids_lost;
    bool is_output_broken;

    char series_id[UUID_TEXT_SIZE];
    uint64_t next_position; /* in the series */
    uint64_t last_sent;     /* the number of the last line that was sent */
    enum lines_link link;
    uint64_t lost_usec;    /* when the daemon could not be reached; 0: it can */
    uint64_t attempt_usec; /* of the last attempt to connect again */
    unsigned n_losses;     /* of the connection since the last answer */

    bool needs_input; /* the reader has no further line */
    enum lines_stop stop;
    uint64_t stop_usec;   /* when it was set; boot clock */
    uint64_t active_usec; /* when the daemon last answered or took something */

    uint64_t begin_usec;
    bool has_terminal;   /* standard error is one */
    bool has_progress;   /* a line of progress stands on it */
    uint64_t shown_usec; /* when it was written */
};

/* --- lines-link.c --- */

/* Connects for the first time, if the daemon accepts it at once. Returns an exit status, as
 * submit_connect. */
int lines_connect(struct lines *l);

/* Reads the answer to the command that begins the series, when it has come. */
void lines_read_greeting(struct lines *l);

/* Sends lines of the window while the daemon takes them. */
void lines_send(struct lines *l);

/* The connection has ended. */
void lines_lose_connection(struct lines *l);

/* Connects again when lines need it; gives up when it is not possible for LINES_LOST_USEC. */
#define LINES_LOST_USEC (10 * USEC_PER_SEC)
void lines_reconnect(struct lines *l);

/* --- lines-settle.c --- */

/* Sets why no further line is sent; the first reason counts. */
void lines_stop(struct lines *l, enum lines_stop why);

/* Adds a piece that the reader has just given to the window. Without memory it stays in the reader,
 * and the work stops. */
void lines_add(struct lines *l, const struct line_piece *piece);

/* Settles the lines whose turn it is, by the answers that have come. */
void lines_settle(struct lines *l);

/* No further answer comes: what was sent and not answered goes into the rest file. */
void lines_settle_unanswered(struct lines *l);

/* --- lines-report.c --- */

/* One line on standard error. */
PRINTF_FORMAT(2, 3) void lines_say(struct lines *l, const char *format, ...);

/* The line `number` should be tried again; 0: none was sent. */
void lines_say_not_now(struct lines *l, uint64_t number, const char *why);

/* The line of progress, on a terminal, when it takes longer than a second. */
void lines_show_progress(struct lines *l);

/* Why no further line is sent, if that was not told when it came. */
void lines_say_stop(struct lines *l);

/* What was not taken, and where it is. */
void lines_say_summary(struct lines *l);

/* Why the rest file cannot be used. Returns an exit status. */
int lines_say_no_rest(struct lines *l, int condition);
