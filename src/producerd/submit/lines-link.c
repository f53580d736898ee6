/* SPDX-License-Identifier: MIT */
/* The connection to the daemon. All lines are one series (producerd/intake/series.h). When the
 * connection ends without all answers, another one goes on with the series at the first line that
 * was not answered: the daemon stores no line twice, also when it was killed in between. */
#include "producerd/submit/lines-internal.h"

#include <sysexits.h>

#include "producerd/intake/submission.h"
#include "util/encode.h"
#include "util/error-line.h"

#define ATTEMPT_EACH_USEC (USEC_PER_SEC / 10)

enum { LOSSES_MAX = 5 }; /* without an answer in between */

static uint64_t first_position(const struct lines *l)
{
    LIST_FOREACH(&l->window.lines, link)
    {
        const struct window_line *line = window_line_of(link);

        if (line->position > 0)
            return line->position;
    }
    return l->next_position;
}

static void greet(struct lines *l, int fd)
{
    l->pipeline.fd = fd;
    l->link = LINES_LINK_GREETED;
    window_rewind(&l->window);
    if (submission_write_command(&l->pipeline.out, SUBMISSION_SERIES, first_position(l) - 1,
                                 l->series_id) < 0)
        lines_stop(l, LINES_STOP_SHORTAGE);
    l->active_usec = clock_boot_usec();
}

int lines_connect(struct lines *l)
{
    struct uuid_maker uuids = {};
    int fd, r = uuid_make(&uuids, l->series_id);

    if (r < 0) {
        lines_stop(l, LINES_STOP_SHORTAGE);
        return EX_OK;
    }
    /* While its backlog is full, lines_reconnect goes on: no signal would end a connect that waits. */
    r = submit_try_connect(l->options->daemon, &fd);
    if (r == -EAGAIN)
        return EX_OK;
    if (r < 0)
        r = submit_connect(l->options->daemon, NULL, &fd);
    if (r == EX_OK)
        greet(l, fd);
    return r;
}

/* ---- Lines ---- */

/* Encodes the line for the daemon into l->line. Returns 0, -ENOMEM, or a positive number with *error
 * when the line is refused here. */
static int encode(struct lines *l, const char *text, size_t size, char **error)
{
    struct sqs_message message;
    size_t i;
    int r;

    buffer_reset(&l->line);
    if (l->options->is_json) {
        buffer_append(&l->line, text, size);
        return buffer_append_char(&l->line, '\n');
    }
    i = utf8_valid_bytes(text, size);
    if (i < size)
        return error_line(1, error,
                          "body: byte %zu (0x%02x) does not belong to UTF-8 text, which SQS "
                          "requires: encode it, for example with base64",
                          i + 1, (unsigned char)text[i]);
    message = *l->options->message;
    message.body = text;
    message.body_bytes = size;
    r = submission_write(&l->line, &message);
    if (r == -E2BIG)
        return error_line(1, error, "body: too large with the attributes");
    return r;
}

/* Returns false when memory ran out: the daemon counts the lines, so none may follow. */
static bool send_line(struct lines *l, struct window_line *line)
{
    size_t size = line->size - (line->bytes[line->size - 1] == '\n');
    int r = encode(l, line->bytes, size, &line->error);

    if (r == 0)
        r = buffer_append(&l->pipeline.out, l->line.data, l->line.size);
    line->is_refused = r > 0;
    if (r < 0) {
        lines_stop(l, LINES_STOP_SHORTAGE);
        return false;
    }
    if (r == 0 && line->position == 0) {
        line->position = l->next_position++;
        l->last_sent = line->number;
    }
    return true;
}

void lines_send(struct lines *l)
{
    struct window_line *line;

    while (l->link == LINES_LINK_READY &&
           pipeline_unsent_bytes(&l->pipeline) < LINES_UNSENT_MAX_BYTES &&
           (line = window_next_unsent(&l->window))) {
        if (l->stop != LINES_GO_ON && line->position == 0)
            break; /* nor is any line behind it sent */
        if (!send_line(l, line)) {
            l->window.unsent = &line->link; /* the next one */
            break;
        }
    }
    pipeline_flush(&l->pipeline);
}

/* ---- The end of a connection, and another one ---- */

void lines_read_greeting(struct lines *l)
{
    CLEANUP(submission_reply_free) struct submission_reply *reply = NULL;
    const char *answer;
    size_t size;
    int r;

    if (l->link != LINES_LINK_GREETED || !pipeline_next_answer(&l->pipeline, &answer, &size))
        return;
    r = submission_reply_read(answer, size, &reply);
    l->active_usec = clock_boot_usec();
    l->link = LINES_LINK_READY;
    l->lost_usec = 0;
    if (r == 0 && reply->is_ok && !reply->id)
        return;
    if (r == 0 && !reply->is_ok && reply->is_temporary)
        lines_say_not_now(l, 0, reply->error);
    lines_stop(l, r < 0                                            ? LINES_STOP_SHORTAGE
                  : r == 0 && !reply->is_ok && reply->is_temporary ? LINES_STOP_RETRY
                                                                   : LINES_STOP_PROTOCOL);
    lines_settle_unanswered(l);
}

void lines_lose_connection(struct lines *l)
{
    pipeline_close(&l->pipeline);
    l->link = LINES_LINK_NONE;
    if (++l->n_losses <= LOSSES_MAX)
        return;
    lines_stop(l, LINES_STOP_LOST);
    lines_settle_unanswered(l);
}

static bool needs_connection(const struct lines *l)
{
    const struct window_line *line = window_first(&l->window);

    return l->link == LINES_LINK_NONE && line && (line->position > 0 || l->stop == LINES_GO_ON);
}

void lines_reconnect(struct lines *l)
{
    uint64_t now = clock_boot_usec();
    uint64_t patience = l->last_sent > 0 ? LINES_LOST_USEC : SUBMIT_TIMEOUT_SEC * USEC_PER_SEC;
    int fd, r;

    if (!needs_connection(l) || l->attempt_usec + ATTEMPT_EACH_USEC > now)
        return;
    l->attempt_usec = now;
    r = submit_try_connect(l->options->daemon, &fd);
    if (r == 0) {
        greet(l, fd);
        return;
    }
    if (l->lost_usec == 0)
        l->lost_usec = now;
    if ((r == -ENOENT || r == -ECONNREFUSED || r == -EAGAIN) && l->lost_usec + patience > now)
        return;
    lines_stop(l, LINES_STOP_LOST);
    lines_settle_unanswered(l);
}
