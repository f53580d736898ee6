/* SPDX-License-Identifier: MIT */
#include "consumerd/handler/exec-program.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "consumerd/handler/handler.h"
#include "consumerd/handler/sandbox.h"
#include "util/buffer.h"
#include "util/descriptor-limit.h"
#include "util/error-line.h"
#include "util/executable.h"

enum {
    ADVICE_MAX_BYTES = 512,
    DESCRIPTORS_OF_RUN = 3, /* a pidfd and two pipes */
    DESCRIPTORS_OTHERS =
        512, /* connections, the log, the ledger, those of a program being started */
};

/* Programs run as the daemon's user. A user may read other processes of his own: /proc/PID/environ,
 * /proc/PID/mem, /proc/PID/fd, ptrace. This forbids it for the daemon, which has the keys. The
 * price: the daemon leaves no core file. The leak sanitizer needs ptrace. */
void exec_program_hide_daemon(void)
{
    if (!HAS_ADDRESS_SANITIZER)
        prctl(PR_SET_DUMPABLE, 0);
}

/* Whether a command whose program was not found looks like a shell's command line. */
static bool is_line(char *const *command)
{
    return !command[1] && strpbrk(command[0], " \t");
}

/* Finds the program's path, which the caller frees. */
static int find(const struct config *config, char **ret, char **error)
{
    CLEANUP(buffer_done) struct buffer advice = BUFFER_INIT(ADVICE_MAX_BYTES);
    CLEANUP(free) char *fault = NULL;
    const char *name = config->consumer.command[0];
    int r;

    if (!name)
        return error_line(HANDLER_E_CONFIG, error,
                          "consumer.command: not set, but needed for handler \"exec\": an array of "
                          "the program's path and its arguments");
    r = executable_find(name, ret, &fault);
    if (r <= 0)
        return r;
    if (is_line(config->consumer.command))
        buffer_append_string(&advice,
                             "; no shell is involved: each argument is a text of its own, as "
                             "in [\"/usr/bin/program\", \"--option\", \"value\"]");
    if (sandbox_is_likely())
        sandbox_append_advice(&advice, config->instance, name);
    return error_line(HANDLER_E_CONFIG, error, "consumer.command: \"%s\" %s%s", name, fault,
                      buffer_string(&advice));
}

static void free_texts(char **texts)
{
    for (size_t i = 0; texts && texts[i]; i++)
        free(texts[i]);
    free(texts);
}

static char **copy_texts(char *const *texts)
{
    size_t n = 0;
    char **copy;

    while (texts[n])
        n++;
    copy = calloc(n + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = strdup(texts[i]);
        if (!copy[i]) {
            free_texts(copy);
            return NULL;
        }
    }
    return copy;
}

int exec_program_new(const struct config *config, struct exec_program **ret, char **error)
{
    CLEANUP(exec_program_unref) struct exec_program *program = calloc(1, sizeof(*program));
    const char *slash;
    int r;

    if (!program)
        return -ENOMEM;
    program->n_refs = 1;
    r = find(config, &program->path, error);
    if (r != 0)
        return r;
    program->argv = copy_texts(config->consumer.command);
    if (!program->argv)
        return -ENOMEM;
    assert(program->path);
    slash = strrchr(program->path, '/');
    program->name = slash ? slash + 1 : program->path;
    *ret = TAKE(program);
    return 0;
}

struct exec_program *exec_program_ref(struct exec_program *program)
{
    program->n_refs++;
    return program;
}

struct exec_program *exec_program_unref(struct exec_program *program)
{
    if (program && --program->n_refs == 0) {
        free_texts(program->argv);
        free(program->path);
        free(program);
    }
    return NULL;
}

int exec_program_raise_limit(unsigned concurrency, char **error)
{
    size_t wanted = (size_t)concurrency * DESCRIPTORS_OF_RUN + DESCRIPTORS_OTHERS;
    uint64_t hard;
    int r = descriptor_limit_raise(wanted, &hard);

    if (r <= 0)
        return r;
    return error_line(
        HANDLER_E_CONFIG, error,
        "consumer.concurrency: found %u, which takes up to %zu open files with handler "
        "\"exec\", but this process may have %" PRIu64
        ": lower it, or raise LimitNOFILE= of the unit (by hand: ulimit -Hn)",
        concurrency, wanted, hard);
}

const char *exec_program_advice(const char *path, int error)
{
    switch (error) {
    case -ENOENT:
        return access(path, F_OK) == 0
                   ? ": the interpreter that its first line names, or its loader, is missing"
                   : "";
    case -ENOEXEC:
        return ": a script needs a first line such as #!/bin/sh";
    case -E2BIG:
        return ": the daemon's own environment and consumer.command are too large for it";
    case -EAGAIN:
        return ": too many processes (TasksMax= of the unit, ulimit -u)";
    default:
        return "";
    }
}

void exec_program_warn_of_sandbox(const struct config *config)
{
    const char *name = config->consumer.command[0];

    if (name && name[0] == '/')
        sandbox_warn(config->instance, "command", name);
}
