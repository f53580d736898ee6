/* SPDX-License-Identifier: MIT */
/* Retried are, after a pause that grows, what passes by itself, as in the AWS SDKs' standard retry
 * mode (util/backoff.h); so, slowly, are answers that are not SQS's. Refused credentials are looked
 * up anew once, at once. */
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

static bool is_denial(const struct sqs_error *error)
{
    return streq(error->name, "AccessDeniedException");
}

/* Faults that do not go away by themselves and say nothing against the request. */
static bool needs_a_person(const struct sqs_error *error)
{
    return error->class == AWS_ERROR_CREDENTIALS || error->class == AWS_ERROR_CLOCK ||
           sqs_error_is_about_setup(error) ||
           (error->class == AWS_ERROR_PERMANENT && error->name[0] == '\0');
}

/* Whether the last attempt's failure ends the call, as far as that depends on the failure. What
 * stands between here and SQS has no last word: people sign in to portals, proxies get mended. */
static bool is_final(const struct sqs_error *error, const struct sqs_retry_rules *rules)
{
    if (is_intercepted(error))
        return false;
    if (rules->is_denial_final && is_denial(error))
        return true;
    return needs_a_person(error) ? !rules->keep_trying : error->class == AWS_ERROR_PERMANENT;
}

/* Of the failed attempt, until the next. */
static uint64_t delay_usec(const struct sqs_retry *retry, const struct sqs_error *error,
                           const struct sqs_retry_rules *rules, bool in_quota, uint64_t random)
{
    uint64_t delay = backoff_delay_usec(retry->failure_kind, retry->failures, in_quota,
                                        error->retry_after_usec, random);
    uint64_t max_usec = rules->denial_delay_max_usec;

    return max_usec > 0 && is_denial(error) ? MIN(delay, max_usec) : delay;
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
    in_quota = retry_quota_take(quota, &retry->pass, kind);
    return (struct sqs_retry_step){
        .next = SQS_NEXT_AFTER,
        .is_slow = kind == BACKOFF_SLOW,
        .is_wakeable = kind != BACKOFF_SLOW && retry->pass.cost == 0 && !is_told,
        /* A time that the server has named is kept, with and without tokens. */
        .delay_usec = delay_usec(retry, error, rules, in_quota || is_told, random),
    };
}
