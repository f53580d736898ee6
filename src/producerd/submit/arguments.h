/* SPDX-License-Identifier: MIT */
/* The command line of --submit and --rejected (submit.h). */
#pragma once

#include "daemon/arguments.h"
#include "producerd/intake/submission.h"

enum submit_action { SUBMIT_NONE, SUBMIT_MESSAGE, SUBMIT_REJECTED };

/* What it says. All texts are borrowed from the command line, but for what says otherwise. */
struct submit_call {
    const struct program *program;
    enum submit_action action;
    const char *config_path; /* NULL: the usual */

    /* SUBMIT_MESSAGE */
    const char *file;           /* NULL: standard input */
    struct sqs_message message; /* without its body */
    struct sqs_attribute attributes[SQS_ATTRIBUTES_MAX];
    char *names[SQS_ATTRIBUTES_MAX];          /* owned: each with its type behind the NUL */
    struct buffer binary[SQS_ATTRIBUTES_MAX]; /* owned: the values that are binary */
    bool is_about_message;                    /* some option says something of it */

    /* SUBMIT_REJECTED */
    enum submission_kind command;
    const char *id; /* of RETRY and DROP; NULL: all */
};

/* Reads the command line into a call that has its program, and is empty but for that. True: that
 * was all, with the exit status: EX_OK after --help or --version, EX_USAGE after a line on standard
 * error, EX_IOERR, EX_OSERR. */
bool submit_arguments_read(struct submit_call *call, int argc, char **argv, int *ret_status);
void submit_call_done(struct submit_call *call);

/* For struct program: what --help says of it. */
extern const char submit_usage[];
extern const char submit_help[];
