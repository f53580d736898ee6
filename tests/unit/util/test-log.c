/* SPDX-License-Identifier: MIT */
#include "daemon/message-ids.h"
#include "fake-journal.h"
#include "test.h"
#include "util/clock.h"
#include "util/encode.h"
#include "util/json-tree.h"
#include "util/log.h"

#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Takes libsystemd's place, and keeps the last entry's fields. */
static char *journal[64];
static size_t n_journal, n_entries;
static int journal_answer;

static void forget_journal(void)
{
    while (n_journal > 0)
        free(journal[--n_journal]);
}

int sd_journal_sendv(const struct iovec *iov, int n);
int sd_journal_sendv(const struct iovec *iov, int n)
{
    forget_journal();
    for (int i = 0; i < n; i++)
        journal[n_journal++] = strndup(iov[i].iov_base, iov[i].iov_len);
    n_entries++;
    errno = EBADF; /* as a careless library might leave it */
    return journal_answer;
}

static const char *journal_field(const char *name)
{
    const char *found = NULL;

    for (size_t i = 0; i < n_journal; i++)
        if (strncmp(journal[i], name, strlen(name)) == 0 && journal[i][strlen(name)] == '=') {
            assert_null(found);
            found = journal[i] + strlen(name) + 1;
        }
    return found;
}

/* Standard error, led into a pipe or a terminal while `begin` and `end` stand around a call. */
static struct {
    int saved, reading;
    char text[65536];
} captured;

static void begin(bool is_terminal)
{
    int fds[2];

    if (is_terminal) {
        assert_int_equal(openpty(&fds[0], &fds[1], NULL, NULL, NULL), 0);
    } else {
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        /* The longest line fits, and a test that writes more does not hang. */
        assert_true(fcntl(fds[1], F_SETPIPE_SZ, 65536) >= 65536);
    }
    fflush(stderr);
    captured.saved = dup(STDERR_FILENO);
    captured.reading = fds[0];
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
}

static const char *end(void)
{
    size_t size = 0;
    ssize_t n;

    dup2(captured.saved, STDERR_FILENO);
    close(captured.saved);
    fcntl(captured.reading, F_SETFL, O_NONBLOCK);
    while ((n = read(captured.reading, captured.text + size, sizeof(captured.text) - 1 - size)) > 0)
        size += (size_t)n;
    captured.text[size] = '\0';
    close(captured.reading);
    return captured.text;
}

static int reset(void **state)
{
    unsetenv("NO_COLOR");
    unsetenv("JOURNAL_STREAM");
    setenv("TERM", "xterm", 1);
    forget_journal();
    n_entries = 0;
    journal_answer = 0;
    log_set_format(LOG_FORMAT_TEXT);
    return 0;
}

static void log_to_a_pipe_has_plain_lines(void **state)
{
    begin(false);
    log_open("test", LOG_TARGET_AUTO, LOG_DEBUG, LOG_COLOUR_YELLOW);
    log_info("Number %d of %s", 5, "many");
    log_error("bad");
    log_write(LOG_NOTICE, MESSAGE_ID_STARTED, LOG_FIELDS({"SQS_ERROR_CODE", "X"}), "with fields");
    log_debug("%s", "");
    assert_string_equal(end(), "Number 5 of many\nbad\nwith fields\n\n");
    assert_int_equal(n_entries, 0);
}

static void log_to_a_terminal_has_colours_by_priority(void **state)
{
    static const char *const expected[] = {
        [LOG_COLOUR_NONE] = "info\r\n\x1b[1mwarning\x1b[0m\r\n\x1b[31merror\x1b[0m\r\n",
        [LOG_COLOUR_YELLOW] = "\x1b[33minfo\x1b[0m\r\n\x1b[1;33mwarning\x1b[0m\r\n"
                              "\x1b[31merror\x1b[0m\r\n",
        [LOG_COLOUR_GREEN] = "\x1b[32minfo\x1b[0m\r\n\x1b[1;32mwarning\x1b[0m\r\n"
                             "\x1b[31merror\x1b[0m\r\n",
    };

    for (enum log_colour colour = LOG_COLOUR_NONE; colour <= LOG_COLOUR_GREEN; colour++) {
        begin(true);
        log_open("test", LOG_TARGET_AUTO, LOG_INFO, colour);
        log_info("info");
        log_warning("warning");
        log_error("error");
        assert_string_equal(end(), expected[colour]);
    }
}

static void log_with_no_color_or_a_dumb_terminal_has_no_colours(void **state)
{
    static const char *const settings[][3] = {
        {"NO_COLOR", "1", "error\r\n"},
        {"NO_COLOR", "", "\x1b[31merror\x1b[0m\r\n"},
        {"TERM", "dumb", "error\r\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        reset(NULL);
        setenv(settings[i][0], settings[i][1], 1);
        begin(true);
        log_open("test", LOG_TARGET_STDERR, LOG_INFO, LOG_COLOUR_GREEN);
        log_error("error");
        assert_string_equal(end(), settings[i][2]);
    }
}

static void log_entry_below_the_level_is_not_written(void **state)
{
    begin(false);
    log_open("test", LOG_TARGET_STDERR, LOG_WARNING, LOG_COLOUR_NONE);
    assert_true(log_enabled(LOG_ERR));
    assert_true(log_enabled(LOG_WARNING));
    assert_false(log_enabled(LOG_NOTICE));
    log_error("1");
    log_warning("2");
    log_notice("3");
    log_debug("4");
    assert_string_equal(end(), "1\n2\n");

    log_open("test", LOG_TARGET_JOURNAL, LOG_WARNING, LOG_COLOUR_NONE);
    log_notice("3");
    assert_int_equal(n_entries, 0);
}

static void log_entry_is_one_line_with_escapes(void **state)
{
    begin(false);
    log_open("test", LOG_TARGET_STDERR, LOG_INFO, LOG_COLOUR_NONE);
    log_info("%s", "a\nb\tc\x1b[31m\x7f\\x\xff \xc3\xa4\xc2\x9b\xe2\x82\r");
    assert_string_equal(end(),
                        "a\\nb\\tc\\x1b[31m\\x7f\\x\\xff \xc3\xa4\\xc2\\x9b\\xe2\\x82\\x0d\n");

    begin(false);
    log_info("%s", "shown\xe2\x80\xaezig\xe2\x80\xa8zag");
    assert_string_equal(end(), "shown\\xe2\\x80\\xaezig\\xe2\\x80\\xa8zag\n");
}

static void log_long_line_is_cut_between_characters(void **state)
{
    static const char *const fillers[] = {"x", "\xc3\xa4", "\xf0\x9f\x98\x80", "\n", "\xff"};

    for (size_t i = 0; i < ARRAY_SIZE(fillers); i++)
        for (int odd = 0; odd < 4; odd++) {
            CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(20000);
            const char *text;
            size_t size;

            for (int k = 0; k < odd; k++)
                buffer_append_char(&b, '.');
            while (b.size < 12000)
                buffer_append_string(&b, fillers[i]);
            begin(false);
            log_open("test", LOG_TARGET_STDERR, LOG_INFO, LOG_COLOUR_NONE);
            log_info("%s", buffer_string(&b));
            text = end();
            size = strlen(text);
            assert_in_range(size, LOG_LINE_MAX_BYTES - 4, LOG_LINE_MAX_BYTES + 4);
            assert_string_equal(text + size - 4, "...\n");
            assert_true(utf8_is_valid(text, size));
            if (i == 1 || i == 2)
                assert_null(strstr(text, "\\x"));
        }

    for (int n = LOG_LINE_MAX_BYTES; n <= LOG_LINE_MAX_BYTES + 1; n++) {
        const char *text;

        begin(false);
        log_info("%*s", n, "x");
        text = end();
        assert_int_equal(strstr(text, "...") != NULL, n > LOG_LINE_MAX_BYTES);
    }
}

static void log_to_the_journal_has_fields(void **state)
{
    begin(false);
    log_open("sqs-producerd", LOG_TARGET_JOURNAL, LOG_INFO, LOG_COLOUR_YELLOW);
    log_write(
        LOG_WARNING, MESSAGE_ID_ACCESS_DENIED,
        LOG_FIELDS({"SQS_MESSAGE_ID", "id 1"}, {"SQS_ERROR_CODE", NULL}, {"SQS_REQUEST_ID", ""}),
        "Denied: %d\n", 403);
    assert_string_equal(end(), "");
    assert_int_equal(n_journal, 5);
    assert_string_equal(journal_field("MESSAGE"), "Denied: 403\\n");
    assert_string_equal(journal_field("PRIORITY"), "4");
    assert_string_equal(journal_field("SYSLOG_IDENTIFIER"), "sqs-producerd");
    assert_string_equal(journal_field("MESSAGE_ID"), MESSAGE_ID_ACCESS_DENIED);
    assert_string_equal(journal_field("SQS_MESSAGE_ID"), "id 1");

    log_info("plain");
    assert_int_equal(n_journal, 3);
}

/* ---- JSON ---- */

/* The one line on standard error, as an object. */
static struct json_tree *read_json(const char *text)
{
    struct json_tree *tree = NULL;
    size_t size = strlen(text);
    struct json_fault fault;

    assert_true(size > 0);
    assert_ptr_equal(strchr(text, '\n'), text + size - 1);
    assert_true(utf8_is_valid(text, size));
    assert_int_equal(json_tree_read(text, size, 2, JSON_LONE_SURROGATES_REFUSED, &tree, &fault), 0);
    return tree;
}

static void assert_member(const struct json_tree *tree, const char *name, const char *expected)
{
    const char *value = NULL;

    assert_int_equal(json_value_get_string(json_tree_root(tree), name, &value), 0);
    assert_string_equal(value, expected);
}

static void json_has_the_fields_of_the_journal(void **state)
{
    CLEANUP(json_tree_free) struct json_tree *tree = NULL;
    uint64_t before = clock_wall_usec(), usec;
    const char *time = NULL;

    begin(true); /* without colours, on a terminal as well */
    log_open("sqs-producerd", LOG_TARGET_STDERR, LOG_INFO, LOG_COLOUR_YELLOW);
    log_set_format(LOG_FORMAT_JSON);
    log_set_common_field("SQS_QUEUE_URL", "http://one");
    log_write(LOG_WARNING, MESSAGE_ID_ACCESS_DENIED,
              LOG_FIELDS({"SQS_MESSAGE_ID", "id \"1\""}, {"SQS_ERROR_CODE", NULL},
                         {"SQS_REQUEST_ID", ""}),
              "Denied: %d\n", 403);
    log_set_common_field("SQS_QUEUE_URL", NULL);
    end();
    *strchr(captured.text, '\r') = ' ';
    tree = read_json(captured.text);
    assert_member(tree, "MESSAGE", "Denied: 403\\n");
    assert_member(tree, "PRIORITY", "4");
    assert_member(tree, "SYSLOG_IDENTIFIER", "sqs-producerd");
    assert_member(tree, "MESSAGE_ID", MESSAGE_ID_ACCESS_DENIED);
    assert_member(tree, "SQS_QUEUE_URL", "http://one");
    assert_member(tree, "SQS_MESSAGE_ID", "id \"1\"");
    assert_int_equal(json_value_get_string(json_tree_root(tree), "__REALTIME_TIMESTAMP", &time), 0);
    usec = strtoull(time, NULL, 10);
    assert_true(usec >= before && usec <= clock_wall_usec());
    assert_int_equal(json_tree_root(tree)->n, 7);
    assert_int_equal(n_entries, 0);
}

static void json_of_any_bytes_is_one_line_of_utf8(void **state)
{
    static const struct {
        const char *value, *read, *written;
    } cases[] = {
        {"plain \xc3\xa4 \xf0\x9f\x98\x80", "plain \xc3\xa4 \xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\"\\\n\t\r\x01", "\"\\\n\t\r\x01", "\\u0022\\u005c\\u000a\\u0009\\u000d\\u0001"},
        {"\xff", "\xef\xbf\xbd", "\"\xef\xbf\xbd\""},
        {"a\xc3", "a\xef\xbf\xbd", "a\xef\xbf\xbd\""},
        {"\xed\xa0\x80z", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz", "z\""},
        {"\xc2\x9b[31m", "\xc2\x9b[31m", "\"\\u009b[31m\""},
        {"\x7f\xe2\x80\xa8\xe2\x80\xae", "\x7f\xe2\x80\xa8\xe2\x80\xae", "\\u007f\\u2028\\u202e"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(json_tree_free) struct json_tree *tree = NULL;

        begin(false);
        log_open("test", LOG_TARGET_STDERR, LOG_INFO, LOG_COLOUR_NONE);
        log_set_format(LOG_FORMAT_JSON);
        log_write(LOG_INFO, NULL, LOG_FIELDS({"SQS_BODY", cases[i].value}), "%s", cases[i].value);
        end();
        tree = read_json(captured.text);
        assert_member(tree, "SQS_BODY", cases[i].read);
        assert_non_null(strstr(captured.text, cases[i].written));
    }
}

static void json_of_long_text_and_fields_is_cut_like_the_journals(void **state)
{
    CLEANUP(json_tree_free) struct json_tree *tree = NULL;
    CLEANUP(free) char *text = malloc(2 * LOG_LINE_MAX_BYTES);
    const char *message = NULL;

    memset(text, 'x', 2 * LOG_LINE_MAX_BYTES - 1);
    text[2 * LOG_LINE_MAX_BYTES - 1] = '\0';
    begin(false);
    log_open("test", LOG_TARGET_STDERR, LOG_INFO, LOG_COLOUR_NONE);
    log_set_format(LOG_FORMAT_JSON);
    log_info("%s", text);
    end();
    tree = read_json(captured.text);
    assert_int_equal(json_value_get_string(json_tree_root(tree), "MESSAGE", &message), 0);
    assert_int_equal(strlen(message), LOG_LINE_MAX_BYTES + 3);
    assert_string_equal(message + LOG_LINE_MAX_BYTES, "...");
}

static void json_has_no_effect_on_the_journal(void **state)
{
    begin(false);
    log_open("test", LOG_TARGET_JOURNAL, LOG_INFO, LOG_COLOUR_NONE);
    log_set_format(LOG_FORMAT_JSON);
    log_info("one");
    assert_int_equal(n_journal, 3);
    assert_string_equal(journal_field("MESSAGE"), "one");
    assert_null(journal_field("__REALTIME_TIMESTAMP"));

    /* What the journal refuses is a plain line. */
    journal_answer = -ECONNREFUSED;
    log_info("two");
    assert_string_equal(end(), "two\n");
}

static void log_common_fields_are_set_replaced_and_removed(void **state)
{
    log_open("test", LOG_TARGET_JOURNAL, LOG_INFO, LOG_COLOUR_NONE);
    log_set_common_field("SQS_QUEUE_URL", "http://one");
    log_set_common_field("OTHER", "x");
    log_info("1");
    assert_string_equal(journal_field("SQS_QUEUE_URL"), "http://one");
    assert_string_equal(journal_field("OTHER"), "x");
    log_set_common_field("SQS_QUEUE_URL", "http://two");
    log_info("2");
    assert_string_equal(journal_field("SQS_QUEUE_URL"), "http://two");
    assert_int_equal(n_journal, 5);

    /* A call's own field takes the place of the common one; an empty one does not. */
    log_write(LOG_INFO, NULL, LOG_FIELDS({"SQS_QUEUE_URL", "http://three"}, {"OTHER", ""}), "3");
    assert_string_equal(journal_field("SQS_QUEUE_URL"), "http://three");
    assert_string_equal(journal_field("OTHER"), "x");

    log_set_common_field("SQS_QUEUE_URL", NULL);
    log_info("4");
    assert_null(journal_field("SQS_QUEUE_URL"));
    assert_string_equal(journal_field("OTHER"), "x");
    log_set_common_field("OTHER", "");
    log_set_common_field("NEVER_SET", NULL);
    log_info("5");
    assert_int_equal(n_journal, 3);
}

static void log_entry_with_the_maximum_number_of_fields_is_written(void **state)
{
    static char names[LOG_FIELDS_MAX][2][16];
    struct log_field fields[LOG_FIELDS_MAX];
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(LOG_FIELD_MAX_BYTES + 10);

    log_open("test", LOG_TARGET_JOURNAL, LOG_INFO, LOG_COLOUR_NONE);
    while (b.size < LOG_FIELD_MAX_BYTES - 1)
        buffer_append_char(&b, 'v');
    buffer_append_string(&b, "\xc3\xa4zz");
    for (int i = 0; i < LOG_FIELDS_MAX; i++) {
        snprintf(names[i][0], sizeof(names[i][0]), "COMMON_%d", i);
        snprintf(names[i][1], sizeof(names[i][1]), "FIELD_%d", i);
        log_set_common_field(names[i][0], buffer_string(&b));
        fields[i] = (struct log_field){names[i][1], buffer_string(&b)};
    }
    log_write(LOG_INFO, MESSAGE_ID_STARTED, fields, LOG_FIELDS_MAX, "all");
    assert_int_equal(n_journal, 4 + 2 * LOG_FIELDS_MAX);
    for (int i = 0; i < LOG_FIELDS_MAX; i++) {
        assert_int_equal(strlen(journal_field(names[i][0])), LOG_FIELD_MAX_BYTES - 1);
        assert_int_equal(strlen(journal_field(names[i][1])), LOG_FIELD_MAX_BYTES - 1);
        log_set_common_field(names[i][0], NULL);
    }
}

static void log_target_auto_is_the_journal_when_stderr_is_its_stream(void **state)
{
    for (int i = 0; i < 5; i++) {
        CLEANUP(free) char *stream = NULL;
        unsigned long long device, inode;
        struct stat st;

        reset(NULL);
        begin(false);
        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        device = st.st_dev;
        inode = st.st_ino;
        if (i == 0)
            assert_true(asprintf(&stream, "%llu:%llu", device, inode) > 0);
        else if (i == 1)
            assert_true(asprintf(&stream, "%llu:%llu", device, inode + 1) > 0);
        else if (i == 2)
            assert_true(asprintf(&stream, "%llu:%llux", device, inode) > 0);
        else if (i == 3)
            assert_true(asprintf(&stream, "%llu", device) > 0);
        else
            stream = strdup("");
        setenv("JOURNAL_STREAM", stream, 1);
        log_open("test", LOG_TARGET_AUTO, LOG_INFO, LOG_COLOUR_NONE);
        log_info("x");
        assert_string_equal(end(), i == 0 ? "" : "x\n");
        assert_int_equal(n_entries, i == 0 ? 1 : 0);
    }
}

static void log_entry_that_the_journal_refuses_is_written_to_stderr(void **state)
{
    journal_answer = -ENOBUFS;
    begin(false);
    log_open("test", LOG_TARGET_JOURNAL, LOG_INFO, LOG_COLOUR_NONE);
    log_info("x");
    assert_string_equal(end(), "x\n");
}

/* The text is as short as a line must be, and only a field has the whole message. */
static void message_that_needs_its_fields_is_an_object_where_lines_have_none(void **state)
{
    static const enum log_target targets[] = {LOG_TARGET_STDERR, LOG_TARGET_JOURNAL};

    journal_answer = -ENOBUFS;
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        for (int needs_fields = 0; needs_fields < 2; needs_fields++) {
            struct log_completion completion = {.needs_fields = needs_fields};
            CLEANUP(json_tree_free) struct json_tree *tree = NULL;

            begin(false);
            log_open("test", targets[i], LOG_INFO, LOG_COLOUR_NONE);
            assert_int_equal(log_write_message(&completion, NULL, LOG_ERR, NULL,
                                               LOG_FIELDS({"SQS_BODY", "a=\n\"z"}), "a..."),
                             0);
            end();
            if (!needs_fields) {
                assert_string_equal(captured.text, "a...\n");
                continue;
            }
            tree = read_json(captured.text);
            assert_member(tree, "MESSAGE", "a...");
            assert_member(tree, "SQS_BODY", "a=\n\"z");
            assert_member(tree, "PRIORITY", "3");
        }
    }
}

static void log_without_a_journal_is_written_to_stderr(void **state)
{
    fake_journal_is_missing = true;
    begin(false);
    log_open("test", LOG_TARGET_JOURNAL, LOG_INFO, LOG_COLOUR_NONE);
    log_info("x");
    fake_journal_is_missing = false;
    assert_string_equal(end(),
                        "There is no journal here (/run/systemd/journal/socket does not exist): "
                        "log lines go to standard error.\nx\n");
    assert_int_equal(n_entries, 0);
}

static void log_keeps_errno_and_formats_it(void **state)
{
    log_open("test", LOG_TARGET_JOURNAL, LOG_INFO, LOG_COLOUR_NONE);
    errno = ENOSPC;
    log_info("%m");
    assert_int_equal(errno, ENOSPC);
    assert_string_equal(journal_field("MESSAGE"), "No space left on device");
    assert_int_equal(
        log_write_message(&(struct log_completion){}, NULL, LOG_INFO, NULL, LOG_NO_FIELDS, "x"), 0);
    assert_int_equal(errno, ENOSPC);
    log_set_common_field("X", NULL);
    log_open("test", LOG_TARGET_AUTO, LOG_INFO, LOG_COLOUR_NONE);
    assert_int_equal(errno, ENOSPC);
}

static uint64_t boot_msec(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void log_process_exits_after_the_journal_has_read_its_entries(void **state)
{
    uint64_t start = boot_msec();
    pid_t child = fork();
    int status;

    if (child == 0) {
        log_open("test", LOG_TARGET_JOURNAL, LOG_INFO, LOG_COLOUR_NONE);
        log_error("It fails.");
        exit(78);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 78);
    assert_true(boot_msec() - start >= LOG_EXIT_DELAY_MSEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(log_to_a_pipe_has_plain_lines, reset),
        cmocka_unit_test_setup(log_to_a_terminal_has_colours_by_priority, reset),
        cmocka_unit_test_setup(log_with_no_color_or_a_dumb_terminal_has_no_colours, reset),
        cmocka_unit_test_setup(log_entry_below_the_level_is_not_written, reset),
        cmocka_unit_test_setup(log_entry_is_one_line_with_escapes, reset),
        cmocka_unit_test_setup(log_long_line_is_cut_between_characters, reset),
        cmocka_unit_test_setup(log_to_the_journal_has_fields, reset),
        cmocka_unit_test_setup(json_has_the_fields_of_the_journal, reset),
        cmocka_unit_test_setup(json_of_any_bytes_is_one_line_of_utf8, reset),
        cmocka_unit_test_setup(json_of_long_text_and_fields_is_cut_like_the_journals, reset),
        cmocka_unit_test_setup(json_has_no_effect_on_the_journal, reset),
        cmocka_unit_test_setup(log_common_fields_are_set_replaced_and_removed, reset),
        cmocka_unit_test_setup(log_entry_with_the_maximum_number_of_fields_is_written, reset),
        cmocka_unit_test_setup(log_target_auto_is_the_journal_when_stderr_is_its_stream, reset),
        cmocka_unit_test_setup(log_entry_that_the_journal_refuses_is_written_to_stderr, reset),
        cmocka_unit_test_setup(message_that_needs_its_fields_is_an_object_where_lines_have_none,
                               reset),
        cmocka_unit_test_setup(log_without_a_journal_is_written_to_stderr, reset),
        cmocka_unit_test_setup(log_keeps_errno_and_formats_it, reset),
        cmocka_unit_test_setup(log_process_exits_after_the_journal_has_read_its_entries, reset),
    };
    int failed = cmocka_run_group_tests_name("log", tests, NULL, NULL);

    forget_journal();
    return failed;
}
