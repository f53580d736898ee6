/* SPDX-License-Identifier: MIT */
/* The rate limit is kept when a failure ends. So if the same kind of failure comes again, it still
 * gets at most one line a minute. */
#include "daemon/failure-log.h"

#include <stdio.h>

bool failure_log_add(struct failure_log *t, const char *kind, const char *text, uint64_t now_usec)
{
    if (t->failures++ == 0)
        t->since_usec = now_usec;
    t->last_usec = now_usec;
    snprintf(t->text, sizeof(t->text), "%s", text);
    if (!log_rate_limit_take(&t->limit, kind, 1, now_usec, NULL))
        return false;
    t->is_told = true;
    return true;
}

bool failure_log_end(struct failure_log *t, struct failure_log *ret)
{
    bool is_told = t->is_told;

    if (is_told)
        *ret = *t;
    t->failures = 0;
    t->is_told = false;
    return is_told;
}

bool operation_failures_add(struct operation_failures *troubles, enum sqs_operation operation,
                            const struct sqs_error *error, const char *text, uint64_t now_usec)
{
    char kind[LOG_RATE_LIMIT_KIND_SIZE];

    snprintf(kind, sizeof(kind), "%d %s", error->class, error->name);
    return failure_log_add(&troubles->of[operation], kind, text, now_usec);
}

bool operation_failures_end(struct operation_failures *troubles, enum sqs_operation operation,
                            struct failure_log *ret)
{
    return failure_log_end(&troubles->of[operation], ret);
}

const char *operation_failures_text(const struct operation_failures *troubles)
{
    const struct failure_log *last = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(troubles->of); i++) {
        const struct failure_log *t = &troubles->of[i];

        if (t->failures > 0 && (!last || t->last_usec >= last->last_usec))
            last = t;
    }
    return last ? last->text : NULL;
}
