/* SPDX-License-Identifier: MIT */
/* Splits the text of a command into words as a POSIX shell does, but without a shell. Python's
 * shlex.split does the same, and the AWS CLI uses that for credential_process.
 *
 * White space (space, tab, CR, LF) separates words. '...' keeps all characters unchanged. "..."
 * does so too, except that a backslash makes a following " or \ plain; before any other character
 * it stays. Outside quotes a backslash makes any next character plain. Nothing is expanded: $, *,
 * ~, #, ;, | and & are plain characters. */
#pragma once

#include "util/macro.h"

enum {
    SHELL_WORDS_E_INVALID = 1,
    SHELL_WORDS_MAX_BYTES = 32 * 1024,
    SHELL_WORDS_MAX = 256,
};

/* Returns the words in *ret, with a NULL after the last. There is at least one, and the first is
 * not empty. The caller frees them by shell_words_free. Returns 0; -ENOMEM; or
 * SHELL_WORDS_E_INVALID if a quote has no end, a backslash is at the end, there is no word, there
 * are too many words, or the text is too long. Then *error says what is wrong, as "has an opening '
 * without its end". The caller frees it; `error` may be NULL. It never holds the text itself, which
 * may be secret. */
int shell_words_split(const char *text, char ***ret, char **error);

/* Wipes and frees. NULL is allowed. Returns NULL. */
char **shell_words_free(char **words);
DEFINE_CLEANUP(char **, shell_words_free)
