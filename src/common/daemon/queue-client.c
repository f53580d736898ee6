/* SPDX-License-Identifier: MIT */
#include "daemon/queue-client.h"

#include <errno.h>
#include <stdio.h>

static int set_up_http(struct queue_client *c, sd_event *event, const struct config *config,
                       const struct queue_client_options *options)
{
    char user_agent[64];

    snprintf(user_agent, sizeof(user_agent), "%s/" PROJECT_VERSION, options->name);
    return http_client_new(event,
                           &(struct http_client_options){
                               .user_agent = user_agent,
                               .ca_bundle = c->settings->ca_bundle,
                               .connect_timeout_usec = config->aws.connect_timeout_usec,
                               .reply_memory_bytes = options->reply_memory_bytes,
                               .replied = options->replied,
                               .userdata = options->userdata,
                           },
                           &c->http);
}

static int set_up_credentials(struct queue_client *c, sd_event *event, const struct config *config)
{
    return credentials_chain_new(event, c->http,
                                 &(struct credentials_chain_options){
                                     .profile = config->aws.profile,
                                     .region = c->settings->endpoint->region,
                                     .sts_endpoint_url = c->settings->sts_endpoint_url,
                                     .use_fips = c->settings->use_fips,
                                     .use_dualstack = c->settings->use_dualstack,
                                 },
                                 &c->credentials);
}

int queue_client_new(sd_event *event, const struct config *config,
                     const struct queue_client_options *options, struct queue_client **ret,
                     char **error)
{
    CLEANUP(queue_client_free) struct queue_client *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    r = queue_url_parse(config->aws.queue_url, &c->url, error);
    if (r == 0)
        r = aws_effective_settings_read(&config->aws, &c->settings, error);
    if (r != 0)
        return r < 0 ? r : QUEUE_CLIENT_E_CONFIG;
    r = set_up_http(c, event, config, options);
    if (r >= 0)
        r = set_up_credentials(c, event, config);
    if (r >= 0)
        r = sqs_client_new(event, c->http, credentials_chain_credentials(c->credentials),
                           c->settings->endpoint, config->aws.request_timeout_usec,
                           &options->observer, &c->sqs);
    if (r < 0)
        return r;
    *ret = TAKE(c);
    return 0;
}

int queue_client_reconfigure(struct queue_client *c, const struct config *config,
                             const char *ca_bundle, size_t reply_memory_bytes)
{
    int r = http_client_reconfigure(c->http,
                                    &(struct http_client_options){
                                        .ca_bundle = ca_bundle,
                                        .connect_timeout_usec = config->aws.connect_timeout_usec,
                                        .reply_memory_bytes = reply_memory_bytes,
                                    });

    credentials_renew(credentials_chain_credentials(c->credentials));
    if (r < 0)
        return r;
    sqs_client_set_request_timeout(c->sqs, config->aws.request_timeout_usec);
    return 0;
}

struct queue_client *queue_client_free(struct queue_client *c)
{
    if (!c)
        return NULL;
    sqs_client_free(c->sqs);
    credentials_chain_free(c->credentials);
    http_client_free(c->http);
    aws_effective_settings_free(c->settings);
    queue_url_free(c->url);
    free(c);
    return NULL;
}
