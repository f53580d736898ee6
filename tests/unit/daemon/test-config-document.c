/* SPDX-License-Identifier: MIT */
#include "daemon/config-document.h"

#include <ctype.h>
#include <errno.h>

#include "config-fixture.h"
#include "daemon/config-reload.h"

static void make(int (*document)(struct buffer *out), struct buffer *b)
{
    assert_int_equal(document(b), 0);
    assert_int_equal(b->error, 0);
}

static void every_setting_has_a_text_of_sentences(void **state)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;
        size_t backquotes = 0, size = s->text ? strlen(s->text) : 0;

        if (size == 0 || s->text[size - 1] != '.' || !isupper((unsigned char)s->text[0]))
            print_error("%s.%s has no text of sentences\n", s->group, s->name);
        assert_true(size > 0);
        assert_int_equal(s->text[size - 1], '.');
        assert_true(isupper((unsigned char)s->text[0]));
        for (const char *c = s->text; *c != '\0'; c++)
            backquotes += *c == '`';
        assert_int_equal(backquotes % 2, 0);
        assert_null(strstr(s->text, "  "));
        assert_null(strchr(s->text, '\n'));
    }
}

static void the_example_parses_to_the_defaults(void **state)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(131072);
    CLEANUP(config_free) struct config *defaults = parse(AWS), *example = NULL;
    struct config_change change;
    size_t at = 0;

    make(config_document_example, &text);
    example = parse(buffer_string(&text));
    assert_true(config_next_change(defaults, example, &at, &change));
    assert_string_equal(change.name, "aws.queue_url");
    assert_false(config_next_change(defaults, example, &at, &change));
}

/* Those in comments are examples, where the default is none, and the demo's defaults elsewhere. */
static void values_in_comments_of_the_example_parse(void **state)
{
    static const char *const own[] = {
        "aws.region",       "aws.queue_url", "aws.endpoint_url",
        "aws.profile",      "aws.ca_bundle", "producer.metrics_listen",
        "consumer.command", "consumer.url",  "consumer.metrics_listen"};
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(131072);
    CLEANUP(config_free) struct config *defaults = parse(AWS), *example = NULL;
    struct config_change change;
    size_t at = 0;

    make(config_document_example, &text);
    for (char *p = text.data; (p = strstr(p, "\n    # ")); p++) {
        size_t n = strspn(p + 7, "abcdefghijklmnopqrstuvwxyz_");

        if (n > 0 && strncmp(p + 7 + n, " = ", 3) == 0)
            p[5] = ' ';
    }
    example = parse(buffer_string(&text));
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        assert_true(config_next_change(defaults, example, &at, &change));
        assert_string_equal(change.name, own[i]);
    }
    assert_false(config_next_change(defaults, example, &at, &change));
}

static void the_example_has_every_setting_after_a_comment(void **state)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(131072);
    const char *at;

    make(config_document_example, &text);
    at = text.data;
    for (size_t i = 0; i < config_n_settings; i++) {
        char plain[80], commented[80];
        const char *found, *end;

        snprintf(plain, sizeof(plain), "\n    %s = ", config_settings[i].name);
        snprintf(commented, sizeof(commented), "\n    # %s = ", config_settings[i].name);
        found = strstr(at, plain);
        end = strstr(at, commented);
        found = !found || (end && end < found) ? end : found;
        if (!found)
            print_error("not in the example: %s\n", plain);
        assert_non_null(found);
        at = found;
        /* The line before is a comment. */
        do
            found--;
        while (*found != '\n');
        assert_memory_equal(found, "\n    # ", 7);
    }
}

static void facts_of_a_setting_are_in_its_comment(void **state)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(131072);

    make(config_document_example, &text);
    assert_non_null(strstr(text.data, "    # Allowed: 0.1 to 60 seconds. Default: 5. A reload "
                                      "changes it for the next message or request.\n"
                                      "    connect_timeout = 5;\n"));
    assert_non_null(strstr(text.data, "Default: 0.5 with source \"demo\", otherwise 0. "));
    assert_non_null(strstr(text.data, "    # exit_after_empty_receives = 10;\n"));
    assert_non_null(strstr(text.data, "Default: 134217728 (128 MiB). "));
    assert_non_null(strstr(text.data, "Allowed: \"error\", \"warning\", \"notice\", \"info\", "
                                      "\"debug\". Default: \"info\". A reload changes it at "
                                      "once.\n    level = \"info\";\n"));
    for (const char *line = text.data; *line != '\0'; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 120);
}

static void the_manual_has_every_setting_in_its_group(void **state)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(131072);
    const char *at, *group = "";

    make(config_document_manual, &text);
    at = text.data;
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *s = config_settings + i;
        char line[80];

        if (!streq(group, s->group)) {
            snprintf(line, sizeof(line), ".Ss Group %s\n.Bl -tag -width 4n\n", s->group);
            at = strstr(at, line);
            assert_non_null(at);
        }
        group = s->group;
        snprintf(line, sizeof(line), "\n.It Cm %s\n", s->name);
        at = strstr(at, line);
        assert_non_null(at);
    }
    assert_string_equal(text.data + text.size - 5, "\n.El\n");
}

/* What begins a line with "." or "'" is a macro for mandoc. */
static void text_in_the_manual_makes_no_macro(void **state)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(131072);

    make(config_document_manual, &text);
    for (const char *line = text.data; *line != '\0'; line += strcspn(line, "\n") + 1) {
        assert_int_not_equal(line[0], '\'');
        if (line[0] == '.')
            assert_true(isupper((unsigned char)line[1]));
    }
    assert_null(strchr(text.data, '`'));
    assert_null(strstr(text.data, "--"));
    assert_non_null(strstr(text.data, "\\fBsqs\\-producerd \\-\\-submit\\fR"));
}

static void completion_has_the_names_and_the_few_values(void **state)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(131072);
    size_t n = 0;

    make(config_document_completion, &text);
    assert_non_null(strstr(text.data, "\nlog.level error warning notice info debug\n"));
    assert_non_null(strstr(text.data, "\naws.use_fips_endpoint true false\n"));
    assert_non_null(strstr(text.data, "\nconsumer.url\n"));
    for (const char *c = text.data; *c != '\0'; c++)
        n += *c == '\n';
    assert_int_equal(n, config_n_settings);
}

static int make_words(struct buffer *out)
{
    return buffer_append_string(out, "some\nwords\n");
}

static int make_nothing(struct buffer *out)
{
    return -ENOMEM;
}

static void a_template_gets_the_document_in_its_line(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);

    assert_int_equal(config_document_fill("a\n@SETTINGS@\nb", make_words, &b), 0);
    assert_string_equal(buffer_string(&b), "a\nsome\nwords\nb");
    buffer_reset(&b);
    assert_int_equal(config_document_fill("a @SETTINGS@\n", make_words, &b), -EINVAL);
    assert_int_equal(config_document_fill("", make_words, &b), -EINVAL);
    assert_int_equal(config_document_fill("@SETTINGS@\n", make_nothing, &b), -ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_has_a_text_of_sentences),
        cmocka_unit_test(the_example_parses_to_the_defaults),
        cmocka_unit_test(values_in_comments_of_the_example_parse),
        cmocka_unit_test(the_example_has_every_setting_after_a_comment),
        cmocka_unit_test(facts_of_a_setting_are_in_its_comment),
        cmocka_unit_test(the_manual_has_every_setting_in_its_group),
        cmocka_unit_test(text_in_the_manual_makes_no_macro),
        cmocka_unit_test(completion_has_the_names_and_the_few_values),
        cmocka_unit_test(a_template_gets_the_document_in_its_line),
    };

    return cmocka_run_group_tests_name("daemon-config-document", tests, NULL, NULL);
}
