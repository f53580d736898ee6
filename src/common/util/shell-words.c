/* SPDX-License-Identifier: MIT */
#include "util/shell-words.h"

#include <errno.h>
#include <stdio.h>

#include "util/buffer.h"
#include "util/error-line.h"

static int invalid(char **error, const char *text)
{
    return error_line(SHELL_WORDS_E_INVALID, error, "%s", text);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Appends the text between quotes. `*p` is at the opening quote, and afterwards behind the closing
 * one. False: there is no closing quote. */
static bool read_quoted(const char **p, struct buffer *word)
{
    char quote = *(*p)++;

    for (; **p && **p != quote; (*p)++) {
        if (quote == '"' && **p == '\\' && ((*p)[1] == '"' || (*p)[1] == '\\'))
            (*p)++;
        buffer_append_char(word, **p);
    }
    if (!**p)
        return false;
    (*p)++;
    return true;
}

/* Reads one word from `*p`, which is not at white space. 0, -ENOMEM or SHELL_WORDS_E_INVALID. */
static int read_word(const char **p, char **ret, char **error)
{
    CLEANUP(buffer_done) struct buffer word = BUFFER_INIT(SHELL_WORDS_MAX_BYTES);

    while (**p && !is_space(**p)) {
        if (**p == '\'' || **p == '"') {
            bool is_single = **p == '\'';

            if (!read_quoted(p, &word))
                return invalid(error, is_single ? "has an opening ' without a closing one"
                                                : "has an opening \" without a closing one");
        } else {
            if (**p == '\\' && *++*p == '\0')
                return invalid(error, "ends in a backslash with nothing after it");
            buffer_append_char(&word, *(*p)++);
        }
    }
    *ret = buffer_take(&word);
    return *ret ? 0 : -ENOMEM;
}

int shell_words_split(const char *text, char ***ret, char **error)
{
    CLEANUP(shell_words_free) char **words = NULL;
    size_t n = 0;
    int r;

    if (strlen(text) > SHELL_WORDS_MAX_BYTES)
        return invalid(error, "is longer than 32768 bytes");
    words = calloc(SHELL_WORDS_MAX + 1, sizeof(*words));
    if (!words)
        return -ENOMEM;
    for (;;) {
        while (is_space(*text))
            text++;
        if (!*text)
            break;
        if (n == SHELL_WORDS_MAX)
            return invalid(error, "has more than 256 words");
        r = read_word(&text, &words[n], error);
        if (r != 0)
            return r;
        n++;
    }
    if (!words[0] || words[0][0] == '\0')
        return invalid(error, "names no program");
    *ret = TAKE(words);
    return 0;
}

char **shell_words_free(char **words)
{
    for (char **w = words; w && *w; w++)
        secret_free(*w);
    free(words);
    return NULL;
}
