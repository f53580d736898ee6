/* SPDX-License-Identifier: MIT */
/* A variable wins over the profile's key. The switch that turns the service off is read first: if
 * it is on, faults in other settings do not matter. */
#include "aws/imds-settings.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "aws/files.h"
#include "aws/metadata-url.h"
#include "util/ascii.h"
#include "util/encode.h"
#include "util/error-line.h"

enum { VALUE_SHOWN_BYTES = 50, TEXT_MAX_BYTES = 8192 };

/* A setting. `value` is NULL if it is not set. */
struct setting {
    const char *name; /* where it was found, for people: the variable or the key */
    const char *value;
};

static struct setting look_up(const struct aws_profiles *profiles, const char *profile,
                              const char *variable, const char *key)
{
    const char *value = getenv(variable);

    if (is_set(value))
        return (struct setting){variable, value};
    value = aws_profiles_get(profiles, profile, key, NULL);
    return (struct setting){key, is_set(value) ? value : NULL};
}

static bool is_true(struct setting s)
{
    return s.value && strcasecmp(s.value, "true") == 0;
}

/* Reads a whole number from 1 to `max`. If it is not set, `*ret` is unchanged. */
static int read_number(struct setting s, unsigned max, unsigned *ret, char **error)
{
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(1024);
    unsigned n = 0;

    if (!s.value)
        return 0;
    for (const char *p = s.value; *p; p++) {
        if (!is_digit(*p) || n > max) {
            n = 0;
            break;
        }
        n = 10 * n + (unsigned)(*p - '0');
    }
    if (n >= 1 && n <= max) {
        *ret = n;
        return 0;
    }
    escape_for_log(&shown, s.value, strlen(s.value), VALUE_SHOWN_BYTES);
    return error_line(IMDS_E_INVALID, error, "%s is \"%s\": it must be a whole number from 1 to %u",
                      s.name, buffer_string(&shown), max);
}

static int read_base_url(const struct aws_profiles *profiles, const char *profile, char **ret,
                         char **error)
{
    struct setting endpoint = look_up(profiles, profile, "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                      "ec2_metadata_service_endpoint");
    struct setting mode = look_up(profiles, profile, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                                  "ec2_metadata_service_endpoint_mode");
    int r;

    if (!mode.value && is_true(look_up(profiles, profile, "AWS_IMDS_USE_IPV6", "imds_use_ipv6")))
        mode.value = "ipv6";
    r = metadata_url_imds(endpoint.value, endpoint.name, mode.value, mode.name, ret, error);
    return r > 0 ? IMDS_E_INVALID : r;
}

int imds_settings_read(const char *setting, struct imds_settings *ret, char **error)
{
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    CLEANUP(buffer_done) struct buffer looked_at = BUFFER_INIT(TEXT_MAX_BYTES);
    CLEANUP(imds_settings_done) struct imds_settings s = {};
    const char *disabled = getenv("AWS_EC2_METADATA_DISABLED");
    const char *profile = aws_profile_name(setting);
    unsigned timeout_sec = 1, attempts = 1;
    int r;

    if (is_set(disabled) && strcasecmp(disabled, "true") == 0)
        return error_line(IMDS_E_DISABLED, error, "switched off by AWS_EC2_METADATA_DISABLED");
    r = aws_files_read(&profiles, &looked_at, error);
    if (r != 0)
        return r > 0 ? IMDS_E_INVALID : r;
    r = read_base_url(profiles, profile, &s.base_url, error);
    if (r == 0)
        r = read_number(
            look_up(profiles, profile, "AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout"),
            IMDS_TIMEOUT_MAX_SEC, &timeout_sec, error);
    if (r == 0)
        r = read_number(look_up(profiles, profile, "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
                                "metadata_service_num_attempts"),
                        IMDS_ATTEMPTS_MAX, &attempts, error);
    if (r != 0)
        return r;
    s.is_v1_disabled = is_true(
        look_up(profiles, profile, "AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled"));
    s.timeout_usec = timeout_sec * USEC_PER_SEC;
    s.attempts = attempts;
    *ret = s;
    s = (struct imds_settings){};
    return 0;
}

void imds_settings_done(struct imds_settings *s)
{
    free(s->base_url);
    *s = (struct imds_settings){};
}
