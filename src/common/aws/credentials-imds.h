/* SPDX-License-Identifier: MIT */
/* Keys of the role that an EC2 instance has, from its metadata service. */
#pragma once

#include "aws/credentials-provider.h"
#include "http/client.h"

/* The keys may have expired by what the service says: while it has no newer ones it hands out old
 * ones, which AWS goes on to honour.
 *
 * imds.h says which settings there are. Not set up where the service is switched off, where it
 * refuses to be asked, or where the instance has no role; not reached where nobody answers. With
 * `is_explicit`, a setting says that the keys are
 * there: then nobody answering is trouble of the network. The loop and the client are borrowed and
 * must outlive the provider. `profile`: NULL or "" for AWS_PROFILE, AWS_DEFAULT_PROFILE, "default".
 * 0 or -ENOMEM. */
int credentials_imds_new(sd_event *event, struct http_client *http, const char *profile,
                         bool is_explicit, struct credentials_provider **ret);
