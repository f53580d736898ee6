/* SPDX-License-Identifier: MIT */
#include "queue-policies.h"

#include <errno.h>
#include <stdio.h>

#include "queue-arn.h"
#include "util/json-reader.h"
#include "util/json-string.h"

enum { POLICY_DEPTH_MAX = 16, SOURCE_ARNS_MAX = 10, RECEIVE_COUNT_MAX = 1000 };

#define CANNOT_ALLOW "Amazon SQS can't create the redrive allow policy. "

static int refuse(struct policy_reason *reason, const char *text)
{
    snprintf(reason->text, sizeof(reason->text), "%s", text);
    return QUEUE_POLICY_E_VALUE;
}

static int read_object(const char *text, json_object **ret)
{
    struct json_fault fault;
    int r = json_read(text, strlen(text), POLICY_DEPTH_MAX, ret, &fault);

    return r == JSON_E_INVALID ? (int)QUEUE_POLICY_E_FORM : r;
}

/* Whether an object has no members other than `names`, a list that ends with NULL. */
static bool has_only(json_object *object, const char *const *names)
{
    json_object_object_foreach (object, name, value) {
        size_t i = 0;

        (void)value;
        while (names[i] && !streq(names[i], name))
            i++;
        if (!names[i])
            return false;
    }
    return true;
}

/* ---- RedrivePolicy ---- */

/* AWS also accepts the number as text. Returns 0 if it is not a number. */
static int64_t read_count(json_object *count)
{
    const char *text = json_object_get_string(count);

    if (!json_object_is_type(count, json_type_int) && !json_object_is_type(count, json_type_string))
        return 0;
    if (!is_set(text) || strlen(text) > 9 || strspn(text, "0123456789") != strlen(text))
        return 0;
    return strtoll(text, NULL, 10);
}

static int make_redrive_policy(const char *arn, unsigned count, struct redrive_policy *ret)
{
    CLEANUP(redrive_policy_done) struct redrive_policy policy = {.max_receive_count = count};
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(64 * 1024);

    buffer_append_string(&text, "{\"deadLetterTargetArn\":");
    json_append_string(&text, arn, strlen(arn));
    buffer_printf(&text, ",\"maxReceiveCount\":%u}", count);
    policy.arn = strdup(arn);
    if (text.error < 0 || !policy.arn)
        return -ENOMEM;
    policy.text = buffer_take(&text);
    *ret = policy;
    policy = (struct redrive_policy){};
    return 0;
}

int redrive_policy_read(const char *text, struct redrive_policy *ret, struct policy_reason *reason)
{
    static const char *const members[] = {"deadLetterTargetArn", "maxReceiveCount", NULL};
    CLEANUP(json_object_put) json_object *policy = NULL;
    json_object *count = NULL;
    const char *arn = NULL;
    struct queue_arn parts;
    int64_t n;
    int r = read_object(text, &policy);

    if (r != 0)
        return r;
    if (!json_object_object_get_ex(policy, "maxReceiveCount", &count))
        return refuse(reason, "Redrive policy does not contain mandatory attribute: "
                              "maxReceiveCount.");
    if (json_get_string(policy, "deadLetterTargetArn", &arn) == JSON_E_ABSENT)
        return refuse(reason, "Redrive policy does not contain mandatory attribute: "
                              "deadLetterTargetArn.");
    if (!has_only(policy, members))
        return refuse(reason, "Only following attributes are supported: [maxReceiveCount, "
                              "deadLetterTargetArn].");
    r = arn ? queue_arn_parse(arn, &parts) : (int)QUEUE_ARN_E_FORM;
    if (r == QUEUE_ARN_E_SERVICE)
        return refuse(reason, "Only SQS queues are valid resources for deadLetterTargetArn.");
    if (r != 0)
        return refuse(reason, "Invalid value for deadLetterTargetArn.");
    n = read_count(count);
    if (n < 1 || n > RECEIVE_COUNT_MAX) {
        snprintf(reason->text, sizeof(reason->text),
                 "Invalid value for maxReceiveCount: %.40s, valid values are from 1 to 1000 both "
                 "inclusive.",
                 json_object_get_string(count));
        return QUEUE_POLICY_E_VALUE;
    }
    return make_redrive_policy(arn, (unsigned)n, ret);
}

void redrive_policy_done(struct redrive_policy *policy)
{
    free(policy->text);
    free(policy->arn);
    *policy = (struct redrive_policy){};
}

/* ---- RedriveAllowPolicy ---- */

static bool are_texts(json_object *list)
{
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (!json_object_is_type(json_object_array_get_idx(list, i), json_type_string))
            return false;
    return true;
}

int redrive_allow_policy_check(const char *text, struct policy_reason *reason)
{
    static const char *const members[] = {"redrivePermission", "sourceQueueArns", NULL};
    CLEANUP(json_object_put) json_object *policy = NULL;
    json_object *sources = NULL;
    const char *permission = "";
    size_t n;
    int r = read_object(text, &policy), of_sources;

    if (r != 0)
        return r;
    of_sources = json_get(policy, "sourceQueueArns", json_type_array, &sources);
    if (json_get_string(policy, "redrivePermission", &permission) != 0 ||
        (!streq(permission, "allowAll") && !streq(permission, "denyAll") &&
         !streq(permission, "byQueue")) ||
        !has_only(policy, members) || of_sources == JSON_E_TYPE || (sources && !are_texts(sources)))
        return QUEUE_POLICY_E_FORM;
    n = sources ? json_object_array_length(sources) : 0;
    if (sources && !streq(permission, "byQueue"))
        return refuse(reason, CANNOT_ALLOW "To specify one or more source queue ARNs, you must set "
                                           "redrivePermission to byQueue.");
    if (streq(permission, "byQueue") && n == 0)
        return refuse(reason, CANNOT_ALLOW "When you specify the byQueue permission type, you must "
                                           "also specify one or more sourceQueueArns values.");
    if (n > SOURCE_ARNS_MAX)
        return refuse(reason, CANNOT_ALLOW "The maximum number of source queue ARNs you can "
                                           "specify is 10.");
    return 0;
}

bool redrive_allow_policy_lets(const char *text, const char *source_arn)
{
    CLEANUP(json_object_put) json_object *policy = NULL;
    json_object *sources = NULL;
    const char *permission = "";

    if (!text)
        return true;
    if (read_object(text, &policy) != 0 ||
        json_get_string(policy, "redrivePermission", &permission) != 0)
        return false;
    json_get(policy, "sourceQueueArns", json_type_array, &sources);
    for (size_t i = 0; sources && i < json_object_array_length(sources); i++)
        if (streq(json_object_get_string(json_object_array_get_idx(sources, i)), source_arn))
            return true;
    return streq(permission, "allowAll");
}

/* ---- Policy ---- */

static bool is_statement(json_object *statement)
{
    const char *effect = "";

    return json_object_is_type(statement, json_type_object) &&
           json_get_string(statement, "Effect", &effect) == 0 &&
           (streq(effect, "Allow") || streq(effect, "Deny"));
}

int access_policy_check(const char *text)
{
    CLEANUP(json_object_put) json_object *policy = NULL;
    json_object *statements = NULL;
    int r = read_object(text, &policy);

    if (r != 0)
        return r;
    json_object_object_get_ex(policy, "Statement", &statements);
    if (!json_object_is_type(statements, json_type_array))
        return is_statement(statements) ? 0 : (int)QUEUE_POLICY_E_FORM;
    for (size_t i = 0; i < json_object_array_length(statements); i++)
        if (!is_statement(json_object_array_get_idx(statements, i)))
            return QUEUE_POLICY_E_FORM;
    return json_object_array_length(statements) > 0 ? 0 : (int)QUEUE_POLICY_E_FORM;
}
