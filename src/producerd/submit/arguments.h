/* SPDX-License-Identifier: MIT */
/* The command line of --submit, --rejected and --spooled (submit.h). */
#pragma once

#include "daemon/arguments.h"
#include "producerd/intake/submission.h"

enum submit_action { SUBMIT_NONE, SUBMIT_MESSAGE, SUBMIT_REJECTED, SUBMIT_COUNT };
enum submit_form { SUBMIT_WHOLE, SUBMIT_LINES, SUBMIT_JSON }; /* what the file holds */

/* The parsed command line. Texts are borrowed from it, unless marked as owned. */
struct submit_call {
    const struct program *program;
    enum submit_action action;
    const char *config_path; /* NULL: the default */
    const char *instance;    /* a good name; NULL: the plain daemon */

    /* SUBMIT_MESSAGE */
    enum submit_form form;
    const char *rest_path;      /* NULL: none */
    const char *file;           /* NULL: standard input */
    struct sqs_message message; /* without its body */
    struct sqs_attribute attributes[SQS_ATTRIBUTES_MAX];
    char *names[SQS_ATTRIBUTES_MAX];          /* owned: each with its type behind the NUL */
    struct buffer binary[SQS_ATTRIBUTES_MAX]; /* owned: the values that are binary */
    bool is_about_message;                    /* an option for a message was given */

    /* SUBMIT_REJECTED */
    enum submission_kind command;
    const char *id; /* RETRY, DROP; NULL: all */
};

/* Parses the command line into a call that has its program and is otherwise zero. Returns true when
 * the program should exit with *ret_status: EX_OK after --help or --version; EX_USAGE, EX_IOERR or
 * EX_OSERR after a line on standard error. */
bool submit_arguments_read(struct submit_call *call, int argc, char **argv, int *ret_status);
void submit_call_done(struct submit_call *call);

/* The texts of --help, for struct program. */
extern const char submit_usage[];
extern const char submit_help[];
