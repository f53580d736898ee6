/* SPDX-License-Identifier: MIT */
/* All that it takes to call SQS about the configuration's queue: where requests go, credentials,
 * and the client that sends them. */
#pragma once

#include "aws/credentials-chain.h"
#include "aws/settings.h"
#include "daemon/config.h"
#include "sqs/client.h"

struct queue_client {
    struct queue_url *url; /* the queue's, taken apart */
    struct aws_settings *settings;
    struct http_client *http;
    struct credentials_chain *credentials;
    struct sqs_client *sqs;
};

struct queue_client_options {
    const char *name;                /* with the version it makes up the User-Agent */
    size_t reply_memory_bytes;       /* as of http_client_options */
    void (*replied)(void *userdata); /* the same */
    void *userdata;                  /* of `replied` */
    struct sqs_client_observer observer;
};

/* The event loop and the configuration are borrowed and must outlive the client. 0, a negative
 * errno, or QUEUE_CLIENT_E_CONFIG with *error a line; the caller frees it. */
enum { QUEUE_CLIENT_E_CONFIG = 1 };
int queue_client_new(sd_event *event, const struct config *config,
                     const struct queue_client_options *options, struct queue_client **ret,
                     char **error);
struct queue_client *queue_client_free(struct queue_client *client);
DEFINE_CLEANUP(struct queue_client *, queue_client_free)
