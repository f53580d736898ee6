/* SPDX-License-Identifier: MIT */
#include "message.h"

#include <errno.h>
#include <stdio.h>

static size_t string_bytes(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

static const char *copy_bytes(char **to, const char *from, size_t size)
{
    char *start = *to;

    if (!from)
        return NULL;
    if (size > 0)
        memcpy(start, from, size);
    start[size] = '\0';
    *to += size + 1;
    return start;
}

static const char *copy_string(char **to, const char *from)
{
    return copy_bytes(to, from, from ? strlen(from) : 0);
}

int message_new(const struct message_parts *parts, struct message **ret)
{
    size_t size = sizeof(struct message) + parts->n_attributes * sizeof(struct sqs_attribute) +
                  parts->body_bytes + 1 + string_bytes(parts->group_id) +
                  string_bytes(parts->deduplication_id) + string_bytes(parts->trace_header);
    struct message *m;
    char *p;

    for (size_t i = 0; i < parts->n_attributes; i++)
        size += string_bytes(parts->attributes[i].name) +
                string_bytes(parts->attributes[i].data_type) + parts->attributes[i].value_bytes + 1;
    m = malloc(size);
    if (!m)
        return -ENOMEM;
    *m = (struct message){.attributes = (struct sqs_attribute *)(void *)(m + 1),
                          .n_attributes = parts->n_attributes,
                          .body_bytes = parts->body_bytes};
    snprintf(m->message_id, sizeof(m->message_id), "%s", parts->message_id);

    p = (char *)(m->attributes + m->n_attributes);
    m->body = copy_bytes(&p, parts->body, parts->body_bytes);
    m->group_id = copy_string(&p, parts->group_id);
    m->deduplication_id = copy_string(&p, parts->deduplication_id);
    m->trace_header = copy_string(&p, parts->trace_header);
    for (size_t i = 0; i < m->n_attributes; i++) {
        const struct sqs_attribute *a = &parts->attributes[i];

        m->attributes[i] = *a;
        m->attributes[i].name = copy_string(&p, a->name);
        m->attributes[i].data_type = copy_string(&p, a->data_type);
        m->attributes[i].value = copy_bytes(&p, a->value, a->value_bytes);
    }
    *ret = m;
    return 0;
}

struct message *message_free(struct message *message)
{
    if (!message)
        return NULL;
    free(message->attempt_id);
    free(message->source_queue);
    free(message);
    return NULL;
}
