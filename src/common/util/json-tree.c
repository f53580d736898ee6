/* SPDX-License-Identifier: MIT */
/* The text is parsed in one pass, by recursion; max_depth bounds the recursion. In the array a
 * value comes before the values inside it, so neither needs a pointer to the other.
 *
 * Two rules always hold. First, NUL bytes follow the copy of the text and end every loop over it: a
 * mismatch at the text's end means that the text is cut off, and a mismatch before it means that
 * the text is not JSON. Second, unescaped text is never longer than its escaped form. So a string
 * is unescaped in place, and its final NUL overwrites its closing quote at the latest. */
#include "util/json-tree.h"

#include <errno.h>
#include <stdio.h>

#include "util/ascii.h"
#include "util/buffer.h"
#include "util/encode.h"
#include "util/json-string.h"

enum {
    BYTES_PER_VALUE = 32, /* SQS's replies have somewhat more, so the array rarely grows */
    FIRST_VALUES = 8,
    END_BYTES = 8, /* NULs behind the text; strings are read by 8 bytes */
    ESCAPE_BYTES = sizeof("\\u0000") - 1,
};

struct json_tree {
    struct json_value *values;
    uint32_t n, n_max;
    size_t size; /* of the text, without the NULs */
    char text[];
};

struct reader {
    struct json_tree *tree;
    char *at, *end; /* in the tree's text */
    unsigned max_depth;
    enum json_lone_surrogates lone_surrogates;
    struct json_fault *fault;
};

static int fail_as_whole(struct json_fault *fault, const char *why)
{
    snprintf(fault->text, sizeof(fault->text), "%s", why);
    return JSON_TREE_E_INVALID;
}

static int fail_at(struct json_fault *fault, const char *why, size_t offset)
{
    snprintf(fault->text, sizeof(fault->text), "%s, at byte %zu", why, offset + 1);
    return JSON_TREE_E_INVALID;
}

/* The text is wrong at r->at. */
static int fail_because(struct reader *r, const char *why)
{
    return fail_at(r->fault, why, (size_t)(r->at - r->tree->text));
}

/* The character at r->at is not allowed there. */
static int fail(struct reader *r)
{
    return r->at == r->end ? fail_as_whole(r->fault, "cut off") : fail_because(r, "not JSON");
}

static void skip_white_space(struct reader *r)
{
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')
        r->at++;
}

/* --- Strings --- */

static int read_hex(struct reader *r, uint32_t *ret)
{
    uint32_t code = 0;

    for (int i = 0; i < 4; i++, r->at++) {
        int digit = hex_digit(*r->at);

        if (digit < 0)
            return fail(r);
        code = code << 4 | (uint32_t)digit;
    }
    *ret = code;
    return 0;
}

static char *write_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *out++ = (char)(0xE0 | code >> 12);
        } else {
            *out++ = (char)(0xF0 | code >> 18);
            *out++ = (char)(0x80 | (code >> 12 & 0x3F));
        }
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    }
    *out++ = (char)(0x80 | (code & 0x3F));
    return out;
}

/* Reads the rest of an escape after "\u". If it begins a pair of surrogates, reads the whole
 * pair. */
static int read_code(struct reader *r, char **out)
{
    uint32_t code, low;
    int q = read_hex(r, &code);

    if (q != 0)
        return q;
    if (code >= 0xD800 && code <= 0xDBFF && r->at[0] == '\\' && r->at[1] == 'u') {
        char *before = r->at;

        r->at += 2;
        q = read_hex(r, &low);
        if (q != 0)
            return q;
        if (low >= 0xDC00 && low <= 0xDFFF)
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        else
            r->at = before;
    }
    if (code >= 0xD800 && code <= 0xDFFF) {
        if (r->lone_surrogates == JSON_LONE_SURROGATES_REFUSED) {
            r->at -= ESCAPE_BYTES;
            return fail_because(r, "half of a surrogate pair");
        }
        code = 0xFFFD;
    }
    *out = write_utf8(*out, code);
    return 0;
}

/* Reads the rest of an escape after the backslash. */
static int read_escape(struct reader *r, char **out)
{
    static const char meanings[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                       ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    char meaning = meanings[(unsigned char)*r->at];

    if (*r->at == 'u') {
        r->at++;
        return read_code(r, out);
    }
    if (!meaning)
        return fail(r);
    r->at++;
    *(*out)++ = meaning;
    return 0;
}

/* Skips the characters that need no unescaping. Returns their end. */
static char *skip_plain(struct reader *r)
{
    size_t n = 8;

    while (n == 8) {
        n = json_plain_of_eight(r->at);
        r->at += n;
    }
    return r->at;
}

/* Moves the bytes from `from` to `end` to `to`, which is before them. Returns their new end. */
static char *copy_plain(char *to, const char *from, const char *end)
{
    size_t size = (size_t)(end - from);

    memmove(to, from, size);
    return to + size;
}

/* Reads a string from behind its opening quote, with the closing quote. */
static int read_string(struct reader *r, const char **ret, uint32_t *ret_bytes)
{
    char *start = r->at, *out;

    out = skip_plain(r);
    while (*r->at == '\\') {
        char *plain;
        int q;

        r->at++;
        q = read_escape(r, &out);
        if (q != 0)
            return q;
        plain = r->at;
        out = copy_plain(out, plain, skip_plain(r));
    }
    if (*r->at != '"')
        return fail(r);
    r->at++;
    *out = '\0';
    *ret = start;
    *ret_bytes = (uint32_t)(out - start);
    return 0;
}

/* --- Numbers and words --- */

static int skip_digits(struct reader *r)
{
    if (!is_digit(*r->at))
        return fail(r);
    while (is_digit(*r->at))
        r->at++;
    return 0;
}

static int read_number(struct reader *r, const char **ret, uint32_t *ret_bytes)
{
    const char *start = r->at;
    int q = 0;

    if (*r->at == '-')
        r->at++;
    if (*r->at == '0')
        r->at++;
    else
        q = skip_digits(r);
    if (q == 0 && *r->at == '.') {
        r->at++;
        q = skip_digits(r);
    }
    if (q == 0 && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        if (*r->at == '+' || *r->at == '-')
            r->at++;
        q = skip_digits(r);
    }
    *ret = start;
    *ret_bytes = (uint32_t)(r->at - start);
    return q;
}

static int skip_word(struct reader *r, const char *word)
{
    for (; *word; word++, r->at++)
        if (*r->at != *word)
            return fail(r);
    return 0;
}

/* --- Values --- */

static int add_value(struct reader *r, uint32_t *ret)
{
    struct json_tree *tree = r->tree;

    if (tree->n == JSON_TREE_MAX_VALUES)
        return fail_as_whole(r->fault, "too large");
    if (tree->n == tree->n_max) {
        uint32_t n_max = tree->n_max * 2;
        struct json_value *values = reallocarray(tree->values, n_max, sizeof(struct json_value));

        if (!values)
            return -ENOMEM;
        tree->values = values;
        tree->n_max = n_max;
    }
    tree->values[tree->n] = (struct json_value){};
    *ret = tree->n++;
    return 0;
}

static int read_value(struct reader *r, unsigned depth, const char *name, uint32_t name_bytes);

static int read_member(struct reader *r, unsigned depth)
{
    const char *name;
    uint32_t name_bytes;
    int q;

    if (*r->at != '"')
        return fail(r);
    r->at++;
    q = read_string(r, &name, &name_bytes);
    if (q != 0)
        return q;
    skip_white_space(r);
    if (*r->at != ':')
        return fail(r);
    r->at++;
    skip_white_space(r);
    /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): read_string has set both. */
    return read_value(r, depth, name, name_bytes);
}

/* Reads a container from behind its opening bracket or brace, with the closing one. */
static int read_container(struct reader *r, bool is_object, unsigned depth, uint32_t *ret_n)
{
    char closing = is_object ? '}' : ']';
    uint32_t n = 0;

    skip_white_space(r);
    while (n > 0 || *r->at != closing) {
        int q = is_object ? read_member(r, depth) : read_value(r, depth, NULL, 0);

        if (q != 0)
            return q;
        n++;
        skip_white_space(r);
        if (*r->at == closing)
            break;
        if (*r->at != ',')
            return fail(r);
        r->at++;
        skip_white_space(r);
    }
    r->at++;
    *ret_n = n;
    return 0;
}

static int read_value(struct reader *r, unsigned depth, const char *name, uint32_t name_bytes)
{
    struct json_value value = {.name = name, .name_bytes = name_bytes};
    uint32_t i;
    int q;

    if (depth >= r->max_depth)
        return fail_because(r, "too deep");
    q = add_value(r, &i);
    if (q != 0)
        return q;
    switch (*r->at) {
    case '"':
        value.kind = JSON_STRING;
        r->at++;
        q = read_string(r, &value.text, &value.n);
        break;
    case '{':
    case '[':
        value.kind = *r->at == '{' ? JSON_OBJECT : JSON_ARRAY;
        r->at++;
        q = read_container(r, value.kind == JSON_OBJECT, depth + 1, &value.n);
        break;
    case 't':
        value.kind = JSON_TRUE;
        q = skip_word(r, "true");
        break;
    case 'f':
        value.kind = JSON_FALSE;
        q = skip_word(r, "false");
        break;
    case 'n':
        value.kind = JSON_NULL;
        q = skip_word(r, "null");
        break;
    default:
        value.kind = JSON_NUMBER;
        q = read_number(r, &value.text, &value.n);
        break;
    }
    if (q != 0)
        return q;
    value.span = r->tree->n - i;
    r->tree->values[i] = value;
    return 0;
}

static int read_all(struct reader *r)
{
    int q;

    skip_white_space(r);
    q = read_value(r, 0, NULL, 0);
    if (q != 0)
        return q;
    skip_white_space(r);
    if (r->at != r->end)
        return fail_because(r, "followed by more");
    return r->tree->values[0].kind == JSON_OBJECT ? 0 : fail_as_whole(r->fault, "no JSON object");
}

static struct json_tree *tree_new(const char *bytes, size_t size)
{
    CLEANUP(json_tree_free_secret)
    struct json_tree *tree = malloc(sizeof(*tree) + size + END_BYTES);

    if (!tree)
        return NULL;
    memcpy(tree->text, bytes, size);
    memset(tree->text + size, 0, END_BYTES);
    tree->size = size;
    tree->n = 0;
    tree->n_max = FIRST_VALUES + (uint32_t)MIN(size / BYTES_PER_VALUE, JSON_TREE_MAX_VALUES / 2);
    tree->values = reallocarray(NULL, tree->n_max, sizeof(struct json_value));
    return tree->values ? TAKE(tree) : NULL;
}

int json_tree_read(const char *bytes, size_t size, unsigned max_depth,
                   enum json_lone_surrogates lone_surrogates, struct json_tree **ret,
                   struct json_fault *ret_fault)
{
    CLEANUP(json_tree_free_secret) struct json_tree *tree = NULL;
    struct reader r = {
        .max_depth = max_depth,
        .lone_surrogates = lone_surrogates,
        .fault = ret_fault,
    };
    size_t valid;
    int q;

    if (size == 0)
        return fail_as_whole(ret_fault, "empty");
    if (size > JSON_TREE_MAX_BYTES)
        return fail_as_whole(ret_fault, "too large");
    valid = utf8_valid_bytes(bytes, size);
    if (valid < size)
        return fail_at(ret_fault, "not UTF-8", valid);
    tree = tree_new(bytes, size);
    if (!tree)
        return -ENOMEM;
    r.tree = tree;
    r.at = tree->text;
    r.end = tree->text + size;
    q = read_all(&r);
    if (q == 0)
        *ret = TAKE(tree);
    return q;
}

struct json_tree *json_tree_free(struct json_tree *tree)
{
    if (tree)
        free(tree->values);
    free(tree);
    return NULL;
}

struct json_tree *json_tree_free_secret(struct json_tree *tree)
{
    if (tree)
        secure_wipe(tree->text, tree->size);
    return json_tree_free(tree);
}

const struct json_value *json_tree_root(const struct json_tree *tree)
{
    return tree->values;
}
