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

/* Nor are many messages that may be stored twice, after a long outage: of a minute, the first
 * LATE_LINES_MAX have one. A plain value, all zero to begin with. */
enum { LATE_LINES_MAX = 20 };
struct late_log {
    uint64_t minute_usec; /* when the minute began */
    unsigned n_lines;     /* in it */
    uint64_t n_silent;    /* messages without a line since the last line */
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
/* A message goes again, and SQS may have forgotten that it has it. */
void log_late(struct late_log *log, const struct outgoing *message, uint64_t now_usec);
/* How many there were in all; nothing for none. */
void log_late_total(uint64_t n);
/* Something that this machine lacks just now keeps the producer from doing `what`. A line a minute;
 * `*line_usec` is when the last was, 0: none yet. */
void log_cannot(uint64_t *line_usec, const char *what, int error, uint64_t now_usec);
/* A batch of `n` was refused as a whole. */
void log_refused(size_t n, const struct outcome *outcome, const struct sqs_result *result);
/* The end comes too early. */
void log_left(size_t n_unknown, size_t n_not_sent, bool is_spool);
