/* SPDX-License-Identifier: MIT */
/* See trouble.h. What was told last stays when a trouble ends: the next of its kind is held to the
 * same minute. */
#include "daemon/trouble.h"

#include <stdio.h>

bool trouble_add(struct trouble *t, const char *kind, const char *text, uint64_t now_usec)
{
    if (t->failures++ == 0)
        t->since_usec = now_usec;
    t->last_usec = now_usec;
    snprintf(t->text, sizeof(t->text), "%s", text);
    if (!line_limit_take(&t->limit, kind, 1, now_usec, NULL))
        return false;
    t->is_told = true;
    return true;
}

bool trouble_end(struct trouble *t, struct trouble *ret)
{
    bool is_told = t->is_told;

    if (is_told)
        *ret = *t;
    t->failures = 0;
    t->is_told = false;
    return is_told;
}

bool troubles_add(struct troubles *troubles, enum sqs_operation operation,
                  const struct sqs_error *error, const char *text, uint64_t now_usec)
{
    char kind[LINE_LIMIT_KIND_SIZE];

    snprintf(kind, sizeof(kind), "%d %s", error->class, error->name);
    return trouble_add(&troubles->of[operation], kind, text, now_usec);
}

bool troubles_end(struct troubles *troubles, enum sqs_operation operation, struct trouble *ret)
{
    return trouble_end(&troubles->of[operation], ret);
}

const char *troubles_text(const struct troubles *troubles)
{
    const struct trouble *last = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(troubles->of); i++) {
        const struct trouble *t = &troubles->of[i];

        if (t->failures > 0 && (!last || t->last_usec >= last->last_usec))
            last = t;
    }
    return last ? last->text : NULL;
}
