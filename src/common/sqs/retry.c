/* SPDX-License-Identifier: MIT */
/* Failures that pass by themselves are retried after a growing delay, as in the AWS SDKs' standard
 * retry mode (aws/backoff.h). Answers that do not come from SQS are retried slowly. After refused
 * credentials, the first retry is made at once, with credentials that are looked up anew. */
#include "sqs/retry.h"

static bool is_intercepted(const struct sqs_error *error)
{
    return streq(error->name, SQS_ERROR_NOT_FROM_SQS) ||
           streq(error->name, SQS_ERROR_CREDENTIALS_INTERCEPTED) ||
           streq(error->name, SQS_ERROR_METADATA_INTERCEPTED);
}

static enum backoff_kind backoff_kind_of(const struct sqs_error *error)
{
    return is_intercepted(error) ? BACKOFF_SLOW : aws_error_backoff(error->class);
}

/* Faults that last until a person repairs them, and that are not the request's own. */
static bool needs_a_person(const struct sqs_error *error)
{
    return error->class == AWS_ERROR_CREDENTIALS || error->class == AWS_ERROR_CLOCK ||
           sqs_error_is_about_setup(error) ||
           (error->class == AWS_ERROR_PERMANENT && error->name[0] == '\0');
}

/* Whether this failure ends the call, even if the caller would allow more attempts. An answer from
 * a portal or a proxy never does: people sign in to portals and repair proxies. */
static bool is_final(const struct sqs_error *error, const struct sqs_retry_rules *rules)
{
    if (is_intercepted(error))
        return false;
    if (rules->is_denial_final && sqs_error_is_denial(error))
        return true;
    return needs_a_person(error) ? !rules->keep_trying : error->class == AWS_ERROR_PERMANENT;
}

/* The delay before the next attempt. */
static uint64_t delay_usec(const struct sqs_retry *retry, const struct sqs_error *error,
                           const struct sqs_retry_rules *rules, bool in_quota, uint64_t random)
{
    uint64_t delay = backoff_delay_usec(retry->failure_kind, retry->failures, in_quota,
                                        error->retry_after_usec, random);
    uint64_t max_usec = rules->denial_delay_max_usec;

    return max_usec > 0 && sqs_error_is_denial(error) ? MIN(delay, max_usec) : delay;
}

struct sqs_retry_step sqs_retry_next(struct sqs_retry *retry, struct retry_quota *quota,
                                     const struct sqs_error *error,
                                     const struct sqs_retry_rules *rules, uint64_t random)
{
    enum backoff_kind kind = backoff_kind_of(error);
    bool is_told = error->retry_after_usec < USEC_INFINITY, in_quota;

    if (error->class == AWS_ERROR_CREDENTIALS && rules->had_credentials && !retry->has_refreshed &&
        !rules->is_last) {
        retry->has_refreshed = true;
        return (struct sqs_retry_step){.next = SQS_NEXT_NOW};
    }
    if (rules->is_last || is_final(error, rules))
        return (struct sqs_retry_step){.next = SQS_NEXT_FINISH};

    retry->failures = kind == retry->failure_kind ? retry->failures + 1 : 1;
    retry->failure_kind = kind;
    in_quota = retry_quota_take(quota, &retry->grant, kind);
    return (struct sqs_retry_step){
        .next = SQS_NEXT_AFTER,
        .is_slow = kind == BACKOFF_SLOW,
        .is_wakeable = kind != BACKOFF_SLOW && retry->grant.cost == 0 && !is_told,
        /* A delay that the server asked for is respected, with and without tokens. */
        .delay_usec = delay_usec(retry, error, rules, in_quota || is_told, random),
    };
}
