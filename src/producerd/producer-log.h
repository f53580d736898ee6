/* SPDX-License-Identifier: MIT */
/* The producer's log lines about messages. A line that the log level leaves out is not
 * formatted. */
#pragma once

#include "producerd/verdict.h"
#include "producerd/outgoing-message.h"
#include "util/log-rate-limit.h"

/* After a long outage many messages may be duplicates: each minute has at most so many lines that
 * name one. */
enum { POSSIBLE_DUPLICATE_LINES_MAX = 20 };

void producer_log_sending(const struct outgoing_message *message);
void producer_log_sent(const struct outgoing_message *message, const struct verdict *verdict,
                       const struct sqs_result *result);
/* `instance`: NULL for the plain daemon. */
void producer_log_rejected(const struct outgoing_message *message, const char *instance,
                           const struct verdict *verdict, const struct sqs_result *result);
/* The message breaks a rule of SQS, so it is not sent. */
void producer_log_invalid(const struct source_message *message, const char *instance,
                          const char *why);
/* `n` of the `n_sent` messages of a request failed and are sent again after `delay_usec`. */
void producer_log_retry(struct log_rate_limit *limit, const struct verdict *verdict, size_t n,
                        size_t n_sent, const struct sqs_result *result, uint64_t delay_usec,
                        uint64_t now_usec);
/* The message is sent again after SQS may have forgotten its deduplication id. */
void producer_log_possible_duplicate(struct log_rate_limit *limit,
                                     const struct outgoing_message *message, uint64_t now_usec);
/* The total of possible duplicates at the end; no line when it is 0. */
void producer_log_possible_duplicates_total(uint64_t n);
/* SQS refused a whole batch of `n` messages. */
void producer_log_batch_refused(size_t n, const struct verdict *verdict,
                                const struct sqs_result *result);
/* The process ends before all messages are settled. */
void producer_log_remaining(size_t n_unknown, size_t n_not_sent, bool is_source_durable);
