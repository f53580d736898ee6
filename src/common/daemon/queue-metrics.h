/* SPDX-License-Identifier: MIT */
/* The metrics that both daemons have: requests to SQS, keys, the clock, the log. */
#pragma once

#include "daemon/queue.h"

/* Appends them (metrics.h). `prefix` is that of the daemon, "sqs_producerd_". */
void queue_append_metrics(const struct queue *queue, sd_event *event, const char *prefix,
                          struct buffer *out);
