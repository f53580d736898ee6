/* SPDX-License-Identifier: MIT */
/* AWS credentials: found by a chain of providers (credentials-provider.h), cached, refreshed ahead of
 * their expiry.
 *
 * The cache asks the providers in order; the first that is set up answers. A provider that is set
 * up but fails ends the walk, and its reason is the answer: a typing error must not make the daemon
 * use someone else's keys.
 *
 * The expiry of keys says when to look for newer ones, and no more: this machine's clock may be
 * hours ahead. Keys that have expired by it, and for which no newer ones are found, are used until
 * AWS refuses them. */
#pragma once

#include <systemd/sd-event.h>

#include "aws/clock-skew.h"
#include "aws/credentials-provider.h"

struct credentials;
struct credentials_slot; /* a caller waiting */

enum { CREDENTIALS_WAITING_MAX = 4096 };

/* How long to go on asking a place where nobody answers, before it counts as not set up: the
 * network, or what hands out the keys, may come up after the service. */
#define CREDENTIALS_NO_ANSWER_MAX_USEC (60 * USEC_PER_SEC)
#define CREDENTIALS_REFRESH_AHEAD_USEC (15 * 60 * USEC_PER_SEC) /* plus up to a third as jitter */
#define CREDENTIALS_FILE_CHECK_USEC (5 * USEC_PER_SEC)     /* between looks at a file's stamp */
#define CREDENTIALS_REFRESH_RETRY_USEC (60 * USEC_PER_SEC) /* between failed refreshes */

/* `credentials` is NULL where none were found: then `error` is one line that names each place
 * looked at and what was found there. Both are borrowed. `outcome` is that of the provider that
 * ended the walk. NOT_SET_UP: no provider is set up. NO_ANSWER_YET: none is, but at one's place nobody
 * answered, and that has lasted less than CREDENTIALS_NO_ANSWER_MAX_USEC: a later try may find keys
 * there. Where the keys in use had come from that place, the outcome is UNREACHABLE instead. */
typedef void (*credentials_done_fn)(void *userdata, enum credentials_outcome outcome,
                                    struct aws_credentials *credentials, const char *error);

/* Takes the providers, in the order to ask them, also on failure. 0, -ENOMEM, -E2BIG. */
int credentials_new(sd_event *event, struct credentials_provider **providers, size_t n,
                    struct credentials **ret);

/* Callers still waiting are dropped silently. Not from inside a callback. */
struct credentials *credentials_free(struct credentials *c);
DEFINE_CLEANUP(struct credentials *, credentials_free)

/* The cached credentials where they are valid now, without waiting, else NULL; starts a refresh in
 * the background when they are near their expiry, or when the file that they stand in has changed.
 * Borrowed: take a reference to keep them. */
struct aws_credentials *credentials_peek(struct credentials *c);

/* Asks for credentials. `done` runs once, later, never inside this call. All who ask at once share
 * one walk along the chain. `*ret` is valid until then, or until it is cancelled. The callback may
 * ask again and cancel others. 0, -ENOMEM, or -EBUSY where CREDENTIALS_WAITING_MAX wait (cancelled
 * ones count until the walk ends). */
int credentials_get(struct credentials *c, credentials_done_fn done, void *userdata,
                    struct credentials_slot **ret);
struct credentials_slot *credentials_slot_cancel(struct credentials_slot *slot);

/* The estimate of AWS's clock, by which the expiry of keys is judged, and with which whoever uses the
 * keys signs. It is the cache's own, or another that was set, which is borrowed. */
void credentials_set_skew(struct credentials *c, struct clock_skew *skew);
struct clock_skew *credentials_skew(struct credentials *c);

/* AWS has refused these: unless the cache already holds others, the next get walks the chain anew.
 */
void credentials_refused(struct credentials *c, const struct aws_credentials *refused);
