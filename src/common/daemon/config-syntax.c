/* SPDX-License-Identifier: MIT */
#include "daemon/config-syntax.h"

#include "util/ascii.h"
#include "util/encode.h"

enum { NUMBER_SHOWN_MAX_BYTES = 40 };

/* libconfig reports only the line of a duplicate name, not the name. But the tree still has all
 * settings that were read before the error. So the first word on that line that is already a
 * setting in the tree is taken as the duplicate. */
static int invalid_duplicate(struct config_reader *r, const config_t *tree, const char *text)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);
    config_setting_t *root = config_root_setting(tree);
    int n_groups = config_setting_length(root);
    config_setting_t *last =
        n_groups > 0 ? config_setting_get_elem(root, (unsigned)n_groups - 1) : NULL;
    unsigned line = (unsigned)config_error_line(tree);
    const char *end;

    for (unsigned at = 1; at < line && text; at++) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    for (; text && b.size == 0 && *text != '\0' && *text != '\n'; text = end) {
        char name[CONFIG_NAME_SHOWN_MAX_BYTES + 1];
        size_t size;

        while (*text != '\0' && *text != '\n' && !config_text_begins_name(*text))
            text++;
        for (end = text; config_text_continues_name(*end);)
            end++;
        size = (size_t)(end - text);
        if (size == 0 || size >= sizeof(name))
            continue;
        memcpy(name, text, size);
        name[size] = '\0';
        if (last && config_setting_is_group(last) && config_setting_get_member(last, name))
            buffer_printf(&b, "%s.%s: ", config_setting_name(last), name);
        else if (config_setting_get_member(root, name))
            buffer_printf(&b, "%s: ", name);
    }
    buffer_append_string(&b, "found the same name a second time, allowed once");
    return config_invalid(r, line, &b);
}

/* For a number such as 0010, the line also shows the number that was probably meant. */
static int invalid_number(struct config_reader *r, int fault, const struct config_text_place *place)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);
    size_t zeros = 0;

    buffer_append_string(&b, "found ");
    escape_for_log(&b, place->bytes, place->size, NUMBER_SHOWN_MAX_BYTES);
    if (fault == CONFIG_TEXT_BAD_NUMBER) {
        buffer_append_string(&b, ", allowed a number in decimal, or 0x and one in hexadecimal");
    } else {
        while (place->bytes[zeros] == '0' && zeros + 1 < place->size &&
               is_digit(place->bytes[zeros + 1]))
            zeros++;
        buffer_append_string(&b, ", allowed ");
        escape_for_log(&b, place->bytes + zeros, place->size - zeros, NUMBER_SHOWN_MAX_BYTES);
        buffer_append_string(&b, ": a number that begins with 0 could be meant as octal");
    }
    return config_invalid(r, place->line, &b);
}

int config_invalid_preparation(struct config_reader *r, int fault,
                               const struct config_text_place *place)
{
    unsigned line = place->line;

    switch (fault) {
    case CONFIG_TEXT_LEADING_ZERO:
    case CONFIG_TEXT_BAD_NUMBER:
        return invalid_number(r, fault, place);
    case CONFIG_TEXT_DOTTED_NAME:
        return config_invalid_text(
            r, line,
            "found a name with a dot, allowed a name inside its group: what is called "
            "producer.source is written producer: { source = \"spool\"; };");
    case CONFIG_TEXT_LAST_COMMA:
        return config_invalid_text(r, line,
                                   "found a comma before ] or ), allowed between values alone");
    case CONFIG_TEXT_NUL:
        return config_invalid_text(r, line, "found a NUL byte, allowed text in UTF-8");
    case CONFIG_TEXT_INCLUDE:
        return config_invalid_text(r, line,
                                   "found @include, allowed settings alone: all stand in one file");
    case CONFIG_TEXT_OPEN_STRING:
        return config_invalid_text(r, line,
                                   "found a string without its closing quote, allowed \"text\"");
    case CONFIG_TEXT_TOO_MANY:
        return config_invalid_text(
            r, line,
            "found more than 1000 names, allowed each setting once, and there "
            "are fewer");
    default:
        return config_invalid_text(r, line, "found a comment without its end, allowed /* text */");
    }
}

int config_invalid_syntax(struct config_reader *r, const config_t *tree, const char *text)
{
    if (config_error_text(tree) && streq(config_error_text(tree), "duplicate setting name"))
        return invalid_duplicate(r, tree, text);
    return config_invalid_text(
        r, (unsigned)config_error_line(tree),
        "found a syntax error, allowed groups as in aws: { name = value; };"
        " look for a wrong quote, brace or semicolon on this line or before it");
}
