/* SPDX-License-Identifier: MIT */
/* What becomes of each line: it is sent, or refused here; then it is settled in its turn. So ids,
 * errors and the rest file are all in the order of the lines. */
#include "producerd/submit/lines-internal.h"

#include <inttypes.h>

#include "producerd/intake/submission.h"
#include "util/encode.h"
#include "util/error-line.h"

void lines_stop(struct lines *l, enum lines_stop why)
{
    if (l->stop != LINES_GO_ON)
        return;
    l->stop = why;
    l->stop_usec = clock_boot_usec();
}

/* ---- Into the window ---- */

static int refuse_long(const struct lines *l, char **error)
{
    if (l->options->is_json)
        return error_line(1, error, "line: longer than %d bytes", SUBMISSION_LINE_MAX_BYTES);
    return error_line(1, error, "body: larger than %d bytes, which is the most that SQS takes",
                      SQS_MESSAGE_MAX_BYTES);
}

void lines_add(struct lines *l, const struct line_piece *piece)
{
    struct window_line *line = window_add(&l->window, piece->number, piece->bytes, piece->size);

    if (!line) {
        /* The lines in the window go into the rest file before it. */
        line_reader_put_back(&l->reader, piece);
        lines_stop(l, LINES_STOP_SHORTAGE);
        return;
    }
    line->is_refused = piece->is_long;
    if (piece->is_long && piece->is_first && refuse_long(l, &line->error) < 0)
        lines_stop(l, LINES_STOP_SHORTAGE);
}

/* ---- Out of the window ---- */

static void keep(struct lines *l, const struct window_line *line)
{
    rest_file_write(&l->rest, line->number, line->bytes, line->size);
    if (l->rest.error < 0)
        lines_stop(l, LINES_STOP_REST);
}

static void refuse(struct lines *l, const struct window_line *line, const char *why)
{
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(8 * LINES_REASON_BYTES);

    escape_for_log(&shown, why, strlen(why), LINES_REASON_BYTES);
    lines_say(l, "line %" PRIu64 ": refused: %s", line->number, buffer_string(&shown));
    l->counts.refused++;
}

/* The others behind it are refused for now, too, most for the same reason. */
static void retry_later(struct lines *l, const struct window_line *line, const char *why)
{
    if (l->counts.retried++ == 0)
        lines_say_not_now(l, line->number, why);
    lines_stop(l, LINES_STOP_RETRY);
}

static void take(struct lines *l, const char *id)
{
    l->counts.taken++;
    buffer_append_string(&l->ids, id);
    if (buffer_append_char(&l->ids, '\n') < 0)
        lines_stop(l, LINES_STOP_SHORTAGE);
}

static void settle_local(struct lines *l, struct window_line *line)
{
    if (line->error)
        refuse(l, line, line->error);
    keep(l, line);
    window_remove(&l->window, line);
}

/* No further line is sent, and this one was not. */
static void settle_unsent(struct lines *l, struct window_line *line)
{
    l->counts.unsent++;
    keep(l, line);
    window_remove(&l->window, line);
}

static void settle_unknown(struct lines *l, struct window_line *line)
{
    if (l->counts.unknown++ == 0)
        l->counts.unknown_first = line->number;
    l->counts.unknown_last = line->number;
    keep(l, line);
    window_remove(&l->window, line);
}

/* Returns false when the answer cannot be read. */
static bool settle_answered(struct lines *l, struct window_line *line, const char *answer,
                            size_t size)
{
    CLEANUP(submission_reply_free) struct submission_reply *reply = NULL;
    int r = submission_reply_read(answer, size, &reply);

    if (r != 0 || (reply->is_ok && !reply->id)) {
        lines_stop(l, r < 0 ? LINES_STOP_SHORTAGE : LINES_STOP_PROTOCOL);
        return false;
    }
    if (reply->is_ok)
        take(l, reply->id);
    else if (reply->is_temporary)
        retry_later(l, line, reply->error);
    else
        refuse(l, line, reply->error);
    if (!reply->is_ok)
        keep(l, line);
    window_remove(&l->window, line);
    return true;
}

/* Returns true when the line needs no answer. */
static bool settle_without_answer(struct lines *l, struct window_line *line)
{
    if (line->is_refused)
        settle_local(l, line);
    else if (line->position == 0 && l->stop != LINES_GO_ON)
        settle_unsent(l, line);
    else
        return false;
    return true;
}

void lines_settle(struct lines *l)
{
    struct window_line *line;
    const char *answer;
    size_t size;

    while ((line = window_first(&l->window))) {
        if (settle_without_answer(l, line))
            continue;
        if (l->link != LINES_LINK_READY || line->position == 0 ||
            !pipeline_next_answer(&l->pipeline, &answer, &size))
            return;
        l->active_usec = clock_boot_usec();
        l->n_losses = 0;
        if (!settle_answered(l, line, answer, size)) {
            lines_settle_unanswered(l);
            return;
        }
    }
}

void lines_settle_unanswered(struct lines *l)
{
    struct window_line *line;

    pipeline_close(&l->pipeline);
    l->link = LINES_LINK_NONE;
    while ((line = window_first(&l->window)))
        if (!settle_without_answer(l, line))
            settle_unknown(l, line);
}
