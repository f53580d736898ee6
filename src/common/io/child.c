/* See child.h.
 *
 * posix_spawn, not fork: libcurl's resolver runs threads, and after a fork in a process with
 * threads hardly anything may be called. The end is told by a pidfd, which needs no signal.
 *
 * Signals go to the process group, whose number is the child's process id. The kernel gives that to
 * nobody else until the child was waited for; so a child is waited for in one place only, after its
 * group was killed for the last time.
 *
 * A child that was given up (cancelled, timed out) is dead in a moment but not at once. Its
 * structure then belongs to the pidfd's event source, which belongs to the loop; both go when it
 * has died, or with the loop. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { READ_CHUNK_BYTES = 4096 };

/* One of the child's two outputs. */
struct stream {
    int fd; /* -1: closed */
    sd_event_source *source;
    struct buffer kept;
};

struct child {
    pid_t pid;
    int pidfd;
    sd_event_source *exit_source; /* on the pidfd; its destruction frees the child */
    sd_event_source *timer;
    struct stream output, errors;
    child_done_fn done; /* NULL: given up, or its end was told */
    void *userdata;
};

/* ---- Ends ---- */

static void stream_close(struct stream *s)
{
    s->source = sd_event_source_disable_unref(s->source);
    if (s->fd >= 0)
        close(TAKE(s->fd));
    s->fd = -1;
    buffer_done(&s->kept);
}

/* Waits for the child, without blocking. Only here may its process id become another's. */
static int reap(struct child *child, siginfo_t *ret)
{
    *ret = (siginfo_t){};
    if (child->pid <= 0)
        return -ECHILD;
    if (TEMP_FAILURE_RETRY(waitid(P_PIDFD, (id_t)child->pidfd, ret, WEXITED | WNOHANG)) < 0)
        return -errno;
    if (ret->si_pid == 0)
        return -EAGAIN;
    child->pid = 0;
    return 0;
}

static void child_free(void *userdata)
{
    struct child *child = userdata;
    siginfo_t info;

    (void)reap(child, &info);
    stream_close(&child->output);
    stream_close(&child->errors);
    sd_event_source_disable_unref(child->timer);
    if (child->pidfd >= 0)
        close(child->pidfd);
    free(child);
}

static void kill_group(struct child *child)
{
    if (child->pid > 0)
        (void)kill(-child->pid, SIGKILL);
}

/* Kills it and leaves the rest to the loop. */
static void give_up(struct child *child)
{
    child->done = NULL;
    kill_group(child);
    stream_close(&child->output);
    stream_close(&child->errors);
    child->timer = sd_event_source_disable_unref(child->timer);
    /* From here on the loop holds the source, and the source the child. */
    sd_event_source_set_floating(child->exit_source, true);
    sd_event_source_unref(child->exit_source);
}

struct child *child_cancel(struct child *child)
{
    if (child)
        give_up(child);
    return NULL;
}

/* Tells the end, once. The callback must not touch the child any more. */
static void tell(struct child *child, enum child_end end, int status)
{
    child_done_fn done = TAKE(child->done);
    struct child_result result = {
        .end = end,
        .status = status,
        .output = buffer_string(&child->output.kept),
        .output_bytes = child->output.kept.size,
        .errors = buffer_string(&child->errors.kept),
        .errors_bytes = child->errors.kept.size,
    };

    if (done)
        done(child->userdata, &result);
}

/* Ends a child that still runs, and says why. It is killed first: the callback may take its time.
 */
static void end_early(struct child *child, enum child_end why)
{
    kill_group(child);
    tell(child, why, 0);
    give_up(child);
}

/* ---- Its outputs ---- */

enum {
    STREAM_OPEN = 0, /* nothing to read just now */
    STREAM_ENDED,
    STREAM_FULL, /* there is more than the buffer takes */
};

/* Reads once. A positive number of bytes, or 0 with *ret one of the above, or a negative errno. */
static ssize_t read_some(struct stream *s, int *ret)
{
    size_t room = s->kept.max - s->kept.size;
    char probe[READ_CHUNK_BYTES];
    ssize_t n;
    int r;

    *ret = STREAM_OPEN;
    if (room == 0) {
        n = TEMP_FAILURE_RETRY(read(s->fd, probe, sizeof(probe)));
        secure_wipe(probe, sizeof(probe));
    } else {
        room = MIN(room, (size_t)READ_CHUNK_BYTES);
        r = buffer_reserve(&s->kept, room);
        if (r < 0)
            return r;
        n = TEMP_FAILURE_RETRY(read(s->fd, s->kept.data + s->kept.size, room));
        if (n > 0) {
            s->kept.size += (size_t)n;
            s->kept.data[s->kept.size] = '\0';
            return n;
        }
    }
    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    *ret = n == 0 ? STREAM_ENDED : STREAM_FULL;
    return 0;
}

/* Reads what is there. One of the above or a negative errno. */
static int drain(struct stream *s)
{
    int state = STREAM_OPEN;
    ssize_t n;

    if (s->fd < 0)
        return STREAM_ENDED;
    do
        n = read_some(s, &state);
    while (n > 0);
    return n < 0 ? (int)n : state;
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct child *child = userdata;
    int state = drain(&child->output);

    if (state < 0)
        end_early(child, CHILD_LOST);
    else if (state == STREAM_FULL)
        end_early(child, CHILD_TOO_MUCH_OUTPUT);
    else if (state == STREAM_ENDED)
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
    return 0;
}

/* Past what is kept of it, reading goes on, for a full pipe would stop the program. */
static int on_errors(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct child *child = userdata;
    int state = drain(&child->errors);

    if (state < 0 || state == STREAM_ENDED)
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
    return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
    end_early(userdata, CHILD_TIMED_OUT);
    return 0;
}

static int on_exit_of_child(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct child *child = userdata;
    bool is_told = !child->done;
    siginfo_t info;
    int state, r;

    kill_group(child);
    r = reap(child, &info);
    if (r == -EAGAIN)
        return 0;
    if (is_told) {
        /* The loop's own source: taken back to be let go. */
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        sd_event_source_ref(source);
        sd_event_source_set_floating(source, false);
        sd_event_source_unref(source);
        return 0;
    }
    state = drain(&child->output);
    (void)drain(&child->errors);
    if (r < 0 || state < 0)
        tell(child, CHILD_LOST, 0);
    else if (state == STREAM_FULL)
        tell(child, CHILD_TOO_MUCH_OUTPUT, 0);
    else
        tell(child, info.si_code == CLD_EXITED ? CHILD_EXITED : CHILD_KILLED, info.si_status);
    sd_event_source_disable_unref(source); /* frees the child */
    return 0;
}

/* ---- Start ---- */

/* What systemd gave this process alone: with it a child could speak in its name. */
static bool is_for_this_process_alone(const char *entry)
{
    static const char *const names[] = {"NOTIFY_SOCKET=", "WATCHDOG_PID=", "WATCHDOG_USEC=",
                                        "LISTEN_PID=",    "LISTEN_FDS=",   "LISTEN_FDNAMES="};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strncmp(entry, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* The strings are borrowed from the environment, the array is the caller's to free. */
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
        if (!is_for_this_process_alone(environ[i]))
            e[used++] = environ[i];
    *ret = e;
    return 0;
}

/* An ignored SIGCHLD, as some parent may have left it, makes the kernel throw exit statuses away.
 */
static int heed_children(void)
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

static int set_descriptors(posix_spawn_file_actions_t *f, int output, int errors)
{
    int e = posix_spawn_file_actions_addopen(f, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    e = e ? e : posix_spawn_file_actions_adddup2(f, output, STDOUT_FILENO);
    e = e ? e : posix_spawn_file_actions_adddup2(f, errors, STDERR_FILENO);
    e = e ? e : posix_spawn_file_actions_addclosefrom_np(f, STDERR_FILENO + 1);
    return -e;
}

static int spawn(char *const *argv, int output, int errors, pid_t *ret)
{
    posix_spawn_file_actions_t f;
    posix_spawnattr_t a;
    CLEANUP(free) char **environment = NULL;
    int r = make_environment(&environment);

    if (r < 0)
        return r;
    r = -posix_spawnattr_init(&a);
    if (r < 0)
        return r;
    r = -posix_spawn_file_actions_init(&f);
    if (r == 0) {
        r = set_attributes(&a);
        if (r == 0)
            r = set_descriptors(&f, output, errors);
        if (r == 0)
            r = -posix_spawnp(ret, argv[0], &f, &a, argv, environment);
        posix_spawn_file_actions_destroy(&f);
    }
    posix_spawnattr_destroy(&a);
    return r;
}

/* A pipe with both ends above standard error, so that one's number is never the target of the
 * other's dup2 in the child, even where this process was started without the standard three. */
static int make_pipe(int ret[2])
{
    int fds[2], high[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    for (size_t i = 0; i < 2; i++) {
        high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (high[i] < 0) {
            int r = -errno;

            if (i == 1)
                close(high[0]);
            close(fds[0]);
            close(fds[1]);
            return r;
        }
    }
    close(fds[0]);
    close(fds[1]);
    ret[0] = high[0];
    ret[1] = high[1];
    return 0;
}

/* Starts the program and opens its pidfd. */
static int launch(struct child *child, char *const *argv)
{
    int output[2] = {-1, -1}, errors[2] = {-1, -1};
    int r = make_pipe(output);

    if (r < 0)
        return r;
    child->output.fd = output[0];
    r = make_pipe(errors);
    if (r < 0) {
        close(output[1]);
        return r;
    }
    child->errors.fd = errors[0];
    r = heed_children();
    if (r == 0)
        r = spawn(argv, output[1], errors[1], &child->pid);
    close(output[1]);
    close(errors[1]);
    if (r < 0) {
        child->pid = 0;
        return r;
    }
    child->pidfd = pidfd_open(child->pid, 0);
    if (child->pidfd < 0) {
        r = -errno;
        /* The one wait that blocks: on a child that was just killed, where there are no pidfds. */
        kill_group(child);
        (void)TEMP_FAILURE_RETRY(waitpid(TAKE(child->pid), NULL, 0));
        return r;
    }
    return 0;
}

static int watch_stream(sd_event *event, struct child *child, struct stream *s,
                        sd_event_io_handler_t handler)
{
    int flags = fcntl(s->fd, F_GETFL);

    if (flags < 0 || fcntl(s->fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return sd_event_add_io(event, &s->source, s->fd, EPOLLIN, handler, child);
}

static int watch(sd_event *event, struct child *child, uint64_t timeout_usec)
{
    int r = watch_stream(event, child, &child->output, on_output);

    if (r >= 0)
        r = watch_stream(event, child, &child->errors, on_errors);
    if (r >= 0)
        r = sd_event_add_time_relative(event, &child->timer, CLOCK_BOOTTIME, timeout_usec,
                                       10 * USEC_PER_MSEC, on_timeout, child);
    return r;
}

int child_start(sd_event *event, const struct child_options *options, child_done_fn done,
                void *userdata, struct child **ret)
{
    struct child *child = calloc(1, sizeof(*child));
    int r;

    if (!child)
        return -ENOMEM;
    child->pidfd = child->output.fd = child->errors.fd = -1;
    child->output.kept = BUFFER_INIT(options->output_max_bytes);
    child->errors.kept = BUFFER_INIT(options->errors_max_bytes);
    child->done = done;
    child->userdata = userdata;

    r = launch(child, options->argv);
    if (r >= 0)
        r = sd_event_add_io(event, &child->exit_source, child->pidfd, EPOLLIN, on_exit_of_child,
                            child);
    if (r < 0) {
        kill_group(child);
        child_free(child);
        return r;
    }
    sd_event_source_set_destroy_callback(child->exit_source, child_free);
    r = watch(event, child, options->timeout_usec);
    if (r < 0) {
        give_up(child);
        return r;
    }
    *ret = child;
    return 0;
}
