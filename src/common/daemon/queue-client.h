/* SPDX-License-Identifier: MIT */
/* Everything that is needed to call SQS about the configured queue: the endpoint, the credentials,
 * and the client that sends requests. */
#pragma once

#include "aws/credentials-chain.h"
#include "aws/effective-settings.h"
#include "daemon/config.h"
#include "sqs/client.h"

struct queue_client {
    struct queue_url *url; /* the queue's URL in its parts */
    struct aws_effective_settings *settings;
    struct http_client *http;
    struct credentials_chain *credentials;
    struct sqs_client *sqs;
};

struct queue_client_options {
    const char *name;                /* User-Agent is the name and the version */
    size_t reply_memory_bytes;       /* see http_client_options */
    void (*replied)(void *userdata); /* see http_client_options */
    void *userdata;                  /* for `replied` */
    struct sqs_client_observer observer;
};

/* The event loop and the configuration are borrowed and must outlive the client. Returns 0, a
 * negative errno, or QUEUE_CLIENT_E_CONFIG with *error: one line, which the caller frees. */
enum { QUEUE_CLIENT_E_CONFIG = 1 };
int queue_client_new(sd_event *event, const struct config *config,
                     const struct queue_client_options *options, struct queue_client **ret,
                     char **error);
/* Uses the time-outs of the configuration, this CA bundle (NULL: the system's) and this bound from
 * now on, and looks for keys anew. Requests in flight keep what they have. 0, or -ENOMEM: then only
 * the keys are looked for. */
int queue_client_reconfigure(struct queue_client *client, const struct config *config,
                             const char *ca_bundle, size_t reply_memory_bytes);

struct queue_client *queue_client_free(struct queue_client *client);
DEFINE_CLEANUP(struct queue_client *, queue_client_free)
