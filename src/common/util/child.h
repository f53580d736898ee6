/* SPDX-License-Identifier: MIT */
/* A program that runs beside the event loop: its time is bounded, no shell is involved, and it is
 * ended with all processes that it started. Its output is passed on as it comes. */
#pragma once

#include <systemd/sd-event.h>

#include "util/spawn-program.h"

struct child; /* a program that runs */

enum child_stream { CHILD_OUTPUT, CHILD_ERRORS, CHILD_N_STREAMS };

enum child_end {
    CHILD_EXITED,          /* status: its exit status */
    CHILD_KILLED,          /* status: the signal that ended it */
    CHILD_TIMED_OUT,       /* for this and all that follow, status is 0 */
    CHILD_TERMINATED,      /* child_terminate was called first, however it ended then */
    CHILD_TOO_MUCH_OUTPUT, /* `output` has returned false */
    CHILD_LOST,            /* its exit status is not known: something else has waited for it */
};

/* A piece of the program's output. The bytes are borrowed for the length of the call and wiped
 * afterwards. Never called from inside child_start. Returning false means that this is too much
 * output: the program is killed. The callback may call no function of child.h but
 * child_pause_output. */
typedef bool (*child_output_fn)(void *userdata, enum child_stream stream, const char *bytes,
                                size_t size);

/* Runs exactly once for each child that is not cancelled, never from inside a function of child.h,
 * and after all output was passed on. */
typedef void (*child_done_fn)(void *userdata, enum child_end end, int status);

struct child_options {
    struct spawn_options program;
    uint64_t timeout_usec; /* on the boot clock; after it the program is ended: CHILD_TIMED_OUT */
    uint64_t grace_usec;   /* from SIGTERM to SIGKILL; 0: SIGKILL at once */
    child_output_fn output;
    child_done_fn done;
    void *userdata;
};

/* Starts the program by spawn_program. Its standard input is options->program.input. Its standard
 * output is a pipe that is read as CHILD_OUTPUT, and its standard error one that is read as
 * CHILD_ERRORS.
 *
 * `done` gets the exit status of the program itself. When the program has ended, the processes of
 * its process group that still run are ended as well: SIGTERM, and SIGKILL after grace_usec. `done`
 * waits until they have ended, for grace_usec at most. It does not wait for killed processes; the
 * loop collects them. A process that shall go on must leave the group, as daemons do.
 *
 * In one round of the loop at most CHILD_READ_MAX_BYTES of the output are passed on, so that
 * endless output delays nothing else. Once the program has ended, it is at most
 * CHILD_REST_MAX_BYTES.
 *
 * `*ret` is valid until `done` runs or child_cancel is called. Returns 0, the error of
 * spawn_program, or an errno of the loop. */
enum { CHILD_READ_MAX_BYTES = 16 * 1024, CHILD_REST_MAX_BYTES = 1024 * 1024 };
int child_start(sd_event *event, const struct child_options *options, struct child **ret);

pid_t child_pid(const struct child *child);

/* Stops or resumes reading the program's output. While reading is stopped, the program waits once
 * its pipes are full. What is in the pipes at its end is read in any case. */
void child_pause_output(struct child *child, bool is_paused);

/* Ends the program and its group: SIGTERM, and SIGKILL after `grace_usec`, but no later than the
 * grace_usec of its start. 0: SIGKILL at once. `done` reports how it ended. If the end is already
 * under way, or the program has ended by itself, this can only shorten the time. */
void child_terminate(struct child *child, uint64_t grace_usec);

/* Waits until the program itself (not its group) has ended, or until `usec` have passed. It is for
 * the time after the event loop has ended. */
void child_wait(const struct child *child, uint64_t usec);

/* Kills the program and its process group. `done` does not run. The loop collects the dead
 * processes as long as it runs. NULL is allowed. Returns NULL. */
struct child *child_cancel(struct child *child);
