/* SPDX-License-Identifier: MIT */
/* The log line that keeps a rejected message. The message is deleted, so nothing else is left of
 * it: the journal keeps the whole body (field SQS_BODY). On standard error the line has the body.
 * If it is too long for a line, the line is a JSON object with that field. */
#pragma once

#include "consumerd/message.h"
#include "util/log.h"

/* Writes the line. Returns what log_write_message returns. `taken` gets the message as userdata;
 * until then message->receipt is the receipt. */
int rejection_log(struct message *message, log_written_fn taken);
