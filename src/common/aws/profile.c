/* SPDX-License-Identifier: MIT */
/* inih splits the lines into sections, keys and values. But without any error it cuts lines at 200
 * bytes and names at 50, and takes " ;" for a comment. So our own reader (read_line) feeds it. The
 * reader handles continuation lines itself. In other lines it replaces a section's name or a value
 * by the line's number, and the real text is taken from the file.
 *
 * All values are appended to one list, in the order of the files. A look-up starts at the end, so
 * the last value wins, and adding a value takes constant time. */
#include "aws/profile.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include <ini.h>

#include "util/ascii.h"
#include "util/error-line.h"

enum section_kind { SECTION_PROFILE, SECTION_SERVICES, SECTION_SSO_SESSION, SECTION_OTHER };

enum { KEY_MAX_BYTES = 128 };

struct section {
    enum aws_profile_file file;
    enum section_kind kind;
    char *name;
};

/* `key` is in lower case. Before an entry with `sub` comes one with the same key and without `sub`.
 */
struct entry {
    size_t section;
    char *key, *sub;
    struct buffer value;
};

struct aws_profiles {
    struct section *sections;
    size_t n_sections, sections_allocated;
    struct entry *entries;
    size_t n_entries, entries_allocated;
};

struct parser {
    struct aws_profiles *profiles;
    enum aws_profile_file file;
    const char *at, *end;
    unsigned line;
    size_t first_section; /* of this file; the ones before are from an earlier file */

    bool in_option;    /* the last entry may be continued */
    size_t indent;     /* of the last entry's line */
    size_t n_blank;    /* blank lines since then */
    const char *value; /* of the line that inih has now */
    size_t value_size;

    int error;             /* negative errno */
    const char *complaint; /* what is wrong with line `line` */
};

static const char not_a_line[] = "a line must be a [section], `name = value`, or a comment";

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static void trim(const char **text, size_t *size)
{
    while (*size > 0 && is_space(**text)) {
        (*text)++;
        (*size)--;
    }
    while (*size > 0 && is_space((*text)[*size - 1]))
        (*size)--;
}

/* Grows the array for one more element; 0 or -ENOMEM. The elements hold no secrets themselves. */
static int grow(void **array, size_t n, size_t *allocated, size_t element_bytes)
{
    size_t wanted = *allocated ? *allocated * 2 : 16;
    void *larger;

    if (n < *allocated)
        return 0;
    larger = reallocarray(*array, wanted, element_bytes);
    if (!larger)
        return -ENOMEM;
    *array = larger;
    *allocated = wanted;
    return 0;
}

/* ---- Sections ---- */

/* Copies the next word, split as by a shell, into `word`, which is large enough. 1; 0 at the end of
 * the text; or -1 if a quote or a backslash is not complete. */
static int next_word(const char **text, const char *end, char *word)
{
    const char *p = *text;
    char quote = '\0';

    while (p < end && is_space(*p))
        p++;
    if (p == end)
        return 0;
    for (; p < end && (quote || !is_space(*p)); p++) {
        if (*p == quote) {
            quote = '\0';
        } else if (!quote && (*p == '"' || *p == '\'')) {
            quote = *p;
        } else if (*p == '\\' && quote != '\'' &&
                   (!quote || (end - p > 1 && (p[1] == '"' || p[1] == '\\')))) {
            if (end - p < 2)
                return -1;
            *word++ = *++p;
        } else {
            *word++ = *p;
        }
    }
    if (quote)
        return -1;
    *word = '\0';
    *text = p;
    return 1;
}

/* Reads a header of the config file: `default`, or a kind and a name. `name` and `scratch` must be
 * as large as the header and a NUL. */
static enum section_kind read_header(const char *header, size_t size, char *name, char *scratch)
{
    static const struct {
        const char *word;
        enum section_kind kind;
    } kinds[] = {
        {"profile", SECTION_PROFILE},
        {"services", SECTION_SERVICES},
        {"sso-session", SECTION_SSO_SESSION},
    };
    const char *at = header, *end = header + size;

    if (next_word(&at, end, scratch) == 1) {
        int r = next_word(&at, end, name);

        if (r == 0 && streq(scratch, "default")) {
            strcpy(name, "default");
            return SECTION_PROFILE;
        }
        for (size_t i = 0; r == 1 && i < ARRAY_SIZE(kinds); i++)
            if (streq(scratch, kinds[i].word))
                return next_word(&at, end, scratch) == 0 ? kinds[i].kind : SECTION_OTHER;
    }
    return SECTION_OTHER;
}

static int add_section(struct parser *ps, const char *header, size_t size)
{
    struct aws_profiles *p = ps->profiles;
    CLEANUP(free) char *name = malloc(size + 1), *scratch = malloc(size + 1);
    enum section_kind kind = SECTION_PROFILE;
    int r =
        grow((void **)&p->sections, p->n_sections, &p->sections_allocated, sizeof(*p->sections));

    if (!name || !scratch || r < 0)
        return -ENOMEM;
    if (ps->file == AWS_PROFILE_CONFIG) {
        kind = read_header(header, size, name, scratch);
    } else {
        memcpy(name, header, size);
        name[size] = '\0';
    }
    p->sections[p->n_sections++] =
        (struct section){.file = ps->file, .kind = kind, .name = TAKE(name)};
    return 0;
}

/* ---- Entries ---- */

static int add_entry(struct parser *ps, const char *key, size_t key_size, const char *sub,
                     size_t sub_size, const char *value, size_t value_size)
{
    struct aws_profiles *p = ps->profiles;
    struct entry e = {.section = p->n_sections - 1,
                      .value = BUFFER_INIT(AWS_PROFILE_FILE_MAX_BYTES)};
    int r = grow((void **)&p->entries, p->n_entries, &p->entries_allocated, sizeof(*p->entries));

    if (r < 0)
        return r;
    e.key = strndup(key, key_size);
    e.sub = sub ? strndup(sub, sub_size) : NULL;
    buffer_append(&e.value, value, value_size);
    if (!e.key || (sub && !e.sub) || e.value.error < 0) {
        free(e.key);
        free(e.sub);
        buffer_done(&e.value);
        return -ENOMEM;
    }
    for (char *c = e.key; *c; c++)
        *c = to_lower(*c);
    p->entries[p->n_entries++] = e;
    return 0;
}

static void continue_entry(struct parser *ps, const char *text, size_t size)
{
    struct entry *last = ps->profiles->entries + ps->profiles->n_entries - 1;
    const char *delimiter = memchr(text, '=', size), *value;
    size_t sub_size, value_size;

    if (!last->sub && last->value.size > 0) {
        for (; ps->n_blank > 0; ps->n_blank--)
            buffer_append_char(&last->value, '\n');
        buffer_append_char(&last->value, '\n');
        ps->error = buffer_append(&last->value, text, size);
        return;
    }

    if (!delimiter) {
        ps->complaint = "an indented line under an empty value must be `name = value`";
        return;
    }
    value = delimiter + 1;
    value_size = size - (size_t)(value - text);
    sub_size = (size_t)(delimiter - text);
    trim(&value, &value_size);
    trim(&text, &sub_size);
    ps->error = add_entry(ps, last->key, strlen(last->key), text, sub_size, value, value_size);
}

/* ---- Lines ---- */

/* Makes the line that inih gets for a `key = value` line. The value is kept for on_pair. */
static void shorten_pair(struct parser *ps, const char *text, size_t size, char *ret,
                         size_t ret_size)
{
    size_t key_size = 0;

    while (key_size < size && text[key_size] != '=' && text[key_size] != ':')
        key_size++;
    if (ps->profiles->n_sections == ps->first_section) {
        ps->complaint = "a [section] must come before the first setting";
    } else if (key_size == size) {
        ps->complaint = not_a_line;
    } else if (key_size > KEY_MAX_BYTES) {
        ps->complaint = "a setting's name is longer than 128 bytes";
    } else {
        ps->value = text + key_size + 1;
        ps->value_size = size - key_size - 1;
        trim(&ps->value, &ps->value_size);
        snprintf(ret, ret_size, "%.*s=%u\n", (int)key_size, text, ps->line);
    }
}

static void shorten_header(struct parser *ps, const char *text, size_t size, char *ret,
                           size_t ret_size)
{
    const char *close = memchr(text, ']', size);

    if (!close || close == text + 1) {
        ps->complaint = "a section must be written [name]";
        return;
    }
    ps->error = add_section(ps, text + 1, (size_t)(close - text) - 1);
    snprintf(ret, ret_size, "[%u]\n", ps->line);
}

/* Behaves like fgets, as inih requires. */
static char *read_line(char *ret, int ret_size, void *stream)
{
    struct parser *ps = stream;
    const char *text = ps->at, *newline;
    size_t size, indent = 0;

    if (ps->at == ps->end || ps->error < 0 || ps->complaint)
        return NULL;
    newline = memchr(text, '\n', (size_t)(ps->end - text));
    size = (size_t)((newline ? newline : ps->end) - text);
    ps->at = newline ? newline + 1 : ps->end;
    ps->line++;
    while (indent < size && is_space(text[indent]))
        indent++;
    trim(&text, &size);

    snprintf(ret, (size_t)ret_size, "\n");
    if (size == 0) {
        ps->n_blank++;
    } else if (*text == '#' || *text == ';') {
        /* A comment changes nothing: the lines after it may still continue the option. */
    } else if (ps->in_option && indent > ps->indent) {
        continue_entry(ps, text, size);
        ps->n_blank = 0;
    } else {
        ps->indent = indent;
        ps->n_blank = 0;
        ps->in_option = false;
        if (*text == '[')
            shorten_header(ps, text, size, ret, (size_t)ret_size);
        else
            shorten_pair(ps, text, size, ret, (size_t)ret_size);
    }
    return ps->error < 0 || ps->complaint ? NULL : ret;
}

static int on_pair(void *user, const char *section, const char *name, const char *value)
{
    struct parser *ps = user;

    if (!name || !ps->value) /* a section: some builds of inih report it */
        return 1;
    if (name[0] == '\0') {
        ps->complaint = "a setting must have a name";
        return 0;
    }
    ps->error = add_entry(ps, name, strlen(name), NULL, 0, ps->value, ps->value_size);
    ps->value = NULL;
    ps->in_option = ps->error == 0;
    return ps->error == 0;
}

/* ---- The set ---- */

static void truncate_to(struct aws_profiles *p, size_t n_sections, size_t n_entries)
{
    while (p->n_entries > n_entries) {
        struct entry *e = p->entries + --p->n_entries;

        free(e->key);
        free(e->sub);
        buffer_done(&e->value);
    }
    while (p->n_sections > n_sections)
        free(p->sections[--p->n_sections].name);
}

int aws_profiles_new(struct aws_profiles **ret)
{
    struct aws_profiles *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    *ret = p;
    return 0;
}

struct aws_profiles *aws_profiles_free(struct aws_profiles *p)
{
    if (!p)
        return NULL;
    truncate_to(p, 0, 0);
    free(p->entries);
    free(p->sections);
    free(p);
    return NULL;
}

static int invalid(const char *source, unsigned line, const char *what, char **error)
{
    return error_line(AWS_PROFILE_E_INVALID, error, "%s:%u: %s", source, line, what);
}

int aws_profiles_add(struct aws_profiles *p, enum aws_profile_file kind, const char *source,
                     const char *text, size_t text_bytes, char **error)
{
    size_t n_sections = p->n_sections, n_entries = p->n_entries;
    struct parser ps = {.profiles = p,
                        .file = kind,
                        .at = text,
                        .end = text + text_bytes,
                        .first_section = n_sections};
    const char *nul = memchr(text, '\0', text_bytes);
    int r;

    if (text_bytes > AWS_PROFILE_FILE_MAX_BYTES)
        return invalid(source, 1, "the file is larger than 1 MiB", error);
    if (nul) {
        unsigned line = 1;

        for (const char *c = text; c < nul; c++)
            line += *c == '\n';
        return invalid(source, line, "the file is not text: it contains a NUL byte", error);
    }
    if (text_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        ps.at += 3;

    r = ini_parse_stream(read_line, &ps, on_pair, &ps);
    /* inih reports its own errors only after it has read all: then its line is the earlier one. */
    if (ps.error == 0 && r != 0 && (!ps.complaint || (r > 0 && (unsigned)r < ps.line))) {
        ps.line = r > 0 ? (unsigned)r : ps.line;
        ps.complaint = not_a_line;
    }
    if (ps.error < 0 || ps.complaint)
        truncate_to(p, n_sections, n_entries);
    if (ps.error < 0)
        return ps.error;
    return ps.complaint ? invalid(source, ps.line, ps.complaint, error) : 0;
}

static bool is_section(const struct section *s, enum section_kind kind, const char *name)
{
    return s->kind == kind && streq(s->name, name);
}

static bool has(const struct aws_profiles *p, enum section_kind kind, const char *name)
{
    for (size_t i = 0; i < p->n_sections; i++)
        if (is_section(p->sections + i, kind, name))
            return true;
    return false;
}

/* The value, or NULL. *ret_has_key is set if the key is there, with any value. If a key is given
 * again, its earlier sub-keys no longer count. */
static const char *get(const struct aws_profiles *p, enum aws_profile_file file,
                       enum section_kind kind, const char *name, const char *key, const char *sub,
                       bool *ret_has_key)
{
    for (size_t i = p->n_entries; i-- > 0;) {
        const struct entry *e = p->entries + i;
        const struct section *s = p->sections + e->section;

        if (s->file != file || !is_section(s, kind, name) || strcasecmp(e->key, key) != 0)
            continue;
        *ret_has_key = true;
        if (sub ? e->sub && streq(e->sub, sub) : !e->sub)
            return buffer_string(&e->value);
        if (!e->sub)
            return NULL;
    }
    return NULL;
}

bool aws_profiles_has_secret(const struct aws_profiles *p, enum aws_profile_file kind)
{
    for (size_t i = 0; i < p->n_entries; i++) {
        const struct section *s = p->sections + p->entries[i].section;

        if (s->file == kind && s->kind == SECTION_PROFILE && p->entries[i].value.size > 0 &&
            streq(p->entries[i].key, "aws_secret_access_key"))
            return true;
    }
    return false;
}

bool aws_profiles_has(const struct aws_profiles *p, const char *profile)
{
    return has(p, SECTION_PROFILE, profile);
}

const char *aws_profiles_get_from(const struct aws_profiles *p, enum aws_profile_file kind,
                                  const char *profile, const char *key, const char *sub)
{
    bool has_key = false;

    return get(p, kind, SECTION_PROFILE, profile, key, sub, &has_key);
}

const char *aws_profiles_get(const struct aws_profiles *p, const char *profile, const char *key,
                             const char *sub)
{
    bool has_key = false;
    const char *value =
        get(p, AWS_PROFILE_CREDENTIALS, SECTION_PROFILE, profile, key, sub, &has_key);

    if (has_key)
        return value;
    return get(p, AWS_PROFILE_CONFIG, SECTION_PROFILE, profile, key, sub, &has_key);
}

static enum section_kind kind_of(const char *section)
{
    return streq(section, "services")      ? SECTION_SERVICES
           : streq(section, "sso-session") ? SECTION_SSO_SESSION
                                           : SECTION_OTHER;
}

const char *aws_profiles_get_section(const struct aws_profiles *p, const char *section,
                                     const char *name, const char *key, const char *sub)
{
    enum section_kind kind = kind_of(section);
    bool has_key = false;

    return kind == SECTION_OTHER ? NULL
                                 : get(p, AWS_PROFILE_CONFIG, kind, name, key, sub, &has_key);
}

bool aws_profiles_has_section(const struct aws_profiles *p, const char *section, const char *name)
{
    enum section_kind kind = kind_of(section);

    return kind != SECTION_OTHER && has(p, kind, name);
}
