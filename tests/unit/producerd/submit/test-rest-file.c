/* SPDX-License-Identifier: MIT */
#include "producerd/submit/rest-file.h"
#include "test.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char folder[64], path[96];
static struct stat synced; /* by the last fsync */
static int sync_error;     /* what fsync fails with; 0: it succeeds */

/* In the place of libc's. */
int fsync(int fd)
{
    errno = sync_error;
    return sync_error > 0 ? -1 : fstat(fd, &synced);
}

static int make_folder(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/test-rest-file-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/rest", folder);
    return 0;
}

static int remove_folder(void **state)
{
    return rmdir(folder);
}

static int remove_file(void **state)
{
    unlink(path);
    return 0;
}

static void put(const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void assert_content(const char *text)
{
    char content[256] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(read(fd, content, sizeof(content) - 1) >= 0);
    close(fd);
    assert_string_equal(content, text);
}

static void lines_are_written_byte_by_byte_and_only_the_owner_reads_them(void **state)
{
    struct rest_file rest = REST_FILE_INIT;
    struct stat st;

    assert_int_equal(rest_file_open(&rest, path, STDIN_FILENO), 0);
    rest_file_write(&rest, 2, "a\r\n", 3);
    rest_file_write(&rest, 5, "\n", 1);
    rest_file_write(&rest, 7, "b\nla", 4);
    rest_file_write(&rest, 8, "st", 2);
    assert_int_equal(rest.n_lines, 4);
    assert_int_equal(rest_file_end(&rest), 0);
    assert_content("a\r\n\nb\nlast");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void file_with_lines_is_refused_and_stays(void **state)
{
    struct rest_file rest = REST_FILE_INIT;

    put("earlier\n");
    assert_int_equal(rest_file_open(&rest, path, STDIN_FILENO), REST_FILE_E_NOT_EMPTY);
    assert_int_equal(rest.fd, -1);
    assert_content("earlier\n");
}

static void input_is_refused(void **state)
{
    struct rest_file rest = REST_FILE_INIT;
    int fd;

    put("");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(rest_file_open(&rest, path, fd), REST_FILE_E_IS_INPUT);
    close(fd);
}

static void file_of_another_process_is_refused(void **state)
{
    struct rest_file first = REST_FILE_INIT, second = REST_FILE_INIT;

    assert_int_equal(rest_file_open(&first, path, STDIN_FILENO), 0);
    assert_int_equal(rest_file_open(&second, path, STDIN_FILENO), REST_FILE_E_IN_USE);
    assert_int_equal(rest_file_end(&first), 0);
    assert_int_equal(rest_file_open(&second, path, STDIN_FILENO), 0);
    assert_int_equal(rest_file_end(&second), 0);
}

static void fifo_without_a_reader_does_not_block(void **state)
{
    struct rest_file rest = REST_FILE_INIT;

    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(rest_file_open(&rest, path, STDIN_FILENO), -ENXIO);
}

static bool was_synced(const char *name)
{
    struct stat st;

    assert_int_equal(stat(name, &st), 0);
    return synced.st_dev == st.st_dev && synced.st_ino == st.st_ino;
}

static void folder_is_synced_when_the_file_has_lines(void **state)
{
    struct rest_file rest = REST_FILE_INIT;

    synced = (struct stat){};
    assert_int_equal(rest_file_open(&rest, path, STDIN_FILENO), 0);
    assert_int_equal(rest_file_end(&rest), 0);
    assert_false(was_synced(folder));
    assert_int_equal(rest_file_open(&rest, path, STDIN_FILENO), 0);
    rest_file_write(&rest, 1, "x\n", 2);
    assert_int_equal(rest_file_end(&rest), 0);
    assert_true(was_synced(folder));
}

static void folder_of_the_file_behind_a_link_is_synced(void **state)
{
    struct rest_file rest = REST_FILE_INIT;
    char links[] = "/tmp/test-rest-file-XXXXXX", link[96];

    assert_non_null(mkdtemp(links));
    snprintf(link, sizeof(link), "%s/link", links);
    assert_int_equal(symlink(path, link), 0);
    synced = (struct stat){};
    assert_int_equal(rest_file_open(&rest, link, STDIN_FILENO), 0);
    rest_file_write(&rest, 1, "x\n", 2);
    assert_int_equal(rest_file_end(&rest), 0);
    assert_true(was_synced(folder));
    unlink(link);
    rmdir(links);
}

static void folder_that_cannot_be_synced_is_an_error(void **state)
{
    struct rest_file rest = REST_FILE_INIT;

    assert_int_equal(rest_file_open(&rest, path, STDIN_FILENO), 0);
    rest_file_write(&rest, 1, "x\n", 2);
    sync_error = EIO;
    assert_int_equal(rest_file_end(&rest), -EIO);
    sync_error = 0;
    assert_int_equal(rest.missing_from, 1);
}

static void file_that_got_another_name_is_no_error(void **state)
{
    struct rest_file rest = REST_FILE_INIT;
    char other[128];

    snprintf(other, sizeof(other), "%s-moved", path);
    assert_int_equal(rest_file_open(&rest, path, STDIN_FILENO), 0);
    rest_file_write(&rest, 1, "x\n", 2);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(rest_file_end(&rest), 0);
    unlink(other);
}

/* The limit of the file's size ends a write in its middle, as a full disk does. */
static void failed_write_leaves_whole_lines_and_names_the_first_that_is_missing(void **state)
{
    const struct rlimit limit = {.rlim_cur = 9, .rlim_max = RLIM_INFINITY};
    struct rest_file rest = REST_FILE_INIT;
    struct rlimit before;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rest_file_open(&rest, path, STDIN_FILENO), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    rest_file_write(&rest, 3, "one\n", 4);
    rest_file_write(&rest, 8, "22\n3333\n", 8);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    rest_file_write(&rest, 10, "later\n", 6);
    assert_int_equal(rest.missing_from, 9);
    assert_int_equal(rest.n_lines, 2);
    assert_int_equal(rest_file_end(&rest), -EFBIG);
    assert_content("one\n22\n");
}

static void full_device_fails_at_its_first_line(void **state)
{
    struct rest_file rest = REST_FILE_INIT;

    assert_int_equal(rest_file_open(&rest, "/dev/full", STDIN_FILENO), 0);
    rest_file_write(&rest, 4, "x\n", 2);
    assert_int_equal(rest.missing_from, 4);
    assert_int_equal(rest_file_end(&rest), -ENOSPC);
}

static void without_a_file_nothing_happens(void **state)
{
    struct rest_file rest = REST_FILE_INIT;

    rest_file_write(&rest, 1, "x\n", 2);
    assert_int_equal(rest.n_lines, 0);
    assert_int_equal(rest_file_end(&rest), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(lines_are_written_byte_by_byte_and_only_the_owner_reads_them,
                                  remove_file),
        cmocka_unit_test_teardown(file_with_lines_is_refused_and_stays, remove_file),
        cmocka_unit_test_teardown(input_is_refused, remove_file),
        cmocka_unit_test_teardown(file_of_another_process_is_refused, remove_file),
        cmocka_unit_test_teardown(fifo_without_a_reader_does_not_block, remove_file),
        cmocka_unit_test_teardown(folder_is_synced_when_the_file_has_lines, remove_file),
        cmocka_unit_test_teardown(folder_of_the_file_behind_a_link_is_synced, remove_file),
        cmocka_unit_test_teardown(folder_that_cannot_be_synced_is_an_error, remove_file),
        cmocka_unit_test(file_that_got_another_name_is_no_error),
        cmocka_unit_test_teardown(
            failed_write_leaves_whole_lines_and_names_the_first_that_is_missing, remove_file),
        cmocka_unit_test(full_device_fails_at_its_first_line),
        cmocka_unit_test(without_a_file_nothing_happens),
    };

    return cmocka_run_group_tests_name("rest-file", tests, make_folder, remove_folder);
}
