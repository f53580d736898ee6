/* SPDX-License-Identifier: MIT */
/* The handler that writes each message into the journal. */
#pragma once

#include "consumerd/handler/handler.h"

/* Makes a handler that writes each message to the journal: the demo's line if the body is the
 * demo's JSON, otherwise the body itself, escaped and shortened. A message is done when the log has
 * taken the line; the handler is not reached if the log cannot take it. 0 or -ENOMEM. */
int handler_journal_new(struct handler **ret);
