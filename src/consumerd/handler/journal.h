/* SPDX-License-Identifier: MIT */
/* The handler that writes each message into the journal. */
#pragma once

#include "consumerd/handler/handler.h"

/* Writes the message into the journal: the demo's line where its body is the demo's JSON, else the
 * body as it is, escaped and shortened. Done when the log has taken the line, and not reached
 * where it cannot. 0 or -ENOMEM. */
int handler_journal_new(struct handler **ret);
