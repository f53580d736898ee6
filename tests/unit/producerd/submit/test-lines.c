/* SPDX-License-Identifier: MIT */
/* Memory runs out while lines are submitted. The linker puts a window_add of this file in the place
 * of the window's. */
#include "producerd/submit/lines.h"
#include "producerd/submit/window.h"
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>

static unsigned n_until_failure; /* calls that succeed; UINT_MAX: all */

struct window_line *__real_window_add(struct window *window, uint64_t number, const char *bytes,
                                      size_t size);
struct window_line *__wrap_window_add(struct window *window, uint64_t number, const char *bytes,
                                      size_t size);

struct window_line *__wrap_window_add(struct window *window, uint64_t number, const char *bytes,
                                      size_t size)
{
    if (n_until_failure == 0)
        return NULL;
    n_until_failure--;
    return __real_window_add(window, number, bytes, size);
}

static char folder[64], socket_path[96], rest_path[96];

static int make_folder(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/test-lines-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(socket_path, sizeof(socket_path), "%s/socket", folder);
    snprintf(rest_path, sizeof(rest_path), "%s/rest", folder);
    return 0;
}

static int remove_folder(void **state)
{
    return rmdir(folder);
}

/* It accepts connections, and answers none. */
static int listen_without_a_word(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void line_without_memory_stays_behind_those_before_it(void **state)
{
    static const char text[] = "one\ntwo\nthree\nfour\nlast";
    const struct submit_daemon daemon = {.program = "test-lines", .socket_path = socket_path};
    struct lines_options options = {
        .daemon = &daemon, .is_json = true, .input_name = "the input", .rest_path = rest_path};

    for (unsigned n = 0; n < 4; n++) {
        char rest[sizeof(text)] = "";
        int listener = listen_without_a_word(), fd;

        n_until_failure = n;
        options.input_fd = memfd_create("input", MFD_CLOEXEC);
        assert_int_equal(pwrite(options.input_fd, text, strlen(text), 0), strlen(text));
        assert_int_equal(lines_submit(&options), EX_OSERR);
        fd = open(rest_path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, rest, sizeof(rest)), strlen(text));
        assert_memory_equal(rest, text, strlen(text));
        close(fd);
        close(options.input_fd);
        close(listener);
        unlink(rest_path);
        unlink(socket_path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_without_memory_stays_behind_those_before_it),
    };

    return cmocka_run_group_tests_name("lines", tests, make_folder, remove_folder);
}
