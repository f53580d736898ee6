/* SPDX-License-Identifier: MIT */
/* Each rule has its own stream of random numbers. So it does the same whatever other rules and
 * other operations do. */
#include "injections.h"

#include <errno.h>

#include "chance.h"
#include "json-writer.h"
#include "operations.h"

#define DELAY_USEC (300 * USEC_PER_MSEC)

struct rule {
    char *text;
    const char *operation; /* its name; NULL: any */
    enum injection_kind kind;
    uint64_t every;     /* 0: by probability */
    double probability; /* 0 to 1 */
    uint64_t times;     /* 0: no limit */
    uint64_t delay_usec;
    uint64_t n_requests, n_faults;
    struct chance chance;
};

struct injections {
    uint64_t seed;
    size_t n_rules;
    struct rule rules[INJECTIONS_MAX];
};

static const char *const kinds[INJECTION_N_KINDS] = {
    [INJECTION_ERROR_500] = "error-500",
    [INJECTION_ERROR_503] = "error-503",
    [INJECTION_THROTTLE] = "throttle",
    [INJECTION_EXPIRED_TOKEN] = "expired-token",
    [INJECTION_DROP_BEFORE] = "drop-before",
    [INJECTION_STALL] = "stall",
    [INJECTION_EMPTY] = "empty",
    [INJECTION_KMS_ACCESS_DENIED] = "kms-access-denied",
    [INJECTION_KMS_DISABLED] = "kms-disabled",
    [INJECTION_KMS_INVALID_KEY_USAGE] = "kms-invalid-key-usage",
    [INJECTION_KMS_INVALID_STATE] = "kms-invalid-state",
    [INJECTION_KMS_NOT_FOUND] = "kms-not-found",
    [INJECTION_KMS_OPT_IN_REQUIRED] = "kms-opt-in-required",
    [INJECTION_KMS_THROTTLED] = "kms-throttled",
    [INJECTION_PARTIAL] = "partial",
    [INJECTION_DROP_AFTER] = "drop-after",
    [INJECTION_DELAY] = "delay",
    [INJECTION_GARBAGE] = "garbage",
    [INJECTION_TRUNCATE] = "truncate",
    [INJECTION_WRONG_MD5] = "wrong-md5",
};

int injections_new(uint64_t seed, struct injections **ret)
{
    struct injections *injections = calloc(1, sizeof(*injections));

    if (!injections)
        return -ENOMEM;
    injections->seed = seed;
    *ret = injections;
    return 0;
}

struct injections *injections_free(struct injections *injections)
{
    if (!injections)
        return NULL;
    for (size_t i = 0; i < injections->n_rules; i++)
        free(injections->rules[i].text);
    free(injections);
    return NULL;
}

/* ---- reading a rule ---- */

static bool read_count(const char *text, uint64_t *ret)
{
    char *end;

    errno = 0;
    *ret = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && *ret > 0 &&
           *ret <= UINT32_MAX;
}

static const char *read_parameter(struct rule *rule, const char *text)
{
    uint64_t msec;

    if (strncmp(text, "every=", 6) == 0)
        return read_count(text + 6, &rule->every) ? NULL : "every= takes a number above 0";
    if (strncmp(text, "times=", 6) == 0)
        return read_count(text + 6, &rule->times) ? NULL : "times= takes a number above 0";
    if (strncmp(text, "delay=", 6) == 0) {
        if (rule->kind != INJECTION_DELAY)
            return "only delay takes delay=";
        if (!read_count(text + 6, &msec))
            return "delay= takes milliseconds above 0";
        rule->delay_usec = msec * USEC_PER_MSEC;
        return NULL;
    }
    if (strncmp(text, "p=", 2) == 0) {
        rule->every = 0;
        return chance_read(text + 2, &rule->probability) ? NULL : "p= takes a number from 0 to 1";
    }
    return "its parameters are every=N, p=NUMBER, times=N and delay=MS";
}

/* Whether a kind of fault can act on requests of an operation. */
static bool kind_is_for(enum injection_kind kind, const char *operation)
{
    size_t n = strlen(operation);

    switch (kind) {
    case INJECTION_PARTIAL:
        return n > 5 && streq(operation + n - 5, "Batch");
    case INJECTION_WRONG_MD5:
    case INJECTION_KMS_ACCESS_DENIED:
    case INJECTION_KMS_DISABLED:
    case INJECTION_KMS_INVALID_KEY_USAGE:
    case INJECTION_KMS_INVALID_STATE:
    case INJECTION_KMS_NOT_FOUND:
    case INJECTION_KMS_OPT_IN_REQUIRED:
    case INJECTION_KMS_THROTTLED:
        return strncmp(operation, "SendMessage", 11) == 0 || streq(operation, "ReceiveMessage");
    case INJECTION_EMPTY:
        return streq(operation, "ReceiveMessage");
    default:
        return true;
    }
}

/* Reads a rule. Changes `text`. */
static const char *read_rule(char *text, struct rule *rule)
{
    const char *operation = strsep(&text, ":"), *kind = strsep(&text, ":"), *why, *part;
    const struct operation *found;

    if (!streq(operation, "*")) {
        found = operation_find(operation);
        if (!found)
            return "it begins with an operation's name, or *";
        rule->operation = found->name;
    }
    for (size_t i = 1; kind && i < INJECTION_N_KINDS; i++)
        if (streq(kind, kinds[i]))
            rule->kind = (enum injection_kind)i;
    if (rule->kind == INJECTION_NONE)
        return "its kinds are error-500, error-503, throttle, expired-token, drop-before, "
               "drop-after, stall, empty, delay, partial, garbage, truncate, wrong-md5, and "
               "kms-access-denied, -disabled, -invalid-key-usage, -invalid-state, -not-found, "
               "-opt-in-required and -throttled";
    if (rule->operation && !kind_is_for(rule->kind, rule->operation))
        return "that operation has nothing that this kind could act on";
    while ((part = strsep(&text, ":"))) {
        why = read_parameter(rule, part);
        if (why)
            return why;
    }
    return NULL;
}

int injections_add(struct injections *injections, const char *text, const char **ret_why)
{
    CLEANUP(free) char *parts = strdup(text);
    struct rule rule = {.every = 1, .delay_usec = DELAY_USEC};
    const char *why;

    if (!parts)
        return -ENOMEM;
    why = injections->n_rules == INJECTIONS_MAX ? "there are too many" : read_rule(parts, &rule);
    if (why) {
        *ret_why = why;
        return INJECTIONS_E_INVALID;
    }
    rule.text = strdup(text);
    if (!rule.text)
        return -ENOMEM;
    rule.chance = chance_of(injections->seed, injections->n_rules);
    injections->rules[injections->n_rules++] = rule;
    return 0;
}

/* ---- acting ---- */

static bool is_to_act(struct rule *rule)
{
    bool acts;

    rule->n_requests++;
    if (rule->every > 0)
        acts = rule->n_requests % rule->every == 0;
    else
        acts = chance_has(&rule->chance, rule->probability);
    acts = acts && (rule->times == 0 || rule->n_faults < rule->times);
    rule->n_faults += acts;
    return acts;
}

struct injection injections_next(struct injections *injections, const char *operation)
{
    for (size_t i = 0; i < injections->n_rules; i++) {
        struct rule *rule = &injections->rules[i];

        if ((rule->operation && !streq(rule->operation, operation)) ||
            !kind_is_for(rule->kind, operation) || !is_to_act(rule))
            continue;
        return (struct injection){
            .kind = rule->kind,
            .delay_usec = rule->kind == INJECTION_DELAY ? rule->delay_usec : 0,
            .failing_entries =
                rule->kind == INJECTION_PARTIAL ? (uint32_t)(chance_next(&rule->chance) >> 32) : 0,
        };
    }
    return (struct injection){};
}

void injections_show(const struct injections *injections, struct buffer *output)
{
    buffer_append_char(output, '[');
    for (size_t i = 0; i < injections->n_rules; i++) {
        const struct rule *rule = &injections->rules[i];

        json_next(output);
        buffer_append_char(output, '{');
        json_put(output, "fault", rule->text);
        buffer_printf(output, ",\"requests\":%llu,\"faults\":%llu}",
                      (unsigned long long)rule->n_requests, (unsigned long long)rule->n_faults);
    }
    buffer_append_char(output, ']');
}

/* ---- spoiling replies ---- */

/* Changes the first hex digit of each member MD5Of... A quote after a comma or a brace begins a
 * member's name, because inside a string a quote has a backslash before it. */
static void spoil_md5s(char *json)
{
    for (char *p = json; (p = strstr(p, "\"MD5Of")); p++) {
        char *value;

        if (p == json || (p[-1] != ',' && p[-1] != '{'))
            continue;
        value = strstr(p, "\":\"");
        if (value)
            value[3] = value[3] == '0' ? '1' : '0';
    }
}

void injection_spoil(enum injection_kind kind, struct buffer *reply)
{
    if (kind == INJECTION_GARBAGE) {
        buffer_reset(reply);
        buffer_append_string(reply, "<html><body>All is well.</body></html>\n");
    } else if (kind == INJECTION_WRONG_MD5 && reply->data) {
        spoil_md5s(reply->data);
    }
}
