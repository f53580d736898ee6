/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/executable.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void make_file(const char *name, mode_t mode)
{
    int fd = open(in_folder(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static int begin(void **state)
{
    strcpy(folder, "/tmp/test-executable.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    make_file("program", 0700);
    make_file("text", 0600);
    if (mkdir(in_folder("bin"), 0700) < 0 || mkdir(in_folder("bin/program"), 0700) < 0 ||
        mkfifo(in_folder("fifo"), 0700) < 0)
        return -1;
    make_file("bin/other", 0700);
    return 0;
}

static int end(void **state)
{
    static const char *const names[] = {"program", "text", "bin/other", "fifo"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        unlink(in_folder(names[i]));
    rmdir(in_folder("bin/program"));
    rmdir(in_folder("bin"));
    return rmdir(folder);
}

static void assert_found(const char *name, const char *expected)
{
    CLEANUP(free) char *path = NULL, *error = NULL;

    assert_int_equal(executable_find(name, &path, &error), 0);
    assert_string_equal(path, expected);
    assert_null(error);
}

static void assert_unusable(const char *name, const char *says)
{
    CLEANUP(free) char *path = NULL, *error = NULL;

    assert_int_equal(executable_find(name, &path, &error), EXECUTABLE_E_UNUSABLE);
    assert_null(path);
    if (!strstr(error, says))
        print_message("%s: %s\n", name, error);
    assert_non_null(strstr(error, says));
    assert_null(strchr(error, '\n'));
}

static void executable_path_is_used_unchanged(void **state)
{
    assert_found(in_folder("program"), in_folder("program"));
    assert_found("/bin/sh", "/bin/sh");
}

static void executable_path_that_cannot_be_run_is_an_error_with_the_reason(void **state)
{
    assert_unusable(in_folder("missing"), "does not exist");
    assert_unusable(in_folder("text/program"), "is not a folder");
    assert_unusable(in_folder("bin"), "is a folder");
    assert_unusable(in_folder("fifo"), "is no file");
    assert_unusable(in_folder("text"), "chmod +x");
}

static void executable_name_is_searched_in_path(void **state)
{
    char path[256];

    /* What stands in the first folder by that name is a folder. */
    snprintf(path, sizeof(path), "/nonexistent:%s/bin:%s", folder, folder);
    assert_int_equal(setenv("PATH", path, 1), 0);
    assert_found("program", in_folder("program"));
    assert_found("other", in_folder("bin/other"));
    assert_unusable("missing", "not in any folder of PATH");
    assert_unusable("text", in_folder("text"));
    assert_unusable("text", "chmod +x");
    assert_int_equal(setenv("PATH", "", 1), 0);
    assert_unusable("sh", "not in any folder of PATH");
    assert_int_equal(unsetenv("PATH"), 0);
    assert_found("sh", "/bin/sh");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(executable_path_is_used_unchanged),
        cmocka_unit_test(executable_path_that_cannot_be_run_is_an_error_with_the_reason),
        cmocka_unit_test(executable_name_is_searched_in_path),
    };

    return cmocka_run_group_tests_name("executable", tests, begin, end);
}
