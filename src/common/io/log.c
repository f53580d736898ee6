/* See log.h. An entry is built whole before anything is written: for the journal as one datagram of
 * fields, for standard error as one write, so that lines of several processes do not mix. */
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The place in the source would always be this file. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "buffer.h"
#include "encode.h"

enum {
    IDENTIFIER_MAX_BYTES = 64,
    OWN_FIELDS = 4, /* MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, MESSAGE_ID */
    ENTRY_FIELDS_MAX = OWN_FIELDS + 2 * LOG_FIELDS_MAX,
    ENTRY_MAX_BYTES = ENTRY_FIELDS_MAX * (LOG_FIELD_MAX_BYTES + 128),
};

static const char cut_mark[] = "...";

static struct {
    char identifier[IDENTIFIER_MAX_BYTES + 1];
    bool to_journal;
    bool is_coloured;
    int level;
    enum log_colour colour;
    struct {
        const char *name;
        char *value;
    } common[LOG_FIELDS_MAX];
    size_t n_common;
    bool waits_at_exit;
    uint64_t journal_usec; /* boot clock: when the last entry went to the journal */
} state = {.level = LOG_INFO};

/* Whether standard error is the journal's own stream: then entries with fields can take its place.
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

static bool stderr_takes_colours(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && !is_set(getenv("NO_COLOR")) && !(term && streq(term, "dumb"));
}

void log_open(const char *identifier, enum config_log_target target, int level,
              enum log_colour colour)
{
    int saved_errno = errno;

    snprintf(state.identifier, sizeof(state.identifier), "%s", identifier);
    state.to_journal =
        target == CONFIG_LOG_JOURNAL || (target == CONFIG_LOG_AUTO && stderr_is_the_journal());
    state.is_coloured = stderr_takes_colours();
    state.level = level;
    state.colour = colour;
    errno = saved_errno;
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

/* Appends the text as one line: control characters, and bytes that are not UTF-8, as \n, \t or
 * \xHH. Backslashes stay as they are, for the text's parts may be escaped already. */
static void append_line(struct buffer *b, const char *text, size_t size, bool is_cut)
{
    size_t before = b->size;
    uint32_t c;

    for (size_t i = 0, n; i < size; i += n) {
        char escaped[4 * 4 + 1];
        const char *piece = escaped;
        size_t piece_size;

        n = utf8_decode(text + i, size - i, &c);
        /* A character that the cut has split is dropped. */
        if (n == 0 && is_cut && size - i < 4 && (unsigned char)text[i] >= 0xC2)
            break;
        if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0)) {
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

/* A value's size, cut between characters where it is too long. */
static size_t field_size(const char *value)
{
    size_t size = strlen(value);

    if (size <= LOG_FIELD_MAX_BYTES)
        return size;
    size = LOG_FIELD_MAX_BYTES;
    for (int i = 0; i < 3 && ((unsigned char)value[size] & 0xC0) == 0x80; i++)
        size--;
    return size;
}

/* ---- The journal ---- */

/* The fields' bytes, one after the other, and where each begins. */
struct entry {
    struct buffer bytes;
    size_t begin[ENTRY_FIELDS_MAX + 1];
    size_t n;
};

static void add_field(struct entry *e, const char *name, const char *value)
{
    if (!is_set(value) || e->n == ENTRY_FIELDS_MAX)
        return;
    e->begin[e->n++] = e->bytes.size;
    buffer_append_string(&e->bytes, name);
    buffer_append_char(&e->bytes, '=');
    buffer_append(&e->bytes, value, field_size(value));
}

static bool is_named(const char *name, const struct log_field *fields, size_t n_fields)
{
    for (size_t i = 0; i < n_fields; i++)
        if (streq(fields[i].name, name) && is_set(fields[i].value))
            return true;
    return false;
}

static uint64_t boot_usec(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

static void wait_for_journal(void)
{
    uint64_t until_usec = state.journal_usec + LOG_SETTLE_MSEC * USEC_PER_MSEC, now = boot_usec();

    if (now < until_usec)
        usleep((useconds_t)(until_usec - now));
}

static void note_journal_entry(void)
{
    state.journal_usec = boot_usec();
    if (!state.waits_at_exit)
        state.waits_at_exit = atexit(wait_for_journal) == 0;
}

static int write_to_journal(int priority, const char *message_id, const struct log_field *fields,
                            size_t n_fields, const char *line)
{
    struct entry e = {.bytes = BUFFER_INIT(ENTRY_MAX_BYTES)};
    struct iovec iov[ENTRY_FIELDS_MAX];
    int r = -ENOMEM;

    add_field(&e, "MESSAGE", line);
    add_field(&e, "PRIORITY", (char[]){(char)('0' + priority), '\0'});
    add_field(&e, "SYSLOG_IDENTIFIER", state.identifier);
    add_field(&e, "MESSAGE_ID", message_id);
    for (size_t i = 0; i < state.n_common; i++)
        if (!is_named(state.common[i].name, fields, n_fields))
            add_field(&e, state.common[i].name, state.common[i].value);
    for (size_t i = 0; i < n_fields; i++)
        add_field(&e, fields[i].name, fields[i].value);

    if (e.bytes.error == 0) {
        e.begin[e.n] = e.bytes.size;
        for (size_t i = 0; i < e.n; i++)
            iov[i] = (struct iovec){e.bytes.data + e.begin[i], e.begin[i + 1] - e.begin[i]};
        r = sd_journal_sendv(iov, (int)e.n);
        if (r >= 0)
            note_journal_entry();
    }
    buffer_done(&e.bytes);
    return r;
}

/* ---- Standard error ---- */

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

static void write_to_stderr(int priority, const char *line)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(LOG_LINE_MAX_BYTES + 64);
    const char *colour = colour_of(priority);

    buffer_append_string(&b, colour);
    buffer_append_string(&b, line);
    buffer_append_string(&b, colour[0] != '\0' ? "\x1b[0m\n" : "\n");
    if (b.error < 0)
        return;
    for (size_t at = 0; at < b.size;) {
        ssize_t n = TEMP_FAILURE_RETRY(write(STDERR_FILENO, b.data + at, b.size - at));

        if (n <= 0)
            return;
        at += (size_t)n;
    }
}

void log_write(int priority, const char *message_id, const struct log_field *fields,
               size_t n_fields, const char *format, ...)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(LOG_LINE_MAX_BYTES + sizeof(cut_mark));
    char text[LOG_LINE_MAX_BYTES + 1];
    int saved_errno = errno, n;
    va_list ap;

    assert(priority >= LOG_EMERG && priority <= LOG_DEBUG && n_fields <= LOG_FIELDS_MAX);
    if (!log_enabled(priority))
        return;

    va_start(ap, format);
    n = vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    if (n >= 0) {
        append_line(&line, text, strlen(text), (size_t)n >= sizeof(text));
        if (!state.to_journal ||
            write_to_journal(priority, message_id, fields, n_fields, buffer_string(&line)) < 0)
            write_to_stderr(priority, buffer_string(&line));
    }
    errno = saved_errno;
}
