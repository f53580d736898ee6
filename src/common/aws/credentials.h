/* SPDX-License-Identifier: MIT */
/* The cache of AWS credentials. A provider (credentials-provider.h) finds them, and they are
 * refreshed before they expire. The daemons' provider is the chain (credentials-chain.h).
 *
 * The expiry of keys only decides when to look for newer ones, because this machine's clock may be
 * hours ahead. Keys that seem to have expired are used, if no newer ones are found, until AWS
 * refuses them. */
#pragma once

#include <systemd/sd-event.h>

#include "aws/clock-skew.h"
#include "aws/credentials-provider.h"

struct credentials;
struct credentials_slot; /* a caller waiting */

enum { CREDENTIALS_WAITING_MAX = 4096 };

/* The provider may answer NO_ANSWER_YET for this long before it counts as not set up: the network,
 * or the service that has the keys, may come up after the daemon. */
#define CREDENTIALS_NO_ANSWER_MAX_USEC (60 * USEC_PER_SEC)
#define CREDENTIALS_REFRESH_AHEAD_USEC (15 * 60 * USEC_PER_SEC) /* plus up to a third as jitter */
#define CREDENTIALS_FILE_CHECK_USEC (5 * USEC_PER_SEC)     /* between looks at a file's stamp */
#define CREDENTIALS_REFRESH_RETRY_USEC (60 * USEC_PER_SEC) /* between failed refreshes */

/* `credentials` is NULL if none were found: then `error` is the provider's text, one line. Both are
 * borrowed. `outcome` is the provider's, but NO_ANSWER_YET becomes NOT_SET_UP when it has lasted
 * for CREDENTIALS_NO_ANSWER_MAX_USEC; before that, a later try may find keys. */
typedef void (*credentials_done_fn)(void *userdata, enum credentials_outcome outcome,
                                    struct aws_credentials *credentials, const char *error);

/* Takes the provider, also on failure. 0, -ENOMEM, or the errno of the event loop. */
int credentials_new(sd_event *event, struct credentials_provider *provider,
                    struct credentials **ret);

/* Callers that still wait get no callback. Must not be called inside a callback. */
struct credentials *credentials_free(struct credentials *c);
DEFINE_CLEANUP(struct credentials *, credentials_free)

/* Returns the cached credentials if they are valid now, else NULL; it never waits. Starts a refresh
 * in the background if they are near their expiry, or if the file that contains them has changed.
 * Borrowed: take a reference to keep them. */
struct aws_credentials *credentials_peek(struct credentials *c);

/* Asks for credentials. `done` runs once, later, never inside this call. Callers that wait at the
 * same time share one fetch. `*ret` is valid until `done` runs, or until it is cancelled. The
 * callback may ask again and cancel others. 0, -ENOMEM, or -EBUSY if CREDENTIALS_WAITING_MAX
 * callers wait (cancelled ones count until the fetch ends). */
int credentials_get(struct credentials *c, credentials_done_fn done, void *userdata,
                    struct credentials_slot **ret);
struct credentials_slot *credentials_slot_cancel(struct credentials_slot *slot);

/* The estimate of AWS's clock. The cache compares the expiry of keys with it, and the users of the
 * keys sign with it. The cache has its own; one that is set replaces it and is borrowed. */
void credentials_set_skew(struct credentials *c, struct clock_skew *skew);
struct clock_skew *credentials_skew(struct credentials *c);

/* When the keys that were found last end, on AWS's clock; USEC_INFINITY: never; 0: none were
 * found. */
uint64_t credentials_expiry_usec(const struct credentials *c);

/* AWS has refused these credentials. Unless the cache already has others, the next credentials_get
 * asks the provider anew. */
void credentials_refused(struct credentials *c, const struct aws_credentials *refused);

/* Asks the provider anew at once, in the background, because its files may have changed. The keys
 * in use stay in use until others are found. */
void credentials_renew(struct credentials *c);
