/* SPDX-License-Identifier: MIT */
/* One pass over the text, in the tokens of libconfig's own scanner: strings, comments, names,
 * numbers, and single characters for everything else. It changes only numbers, a byte order mark,
 * and a comment on the last line, which gets a line break. */
#include "daemon/config-text.h"

#include <errno.h>

#include "util/ascii.h"

struct scan {
    const char *p, *end;
    unsigned line;
    struct buffer *out;
    bool after_comma; /* the last token, except comments and white space, was a comma */
    const char *bad;  /* the number that is refused */
    size_t bad_size;
    unsigned n_names;
};

bool config_text_begins_name(char c)
{
    return is_letter(c) || c == '*';
}

bool config_text_continues_name(char c)
{
    return config_text_begins_name(c) || is_digit(c) || c == '-' || c == '_';
}

static bool starts_with(const struct scan *s, const char *what)
{
    size_t size = strlen(what);

    return (size_t)(s->end - s->p) >= size && memcmp(s->p, what, size) == 0;
}

static void copy(struct scan *s, size_t size)
{
    buffer_append(s->out, s->p, size);
    for (; size > 0; size--, s->p++)
        if (*s->p == '\n')
            s->line++;
}

static int copy_string(struct scan *s)
{
    unsigned begin = s->line;

    copy(s, 1);
    while (s->p < s->end && *s->p != '"') {
        if (starts_with(s, "\\x00") || starts_with(s, "\\X00"))
            return CONFIG_TEXT_NUL;
        copy(s, *s->p == '\\' && s->end - s->p > 1 ? 2 : 1);
    }
    if (s->p == s->end) {
        s->line = begin;
        return CONFIG_TEXT_OPEN_STRING;
    }
    copy(s, 1);
    return 0;
}

static int copy_block_comment(struct scan *s)
{
    unsigned begin = s->line;

    copy(s, 2);
    while (s->p < s->end && !starts_with(s, "*/"))
        copy(s, 1);
    if (s->p == s->end) {
        s->line = begin;
        return CONFIG_TEXT_OPEN_COMMENT;
    }
    copy(s, 2);
    return 0;
}

static void copy_line_comment(struct scan *s)
{
    while (s->p < s->end && *s->p != '\n')
        copy(s, 1);
    /* libconfig needs a line break at the end of a comment. */
    if (s->p == s->end)
        buffer_append_char(s->out, '\n');
}

/* Refuses the number that begins here. */
static int bad_number(struct scan *s, int fault)
{
    const char *q = s->p;

    while (q < s->end && (config_text_continues_name(*q) || *q == '.'))
        q++;
    s->bad = s->p;
    s->bad_size = (size_t)(q - s->p);
    return fault;
}

static const char *skip_digits(const char *q, const char *end)
{
    while (q < end && is_digit(*q))
        q++;
    return q;
}

/* A number with a fraction or an exponent. libconfig reads a dot without digits as 0; here it is
 * refused. */
static int copy_float(struct scan *s)
{
    const char *whole = skip_digits(s->p, s->end), *q = whole;
    bool has_digits = q > s->p;

    if (q < s->end && *q == '.') {
        q = skip_digits(q + 1, s->end);
        has_digits |= q > whole + 1;
    }
    if (has_digits && q < s->end && (*q == 'e' || *q == 'E')) {
        const char *exponent = q + 1;

        if (exponent < s->end && (*exponent == '-' || *exponent == '+'))
            exponent++;
        q = skip_digits(exponent, s->end);
        has_digits = q > exponent;
    }
    if (whole == s->p && s->end - whole > 1 && config_text_begins_name(whole[1]) &&
        s->out->size > 0 && config_text_continues_name(s->out->data[s->out->size - 1]))
        return bad_number(s, CONFIG_TEXT_DOTTED_NAME);
    if (!has_digits || (q < s->end && (config_text_continues_name(*q) || *q == '.')))
        return bad_number(s, CONFIG_TEXT_BAD_NUMBER);
    copy(s, (size_t)(q - s->p));
    return 0;
}

/* A sign before the number was already copied, as a token of its own. */
static int copy_number(struct scan *s)
{
    const char *q = s->p;
    bool is_hex =
        s->end - q > 2 && q[0] == '0' && (q[1] == 'x' || q[1] == 'X') && hex_digit(q[2]) >= 0;
    bool has_leading_zero = !is_hex && s->end - q > 1 && q[0] == '0' && is_digit(q[1]);
    unsigned base = is_hex ? 16 : 10;
    uint64_t value = 0;

    for (q += is_hex ? 2 : 0; q < s->end; q++) {
        int digit = is_hex || is_digit(*q) ? hex_digit(*q) : -1;

        if (digit < 0)
            break;
        if (value > ((uint64_t)INT64_MAX - (unsigned)digit) / base)
            value = INT64_MAX;
        else
            value = value * base + (unsigned)digit;
    }
    if (!is_hex && q < s->end && (*q == '.' || *q == 'e' || *q == 'E'))
        return copy_float(s);
    for (int i = 0; i < 2 && q < s->end && *q == 'L'; i++)
        q++;
    if (q < s->end && (config_text_continues_name(*q) || *q == '.'))
        return bad_number(s, CONFIG_TEXT_BAD_NUMBER);
    if (has_leading_zero)
        return bad_number(s, CONFIG_TEXT_LEADING_ZERO);
    if (value <= INT32_MAX) {
        copy(s, (size_t)(q - s->p));
        return 0;
    }
    buffer_printf(s->out, "%lluL", (unsigned long long)value);
    s->p = q;
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int copy_name(struct scan *s)
{
    while (s->p < s->end && config_text_continues_name(*s->p))
        copy(s, 1);
    return ++s->n_names > CONFIG_TEXT_NAMES_MAX ? CONFIG_TEXT_TOO_MANY : 0;
}

static int copy_token(struct scan *s)
{
    if (*s->p == '"') {
        s->after_comma = false;
        return copy_string(s);
    }
    if (starts_with(s, "/*"))
        return copy_block_comment(s);
    if (starts_with(s, "@include"))
        return CONFIG_TEXT_INCLUDE;
    if (config_text_begins_name(*s->p)) {
        s->after_comma = false;
        return copy_name(s);
    }

    if (*s->p == '#' || starts_with(s, "//")) {
        copy_line_comment(s);
        return 0;
    }
    if (is_space(*s->p)) {
        copy(s, 1);
        return 0;
    }
    if (s->after_comma && (*s->p == ']' || *s->p == ')'))
        return CONFIG_TEXT_LAST_COMMA;
    s->after_comma = *s->p == ',';
    if (is_digit(*s->p))
        return copy_number(s);
    if (*s->p == '.')
        return copy_float(s);
    copy(s, 1);
    return 0;
}

int config_text_prepare(const char *text, size_t size, struct buffer *out,
                        struct config_text_place *ret_place)
{
    struct scan s = {.p = text, .end = text + size, .line = 1, .out = out};
    const char *nul = memchr(text, '\0', size);
    int r = 0;

    if (nul) {
        for (const char *p = text; p < nul; p++)
            s.line += *p == '\n';
        *ret_place = (struct config_text_place){.line = s.line};
        return CONFIG_TEXT_NUL;
    }
    if (starts_with(&s, "\xef\xbb\xbf"))
        s.p += 3;
    buffer_append(out, "", 0);
    while (s.p < s.end && r == 0)
        r = copy_token(&s);
    if (out->error < 0)
        return out->error;
    if (r > 0)
        *ret_place = (struct config_text_place){.line = s.line, .bytes = s.bad, .size = s.bad_size};
    return r;
}
