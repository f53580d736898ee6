/* SPDX-License-Identifier: MIT */
/* Finds the region and the host for requests, from the settings and the queue URL. It follows AWS's
 * endpoint rule set for SQS, knows AWS's partitions, and reads all forms of queue URLs.
 *
 * The request goes to the region's endpoint. The queue URL goes unchanged into the request's body,
 * as in boto3 and the AWS CLI. So legacy hosts (eu-west-1.queue.amazonaws.com) work, too. */
#pragma once

#include "util/macro.h"

/* Bits that name the settings below. */
enum endpoint_setting {
    ENDPOINT_SETTING_REGION = 1,
    ENDPOINT_SETTING_URL = 2,
    ENDPOINT_SETTING_FIPS = 4,
    ENDPOINT_SETTING_DUALSTACK = 8,
};

struct endpoint_settings {
    const char *queue_url;    /* may be NULL: then another setting must give the region */
    const char *region;       /* explicit; NULL or "": from the queue URL, else from the host of
                                 endpoint_url if that is one of SQS's */
    const char *endpoint_url; /* explicit; NULL or "": by the rules */
    bool use_fips;
    bool use_dualstack;
    unsigned *ret_named; /* gets the bits of the settings that an error names; may be NULL */
};

struct endpoint {
    char *url;    /* for the POST, "https://sqs.eu-west-1.amazonaws.com/"; with a custom endpoint's
                     own path, or "/" if it has none */
    char *host;   /* the Host header: lower case, with the port only if it is not the scheme's
                     default, IPv6 in brackets */
    char *path;   /* of url, as it is sent */
    char *region; /* to sign for */
    bool is_custom;
    bool is_plain_http;
};

/* 0, -ENOMEM, or ENDPOINT_E_INVALID for impossible settings:
 * - There is no region, or the region is not a valid host label.
 * - A custom endpoint is used with FIPS or dual-stack.
 * - A URL is malformed, has a user, a query or a fragment, is above 2048 bytes, or is neither http
 *   nor https.
 * - Without a custom endpoint: the queue URL is http, or the region is not the queue URL's (SQS
 *   knows no such queue).
 * Then *error, if `error` is not NULL, is a line that names the setting, its value and what to do;
 * the caller frees it. */
enum { ENDPOINT_E_INVALID = 1 };
int endpoint_resolve(const struct endpoint_settings *settings, struct endpoint **ret, char **error);

struct endpoint *endpoint_free(struct endpoint *endpoint);
DEFINE_CLEANUP(struct endpoint *, endpoint_free)

/* The parts of a queue URL. */
struct queue_url {
    char *region;  /* NULL if the host does not contain it */
    char *account; /* the path's last segment but one; NULL: none */
    char *name;    /* the path's last segment, at most 80 of A-Za-z0-9_- and ".fifo" */
    bool is_fifo;  /* the name ends in ".fifo": the only proof of a FIFO queue */
};

/* These hosts contain a region R: sqs.R.S, sqs-fips.R.S, R.queue.S, R.sqs.S, *.sqs.R.vpce.S and
 * *.sqs-fips.R.vpce.S. S is a DNS suffix of a partition, also the one for dual-stack. The host
 * queue.amazonaws.com is in us-east-1. Other hosts (custom endpoints) give no region.
 * 0, -ENOMEM, or ENDPOINT_E_INVALID with *error as above. */
int queue_url_parse(const char *url, struct queue_url **ret, char **error);
struct queue_url *queue_url_free(struct queue_url *q);
DEFINE_CLEANUP(struct queue_url *, queue_url_free)

/* https://sts.<region>.<suffix>, or sts-fips, by the same partitions, without a path. The region
 * must come from endpoint_resolve. NULL: out of memory. The caller frees it. */
char *endpoint_sts_url(const char *region, bool use_fips, bool use_dualstack);
