/* SPDX-License-Identifier: MIT */
/* Asks for the queue's attributes again, since an administrator may change them while the daemon
 * runs. It asks every ten minutes, plus or minus one. It also asks when something contradicts the
 * known attributes (attributes_refresher_ask), but then at most every few seconds. If no answer
 * comes, nothing changes. No failure is logged here, because other operations report it. */
#pragma once

#include "sqs/client.h"

struct attributes_refresher;

#define ATTRIBUTES_REFRESH_INTERVAL_USEC (600 * USEC_PER_SEC)
#define ATTRIBUTES_REFRESH_JITTER_USEC (60 * USEC_PER_SEC)
/* After a request has ended, by its answer or by its time-out, no other is sent for this long. So a
 * caller that waited for the answer decides by what is known then, however long the answer took. */
#define ATTRIBUTES_REFRESH_AGE_MIN_USEC (2 * USEC_PER_SEC)
/* The time-out of a request, including the time to get credentials. */
#define ATTRIBUTES_REFRESH_TIMEOUT_USEC (5 * USEC_PER_SEC)

/* Runs when a request has ended: with its answer, or with NULL if there is none. It never runs
 * inside attributes_refresher_ask. */
typedef void (*attributes_refreshed_fn)(void *userdata,
                                        const struct sqs_queue_attributes *attributes);

/* The client and the URL are borrowed. The attributes count as asked for at this moment. Returns 0
 * or a negative errno of the event loop. */
int attributes_refresher_new(sd_event *event, struct sqs_client *client, const char *queue_url,
                             attributes_refreshed_fn refreshed, void *userdata,
                             struct attributes_refresher **ret);
/* Call it before the client is freed. */
struct attributes_refresher *attributes_refresher_free(struct attributes_refresher *refresher);
DEFINE_CLEANUP(struct attributes_refresher *, attributes_refresher_free)

/* True: a request is under way, and `refreshed` will run. False: the known attributes are fresh, or
 * cannot be asked for now. */
bool attributes_refresher_ask(struct attributes_refresher *refresher);

/* The time from one request to the next. `random` is any 64 bits. */
uint64_t attributes_refresh_interval_usec(uint64_t random);
