/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <math.h>

#include "json-writer.h"
#include "util/json-reader.h"

#define PREFIX "/control/"

enum { DEPTH_MAX = 4, CLOCK_OFFSET_MAX_SEC = INT32_MAX };

/* Each returns 0, a negative errno, or CONTROL_E_REFUSED with a constant line in *ret_why. */
enum { CONTROL_E_REFUSED = 1 };

static int refuse(const char **ret_why, const char *why)
{
    *ret_why = why;
    return CONTROL_E_REFUSED;
}

/* Refuses members that are not in `known`. */
static int check_members(json_object *input, const char *const *known, const char **ret_why)
{
    json_object_object_foreach (input, name, value) {
        size_t i = 0;

        (void)value;
        while (known[i] && !streq(known[i], name))
            i++;
        if (!known[i])
            return refuse(ret_why, "There is a member that is not known here.");
    }
    return 0;
}

/* Reads a number of seconds from `min` to `max`; `initial` if the member is absent. */
static int get_seconds(json_object *input, const char *name, double min, double max,
                       double *seconds)
{
    json_object *member = NULL;

    json_object_object_get_ex(input, name, &member);
    if (!member)
        return 0;
    if (!json_object_is_type(member, json_type_int) &&
        !json_object_is_type(member, json_type_double))
        return JSON_E_TYPE;
    *seconds = json_object_get_double(member);
    return isfinite(*seconds) && *seconds >= min && *seconds <= max ? 0 : JSON_E_INVALID;
}

static uint64_t after(uint64_t now_usec, double seconds)
{
    return now_usec + (uint64_t)(seconds * (double)USEC_PER_SEC);
}

static int set_credentials(struct control *control, json_object *input, uint64_t now_usec,
                           const char **ret_why)
{
    static const char *const members[] = {"access_key_id",    "secret_access_key", "session_token",
                                          "expire_after_sec", "grace_sec",         NULL};
    struct auth_keys keys = {};
    double expire_after_sec = -1, grace_sec = 0;
    int r = check_members(input, members, ret_why);

    if (r != 0)
        return r;
    if (json_get_string(input, "access_key_id", &keys.access_key_id) != 0 ||
        json_get_string(input, "secret_access_key", &keys.secret_access_key) != 0 ||
        !is_set(keys.access_key_id) || !is_set(keys.secret_access_key))
        return refuse(ret_why, "access_key_id and secret_access_key must be strings.");
    if (json_get_string(input, "session_token", &keys.session_token) == JSON_E_TYPE)
        return refuse(ret_why, "session_token must be a string.");
    if (get_seconds(input, "expire_after_sec", 0, INT32_MAX, &expire_after_sec) != 0 ||
        get_seconds(input, "grace_sec", 0, INT32_MAX, &grace_sec) != 0)
        return refuse(ret_why, "expire_after_sec and grace_sec must be seconds, 0 or more.");
    if (!is_set(keys.session_token))
        keys.session_token = NULL;
    if (expire_after_sec >= 0 && !keys.session_token)
        return refuse(ret_why, "Only keys with a session_token expire.");
    return auth_set_keys(control->auth, &keys,
                         expire_after_sec >= 0 ? after(now_usec, expire_after_sec) : USEC_INFINITY,
                         after(now_usec, grace_sec));
}

static int set_clock(struct control *control, json_object *input, const char **ret_why)
{
    static const char *const members[] = {"offset_sec", NULL};
    double offset = NAN;
    int r = check_members(input, members, ret_why);

    if (r != 0)
        return r;
    if (get_seconds(input, "offset_sec", -CLOCK_OFFSET_MAX_SEC, CLOCK_OFFSET_MAX_SEC, &offset) !=
            0 ||
        isnan(offset))
        return refuse(ret_why, "offset_sec must be a number of seconds.");
    control->clock_offset_sec = (int64_t)offset;
    return 0;
}

static int set_faults(struct control *control, json_object *input, const char **ret_why)
{
    static const char *const members[] = {"faults", NULL};
    CLEANUP(injections_free) struct injections *new = NULL;
    json_object *faults = NULL;
    int r = check_members(input, members, ret_why);

    if (r != 0)
        return r;
    if (json_get(input, "faults", json_type_array, &faults) != 0)
        return refuse(ret_why, "faults must be a list.");
    r = injections_new(control->seed, &new);
    for (size_t i = 0; r == 0 && i < json_object_array_length(faults); i++) {
        json_object *fault = json_object_array_get_idx(faults, i);

        if (!json_object_is_type(fault, json_type_string))
            return refuse(ret_why, "A fault must be a string.");
        r = injections_add(new, json_object_get_string(fault), ret_why);
    }
    if (r != 0)
        return r;
    injections_free(control->injections);
    control->injections = TAKE(new);
    return 0;
}

static int set_permissions(struct control *control, json_object *input, const char **ret_why)
{
    static const char *const members[] = {"denied", NULL};
    struct permissions new = {.is_parameters_first = control->permissions.is_parameters_first};
    json_object *denied = NULL;
    int r = check_members(input, members, ret_why);

    if (r != 0)
        return r;
    if (json_get(input, "denied", json_type_array, &denied) != 0)
        return refuse(ret_why, "denied must be a list.");
    for (size_t i = 0; i < json_object_array_length(denied); i++) {
        json_object *action = json_object_array_get_idx(denied, i);

        if (!json_object_is_type(action, json_type_string) ||
            permissions_deny(&new, json_object_get_string(action)) != 0)
            return refuse(ret_why, "denied has something that is no action of SQS.");
    }
    control->permissions = new;
    return 0;
}

/* *ret_why may point to the text of `fault`. */
static int post(struct control *control, const char *what, const char *body, size_t body_bytes,
                uint64_t now_usec, struct json_fault *fault, const char **ret_why)
{
    CLEANUP(json_object_put) json_object *input = NULL;
    int r = json_read(body, body_bytes, DEPTH_MAX, &input, fault);

    if (r > 0)
        return refuse(ret_why, fault->text);
    if (r < 0)
        return r;
    if (streq(what, "credentials"))
        return set_credentials(control, input, now_usec, ret_why);
    if (streq(what, "clock"))
        return set_clock(control, input, ret_why);
    if (streq(what, "permissions"))
        return set_permissions(control, input, ret_why);
    return set_faults(control, input, ret_why);
}

static void put_counts(const struct control_counts *counts, struct buffer *reply)
{
    const struct {
        const char *name;
        uint64_t count;
    } all[] = {
        {"lost", counts->lost},
        {"reset", counts->reset},
        {"over_limit", counts->over_limit},
        {"duplicates", counts->duplicates},
        {"disordered", counts->disordered},
    };

    buffer_append_char(reply, '{');
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        json_name(reply, all[i].name);
        buffer_printf(reply, "%llu", (unsigned long long)all[i].count);
    }
    buffer_append_char(reply, '}');
}

bool control_has(const char *path)
{
    return strncmp(path, PREFIX, strlen(PREFIX)) == 0;
}

unsigned control_run(struct control *control, const char *method, const char *path,
                     const char *body, size_t body_bytes, uint64_t now_usec, struct buffer *reply)
{
    const char *what = path + strlen(PREFIX), *why = "";
    struct json_fault fault;
    int r;

    if (streq(method, "GET") && streq(what, "faults")) {
        buffer_append_string(reply, "{\"faults\":");
        injections_show(control->injections, reply);
        buffer_append_char(reply, '}');
        return 200;
    }
    if (streq(method, "GET") && streq(what, "counts")) {
        put_counts(&control->counts, reply);
        return 200;
    }
    if (!streq(method, "POST") || (!streq(what, "credentials") && !streq(what, "clock") &&
                                   !streq(what, "permissions") && !streq(what, "faults"))) {
        buffer_append_string(reply, "{\"message\":\"There is no such control request.\"}");
        return 404;
    }
    r = post(control, what, body, body_bytes, now_usec, &fault, &why);
    if (r == 0) {
        buffer_append_string(reply, "{}");
        return 200;
    }
    buffer_append_char(reply, '{');
    json_put(reply, "message", r < 0 ? strerror(-r) : why);
    buffer_append_char(reply, '}');
    return r < 0 ? 500 : 400;
}
