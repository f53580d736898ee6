/* SPDX-License-Identifier: MIT */
#include "util/json-value.h"

#include "util/ascii.h"

/* The last member of that name. NULL: there is none, or it is null. */
static const struct json_value *find(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_value_first(object), *found = NULL;
    size_t size = strlen(name);

    for (uint32_t i = 0; i < object->n; i++, value = json_value_next(value))
        if (value->name_bytes == size && memcmp(value->name, name, size) == 0)
            found = value;
    return found && found->kind != JSON_NULL ? found : NULL;
}

int json_value_get(const struct json_value *object, const char *name, enum json_kind kind,
                   const struct json_value **ret)
{
    const struct json_value *value = find(object, name);

    if (!value)
        return JSON_VALUE_E_ABSENT;
    if (value->kind != kind)
        return JSON_VALUE_E_KIND;
    *ret = value;
    return 0;
}

int json_value_get_bytes(const struct json_value *object, const char *name, const char **ret,
                         size_t *ret_bytes)
{
    const struct json_value *value;
    int r = json_value_get(object, name, JSON_STRING, &value);

    if (r != 0)
        return r;
    *ret = value->text;
    *ret_bytes = value->n;
    return 0;
}

int json_value_get_string(const struct json_value *object, const char *name, const char **ret)
{
    const char *text;
    size_t size;
    int r = json_value_get_bytes(object, name, &text, &size);

    if (r != 0)
        return r;
    if (memchr(text, '\0', size))
        return JSON_VALUE_E_KIND;
    *ret = text;
    return 0;
}

int json_value_get_bool(const struct json_value *object, const char *name, bool *ret)
{
    const struct json_value *value = find(object, name);

    if (!value)
        return JSON_VALUE_E_ABSENT;
    if (value->kind != JSON_TRUE && value->kind != JSON_FALSE)
        return JSON_VALUE_E_KIND;
    *ret = value->kind == JSON_TRUE;
    return 0;
}

int json_value_get_integer(const struct json_value *object, const char *name, int64_t *ret)
{
    const struct json_value *value;
    int r = json_value_get(object, name, JSON_NUMBER, &value);
    bool is_negative;
    int64_t number = 0;

    if (r != 0)
        return r;
    is_negative = value->text[0] == '-';
    for (uint32_t i = is_negative; i < value->n; i++) {
        int64_t digit = value->text[i] - '0';

        if (!is_digit(value->text[i]))
            return JSON_VALUE_E_KIND;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, is_negative ? -digit : digit, &number))
            number = is_negative ? INT64_MIN : INT64_MAX;
    }
    *ret = number;
    return 0;
}
