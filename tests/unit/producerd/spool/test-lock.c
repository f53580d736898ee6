/* SPDX-License-Identifier: MIT */
#include "producerd/spool/lock.h"
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define NO_PATIENCE 0
#define PATIENCE (60 * USEC_PER_SEC)

static char folder[64], path[96];

static int lock(bool is_command, uint64_t timeout_usec)
{
    int fd = -1;

    assert_int_equal(spool_lock(path, is_command, timeout_usec, &fd), 0);
    assert_true(fd >= 0);
    return fd;
}

static void assert_lock_fails(bool is_command, uint64_t timeout_usec, int result)
{
    int fd = -1;

    assert_int_equal(spool_lock(path, is_command, timeout_usec, &fd), result);
    assert_int_equal(fd, -1);
}

static void daemons_share_the_lock_and_a_command_is_told_of_them(void **state)
{
    int first = lock(false, NO_PATIENCE), second = lock(false, NO_PATIENCE);

    assert_lock_fails(true, NO_PATIENCE, SPOOL_LOCK_E_DAEMON);
    close(first);
    assert_lock_fails(true, 1, SPOOL_LOCK_E_DAEMON);
    close(second);
    close(lock(true, NO_PATIENCE));
}

static void command_excludes_all_others(void **state)
{
    int fd = lock(true, NO_PATIENCE);

    assert_lock_fails(false, NO_PATIENCE, SPOOL_LOCK_E_COMMAND);
    assert_lock_fails(true, 1, SPOOL_LOCK_E_COMMAND);
    close(fd);
    close(lock(false, NO_PATIENCE));
}

static void *release_soon(void *fd)
{
    usleep(100000);
    close(*(int *)fd);
    return NULL;
}

static void waiting_caller_gets_the_released_lock(void **state)
{
    int fd = lock(true, NO_PATIENCE);
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, release_soon, &fd), 0);
    close(lock(false, PATIENCE));
    pthread_join(thread, NULL);
}

static void missing_folder_is_no_error_of_the_lock(void **state)
{
    int fd = 0;

    assert_int_equal(spool_lock("/nonexistent/spool.db", false, NO_PATIENCE, &fd), 0);
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(daemons_share_the_lock_and_a_command_is_told_of_them),
        cmocka_unit_test(command_excludes_all_others),
        cmocka_unit_test(waiting_caller_gets_the_released_lock),
        cmocka_unit_test(missing_folder_is_no_error_of_the_lock),
    };
    int failed;

    strcpy(folder, "/tmp/test-spool-lock.XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof(path), "%s/spool.db", folder);
    failed = cmocka_run_group_tests_name("producerd-spool-lock", tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
