/* SPDX-License-Identifier: MIT */
/* A message's environment is one block of memory: first the pointers to the strings of struct
 * exec_environment, then the pointers to the message's own strings, then the text of the message's
 * own strings. */
#include "consumerd/handler/exec-environment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "util/ascii.h"
#include "util/buffer.h"
#include "util/encode.h"
#include "util/spawn-program.h"

enum {
    TEXT_MAX_BYTES = 16 * 1024 * 1024,
    OMITTED_MAX_BYTES = 8 * 1024,
};

#define ATTRIBUTE_PREFIX "SQS_ATTRIBUTE_"

struct exec_environment {
    size_t n;
    char *strings[];
};

/* ---- The strings that all messages share ---- */

static bool is_passed_on(const char *entry)
{
    static const char *const kept_back[] = {"AWS_", "CREDENTIALS_DIRECTORY=", "SQS_"};

    for (size_t i = 0; i < ARRAY_SIZE(kept_back); i++)
        if (strncmp(entry, kept_back[i], strlen(kept_back[i])) == 0)
            return false;
    return spawn_inherits(entry);
}

int exec_environment_new(char *const *from, struct exec_environment **ret)
{
    CLEANUP(exec_environment_free) struct exec_environment *e = NULL;
    size_t n = 0;

    while (from && from[n])
        n++;
    e = calloc(1, sizeof(*e) + n * sizeof(e->strings[0]));
    if (!e)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!is_passed_on(from[i]))
            continue;
        e->strings[e->n] = strdup(from[i]);
        if (!e->strings[e->n])
            return -ENOMEM;
        e->n++;
    }
    *ret = TAKE(e);
    return 0;
}

struct exec_environment *exec_environment_free(struct exec_environment *e)
{
    if (!e)
        return NULL;
    for (size_t i = 0; i < e->n; i++)
        free(e->strings[i]);
    free(e);
    return NULL;
}

/* ---- The attributes ---- */

struct candidate {
    const struct sqs_attribute *attribute;
    bool is_omitted;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct candidate *)a)->attribute->name,
                  ((const struct candidate *)b)->attribute->name);
}

/* SQS allows letters, digits, "_", "-" and "." in a name. In the variable, "-", "." and any other
 * character become "_". */
static char variable_char(char c)
{
    if (is_letter_or_digit(c))
        return to_upper(c);
    return '_';
}

static bool is_same_variable(const char *a, const char *b)
{
    while (*a != '\0' && variable_char(*a) == variable_char(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

static bool fits(const struct sqs_attribute *a)
{
    size_t size = a->is_binary ? (a->value_bytes + 2) / 3 * 4 : a->value_bytes;

    return size < EXEC_STRING_MAX_BYTES &&
           strlen(ATTRIBUTE_PREFIX) + strlen(a->name) + 1 + size + 1 <= EXEC_STRING_MAX_BYTES &&
           (a->is_binary || !memchr(a->value, '\0', a->value_bytes));
}

static void omit_largest(struct candidate *candidates, size_t n)
{
    struct candidate *largest = NULL;

    for (size_t i = 0; i < n; i++)
        if (!candidates[i].is_omitted &&
            (!largest || candidates[i].attribute->value_bytes > largest->attribute->value_bytes))
            largest = &candidates[i];
    if (largest)
        largest->is_omitted = true;
}

/* Sorts the attributes by name and decides which are omitted. NULL: no memory. */
static struct candidate *choose(const struct sqs_received_message *m, size_t n_left_out)
{
    struct candidate *c = calloc(MAX(m->n_attributes, (size_t)1), sizeof(*c));

    if (!c)
        return NULL;
    for (size_t i = 0; i < m->n_attributes; i++)
        c[i].attribute = &m->attributes[i];
    qsort(c, m->n_attributes, sizeof(*c), compare_names);
    for (size_t i = 0; i < m->n_attributes; i++) {
        c[i].is_omitted = !fits(c[i].attribute);
        for (size_t k = 0; k < i && !c[i].is_omitted; k++)
            c[i].is_omitted = is_same_variable(c[i].attribute->name, c[k].attribute->name);
    }
    for (size_t i = 0; i < n_left_out && i < m->n_attributes; i++)
        omit_largest(c, m->n_attributes);
    return c;
}

/* ---- A message's strings ---- */

/* Strings one after the other, each with a NUL at its end. */
struct strings {
    struct buffer text;
    size_t n;
};

static void end_string(struct strings *s)
{
    buffer_append_char(&s->text, '\0');
    s->n++;
}

static void add(struct strings *s, const char *name, const char *value)
{
    if (!value)
        return;
    buffer_append_string(&s->text, name);
    buffer_append_char(&s->text, '=');
    buffer_append_string(&s->text, value);
    end_string(s);
}

/* 0 means that SQS did not give it. */
static void add_number(struct strings *s, const char *name, uint64_t value)
{
    char number[24];

    snprintf(number, sizeof(number), "%" PRIu64, value);
    add(s, name, value > 0 ? number : NULL);
}

static void add_attribute(struct strings *s, const struct sqs_attribute *a)
{
    buffer_append_string(&s->text, ATTRIBUTE_PREFIX);
    for (const char *c = a->name; *c != '\0'; c++)
        buffer_append_char(&s->text, variable_char(*c));
    buffer_append_char(&s->text, '=');
    if (a->is_binary)
        base64_encode(&s->text, a->value, a->value_bytes);
    else
        buffer_append(&s->text, a->value, a->value_bytes);
    end_string(s);
}

static void add_attributes(struct strings *s, const struct candidate *candidates, size_t n)
{
    CLEANUP(buffer_done) struct buffer omitted = BUFFER_INIT(OMITTED_MAX_BYTES);

    for (size_t i = 0; i < n; i++) {
        if (!candidates[i].is_omitted) {
            add_attribute(s, candidates[i].attribute);
            continue;
        }
        if (omitted.size > 0)
            buffer_append_char(&omitted, ' ');
        buffer_append_string(&omitted, candidates[i].attribute->name);
    }
    add(s, "SQS_ATTRIBUTES_OMITTED", omitted.size > 0 ? buffer_string(&omitted) : NULL);
}

static char **join(const struct exec_environment *e, const struct strings *s)
{
    size_t n = e->n + s->n + 1;
    char **all = malloc(n * sizeof(*all) + s->text.size), *text;

    if (!all)
        return NULL;
    memcpy(all, e->strings, e->n * sizeof(*all));
    text = (char *)(all + n);
    if (s->text.size > 0)
        memcpy(text, s->text.data, s->text.size);
    for (size_t i = 0; i < s->n; i++) {
        all[e->n + i] = text;
        text += strlen(text) + 1;
    }
    all[n - 1] = NULL;
    return all;
}

int exec_environment_make(const struct exec_environment *e, const struct sqs_received_message *m,
                          size_t n_left_out, char ***ret)
{
    struct strings s = {.text = BUFFER_INIT(TEXT_MAX_BYTES)};
    struct candidate *candidates = choose(m, n_left_out);
    char **all = NULL;

    if (!candidates)
        return -ENOMEM;
    add(&s, "SQS_MESSAGE_ID", m->message_id);
    add(&s, "SQS_MESSAGE_GROUP_ID", m->group_id);
    add(&s, "SQS_MESSAGE_DEDUPLICATION_ID", m->deduplication_id);
    add(&s, "SQS_SEQUENCE_NUMBER", m->sequence_number);
    add(&s, "SQS_SENDER_ID", m->sender_id);
    add_number(&s, "SQS_RECEIVE_COUNT", m->receive_count);
    add_number(&s, "SQS_SENT_TIMESTAMP", m->sent_msec);
    add_number(&s, "SQS_FIRST_RECEIVED_TIMESTAMP", m->first_received_msec);
    add_attributes(&s, candidates, m->n_attributes);
    free(candidates);
    if (s.text.error == 0)
        all = join(e, &s);
    buffer_done(&s.text);
    if (!all)
        return -ENOMEM;
    *ret = all;
    return 0;
}
