/* From a message's receipt to its deletion. One receive at a time; its messages are handled and
 * deleted one after the other, in the order in which they came, before the next receive. */
#pragma once

#include "queue.h"

struct consumer;

/* How long to wait after a receive that SQS has answered with "no". */
#define CONSUMER_REFUSED_PAUSE_USEC (5 * USEC_PER_SEC)

/* Opens the queue, receives, hands to the handler of the configuration, and deletes; calls
 * service_exit after so many empty receives in a row as are configured, or after a stop. The
 * service and the configuration are borrowed and must outlive the consumer. 0, a negative errno, or
 * CONSUMER_E_CONFIG with *error a line; the caller frees it. */
enum { CONSUMER_E_CONFIG = 1 };
int consumer_new(struct service *service, const struct config *config, struct consumer **ret,
                 char **error);
struct consumer *consumer_free(struct consumer *consumer);
DEFINE_CLEANUP(struct consumer *, consumer_free)
