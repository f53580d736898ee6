/* SPDX-License-Identifier: MIT */
/* The front of the log: it makes an entry of each line (log-entry.h), and writes it or, while there
 * is a thread for that, leaves it to the thread (log-writer.h). */
#include "util/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/clock.h"
#include "util/encode.h"
#include "util/log-entry.h"
#include "util/log-writer.h"

enum { IDENTIFIER_MAX_BYTES = 96 };

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static const char cut_mark[] = "...";

static struct {
    char identifier[IDENTIFIER_MAX_BYTES + 1];
    bool to_journal;
    bool is_coloured;
    bool is_json; /* on standard error */
    int level;
    enum log_colour colour;
    struct {
        const char *name;
        char *value;
    } common[LOG_FIELDS_MAX];
    size_t n_common;
    bool waits_at_exit;
    struct log_writer *writer; /* NULL: entries are written at once */
    bool is_stuck;          /* the thread was left behind in a write; no more lines are written */
    log_resumed_fn resumed; /* NULL: none */
    void *resumed_userdata;
} state = {.level = LOG_INFO};

/* Whether standard error is connected to the journal, so that entries with fields can replace it.
 * systemd.exec(5), $JOURNAL_STREAM: "device:inode". */
static bool stderr_is_the_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;
    int end = 0;

    if (!stream || sscanf(stream, "%20llu:%20llu%n", &device, &inode, &end) != 2 ||
        stream[end] != '\0')
        return false;
    return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/* Without its socket, sd_journal_sendv reports success and writes nothing. */
static bool is_journal_there(void)
{
    return access(JOURNAL_SOCKET, F_OK) == 0 || errno != ENOENT;
}

static bool stderr_takes_colours(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && !is_set(getenv("NO_COLOR")) && !(term && streq(term, "dumb"));
}

/* Called by exit(). LOG_EXIT_DELAY_MSEC explains the delay. */
static void wait_for_journal(void)
{
    uint64_t until_usec, now = clock_boot_usec();

    log_stop_thread();
    until_usec = log_entry_journal_usec() + LOG_EXIT_DELAY_MSEC * USEC_PER_MSEC;
    if (log_entry_journal_usec() > 0 && now < until_usec)
        usleep((useconds_t)(until_usec - now));
}

void log_open(const char *identifier, enum log_target target, int level, enum log_colour colour)
{
    int saved_errno = errno;

    snprintf(state.identifier, sizeof(state.identifier), "%s", identifier);
    state.to_journal =
        (target == LOG_TARGET_JOURNAL || (target == LOG_TARGET_AUTO && stderr_is_the_journal())) &&
        is_journal_there();
    state.is_coloured = stderr_takes_colours();
    state.level = level;
    state.colour = colour;
    if (!state.waits_at_exit)
        state.waits_at_exit = atexit(wait_for_journal) == 0;
    if (target == LOG_TARGET_JOURNAL && !state.to_journal)
        log_warning("There is no journal here (" JOURNAL_SOCKET " does not exist): log lines go to "
                    "standard error.");
    errno = saved_errno;
}

void log_set_level(int level)
{
    state.level = level;
}

void log_set_format(enum log_format format)
{
    state.is_json = format == LOG_FORMAT_JSON;
}

void log_set_common_field(const char *name, const char *value)
{
    int saved_errno = errno;
    char *copy = is_set(value) ? strdup(value) : NULL;
    size_t i = 0;

    while (i < state.n_common && !streq(state.common[i].name, name))
        i++;
    if (i < state.n_common) {
        free(state.common[i].value);
        state.common[i].value = copy;
        if (!copy)
            state.common[i] = state.common[--state.n_common];
    } else if (copy) {
        assert(state.n_common < LOG_FIELDS_MAX);
        state.common[state.n_common].name = name;
        state.common[state.n_common++].value = copy;
    }
    errno = saved_errno;
}

bool log_enabled(int priority)
{
    return priority <= state.level;
}

/* Appends the text as one line. Characters that are not safe in a line, and bytes that are not
 * UTF-8, are written as \n, \t or \xHH. Backslashes stay unchanged, because parts of the text may
 * already be escaped. */
static void append_line(struct buffer *b, const char *text, size_t size, bool is_cut)
{
    size_t before = b->size;
    uint32_t c;

    for (size_t i = 0, n; i < size; i += n) {
        char escaped[4 * 4 + 1];
        const char *piece = escaped;
        size_t piece_size;

        n = utf8_decode(text + i, size - i, &c);
        /* An incomplete character before the cut is dropped. */
        if (n == 0 && is_cut && size - i < 4 && (unsigned char)text[i] >= 0xC2)
            break;
        if (n == 0 || !is_safe_in_line(c)) {
            n = MAX(n, (size_t)1);
            piece_size = 0;
            for (size_t k = 0; k < n; k++)
                piece_size += (size_t)snprintf(escaped + piece_size, sizeof(escaped) - piece_size,
                                               "\\x%02x", (unsigned char)text[i + k]);
            if (text[i] == '\n' || text[i] == '\t')
                piece_size = (size_t)snprintf(escaped, sizeof(escaped), "%s",
                                              text[i] == '\n' ? "\\n" : "\\t");
        } else {
            piece = text + i;
            piece_size = n;
        }
        if (b->size - before + piece_size > LOG_LINE_MAX_BYTES) {
            is_cut = true;
            break;
        }
        buffer_append(b, piece, piece_size);
    }
    if (is_cut)
        buffer_append_string(b, cut_mark);
}

/* ---- Entries ---- */

static bool is_named(const char *name, const struct log_field *fields, size_t n_fields)
{
    for (size_t i = 0; i < n_fields; i++)
        if (streq(fields[i].name, name) && is_set(fields[i].value))
            return true;
    return false;
}

static const char *colour_of(int priority)
{
    if (!state.is_coloured)
        return "";
    if (priority <= LOG_ERR)
        return "\x1b[31m";
    switch (state.colour) {
    case LOG_COLOUR_YELLOW:
        return priority <= LOG_WARNING ? "\x1b[1;33m" : "\x1b[33m";
    case LOG_COLOUR_GREEN:
        return priority <= LOG_WARNING ? "\x1b[1;32m" : "\x1b[32m";
    default:
        return priority <= LOG_WARNING ? "\x1b[1m" : "";
    }
}

static void set_fields(struct log_entry *entry, const char *message_id,
                       const struct log_field *fields, size_t n_fields, const char *line)
{
    char now[24];

    if (entry->is_json) {
        snprintf(now, sizeof(now), "%" PRIu64, clock_wall_usec());
        log_entry_add_field(entry, "__REALTIME_TIMESTAMP", now);
    }
    /* An empty text gives no MESSAGE. If the journal refuses the entry, no line replaces it. */
    log_entry_add_field(entry, "MESSAGE", line);
    log_entry_add_field(entry, "PRIORITY", (char[]){(char)('0' + entry->priority), '\0'});
    log_entry_add_field(entry, "SYSLOG_IDENTIFIER", state.identifier);
    log_entry_add_field(entry, "MESSAGE_ID", message_id);
    for (size_t i = 0; i < state.n_common; i++)
        if (!is_named(state.common[i].name, fields, n_fields))
            log_entry_add_field(entry, state.common[i].name, state.common[i].value);
    for (size_t i = 0; i < n_fields; i++)
        log_entry_add_field(entry, fields[i].name, fields[i].value);
    log_entry_end_fields(entry);
}

/* NULL: no memory. */
PRINTF_FORMAT(6, 0)
static struct log_entry *make_entry(int priority, bool needs_fields, const char *message_id,
                                    const struct log_field *fields, size_t n_fields,
                                    const char *format, va_list ap)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(LOG_LINE_MAX_BYTES + sizeof(cut_mark));
    CLEANUP(log_entry_free) struct log_entry *entry = log_entry_new(priority, state.to_journal);
    char text[LOG_LINE_MAX_BYTES + 1];
    const char *colour;
    int n = vsnprintf(text, sizeof(text), format, ap);

    if (n < 0 || !entry)
        return NULL;
    append_line(&line, text, strlen(text), (size_t)n >= sizeof(text));
    entry->needs_fields = needs_fields;
    entry->is_json = (state.is_json || needs_fields) && !state.to_journal;
    if (entry->to_journal || entry->is_json) {
        set_fields(entry, message_id, fields, n_fields, buffer_string(&line));
    } else {
        colour = colour_of(priority);
        log_entry_set_line(entry, colour, buffer_string(&line), colour[0] ? "\x1b[0m" : "");
    }
    return line.error < 0 || entry->bytes.error < 0 ? NULL : TAKE(entry);
}

/* ---- Writing ---- */

void log_write(int priority, const char *message_id, const struct log_field *fields,
               size_t n_fields, const char *format, ...)
{
    CLEANUP(log_entry_free) struct log_entry *entry = NULL;
    int saved_errno = errno;
    va_list ap;

    assert(priority >= LOG_EMERG && priority <= LOG_DEBUG && n_fields <= LOG_FIELDS_MAX);
    if (!log_enabled(priority) || state.is_stuck)
        return;
    va_start(ap, format);
    entry = make_entry(priority, false, message_id, fields, n_fields, format, ap);
    va_end(ap);
    if (entry && state.writer)
        log_writer_add(state.writer, TAKE(entry));
    else if (entry)
        (void)log_entry_write(entry);
    errno = saved_errno;
}

int log_write_message(const struct log_completion *completion, struct log_pending **ret,
                      int priority, const char *message_id, const struct log_field *fields,
                      size_t n_fields, const char *format, ...)
{
    CLEANUP(log_entry_free) struct log_entry *entry = NULL;
    int saved_errno = errno, r = LOG_PENDING;
    va_list ap;

    assert(priority >= LOG_EMERG && priority <= LOG_DEBUG && n_fields <= LOG_FIELDS_MAX);
    if (!log_enabled(priority))
        return 0;
    va_start(ap, format);
    entry =
        make_entry(priority, completion->needs_fields, message_id, fields, n_fields, format, ap);
    va_end(ap);
    if (!entry) {
        r = -ENOMEM;
    } else if (!state.writer) {
        r = state.is_stuck ? -EAGAIN : log_entry_write(entry);
    } else {
        entry->carries_message = true;
        entry->written = completion->written;
        entry->userdata = completion->userdata;
        *ret = (struct log_pending *)entry;
        log_writer_add(state.writer, TAKE(entry));
    }
    errno = saved_errno;
    return r;
}

struct log_pending *log_pending_cancel(struct log_pending *receipt)
{
    if (receipt)
        ((struct log_entry *)receipt)->written = NULL;
    return NULL;
}

/* ---- The thread ---- */

static void say_dropped(uint64_t n)
{
    if (n > 0)
        log_warning("%" PRIu64 " log line%s dropped, because the log accepted none for a while.", n,
                    n == 1 ? " was" : "s were");
}

static void on_resumed(uint64_t n_dropped)
{
    say_dropped(n_dropped);
    if (state.resumed)
        state.resumed(state.resumed_userdata);
}

int log_start_thread(sd_event *event)
{
    assert(!state.writer);
    return log_writer_new(event, LOG_QUEUE_MAX_BYTES, on_resumed, &state.writer);
}

void log_stop_thread(void)
{
    if (!state.writer)
        return;
    if (log_writer_flush(state.writer, LOG_FLUSH_MAX_USEC)) {
        say_dropped(log_writer_take_dropped(state.writer));
        log_writer_flush(state.writer, LOG_FLUSH_MAX_USEC);
    }
    state.is_stuck = !log_writer_stop(state.writer);
    state.writer = NULL;
}

uint64_t log_count_dropped(void)
{
    return state.writer ? log_writer_count_dropped(state.writer) : 0;
}

bool log_is_congested(void)
{
    return state.writer && log_writer_is_congested(state.writer);
}

void log_on_resume(log_resumed_fn resumed, void *userdata)
{
    state.resumed = resumed;
    state.resumed_userdata = userdata;
}
