/* SPDX-License-Identifier: MIT */
/* The handler that posts each message to an application. */
#pragma once

#include "consumerd/handler/handler.h"
#include "daemon/config.h"

/* Posts the message to consumer.url as Elastic Beanstalk's worker daemon does (sqsd-headers.h), and
 * goes by the reply's status alone:
 *
 *   200                     done
 *   502, 503 and 504        unavailable; tried again no sooner than the Retry-After of a 503
 *                           (RFC 9110) says
 *   429 with a Retry-After  to come back after that time, at most SQS's 12 hours, but not sooner
 *                           than after the growing delay
 *   any other status, or    to come back after the growing delay
 *   no whole reply within
 *   consumer.timeout
 *
 * Where nothing of it could be sent (no address for the name, no connection, no TLS), it is not
 * reached. Neither is it where a proxy refuses to connect: then the next try waits for a minute.
 *
 * Where a connection that served before ends without a word, the message is posted once more on a
 * new one, as aws-sqsd does; on a new one that is a failure.
 *
 * One that is to end is given up at once, whatever the application then does with it.
 *
 * To a server on this machine it goes directly, to others as the environment's proxy variables say.
 * The loop is borrowed, the configuration only read. 0, negative errno, or HANDLER_E_CONFIG. */
int handler_http_new(sd_event *event, const struct config *config, struct handler **ret,
                     char **error);
