/* SPDX-License-Identifier: MIT */
#include "sqs/message.h"
#include "test.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>

static const struct sqs_attribute published[] = {
    {"customNumberTypeAttrib", "Number.float", "4563442423554324324264524243.32543234", 37, false},
    {"attribName1", "String", "attribValue 1", 13, false},
    {"binaryAttribute", "Binary", "Hello binary world!", 19, true},
};

static struct sqs_message message_of(const char *body, size_t body_bytes)
{
    return (struct sqs_message){
        .body = body, .body_bytes = body_bytes, .group_id = "g", .delay_sec = -1};
}

/* Runs first, while nothing has been fetched yet, and in a child, as what is fetched stays. */
static void md5_unavailable_is_told(void **state)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        char md5[SQS_MD5_SIZE] = "untouched";
        bool ok = EVP_set_default_properties(NULL, "fips=yes") == 1 &&
                  sqs_md5_body("a", 1, md5) == SQS_MD5_E_UNAVAILABLE &&
                  sqs_md5_attributes(published, 1, md5) == SQS_MD5_E_UNAVAILABLE &&
                  streq(md5, "untouched");

        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void md5_of_bodies_is_that_of_rfc_1321(void **state)
{
    static const char *const figures[][2] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
    };
    char md5[SQS_MD5_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
        assert_int_equal(sqs_md5_body(figures[i][0], strlen(figures[i][0]), md5), 0);
        assert_string_equal(md5, figures[i][1]);
    }
}

static void md5_of_attributes_is_as_published(void **state)
{
    static const char *const alone[] = {
        "9fe1b90bbd9965bdf77bac517c7d2495",
        "19e27d4e946b072f3f58da80d94fd778",
        "31a92b15d92f8db860eda32aceb656c3",
    };
    char md5[SQS_MD5_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(alone); i++) {
        assert_int_equal(sqs_md5_attributes(&published[i], 1, md5), 0);
        assert_string_equal(md5, alone[i]);
    }
}

static void md5_of_attributes_does_not_depend_on_their_order(void **state)
{
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    char md5[SQS_MD5_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        struct sqs_attribute attributes[3];

        for (size_t k = 0; k < 3; k++)
            attributes[k] = published[orders[i][k]];
        assert_int_equal(sqs_md5_attributes(attributes, 3, md5), 0);
        assert_string_equal(md5, "c932db14a896c663f83c260297d594ff");
    }
}

static void size_counts_names_types_and_values(void **state)
{
    struct sqs_message message = message_of("12345", 5);

    assert_int_equal(sqs_message_bytes(&message), 5);
    message.attributes = published;
    message.n_attributes = 2;
    assert_int_equal(sqs_message_bytes(&message), 5 + 22 + 12 + 37 + 11 + 6 + 13);
}

static void assert_valid(const struct sqs_message *message, bool is_fifo)
{
    char *error = NULL;
    int r = sqs_message_check(message, is_fifo, SQS_MESSAGE_MAX_BYTES, &error);

    if (r != 0)
        print_error("refused: %s\n", error ? error : "(no line)");
    free(error);
    assert_int_equal(r, 0);
}

/* The line must hold `says`. */
static void assert_invalid(const struct sqs_message *message, bool is_fifo, const char *says)
{
    CLEANUP(free) char *error = NULL;

    assert_int_equal(sqs_message_check(message, is_fifo, SQS_MESSAGE_MAX_BYTES, NULL),
                     SQS_MESSAGE_E_INVALID);
    assert_int_equal(sqs_message_check(message, is_fifo, SQS_MESSAGE_MAX_BYTES, &error),
                     SQS_MESSAGE_E_INVALID);
    assert_non_null(error);
    if (!strstr(error, says))
        print_error("line \"%s\" lacks \"%s\"\n", error, says);
    assert_non_null(strstr(error, says));
    assert_null(strchr(error, '\n'));
}

static void characters_of_a_body_are_those_that_sqs_takes(void **state)
{
    static const struct {
        const char *body;
        size_t bytes;
        const char *says; /* NULL: valid */
    } rows[] = {
        {"x", 1, NULL},
        {"\t\n\r ~", 5, NULL},
        {"\x7f", 1, NULL},
        {"\xc2\x80", 2, NULL},
        {"\xed\x9f\xbf", 3, NULL},     /* U+D7FF */
        {"\xee\x80\x80", 3, NULL},     /* U+E000 */
        {"\xef\xbf\xbd", 3, NULL},     /* U+FFFD */
        {"\xf0\x90\x80\x80", 4, NULL}, /* U+10000 */
        {"\xf4\x8f\xbf\xbf", 4, NULL}, /* U+10FFFF */
        {"", 0, "body: empty"},
        {"ab\0c", 4, "U+0000 at byte 3"},
        {"\x08", 1, "U+0008 at byte 1"},
        {"a\x0b", 2, "U+000B at byte 2"},
        {"\x0c", 1, "U+000C"},
        {"\x1f", 1, "U+001F"},
        {"\xef\xbf\xbe", 3, "U+FFFE"},
        {"\xef\xbf\xbf", 3, "U+FFFF"},
        {"\xed\xa0\x80", 3, "byte 1 (0xed)"}, /* a surrogate */
        {"\xc0\x80", 2, "byte 1 (0xc0)"},     /* overlong */
        {"ok\xc3", 3, "byte 3 (0xc3)"},       /* cut off */
        {"\xf4\x90\x80\x80", 4, "UTF-8"},     /* past U+10FFFF */
        {"\xff", 1, "UTF-8"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sqs_message message = message_of(rows[i].body, rows[i].bytes);

        if (rows[i].says)
            assert_invalid(&message, true, rows[i].says);
        else
            assert_valid(&message, true);
    }
}

static void characters_are_checked_wherever_they_stand(void **state)
{
    static const unsigned char around[] = {' ', '~', 0x7f, '@', 'a'};
    char body[40], says[64];

    for (size_t k = 0; k < ARRAY_SIZE(around); k++)
        for (size_t i = 0; i < sizeof(body); i++)
            for (unsigned byte = 0; byte <= 0xff; byte++) {
                struct sqs_message message = message_of(body, sizeof(body));
                bool is_good =
                    byte == '\t' || byte == '\n' || byte == '\r' || (byte >= 0x20 && byte < 0x80);

                memset(body, around[k], sizeof(body));
                body[i] = (char)byte;
                snprintf(says, sizeof(says), byte < 0x80 ? "at byte %zu " : "byte %zu (", i + 1);
                if (is_good)
                    assert_valid(&message, true);
                else
                    assert_invalid(&message, true, says);
            }
}

static void error_line_never_shows_the_body(void **state)
{
    CLEANUP(free) char *error = NULL;
    struct sqs_message message = message_of("secret\x01", 7);

    assert_int_equal(sqs_message_check(&message, true, 1000, &error), SQS_MESSAGE_E_INVALID);
    assert_null(strstr(error, "secret"));
}

static void size_limit_is_exact(void **state)
{
    struct sqs_message message = message_of("12345", 5);
    CLEANUP(free) char *error = NULL;

    message.attributes = published + 1;
    message.n_attributes = 1;
    assert_int_equal(sqs_message_check(&message, true, 35, NULL), 0);
    assert_int_equal(sqs_message_check(&message, true, 34, &error), SQS_MESSAGE_E_INVALID);
    assert_string_equal(error, "message: 35 bytes with its attributes, the queue takes at most 34");
}

static void ids_are_1_to_128_printable_characters(void **state)
{
    static const char punctuation[] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~azAZ09";
    char longest[130];
    struct sqs_message message = message_of("x", 1);

    memset(longest, 'i', 129);
    longest[128] = longest[129] = '\0';
    message.group_id = longest;
    message.deduplication_id = punctuation;
    assert_valid(&message, true);
    longest[128] = 'i';
    assert_invalid(&message, true, "group id: 129 characters");
    message.group_id = "";
    assert_invalid(&message, true, "group id: 0 characters");
    message.group_id = "a b";
    assert_invalid(&message, true, "group id: character 2 (0x20)");
    message.group_id = punctuation;
    message.deduplication_id = "\xc3\xa4";
    assert_invalid(&message, true, "deduplication id: character 1 (0xc3)");
    message.deduplication_id = "a\x7f";
    assert_invalid(&message, true, "deduplication id: character 2 (0x7f)");
    message.deduplication_id = longest;
    assert_invalid(&message, true, "deduplication id: 129 characters");
}

static void queue_kinds_take_different_ids_and_delays(void **state)
{
    struct sqs_message message = message_of("x", 1);

    assert_valid(&message, false); /* a group on a standard queue marks a tenant */
    message.delay_sec = 900;
    assert_valid(&message, false);
    assert_invalid(&message, true, "delay: 900 s, but");
    message.delay_sec = 901;
    assert_invalid(&message, false, "delay: 901 s");
    message.delay_sec = -2;
    assert_invalid(&message, false, "delay: -2 s");
    message.delay_sec = 0;
    assert_valid(&message, true);
    message.deduplication_id = "d";
    assert_valid(&message, true);
    assert_invalid(&message, false, "deduplication id: set");
    message.deduplication_id = NULL;
    message.group_id = NULL;
    assert_valid(&message, false);
    assert_invalid(&message, true, "group id: missing");
}

static void attributes_follow_their_rules(void **state)
{
    static char name_256[257], name_257[258], type_256[257], type_257[258];
    const struct {
        struct sqs_attribute attribute;
        const char *says; /* NULL: valid */
    } rows[] = {
        {{"a.b-c_9", "String", "v", 1, false}, NULL},
        {{name_256, type_256, "v", 1, false}, NULL},
        {{"n", "Number", "-1.5e+10", 8, false}, NULL},
        {{"n", "Number.int", "0", 1, false}, NULL},
        {{"n", "Number", ".5", 2, false}, NULL},
        {{"n", "Number", "5.", 2, false}, NULL},
        {{"b", "Binary", "\0\xff", 2, true}, NULL},
        {{"b", "Binary.gif", "\0", 1, true}, NULL},
        {{"AWSome", "String", "v", 1, false}, NULL},
        {{"", "String", "v", 1, false}, "name of 0"},
        {{name_257, "String", "v", 1, false}, "name of 257"},
        {{"a b", "String", "v", 1, false}, "character 2 of the name (0x20)"},
        {{"\n", "String", "v", 1, false}, "attribute 1 (\\n)"},
        {{".a", "String", "v", 1, false}, "dot"},
        {{"a.", "String", "v", 1, false}, "dot"},
        {{"a..b", "String", "v", 1, false}, "dot"},
        {{"AWS.x", "String", "v", 1, false}, "SQS's own"},
        {{"aMAZON.x", "String", "v", 1, false}, "SQS's own"},
        {{"t", "", "v", 1, false}, "data type"},
        {{"t", "string", "v", 1, false}, "data type"},
        {{"t", "Strings", "v", 1, false}, "data type"},
        {{"t", "String.", "v", 1, false}, "data type"},
        {{"t", "String.\x01", "v", 1, false}, "U+0001"},
        {{"t", type_257, "v", 1, false}, "data type of 257"},
        {{"t", "String", "v", 1, true}, "binary"},
        {{"t", "Binary", "v", 1, false}, "binary"},
        {{"v", "String", "", 0, false}, "empty"},
        {{"v", "Binary", "", 0, true}, "empty"},
        {{"v", "String", "\xff", 1, false}, "UTF-8"},
        {{"v", "String", "\x01", 1, false}, "U+0001"},
        {{"v", "Number", "x", 1, false}, "not a number"},
        {{"v", "Number", "1x", 2, false}, "not a number"},
        {{"v", "Number", ".", 1, false}, "not a number"},
        {{"v", "Number", "-", 1, false}, "not a number"},
        {{"v", "Number", "1e", 2, false}, "not a number"},
        {{"v", "Number", "1e+", 3, false}, "not a number"},
        {{"v", "Number", " 1", 2, false}, "not a number"},
    };

    memset(name_256, 'n', 256);
    memset(name_257, 'n', 257);
    memset(type_256, 't', 256);
    memset(type_257, 't', 257);
    memcpy(type_256, "String.", 7);
    memcpy(type_257, "String.", 7);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sqs_message message = message_of("x", 1);

        message.attributes = &rows[i].attribute;
        message.n_attributes = 1;
        if (rows[i].says)
            assert_invalid(&message, true, rows[i].says);
        else
            assert_valid(&message, true);
    }
}

static void attributes_up_to_ten_of_different_names_are_allowed(void **state)
{
    static const char names[11][2] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"};
    struct sqs_attribute attributes[11];
    struct sqs_message message = message_of("x", 1);

    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
        attributes[i] = (struct sqs_attribute){names[i], "String", "v", 1, false};
    message.attributes = attributes;
    message.n_attributes = 10;
    assert_valid(&message, true);
    message.n_attributes = 11;
    assert_invalid(&message, true, "attributes: 11 of them");
    message.n_attributes = 10;
    attributes[9].name = "c";
    assert_invalid(&message, true, "attribute 10 (c): attribute 3 has the same name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(md5_unavailable_is_told),
        cmocka_unit_test(md5_of_bodies_is_that_of_rfc_1321),
        cmocka_unit_test(md5_of_attributes_is_as_published),
        cmocka_unit_test(md5_of_attributes_does_not_depend_on_their_order),
        cmocka_unit_test(size_counts_names_types_and_values),
        cmocka_unit_test(characters_of_a_body_are_those_that_sqs_takes),
        cmocka_unit_test(characters_are_checked_wherever_they_stand),
        cmocka_unit_test(error_line_never_shows_the_body),
        cmocka_unit_test(size_limit_is_exact),
        cmocka_unit_test(ids_are_1_to_128_printable_characters),
        cmocka_unit_test(queue_kinds_take_different_ids_and_delays),
        cmocka_unit_test(attributes_follow_their_rules),
        cmocka_unit_test(attributes_up_to_ten_of_different_names_are_allowed),
    };

    return cmocka_run_group_tests_name("sqs-message", tests, NULL, NULL);
}
