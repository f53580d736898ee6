/* From a source's message to SQS's acknowledgement, one message at a time: the next goes out when
 * SQS has answered for the one before. A lost answer is asked for again with the same deduplication
 * id, until it is known. */
#pragma once

#include "queue.h"

struct producer;

/* Opens the queue and sends what the source of the configuration yields; calls service_exit when
 * that ends or after a stop. The service and the configuration are borrowed and must outlive the
 * producer. 0, a negative errno, or PRODUCER_E_CONFIG with *error a line; the caller frees it. */
enum { PRODUCER_E_CONFIG = 1 };
int producer_new(struct service *service, const struct config *config, struct producer **ret,
                 char **error);
struct producer *producer_free(struct producer *producer);
DEFINE_CLEANUP(struct producer *, producer_free)
