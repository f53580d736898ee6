/* SPDX-License-Identifier: MIT */
/* A submission needs only the socket's path from the configuration, which the user may not be able
 * to read; then the default path is used. The daemon decides whether a message is valid. Only text
 * that cannot be written as JSON is refused here. */
#include "producerd/submit/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "daemon/config-load.h"
#include "daemon/command-output.h"
#include "daemon/instance.h"
#include "producerd/submit/arguments.h"
#include "producerd/submit/client.h"
#include "producerd/submit/lines.h"
#include "producerd/submit/offline.h"
#include "producerd/submit/shortage.h"
#include "util/encode.h"
#include "util/file.h"

enum {
    READ_BYTES = 65536,
    SHOWN_BYTES = 200,              /* of a text in an error */
    LINE_BYTES = 8192,              /* of a command, and of an error */
    LISTED_BYTES = 4 * 1024 * 1024, /* printed at once; one page more is possible */
    LISTED_PAGE_BYTES = 5 * SUBMISSION_REPLY_MAX_BYTES, /* escaped */
};

/* ---- The configuration ---- */

/* Reads the configuration; *ret is NULL if it is not known. The caller frees it. The default files
 * may be missing, unreadable or in the middle of an edit: a submission still works. A file that the
 * command line names must be good. After a shortage nobody knows which socket is meant. */
static int read_config(const struct submit_call *call, struct config **ret)
{
    CLEANUP(config_sources_done)
    struct config_sources sources = {
        .instance = call->instance,
        .files = {call->config_path},
        .n_files = call->config_path ? 1 : 0,
        .needs_no_queue = call->action == SUBMIT_MESSAGE,
    };
    CLEANUP(free) char *error = NULL;
    int r = config_load(&sources, ret, NULL, &error);
    bool is_fatal = r < 0 || (r > 0 && call->config_path);

    if (r == CONFIG_E_INVALID || is_fatal)
        fprintf(stderr, "%s: %s%s%s\n", call->program->name, error ? error : strerror(-r),
                is_fatal ? "" : "; using the default, ",
                is_fatal ? "" : instance_submit_socket(call->instance).text);
    if (!is_fatal)
        return EX_OK;
    return r > 0 ? EX_CONFIG : EX_OSERR;
}

/* ---- Submitting ---- */

static int cannot_read(const struct submit_call *call, int error)
{
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(LINE_BYTES);
    const char *name = call->file ? call->file : "standard input";

    escape_for_log(&shown, name, strlen(name), SHOWN_BYTES);
    fprintf(stderr, "%s: cannot read %s: %s\n", call->program->name, buffer_string(&shown),
            strerror(error));
    return EX_NOINPUT;
}

static int read_all(const struct submit_call *call, int fd, struct buffer *body)
{
    for (;;) {
        ssize_t n;

        if (buffer_reserve(body, READ_BYTES) < 0)
            return submit_shortage(call->program->name, body->error);
        n = read(fd, body->data + body->size, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot_read(call, errno);
        if (n == 0)
            return EX_OK;
        body->size += (size_t)n;
        body->data[body->size] = '\0';
        if (body->size > SQS_MESSAGE_MAX_BYTES) {
            fprintf(stderr, "%s: body: larger than %d bytes, which is the most that SQS takes\n",
                    call->program->name, SQS_MESSAGE_MAX_BYTES);
            return EX_DATAERR;
        }
    }
}

/* Returns the file's descriptor, or -1 after a line on standard error. */
static int open_file(const struct submit_call *call)
{
    int fd = STDIN_FILENO;

    if (call->file) {
        fd = open(call->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
            (void)cannot_read(call, errno);
    } else if (isatty(STDIN_FILENO)) {
        fprintf(stderr, "%s: reading %s from the terminal; Ctrl-D on a new line ends %s\n",
                call->program->name, call->form == SUBMIT_WHOLE ? "the message" : "lines",
                call->form == SUBMIT_WHOLE ? "it" : "them");
    }
    return fd;
}

static void close_file(const struct submit_call *call, int fd)
{
    if (call->file)
        close(fd);
}

static int read_body(const struct submit_call *call, struct buffer *body)
{
    int fd = open_file(call), status;

    if (fd < 0)
        return EX_NOINPUT;
    status = read_all(call, fd, body);
    close_file(call, fd);
    return status;
}

static bool is_utf8(const struct submit_call *call, const char *field, const char *text,
                    size_t size)
{
    size_t i = utf8_valid_bytes(text, size);

    if (i == size)
        return true;
    fprintf(stderr,
            "%s: %s: byte %zu (0x%02x) does not belong to UTF-8 text, which SQS requires%s\n",
            call->program->name, field, i + 1, (unsigned char)text[i],
            streq(field, "body") ? ": encode it, for example with base64" : "");
    return false;
}

static bool is_string_utf8(const struct submit_call *call, const char *field, const char *text)
{
    return !text || is_utf8(call, field, text, strlen(text));
}

/* Checks everything that goes into the line as text, but the body. */
static bool is_text_but_body(const struct submit_call *call)
{
    const struct sqs_message *message = &call->message;

    for (size_t i = 0; i < message->n_attributes; i++) {
        const struct sqs_attribute *attribute = &call->attributes[i];

        if (!is_string_utf8(call, "the name of an attribute", attribute->name) ||
            !is_string_utf8(call, "the type of an attribute", attribute->data_type) ||
            (!attribute->is_binary &&
             !is_utf8(call, "the value of an attribute", attribute->value, attribute->value_bytes)))
            return false;
    }
    return is_string_utf8(call, "group", message->group_id) &&
           is_string_utf8(call, "deduplication id", message->deduplication_id);
}

/* ---- The daemon's answers ---- */

static int refused(const struct submit_call *call, const struct submission_reply *reply)
{
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(SUBMISSION_REPLY_MAX_BYTES);

    escape_for_log(&shown, reply->error, strlen(reply->error), LINE_BYTES);
    fprintf(stderr, "%s: %s: %s\n", call->program->name,
            reply->is_temporary ? "not accepted now" : "refused", buffer_string(&shown));
    return reply->is_temporary ? EX_TEMPFAIL : EX_DATAERR;
}

/* Who answers: the daemon at its socket, or the spool's file. */
struct peer {
    const struct submit_daemon *daemon; /* NULL: the file */
    int fd;
    struct submit_offline *offline; /* NULL: the socket */
};

/* Returns EX_OK with a good reply, or the exit status. */
static int ask(const struct submit_call *call, struct peer peer, const struct buffer *line,
               struct submission_reply **ret)
{
    int status;

    if (line->error < 0) {
        fprintf(stderr, "%s: cannot build the message: %s\n", call->program->name,
                strerror(-line->error));
        return line->error == -E2BIG ? EX_DATAERR : EX_OSERR;
    }
    status = peer.offline ? submit_offline_ask(peer.offline, line, ret)
                          : submit_ask(peer.daemon, peer.fd, line, ret);
    return status == EX_OK && !(*ret)->is_ok ? refused(call, *ret) : status;
}

static int submit(struct submit_call *call, struct peer peer)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(SUBMISSION_LINE_MAX_BYTES + 1);
    CLEANUP(submission_reply_free) struct submission_reply *reply = NULL;
    char id[128];
    int status;

    submission_write(&line, &call->message);
    status = ask(call, peer, &line, &reply);
    if (status != EX_OK)
        return status;
    snprintf(id, sizeof(id), "%s\n", reply->id ? reply->id : "?");
    return command_print(id);
}

/* ---- Rejected messages ---- */

static int append_rejected(const struct submit_call *call, struct buffer *list,
                           const struct rejected_message *message)
{
    time_t when = (time_t)(message->rejected_usec / USEC_PER_SEC);
    char text[32] = "-";
    struct tm tm;

    if (gmtime_r(&when, &tm))
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    escape_for_log(list, message->id, strlen(message->id), SHOWN_BYTES);
    buffer_printf(list, "\t%s\t", text);
    if (message->group_id)
        escape_for_log(list, message->group_id, strlen(message->group_id), SHOWN_BYTES);
    else
        buffer_append_char(list, '-');
    buffer_printf(list, "\t%zu\t", message->bytes);
    escape_for_log(list, message->reason, strlen(message->reason), SUBMISSION_REASON_MAX_BYTES);
    buffer_append_char(list, '\n');
    return list->error < 0 ? submit_shortage(call->program->name, list->error) : EX_OK;
}

/* Writing to standard output may block for ever; the daemon must not wait for the file
 * meanwhile. */
static int print_list(struct peer peer, struct buffer *list)
{
    int status;

    if (peer.offline)
        submit_offline_close(peer.offline);
    status = command_print(buffer_string(list));
    buffer_reset(list);
    return status;
}

static int list_page(const struct submit_call *call, struct peer peer, uint64_t *after,
                     bool *has_more, struct buffer *list)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(LINE_BYTES);
    CLEANUP(submission_reply_free) struct submission_reply *reply = NULL;
    int status;

    submission_write_command(&line, SUBMISSION_REJECTED, *after, NULL);
    status = ask(call, peer, &line, &reply);
    for (size_t i = 0; status == EX_OK && i < reply->n_messages; i++) {
        *after = reply->messages[i].number;
        status = append_rejected(call, list, &reply->messages[i]);
    }
    *has_more = status == EX_OK && reply->has_more && reply->n_messages > 0;
    return status;
}

static int list_rejected(const struct submit_call *call, struct peer peer)
{
    CLEANUP(buffer_done) struct buffer list = BUFFER_INIT(LISTED_BYTES + LISTED_PAGE_BYTES);
    uint64_t after = 0;
    bool has_more = true;
    int status = EX_OK;

    while (status == EX_OK && has_more) {
        status = list_page(call, peer, &after, &has_more, &list);
        if (status == EX_OK && list.size >= LISTED_BYTES)
            status = print_list(peer, &list);
    }
    if (list.error == 0 && list.size > 0) {
        int printed = print_list(peer, &list);

        status = status == EX_OK ? printed : status;
    }
    return status;
}

static int print_changed(const struct submit_call *call, size_t n)
{
    char text[128];

    snprintf(text, sizeof(text), "%zu message%s %s\n", n, n == 1 ? "" : "s",
             call->command == SUBMISSION_RETRY
                 ? n == 1 ? "waits to be sent again" : "wait to be sent again"
                 : "dropped");
    return command_print(text);
}

static int change_rejected(const struct submit_call *call, struct peer peer)
{
    size_t n = 0;
    bool has_more = true;

    while (has_more) {
        CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(LINE_BYTES);
        CLEANUP(submission_reply_free) struct submission_reply *reply = NULL;
        int status;

        submission_write_command(&line, call->command, 0, call->id);
        status = ask(call, peer, &line, &reply);
        if (status != EX_OK) {
            if (n > 0)
                (void)print_changed(call, n); /* some messages were changed before the error */
            return status;
        }
        n += reply->count;
        has_more = reply->has_more;
    }
    return print_changed(call, n);
}

/* ---- Spooled messages ---- */

static int print_counts(void *userdata, struct submit_offline *offline)
{
    char text[128];
    struct spool_counts counts;
    int status = submit_offline_count(offline, &counts);

    (void)userdata;
    if (status != EX_OK)
        return status;
    submit_offline_close(offline);
    snprintf(text, sizeof(text), "%" PRIu64 " waiting, %" PRIu64 " rejected\n", counts.waiting,
             counts.rejected);
    return command_print(text);
}

static int count_spooled(struct submit_call *call)
{
    const struct submit_offline_options options = {
        .program = call->program->name,
        .instance = call->instance,
        .is_config_named = call->config_path,
    };
    const char *why;
    int status;

    if (submit_offline_run(&options, print_counts, NULL, &status, &why))
        return status;
    fprintf(stderr, "%s: %s\n", call->program->name,
            why ? why : "the daemon runs: `systemctl status` shows how many messages wait");
    return why ? EX_UNAVAILABLE : EX_TEMPFAIL;
}

/* ---- The whole program ---- */

bool submit_is_asked(int argc, char **argv)
{
    for (int i = 1; i < argc && !streq(argv[i], "--"); i++)
        if (streq(argv[i], "--submit") || streq(argv[i], "--rejected") ||
            streq(argv[i], "--spooled"))
            return true;
    return false;
}

static int ask_for_all(struct submit_call *call, struct peer peer)
{
    return call->action == SUBMIT_MESSAGE         ? submit(call, peer)
           : call->command == SUBMISSION_REJECTED ? list_rejected(call, peer)
                                                  : change_rejected(call, peer);
}

/* `standard` has the path when the configuration is not known. */
static struct submit_daemon daemon_of(const struct submit_call *call, const struct config *config,
                                      const struct instance_text *standard)
{
    return (struct submit_daemon){
        .program = call->program->name,
        .instance = call->instance,
        .socket_path = config ? config->producer.submit_socket : standard->text,
    };
}

/* `why` tells why the file cannot be used without the daemon; NULL: not needed. */
static int run_online(struct submit_call *call, const struct config *config, const char *why)
{
    const struct instance_text standard = instance_submit_socket(call->instance);
    const struct submit_daemon daemon = daemon_of(call, config, &standard);
    struct peer peer = {.daemon = &daemon};
    int status = submit_connect(&daemon, why, &peer.fd);

    if (status != EX_OK)
        return status;
    status = ask_for_all(call, peer);
    close(peer.fd);
    return status;
}

static int work_offline(void *userdata, struct submit_offline *offline)
{
    return ask_for_all(userdata, (struct peer){.fd = -1, .offline = offline});
}

static int run_rejected(struct submit_call *call, const struct config *config)
{
    const struct submit_offline_options options = {
        .program = call->program->name,
        .instance = call->instance,
        .config = config,
        .is_retry = call->command == SUBMISSION_RETRY,
        .is_config_named = call->config_path,
    };
    const char *why;
    int status;

    if (submit_offline_run(&options, work_offline, call, &status, &why))
        return status;
    return run_online(call, config, why);
}

static int run_lines(const struct submit_call *call, const struct config *config)
{
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(LINE_BYTES);
    const struct instance_text standard = instance_submit_socket(call->instance);
    const struct submit_daemon daemon = daemon_of(call, config, &standard);
    const char *name = call->file ? call->file : "standard input";
    int fd = open_file(call), status;

    if (fd < 0)
        return EX_NOINPUT;
    escape_for_log(&shown, name, strlen(name), SHOWN_BYTES);
    status = lines_submit(&(struct lines_options){
        .daemon = &daemon,
        .message = &call->message,
        .is_json = call->form == SUBMIT_JSON,
        .input_fd = fd,
        .input_name = buffer_string(&shown),
        .rest_path = call->rest_path,
    });
    close_file(call, fd);
    return status;
}

static int run_message(struct submit_call *call, const struct config *config)
{
    CLEANUP(buffer_done)
    struct buffer body = BUFFER_INIT((size_t)SQS_MESSAGE_MAX_BYTES + 2 * READ_BYTES);
    int status = read_body(call, &body);

    if (status != EX_OK)
        return status;
    call->message.body = buffer_string(&body);
    call->message.body_bytes = body.size;
    return is_utf8(call, "body", call->message.body, body.size) ? run_online(call, config, NULL)
                                                                : EX_DATAERR;
}

static int run(struct submit_call *call)
{
    CLEANUP(config_free) struct config *config = NULL;
    int status = read_config(call, &config);

    if (status != EX_OK)
        return status;
    if (call->action == SUBMIT_REJECTED)
        return run_rejected(call, config);
    if (!is_text_but_body(call))
        return EX_DATAERR;
    return call->form == SUBMIT_WHOLE ? run_message(call, config) : run_lines(call, config);
}

int submit_main(const struct program *program, int argc, char **argv)
{
    struct submit_call call = {.program = program};
    int status;

    file_open_standard_descriptors(); /* else the socket or the rest file would get their numbers */
    if (!submit_arguments_read(&call, argc, argv, &status))
        status = call.action == SUBMIT_COUNT ? count_spooled(&call) : run(&call);
    submit_call_done(&call);
    return status;
}
