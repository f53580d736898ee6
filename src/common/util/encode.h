/* SPDX-License-Identifier: MIT */
/* Encodings that AWS's protocols use: hex, percent-encoding, base64, and their forms of time. */
#pragma once

#include <time.h>

#include "util/buffer.h"

/* Lower-case hex of `size` bytes into `ret`, which holds 2 * size + 1 bytes. */
void hex_encode(const void *bytes, size_t size, char *ret);

/* Appends the bytes percent-encoded after RFC 3986: all but A-Z a-z 0-9 - . _ ~ become %XX in
 * upper case; `keep` names further characters to leave alone ("/" for a path, "" for a query). */
int uri_encode(struct buffer *b, const char *bytes, size_t size, const char *keep);

/* Appends standard base64 with padding. 0, -ENOMEM or -E2BIG. */
int base64_encode(struct buffer *b, const void *bytes, size_t size);

/* Appends the bytes that strict base64 (with padding, no white space) stands for.
 * 0, -EINVAL where it is not that, -ENOMEM or -E2BIG. */
int base64_decode(struct buffer *b, const char *text, size_t size);

enum { AWS_TIME_SIZE = sizeof("20150830T123600Z") };

/* A wall-clock time as SigV4 writes it, "20150830T123600Z". */
void aws_time_format(time_t t, char ret[AWS_TIME_SIZE]);

/* Reads such a time, in seconds since the epoch. 0, or -EINVAL where the text is not wholly one or
 * names a day that does not exist. http/date.h and iso8601.h read others. */
int aws_time_parse(const char *text, time_t *ret);

/* The time in UTC that has these parts: year and month (1 to 12) as people write them, day, hour,
 * minute and second; the others are not read. A leap second counts as the second after it. 0, or
 * -EINVAL where a part is out of its range or there is no such day. */
int utc_time_from_parts(const struct tm *tm, time_t *ret);

/* Whether a character can stand in one line of a log or a terminal: it is no control character,
 * does not separate lines or paragraphs (U+2028, U+2029), and does not change the direction of the
 * text around it (Unicode's property Bidi_Control), which would show the line in another order than
 * it has. */
bool is_safe_in_line(uint32_t code_point);

/* Appends text made fit for one line of a log: characters that do not fit into a line, backslashes
 * and bytes that are not UTF-8 as \n, \t, \\ or \xHH; cut after `max_bytes` bytes of input with
 * "... (N bytes)". */
int escape_for_log(struct buffer *b, const char *bytes, size_t size, size_t max_bytes);

/* How many bytes from the first on are well-formed UTF-8 (RFC 3629: no surrogates, nothing
 * overlong): `size` where all are, else the offset of the first that is not. */
size_t utf8_valid_bytes(const char *bytes, size_t size);

static inline bool utf8_is_valid(const char *bytes, size_t size)
{
    return utf8_valid_bytes(bytes, size) == size;
}

/* The length, 1 to 4, of the well-formed UTF-8 sequence at the start of the bytes, with its code
 * point; 0 where there is none. */
size_t utf8_decode(const char *bytes, size_t size, uint32_t *ret_code_point);
