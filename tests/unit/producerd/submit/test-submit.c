/* SPDX-License-Identifier: MIT */
#include "producerd/submit/arguments.h"
#include "producerd/submit/client.h"
#include "producerd/submit/submit.h"
#include "test-open.h"
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define ID "0b5e2a51-5f0e-4a86-9a4f-3f6c0a7e1a11"
#define STORED "{\"ok\": true, \"id\": \"" ID "\"}\n"

static const struct program program = {
    .name = "sqs-producerd",
    .description = "Tests.",
    .colour = LOG_COLOUR_NONE,
    .more_usage = submit_usage,
    .more_help = submit_help,
};
static char folder[64], socket_path[96], config_path[96], config_option[128];

/* Of the last run. */
static char out[65536], err[65536], got[65536];

/* ---- systemd ---- */

static const char *unit_state; /* NULL: nobody can be asked */
static const char *unit_path = "/org/freedesktop/systemd1/unit/sqs_2dproducerd_2esocket";

int sd_bus_open_system(sd_bus **ret)
{
    *ret = NULL;
    return unit_state ? 0 : -ENOENT;
}

int sd_bus_get_property_string(sd_bus *bus, const char *destination, const char *path,
                               const char *interface, const char *member, sd_bus_error *error,
                               char **ret)
{
    assert_string_equal(path, unit_path);
    assert_string_equal(member, "ActiveState");
    *ret = strdup(unit_state);
    return 0;
}

/* ---- The program ---- */

static int redirect(int fd, int to)
{
    int saved = dup(fd);

    dup2(to, fd);
    close(to);
    return saved;
}

static void restore(int fd, int saved, char *text, size_t size)
{
    ssize_t n = pread(fd, text, size - 1, 0);

    text[MAX(n, 0)] = '\0';
    dup2(saved, fd);
    close(saved);
}

static int input_of(const char *bytes, size_t size)
{
    int fd = memfd_create("input", MFD_CLOEXEC);

    assert_int_equal(write(fd, bytes, size), size);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

/* Runs with these arguments, ended by NULL, and this on standard input. Returns the exit status. */
static int run(const char *input, size_t size, ...)
{
    char *argv[32] = {(char[]){"sqs-producerd"}}, *copies[32];
    int argc = 1, status, saved_in, saved_out, saved_err;
    va_list ap;

    va_start(ap, size);
    for (const char *a = va_arg(ap, const char *); a; a = va_arg(ap, const char *)) {
        copies[argc] = argv[argc] = strdup(a);
        argc++;
    }
    va_end(ap);
    fflush(stdout);
    saved_in = redirect(STDIN_FILENO, input_of(input, size));
    saved_out = redirect(STDOUT_FILENO, memfd_create("out", MFD_CLOEXEC));
    saved_err = redirect(STDERR_FILENO, memfd_create("err", MFD_CLOEXEC));
    assert_true(submit_is_asked(argc, argv));
    status = submit_main(&program, argc, argv);
    fflush(stdout);
    restore(STDOUT_FILENO, saved_out, out, sizeof(out));
    restore(STDERR_FILENO, saved_err, err, sizeof(err));
    dup2(saved_in, STDIN_FILENO);
    close(saved_in);
    while (--argc > 0)
        free(copies[argc]);
    return status;
}

static void assert_one_line(const char *text)
{
    assert_non_null(strchr(text, '\n'));
    assert_string_equal(strchr(text, '\n'), "\n");
}

/* ---- The daemon ---- */

static int listen_there(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    unlink(socket_path);
    strcpy(address.sun_path, socket_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

/* In a process of its own: takes one connection, and answers one line after the other. What it got
 * goes into the file. A NULL answer: it hangs up. */
static pid_t serve(const char *const *answers, size_t n, int file)
{
    int listening = listen_there();
    pid_t child = fork();

    if (child == 0) {
        int fd = accept(listening, NULL, NULL);

        for (size_t i = 0; i < n && fd >= 0; i++) {
            char bytes[65536];
            ssize_t size;

            do {
                size = read(fd, bytes, sizeof(bytes));
                (void)!write(file, bytes, (size_t)MAX(size, 0));
            } while (size > 0 && bytes[size - 1] != '\n');
            if (!answers[i])
                break;
            (void)!write(fd, answers[i], strlen(answers[i]));
        }
        _exit(0);
    }
    close(listening);
    return child;
}

static void end_serving(pid_t child, int file)
{
    int status;
    ssize_t n;

    assert_int_equal(waitpid(child, &status, 0), child);
    n = pread(file, got, sizeof(got) - 1, 0);
    got[MAX(n, 0)] = '\0';
    close(file);
}

#define WITH_ANSWERS(run, ...)                                                                     \
    ({                                                                                             \
        const char *const _answers[] = {__VA_ARGS__};                                              \
        int _file = memfd_create("got", MFD_CLOEXEC), _status;                                     \
        pid_t _child = serve(_answers, ARRAY_SIZE(_answers), _file);                               \
        _status = (run);                                                                           \
        end_serving(_child, _file);                                                                \
        _status;                                                                                   \
    })

/* ---- Tests ---- */

static void submit_options_select_the_client(void **state)
{
    char *no[] = {(char[]){"x"}, (char[]){"--config=--submit"}, (char[]){"--"},
                  (char[]){"--submit"}};
    char *yes[] = {(char[]){"x"}, (char[]){"--config=y"}, (char[]){"--rejected"}};

    assert_false(submit_is_asked(1, no));
    assert_false(submit_is_asked(4, no));
    assert_true(submit_is_asked(3, yes));
}

static void standard_input_is_submitted_byte_by_byte(void **state)
{
    assert_int_equal(WITH_ANSWERS(run("hello\n", 6, config_option, "--submit", NULL), STORED),
                     EX_OK);
    assert_string_equal(got, "{\"body\": \"hello\\n\"}\n");
    assert_string_equal(out, ID "\n");
    assert_string_equal(err, "");

    assert_int_equal(
        WITH_ANSWERS(run("a\0\xc3\xa4", 4, config_option, "--submit", "-", NULL), STORED), EX_OK);
    assert_string_equal(got, "{\"body\": \"a\\u0000\xc3\xa4\"}\n");

    assert_int_equal(WITH_ANSWERS(run("", 0, config_option, "--submit", NULL),
                                  "{\"ok\": false, \"error\": \"body: empty\"}\n"),
                     EX_DATAERR);
    assert_string_equal(err, "sqs-producerd: refused: body: empty\n");
    assert_string_equal(out, "");
}

static void file_is_submitted(void **state)
{
    char path[96];
    FILE *file;

    snprintf(path, sizeof(path), "%s/message", folder);
    file = fopen(path, "we");
    fputs("from a file", file);
    fclose(file);
    assert_int_equal(
        WITH_ANSWERS(run("not this", 8, config_option, "--submit", path, NULL), STORED), EX_OK);
    assert_string_equal(got, "{\"body\": \"from a file\"}\n");
    unlink(path);
    assert_int_equal(run("", 0, config_option, "--submit", path, NULL), EX_NOINPUT);
    assert_one_line(err);
    assert_non_null(strstr(err, "/message: No such file or directory\n"));
    assert_int_equal(run("", 0, config_option, "--submit", "/", NULL), EX_NOINPUT);
    assert_string_equal(err, "sqs-producerd: cannot read /: Is a directory\n");
}

static void message_options_are_submitted(void **state)
{
    assert_int_equal(
        WITH_ANSWERS(run("x", 1, config_option, "--submit", "--group=g 1", "--deduplication-id=d",
                         "--delay=7", "--attribute=a=b=c:d", "--attribute=n:Number.int=-5",
                         "--attribute=b:Binary=AP8K", "--attribute=e=", NULL),
                     STORED),
        EX_OK);
    assert_string_equal(got, "{\"body\": \"x\", \"group\": \"g 1\", \"deduplication_id\": \"d\", "
                             "\"delay\": 7, \"attributes\": {"
                             "\"a\": {\"type\": \"String\", \"value\": \"b=c:d\"}, "
                             "\"n\": {\"type\": \"Number.int\", \"value\": \"-5\"}, "
                             "\"b\": {\"type\": \"Binary\", \"value\": \"AP8K\"}, "
                             "\"e\": {\"type\": \"String\", \"value\": \"\"}}}\n");
}

static void bad_arguments_are_reported_in_one_line(void **state)
{
    static const struct {
        const char *first, *second, *expected;
    } cases[] = {
        {"--submit", "--rejected", "--submit, --rejected and --spooled exclude each other: "},
        {"--spooled", "--rejected", "--submit, --rejected and --spooled exclude each other: "},
        {"--spooled", "--group=g", "options of a message go with --submit: --spooled"},
        {"--spooled", "--drop=x", "--retry and --drop go with --rejected: --spooled"},
        {"--submit", "--retry=x", "--retry and --drop go with --rejected: --submit"},
        {"--rejected", "--group=g", "options of a message go with --submit: --rejected"},
        {"--rejected", "file", "unexpected argument: file"},
        {"--rejected", "--retry=", "option needs an id, or \"all\": --retry="},
        {"--rejected", "--json", "--lines, --json and --rest go with --submit: --rejected"},
        {"--submit", "--rest=x", "--rest goes with --lines or --json: x"},
        {"--submit", "--rest=", "option needs a path: --rest="},
        {"--submit", "--frob", "unknown option: --frob"},
        {"--submit=x", "--submit", "option takes no value: --submit=x"},
        {"--submit", "--group", "option needs a value: --group"},
        {"--submit", "--config=", "option needs a path: --config="},
        {"--submit", "--delay=1s", "--delay is not a whole number of seconds: 1s"},
        {"--submit", "--delay=-1", "--delay is not a whole number of seconds: -1"},
        {"--submit", "--delay=99999999999", "--delay is not a whole number of seconds: 999"},
        {"--submit", "--delay=", "--delay is not a whole number of seconds: "},
        {"--submit", "--attribute=abc", "--attribute is not NAME=VALUE: abc"},
        {"--submit", "--attribute=a:Binary=A",
         "the value is not base64, with its padding and in one line: a:Binary=A"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char expected[256];

        snprintf(expected, sizeof(expected), "sqs-producerd: %s", cases[i].expected);
        assert_int_equal(run("x", 1, cases[i].first, cases[i].second, NULL), EX_USAGE);
        assert_memory_equal(err, expected, strlen(expected));
        assert_one_line(err);
        assert_string_equal(out, "");
    }
    assert_int_equal(run("x", 1, "--submit", "a", "b", NULL), EX_USAGE);
    assert_int_equal(run("x", 1, "--rejected", "--retry=a", "--drop=b", NULL), EX_USAGE);
    assert_memory_equal(err, "sqs-producerd: give --retry or --drop, and only once: b", 52);
    assert_int_equal(run("x", 1, "--submit",
                         "--attribute=1=", "--attribute=2=", "--attribute=3=", "--attribute=4=",
                         "--attribute=5=", "--attribute=6=", "--attribute=7=", "--attribute=8=",
                         "--attribute=9=", "--attribute=10=", "--attribute=11=", NULL),
                     EX_USAGE);
    assert_int_equal(run("", 0, "--submit", "--help", NULL), EX_OK);
    assert_non_null(strstr(out, "--deduplication-id=D"));
    assert_int_equal(run("", 0, "--submit", "--version", NULL), EX_OK);
    assert_string_equal(out, "sqs-producerd " PROJECT_VERSION "\n");
}

static void text_that_is_not_utf8_is_refused_with_its_byte(void **state)
{
    CLEANUP(free) char *large = calloc(1, SQS_MESSAGE_MAX_BYTES + 1);

    assert_int_equal(run("ab\xff", 3, config_option, "--submit", NULL), EX_DATAERR);
    assert_string_equal(err, "sqs-producerd: body: byte 3 (0xff) does not belong to UTF-8 text, "
                             "which SQS requires: encode it, for example with base64\n");
    assert_int_equal(run("ab", 2, config_option, "--submit", "--group=\xc3", NULL), EX_DATAERR);
    assert_string_equal(
        err,
        "sqs-producerd: group: byte 1 (0xc3) does not belong to UTF-8 text, which SQS requires\n");
    assert_int_equal(run("ab", 2, config_option, "--submit", "--attribute=a=\xc3", NULL),
                     EX_DATAERR);
    memset(large, 'x', SQS_MESSAGE_MAX_BYTES + 1);
    assert_int_equal(run(large, SQS_MESSAGE_MAX_BYTES + 1, config_option, "--submit", NULL),
                     EX_DATAERR);
    assert_string_equal(err, "sqs-producerd: body: larger than 1048576 bytes, which is the most "
                             "that SQS takes\n");
}

static void largest_message_is_submitted(void **state)
{
    CLEANUP(free) char *large = malloc(SQS_MESSAGE_MAX_BYTES);

    memset(large, '\x01', SQS_MESSAGE_MAX_BYTES); /* six bytes each */
    assert_int_equal(
        WITH_ANSWERS(run(large, SQS_MESSAGE_MAX_BYTES, config_option, "--submit", NULL), STORED),
        EX_OK);
    assert_string_equal(out, ID "\n");
}

static void reply_decides_the_exit_status(void **state)
{
    static const struct {
        const char *answer;
        int status;
        const char *err;
    } cases[] = {
        {"{\"ok\": false, \"error\": \"group id: bad\\n\"}\n", EX_DATAERR,
         "sqs-producerd: refused: group id: bad\\n\n"},
        {"{\"ok\": false, \"error\": \"the spool is full\", \"temporary\": true}\n", EX_TEMPFAIL,
         "sqs-producerd: not accepted now: the spool is full\n"},
        {"HTTP/1.1 400 Bad Request\r\n", EX_PROTOCOL,
         "sqs-producerd: the program that answers is not this"},
        {NULL, EX_UNAVAILABLE,
         "sqs-producerd: the daemon has ended the connection without an answer; the "
         "daemon may have accepted what was submitted, or not: 'journalctl -u sqs-producerd' "
         "may show which\n"},
        {"{\"ok\": true, ", EX_UNAVAILABLE,
         "sqs-producerd: the daemon has ended the connection without an answer; "},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(
            WITH_ANSWERS(run("x", 1, config_option, "--submit", NULL), cases[i].answer),
            cases[i].status);
        assert_memory_equal(err, cases[i].err, strlen(cases[i].err));
        assert_one_line(err);
        assert_string_equal(out, "");
    }
}

static void unreachable_daemon_is_reported_with_the_reason(void **state)
{
    char expected[512];

    unlink(socket_path);
    assert_int_equal(run("x", 1, config_option, "--submit", NULL), EX_UNAVAILABLE);
    snprintf(expected, sizeof(expected),
             "sqs-producerd: cannot reach the daemon: there is no socket %s; set producer.source ",
             socket_path);
    assert_memory_equal(err, expected, strlen(expected));
    assert_one_line(err);

    close(listen_there());
    assert_int_equal(run("x", 1, config_option, "--rejected", NULL), EX_UNAVAILABLE);
    snprintf(expected, sizeof(expected),
             "sqs-producerd: cannot reach the daemon: nobody answers at %s; ", socket_path);
    assert_memory_equal(err, expected, strlen(expected));
    assert_one_line(err);
}

static void failed_socket_unit_is_reported_with_the_remedy(void **state)
{
    for (int i = 0; i < 4; i++) {
        bool has_failed = i < 2;

        unlink(socket_path);
        if (i % 2)
            close(listen_there());
        unit_state = has_failed ? "failed" : "active";
        assert_int_equal(run("x", 1, config_option, "--submit", NULL), EX_UNAVAILABLE);
        assert_int_equal(strstr(err, "systemd no longer starts sqs-producerd.socket") != NULL,
                         has_failed);
        assert_non_null(strstr(err, "'systemctl status sqs-producerd.socket"));
        assert_non_null(strstr(err, "'systemctl reset-failed sqs-producerd.socket sqs-producerd'"));
        assert_one_line(err);
    }
    unit_state = NULL;
}

static void instance_is_asked_at_its_own_socket_and_its_units_are_named(void **state)
{
    const char *plain_unit = unit_path;

    assert_int_equal(run("x", 1, "--submit", "--to=no.such-1", NULL), EX_UNAVAILABLE);
    assert_string_equal(
        err, "sqs-producerd: cannot reach the daemon: there is no socket "
             "/run/sqs-producerd/no.such-1.socket; set producer.source = \"spool\" in "
             "" CONFIG_INSTANCE_FOLDER "/no.such-1.conf, and run 'systemctl stop "
             "sqs-producerd@no.such-1' and 'systemctl enable --now sqs-producerd@no.such-1.socket "
             "sqs-producerd@no.such-1'; if 'systemctl status sqs-producerd@no.such-1.socket' shows "
             "that it has failed, run 'systemctl reset-failed sqs-producerd@no.such-1.socket "
             "sqs-producerd@no.such-1' first\n");

    unit_path = "/org/freedesktop/systemd1/unit/sqs_2dproducerd_40no_2esuch_2d1_2esocket";
    unit_state = "failed";
    assert_int_equal(run("", 0, "--rejected", "--to=no.such-1", NULL), EX_UNAVAILABLE);
    assert_non_null(strstr(err, "systemd no longer starts sqs-producerd@no.such-1.socket"));
    assert_non_null(strstr(err, "'systemctl status sqs-producerd@no.such-1.socket "
                                "sqs-producerd@no.such-1' shows why"));
    unit_state = NULL;
    unit_path = plain_unit;
}

static void instance_with_a_bad_name_or_a_configuration_beside_it_is_refused(void **state)
{
    static const char *const bad[] = {"--to=", "--to=submit", "--to=../x", "--to=a b"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(run("x", 1, "--submit", bad[i], NULL), EX_USAGE);
        assert_non_null(strstr(err, "instance"));
        assert_one_line(err);
    }
    assert_int_equal(run("x", 1, "--submit", "--to=a", config_option, NULL), EX_USAGE);
    assert_non_null(strstr(err, "--to and --config exclude each other"));
}

static void user_without_access_is_told_the_group(void **state)
{
    int listening, status;
    pid_t child;

    if (geteuid() != 0)
        skip();
    listening = listen_there();
    assert_int_equal(chmod(socket_path, 0660), 0);
    assert_int_equal(chown(socket_path, 0, 1), 0); /* the group "daemon" */
    fflush(stdout);
    child = fork();
    if (child == 0) {
        assert_int_equal(setgid(65534), 0);
        assert_int_equal(setuid(65534), 0);
        status = run("x", 1, config_option, "--submit", NULL);
        _exit(status == EX_UNAVAILABLE &&
                      strstr(err, "only members of the group daemon may use ") &&
                      strstr(err, "'usermod -aG daemon USER'")
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(listening);
}

static void named_configuration_must_be_valid(void **state)
{
    char path[96], option[128];
    FILE *file;

    assert_int_equal(run("x", 1, "--submit", "--config=/nonexistent", NULL), EX_CONFIG);
    assert_memory_equal(
        err, "sqs-producerd: cannot read /nonexistent: No such file or directory; ",
        strlen("sqs-producerd: cannot read /nonexistent: No such file or directory; "));
    assert_int_equal(run("x", 1, "--submit", "--config=-", NULL), EX_USAGE);
    snprintf(path, sizeof(path), "%s/bad", folder);
    snprintf(option, sizeof(option), "--config=%s", path);
    file = fopen(path, "we");
    fputs("aws: { colour = 1; };\n", file);
    fclose(file);
    assert_int_equal(run("x", 1, "--submit", option, NULL), EX_CONFIG);
    assert_non_null(strstr(err, "/bad:1: "));
    assert_one_line(err);
    unopenable_path = path;
    unopenable_errno = EMFILE;
    assert_int_equal(run("x", 1, "--submit", option, NULL), EX_OSERR);
    unopenable_path = CONFIG_INSTANCE_FOLDER "/x.conf"; /* it may name another socket */
    assert_int_equal(run("x", 1, "--submit", "--to=x", NULL), EX_OSERR);
    assert_one_line(err);
    unopenable_path = NULL;
    unlink(path);
}

#define ENTRY(number)                                                                              \
    "{\"number\": " #number ", \"id\": \"id-" #number                                              \
    "\", \"group\": \"g\", \"bytes\": 5, \"rejected\": 1700000000, \"reason\": \"no\\tgood\"}"

static void rejected_messages_are_listed_page_by_page(void **state)
{
    assert_int_equal(
        WITH_ANSWERS(run("", 0, config_option, "--rejected", NULL),
                     "{\"ok\": true, \"messages\": [" ENTRY(4) ", " ENTRY(9) "], \"more\": true}\n",
                     "{\"ok\": true, \"messages\": [{\"number\": 12, \"id\": \"i\", \"bytes\": 1, "
                     "\"rejected\": 0, \"reason\": \"\"}], \"more\": false}\n"),
        EX_OK);
    assert_string_equal(got, "{\"command\": \"rejected\", \"after\": 0}\n"
                             "{\"command\": \"rejected\", \"after\": 9}\n");
    assert_string_equal(out, "id-4\t2023-11-14T22:13:20Z\tg\t5\tno\\tgood\n"
                             "id-9\t2023-11-14T22:13:20Z\tg\t5\tno\\tgood\n"
                             "i\t1970-01-01T00:00:00Z\t-\t1\t\n");
    assert_int_equal(WITH_ANSWERS(run("", 0, config_option, "--rejected", NULL),
                                  "{\"ok\": true, \"messages\": [], \"more\": false}\n"),
                     EX_OK);
    assert_string_equal(out, "");
    assert_string_equal(err, "");
}

static void rejected_messages_are_retried_and_dropped(void **state)
{
    assert_int_equal(WITH_ANSWERS(run("", 0, config_option, "--rejected", "--retry=" ID, NULL),
                                  "{\"ok\": true, \"count\": 1, \"more\": false}\n"),
                     EX_OK);
    assert_string_equal(got, "{\"command\": \"retry\", \"id\": \"" ID "\"}\n");
    assert_string_equal(out, "1 message waits to be sent again\n");

    assert_int_equal(WITH_ANSWERS(run("", 0, config_option, "--rejected", "--drop=all", NULL),
                                  "{\"ok\": true, \"count\": 1000, \"more\": true}\n",
                                  "{\"ok\": true, \"count\": 3, \"more\": false}\n"),
                     EX_OK);
    assert_string_equal(got, "{\"command\": \"drop\", \"id\": \"all\"}\n"
                             "{\"command\": \"drop\", \"id\": \"all\"}\n");
    assert_string_equal(out, "1003 messages dropped\n");

    assert_int_equal(WITH_ANSWERS(run("", 0, config_option, "--rejected", "--retry=x", NULL),
                                  "{\"ok\": false, \"error\": \"id: none\"}\n"),
                     EX_DATAERR);
    assert_string_equal(err, "sqs-producerd: refused: id: none\n");
}

static void write_config(void)
{
    FILE *file = fopen(config_path, "we");

    assert_non_null(file);
    fprintf(file,
            "aws: { queue_url = \"https://sqs.eu-west-3.amazonaws.com/1/q.fifo\"; };\n"
            "producer: { source = \"spool\"; submit_socket = \"%s\"; };\n",
            socket_path);
    fclose(file);
}

static void help_names_each_exit_status(void **state)
{
    static const char *const statuses[] = {"65 ", "66 ",     "69 ",      "75 ",
                                           "76 ", "64, 71,", "74 and 78"};

    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
        assert_non_null(strstr(submit_help, statuses[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_names_each_exit_status),
        cmocka_unit_test(submit_options_select_the_client),
        cmocka_unit_test(standard_input_is_submitted_byte_by_byte),
        cmocka_unit_test(file_is_submitted),
        cmocka_unit_test(message_options_are_submitted),
        cmocka_unit_test(bad_arguments_are_reported_in_one_line),
        cmocka_unit_test(text_that_is_not_utf8_is_refused_with_its_byte),
        cmocka_unit_test(largest_message_is_submitted),
        cmocka_unit_test(reply_decides_the_exit_status),
        cmocka_unit_test(unreachable_daemon_is_reported_with_the_reason),
        cmocka_unit_test(failed_socket_unit_is_reported_with_the_remedy),
        cmocka_unit_test(instance_is_asked_at_its_own_socket_and_its_units_are_named),
        cmocka_unit_test(instance_with_a_bad_name_or_a_configuration_beside_it_is_refused),
        cmocka_unit_test(user_without_access_is_told_the_group),
        cmocka_unit_test(named_configuration_must_be_valid),
        cmocka_unit_test(rejected_messages_are_listed_page_by_page),
        cmocka_unit_test(rejected_messages_are_retried_and_dropped),
    };
    int failed;

    strcpy(folder, "/tmp/test-submit.XXXXXX");
    if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
        return 1;
    snprintf(socket_path, sizeof(socket_path), "%s/socket", folder);
    snprintf(config_path, sizeof(config_path), "%s/conf", folder);
    snprintf(config_option, sizeof(config_option), "--config=%s", config_path);
    write_config();
    failed = cmocka_run_group_tests_name("submit", tests, NULL, NULL);
    unlink(socket_path);
    unlink(config_path);
    rmdir(folder);
    return failed;
}
