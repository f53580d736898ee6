/* SPDX-License-Identifier: MIT */
/* This uses posix_spawn, not fork. libcurl's resolver runs threads, and after a fork in a process
 * with threads hardly any function may be called. posix_spawn also copies no page tables. */
#include "util/spawn-program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/descriptor-limit.h"
#include "util/variable-prefix.h"

extern char **environ;

/* ---- The environment ---- */

bool spawn_inherits(const char *entry)
{
    static const char *const beginnings[] = {
        "NOTIFY_SOCKET=",
        "WATCHDOG_PID=",
        "WATCHDOG_USEC=",
        "LISTEN_PID=",
        "LISTEN_FDS=",
        "LISTEN_FDNAMES=",
        "FDSTORE=",
        "JOURNAL_STREAM=",
        "SYSTEMD_EXEC_PID=",
        "MAINPID=",
        "MEMORY_PRESSURE_WATCH=",
        "MEMORY_PRESSURE_WRITE=",
        SETTING_VARIABLE_PREFIX,
    };

    for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++)
        if (strncmp(entry, beginnings[i], strlen(beginnings[i])) == 0)
            return false;
    return true;
}

/* The strings are borrowed from the environment. The caller frees the array. */
static int make_environment(char ***ret)
{
    size_t n = 0, used = 0;
    char **e;

    while (environ && environ[n])
        n++;
    e = calloc(n + 1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (spawn_inherits(environ[i]))
            e[used++] = environ[i];
    *ret = e;
    return 0;
}

/* ---- Descriptors ---- */

static int close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Moves a descriptor above 2, so that no dup2 in the child overwrites it. It may have a lower
 * number if this process was started without the three standard descriptors. */
static int move_above_standard(int *fd)
{
    int high;

    if (*fd > STDERR_FILENO)
        return 0;
    high = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (high < 0)
        return -errno;
    close(*fd);
    *fd = high;
    return 0;
}

/* A pipe whose reading end does not block. */
static int make_pipe(int *ret_read, int *ret_write)
{
    int fds[2], r;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    r = move_above_standard(&fds[0]);
    if (r == 0)
        r = move_above_standard(&fds[1]);
    if (r == 0 && fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0)
        r = -errno;
    if (r < 0) {
        close(fds[0]);
        close(fds[1]);
        return r;
    }
    *ret_read = fds[0];
    *ret_write = fds[1];
    return 0;
}

/* ---- The start ---- */

/* If SIGCHLD is ignored, as inherited from some parents, the kernel throws exit statuses away. */
static int unignore_sigchld(void)
{
    struct sigaction action;

    if (sigaction(SIGCHLD, NULL, &action) < 0)
        return -errno;
    if (!(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_IGN) {
        action.sa_handler = SIG_DFL;
        action.sa_flags = 0;
    } else if (action.sa_flags & SA_NOCLDWAIT) {
        action.sa_flags &= ~SA_NOCLDWAIT;
    } else {
        return 0;
    }
    return sigaction(SIGCHLD, &action, NULL) < 0 ? -errno : 0;
}

/* The functions of posix_spawn return positive errnos. */
static int set_attributes(posix_spawnattr_t *a)
{
    sigset_t all, none;
    int e;

    sigfillset(&all);
    sigemptyset(&none);
    e = posix_spawnattr_setflags(a, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETSIGMASK);
    e = e ? e : posix_spawnattr_setpgroup(a, 0);
    e = e ? e : posix_spawnattr_setsigdefault(a, &all);
    e = e ? e : posix_spawnattr_setsigmask(a, &none);
    return -e;
}

static int set_descriptors(posix_spawn_file_actions_t *f, int input, int output, int errors)
{
    int e = input > 0 ? posix_spawn_file_actions_adddup2(f, input, STDIN_FILENO)
                      : posix_spawn_file_actions_addopen(f, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    e = e ? e : posix_spawn_file_actions_adddup2(f, output, STDOUT_FILENO);
    e = e ? e : posix_spawn_file_actions_adddup2(f, errors, STDERR_FILENO);
    e = e ? e : posix_spawn_file_actions_addclosefrom_np(f, STDERR_FILENO + 1);
    return -e;
}

static int run(const struct spawn_options *options, const posix_spawn_file_actions_t *f,
               const posix_spawnattr_t *a, pid_t *ret)
{
    CLEANUP(free) char **own = NULL;
    char *const *environment = options->environment;
    uint64_t soft;
    int e;

    if (!environment) {
        int r = make_environment(&own);

        if (r < 0)
            return r;
        environment = own;
    }
    /* The program inherits the limit that is in force here. Its descriptors may have numbers above
     * that limit: dup2 checks only the new number. To open a file, posix_spawn first closes the
     * number that the file gets. */
    soft = descriptor_limit_lower_for_spawn();
    if (options->path)
        e = posix_spawn(ret, options->path, f, a, options->argv, environment);
    else
        e = posix_spawnp(ret, options->argv[0], f, a, options->argv, environment);
    descriptor_limit_restore_after_spawn(soft);
    return -e;
}

static int run_with(const struct spawn_options *options, int output, int errors, pid_t *ret)
{
    posix_spawn_file_actions_t f;
    posix_spawnattr_t a;
    int r = -posix_spawnattr_init(&a);

    if (r < 0)
        return r;
    r = -posix_spawn_file_actions_init(&f);
    if (r == 0) {
        r = set_attributes(&a);
        if (r == 0)
            r = set_descriptors(&f, options->input, output, errors);
        if (r == 0)
            r = run(options, &f, &a, ret);
        posix_spawn_file_actions_destroy(&f);
    }
    posix_spawnattr_destroy(&a);
    return r;
}

/* Opens the program's pidfd. On failure the program is killed. */
static int open_pidfd(pid_t pid, int *ret)
{
    int r, fd = pidfd_open(pid, 0);

    if (fd >= 0) {
        *ret = fd;
        return 0;
    }
    r = -errno;
    /* This blocks, but only until the killed program is dead. */
    (void)kill(-pid, SIGKILL);
    (void)TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
    return r;
}

int spawn_program(const struct spawn_options *options, struct spawned *ret)
{
    struct spawned s = {.pidfd = -1, .output = -1, .errors = -1};
    int output = -1, errors = -1;
    int r = unignore_sigchld();

    if (r == 0)
        r = make_pipe(&s.output, &output);
    if (r == 0)
        r = make_pipe(&s.errors, &errors);
    if (r == 0)
        r = run_with(options, output, errors, &s.pid);
    close_fd(output);
    close_fd(errors);
    if (r == 0)
        r = open_pidfd(s.pid, &s.pidfd);
    if (r < 0) {
        close_fd(s.output);
        close_fd(s.errors);
        return r;
    }
    *ret = s;
    return 0;
}
