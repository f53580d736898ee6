/* SPDX-License-Identifier: MIT */
/* Each setting has a list of places, which are tried in order. During the search the values are
 * borrowed from the configuration, the environment and the profiles. They are copied at the end. */
#include "aws/effective-settings.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "aws/files.h"
#include "http/ca-bundle.h"
#include "util/encode.h"
#include "util/error-line.h"
#include "util/file.h"

enum { ERROR_MAX_BYTES = 4096, SHOWN_BYTES = 128 };

#define PROFILE "the profile"

enum place {
    PLACE_SETTING, /* of the configuration */
    PLACE_VARIABLE,
    PLACE_PROFILE,
    PLACE_SERVICES,
    PLACE_REGION, /* "fips" in the region's name */
};

struct value {
    const char *text; /* NULL: not set */
    enum place place;
    const char *source; /* for people: the setting's or variable's name, or a phrase; static */
};

struct reader {
    const struct aws_config *config;
    struct aws_profiles *profiles;
    const char *profile;
    struct value region, endpoint, sts_endpoint, ca_bundle, use_fips, use_dualstack;
    char *plain_region; /* the region without "fips"; NULL: its name has no "fips" */
    bool ignores_endpoints;
    char **error;
};

#define invalid(error, ...) error_line(AWS_EFFECTIVE_SETTINGS_E_INVALID, error, __VA_ARGS__)

/* The same for a value that came from outside, with its name before it. */
static int invalid_value(const struct reader *r, const char *name, const char *value,
                         const char *allowed)
{
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(ERROR_MAX_BYTES);

    escape_for_log(&shown, value, strlen(value), SHOWN_BYTES);
    return invalid(r->error, "%s is \"%s\", but %s", name, buffer_string(&shown), allowed);
}

/* --- Places --- */

/* Takes the value unless one was found before. */
static void take(struct value *v, const char *text, enum place place, const char *source)
{
    if (!v->text && is_set(text))
        *v = (struct value){text, place, source};
}

static void take_setting(struct value *v, const char *text, const char *name)
{
    take(v, text, PLACE_SETTING, name);
}

static void take_profile(struct value *v, const char *text)
{
    take(v, text, PLACE_PROFILE, PROFILE);
}

/* For people: the variable or the setting, or the profile's key. */
static void name_value(const struct value *v, const char *key, char *ret, size_t size)
{
    if (v->place == PLACE_PROFILE)
        snprintf(ret, size, "%s in " PROFILE, key);
    else
        snprintf(ret, size, "%s", v->source);
}

static const char *of_profile(const struct reader *r, const char *key)
{
    return aws_profiles_get(r->profiles, r->profile, key, NULL);
}

static void take_variable(struct value *v, const char *variable)
{
    take(v, getenv(variable), PLACE_VARIABLE, variable);
}

/* Finds a switch, which must be true or false. 0, -ENOMEM or AWS_EFFECTIVE_SETTINGS_E_INVALID. */
static int find_switch(struct reader *r, bool is_on, const char *setting, const char *variable,
                       const char *key, struct value *ret)
{
    char name[96];
    struct value v = {};

    take_setting(&v, is_on ? "true" : NULL, setting);
    take_variable(&v, variable);
    take_profile(&v, of_profile(r, key));
    *ret = (struct value){};
    if (!v.text || strcasecmp(v.text, "false") == 0)
        return 0;
    if (strcasecmp(v.text, "true") == 0) {
        *ret = v;
        return 0;
    }
    name_value(&v, key, name, sizeof(name));
    return invalid_value(r, name, v.text, "must be true or false");
}

static int find_switches(struct reader *r)
{
    struct value ignores = {};
    int e = find_switch(r, r->config->use_fips_endpoint, "aws.use_fips_endpoint",
                        "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", &r->use_fips);

    if (e == 0)
        e = find_switch(r, r->config->use_dualstack_endpoint, "aws.use_dualstack_endpoint",
                        "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint", &r->use_dualstack);
    if (e == 0)
        e = find_switch(r, false, "", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                        "ignore_configured_endpoint_urls", &ignores);
    r->ignores_endpoints = ignores.text != NULL;
    return e;
}

/* In [services NAME], the settings of a service are on indented lines below the service's name. */
static int find_in_services(struct reader *r, const char *services, const char *service,
                            struct value *v)
{
    const char *on_its_line =
        aws_profiles_get_section(r->profiles, "services", services, service, NULL);
    char name[96];

    if (!aws_profiles_has_section(r->profiles, "services", services))
        return invalid_value(
            r, "services in " PROFILE, services,
            "the config file has no such [services] section: add it, or remove the line");
    if (is_set(on_its_line)) {
        snprintf(name, sizeof(name), "%s in the profile's [services] section", service);
        return invalid_value(r, name, on_its_line,
                             "nothing may follow its `=`: put each setting on a line of its own "
                             "below, indented");
    }
    take(v, aws_profiles_get_section(r->profiles, "services", services, service, "endpoint_url"),
         PLACE_SERVICES, "the profile's services");
    return 0;
}

/* Finds the endpoint of one service in all places except the configuration. */
static int find_endpoint(struct reader *r, const char *variable, const char *service,
                         struct value *v)
{
    const char *services = of_profile(r, "services");

    if (r->ignores_endpoints)
        return 0;
    take_variable(v, variable);
    take_variable(v, "AWS_ENDPOINT_URL");
    if (!v->text && is_set(services)) {
        int e = find_in_services(r, services, service, v);

        if (e != 0)
            return e;
    }
    take_profile(v, of_profile(r, "endpoint_url"));
    return 0;
}

/* Removes each occurrence of `part` from the text. */
static void take_out(char *text, const char *part)
{
    size_t size = strlen(part);

    for (char *at = strstr(text, part); at; at = strstr(at, part))
        memmove(at, at + size, strlen(at + size) + 1);
}

/* Splits the older names of FIPS endpoints, "fips-us-east-1" and "us-east-1-fips". As in botocore,
 * they mean the region without "fips", and use_fips_endpoint. */
static int split_region(struct reader *r)
{
    char *plain, name[96];

    if (!r->region.text || !(strstr(r->region.text, "fips-") || strstr(r->region.text, "-fips")))
        return 0;
    plain = strdup(r->region.text);
    if (!plain)
        return -ENOMEM;
    take_out(plain, "fips-");
    take_out(plain, "-fips");
    r->plain_region = plain;
    if (plain[0] == '\0') {
        name_value(&r->region, "region", name, sizeof(name));
        return invalid_value(r, name, r->region.text, "this is not the name of a region");
    }
    r->region.text = plain;
    take(&r->use_fips, "true", PLACE_REGION, "the region's name");
    return 0;
}

/* --- Together --- */

static int find_all(struct reader *r)
{
    int e;

    take_setting(&r->region, r->config->region, "aws.region");
    take_variable(&r->region, "AWS_REGION");
    take_variable(&r->region, "AWS_DEFAULT_REGION");
    take_profile(&r->region, of_profile(r, "region"));

    take_setting(&r->ca_bundle, r->config->ca_bundle, "aws.ca_bundle");
    take_variable(&r->ca_bundle, "AWS_CA_BUNDLE");
    take_profile(&r->ca_bundle, of_profile(r, "ca_bundle"));

    take_setting(&r->endpoint, r->config->endpoint_url, "aws.endpoint_url");
    e = find_switches(r);
    if (e == 0)
        e = split_region(r);
    if (e == 0 && !r->endpoint.text)
        e = find_endpoint(r, "AWS_ENDPOINT_URL_SQS", "sqs", &r->endpoint);
    if (e == 0)
        e = find_endpoint(r, "AWS_ENDPOINT_URL_STS", "sts", &r->sts_endpoint);
    return e;
}

/* Whether the text begins with that word. */
static bool begins_with(const char *text, const char *word)
{
    size_t size = strlen(word);

    return strncmp(text, word, size) == 0 && text[size] == ' ';
}

/* Adds to the error line where its settings were set, and which shared files are missing. A setting
 * of the configuration that the line begins with gets its full name. A region that is missing could
 * be set there. */
static int add_sources(const struct reader *r, unsigned named)
{
    const struct {
        enum endpoint_setting setting;
        const char *name;
        const struct value *value;
    } rows[] = {
        {ENDPOINT_SETTING_REGION, "region", &r->region},
        {ENDPOINT_SETTING_URL, "endpoint_url", &r->endpoint},
        {ENDPOINT_SETTING_FIPS, "use_fips_endpoint", &r->use_fips},
        {ENDPOINT_SETTING_DUALSTACK, "use_dualstack_endpoint", &r->use_dualstack},
    };
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT((size_t)2 * ERROR_MAX_BYTES);
    bool is_first = true;
    char *before = *r->error;
    int e;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].value->text && rows[i].value->place == PLACE_SETTING &&
            begins_with(before, rows[i].name))
            buffer_append_string(&b, "aws.");
    if ((named & ENDPOINT_SETTING_REGION) && !r->region.text)
        buffer_append_string(&b, "aws.region: ");
    buffer_append_string(&b, before);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!rows[i].value->text || rows[i].value->place == PLACE_SETTING ||
            !(named & rows[i].setting))
            continue;
        buffer_printf(&b, "%s%s comes from %s", is_first ? " (" : ", ", rows[i].name,
                      rows[i].value->source);
        is_first = false;
    }
    if (!is_first)
        buffer_append_char(&b, ')');
    e = aws_files_append_named_missing(&b);
    if (e < 0)
        return e;
    e = error_line_take(AWS_EFFECTIVE_SETTINGS_E_INVALID, r->error, &b);
    if (e > 0)
        free(before);
    return e;
}

static int resolve(const struct reader *r, struct endpoint **ret)
{
    unsigned named = 0;
    int e = endpoint_resolve(
        &(struct endpoint_settings){
            .queue_url = r->config->queue_url,
            .region = r->region.text,
            .endpoint_url = r->endpoint.text,
            .use_fips = r->use_fips.text != NULL,
            .use_dualstack = r->use_dualstack.text != NULL,
            .ret_named = &named,
        },
        ret, r->error);

    if (e <= 0)
        return e;
    return r->error ? add_sources(r, named) : AWS_EFFECTIVE_SETTINGS_E_INVALID;
}

/* The source of the region if no setting gave it, in endpoint.h's order. */
static const char *source_of_region(const struct reader *r)
{
    CLEANUP(queue_url_free) struct queue_url *q = NULL;

    if (r->region.text)
        return r->region.source;
    if (queue_url_parse(r->config->queue_url, &q, NULL) == 0 && q->region)
        return "aws.queue_url";
    return "the endpoint's host";
}

static int copy(const char *text, char **ret)
{
    if (!text)
        return 0;
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

static bool is_https(const char *url)
{
    return strncasecmp(url, "https:", 6) == 0;
}

/* Whether STS is asked for keys: a role to assume, or a web identity. */
static bool uses_sts(const struct reader *r)
{
    return is_set(of_profile(r, "role_arn")) || is_set(of_profile(r, "web_identity_token_file")) ||
           is_set(getenv("AWS_WEB_IDENTITY_TOKEN_FILE"));
}

/* Whether a request to SQS, STS or a container's endpoint uses TLS. */
static bool uses_tls(const struct reader *r, const struct endpoint *endpoint)
{
    const char *sts = r->sts_endpoint.text, *container;

    if (is_https(endpoint->url))
        return true;
    if (uses_sts(r) && (!sts || is_https(sts)))
        return true;
    container = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    return is_set(container) && !is_set(getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")) &&
           is_https(container);
}

/* Refuses a faulty CA bundle. Without this check it would look like a network failure, and the
 * daemon would retry. */
static int check_ca_bundle(const struct reader *r, const struct endpoint *endpoint)
{
    char name[96], found[160];
    const char *path = r->ca_bundle.text, *problem = NULL;
    int e;

    if (!path || !uses_tls(r, endpoint))
        return 0;
    e = ca_bundle_check(path, &problem);
    if (e == 0 || errno_is_transient(e))
        return e;
    if (e < 0)
        snprintf(found, sizeof(found), "this file cannot be read: %s", file_error_text(e));
    else
        snprintf(found, sizeof(found), "this file cannot be used: %s", problem);
    name_value(&r->ca_bundle, "ca_bundle", name, sizeof(name));
    return invalid_value(r, name, path, found);
}

static int read_all(const struct reader *r, struct aws_effective_settings *s)
{
    int e = resolve(r, &s->endpoint);

    if (e == 0)
        e = check_ca_bundle(r, s->endpoint);
    if (e != 0)
        return e;
    s->use_fips = r->use_fips.text != NULL;
    s->use_dualstack = r->use_dualstack.text != NULL;
    s->region_source = source_of_region(r);
    s->endpoint_source = r->endpoint.source;
    e = copy(r->sts_endpoint.text, &s->sts_endpoint_url);
    return e < 0 ? e : copy(r->ca_bundle.text, &s->ca_bundle);
}

int aws_effective_settings_read(const struct aws_config *config,
                                struct aws_effective_settings **ret, char **error)
{
    CLEANUP(aws_effective_settings_free) struct aws_effective_settings *settings = NULL;
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(ERROR_MAX_BYTES);
    struct reader r = {.config = config, .error = error};
    int e = aws_files_read(&profiles, &text, error);

    if (e != 0)
        return e < 0 ? e : AWS_EFFECTIVE_SETTINGS_E_INVALID;
    r.profiles = profiles;
    r.profile = aws_profile_name(config->profile);
    settings = calloc(1, sizeof(*settings));
    if (!settings)
        return -ENOMEM;
    e = find_all(&r);
    if (e == 0)
        e = read_all(&r, settings);
    free(r.plain_region);
    if (e != 0)
        return e;
    *ret = TAKE(settings);
    return 0;
}

struct aws_effective_settings *aws_effective_settings_free(struct aws_effective_settings *settings)
{
    if (!settings)
        return NULL;
    endpoint_free(settings->endpoint);
    free(settings->sts_endpoint_url);
    free(settings->ca_bundle);
    free(settings);
    return NULL;
}
