/* SPDX-License-Identifier: MIT */
/* The configuration's text: what libconfig would misread, and what is no configuration. */
#include "config-fixture.h"

/* libconfig 1.5 by itself cuts these down to 32 bits without a word. */
static void large_numbers_are_kept(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } cases[] = {
        {"2147483647", 2147483647},
        {"2147483648", 2147483648},
        {"4294967297", 4294967297},
        {"0xFFFFFFFF", 4294967295},
        {"5000000000L", 5000000000},
        {"1000000000000", 1000000000000},
        {"5000000000LL", 5000000000},
        {"0x0010", 16},
        {"0X1fL", 31},
        {"10L", 10},
        {"+7", 7},
        {"0", 0},
        {"-0", 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(config_free) struct config *c = NULL;
        char text[256];

        snprintf(text, sizeof(text), AWS "producer: { messages_to_send = %s; };", cases[i].text);
        c = parse(text);
        assert_int_equal(c->producer.messages_to_send, cases[i].value);
    }
}

/* libconfig 1.5 reads 0010 as 10, 1.7 as 8, and 1.8 knows prefixes that neither does. */
static void numbers_that_libconfigs_read_differently_are_refused(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"0010", "x.conf:2: found 0010, allowed 10: a number that begins with 0 could be meant as"},
        {"-0010", "found 0010, allowed 10: "},
        {"00", "found 00, allowed 0: "},
        {"08", "found 08, allowed 8: "},
        {"010L", "found 010L, allowed 10L: "},
        {"00000000000000000000000000000000000000000000000000001", ", allowed 1: "},
        {"0b101", "found 0b101, allowed a number in decimal, or 0x and one in hexadecimal"},
        {"0B1", "found 0B1, allowed a number"},
        {"0o17", "found 0o17, allowed a number"},
        {"0x", "found 0x, allowed a number"},
        {"0xFg", "found 0xFg, allowed a number"},
        {"0x1.8", "found 0x1.8, allowed a number"},
        {"5s", "found 5s, allowed a number"},
        {"10l", "found 10l, allowed a number"},
        {"10LLL", "found 10LLL, allowed a number"},
        {"1_000", "found 1_000, allowed a number"},
        {"10-5", "found 10-5, allowed a number"},
        {".", "found ., allowed a number"},
        {"-.", "found ., allowed a number"},
        {".e5", "found .e5, allowed a number"},
        {"1e", "found 1e, allowed a number"},
        {"1e+", "found 1e, allowed a number"},
        {"1.5.5", "found 1.5.5, allowed a number"},
        {"1.5L", "found 1.5L, allowed a number"},
        {"0x1p3", "found 0x1p3, allowed a number"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[256];

        snprintf(text, sizeof(text), AWS "\nconsumer: { timeout = %s; };", cases[i].text);
        assert_refused(text, cases[i].expected);
    }
}

/* Documents write producer.source; a dot would begin a number. */
static void a_setting_named_with_its_group_is_refused_with_the_way_to_write_it(void **state)
{
    assert_refused(AWS "\nproducer.source = \"spool\";",
                   "x.conf:2: found a name with a dot, allowed a name inside its group: ");
    assert_refused(AWS "\nproducer: { producer.source = \"spool\"; };", "found a name with a dot");
}

static void a_comma_behind_the_last_value_is_refused(void **state)
{
    assert_refused(AWS "\nconsumer: { command = [\"/x\",\n]; };",
                   "x.conf:3: found a comma before ] or )");
    assert_refused(AWS "consumer: { command = (\"/x\", /* , */ ); };", "found a comma before");
    assert_refused(AWS "consumer: { command = [,]; };", "found a comma before");
}

static void broken_text_is_refused_with_its_line(void **state)
{
    static const char *const cases[][2] = {
        {"", "x.conf:1: aws.queue_url: not set, but it is required: an http"},
        {"\n\naws:{};", "x.conf:3: aws.queue_url: not set, but it is required"},
        {"# only a comment", "aws.queue_url: not set, but it is required"},
        {AWS "\nproducer:{\nstart_delay 1;};", "x.conf:3: found a syntax error, allowed groups"},
        {AWS "\n}", "x.conf:2: found a syntax error"},
        {AWS "\nlog:{", "x.conf:2: found a syntax error"},
        {AWS "log:{\nlevel=\"info\";\nlevel=\"debug\";};",
         "x.conf:3: log.level: found the same name a second time, allowed once"},
        {AWS "\nlog:{};\nlog:{};", "x.conf:3: log: found the same name a second time"},
        {AWS "\n@include \"/etc/passwd\"\n", "x.conf:2: found @include, allowed settings alone"},
        {AWS "\n  @include \"/etc/passwd\"\n", "x.conf:2: found @include"},
        {AWS "\n@inklude \"/etc/passwd\"\n", "x.conf:2: found a syntax error"},
        {AWS "\nlog:{level=\"info;\n};\n\n", "x.conf:2: found a string without its closing quote"},
        {AWS "\n/* begun\n\n", "x.conf:2: found a comment without its end"},
        {"aws:{queue_url=https://x;};", "x.conf:1: found a syntax error"},
        {"log:{level=[1,\"a\"];};", "x.conf:1: found a syntax error"},
        {"[aws]\nqueue_url=x\n", "x.conf:1: found a syntax error"},
        {AWS "\nproducer:{message_group_id=\"a\\x00b\";};", "x.conf:2: found a NUL byte"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(cases[i][0], cases[i][1]);
    assert_refused_sized(AWS "\n\n\0x", sizeof(AWS "\n\n\0x") - 1, "x.conf:3: found a NUL byte");
}

static void marks_inside_strings_and_comments_mean_nothing(void **state)
{
    CLEANUP(config_free)
    struct config *c = parse(
        "\xef\xbb\xbf# \"an open quote and @include\n/* \" \n @include \"x\"\n # "
        "99999999999999999999 */\n"
        "aws: { " QUEUE " profile = \"a\\\"@include \" \"# // /* 5000000000 \\\\\"; // \"\n};");

    assert_string_equal(c->aws.profile, "a\"@include # // /* 5000000000 \\");
}

static void a_text_beyond_the_cap_is_refused(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_FILE_MAX_BYTES + 1);
    CLEANUP(config_free) struct config *c = NULL;

    buffer_append_string(&b, AWS "\n#");
    while (b.size < CONFIG_FILE_MAX_BYTES)
        buffer_append_char(&b, 'x');
    c = parse(buffer_string(&b));
    buffer_append_char(&b, 'x');
    assert_refused_sized(b.data, b.size, "found more than 256 KiB");
}

/* Groups in groups, and numbers that grow by being rewritten, up to the cap. */
/* libconfig compares each name with all before it: 20,000 would cost four times what 10,000 do. */
static void too_many_names_are_refused_before_they_are_compared(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(1 << 20);

    buffer_append_string(&b, "x:{");
    for (int i = 1; i < 1000; i++)
        buffer_printf(&b, "\na%d=1;", i);
    assert_refused(buffer_string(&b), ":1000: found a syntax error");
    buffer_append_string(&b, "\nb=1;};");
    assert_refused(buffer_string(&b), ":1001: found more than 1000 names");
}

static void hostile_texts_end_in_an_error(void **state)
{
    static const char *const pieces[] = {"a:{",  "a=(", "((", "0xFFFFFFFFFFFFFFFF,",
                                         "\"\"", "-",   "{",  "é"};

    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_FILE_MAX_BYTES);
        CLEANUP(free) char *error = NULL;
        struct config *c = NULL;

        while (buffer_append_string(&b, pieces[i]) == 0)
            ;
        assert_int_equal(config_parse("x", b.data, b.size, &c, &error), CONFIG_E_INVALID);
        assert_true(strlen(error) < 1024);
    }
}

/* Whatever the bytes, the answer is a config or one line. Reproducible: a fixed seed. */
static void random_texts_do_no_harm(void **state)
{
    static const char *const pieces[] = {
        "aws",  "log",    ":",   "=",    "{",           "}",     ";",  "\n", "\"",
        "\\",   "#",      "//",  "/*",   "*/",          "5",     "0x", "L",  ".",
        "e",    "-",      "(",   ")",    "[",           "]",     ",",  " ",  "@include",
        "true", "region", QUEUE, "\xff", "99999999999", "level", "\t", "_",  "\r",
    };
    unsigned seed = 1;

    for (int i = 0; i < 3000; i++) {
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);
        CLEANUP(config_free) struct config *c = NULL;
        CLEANUP(free) char *error = NULL;
        int r;

        for (int n = (int)(rand_r(&seed) % 30); n > 0; n--)
            buffer_append_string(&b, pieces[(size_t)rand_r(&seed) % ARRAY_SIZE(pieces)]);
        r = config_parse("x", buffer_string(&b), b.size, &c, &error);
        assert_true(r == 0 ? c && !error : r == CONFIG_E_INVALID && !c && error);
        assert_true(r == 0 || !strchr(error, '\n'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_numbers_are_kept),
        cmocka_unit_test(numbers_that_libconfigs_read_differently_are_refused),
        cmocka_unit_test(a_setting_named_with_its_group_is_refused_with_the_way_to_write_it),
        cmocka_unit_test(a_comma_behind_the_last_value_is_refused),
        cmocka_unit_test(broken_text_is_refused_with_its_line),
        cmocka_unit_test(marks_inside_strings_and_comments_mean_nothing),
        cmocka_unit_test(a_text_beyond_the_cap_is_refused),
        cmocka_unit_test(too_many_names_are_refused_before_they_are_compared),
        cmocka_unit_test(hostile_texts_end_in_an_error),
        cmocka_unit_test(random_texts_do_no_harm),
    };

    return cmocka_run_group_tests_name("daemon-config-text", tests, NULL, NULL);
}
