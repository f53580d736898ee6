/* SPDX-License-Identifier: MIT */
#include "daemon/config-document.h"

#include <errno.h>

#include "daemon/config-table.h"

enum { COMMENT_COLUMNS = 108, MANUAL_COLUMNS = 72 };

#define PLACEHOLDER "@SETTINGS@\n"

/* ---- Paragraphs ---- */

/* Words in lines. In mdoc each sentence begins a line. */
struct paragraph {
    struct buffer *out;
    bool is_mdoc;
    const char *indent; /* before each line */
    size_t column;      /* 0: a line begins */
    bool is_code;       /* mdoc: between two backquotes */
};

static void end_line(struct paragraph *p)
{
    if (p->column > 0)
        buffer_append_char(p->out, '\n');
    p->column = 0;
}

/* mdoc: bold instead of backquotes, a minus that can be copied, no macro at the begin of a line. */
static void append_mdoc_char(struct paragraph *p, char c, bool is_first)
{
    switch (c) {
    case '`':
        p->is_code = !p->is_code;
        buffer_append_string(p->out, p->is_code ? "\\fB" : "\\fR");
        break;
    case '\\':
        buffer_append_string(p->out, "\\e");
        break;
    case '-':
        buffer_append_string(p->out, "\\-");
        break;
    default:
        if (is_first && (c == '.' || c == '\''))
            buffer_append_string(p->out, "\\&");
        buffer_append_char(p->out, c);
        break;
    }
}

static void add_word(struct paragraph *p, const char *word, size_t size)
{
    size_t columns = p->is_mdoc ? MANUAL_COLUMNS : COMMENT_COLUMNS;

    if (p->column > 0 && p->column + 1 + size > columns)
        end_line(p);
    if (p->column > 0) {
        buffer_append_char(p->out, ' ');
        p->column++;
    } else {
        buffer_append_string(p->out, p->indent);
        p->column += strlen(p->indent);
    }
    for (size_t i = 0; i < size; i++)
        if (p->is_mdoc)
            append_mdoc_char(p, word[i], i == 0);
        else
            buffer_append_char(p->out, word[i]);
    p->column += size;
}

static void add_text(struct paragraph *p, const char *text)
{
    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        const char *next = text + size + strspn(text + size, " ");

        add_word(p, text, size);
        if (p->is_mdoc && text[size - 1] == '.' && (*next < 'a' || *next > 'z'))
            end_line(p);
        text = next;
    }
}

/* ---- What is known of a setting ---- */

/* 134217728 bytes are 128 MiB. */
static void append_mebibytes(struct buffer *b, const struct setting *s)
{
    uint64_t mebibyte = 1024 * 1024;

    if (s->kind == SETTING_COUNT && streq(s->unit, " bytes") && s->value % mebibyte == 0)
        buffer_printf(b, " (%llu MiB)", (unsigned long long)(s->value / mebibyte));
}

static void append_default(struct buffer *b, const struct setting *s)
{
    if (s->kind == SETTING_STRINGS) {
        buffer_append_string(b, "Default: none.");
    } else if (s->kind == SETTING_STRING) {
        if (s->string)
            buffer_printf(b, "Default: \"%s\".", s->string);
        else
            buffer_append_string(b, "It is required.");
    } else if (s->has_demo_value) {
        buffer_append_string(b, "Default: ");
        config_append_value(b, s, s->demo_value);
        buffer_printf(b, " with %s, otherwise ",
                      streq(s->group, "producer") ? "source \"demo\"" : "handler \"journal\"");
        config_append_value(b, s, s->value);
        buffer_append_char(b, '.');
    } else {
        buffer_append_string(b, "Default: ");
        config_append_value(b, s, s->value);
        append_mebibytes(b, s);
        buffer_append_char(b, '.');
    }
}

static const char *reload_sentence(enum config_reload reload)
{
    switch (reload) {
    case CONFIG_RELOAD_NOW:
        return "A reload changes it at once.";
    case CONFIG_RELOAD_NEXT_MESSAGE:
        return "A reload changes it for the next message or request.";
    default:
        return "A change needs a restart.";
    }
}

/* One line: the range, the default, and what a change needs. */
static void append_facts(struct buffer *b, const struct setting *s)
{
    buffer_append_string(b, "Allowed: ");
    config_append_allowed(b, s);
    buffer_append_string(b, ". ");
    append_default(b, s);
    buffer_append_char(b, ' ');
    buffer_append_string(b, reload_sentence(s->reload));
}

static int add_facts(struct paragraph *p, const struct setting *s)
{
    CLEANUP(buffer_done) struct buffer facts = BUFFER_INIT(4096);

    append_facts(&facts, s);
    if (facts.error < 0)
        return facts.error;
    add_text(p, buffer_string(&facts));
    return 0;
}

/* ---- The manual ---- */

static int append_item(struct buffer *out, const struct setting *s)
{
    struct paragraph p = {.out = out, .is_mdoc = true, .indent = ""};
    int r;

    buffer_printf(out, ".It Cm %s\n", s->name);
    add_text(&p, s->text);
    end_line(&p);
    buffer_append_string(out, ".Pp\n");
    r = add_facts(&p, s);
    end_line(&p);
    return r;
}

int config_document_manual(struct buffer *out)
{
    const char *group = "";

    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;
        int r;

        if (!streq(group, s->group))
            buffer_printf(out, "%s.Ss Group %s\n.Bl -tag -width 4n\n", i > 0 ? ".El\n" : "",
                          s->group);
        group = s->group;
        r = append_item(out, s);
        if (r < 0)
            return r;
    }
    return buffer_append_string(out, ".El\n");
}

/* ---- The example ---- */

#define EXAMPLE_HEAD                                                                               \
    "# All settings of sqs-producerd and sqs-consumerd, each with its default. It is an "          \
    "example:\n"                                                                                   \
    "# copy into /etc/sqs-demo.conf what you change. sqs-demo.conf(5) describes the syntax, and\n" \
    "# the other places where settings can be.\n"                                                  \
    "#\n"                                                                                          \
    "# A setting with a # before its name has no default, or one that depends on other "           \
    "settings.\n"                                                                                  \
    "# After a change, run `sqs-producerd --check-config` or `sqs-consumerd --check-config`, "     \
    "then\n"                                                                                       \
    "# `systemctl reload` or, where a setting needs it, `systemctl restart`.\n"

static bool is_commented(const struct setting *s)
{
    bool is_required = s->kind == SETTING_STRING && !s->string;

    return config_default_depends(s) || (s->example && !is_required);
}

static void append_example_value(struct buffer *out, const struct setting *s)
{
    if (s->example)
        buffer_append_string(out, s->example);
    else if (s->kind == SETTING_STRING)
        buffer_printf(out, "\"%s\"", s->string);
    else
        config_append_value(out, s, s->has_demo_value ? s->demo_value : s->value);
}

static int append_example(struct buffer *out, const struct setting *s)
{
    struct paragraph p = {.out = out, .indent = "    # "};
    int r;

    add_text(&p, s->text);
    end_line(&p);
    r = add_facts(&p, s);
    end_line(&p);
    buffer_printf(out, "    %s%s = ", is_commented(s) ? "# " : "", s->name);
    append_example_value(out, s);
    buffer_append_string(out, ";\n");
    return r;
}

int config_document_example(struct buffer *out)
{
    const char *group = "";

    buffer_append_string(out, EXAMPLE_HEAD);
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;
        bool is_new = !streq(group, s->group);
        int r;

        if (is_new)
            buffer_printf(out, "%s\n%s:\n{\n", i > 0 ? "};\n" : "", s->group);
        else
            buffer_append_char(out, '\n');
        group = s->group;
        r = append_example(out, s);
        if (r < 0)
            return r;
    }
    return buffer_append_string(out, "};\n");
}

/* ---- The completion ---- */

int config_document_completion(struct buffer *out)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;

        buffer_printf(out, "%s.%s", s->group, s->name);
        for (size_t k = 0; s->kind == SETTING_CHOICE && s->choices[k].name; k++)
            buffer_printf(out, " %s", s->choices[k].name);
        buffer_append_string(out, s->kind == SETTING_BOOL ? " true false\n" : "\n");
    }
    return out->error;
}

/* ---- Templates ---- */

int config_document_fill(const char *text, int (*make)(struct buffer *out), struct buffer *out)
{
    bool is_filled = false;

    while (*text != '\0') {
        size_t size = strcspn(text, "\n");

        size += text[size] == '\n';
        if (size == strlen(PLACEHOLDER) && strncmp(text, PLACEHOLDER, size) == 0) {
            int r = make(out);

            if (r < 0)
                return r;
            is_filled = true;
        } else {
            buffer_append(out, text, size);
        }
        text += size;
    }
    return is_filled ? out->error : -EINVAL;
}
