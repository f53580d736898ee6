/* SPDX-License-Identifier: MIT */
#include "producerd/spool/lock.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define NO_PATIENCE 0
#define PATIENCE (60 * USEC_PER_SEC)

static char folder[64], path[96];

static int lock(bool is_command, uint64_t timeout_usec)
{
    int fd = -1, r = spool_lock(path, is_command, timeout_usec, &fd);

    if (r < 0)
        return r;
    assert_true(fd >= 0);
    return fd;
}

static void daemons_share_the_lock(void **state)
{
    int first = lock(false, NO_PATIENCE), second = lock(false, NO_PATIENCE);

    assert_int_equal(lock(true, NO_PATIENCE), -EBUSY);
    close(first);
    assert_int_equal(lock(true, NO_PATIENCE), -EBUSY);
    close(second);
    close(lock(true, NO_PATIENCE));
}

static void command_excludes_all_others(void **state)
{
    int fd = lock(true, NO_PATIENCE);

    assert_int_equal(lock(false, NO_PATIENCE), -EBUSY);
    assert_int_equal(lock(true, 1), -EBUSY);
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
        cmocka_unit_test(daemons_share_the_lock),
        cmocka_unit_test(command_excludes_all_others),
        cmocka_unit_test(waiting_caller_gets_the_released_lock),
        cmocka_unit_test(missing_folder_is_no_error_of_the_lock),
    };
    int failed;

    strcpy(folder, "/tmp/test-spool-lock.XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof(path), "%s/spool.db", folder);
    failed = cmocka_run_group_tests_name("spool-lock", tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
