/* SPDX-License-Identifier: MIT */
/* The loop: it reads lines while there is room in the window, sends them, and settles them as the
 * answers come. Signals are blocked except while it waits. */
#include "producerd/submit/lines-internal.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "producerd/intake/submission.h"

/* A round of the loop, at the latest. */
#define ROUND_USEC (USEC_PER_SEC / 5)
/* The daemon takes nothing and answers nothing. */
#define SILENCE_USEC (SUBMIT_TIMEOUT_SEC * USEC_PER_SEC)

enum { FD_INPUT, FD_DAEMON, FD_OUTPUT, N_FDS };

/* ---- Signals ---- */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
static volatile sig_atomic_t is_signalled;

static void on_signal(int number)
{
    is_signalled = 1;
}

/* A signal that is ignored, as SIGHUP under nohup, stays ignored. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal}, old;
    sigset_t blocked;

    sigemptyset(&blocked);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        if (sigaction(signals[i], NULL, &old) >= 0 && old.sa_handler == SIG_IGN)
            continue;
        sigaction(signals[i], &action, NULL);
        sigaddset(&blocked, signals[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL); /* the write fails instead */
}

/* ---- One round ---- */

static size_t unprinted(const struct lines *l)
{
    return l->ids.size - l->ids_printed;
}

static void read_lines(struct lines *l)
{
    struct line_piece piece;

    l->needs_input = false;
    while (l->stop == LINES_GO_ON && window_has_room(&l->window) &&
           unprinted(l) < LINES_IDS_MAX_BYTES) {
        if (!line_reader_next(&l->reader, &piece)) {
            l->needs_input = !l->reader.is_ended;
            break;
        }
        lines_add(l, &piece);
    }
    lines_send(l);
}

static void read_input(struct lines *l)
{
    size_t room;
    char *into;
    ssize_t n;

    if (line_reader_space(&l->reader, &into, &room) < 0) {
        lines_stop(l, LINES_STOP_SHORTAGE);
        return;
    }
    n = read(l->options->input_fd, into, room);
    if (n > 0)
        line_reader_add(&l->reader, (size_t)n);
    else if (n == 0)
        line_reader_end(&l->reader);
    else if (errno != EINTR && errno != EAGAIN) {
        lines_say(l, "cannot read %s: %s", l->options->input_name, strerror(errno));
        lines_stop(l, LINES_STOP_INPUT);
    }
}

static void lose_ids(struct lines *l)
{
    for (size_t i = l->ids_printed; i < l->ids.size; i++)
        l->n_ids_lost += l->ids.data[i] == '\n';
    buffer_reset(&l->ids);
    l->ids_printed = 0;
}

/* Prints whole lines: a pipe takes all of them or none, so that no id is cut when nobody reads
 * on. */
static void print_ids(struct lines *l)
{
    const char *ids = l->ids.data + l->ids_printed;
    size_t size = MIN(unprinted(l), (size_t)LINES_WRITE_BYTES);
    const char *end = memrchr(ids, '\n', size);
    ssize_t n = write(STDOUT_FILENO, ids, end ? (size_t)(end + 1 - ids) : size);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n < 0) {
        lines_say(l, "cannot write to standard output: %s", strerror(errno));
        lines_stop(l, LINES_STOP_OUTPUT);
        l->is_output_broken = true;
        return;
    }
    l->ids_printed += (size_t)n;
    if (l->ids_printed < unprinted(l))
        return; /* what is left is moved only when it is little */
    buffer_remove_front(&l->ids, l->ids_printed);
    l->ids_printed = 0;
}

static void read_answers(struct lines *l)
{
    int r = pipeline_read(&l->pipeline);

    lines_read_greeting(l);
    lines_settle(l);
    if (r == 0 || l->link == LINES_LINK_NONE)
        return;
    if (r == -EPIPE) {
        lines_lose_connection(l);
        return;
    }
    lines_stop(l, r == -ENOMEM ? LINES_STOP_SHORTAGE : LINES_STOP_PROTOCOL);
    lines_settle_unanswered(l);
}

static bool is_input_taken(const struct lines *l)
{
    return l->reader.is_ended && l->reader.begin == l->reader.end;
}

static bool is_done(const struct lines *l)
{
    return (l->stop != LINES_GO_ON || is_input_taken(l)) && !window_first(&l->window) &&
           unprinted(l) == 0;
}

/* After a stop, answers and the reader of standard output are waited for LINES_STOP_USEC. */
static void look_at_time(struct lines *l)
{
    uint64_t now = clock_boot_usec();
    bool is_silent = window_first(&l->window) && l->active_usec + SILENCE_USEC <= now;

    if (is_signalled)
        lines_stop(l, LINES_STOP_SIGNAL);
    if (is_silent)
        lines_stop(l, LINES_STOP_LOST);
    if (l->is_output_broken)
        lose_ids(l);
    if (l->stop == LINES_GO_ON || (!is_silent && l->stop_usec + LINES_STOP_USEC > now))
        return;
    lines_settle_unanswered(l);
    lose_ids(l);
}

static void do_round(struct lines *l)
{
    struct pollfd fds[N_FDS] = {
        [FD_INPUT] = {.fd = l->needs_input ? l->options->input_fd : -1, .events = POLLIN},
        [FD_DAEMON] = {.fd = l->pipeline.fd,
                       .events = POLLIN | (pipeline_unsent_bytes(&l->pipeline) > 0 ? POLLOUT : 0)},
        [FD_OUTPUT] = {.fd = unprinted(l) > 0 ? STDOUT_FILENO : -1, .events = POLLOUT},
    };
    const struct timespec timeout = {.tv_nsec = (long)(ROUND_USEC * 1000)};
    sigset_t none;

    sigemptyset(&none);
    if (ppoll(fds, N_FDS, &timeout, &none) <= 0)
        return;
    if (!window_first(&l->window) || fds[FD_DAEMON].revents & POLLOUT)
        l->active_usec = clock_boot_usec();
    if (fds[FD_DAEMON].revents)
        read_answers(l);
    if (fds[FD_OUTPUT].revents)
        print_ids(l);
    if (fds[FD_INPUT].revents && l->stop == LINES_GO_ON)
        read_input(l);
}

static void run(struct lines *l)
{
    for (;;) {
        read_lines(l);
        lines_settle(l);
        if (is_done(l))
            return;
        lines_reconnect(l);
        do_round(l);
        look_at_time(l);
        lines_show_progress(l);
    }
}

/* ---- The rest of the input ---- */

static bool is_regular(int fd)
{
    struct stat st;

    return fstat(fd, &st) >= 0 && S_ISREG(st.st_mode);
}

/* Waits for input. After a signal the writer of a pipe may go on for ever: what it has written
 * until then is enough. Returns false when there is no more to read. */
static bool wait_for_rest(const struct lines *l, uint64_t *left)
{
    struct pollfd fd = {.fd = l->options->input_fd, .events = POLLIN};
    sigset_t none;
    int n = 0;

    sigemptyset(&none);
    while (!is_signalled && ppoll(&fd, 1, NULL, &none) < 0)
        if (errno != EINTR)
            return false;
    if (is_signalled && *left == UINT64_MAX && !is_regular(fd.fd))
        *left = ioctl(fd.fd, FIONREAD, &n) >= 0 && n > 0 ? (uint64_t)n : 0;
    return *left > 0;
}

/* Copies what was not read, or not sent, into the rest file. */
static void keep_rest(struct lines *l)
{
    uint64_t left = UINT64_MAX;
    struct line_piece piece;
    char *into;
    size_t room;
    ssize_t n = 1;

    if (l->rest.fd < 0)
        return;
    while (l->rest.error == 0) {
        if (line_reader_take_rest(&l->reader, &piece))
            rest_file_write(&l->rest, piece.number, piece.bytes, piece.size);
        if (n == 0 || l->reader.is_ended || l->stop == LINES_STOP_INPUT || l->rest.error < 0 ||
            !wait_for_rest(l, &left))
            return;
        if (line_reader_space(&l->reader, &into, &room) < 0) {
            rest_file_fail(&l->rest, l->reader.n_lines + !l->reader.is_in_line, -ENOMEM);
            return;
        }
        n = read(l->options->input_fd, into, MIN(room, left));
        if (n < 0 && errno != EINTR) {
            lines_say(l, "cannot read %s: %s", l->options->input_name, strerror(errno));
            lines_stop(l, LINES_STOP_INPUT);
            return;
        }
        n = MAX(n, 0);
        line_reader_add(&l->reader, (size_t)n);
        if (left != UINT64_MAX)
            left -= (uint64_t)n;
    }
}

/* ---- The whole ---- */

static int status_of(const struct lines *l, bool is_all_read)
{
    const struct lines_counts *c = &l->counts;

    if (l->rest.error < 0 || l->is_output_broken)
        return EX_IOERR;
    switch (l->stop) {
    case LINES_STOP_PROTOCOL:
        return EX_PROTOCOL;
    case LINES_STOP_SHORTAGE:
        return EX_OSERR;
    case LINES_STOP_INPUT:
        return EX_NOINPUT;
    default:
        break;
    }
    if (!is_all_read || c->retried > 0 || c->unknown > 0 || c->unsent > 0)
        return EX_TEMPFAIL;
    return c->refused > 0 ? EX_DATAERR : EX_OK;
}

static int work(struct lines *l)
{
    bool is_all_read;
    int status = EX_OK;

    catch_signals();
    if (l->options->rest_path) {
        int r = rest_file_open(&l->rest, l->options->rest_path, l->options->input_fd);

        if (r != 0)
            return lines_say_no_rest(l, r);
    }
    status = lines_connect(l);
    if (status == EX_OK)
        run(l);
    else
        lines_stop(l, LINES_STOP_UNREACHED);
    lines_say_stop(l); /* now: what follows lasts until the input ends */
    is_all_read = is_input_taken(l);
    if (!is_all_read)
        keep_rest(l);
    (void)rest_file_end(&l->rest);
    lines_say_summary(l);
    return status != EX_OK && l->rest.error == 0 ? status : status_of(l, is_all_read);
}

int lines_submit(const struct lines_options *options)
{
    struct lines l = {
        .options = options,
        .reader =
            LINE_READER_INIT(options->is_json ? SUBMISSION_LINE_MAX_BYTES : SQS_MESSAGE_MAX_BYTES),
        .pipeline = PIPELINE_INIT,
        .rest = REST_FILE_INIT,
        .line = BUFFER_INIT(SUBMISSION_LINE_MAX_BYTES + 1),
        .ids = BUFFER_INIT(LINES_IDS_BUFFER_BYTES),
        .begin_usec = clock_boot_usec(),
        .has_terminal = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO),
    };
    int status;

    l.active_usec = l.begin_usec;
    l.next_position = 1;
    window_init(&l.window);
    status = work(&l);
    pipeline_close(&l.pipeline);
    window_done(&l.window);
    line_reader_done(&l.reader);
    buffer_done(&l.line);
    buffer_done(&l.ids);
    return status;
}
