/* SPDX-License-Identifier: MIT */
/* The canonical form is written directly into the caller's buffer. A ".." removes the path's last
 * segment from it again. Headers are sorted as pointers. Only a query needs a scratch buffer, since
 * its parts are sorted by their encoded text.
 *
 * All input except the number of query parameters is checked before the first byte is appended.
 * Nothing depends on the locale. */
#include "aws/sigv4-canonical.h"

#include <errno.h>

#include "util/ascii.h"
#include "util/encode.h"

enum { QUERY_PARAMETERS_MAX = 128 };

#define WHITE_SPACE " \t\r\n\v\f"

int sigv4_compare_names(const char *a, const char *b)
{
    while (*a && to_lower(*a) == to_lower(*b)) {
        a++;
        b++;
    }
    return (unsigned char)to_lower(*a) - (unsigned char)to_lower(*b);
}

/* Proxies add, change and remove these headers: a signature over them would become invalid. */
static bool is_unsigned(const char *name)
{
    static const char *const names[] = {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (to_lower(name[0]) == names[i][0] && sigv4_compare_names(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_header_name(const char *name)
{
    if (!is_set(name))
        return false;
    for (; *name; name++)
        if (*name <= ' ' || *name == ':' || *name >= 0x7f)
            return false;
    return true;
}

/* Checks the request and sorts the headers that are signed. Headers of the same name keep their
 * order. */
static int sort_headers(const struct sigv4_request *request,
                        const struct sigv4_header *ret_sorted[SIGV4_HEADERS_MAX], size_t *ret_n)
{
    size_t n = 0;
    bool has_host = false;

    if (request->n_headers > SIGV4_HEADERS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < request->n_headers; i++) {
        const struct sigv4_header *h = &request->headers[i];
        size_t at;

        if (!is_header_name(h->name) || !h->value)
            return -EINVAL;
        if (is_unsigned(h->name))
            continue;
        if (sigv4_compare_names(h->name, "host") == 0)
            has_host = h->value[strspn(h->value, WHITE_SPACE)] != '\0';
        for (at = n++; at > 0 && sigv4_compare_names(ret_sorted[at - 1]->name, h->name) > 0; at--)
            ret_sorted[at] = ret_sorted[at - 1];
        ret_sorted[at] = h;
    }
    if (!has_host)
        return -EINVAL;
    *ret_n = n;
    return 0;
}

/* Removes the last segment, "/name", from a path that begins at `start`. The root stays. */
static void drop_segment(struct buffer *b, size_t start)
{
    if (b->size == start)
        return;
    while (b->size > start)
        if (b->data[--b->size] == '/')
            break;
    b->data[b->size] = '\0';
}

/* The path that is sent is percent-encoded already, and is encoded once more here: "%" becomes
 * "%25". AWS requires that for each service except S3. */
static void append_path(struct buffer *b, const char *path, bool keep)
{
    size_t start = b->size, n;

    if (keep && path[0] != '\0') {
        uri_encode(b, path, strlen(path), "/");
        return;
    }
    for (const char *p = path + strspn(path, "/"); *p; p += strspn(p, "/")) {
        n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            drop_segment(b, start);
        } else if (n != 1 || p[0] != '.') {
            buffer_append_char(b, '/');
            uri_encode(b, p, n, "");
        }
        p += n;
    }
    if (b->size == start || path[strlen(path) - 1] == '/')
        buffer_append_char(b, '/');
}

/* Appends a part of a query in AWS's canonical encoding, independent of the encoding that is sent.
 * A "%" without two hex digits after it stands for itself. */
static void append_query_part(struct buffer *b, const char *part, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bool is_code = part[i] == '%' && size - i > 2;
        int high = is_code ? hex_digit(part[i + 1]) : -1;
        int low = is_code ? hex_digit(part[i + 2]) : -1;
        char c = part[i];

        if (high >= 0 && low >= 0) {
            c = (char)(high << 4 | low);
            i += 2;
        }
        uri_encode(b, &c, 1, "");
    }
}

struct query_parameter {
    size_t key, key_end, value_end; /* offsets into the encoded text; the value begins at key_end */
    const char *text;
};

static int compare_bytes(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int r = memcmp(a, b, MIN(a_size, b_size));

    return r != 0 ? r : (a_size > b_size) - (a_size < b_size);
}

/* Compares by key, then by value. A comparison of "key=value" would be wrong: "-" sorts before "=".
 */
static int compare_parameters(const void *left, const void *right)
{
    const struct query_parameter *a = left, *b = right;
    int r =
        compare_bytes(a->text + a->key, a->key_end - a->key, b->text + b->key, b->key_end - b->key);

    return r != 0 ? r
                  : compare_bytes(a->text + a->key_end, a->value_end - a->key_end,
                                  b->text + b->key_end, b->value_end - b->key_end);
}

static int append_query(struct buffer *b, const char *query)
{
    CLEANUP(buffer_done) struct buffer encoded = BUFFER_INIT(b->max);
    struct query_parameter parameters[QUERY_PARAMETERS_MAX];
    size_t n = 0;

    for (const char *p = query, *end; *p; p = *end ? end + 1 : end) {
        const char *value;

        end = p + strcspn(p, "&");
        if (end == p)
            continue;
        if (n == QUERY_PARAMETERS_MAX)
            return b->error = -E2BIG;
        value = memchr(p, '=', (size_t)(end - p));
        parameters[n].key = encoded.size;
        append_query_part(&encoded, p, (size_t)((value ? value : end) - p));
        parameters[n].key_end = encoded.size;
        if (value)
            append_query_part(&encoded, value + 1, (size_t)(end - value - 1));
        parameters[n++].value_end = encoded.size;
    }
    if (encoded.error < 0)
        return b->error = encoded.error;

    for (size_t i = 0; i < n; i++)
        parameters[i].text = buffer_string(&encoded); /* from now on the text does not move */
    if (n > 1)
        qsort(parameters, n, sizeof(parameters[0]), compare_parameters);
    for (size_t i = 0; i < n; i++) {
        const struct query_parameter *p = &parameters[i];

        if (i > 0)
            buffer_append_char(b, '&');
        buffer_append(b, p->text + p->key, p->key_end - p->key);
        buffer_append_char(b, '=');
        buffer_append(b, p->text + p->key_end, p->value_end - p->key_end);
    }
    return b->error;
}

/* Appends a value without white space at its ends. Each run of white space inside becomes one
 * space, also in quotes and at line ends. */
static void append_value(struct buffer *b, const char *value)
{
    bool first = true;

    for (const char *p = value + strspn(value, WHITE_SPACE); *p; p += strspn(p, WHITE_SPACE)) {
        size_t n = strcspn(p, WHITE_SPACE);

        if (!first)
            buffer_append_char(b, ' ');
        first = false;
        buffer_append(b, p, n);
        p += n;
    }
}

static int append_name(struct buffer *b, const char *name)
{
    size_t n = strlen(name);
    int r = buffer_reserve(b, n);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        b->data[b->size++] = to_lower(name[i]);
    b->data[b->size] = '\0';
    return 0;
}

static void append_headers(struct buffer *b, const struct sigv4_header *const sorted[], size_t n,
                           struct buffer *signed_headers)
{
    for (size_t i = 0; i < n; i++) {
        size_t name;

        if (i > 0 && sigv4_compare_names(sorted[i]->name, sorted[i - 1]->name) == 0) {
            buffer_append_char(b, ',');
        } else {
            if (i > 0) {
                buffer_append_char(b, '\n');
                buffer_append_char(signed_headers, ';');
            }
            name = signed_headers->size;
            if (append_name(signed_headers, sorted[i]->name) < 0)
                return;
            buffer_append(b, signed_headers->data + name, signed_headers->size - name);
            buffer_append_char(b, ':');
        }
        append_value(b, sorted[i]->value);
    }
    buffer_append_char(b, '\n');
}

int sigv4_canonical_form(const struct sigv4_request *request, const char *body_hash,
                         struct buffer *canonical, struct buffer *signed_headers)
{
    const struct sigv4_header *sorted[SIGV4_HEADERS_MAX];
    const char *path = request->path ? request->path : "";
    size_t n, list_start = signed_headers->size;
    int r;

    if (!is_set(request->method) || (path[0] != '\0' && path[0] != '/'))
        return -EINVAL;
    r = sort_headers(request, sorted, &n);
    if (r < 0)
        return r;

    buffer_append_string(canonical, request->method);
    buffer_append_char(canonical, '\n');
    append_path(canonical, path, request->keep_path);
    buffer_append_char(canonical, '\n');
    if (is_set(request->query))
        append_query(canonical, request->query);
    buffer_append_char(canonical, '\n');
    append_headers(canonical, sorted, n, signed_headers);
    if (signed_headers->error < 0)
        return signed_headers->error;
    buffer_append_char(canonical, '\n');
    buffer_append(canonical, signed_headers->data + list_start, signed_headers->size - list_start);
    buffer_append_char(canonical, '\n');
    return buffer_append_string(canonical, body_hash);
}
