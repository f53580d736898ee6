/* SPDX-License-Identifier: MIT */
/* credential_process's command. Its words, each in quotes, are again the same words. */
#include "util/shell-words.h"

#include "fuzz.h"
#include "util/buffer.h"

static void check_again(char **words)
{
    /* A quote becomes five characters. */
    CLEANUP(buffer_done) struct buffer quoted = BUFFER_INIT(8 * SHELL_WORDS_MAX_BYTES);
    CLEANUP(shell_words_free) char **again = NULL;
    size_t n = 0;

    for (; words[n]; n++) {
        buffer_append_string(&quoted, n > 0 ? " '" : "'");
        for (const char *c = words[n]; *c; c++)
            if (*c == '\'')
                buffer_append_string(&quoted, "'\"'\"'");
            else
                buffer_append_char(&quoted, *c);
        buffer_append_char(&quoted, '\'');
    }
    assert(quoted.error == 0 && n <= SHELL_WORDS_MAX);
    if (quoted.size > SHELL_WORDS_MAX_BYTES)
        return;
    assert(shell_words_split(buffer_string(&quoted), &again, NULL) == 0);
    for (size_t i = 0; i < n; i++)
        assert(again[i] && streq(again[i], words[i]));
    assert(!again[n]);
}

FUZZ
{
    char *text = fuzz_string(data, size), *error = NULL;
    CLEANUP(shell_words_free) char **words = NULL;
    int r = shell_words_split(text, &words, &error);

    assert(r == 0 || r == SHELL_WORDS_E_INVALID);
    assert((r == 0) == (words != NULL) && (r == 0) == (error == NULL));
    if (words) {
        assert(is_set(words[0]));
        check_again(words);
    } else {
        fuzz_check_line(error);
        assert(!strstr(error, FUZZ_SECRET));
    }
    free(error);
    free(text);
}
