/* SPDX-License-Identifier: MIT */
/* Asks for the queue's attributes again, since an administrator may change them while the daemon
 * runs. It asks every ten minutes, plus or minus one. It also asks when something contradicts the
 * known attributes (refresher_ask), but then at most every few seconds. If no answer comes, nothing
 * changes. No failure is logged here, because other operations report it. */
#pragma once

#include "sqs/client.h"

struct refresher;

#define REFRESH_INTERVAL_USEC (600 * USEC_PER_SEC)
#define REFRESH_JITTER_USEC (60 * USEC_PER_SEC)
/* After a request has ended, by its answer or by its time-out, no other is sent for this long. So a
 * caller that waited for the answer decides by what is known then, however long the answer took. */
#define REFRESH_AGE_MIN_USEC (2 * USEC_PER_SEC)
/* The time-out of a request, including the time to get credentials. */
#define REFRESH_TIMEOUT_USEC (5 * USEC_PER_SEC)

/* Runs when a request has ended: with its answer, or with NULL if there is none. It never runs
 * inside refresher_ask. */
typedef void (*refreshed_fn)(void *userdata, const struct sqs_queue_attributes *attributes);

/* The client and the URL are borrowed. The attributes count as asked for at this moment. Returns 0
 * or a negative errno of the event loop. */
int refresher_new(sd_event *event, struct sqs_client *client, const char *queue_url,
                  refreshed_fn refreshed, void *userdata, struct refresher **ret);
struct refresher *refresher_free(struct refresher *refresher); /* before the client */
DEFINE_CLEANUP(struct refresher *, refresher_free)

/* True: a request is under way, and `refreshed` will run. False: the known attributes are fresh, or
 * cannot be asked for now. */
bool refresher_ask(struct refresher *refresher);

/* The time from one request to the next. `random` is any 64 bits. */
uint64_t refresh_interval_usec(uint64_t random);
