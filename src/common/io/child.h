/* A program run beside the event loop, for what it prints: bounded in time and output, never
 * through a shell, ended with all that it started. */
#pragma once

#include <systemd/sd-event.h>

#include "buffer.h"

struct child; /* a program that runs */

struct child_options {
    char *const *argv;       /* NULL-terminated; argv[0] is looked for in PATH if it has no "/" */
    size_t output_max_bytes; /* more on standard output ends the program: CHILD_TOO_MUCH_OUTPUT */
    size_t errors_max_bytes; /* what is kept of its standard error; the rest is thrown away */
    uint64_t timeout_usec;   /* on the boot clock; then it is ended: CHILD_TIMED_OUT */
};

enum child_end {
    CHILD_EXITED,    /* status: its exit status */
    CHILD_KILLED,    /* status: the signal that ended it */
    CHILD_TIMED_OUT, /* the rest: status is 0 */
    CHILD_TOO_MUCH_OUTPUT,
    CHILD_LOST, /* its exit status cannot be had, or the loop failed */
};

struct child_result {
    enum child_end end;
    int status;
    /* Borrowed for the length of the call, NUL-terminated, wiped afterwards. */
    const char *output;
    size_t output_bytes;
    const char *errors;
    size_t errors_bytes;
};

/* Runs exactly once for each child that was not cancelled, never from inside child_start. */
typedef void (*child_done_fn)(void *userdata, const struct child_result *result);

/* Starts the program: in a process group of its own, with default signal actions and none blocked,
 * /dev/null as standard input, no descriptor of this process beyond its output and errors, in this
 * process's environment without systemd's NOTIFY_SOCKET, WATCHDOG_* and LISTEN_*.
 *
 * It has ended when the program itself has: whatever of its process group still runs then is
 * killed. (Something that is to stay must leave the group, as daemons do.) No SIGCHLD need be
 * blocked or handled for this; where it is ignored (which would lose the exit status), it is set to
 * its default.
 *
 * `*ret` is valid until `done` runs or child_cancel is called. 0, or the errno of what did not
 * work: -ENOENT (no such program), -EACCES (may not be run), -ENOEXEC (no format that the kernel
 * runs), -ENOMEM, ... */
int child_start(sd_event *event, const struct child_options *options, child_done_fn done,
                void *userdata, struct child **ret);

/* Kills the program and its process group; `done` does not run. What is left of it is collected by
 * the loop, as long as that goes on. NULL is allowed. Returns NULL. */
struct child *child_cancel(struct child *child);
