/* SPDX-License-Identifier: MIT */
/* Reads the EC2 instance metadata service (IMDS). It uses version 2, with a session token. It uses
 * version 1 only if that is allowed and version 2 is not available.
 *
 * Settings, from the environment first, then from the profile in the shared files:
 *   AWS_EC2_METADATA_DISABLED             "true": never ask
 *   AWS_EC2_METADATA_V1_DISABLED          ec2_metadata_v1_disabled: "true": never use version 1
 *   AWS_EC2_METADATA_SERVICE_ENDPOINT     ec2_metadata_service_endpoint: its base URL
 *   AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE  ec2_metadata_service_endpoint_mode: IPv4 or IPv6
 *   AWS_IMDS_USE_IPV6                     imds_use_ipv6: "true": same as mode IPv6 (older name)
 *   AWS_METADATA_SERVICE_TIMEOUT          metadata_service_timeout: of one request, 1 to 60 s,
 *                                         default 1 s
 *   AWS_METADATA_SERVICE_NUM_ATTEMPTS     metadata_service_num_attempts: 1 to 10, default 1; fewer
 *                                         are made if IMDS_SESSION_MAX_USEC is over before
 * No proxy is ever used. */
#pragma once

#include <systemd/sd-event.h>

#include "aws/imds-settings.h"
#include "http/client.h"
#include "util/macro.h"

struct imds; /* one session: a token, and the reads that use it */

enum { IMDS_REPLY_MAX_BYTES = 64 * 1024 };

#define IMDS_PAUSE_USEC USEC_PER_SEC /* between attempts */
/* The limit for all reads of a session together, with any settings. If the daemon's start waited
 * longer for its keys, the watchdog would end it. */
#define IMDS_SESSION_MAX_USEC (120 * USEC_PER_SEC)

enum imds_outcome {
    IMDS_OK,          /* status 200 */
    IMDS_NO_ANSWER,   /* nobody answers: the machine is not in EC2, or IMDS is not up yet */
    IMDS_REFUSED,     /* it refuses all requests, for example outside of EC2 */
    IMDS_NOT_FOUND,   /* status 404: nothing has that path */
    IMDS_FAILED,      /* it answers, but not as it should */
    IMDS_UNREACHABLE, /* it has answered before, but now there are time-outs, broken connections,
                         5xx or overload. A later try may succeed */
    IMDS_SHORTAGE,    /* this machine is short of memory or file descriptors: nobody was asked */
    IMDS_INTERCEPTED, /* a network's sign-in page answers instead */
};

/* All is borrowed for the length of the call. `text` says what is wrong, with the URL; "" with
 * IMDS_OK. `body` has a NUL after its body_bytes; it is "" without IMDS_OK. */
typedef void (*imds_done_fn)(void *userdata, enum imds_outcome outcome, const char *body,
                             size_t body_bytes, const char *text);

/* Starts a session and reads the settings. 0; the errno of a passing shortage; IMDS_E_DISABLED if
 * IMDS is switched off, or IMDS_E_INVALID if a setting or a shared file is malformed: then *error
 * is the line that says so; the caller frees it. The loop and the client are borrowed and must
 * outlive the session. `profile` is as for the providers. */
int imds_new(sd_event *event, struct http_client *http, const char *profile, struct imds **ret,
             char **error);

/* Cancels a read that is under way, without its callback. NULL is allowed. */
struct imds *imds_free(struct imds *imds);
DEFINE_CLEANUP(struct imds *, imds_free)

/* Reads a path ("latest/meta-data/..."). Only one read may be under way. `done` runs once, never
 * inside this call; it may free the session or start another read. 0, or the errno of
 * http_client_submit. */
int imds_get(struct imds *imds, const char *path, imds_done_fn done, void *userdata);
