/* SPDX-License-Identifier: MIT */
/* Asks the queue again for what it tells of itself, since an administrator may change it while the
 * daemon runs: every ten minutes, give or take one, and when something speaks against what is
 * known, but then at most every few seconds. An answer that does not come changes nothing, and no
 * failure is logged: other operations tell of those. */
#pragma once

#include "sqs/client.h"

struct refresher;

#define REFRESH_INTERVAL_USEC (600 * USEC_PER_SEC)
#define REFRESH_JITTER_USEC (60 * USEC_PER_SEC)
/* After a question has been answered, or got no answer in its time, none follows for so long:
 * whoever waits for an answer decides by what is known then, however long the answer took. */
#define REFRESH_AGE_MIN_USEC (2 * USEC_PER_SEC)
/* For an answer, keys included. */
#define REFRESH_TIMEOUT_USEC (5 * USEC_PER_SEC)

/* What was asked has its answer, or will have none (NULL). Never runs from inside refresher_ask. */
typedef void (*refreshed_fn)(void *userdata, const struct sqs_queue_attributes *attributes);

/* The client and the URL are borrowed. What is known counts as asked for now. 0 or a negative errno
 * of the event loop. */
int refresher_new(sd_event *event, struct sqs_client *client, const char *queue_url,
                  refreshed_fn refreshed, void *userdata, struct refresher **ret);
struct refresher *refresher_free(struct refresher *refresher); /* before the client */
DEFINE_CLEANUP(struct refresher *, refresher_free)

/* True: an answer is under way, and `refreshed` will run. False: what is known is fresh, or cannot
 * be asked for now. */
bool refresher_ask(struct refresher *refresher);

/* From one question to the next. `random` is any 64 bits. */
uint64_t refresh_interval_usec(uint64_t random);
