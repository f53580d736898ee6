/* SPDX-License-Identifier: MIT */
/* --rejected and --spooled while no daemon runs: the commands of the socket, applied to the spool's
 * file.
 *
 * A child process does the work. Its root directory is the spool's folder, and its user is the
 * folder's owner. So the files stay the daemon's, whose user systemd creates again at each start,
 * and nothing that this user has put there can lead to another file. */
#pragma once

#include "daemon/config.h"
#include "producerd/intake/submission-reply.h"
#include "producerd/spool/spool.h"

/* Not an EX_ status: a daemon has the spool open and must be asked instead. */
enum { SUBMIT_OFFLINE_IN_USE = 200 };

struct submit_offline;

struct submit_offline_options {
    const char *program;
    const char *instance;        /* NULL: the plain daemon */
    const struct config *config; /* NULL: unknown */
    bool is_retry;               /* retried messages are converted for the queue of `config` */
    /* the command line names the configuration: the default folder may be another daemon's */
    bool is_config_named;
};

/* Calls `work` in the child process, if there is a spool in $STATE_DIRECTORY or else in the folder
 * that systemd gives to the unit (root can use it whether the service runs or not). Returns true
 * with the exit status that `work` has returned. Returns false when a daemon has the spool open or
 * there is no spool; *ret_why is a text that tells why the file cannot be used, or NULL when a
 * daemon has it open. The text is a constant. */
bool submit_offline_run(const struct submit_offline_options *options,
                        int (*work)(void *userdata, struct submit_offline *offline), void *userdata,
                        int *ret_status, const char **ret_why);

/* Like submit_ask, for the line of a command. Opens the file and keeps it open. Returns
 * SUBMIT_OFFLINE_IN_USE, without a line on standard error, when a daemon had it open from the
 * beginning. */
int submit_offline_ask(struct submit_offline *offline, const struct buffer *line,
                       struct submission_reply **ret);

/* Opens the file, keeps it open, and counts its messages. Returns what submit_offline_ask returns. */
int submit_offline_count(struct submit_offline *offline, struct spool_counts *ret);

/* Closes the file until the next question, before work that may take long. */
void submit_offline_close(struct submit_offline *offline);
