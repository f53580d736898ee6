/* SPDX-License-Identifier: MIT */
/* --rejected where no daemon runs: the same commands as at its socket, given to the spool's file.
 *
 * The work is done in a process of its own, which sees nothing but the spool's folder and is the
 * user who owns that: so all files stay the daemon's, whose user systemd makes anew at each start,
 * and what that user has put there can lead to no other file. */
#pragma once

#include "daemon/config.h"
#include "producerd/intake/submission-reply.h"

/* The unit's StateDirectory=, which root finds there whether the service runs or not. */
#define SUBMIT_OFFLINE_FOLDER "/var/lib/sqs-producerd"

/* What is not EX_…: a daemon has the spool open, and is to be asked. */
enum { SUBMIT_OFFLINE_IN_USE = 200 };

struct submit_offline;

struct submit_offline_options {
    const char *program;
    const struct config *config; /* NULL: not known */
    bool is_retry;               /* what is retried is made fit for the queue of `config` */
    bool is_config_named;        /* by the command line: the usual folder may be another daemon's */
};

/* Calls `work` in that process, where there is a spool in $STATE_DIRECTORY, or else in the usual
 * folder. True: that was all, with the exit status that `work` has returned. False: a daemon has
 * it, or there is none; *ret_why says in words why the file cannot serve, NULL: a daemon has it.
 * Static, or in the environment. */
bool submit_offline_run(const struct submit_offline_options *options,
                        int (*work)(void *userdata, struct submit_offline *offline), void *userdata,
                        int *ret_status, const char **ret_why);

/* As submit_ask. Opens the file, and keeps it. SUBMIT_OFFLINE_IN_USE without a line where a daemon
 * had it from the beginning. */
int submit_offline_ask(struct submit_offline *offline, const struct buffer *line,
                       struct submission_reply **ret);

/* Closes the file until the next question: before something that may take long. */
void submit_offline_close(struct submit_offline *offline);
