/* SPDX-License-Identifier: MIT */
/* A queue's tags: each is a name and a value. */
#pragma once

#include "util/list.h"

enum { TAGS_MAX = 50, TAG_NAME_MAX_CHARACTERS = 128, TAG_VALUE_MAX_CHARACTERS = 256 };

struct tag {
    struct list of_queue;
    const char *value; /* after the name, in the same allocation */
    char name[];
};

/* Sets a tag, or replaces the tag of the same name. Returns 0 or -ENOMEM. */
int tags_set(struct list *tags, const char *name, const char *value);

/* Removes a tag, if there is one of that name. */
void tags_remove(struct list *tags, const char *name);

bool tags_have(const struct list *tags, const char *name);
size_t tags_count(const struct list *tags);
void tags_done(struct list *tags);
