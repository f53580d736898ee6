/* See credentials-process.h. Read the files, split the line, run the program, read what it printed.
 * The files are read anew at each fetch, as those with keys are. */
#include "credentials-process.h"

#include <errno.h>

#include "aws-files.h"
#include "child.h"
#include "command-line.h"
#include "credentials-json.h"
#include "encode.h"
#include "wall-clock.h"

enum {
    ERRORS_MAX_BYTES = 4096,
    ERRORS_SHOWN_BYTES = 200,
    NAME_SHOWN_BYTES = 200,
    TEXT_MAX_BYTES = 8192,
};

struct process_provider {
    struct credentials_provider head;
    sd_event *event;
    char *profile; /* as set; NULL: from the environment */
    uint64_t timeout_usec;

    /* Of the fetch on its way. */
    struct child *child;
    struct buffer subject; /* "profile work: credential_process get-keys" */
    credentials_provider_done_fn done;
    void *userdata;
};

static void fail(struct process_provider *p, enum credentials_outcome outcome,
                 const struct buffer *text)
{
    p->done(p->userdata, outcome, NULL, text->size > 0 ? buffer_string(text) : "out of memory");
}

/* Appends the first line of standard error that has something on it. */
static void append_first_line(struct buffer *text, const char *errors, size_t size)
{
    const char *end;

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

/* Reads what a program printed that ended well. */
static void on_output(struct process_provider *p, const struct child_result *result,
                      struct buffer *text)
{
    CLEANUP(credentials_json_done) struct credentials_json json = {.expiry_usec = USEC_INFINITY};
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;
    CLEANUP(free) char *error = NULL;
    int r = credentials_json_parse(CREDENTIALS_JSON_PROCESS, result->output, result->output_bytes,
                                   &json, &error);

    if (r > 0) {
        buffer_printf(text, "ended well, but what it printed %s", error);
        append_first_line(text, result->errors, result->errors_bytes);
    } else if (r == 0 && json.expiry_usec <= wall_clock_usec()) {
        buffer_append_string(text, "gave keys that have expired already: look at what it keeps "
                                   "them in, and at this machine's clock");
    } else if (r == 0) {
        r = aws_credentials_new(json.access_key_id, json.secret_access_key, json.session_token,
                                buffer_string(&p->subject), json.expiry_usec, &c);
        if (r == 0) {
            p->done(p->userdata, CREDENTIALS_FOUND, c, NULL);
            return;
        }
    }
    if (r < 0)
        buffer_printf(text, "was run, but its output could not be read: %s", strerror(-r));
    fail(p, CREDENTIALS_FAILED, text);
}

static void on_end(void *userdata, const struct child_result *result)
{
    struct process_provider *p = userdata;
    enum credentials_outcome outcome = CREDENTIALS_FAILED;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TEXT_MAX_BYTES);

    p->child = NULL;
    buffer_printf(&text, "%s ", buffer_string(&p->subject));
    switch (result->end) {
    case CHILD_EXITED:
        if (result->status == 0) {
            on_output(p, result, &text);
            return;
        }
        buffer_printf(&text, "ended with exit status %d", result->status);
        break;
    case CHILD_KILLED:
        buffer_printf(&text, "was ended by signal %d (%s)", result->status,
                      strsignal(result->status));
        break;
    case CHILD_TIMED_OUT:
        /* What it waits for is not there yet, most likely. */
        outcome = CREDENTIALS_UNREACHABLE;
        buffer_printf(&text, "did not end within %g s and was killed",
                      (double)p->timeout_usec / (double)USEC_PER_SEC);
        break;
    case CHILD_TOO_MUCH_OUTPUT:
        buffer_printf(&text, "printed more than %d bytes and was killed",
                      CREDENTIALS_JSON_MAX_BYTES);
        break;
    case CHILD_LOST:
        buffer_append_string(&text, "was run, but how it ended cannot be told");
        break;
    }
    append_first_line(&text, result->errors, result->errors_bytes);
    fail(p, outcome, &text);
}

/* Runs the program. 0 or -ENOMEM; a program that cannot be run is an answer. */
static int start(struct process_provider *p, const char *profile, const char *command)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TEXT_MAX_BYTES);
    CLEANUP(command_line_free) char **words = NULL;
    CLEANUP(free) char *error = NULL;
    struct child_options options = {
        .output_max_bytes = CREDENTIALS_JSON_MAX_BYTES,
        .errors_max_bytes = ERRORS_MAX_BYTES,
        .timeout_usec = p->timeout_usec,
    };
    int r = command_line_split(command, &words, &error);

    buffer_reset(&p->subject);
    buffer_append_string(&p->subject, "profile ");
    escape_for_log(&p->subject, profile, strlen(profile), NAME_SHOWN_BYTES);
    buffer_append_string(&p->subject, ": credential_process");
    if (r == 0) {
        buffer_append_char(&p->subject, ' ');
        escape_for_log(&p->subject, words[0], strlen(words[0]), NAME_SHOWN_BYTES);
    }
    if (r < 0 || p->subject.error < 0)
        return -ENOMEM;
    if (r > 0) {
        buffer_printf(&text, "%s %s", buffer_string(&p->subject), error);
        fail(p, CREDENTIALS_FAILED, &text);
        return 0;
    }
    options.argv = words;
    r = child_start(p->event, &options, on_end, p, &p->child);
    if (r < 0) {
        buffer_printf(&text, "%s cannot be run: %s%s", buffer_string(&p->subject), strerror(-r),
                      r == -ENOENT ? " (is it installed, with its interpreter, and its folder in "
                                     "PATH? There is no shell, so ~ and variables are not "
                                     "replaced)"
                      : r == -ENOEXEC ? " (a script needs a first line such as #!/bin/sh)"
                                      : "");
        fail(p, CREDENTIALS_FAILED, &text);
    }
    return 0;
}

static int fetch(struct credentials_provider *provider, credentials_provider_done_fn done,
                 void *userdata)
{
    struct process_provider *p = (struct process_provider *)provider;
    const char *profile = aws_profile_name(p->profile);
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TEXT_MAX_BYTES);
    CLEANUP(free) char *error = NULL;
    const char *command;
    int r = aws_files_read(&profiles, &text, &error);

    if (r < 0)
        return r;
    if (r > 0) {
        done(userdata, CREDENTIALS_FAILED, NULL, error);
        return 0;
    }
    command = aws_profiles_get(profiles, profile, "credential_process", NULL);
    if (!is_set(command)) {
        buffer_reset(&text);
        buffer_append_string(&text, "profile ");
        escape_for_log(&text, profile, strlen(profile), NAME_SHOWN_BYTES);
        buffer_append_string(&text, " has no credential_process");
        done(userdata, CREDENTIALS_NOT_SET_UP, NULL, buffer_string(&text));
        return 0;
    }
    p->done = done;
    p->userdata = userdata;
    return start(p, profile, command);
}

static void provider_free(struct credentials_provider *provider)
{
    struct process_provider *p = (struct process_provider *)provider;

    p->child = child_cancel(p->child);
    buffer_done(&p->subject);
    free(p->profile);
    free(p);
}

static const struct credentials_provider_ops ops = {.fetch = fetch, .free = provider_free};

int credentials_process_new(sd_event *event, const char *profile, uint64_t timeout_usec,
                            struct credentials_provider **ret)
{
    struct process_provider *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->head.ops = &ops;
    p->head.name = "credential_process";
    p->event = event;
    p->timeout_usec = timeout_usec;
    p->subject = BUFFER_INIT(TEXT_MAX_BYTES);
    if (is_set(profile)) {
        p->profile = strdup(profile);
        if (!p->profile) {
            free(p);
            return -ENOMEM;
        }
    }
    *ret = &p->head;
    return 0;
}
