/* SPDX-License-Identifier: MIT */
/* The lines are answered by the daemon's own protocol code over the spool. */
#include "producerd/submit/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "aws/endpoint.h"
#include "daemon/instance.h"
#include "producerd/intake/protocol.h"
#include "producerd/submit/shortage.h"

struct submit_offline {
    struct message_store store;
    const struct submit_offline_options *options;
    const char *folder; /* its path, for messages */
    struct spool *spool;
    bool was_open;
};

/* ---- The store ---- */

static struct spool *spool_of(struct message_store *store)
{
    return ((struct submit_offline *)store)->spool;
}

static int store_rejected(struct message_store *store, uint64_t after,
                          bool (*found)(void *userdata, const struct rejected_message *message),
                          void *userdata)
{
    return spool_rejected(spool_of(store), after, found, userdata);
}

static int store_retry(struct message_store *store, const char *id, size_t *ret_n)
{
    return spool_retry(spool_of(store), id, ret_n);
}

static int store_drop(struct message_store *store, const char *id, struct store_dropped *ret)
{
    return spool_drop(spool_of(store), id, ret);
}

/* The lines given here are commands, which add nothing: `add` and `commit` are never called. The
 * spool has written a retry or a drop when it returns. */
static const struct message_store_ops store_ops = {
    .rejected = store_rejected,
    .retry = store_retry,
    .drop = store_drop,
};

/* ---- The file ---- */

/* Returns true when the configuration tells the kind of the queue. */
static bool find_queue_kind(const struct submit_offline *o, bool *ret_is_fifo)
{
    CLEANUP(queue_url_free) struct queue_url *url = NULL;

    if (!o->options->is_retry || !o->options->config ||
        queue_url_parse(o->options->config->aws.queue_url, &url, NULL) != 0)
        return false;
    *ret_is_fifo = url->is_fifo;
    return true;
}

static int cannot_open(const struct submit_offline *o, int r, const char *error)
{
    if (r == -ENOMEM)
        return submit_shortage(o->options->program, r);
    fprintf(stderr, "%s: %s: %s\n", o->options->program, o->folder, error ? error : strerror(-r));
    return r > 0 ? EX_CONFIG : EX_TEMPFAIL;
}

static int open_spool(struct submit_offline *o)
{
    CLEANUP(free) char *error = NULL;
    struct spool_options options = {.path = SPOOL_FILE_NAME, .is_command = true};
    int r;

    options.is_kind_unknown = !find_queue_kind(o, &options.is_fifo);
    r = spool_open(&options, &o->spool, &error);
    if (r == SPOOL_E_IN_USE && !o->was_open)
        return SUBMIT_OFFLINE_IN_USE;
    if (r == SPOOL_E_IN_USE) {
        fprintf(stderr, "%s: the daemon has just started: try again\n", o->options->program);
        return EX_TEMPFAIL;
    }
    if (r != 0)
        return cannot_open(o, r, error);
    o->was_open = true;
    return EX_OK;
}

int submit_offline_ask(struct submit_offline *o, const struct buffer *line,
                       struct submission_reply **ret)
{
    CLEANUP(buffer_done) struct buffer answer = BUFFER_INIT(SUBMISSION_REPLY_MAX_BYTES);
    struct protocol protocol = {.store = &o->store};
    int status = o->spool ? EX_OK : open_spool(o), r;

    if (status != EX_OK)
        return status;
    /* Without the newlines. */
    r = protocol_answer(&protocol, buffer_string(line), line->size - 1, true, NULL, &answer);
    if (r == 0)
        r = submission_reply_read(buffer_string(&answer), answer.size - 1, ret);
    return r == 0 ? EX_OK : submit_shortage(o->options->program, r < 0 ? r : -EPROTO);
}

int submit_offline_count(struct submit_offline *o, struct spool_counts *ret)
{
    int status = o->spool ? EX_OK : open_spool(o);

    if (status == EX_OK)
        *ret = spool_counts(o->spool);
    return status;
}

void submit_offline_close(struct submit_offline *o)
{
    o->spool = spool_free(o->spool);
}

/* ---- The folder ---- */

static bool is_missing(int folder, const char *name)
{
    struct stat st;

    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* Opens the folder of the spool. On failure *ret_why tells why the file cannot be used. */
static int find_folder(const struct submit_offline_options *options, char **ret_path,
                       const char **ret_why)
{
    const struct instance_text standard_folder =
        instance_state_folder(PRODUCER_NAME, options->instance);
    const char *state = getenv("STATE_DIRECTORY");
    int fd;

    *ret_why = "without the daemon only root can do this";
    if (!is_set(state) && geteuid() != 0)
        return -ENOENT;
    *ret_why = "to do this without the daemon, set STATE_DIRECTORY to the folder of its spool";
    if (!is_set(state) && options->is_config_named)
        return -ENOENT;
    *ret_path = is_set(state) ? strndup(state, strcspn(state, ":")) : strdup(standard_folder.text);
    if (!*ret_path)
        return -ENOMEM;
    fd = open(*ret_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *ret_why = is_set(state) ? "the folder in STATE_DIRECTORY cannot be opened, or has no spool"
                             : "there is no spool in the folder of the service";
    if (fd < 0)
        return -errno;
    if (is_missing(fd, SPOOL_FILE_NAME) && is_missing(fd, SPOOL_FILE_NAME "-wal")) {
        close(fd);
        return -ENOENT;
    }
    return fd;
}

/* Changes the root directory to the folder and the user to its owner. */
static int enter(const struct submit_offline *o, int folder)
{
    struct stat st;

    if (fstat(folder, &st) < 0 || fchdir(folder) < 0)
        return -errno;
    close(folder);
    if (geteuid() != 0 || st.st_uid == 0)
        return 0;
    if (chroot(".") < 0 || setgroups(0, NULL) < 0 ||
        setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
        setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
        return -errno;
    return 0;
}

static int work_as_owner(struct submit_offline *o, int folder,
                         int (*work)(void *userdata, struct submit_offline *offline),
                         void *userdata)
{
    int r = enter(o, folder), status;

    if (r < 0) {
        fprintf(stderr, "%s: %s: cannot become its owner: %s\n", o->options->program, o->folder,
                strerror(-r));
        return EX_OSERR;
    }
    status = work(userdata, o);
    submit_offline_close(o);
    return status;
}

static int wait_for(const char *program, pid_t child)
{
    int status;

    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return submit_shortage(program, -errno);
    if (WIFSIGNALED(status)) { /* mostly SIGPIPE */
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : EX_OSERR;
}

bool submit_offline_run(const struct submit_offline_options *options,
                        int (*work)(void *userdata, struct submit_offline *offline), void *userdata,
                        int *ret_status, const char **ret_why)
{
    CLEANUP(free) char *path = NULL;
    struct submit_offline o = {.store = {&store_ops}, .options = options};
    int folder = find_folder(options, &path, ret_why);
    pid_t child;

    if (folder == -ENOMEM)
        *ret_status = submit_shortage(options->program, folder);
    if (folder < 0)
        return folder == -ENOMEM;
    *ret_why = NULL;
    o.folder = path;
    fflush(NULL);
    child = fork();
    if (child == 0) {
        int status = work_as_owner(&o, folder, work, userdata);

        fflush(NULL);
        _exit(status);
    }
    *ret_status =
        child > 0 ? wait_for(options->program, child) : submit_shortage(options->program, -errno);
    close(folder);
    return *ret_status != SUBMIT_OFFLINE_IN_USE;
}
