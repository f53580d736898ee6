/* See trouble.h. What was told last stays when a trouble ends: the next of its kind is held to the
 * same minute. */
#include "trouble.h"

#include <stdio.h>

bool troubles_add(struct troubles *troubles, enum sqs_operation operation,
                  const struct sqs_error *error, const char *text, uint64_t now_usec)
{
    struct trouble *t = &troubles->of[operation];
    char kind[sizeof(t->kind)];

    snprintf(kind, sizeof(kind), "%d %s", error->class, error->name);
    if (t->failures++ == 0)
        t->since_usec = now_usec;
    t->last_usec = now_usec;
    snprintf(t->text, sizeof(t->text), "%s", text);
    if (t->has_line && streq(kind, t->kind) && now_usec - t->line_usec < TROUBLE_LINE_INTERVAL_USEC)
        return false;
    t->has_line = true;
    t->is_told = true;
    t->line_usec = now_usec;
    snprintf(t->kind, sizeof(t->kind), "%s", kind);
    return true;
}

bool troubles_end(struct troubles *troubles, enum sqs_operation operation, struct trouble *ret)
{
    struct trouble *t = &troubles->of[operation];
    bool is_told = t->is_told;

    if (is_told)
        *ret = *t;
    t->failures = 0;
    t->is_told = false;
    return is_told;
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
