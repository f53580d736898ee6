/* SPDX-License-Identifier: MIT */
#include "aws/credentials-process.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GOOD_KEYS                                                                                  \
    "\"Version\":1,\"AccessKeyId\":\"AKIDPROCESS\",\"SecretAccessKey\":\"SEKRET/of+process=\""

/* What pipe2(2) and posix_spawnp(3) fail with. 0: with nothing. Override libc's. */
static int pipe_errno, spawn_errno;

int pipe2(int fds[2], int flags)
{
    if (pipe_errno == 0)
        return (int)syscall(SYS_pipe2, fds, flags);
    errno = pipe_errno;
    return -1;
}

int posix_spawnp(pid_t *restrict ret, const char *restrict file,
                 const posix_spawn_file_actions_t *restrict actions,
                 const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                 char *const environment[restrict])
{
    CLEANUP(free) char *path = NULL;

    if (spawn_errno != 0)
        return spawn_errno;
    /* The real one is this file's no more: posix_spawn(3) does the rest. */
    if (strchr(file, '/'))
        return posix_spawn(ret, file, actions, attributes, argv, environment);
    if (asprintf(&path, "/bin/%s", file) < 0)
        return ENOMEM;
    return posix_spawn(ret, path, actions, attributes, argv, environment);
}

struct fixture {
    sd_event *event;
    char folder[64];
    char script[128]; /* the path of a program in the folder, with a space in it */
    unsigned n;
    enum credentials_outcome outcome;
    struct aws_credentials *credentials;
    char *text;
};

static void write_file(struct fixture *f, const char *name, mode_t mode, const char *content)
{
    char path[192];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", f->folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void forget_answer(struct fixture *f)
{
    f->n = 0;
    f->credentials = aws_credentials_unref(f->credentials);
    free(TAKE(f->text));
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char path[192];

    if (!f || sd_event_new(&f->event) < 0)
        return -1;
    strcpy(f->folder, "/tmp/test-process.XXXXXX");
    if (!mkdtemp(f->folder))
        return -1;
    snprintf(f->script, sizeof(f->script), "%s/get keys", f->folder);
    snprintf(path, sizeof(path), "%s/config", f->folder);
    setenv("AWS_CONFIG_FILE", path, 1);
    snprintf(path, sizeof(path), "%s/credentials", f->folder);
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    unsetenv("AWS_PROFILE");
    unsetenv("AWS_DEFAULT_PROFILE");
    unsetenv("CREDENTIALS_DIRECTORY");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"config", "credentials", "get keys"};
    struct fixture *f = *state;
    char path[192];

    forget_answer(f);
    sd_event_unref(f->event);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", f->folder, names[i]);
        unlink(path);
    }
    rmdir(f->folder);
    free(f);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    return 0;
}

static void on_done(void *userdata, enum credentials_outcome outcome,
                    struct aws_credentials *credentials, const char *text)
{
    struct fixture *f = userdata;

    f->n++;
    f->outcome = outcome;
    f->credentials = credentials ? aws_credentials_ref(credentials) : NULL;
    f->text = text ? strdup(text) : NULL;
}

static void wait_for_answer(struct fixture *f)
{
    while (f->n == 0)
        assert_true(sd_event_run(f->event, USEC_PER_SEC) >= 0);
    assert_int_equal(f->n, 1);
    assert_int_equal(!!f->credentials, f->outcome == CREDENTIALS_FOUND);
    assert_int_equal(!f->text, f->outcome == CREDENTIALS_FOUND);
    if (f->text) {
        assert_null(strstr(f->text, "SEKRET"));
        assert_null(strchr(f->text, '\n'));
    }
}

static void fetch_from(struct fixture *f, const char *profile, uint64_t timeout_usec)
{
    CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;

    forget_answer(f);
    assert_int_equal(credentials_process_new(f->event, profile, timeout_usec, &p), 0);
    assert_string_equal(p->name, "credential_process");
    credentials_provider_fetch(p, on_done, f);
    wait_for_answer(f);
}

/* Runs a script as the default profile's credential_process. */
static void run_script(struct fixture *f, const char *script)
{
    char config[512];

    snprintf(config, sizeof(config), "[default]\ncredential_process = '%s' \"an argument\"\n",
             f->script);
    write_file(f, "config", 0600, config);
    write_file(f, "get keys", 0700, script);
    fetch_from(f, NULL, 1000 * USEC_PER_SEC);
}

static void assert_failed(const struct fixture *f, const char *says)
{
    if (f->outcome != CREDENTIALS_FAILED || !strstr(f->text, says))
        print_message("found %s, wanted %s\n", f->text ? f->text : "keys", says);
    assert_int_equal(f->outcome, CREDENTIALS_FAILED);
    assert_non_null(strstr(f->text, says));
}

static void keys_that_a_program_prints_are_found(void **state)
{
    struct fixture *f = *state;
    char source[256];

    run_script(f, "#!/bin/sh\n"
                  "[ \"$1\" = 'an argument' ] && echo '{" GOOD_KEYS
                  ",\"SessionToken\":\"tok\",\"Expiration\":\"2100-01-01T00:00:00Z\"}'\n"
                  "echo a warning >&2\n");
    assert_int_equal(f->outcome, CREDENTIALS_FOUND);
    assert_string_equal(f->credentials->access_key_id, "AKIDPROCESS");
    assert_string_equal(f->credentials->secret_access_key, "SEKRET/of+process=");
    assert_string_equal(f->credentials->session_token, "tok");
    assert_true(f->credentials->expiry_usec == UINT64_C(4102444800) * USEC_PER_SEC);
    snprintf(source, sizeof(source), "profile default: credential_process %s", f->script);
    assert_string_equal(f->credentials->source, source);
}

static void without_expiration_keys_are_for_ever(void **state)
{
    struct fixture *f = *state;

    run_script(f, "#!/bin/sh\necho '{" GOOD_KEYS "}'\n");
    assert_int_equal(f->outcome, CREDENTIALS_FOUND);
    assert_null(f->credentials->session_token);
    assert_true(f->credentials->expiry_usec == USEC_INFINITY);
}

static void the_program_is_looked_for_in_path_and_gets_no_shell(void **state)
{
    struct fixture *f = *state;

    write_file(f, "config", 0600,
               "[default]\ncredential_process = printf '{" GOOD_KEYS ",\"x\":\"%s\"}' "
               "$HOME;`id`|&*\n");
    fetch_from(f, NULL, 1000 * USEC_PER_SEC);
    assert_int_equal(f->outcome, CREDENTIALS_FOUND);
}

static void failing_programs_are_named_with_their_reason(void **state)
{
    static const struct {
        const char *script, *says;
    } rows[] = {
        {"#!/bin/sh\necho SEKRET; echo >&2; echo ' no such role \033 ' >&2; echo more >&2; exit 3",
         "ended with exit status 3; it says: no such role \\x1b"},
        {"#!/bin/sh\nexit 1", "ended with exit status 1"},
        {"#!/bin/sh\nkill -KILL $$", "was ended by signal 9 (Killed)"},
        {"#!/bin/sh\nkill -SEGV $$", "was ended by signal 11 (Segmentation fault)"},
        {"#!/bin/sh\nexec head -c 3000000 /dev/zero", "printed more than 65536 bytes"},
        {"#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' e >&2; exit 4", "exit status 4; it says"},
        {"#!/bin/sh\nexit 0", "succeeded, but its output is empty"},
        {"#!/bin/sh\necho only on stderr >&2", "its output is empty; it says: only on stderr"},
        {"#!/bin/sh\necho SEKRET", "succeeded, but its output is not the JSON that is expected"},
        {"#!/bin/sh\nhead -c 60000 /dev/urandom",
         "succeeded, but its output is not the JSON that is expected"},
        {"#!/bin/sh\necho '{\"Version\":1,'",
         "its output is not the JSON that is expected: cut off"},
        {"#!/bin/sh\necho '{\"Version\":2}'", "its output has Version 2, but only 1"},
        {"#!/bin/sh\necho '{\"Version\":1,\"AccessKeyId\":\"A\"}'", "has no SecretAccessKey"},
        {"#!/nonexistent/interpreter\n", "cannot be run: No such file or directory (is it"},
        {"echo no first line", "cannot be run: Exec format error (a script needs"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        run_script(f, rows[i].script);
        assert_failed(f, rows[i].says);
        assert_non_null(strstr(f->text, "profile default: credential_process "));
        assert_non_null(strstr(f->text, f->script));
        assert_true(strlen(f->text) < 600);
    }
}

static void programs_that_cannot_be_run_are_named(void **state)
{
    static const struct {
        const char *config, *says;
    } rows[] = {
        {"credential_process = /nonexistent/x SEKRET",
         "credential_process /nonexistent/x cannot be run: No such file or directory"},
        {"credential_process = no-such-program-anywhere", "cannot be run: No such file"},
        {"credential_process = /etc/passwd SEKRET", "cannot be run: Permission denied"},
        {"credential_process = /tmp", "cannot be run: Permission denied"},
        {"credential_process = ~/bin/x", "~ and variables are not replaced"},
        {"credential_process = x 'SEKRET",
         "credential_process has an opening ' without a closing one"},
        {"credential_process = ''", "credential_process names no program"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char config[512];

        snprintf(config, sizeof(config), "[default]\n%s\n", rows[i].config);
        write_file(f, "config", 0600, config);
        fetch_from(f, NULL, 1000 * USEC_PER_SEC);
        assert_failed(f, rows[i].says);
    }
}

/* What this machine lacks for a while says nothing of the program. */
static void program_cannot_be_run_shortage_is_told_from_a_fault(void **state)
{
    static const struct {
        int error;
        enum credentials_outcome outcome;
        const char *says;
    } rows[] = {
        {EAGAIN, CREDENTIALS_SHORTAGE, "sh cannot be run: Resource temporarily unavailable"},
        {ENOMEM, CREDENTIALS_SHORTAGE, "sh cannot be run: Cannot allocate memory"},
        {EMFILE, CREDENTIALS_SHORTAGE, "sh cannot be run: Too many open files"},
        {ENFILE, CREDENTIALS_SHORTAGE, "sh cannot be run: Too many open files in system"},
        {ETXTBSY, CREDENTIALS_SHORTAGE, "sh cannot be run: Text file busy"},
        {EACCES, CREDENTIALS_FAILED, "sh cannot be run: Permission denied"},
        {E2BIG, CREDENTIALS_FAILED, "sh cannot be run: Argument list too long"},
    };
    struct fixture *f = *state;

    write_file(f, "config", 0600,
               "[default]\ncredential_process = sh -c 'echo \"{\\\"Version\\\":1}\"'\n");
    for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
        size_t k = i / 2;

        *(i % 2 == 0 ? &pipe_errno : &spawn_errno) = rows[k].error;
        fetch_from(f, NULL, 1000 * USEC_PER_SEC);
        pipe_errno = spawn_errno = 0;
        if (f->outcome != rows[k].outcome || !strstr(f->text, rows[k].says))
            fail_msg("row %zu: %s", k, f->text);
    }
    fetch_from(f, NULL, 1000 * USEC_PER_SEC);
    assert_failed(f, "has no AccessKeyId");
}

static void a_program_that_hangs_is_killed(void **state)
{
    struct fixture *f = *state;

    write_file(f, "config", 0600, "[default]\ncredential_process = sleep 100\n");
    fetch_from(f, NULL, 200 * USEC_PER_MSEC);
    assert_int_equal(f->outcome, CREDENTIALS_UNREACHABLE);
    assert_non_null(
        strstr(f->text, "credential_process sleep did not end within 0.2 s and was killed"));
}

static void profile_and_file_are_chosen_as_the_aws_cli_does(void **state)
{
    struct fixture *f = *state;

    write_file(f, "config", 0600,
               "[default]\nregion = x\n"
               "[profile work]\ncredential_process = sh -c 'exit 11'\n"
               "[profile both]\ncredential_process = sh -c 'exit 12'\n");
    write_file(f, "credentials", 0600,
               "[both]\ncredential_process = sh -c 'exit 13'\n"
               "[only]\ncredential_process = sh -c 'exit 14'\n");
    fetch_from(f, "work", 1000 * USEC_PER_SEC);
    assert_failed(f, "profile work: credential_process sh ended with exit status 11");
    fetch_from(f, "both", 1000 * USEC_PER_SEC);
    assert_failed(f, "exit status 13");
    setenv("AWS_PROFILE", "only", 1);
    fetch_from(f, NULL, 1000 * USEC_PER_SEC);
    assert_failed(f, "exit status 14");
    fetch_from(f, "work", 1000 * USEC_PER_SEC);
    assert_failed(f, "exit status 11");
    unsetenv("AWS_PROFILE");

    fetch_from(f, NULL, 1000 * USEC_PER_SEC);
    assert_int_equal(f->outcome, CREDENTIALS_NOT_SET_UP);
    assert_string_equal(f->text, "profile default has no credential_process");
    fetch_from(f, "nobody", 1000 * USEC_PER_SEC);
    assert_int_equal(f->outcome, CREDENTIALS_NOT_SET_UP);
}

static void a_broken_file_is_a_failure(void **state)
{
    struct fixture *f = *state;

    write_file(f, "config", 0600, "[default\n");
    fetch_from(f, NULL, 1000 * USEC_PER_SEC);
    assert_failed(f, "config:1");
}

static void the_file_is_read_anew_at_each_fetch(void **state)
{
    struct fixture *f = *state;
    CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;

    assert_int_equal(credentials_process_new(f->event, NULL, 1000 * USEC_PER_SEC, &p), 0);
    for (unsigned i = 21; i < 24; i++) {
        char config[128], says[64];

        snprintf(config, sizeof(config), "[default]\ncredential_process = sh -c 'exit %u'\n", i);
        snprintf(says, sizeof(says), "exit status %u", i);
        write_file(f, "config", 0600, config);
        forget_answer(f);
        credentials_provider_fetch(p, on_done, f);
        wait_for_answer(f);
        assert_failed(f, says);
    }
}

static void freeing_the_provider_kills_the_program(void **state)
{
    struct fixture *f = *state;
    CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;
    siginfo_t info;

    write_file(f, "config", 0600, "[default]\ncredential_process = sleep 100\n");
    assert_int_equal(credentials_process_new(f->event, NULL, 1000 * USEC_PER_SEC, &p), 0);
    credentials_provider_fetch(p, on_done, f);
    credentials_provider_free(TAKE(p));
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
        assert_true(sd_event_run(f->event, 100 * USEC_PER_MSEC) >= 0);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(f->n, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(keys_that_a_program_prints_are_found),
        TEST(without_expiration_keys_are_for_ever),
        TEST(the_program_is_looked_for_in_path_and_gets_no_shell),
        TEST(failing_programs_are_named_with_their_reason),
        TEST(programs_that_cannot_be_run_are_named),
        TEST(program_cannot_be_run_shortage_is_told_from_a_fault),
        TEST(a_program_that_hangs_is_killed),
        TEST(profile_and_file_are_chosen_as_the_aws_cli_does),
        TEST(a_broken_file_is_a_failure),
        TEST(the_file_is_read_anew_at_each_fetch),
        TEST(freeing_the_provider_kills_the_program),
    };
#undef TEST

    return cmocka_run_group_tests_name("credentials-process", tests, NULL, NULL);
}
