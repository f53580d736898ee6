/* SPDX-License-Identifier: MIT */
/* The table below holds everything about each attribute. */
#include "queue-settings.h"

#include <errno.h>
#include <stdio.h>

enum kind { NUMBER, BOOLEAN, SCOPE, TEXT, ACCESS, REDRIVE, REDRIVE_ALLOW };

static const struct attribute {
    const char *name;
    enum kind kind;
    bool fifo_only;
    size_t offset;
    unsigned min, max, initial;     /* NUMBER; BOOLEAN uses only `initial` */
    const char *no_text, *yes_text; /* SCOPE */
} attributes[] = {
#define AT(member) offsetof(struct queue_settings, member)
    {"DelaySeconds", NUMBER, false, AT(delay_sec), 0, 900, 0},
    {"VisibilityTimeout", NUMBER, false, AT(visibility_sec), 0, 43200, 30},
    {"ReceiveMessageWaitTimeSeconds", NUMBER, false, AT(receive_wait_sec), 0, 20, 0},
    {"MessageRetentionPeriod", NUMBER, false, AT(retention_sec), 60, 1209600, 345600},
    {"MaximumMessageSize", NUMBER, false, AT(maximum_message_bytes), 1024, 1048576, 1048576},
    {"KmsDataKeyReusePeriodSeconds", NUMBER, false, AT(kms_reuse_sec), 60, 86400, 300},
    {"FifoQueue", BOOLEAN, true, AT(is_fifo)},
    {"ContentBasedDeduplication", BOOLEAN, true, AT(content_based_deduplication)},
    {"DeduplicationScope", SCOPE, true, AT(deduplication_per_group), .no_text = "queue",
     .yes_text = "messageGroup"},
    {"FifoThroughputLimit", SCOPE, true, AT(throughput_per_group), .no_text = "perQueue",
     .yes_text = "perMessageGroupId"},
    {"SqsManagedSseEnabled", BOOLEAN, false, AT(sse), .initial = 1},
    {"Policy", ACCESS, false, AT(policy)},
    {"RedriveAllowPolicy", REDRIVE_ALLOW, false, AT(redrive_allow_policy)},
    {"KmsMasterKeyId", TEXT, false, AT(kms_master_key_id)},
    {"RedrivePolicy", REDRIVE, false, AT(redrive_policy)},
#undef AT
};

static unsigned *number_at(const struct queue_settings *s, const struct attribute *a)
{
    return (unsigned *)(void *)((char *)(uintptr_t)s + a->offset);
}

static bool *boolean_at(const struct queue_settings *s, const struct attribute *a)
{
    return (bool *)((char *)(uintptr_t)s + a->offset);
}

static char **text_at(const struct queue_settings *s, const struct attribute *a)
{
    return (char **)(void *)((char *)(uintptr_t)s + a->offset);
}

void queue_settings_init(struct queue_settings *s, bool is_fifo)
{
    *s = (struct queue_settings){};
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
        if (attributes[i].kind == NUMBER)
            *number_at(s, &attributes[i]) = attributes[i].initial;
        else if (attributes[i].kind == BOOLEAN)
            *boolean_at(s, &attributes[i]) = attributes[i].initial;
    s->is_fifo = is_fifo;
}

void queue_settings_done(struct queue_settings *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
        if (attributes[i].kind >= TEXT)
            free(*text_at(s, &attributes[i]));
    free(s->dead_letter_arn);
    *s = (struct queue_settings){};
}

static const struct attribute *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
        if (streq(attributes[i].name, name))
            return &attributes[i];
    return NULL;
}

static int set_number(const struct attribute *a, const char *value, unsigned *number)
{
    unsigned n = 0;

    if (*value == '\0' || strlen(value) > 9)
        return QUEUE_SETTINGS_E_VALUE;
    for (const char *p = value; *p; p++) {
        if (*p < '0' || *p > '9')
            return QUEUE_SETTINGS_E_VALUE;
        n = n * 10 + (unsigned)(*p - '0');
    }
    if (n < a->min || n > a->max)
        return QUEUE_SETTINGS_E_VALUE;
    *number = n;
    return 0;
}

static int set_choice(const char *value, const char *no, const char *yes, bool *choice)
{
    if (!streq(value, no) && !streq(value, yes))
        return QUEUE_SETTINGS_E_VALUE;
    *choice = streq(value, yes);
    return 0;
}

static int set_text(const char *value, char **text)
{
    char *copy = NULL;

    if (is_set(value)) {
        copy = strdup(value);
        if (!copy)
            return -ENOMEM;
    }
    free(*text);
    *text = copy;
    return 0;
}

static int set_redrive(struct queue_settings *s, const char *value, struct policy_reason *reason)
{
    CLEANUP(redrive_policy_done) struct redrive_policy policy = {};
    int r = is_set(value) ? redrive_policy_read(value, &policy, reason) : 0;

    if (r == QUEUE_POLICY_E_FORM) {
        snprintf(reason->text, sizeof(reason->text), "Redrive policy is not a valid JSON map.");
        return QUEUE_SETTINGS_E_POLICY;
    }
    if (r != 0)
        return r < 0 ? r : (int)QUEUE_SETTINGS_E_POLICY;
    free(s->redrive_policy);
    free(s->dead_letter_arn);
    s->redrive_policy = TAKE(policy.text);
    s->dead_letter_arn = TAKE(policy.arn);
    s->max_receive_count = policy.max_receive_count;
    return 0;
}

static int set_policy(const struct attribute *a, const char *value, char **text,
                      struct policy_reason *reason)
{
    int r = 0;

    if (is_set(value) && a->kind == ACCESS)
        r = access_policy_check(value);
    else if (is_set(value))
        r = redrive_allow_policy_check(value, reason);
    if (r == QUEUE_POLICY_E_FORM)
        return a->kind == ACCESS ? QUEUE_SETTINGS_E_VALUE : QUEUE_SETTINGS_E_FORMAT;
    if (r != 0)
        return r < 0 ? r : (int)QUEUE_SETTINGS_E_POLICY;
    return set_text(value, text);
}

bool queue_settings_read_boolean(const char *text, bool *ret)
{
    *ret = streq(text, "true") || streq(text, "True");
    return *ret || streq(text, "false") || streq(text, "False");
}

static int set_boolean(struct queue_settings *s, const struct attribute *a, const char *value,
                       bool is_new)
{
    bool was_fifo = s->is_fifo;

    if (!queue_settings_read_boolean(value, boolean_at(s, a)))
        return QUEUE_SETTINGS_E_VALUE;
    /* FifoQueue can only be set to the value that it has already. */
    if (s->is_fifo != was_fifo) {
        s->is_fifo = was_fifo;
        return is_new ? QUEUE_SETTINGS_E_VALUE : QUEUE_SETTINGS_E_FIFO;
    }
    return 0;
}

int queue_settings_set(struct queue_settings *s, const char *name, const char *value, bool is_new,
                       struct policy_reason *reason)
{
    const struct attribute *a = find(name);
    int r;

    if (!a)
        return QUEUE_SETTINGS_E_NAME;
    if (a->fifo_only && !s->is_fifo)
        return a->kind == SCOPE ? QUEUE_SETTINGS_E_FIFO_ONLY : QUEUE_SETTINGS_E_NAME;
    switch (a->kind) {
    case NUMBER:
        return set_number(a, value, number_at(s, a));
    case BOOLEAN:
        return set_boolean(s, a, value, is_new);
    case SCOPE:
        return set_choice(value, a->no_text, a->yes_text, boolean_at(s, a));
    case TEXT:
        r = set_text(value, text_at(s, a));
        /* Only one kind of encryption can be on. */
        if (r == 0 && text_at(s, a) == &s->kms_master_key_id && s->kms_master_key_id)
            s->sse = false;
        return r;
    case ACCESS:
    case REDRIVE_ALLOW:
        return set_policy(a, value, text_at(s, a), reason);
    case REDRIVE:
        return set_redrive(s, value, reason);
    }
    return QUEUE_SETTINGS_E_NAME;
}

/* The attribute's value as text, in `number` if it needs memory; NULL if it has no value. */
static const char *format(const struct queue_settings *s, const struct attribute *a,
                          char number[16])
{
    if (a->fifo_only && !s->is_fifo)
        return NULL;
    switch (a->kind) {
    case NUMBER:
        if (a->offset == offsetof(struct queue_settings, kms_reuse_sec) && !s->kms_master_key_id)
            return NULL;
        snprintf(number, 16, "%u", *number_at(s, a));
        return number;
    case BOOLEAN:
        return *boolean_at(s, a) ? "true" : "false";
    case SCOPE:
        return *boolean_at(s, a) ? a->yes_text : a->no_text;
    case TEXT:
    case ACCESS:
    case REDRIVE:
    case REDRIVE_ALLOW:
        return *text_at(s, a);
    }
    return NULL;
}

int queue_settings_each(const struct queue_settings *s,
                        int (*each)(const char *name, const char *value, void *data), void *data)
{
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        char number[16];
        const char *value = format(s, &attributes[i], number);
        int r = value ? each(attributes[i].name, value, data) : 0;

        if (r != 0)
            return r;
    }
    return 0;
}

bool queue_settings_same(const struct queue_settings *a, const struct queue_settings *b,
                         const char *name)
{
    const struct attribute *attribute = find(name);
    char number_a[16], number_b[16];
    const char *text_a, *text_b;

    if (!attribute)
        return false;
    text_a = format(a, attribute, number_a);
    text_b = format(b, attribute, number_b);
    return text_a && text_b ? streq(text_a, text_b) : text_a == text_b;
}
