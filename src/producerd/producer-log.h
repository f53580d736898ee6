/* SPDX-License-Identifier: MIT */
/* What the producer says of its messages. Nothing is put together where it would not be logged. */
#pragma once

#include "producerd/verdict.h"
#include "producerd/outgoing-message.h"
#include "util/log-rate-limit.h"

/* After a long outage many messages may be stored twice: so many lines an interval say which. */
enum { POSSIBLE_DUPLICATE_LINES_MAX = 20 };

void log_sending(const struct outgoing_message *message);
void log_sent(const struct outgoing_message *message, const struct verdict *verdict,
              const struct sqs_result *result);
void log_rejected(const struct outgoing_message *message, const struct verdict *verdict,
                  const struct sqs_result *result);
/* SQS would reject it, by a rule that is known beforehand. */
void log_invalid(const struct source_message *message, const char *why);
/* `n` of the `n_sent` messages of a request go again after `delay_usec`. */
void log_retry(struct log_rate_limit *limit, const struct verdict *verdict, size_t n, size_t n_sent,
               const struct sqs_result *result, uint64_t delay_usec, uint64_t now_usec);
/* A message goes again, and SQS may have forgotten that it has it. */
void log_possible_duplicate(struct log_rate_limit *limit, const struct outgoing_message *message,
                            uint64_t now_usec);
/* How many there were in all; nothing for none. */
void log_possible_duplicates_total(uint64_t n);
/* A resource shortage (ENOMEM, mostly) keeps the producer from doing `what` at the moment. */
void log_shortage(struct log_rate_limit *limit, const char *what, int error, uint64_t now_usec);
/* A batch of `n` was refused as a whole. */
void log_batch_refused(size_t n, const struct verdict *verdict, const struct sqs_result *result);
/* The end comes too early. */
void log_remaining(size_t n_unknown, size_t n_not_sent, bool is_source_durable);
