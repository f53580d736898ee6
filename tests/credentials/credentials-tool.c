/* SPDX-License-Identifier: MIT */
/* Asks one provider of credentials, as the environment sets it up, and prints each answer as a line
 * of JSON: {"outcome": "found", "access_key_id": ..., "secret_sha256": ..., "token_sha256": ...,
 * "source": ..., "expiry": seconds or null} or {"outcome": "not set up", "not reached", "failed"
 * "unreachable", "intercepted" or "metadata intercepted", "text": ...}.
 * chain is the default chain; its STS is eu-west-1's or AWS_ENDPOINT_URL_STS. For tests; exits with
 * 0 whatever the answer is.
 *
 * Usage: credentials-tool PROVIDER [--profile=NAME] [--fetches=N] [--timeout-ms=N] [--cancel]
 * Each fetch asks the same provider. --timeout-ms: of a credential_process, or of an attempt to ask
 * a container's endpoint; without it, that of the daemons is used. --cancel frees the provider in
 * the middle of its first fetch.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include <openssl/evp.h>

#include "aws/credentials-chain.h"
#include "aws/credentials-container.h"
#include "aws/credentials-environment.h"
#include "aws/credentials-files.h"
#include "aws/credentials-imds.h"
#include "aws/credentials-process.h"
#include "util/encode.h"
#include "util/json-string.h"

struct tool {
    sd_event *event;
    struct http_client *http;
    const char *profile;
    unsigned long fetches;
    uint64_t timeout_usec; /* 0: that of the daemons */
    bool cancels;
    struct credentials_provider *provider;
};

static void add_text(struct buffer *b, const char *name, const char *value)
{
    buffer_printf(b, ", \"%s\": ", name);
    if (value)
        json_append_string(b, value, strlen(value));
    else
        buffer_append_string(b, "null");
}

static void add_hash(struct buffer *b, const char *name, const char *secret)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned size = 0;

    if (secret && EVP_Digest(secret, strlen(secret), digest, &size, EVP_sha256(), NULL) == 1)
        hex_encode(digest, size, hex);
    add_text(b, name, size > 0 ? hex : NULL);
}

static void print_line(struct buffer *b)
{
    buffer_append_string(b, "}\n");
    if (b->error < 0)
        fprintf(stderr, "credentials-tool: %s\n", strerror(-b->error));
    fputs(buffer_string(b), stdout);
    fflush(stdout);
}

static void ask(struct tool *tool);

static void on_done(void *userdata, enum credentials_outcome outcome,
                    struct aws_credentials *credentials, const char *text)
{
    static const char *const names[] = {"found",       "not set up",          "not reached",
                                        "failed",      "unreachable",         "shortage",
                                        "intercepted", "metadata intercepted"};
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(1 << 20);
    struct tool *tool = userdata;

    buffer_printf(&b, "{\"outcome\": \"%s\"", names[outcome]);
    if (credentials) {
        add_text(&b, "access_key_id", credentials->access_key_id);
        add_hash(&b, "secret_sha256", credentials->secret_access_key);
        add_hash(&b, "token_sha256", credentials->session_token);
        add_text(&b, "source", credentials->source);
        if (credentials->expiry_usec == USEC_INFINITY)
            add_text(&b, "expiry", NULL);
        else
            buffer_printf(&b, ", \"expiry\": %.6f", (double)credentials->expiry_usec / 1e6);
    } else {
        add_text(&b, "text", text);
    }
    print_line(&b);
    if (--tool->fetches > 0)
        ask(tool);
    else
        sd_event_exit(tool->event, 0);
}

/* A fetch that answers inside its call asks the next from there. */
static void ask(struct tool *tool)
{
    credentials_provider_fetch(tool->provider, on_done, tool);
}

static void on_chain_done(void *userdata, enum credentials_outcome outcome,
                          struct aws_credentials *credentials, const char *error)
{
    struct tool *tool = userdata;

    tool->fetches = 1;
    on_done(tool, outcome, credentials, error);
}

static int run_chain(struct tool *tool)
{
    const struct credentials_chain_options options = {
        .profile = tool->profile,
        .region = "eu-west-1",
        .sts_endpoint_url = getenv("AWS_ENDPOINT_URL_STS"),
    };
    CLEANUP(credentials_chain_free) struct credentials_chain *chain = NULL;
    struct credentials_slot *slot;
    int r = credentials_chain_new(tool->event, tool->http, &options, &chain);

    if (r >= 0)
        r = credentials_get(credentials_chain_credentials(chain), on_chain_done, tool, &slot);
    return r < 0 ? r : sd_event_loop(tool->event);
}

static uint64_t timeout_usec(const struct tool *tool, uint64_t of_daemons_usec)
{
    return tool->timeout_usec > 0 ? tool->timeout_usec : of_daemons_usec;
}

static int make_provider(struct tool *tool, const char *name)
{
    struct credentials_provider **ret = &tool->provider;

    if (streq(name, "environment"))
        return credentials_environment_new(ret);
    if (streq(name, "credentials-file"))
        return credentials_files_new(AWS_PROFILE_CREDENTIALS, tool->profile, ret);
    if (streq(name, "config-file"))
        return credentials_files_new(AWS_PROFILE_CONFIG, tool->profile, ret);
    if (streq(name, "process"))
        return credentials_process_new(tool->event, tool->profile,
                                       timeout_usec(tool, CREDENTIALS_PROCESS_TIMEOUT_USEC), ret);
    if (streq(name, "container"))
        return credentials_container_new(
            tool->event, tool->http, timeout_usec(tool, CREDENTIALS_CONTAINER_TIMEOUT_USEC), ret);
    if (streq(name, "imds"))
        return credentials_imds_new(tool->event, tool->http, tool->profile, false, ret);
    return -EINVAL;
}

static int run(struct tool *tool, const char *name)
{
    struct http_client_options options = {
        .user_agent = "credentials-tool",
        .ca_bundle = getenv("AWS_CA_BUNDLE"),
        .connect_timeout_usec = 5 * USEC_PER_SEC,
    };
    int r = sd_event_new(&tool->event);

    if (r >= 0)
        r = http_client_new(tool->event, &options, &tool->http);
    if (r < 0)
        return r;
    if (streq(name, "chain"))
        return run_chain(tool);
    r = make_provider(tool, name);
    if (r < 0)
        return r;
    ask(tool);
    if (tool->cancels) {
        for (unsigned i = 0; r >= 0 && i < 5; i++)
            r = sd_event_run(tool->event, 20 * USEC_PER_MSEC);
        credentials_provider_free(TAKE(tool->provider));
        return r < 0 ? r : sd_event_run(tool->event, 50 * USEC_PER_MSEC);
    }
    return sd_event_loop(tool->event);
}

int main(int argc, char *argv[])
{
    static const struct option options[] = {
        {"profile", required_argument, NULL, 'p'},
        {"fetches", required_argument, NULL, 'f'},
        {"timeout-ms", required_argument, NULL, 't'},
        {"cancel", no_argument, NULL, 'c'},
        {},
    };
    struct tool tool = {.fetches = 1};
    int c, r;

    while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (c == 'p')
            tool.profile = optarg;
        else if (c == 'f')
            tool.fetches = strtoul(optarg, NULL, 10);
        else if (c == 't')
            tool.timeout_usec = strtoul(optarg, NULL, 10) * USEC_PER_MSEC;
        else if (c == 'c')
            tool.cancels = true;
        else
            return 64;
    }
    if (optind + 1 != argc) {
        fprintf(stderr, "credentials-tool: name one provider\n");
        return 64;
    }
    r = run(&tool, argv[optind]);
    if (tool.provider)
        credentials_provider_free(tool.provider);
    http_client_free(tool.http);
    sd_event_unref(tool.event);
    if (r < 0)
        fprintf(stderr, "credentials-tool: %s\n", strerror(-r));
    return r == 0 || r == 1 ? 0 : 1;
}
