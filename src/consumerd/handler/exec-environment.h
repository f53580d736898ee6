/* SPDX-License-Identifier: MIT */
/* The environment of a program that handles a message.
 *
 * It is this process's environment without the variables that spawn_inherits keeps back, without
 * AWS_* and CREDENTIALS_DIRECTORY (the keys are the daemon's), and without SQS_*. The message adds
 * its own:
 *
 *   SQS_MESSAGE_ID, SQS_MESSAGE_GROUP_ID, SQS_MESSAGE_DEDUPLICATION_ID, SQS_SEQUENCE_NUMBER,
 *   SQS_SENDER_ID                as SQS gives them
 *   SQS_RECEIVE_COUNT            1 at the first receive
 *   SQS_SENT_TIMESTAMP, SQS_FIRST_RECEIVED_TIMESTAMP
 *                                milliseconds since the epoch
 *   SQS_ATTRIBUTE_<NAME>         the value of a message attribute, base64 if its type is Binary;
 *                                its name in upper case, with "_" for each "-" and "."
 *   SQS_ATTRIBUTES_OMITTED       the names, as they are, of attributes that have no variable
 *
 * A variable whose value SQS did not give is not set. An attribute is omitted if its string would
 * be longer than the kernel accepts (EXEC_STRING_MAX_BYTES), if its value has a NUL, or if another
 * attribute has the same variable and a name that sorts before it, byte by byte ("A-B" before
 * "a.b"). */
#pragma once

#include "sqs/message.h"

enum { EXEC_STRING_MAX_BYTES = 128 * 1024 }; /* "NAME=value" and a NUL; execve(2) */

struct exec_environment; /* the strings that all messages share */

/* `from` is an environment, NULL-terminated; NULL: an empty one. 0 or -ENOMEM. */
int exec_environment_new(char *const *from, struct exec_environment **ret);
struct exec_environment *exec_environment_free(struct exec_environment *e);
DEFINE_CLEANUP(struct exec_environment *, exec_environment_free)

/* Makes a message's environment: NULL-terminated, in one block that the caller frees, valid as long
 * as `e`. The `n_left_out` attributes with the largest values are omitted; the caller raises that
 * number until the kernel accepts the environment. 0 or -ENOMEM. */
int exec_environment_make(const struct exec_environment *e,
                          const struct sqs_received_message *message, size_t n_left_out,
                          char ***ret);
