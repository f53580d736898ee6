/* SPDX-License-Identifier: MIT */
/* Which region and which host to talk to, from settings and the queue URL: AWS's endpoint rule set
 * for SQS, its partitions, and the several forms of queue URLs.
 *
 * The request goes to the region's endpoint; the queue URL goes unchanged into the request's body.
 * That is how boto3 and the AWS CLI do it, and what makes the legacy hosts
 * (eu-west-1.queue.amazonaws.com) work. */
#pragma once

#include "util/macro.h"

/* Of the settings below. */
enum endpoint_setting {
    ENDPOINT_SETTING_REGION = 1,
    ENDPOINT_SETTING_URL = 2,
    ENDPOINT_SETTING_FIPS = 4,
    ENDPOINT_SETTING_DUALSTACK = 8,
};

struct endpoint_settings {
    const char *queue_url;    /* may be NULL: then the region must be known otherwise */
    const char *region;       /* explicit; NULL or "": from the queue URL, else from the host of
                                 endpoint_url where that is one of SQS's */
    const char *endpoint_url; /* explicit; NULL or "": by the rules */
    bool use_fips;
    bool use_dualstack;
    unsigned *ret_named; /* NULL, or where to say which of them an error names */
};

struct endpoint {
    char *url;    /* where to POST to, "https://sqs.eu-west-1.amazonaws.com/"; a custom endpoint's
                     path is kept, without one it is "/" */
    char *host;   /* the Host header: lower case, port only where it is not the scheme's default,
                     IPv6 in brackets */
    char *path;   /* of url, as on the wire */
    char *region; /* to sign for */
    bool is_custom;
    bool is_plain_http;
};

/* 0, -ENOMEM, or ENDPOINT_E_INVALID: settings that cannot be (no region or one that is no host
 * label, a custom endpoint with FIPS or dual-stack, a URL that is none, has a user, a query or a
 * fragment, is above 2048 bytes, or is neither http nor https; an http queue URL without a custom
 * endpoint, and without one a region that is not the queue URL's: SQS knows no such queue). Then
 * *error, if not NULL, is a line that names the setting, the value found and what to do; the caller
 * frees it. */
enum { ENDPOINT_E_INVALID = 1 };
int endpoint_resolve(const struct endpoint_settings *settings, struct endpoint **ret, char **error);

struct endpoint *endpoint_free(struct endpoint *endpoint);
DEFINE_CLEANUP(struct endpoint *, endpoint_free)

/* What a queue URL tells. */
struct queue_url {
    char *region;  /* NULL where the host does not tell it */
    char *account; /* the path's last but one segment; NULL where there is none */
    char *name;    /* the path's last segment, at most 80 of A-Za-z0-9_- and ".fifo" */
    bool is_fifo;  /* the name ends in ".fifo": the only proof of a FIFO queue */
};

/* Hosts understood: sqs.R.S, sqs-fips.R.S, R.queue.S, R.sqs.S, *.sqs.R.vpce.S, *.sqs-fips.R.vpce.S,
 * with S each partition's DNS suffixes, dual-stack ones too, and queue.amazonaws.com (us-east-1).
 * Other hosts (custom endpoints) tell no region.
 * 0, -ENOMEM, or ENDPOINT_E_INVALID with *error as above. */
int queue_url_parse(const char *url, struct queue_url **ret, char **error);
struct queue_url *queue_url_free(struct queue_url *q);
DEFINE_CLEANUP(struct queue_url *, queue_url_free)

/* https://sts.<region>.<suffix>, or sts-fips, by the same partitions (without a path). The region
 * must be one that endpoint_resolve gave. NULL where memory ran out; the caller frees it. */
char *endpoint_sts_url(const char *region, bool use_fips, bool use_dualstack);
