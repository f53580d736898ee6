/* SPDX-License-Identifier: MIT */
/* Asks SQS whether the credentials have the needed permissions. It sends requests that cannot touch
 * a message (sqs_request_probe): at first for all needed actions at once, then again for the denied
 * ones, at the intervals of sqs/permission.h. No failure is logged here. */
#pragma once

#include "sqs/client.h"
#include "sqs/permission.h"

struct permission_prober;

/* How long to wait for a probe's answer after it was sent. If none comes, real requests will show
 * whether the action is allowed. */
#define PERMISSION_PROBE_TIMEOUT_USEC (10 * USEC_PER_SEC)

struct permission_prober_options {
    struct sqs_client *client;
    const char *queue_url;
    struct permissions *permissions; /* what is needed; the answers are noted there */
    /* A probe has ended. `operation` is the one for a single message. `counts`: the action is
     * denied, and the denial counts (sqs/permission.h). */
    void (*answered)(void *userdata, enum sqs_operation operation, enum permission_answer answer,
                     bool counts, const struct sqs_result *result);
    /* All probes of a round have ended, or none could be sent. The prober itself probes denied
     * actions again. May free the prober. */
    void (*round_over)(void *userdata);
    void *userdata;
};

/* Everything that the options point to is borrowed and must outlive the prober. Returns 0 or a
 * negative errno of the event loop. */
int permission_prober_new(sd_event *event, const struct permission_prober_options *options,
                          struct permission_prober **ret);
/* Cancels the probes. Call it before the client is freed. */
struct permission_prober *permission_prober_free(struct permission_prober *prober);
DEFINE_CLEANUP(struct permission_prober *, permission_prober_free)

/* Probes each action for which permissions_needs_probe is true. True: `round_over` will run, but
 * not inside this call. False: no action needs a probe, or none can be sent now. */
bool permission_prober_ask(struct permission_prober *prober);
