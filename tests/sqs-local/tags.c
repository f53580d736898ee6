/* SPDX-License-Identifier: MIT */
/* See tags.h. */
#include "tags.h"

#include <errno.h>

static struct tag *find(const struct list *tags, const char *name)
{
    LIST_FOREACH(tags, member)
    {
        struct tag *tag = CONTAINER_OF(member, struct tag, of_queue);

        if (streq(tag->name, name))
            return tag;
    }
    return NULL;
}

int tags_set(struct list *tags, const char *name, const char *value)
{
    size_t name_bytes = strlen(name) + 1, value_bytes = strlen(value) + 1;
    struct tag *tag = malloc(sizeof(*tag) + name_bytes + value_bytes);

    if (!tag)
        return -ENOMEM;
    memcpy(tag->name, name, name_bytes);
    memcpy(tag->name + name_bytes, value, value_bytes);
    tag->value = tag->name + name_bytes;
    tags_remove(tags, name);
    list_append(tags, &tag->of_queue);
    return 0;
}

void tags_remove(struct list *tags, const char *name)
{
    struct tag *tag = find(tags, name);

    if (!tag)
        return;
    list_remove(&tag->of_queue);
    free(tag);
}

bool tags_have(const struct list *tags, const char *name)
{
    return find(tags, name) != NULL;
}

size_t tags_count(const struct list *tags)
{
    size_t n = 0;

    LIST_FOREACH(tags, member)
    n++;
    return n;
}

void tags_done(struct list *tags)
{
    LIST_FOREACH(tags, member)
    {
        list_remove(member);
        free(CONTAINER_OF(member, struct tag, of_queue));
    }
}
