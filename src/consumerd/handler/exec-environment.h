/* SPDX-License-Identifier: MIT */
/* The environment of a program that handles a message.
 *
 * From this process's own it has all but what spawn_inherits keeps back, all AWS_* and
 * CREDENTIALS_DIRECTORY (the keys are the daemon's, not the program's), and all SQS_*, which are
 * the message's:
 *
 *   SQS_MESSAGE_ID, SQS_MESSAGE_GROUP_ID, SQS_MESSAGE_DEDUPLICATION_ID, SQS_SEQUENCE_NUMBER,
 *   SQS_SENDER_ID                as SQS gives them
 *   SQS_RECEIVE_COUNT            1 at the first receive
 *   SQS_SENT_TIMESTAMP, SQS_FIRST_RECEIVED_TIMESTAMP
 *                                milliseconds since the epoch
 *   SQS_ATTRIBUTE_<NAME>         the value of a message attribute, base64 where its type is Binary;
 *                                its name in upper case, with "_" for each "-" and "."
 *   SQS_ATTRIBUTES_OMITTED       the names, as they are, of attributes that have no variable
 *
 * What SQS has not given is not set. An attribute is omitted where it would make a string of more
 * than the kernel hands over (EXEC_STRING_MAX_BYTES), where its value holds a NUL, and where the
 * variable is that of another whose name comes before it byte by byte ("A-B" before "a.b"). */
#pragma once

#include "sqs/message.h"

enum { EXEC_STRING_MAX_BYTES = 128 * 1024 }; /* "NAME=value" and a NUL; execve(2) */

struct exec_environment; /* what is the same for each message */

/* From the environment given. 0 or -ENOMEM. */
int exec_environment_new(char *const *from, struct exec_environment **ret);
struct exec_environment *exec_environment_free(struct exec_environment *e);
DEFINE_CLEANUP(struct exec_environment *, exec_environment_free)

/* A message's environment, NULL-terminated, in one block that the caller frees; valid as long as
 * `e`. `n_left_out` of its attributes, those with the largest values, are omitted, for one that is
 * altogether more than the kernel hands over. 0 or -ENOMEM. */
int exec_environment_make(const struct exec_environment *e,
                          const struct sqs_received_message *message, size_t n_left_out,
                          char ***ret);
