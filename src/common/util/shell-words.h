/* SPDX-License-Identifier: MIT */
/* A command's text split into its words as a POSIX shell's reader does it, without a shell: what
 * Python's shlex.split does, which is what the AWS CLI does with credential_process.
 *
 * White space (space, tab, CR, LF) separates words. '...' keeps all as it is; "..." too, but a
 * backslash there takes away the meaning of a following " or \ (before anything else it stays);
 * outside quotes a backslash makes the next character plain, whatever it is. Nothing is expanded:
 * $, *, ~, #, ;, | and & are characters like any other. */
#pragma once

#include "util/macro.h"

enum {
    SHELL_WORDS_E_INVALID = 1,
    SHELL_WORDS_MAX_BYTES = 32 * 1024,
    SHELL_WORDS_MAX = 256,
};

/* The words, at least one, the first not empty, with a NULL after the last; the caller frees them
 * by shell_words_free. 0; -ENOMEM; or SHELL_WORDS_E_INVALID with *error (if not NULL; the caller
 * frees it) saying what is wrong, as "has an opening ' without its end": a quote left open, a
 * backslash at the end, no word at all, too many words, too long. The text itself is never in it:
 * it may hold a secret. */
int shell_words_split(const char *text, char ***ret, char **error);

/* Wipes and frees. NULL is allowed. Returns NULL. */
char **shell_words_free(char **words);
DEFINE_CLEANUP(char **, shell_words_free)
