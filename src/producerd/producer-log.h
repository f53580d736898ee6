/* What the producer says of its messages. Nothing is put together where it would not be logged. */
#pragma once

#include "outcome.h"
#include "outgoing.h"

/* Messages that go again are not worth a line each: the first of a kind has one, then one a minute.
 * A plain value, all zero to begin with. */
struct again_log {
    char name[96];
    uint64_t line_usec;
    uint64_t n; /* messages since the last line */
};

void log_sending(const struct outgoing *message);
void log_sent(const struct outgoing *message, const struct outcome *outcome,
              const struct sqs_result *result);
void log_rejected(const struct outgoing *message, const struct outcome *outcome,
                  const struct sqs_result *result);
/* SQS would reject it, by a rule that is known beforehand. */
void log_invalid(const struct source_message *message, const char *why);
/* `n` of the `n_sent` messages of a request go again after `delay_usec`. */
void log_again(struct again_log *log, const struct outcome *outcome, size_t n, size_t n_sent,
               const struct sqs_result *result, uint64_t delay_usec, uint64_t now_usec);
/* A batch of `n` was refused as a whole. */
void log_refused(size_t n, const struct outcome *outcome, const struct sqs_result *result);
/* The end comes too early. */
void log_left(size_t n_unknown, size_t n_not_sent);
