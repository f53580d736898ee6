/* SPDX-License-Identifier: MIT */
/* The line that keeps a rejected message. The message is deleted, so the line is all that is left
 * of it: the journal keeps the body whole, other logs its beginning. */
#pragma once

#include "consumerd/message.h"
#include "util/log.h"

/* Writes the line. As log_write_message, with message->receipt and the message as userdata. */
int rejection_log(struct message *message, log_written_fn taken);
