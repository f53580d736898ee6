/* SPDX-License-Identifier: MIT */
/* A role's source has its own providers, which are made when the role is assumed. As in botocore,
 * they form a second, shorter chain: only the source profile, without the environment, a container
 * or an instance.
 *
 * The chain owns the estimate of AWS's clock: STS and the users of the keys share it. */
#include "aws/credentials-chain.h"

#include <errno.h>

#include "aws/credentials-assume-role.h"
#include "aws/credentials-container.h"
#include "aws/credentials-environment.h"
#include "aws/credentials-files.h"
#include "aws/credentials-imds.h"
#include "aws/credentials-process.h"
#include "aws/credentials-sequence.h"
#include "aws/credentials-sign-in.h"
#include "aws/credentials-web-identity.h"
#include "aws/profile.h"
#include "aws/sts.h"

struct credentials_chain {
    sd_event *event;
    struct http_client *http;
    char *profile;          /* the name that was set; NULL: from the environment */
    struct clock_skew skew; /* STS and the users of the keys share it */
    struct sts *sts;
    struct credentials *credentials;
};

/* A list of providers that is being built. It keeps its first error. */
struct provider_list {
    struct credentials_provider *providers[CREDENTIALS_PROVIDERS_MAX];
    size_t n;
    int error;
};

/* The place for the next provider. */
static struct credentials_provider **next(struct provider_list *l)
{
    return &l->providers[l->n];
}

/* Adds the provider that a constructor has put at next(). `r` is the constructor's result. */
static void add(struct provider_list *l, int r)
{
    if (r >= 0)
        l->n++;
    else if (l->error == 0)
        l->error = r;
}

/* 0, or the list's error: then all providers are freed. */
static int finish_list(struct provider_list *l)
{
    if (l->error == 0)
        return 0;
    while (l->n > 0)
        credentials_provider_free(l->providers[--l->n]);
    return l->error;
}

/* Adds the providers in the middle of both chains: all kinds of keys that a profile can have,
 * except roles. */
static void add_of_profile(struct credentials_chain *chain, struct provider_list *l,
                           const char *profile, bool ignore_environment)
{
    add(l, credentials_web_identity_new(chain->sts, profile, ignore_environment, next(l)));
    add(l, credentials_sign_in_new(CREDENTIALS_SIGN_IN_SSO, profile, next(l)));
    add(l, credentials_files_new(AWS_PROFILE_CREDENTIALS, profile, next(l)));
    add(l, credentials_sign_in_new(CREDENTIALS_SIGN_IN_LOGIN, profile, next(l)));
    add(l,
        credentials_process_new(chain->event, profile, CREDENTIALS_PROCESS_TIMEOUT_USEC, next(l)));
    add(l, credentials_files_new(AWS_PROFILE_CONFIG, profile, next(l)));
}

/* --- Sources of roles --- */

static int source_profile_new(void *userdata, const char *profile,
                              struct credentials_provider **ret)
{
    struct provider_list l = {};
    int r;

    add_of_profile(userdata, &l, profile, true);
    r = finish_list(&l);
    return r < 0 ? r : credentials_sequence_new("source profile", l.providers, l.n, ret);
}

static int source_environment_new(void *userdata, struct credentials_provider **ret)
{
    return credentials_environment_new(ret);
}

static int source_instance_metadata_new(void *userdata, struct credentials_provider **ret)
{
    struct credentials_chain *chain = userdata;

    return credentials_imds_new(chain->event, chain->http, chain->profile, true, ret);
}

static int source_container_new(void *userdata, struct credentials_provider **ret)
{
    struct credentials_chain *chain = userdata;

    return credentials_container_new(chain->event, chain->http, CREDENTIALS_CONTAINER_TIMEOUT_USEC,
                                     ret);
}

/* --- The chain --- */

static int make_provider(struct credentials_chain *chain, struct credentials_provider **ret)
{
    const struct credentials_role_sources sources = {
        .profile_new = source_profile_new,
        .environment_new = source_environment_new,
        .instance_metadata_new = source_instance_metadata_new,
        .container_new = source_container_new,
        .userdata = chain,
    };
    struct provider_list l = {};
    int r;

    if (!chain->profile)
        add(&l, credentials_environment_new(next(&l)));
    add(&l, credentials_assume_role_new(chain->sts, chain->profile, &sources, next(&l)));
    add_of_profile(chain, &l, chain->profile, chain->profile != NULL);
    add(&l, credentials_container_new(chain->event, chain->http, CREDENTIALS_CONTAINER_TIMEOUT_USEC,
                                      next(&l)));
    add(&l, credentials_imds_new(chain->event, chain->http, chain->profile, false, next(&l)));
    r = finish_list(&l);
    return r < 0 ? r : credentials_sequence_new("chain", l.providers, l.n, ret);
}

static int make_credentials(struct credentials_chain *chain)
{
    struct credentials_provider *provider;
    int r = make_provider(chain, &provider);

    if (r == 0)
        r = credentials_new(chain->event, provider, &chain->credentials);
    if (r == 0)
        credentials_set_skew(chain->credentials, &chain->skew);
    return r;
}

static int set_profile(struct credentials_chain *chain, const char *profile)
{
    if (!is_set(profile))
        return 0;
    chain->profile = strdup(profile);
    return chain->profile ? 0 : -ENOMEM;
}

int credentials_chain_new(sd_event *event, struct http_client *http,
                          const struct credentials_chain_options *options,
                          struct credentials_chain **ret)
{
    CLEANUP(credentials_chain_free) struct credentials_chain *chain = calloc(1, sizeof(*chain));
    int r;

    if (!chain)
        return -ENOMEM;
    chain->event = sd_event_ref(event);
    chain->http = http;
    r = set_profile(chain, options->profile);
    if (r == 0)
        r = sts_new(event, http,
                    &(struct sts_options){
                        .region = options->region,
                        .endpoint_url = options->sts_endpoint_url,
                        .use_fips = options->use_fips,
                        .use_dualstack = options->use_dualstack,
                        .skew = &chain->skew,
                    },
                    &chain->sts);
    if (r == 0)
        r = make_credentials(chain);
    if (r < 0)
        return r;
    *ret = TAKE(chain);
    return 0;
}

struct credentials_chain *credentials_chain_free(struct credentials_chain *chain)
{
    if (!chain)
        return NULL;
    credentials_free(chain->credentials);
    sts_free(chain->sts);
    free(chain->profile);
    sd_event_unref(chain->event);
    free(chain);
    return NULL;
}

struct credentials *credentials_chain_credentials(struct credentials_chain *chain)
{
    return chain->credentials;
}
