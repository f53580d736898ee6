/* SPDX-License-Identifier: MIT */
/* A fetch reads the shared files, splits the command line into words, runs the program and reads
 * its output. */
#include "aws/credentials-process.h"

#include <errno.h>

#include "util/child.h"
#include "util/shell-words.h"
#include "util/encode.h"

enum {
    ERRORS_MAX_BYTES = 4096,
    ERRORS_SHOWN_BYTES = 200,
    WORD_SHOWN_BYTES = 200, /* of the program's name */
};

/* The output of a program. Only as much of its standard error is kept as is shown. */
struct printed {
    struct buffer output, errors;
};

#define PRINTED_INIT                                                                               \
    ((struct printed){.output = BUFFER_INIT(CREDENTIALS_JSON_MAX_BYTES),                           \
                      .errors = BUFFER_INIT(ERRORS_MAX_BYTES)})

static void printed_done(struct printed *printed)
{
    buffer_done(&printed->output);
    buffer_done(&printed->errors);
}

static void printed_done_cleanup(struct printed *printed)
{
    printed_done(printed);
}

struct process_provider {
    struct credentials_provider head;
    sd_event *event;
    uint64_t timeout_usec;

    /* State of the current fetch. */
    struct child *child;
    struct buffer subject; /* "profile work: credential_process get-keys" */
    struct printed printed;
};

static void fail(struct process_provider *p, enum credentials_outcome outcome,
                 const struct buffer *text)
{
    credentials_provider_fail(&p->head, outcome, buffer_string(text));
}

/* Appends the first line of standard error that is not empty. */
static void append_first_line(struct buffer *text, const struct buffer *said)
{
    const char *errors = buffer_string(said), *end;
    size_t size = said->size;

    while (size > 0 && (*errors == '\n' || *errors == '\r' || *errors == ' ')) {
        errors++;
        size--;
    }
    end = memchr(errors, '\n', size);
    if (end)
        size = (size_t)(end - errors);
    while (size > 0 && (errors[size - 1] == '\r' || errors[size - 1] == ' '))
        size--;
    if (size == 0)
        return;
    buffer_append_string(text, "; it says: ");
    escape_for_log(text, errors, size, ERRORS_SHOWN_BYTES);
}

/* Reads the output of a program that succeeded. */
static void read_output(struct process_provider *p, const struct printed *printed,
                        struct buffer *text)
{
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;
    CLEANUP(free) char *error = NULL;
    int r = credentials_provider_read_json(CREDENTIALS_JSON_PROCESS,
                                           buffer_string(&printed->output), printed->output.size,
                                           buffer_string(&p->subject), &c, &error);

    if (r == 0) {
        credentials_provider_found(&p->head, c);
        return;
    }
    if (r > 0) {
        buffer_printf(text, "succeeded, but its output %s", error);
        append_first_line(text, &printed->errors);
    }
    if (r < 0)
        buffer_printf(text, "was run, but its output could not be read: %s", strerror(-r));
    fail(p, r < 0 ? credentials_outcome_of_errno(r) : CREDENTIALS_FAILED, text);
}

/* Keeps the output, up to the size that is read later. */
static bool on_output(void *userdata, enum child_stream stream, const char *bytes, size_t size)
{
    struct printed *printed = &((struct process_provider *)userdata)->printed;

    if (stream == CHILD_OUTPUT)
        return buffer_append(&printed->output, bytes, size) == 0;
    (void)buffer_append(&printed->errors, bytes,
                        MIN(size, printed->errors.max - printed->errors.size));
    return true;
}

/* Appends how a program failed. */
static void append_end(struct buffer *text, const struct process_provider *p,
                       const struct printed *printed, enum child_end end, int status)
{
    switch (end) {
    case CHILD_EXITED:
        buffer_printf(text, "ended with exit status %d", status);
        break;
    case CHILD_KILLED:
        buffer_printf(text, "was ended by signal %d (%s)", status, strsignal(status));
        break;
    case CHILD_TIMED_OUT:
        buffer_printf(text, "did not end within %g s and was killed",
                      (double)p->timeout_usec / (double)USEC_PER_SEC);
        break;
    case CHILD_TOO_MUCH_OUTPUT:
        if (printed->output.error == -ENOMEM)
            buffer_append_string(text, "was run, but there is no memory for its output");
        else
            buffer_printf(text, "printed more than %d bytes and was killed",
                          CREDENTIALS_JSON_MAX_BYTES);
        break;
    case CHILD_TERMINATED: /* this file never asks for it */
    case CHILD_LOST:
        buffer_append_string(text, "was run, but its exit status is not known");
        break;
    }
}

/* The outcome after a failed program. If it took too long or its end is not known, a later try may
 * succeed. If this machine was short of memory, that is not the program's fault. */
static enum credentials_outcome outcome_of_end(enum child_end end, const struct printed *printed)
{
    switch (end) {
    case CHILD_TIMED_OUT:
    case CHILD_LOST:
        return CREDENTIALS_UNREACHABLE;
    case CHILD_TOO_MUCH_OUTPUT:
        return printed->output.error == -ENOMEM ? CREDENTIALS_SHORTAGE : CREDENTIALS_FAILED;
    case CHILD_EXITED:
    case CHILD_KILLED:
    case CHILD_TERMINATED:
        break;
    }
    return CREDENTIALS_FAILED;
}

static void on_end(void *userdata, enum child_end end, int status)
{
    struct process_provider *p = userdata;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    CLEANUP(printed_done) struct printed printed = p->printed;

    p->child = NULL;
    p->printed = PRINTED_INIT;
    buffer_printf(&text, "%s ", buffer_string(&p->subject));
    if (end == CHILD_EXITED && status == 0) {
        read_output(p, &printed, &text);
    } else {
        append_end(&text, p, &printed, end, status);
        append_first_line(&text, &printed.errors);
        fail(p, outcome_of_end(end, &printed), &text);
    }
}

/* Runs the program. 0 or -ENOMEM. If the program cannot be run, that is the provider's answer. */
static int run(struct process_provider *p, const char *profile, const char *command)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    CLEANUP(shell_words_free) char **words = NULL;
    CLEANUP(free) char *error = NULL;
    struct child_options options = {
        .timeout_usec = p->timeout_usec,
        .output = on_output,
        .done = on_end,
        .userdata = p,
    };
    int r = shell_words_split(command, &words, &error);

    buffer_reset(&p->subject);
    credentials_append_profile(&p->subject, profile);
    buffer_append_string(&p->subject, ": credential_process");
    if (r == 0) {
        buffer_append_char(&p->subject, ' ');
        escape_for_log(&p->subject, words[0], strlen(words[0]), WORD_SHOWN_BYTES);
    }
    if (r < 0 || p->subject.error < 0)
        return -ENOMEM;
    if (r > 0) {
        buffer_printf(&text, "%s %s", buffer_string(&p->subject), error);
        fail(p, CREDENTIALS_FAILED, &text);
        return 0;
    }
    options.program.argv = words;
    r = child_start(p->event, &options, &p->child);
    if (r < 0) {
        buffer_printf(&text, "%s cannot be run: %s%s", buffer_string(&p->subject), strerror(-r),
                      r == -ENOENT ? " (is it installed, with its interpreter, and its folder in "
                                     "PATH? There is no shell, so ~ and variables are not "
                                     "replaced)"
                      : r == -ENOEXEC ? " (a script needs a first line such as #!/bin/sh)"
                                      : "");
        fail(p, errno_is_transient(r) ? CREDENTIALS_SHORTAGE : CREDENTIALS_FAILED, &text);
    }
    return 0;
}

static int start(struct credentials_provider *provider)
{
    const char *profile = credentials_provider_profile(provider), *command;
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    int r = credentials_provider_read_files(provider, &profiles, NULL);

    if (r != 0)
        return r;
    command = aws_profiles_get(profiles, profile, "credential_process", NULL);
    if (is_set(command))
        return run((struct process_provider *)provider, profile, command);
    credentials_provider_lacks(provider, "credential_process");
    return 0;
}

static void stop(struct credentials_provider *provider)
{
    struct process_provider *p = (struct process_provider *)provider;

    p->child = child_cancel(p->child);
    printed_done(&p->printed);
    p->printed = PRINTED_INIT;
}

static void process_free(struct credentials_provider *provider)
{
    buffer_done(&((struct process_provider *)provider)->subject);
}

static const struct credentials_provider_ops ops = {
    .start = start,
    .stop = stop,
    .free = process_free,
};

int credentials_process_new(sd_event *event, const char *profile, uint64_t timeout_usec,
                            struct credentials_provider **ret)
{
    struct credentials_provider *provider;
    struct process_provider *p;
    int r = credentials_provider_new(sizeof(*p), &ops, "credential_process", profile, &provider);

    if (r < 0)
        return r;
    p = (struct process_provider *)provider;
    p->event = event;
    p->timeout_usec = timeout_usec;
    p->subject = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    p->printed = PRINTED_INIT;
    *ret = provider;
    return 0;
}
