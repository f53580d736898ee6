/* SPDX-License-Identifier: MIT */
#include "producerd/submit/lines-internal.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "util/encode.h"

#define PROGRESS_AFTER_USEC USEC_PER_SEC
#define PROGRESS_EACH_USEC (USEC_PER_SEC / 4)

enum { TEXT_BYTES = 64 * 1024 };

/* Standard error may be a pipe that nobody reads: after a stop nothing waits for it. */
static void write_error(const struct lines *l, const char *text, size_t size)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    sigset_t none;

    sigemptyset(&none);
    while (size > 0) {
        static const struct timespec at_once = {};
        ssize_t n;

        if (ppoll(&fd, 1, l->stop == LINES_GO_ON ? NULL : &at_once, &none) <= 0)
            return;
        n = write(STDERR_FILENO, text, MIN(size, (size_t)LINES_WRITE_BYTES));
        if (n <= 0)
            return;
        text += n;
        size -= (size_t)n;
    }
}

static void clear_progress(struct lines *l)
{
    if (l->has_progress)
        write_error(l, "\r\033[K", 4);
    l->has_progress = false;
}

void lines_say(struct lines *l, const char *format, ...)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(2 * TEXT_BYTES);
    char *line = NULL;
    va_list ap;

    va_start(ap, format);
    if (vasprintf(&line, format, ap) < 0)
        line = NULL;
    va_end(ap);
    buffer_printf(&text, "%s: %s\n", l->options->daemon->program, line ? line : "out of memory");
    free(line);
    clear_progress(l);
    write_error(l, buffer_string(&text), text.size);
}

void lines_say_not_now(struct lines *l, uint64_t number, const char *why)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TEXT_BYTES);

    if (number > 0)
        buffer_printf(&text, "line %" PRIu64 ": ", number);
    buffer_append_string(&text, "not accepted now: ");
    escape_for_log(&text, why, strlen(why), LINES_REASON_BYTES);
    lines_say(l, "%s; no further line is submitted", buffer_string(&text));
}

void lines_show_progress(struct lines *l)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TEXT_BYTES);
    uint64_t now = clock_boot_usec();

    if (!l->has_terminal || l->begin_usec + PROGRESS_AFTER_USEC > now ||
        l->shown_usec + PROGRESS_EACH_USEC > now)
        return;
    l->shown_usec = now;
    buffer_printf(&text,
                  "\r%s: %" PRIu64 " lines read, %" PRIu64 " taken, %" PRIu64 " not taken\033[K",
                  l->options->daemon->program, l->reader.n_lines, l->counts.taken,
                  l->counts.refused + l->counts.retried);
    write_error(l, buffer_string(&text), text.size);
    l->has_progress = true;
}

/* ---- The end ---- */

void lines_say_stop(struct lines *l)
{
    const struct submit_daemon *daemon = l->options->daemon;

    clear_progress(l);
    switch (l->stop) {
    case LINES_STOP_SIGNAL:
        lines_say(l, "stopped by a signal");
        break;
    case LINES_STOP_LOST:
        lines_say(l,
                  "the daemon has ended the connection, or does not answer; 'systemctl status "
                  "%s' shows what it does",
                  submit_service(daemon).text);
        break;
    case LINES_STOP_PROTOCOL:
        lines_say(l,
                  "the program that answers is not this version of the daemon: restart it "
                  "('systemctl restart %s'), or set producer.submit_socket to its socket",
                  submit_service(daemon).text);
        break;
    case LINES_STOP_SHORTAGE:
        lines_say(l, "cannot go on: %s", strerror(ENOMEM));
        break;
    case LINES_GO_ON:
    case LINES_STOP_UNREACHED:
    case LINES_STOP_RETRY: /* these were told when they came */
    case LINES_STOP_OUTPUT:
    case LINES_STOP_INPUT:
    case LINES_STOP_REST:
        break;
    }
}

static void say_unknown(struct lines *l)
{
    if (l->counts.unknown > 0)
        lines_say(l,
                  "lines %" PRIu64 " to %" PRIu64 ": the daemon may have stored them, or not: "
                  "if they are submitted again, they may be stored twice",
                  l->counts.unknown_first, l->counts.unknown_last);
}

static void say_rest(struct lines *l)
{
    CLEANUP(buffer_done) struct buffer path = BUFFER_INIT(TEXT_BYTES);
    const char *name = l->options->rest_path;

    if (!name)
        return;
    escape_for_log(&path, name, strlen(name), LINES_SHOWN_BYTES);
    if (l->rest.error < 0)
        lines_say(l,
                  "cannot write %s: %s; from line %" PRIu64 " on, the lines that were not taken "
                  "are not in it",
                  buffer_string(&path), strerror(-l->rest.error), l->rest.missing_from);
    else
        lines_say(l, "lines that were not taken, and are in %s: %" PRIu64, buffer_string(&path),
                  l->rest.n_lines);
}

void lines_say_summary(struct lines *l)
{
    const struct lines_counts *c = &l->counts;

    clear_progress(l);
    say_unknown(l);
    if (l->stop == LINES_GO_ON && c->refused == 0)
        return;
    if (l->stop == LINES_GO_ON)
        lines_say(l, "lines taken: %" PRIu64 ", refused: %" PRIu64, c->taken, c->refused);
    else if (l->stop != LINES_STOP_UNREACHED)
        lines_say(l,
                  "lines taken: %" PRIu64 ", refused: %" PRIu64 "; no line after line %" PRIu64
                  " was submitted",
                  c->taken, c->refused, l->last_sent);
    if (l->n_ids_lost > 0)
        lines_say(l, "the ids of %" PRIu64 " lines that were taken could not be printed",
                  l->n_ids_lost);
    say_rest(l);
}

int lines_say_no_rest(struct lines *l, int condition)
{
    CLEANUP(buffer_done) struct buffer path = BUFFER_INIT(TEXT_BYTES);
    const char *name = l->options->rest_path;

    escape_for_log(&path, name, strlen(name), LINES_SHOWN_BYTES);
    switch (condition) {
    case REST_FILE_E_NOT_EMPTY:
        lines_say(l, "--rest=%s: the file holds lines already; submit or move them first",
                  buffer_string(&path));
        return EX_CANTCREAT;
    case REST_FILE_E_IS_INPUT:
        lines_say(l, "--rest=%s: the file is the one to submit", buffer_string(&path));
        return EX_USAGE;
    case REST_FILE_E_IS_OUTPUT:
        lines_say(l, "--rest=%s: the file is standard output or standard error",
                  buffer_string(&path));
        return EX_USAGE;
    case REST_FILE_E_IN_USE:
        lines_say(l, "--rest=%s: another process writes into it", buffer_string(&path));
        return EX_CANTCREAT;
    default:
        lines_say(l, "--rest=%s: cannot write: %s", buffer_string(&path), strerror(-condition));
        return EX_CANTCREAT;
    }
}
