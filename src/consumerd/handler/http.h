/* SPDX-License-Identifier: MIT */
/* The handler that posts each message to an application. */
#pragma once

#include "consumerd/handler/handler.h"
#include "daemon/config.h"

/* Makes a handler that posts each message to consumer.url, as Elastic Beanstalk's worker daemon
 * does (sqsd-headers.h). The status of the reply decides:
 *
 *   200                     done
 *   502, 503 and 504        unavailable (HANDLER_UNAVAILABLE); a Retry-After of a 503 (RFC 9110) is
 *                           the earliest time of the next try
 *   429 with a Retry-After  released, with that delay, at most SQS's 12 hours, if it is longer than
 *                           the default delay
 *   any other status, or    released, with the default delay
 *   no complete reply
 *   within consumer.timeout
 *
 * The handler is not reached if nothing could be sent: no address for the name, no connection, no
 * TLS. Nor is it reached if a proxy refuses to connect; the next try then waits for a minute.
 *
 * If a kept connection ends without a reply, the message is posted once more on a new connection,
 * as aws-sqsd does. If a new connection ends without a reply, the message has failed.
 *
 * A cancel closes the connection at once; the application may still handle the message.
 *
 * Connections to a server on this machine are direct. For other servers the environment's proxy
 * variables decide. The loop is borrowed; the configuration is only read. 0, a negative errno, or
 * HANDLER_E_CONFIG. */
int handler_http_new(sd_event *event, const struct config *config, struct handler **ret,
                     char **error);

/* Warns if the sandbox hides the Unix socket of consumer.url from the service (sandbox_warn). */
void handler_http_warn_of_sandbox(const struct config *config);
