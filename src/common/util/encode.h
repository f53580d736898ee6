/* SPDX-License-Identifier: MIT */
/* Encodings: hex, percent-encoding, base64 and UTF-8. Also the checks and escapes that make text
 * fit for a log line. */
#pragma once

#include <time.h>

#include "util/buffer.h"

/* Writes `size` bytes as lower-case hex with a NUL into `ret`, which has 2 * size + 1 bytes. */
void hex_encode(const void *bytes, size_t size, char *ret);

/* Appends the bytes percent-encoded after RFC 3986. All but A-Z a-z 0-9 - . _ ~ become %XX in upper
 * case. The characters in `keep` stay unchanged as well ("/" for a path, "" for a query). */
int uri_encode(struct buffer *b, const char *bytes, size_t size, const char *keep);

/* Appends standard base64 with padding. 0, -ENOMEM or -E2BIG. */
int base64_encode(struct buffer *b, const void *bytes, size_t size);

/* Decodes strict base64 (with padding, without white space) and appends the bytes. Returns 0,
 * -EINVAL if the text is not strict base64, -ENOMEM or -E2BIG. */
int base64_decode(struct buffer *b, const char *text, size_t size);

/* Whether a character may be in one line of a log or a terminal. Not allowed are control
 * characters, the separators of lines and paragraphs (U+2028, U+2029), and characters that change
 * the direction of the text around them (Unicode's property Bidi_Control), because a terminal would
 * then show the text in another order. */
bool is_safe_in_line(uint32_t code_point);

/* Appends text as one line for a log. Characters that are not safe in a line (is_safe_in_line),
 * backslashes, and bytes that are not UTF-8 are written as \n, \r, \t, \\ or \xHH. Input of more
 * than `max_bytes` bytes is cut there, and "... (N bytes)" follows. */
int escape_for_log(struct buffer *b, const char *bytes, size_t size, size_t max_bytes);

/* How many bytes at the start are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
 * If all are, this is `size`; if not, it is the offset of the first sequence that is not. */
size_t utf8_valid_bytes(const char *bytes, size_t size);

static inline bool utf8_is_valid(const char *bytes, size_t size)
{
    return utf8_valid_bytes(bytes, size) == size;
}

/* The length, 1 to 4 bytes, of the well-formed UTF-8 sequence at the start of the bytes, with its
 * code point in *ret_code_point. 0: there is no such sequence. */
size_t utf8_decode(const char *bytes, size_t size, uint32_t *ret_code_point);
