/* SPDX-License-Identifier: MIT */
/* Asks SQS, by requests that cannot touch a message (sqs_request_probe), whether the credentials
 * may do what is needed: all at once, and what is denied again and again, as sqs/permission.h says.
 * No failure is logged. */
#pragma once

#include "sqs/client.h"
#include "sqs/permission.h"

struct prober;

/* For an answer to a probe, from when it goes out: where none came, real requests will tell. */
#define PROBER_TIMEOUT_USEC (10 * USEC_PER_SEC)

struct prober_options {
    struct sqs_client *client;
    const char *queue_url;
    struct permissions *permissions; /* what is needed; the answers are noted there */
    /* A probe of that operation (the one for one message) was answered. `counts`: it is denied, and
     * the denial counts. */
    void (*answered)(void *userdata, enum sqs_operation operation, enum permission_answer answer,
                     bool counts, const struct sqs_result *result);
    /* All that were sent have been answered; what is denied is asked for again by itself. May free
     * the prober. */
    void (*round_over)(void *userdata);
    void *userdata;
};

/* All that the options name is borrowed and must outlive the prober. 0 or a negative errno of the
 * event loop. */
int prober_new(sd_event *event, const struct prober_options *options, struct prober **ret);
struct prober *prober_free(struct prober *prober); /* before the client; its probes are cancelled */
DEFINE_CLEANUP(struct prober *, prober_free)

/* Probes what permissions_needs_probe. True: `round_over` will run, not from inside this call.
 * False: there is nothing to ask, or nothing can be asked now. */
bool prober_ask(struct prober *prober);
