/* SPDX-License-Identifier: MIT */
#include "producerd/spool/disk-reserve.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES = 256 * 1024 };

static char folder[64], beside[96], path[128];

static int set_up(void **state)
{
    strcpy(folder, "/tmp/test-reserve.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(beside, sizeof(beside), "%s/file", folder);
    snprintf(path, sizeof(path), "%s-reserve", beside);
    return 0;
}

static int tear_down(void **state)
{
    unlink(path);
    return rmdir(folder);
}

static void assert_there(bool is_there)
{
    struct stat st;

    assert_int_equal(stat(path, &st), is_there ? 0 : -1);
    if (!is_there)
        return;
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_true(st.st_blocks * 512 >= BYTES);
}

/* The number that the next file to be opened would have. */
static int next_descriptor(void)
{
    int fd = dup(STDIN_FILENO);

    assert_true(fd >= 0);
    close(fd);
    return fd;
}

static void reserve_is_allocated_released_and_allocated_again(void **state)
{
    struct disk_reserve r;
    int fd = next_descriptor();

    assert_int_equal(disk_reserve_init(&r, beside, BYTES), 0);
    assert_there(false);
    assert_false(disk_reserve_release(&r));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(disk_reserve_allocate(&r), 0);
        assert_int_equal(disk_reserve_allocate(&r), 0);
        assert_there(true);
        assert_true(disk_reserve_release(&r));
        assert_false(disk_reserve_release(&r));
        assert_there(false);
    }
    assert_int_equal(next_descriptor(), fd);
    disk_reserve_done(&r);
}

static void existing_reserve_is_taken_over(void **state)
{
    struct disk_reserve r;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(disk_reserve_init(&r, beside, BYTES), 0);
        assert_int_equal(disk_reserve_allocate(&r), 0);
        assert_there(true);
        disk_reserve_done(&r);
    }
}

static void full_disk_leaves_no_reserve_file(void **state)
{
    struct disk_reserve r;

    assert_int_equal(disk_reserve_init(&r, beside, (size_t)1 << 60), 0);
    assert_true(disk_reserve_allocate(&r) < 0); /* ENOSPC, or EFBIG before that */
    assert_there(false);
    assert_false(disk_reserve_release(&r));
    disk_reserve_done(&r);
    assert_int_equal(disk_reserve_init(&r, "/nonexistent/file", BYTES), 0);
    assert_int_equal(disk_reserve_allocate(&r), -ENOENT);
    disk_reserve_done(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reserve_is_allocated_released_and_allocated_again),
        TEST(existing_reserve_is_taken_over),
        TEST(full_disk_leaves_no_reserve_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
