/* SPDX-License-Identifier: MIT */
/* The rate limit is kept when a failure ends. So if the same kind of failure comes again, it still
 * gets at most one line a minute. */
#include "daemon/failure-log.h"

#include <stdio.h>

bool failure_log_add(struct failure_log *log, const char *kind, const char *text, uint64_t now_usec)
{
    if (log->failures++ == 0)
        log->since_usec = now_usec;
    log->last_usec = now_usec;
    snprintf(log->text, sizeof(log->text), "%s", text);
    if (!log_rate_limit_take(&log->limit, kind, 1, now_usec, NULL))
        return false;
    log->is_logged = true;
    return true;
}

bool failure_log_end(struct failure_log *log, struct failure_log *ret)
{
    bool is_logged = log->is_logged;

    if (is_logged)
        *ret = *log;
    log->failures = 0;
    log->is_logged = false;
    return is_logged;
}

bool operation_failures_add(struct operation_failures *failures, enum sqs_operation operation,
                            const struct sqs_error *error, const char *text, uint64_t now_usec)
{
    char kind[LOG_RATE_LIMIT_KIND_SIZE];

    snprintf(kind, sizeof(kind), "%d %s", error->class, error->name);
    return failure_log_add(&failures->of[operation], kind, text, now_usec);
}

bool operation_failures_end(struct operation_failures *failures, enum sqs_operation operation,
                            struct failure_log *ret)
{
    return failure_log_end(&failures->of[operation], ret);
}

const char *operation_failures_text(const struct operation_failures *failures)
{
    const struct failure_log *last = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(failures->of); i++) {
        const struct failure_log *log = &failures->of[i];

        if (log->failures > 0 && (!last || log->last_usec >= last->last_usec))
            last = log;
    }
    return last ? last->text : NULL;
}
