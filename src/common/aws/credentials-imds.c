/* SPDX-License-Identifier: MIT */
/* Each fetch is one session with IMDS: it gets a token, the role's name, and the role's keys. */
#include "aws/credentials-imds.h"

#include <errno.h>

#include "aws/imds.h"
#include "util/ascii.h"
#include "util/encode.h"

#define ROLES_PATH "latest/meta-data/iam/security-credentials/"

enum {
    ROLE_MAX_BYTES = 64, /* IAM's limit */
};

struct imds_provider {
    struct credentials_provider head;
    sd_event *event;
    struct http_client *http;
    bool is_explicit; /* a setting says that the keys are here */

    /* State of the current fetch. */
    struct imds *imds;
    char role[ROLE_MAX_BYTES + 1];
};

static void stop(struct credentials_provider *provider)
{
    struct imds_provider *p = (struct imds_provider *)provider;

    p->imds = imds_free(p->imds);
}

static void answer(struct imds_provider *p, enum credentials_outcome outcome,
                   struct aws_credentials *credentials, const char *text)
{
    stop(&p->head);
    credentials_provider_answer(&p->head, outcome, credentials, text);
}

/* The service has answered with the role's name before. So if nobody answers now, it is down or
 * overloaded. */
static enum credentials_outcome outcome_without_keys(enum imds_outcome outcome)
{
    switch (outcome) {
    case IMDS_UNREACHABLE:
    case IMDS_NO_ANSWER:
    case IMDS_REFUSED:
        return CREDENTIALS_UNREACHABLE;
    case IMDS_SHORTAGE:
        return CREDENTIALS_SHORTAGE;
    case IMDS_INTERCEPTED:
        return CREDENTIALS_METADATA_INTERCEPTED;
    case IMDS_OK:
    case IMDS_NOT_FOUND:
    case IMDS_FAILED:
        break;
    }
    return CREDENTIALS_FAILED;
}

static void on_keys(void *userdata, enum imds_outcome outcome, const char *body, size_t body_bytes,
                    const char *text)
{
    struct imds_provider *p = userdata;
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    CLEANUP(free) char *error = NULL;
    int r;

    if (outcome != IMDS_OK) {
        answer(p, outcome_without_keys(outcome), NULL, text);
        return;
    }
    buffer_printf(&line, "instance metadata service, role %s", p->role);
    r = credentials_provider_read_json(CREDENTIALS_JSON_IMDS, body, body_bytes,
                                       buffer_string(&line), &c, &error);
    if (r == 0) {
        answer(p, CREDENTIALS_FOUND, c, NULL);
        return;
    }
    buffer_reset(&line);
    buffer_printf(&line, "the answer for role %s %s", p->role,
                  r > 0 ? error : "could not be read: out of memory");
    answer(p, r > 0 ? CREDENTIALS_FAILED : credentials_outcome_of_errno(r), NULL,
           buffer_string(&line));
}

/* Reads the role's name from the first line. False: that is no valid name. */
static bool read_role(struct imds_provider *p, const char *body, size_t size)
{
    const char *end = memchr(body, '\n', size);

    if (end)
        size = (size_t)(end - body);
    while (size > 0 && (body[size - 1] == '\r' || body[size - 1] == ' '))
        size--;
    if (size == 0 || size > ROLE_MAX_BYTES)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = body[i];

        if (!is_letter_or_digit(c) && (c == '\0' || !strchr("+=,.@_-", c)))
            return false;
    }
    memcpy(p->role, body, size);
    p->role[size] = '\0';
    return !streq(p->role, ".") && !streq(p->role, "..");
}

static int get_keys(struct imds_provider *p)
{
    CLEANUP(buffer_done) struct buffer path = BUFFER_INIT(1024);
    int r;

    buffer_append_string(&path, ROLES_PATH);
    r = uri_encode(&path, p->role, strlen(p->role), "+=,@");
    return r < 0 ? r : imds_get(p->imds, buffer_string(&path), on_keys, p);
}

static void on_role(void *userdata, enum imds_outcome outcome, const char *body, size_t body_bytes,
                    const char *text)
{
    struct imds_provider *p = userdata;
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(CREDENTIALS_TEXT_MAX_BYTES);
    int r;

    buffer_printf(&line, "%s", text);
    switch (outcome) {
    case IMDS_OK:
        break;
    case IMDS_NO_ANSWER:
        answer(p, p->is_explicit ? CREDENTIALS_UNREACHABLE : CREDENTIALS_NO_ANSWER_YET, NULL,
               buffer_string(&line));
        return;
    case IMDS_REFUSED:
        answer(p, p->is_explicit ? CREDENTIALS_UNREACHABLE : CREDENTIALS_NOT_SET_UP, NULL,
               buffer_string(&line));
        return;
    case IMDS_NOT_FOUND:
        buffer_append_string(&line, ": this instance has no IAM role");
        answer(p, CREDENTIALS_NOT_SET_UP, NULL, buffer_string(&line));
        return;
    case IMDS_FAILED:
        answer(p, CREDENTIALS_FAILED, NULL, buffer_string(&line));
        return;
    case IMDS_UNREACHABLE:
        answer(p, CREDENTIALS_UNREACHABLE, NULL, buffer_string(&line));
        return;
    case IMDS_SHORTAGE:
        answer(p, CREDENTIALS_SHORTAGE, NULL, buffer_string(&line));
        return;
    case IMDS_INTERCEPTED:
        answer(p, CREDENTIALS_METADATA_INTERCEPTED, NULL, buffer_string(&line));
        return;
    }
    if (body_bytes == 0) {
        answer(p, CREDENTIALS_NOT_SET_UP, NULL, "this instance has no IAM role");
        return;
    }
    if (!read_role(p, body, body_bytes)) {
        answer(p, CREDENTIALS_FAILED, NULL, "its reply is not a role's name");
        return;
    }
    r = get_keys(p);
    if (r < 0)
        answer(p, credentials_outcome_of_errno(r), NULL, strerror(-r));
}

static int start(struct credentials_provider *provider)
{
    struct imds_provider *p = (struct imds_provider *)provider;
    CLEANUP(free) char *error = NULL;
    int r = imds_new(p->event, p->http, provider->profile, &p->imds, &error);

    if (r == 0)
        return imds_get(p->imds, ROLES_PATH, on_role, p);
    if (r > 0)
        credentials_provider_fail(
            provider, r == IMDS_E_DISABLED ? CREDENTIALS_NOT_SET_UP : CREDENTIALS_FAILED, error);
    return r;
}

static const struct credentials_provider_ops ops = {.start = start, .stop = stop};

int credentials_imds_new(sd_event *event, struct http_client *http, const char *profile,
                         bool is_explicit, struct credentials_provider **ret)
{
    struct credentials_provider *provider;
    struct imds_provider *p;
    int r = credentials_provider_new(sizeof(*p), &ops, "instance metadata", profile, &provider);

    if (r < 0)
        return r;
    p = (struct imds_provider *)provider;
    p->event = event;
    p->http = http;
    p->is_explicit = is_explicit;
    *ret = provider;
    return 0;
}
