/* SPDX-License-Identifier: MIT */
#include "consumerd/handler/exec-environment.h"
#include "test.h"

static struct exec_environment *common;
static struct sqs_attribute attributes[SQS_ATTRIBUTES_MAX];
static struct sqs_received_message message;
static char **made;

static int begin(void **state)
{
    char *const from[] = {NULL};

    message = (struct sqs_received_message){.message_id = "m-1", .attributes = attributes};
    return exec_environment_new(from, &common);
}

static int end(void **state)
{
    common = exec_environment_free(common);
    free(TAKE(made));
    return 0;
}

static void make(size_t n_left_out)
{
    free(TAKE(made));
    assert_int_equal(exec_environment_make(common, &message, n_left_out, &made), 0);
}

/* NULL: it is not set. */
static const char *value(const char *name)
{
    const char *found = NULL;

    for (char **e = made; *e; e++) {
        if (strncmp(*e, name, strlen(name)) == 0 && (*e)[strlen(name)] == '=') {
            assert_null(found);
            found = *e + strlen(name) + 1;
        }
    }
    return found;
}

static size_t count(void)
{
    size_t n = 0;

    while (made[n])
        n++;
    return n;
}

static void add(const char *name, const char *text)
{
    attributes[message.n_attributes++] = (struct sqs_attribute){
        .name = name, .data_type = "String", .value = text, .value_bytes = strlen(text)};
}

static void variables_that_sqs_has_given_are_set(void **state)
{
    make(0);
    assert_string_equal(value("SQS_MESSAGE_ID"), "m-1");
    assert_int_equal(count(), 1);

    message.group_id = "g";
    message.deduplication_id = "d";
    message.sequence_number = "340282366920938463463374607431768211455";
    message.sender_id = "AIDA";
    message.receive_count = 3;
    message.sent_msec = 1700000000123;
    message.first_received_msec = 1700000000456;
    make(0);
    assert_string_equal(value("SQS_MESSAGE_GROUP_ID"), "g");
    assert_string_equal(value("SQS_MESSAGE_DEDUPLICATION_ID"), "d");
    assert_string_equal(value("SQS_SEQUENCE_NUMBER"), "340282366920938463463374607431768211455");
    assert_string_equal(value("SQS_SENDER_ID"), "AIDA");
    assert_string_equal(value("SQS_RECEIVE_COUNT"), "3");
    assert_string_equal(value("SQS_SENT_TIMESTAMP"), "1700000000123");
    assert_string_equal(value("SQS_FIRST_RECEIVED_TIMESTAMP"), "1700000000456");
    assert_int_equal(count(), 8);
}

static void keys_and_what_is_the_daemons_alone_are_kept_back(void **state)
{
    char path[] = "PATH=/bin", key[] = "AWS_SECRET_ACCESS_KEY=S", profile[] = "AWS_PROFILE=p",
         folder[] = "CREDENTIALS_DIRECTORY=/run/c", notify[] = "NOTIFY_SOCKET=/n",
         stream[] = "JOURNAL_STREAM=1:2", group[] = "SQS_MESSAGE_GROUP_ID=false",
         awsome[] = "AWSOME=1", state_folder[] = "STATE_DIRECTORY=/s", odd[] = "without-a-value",
         setting[] = "SQS_DEMO_LOG_LEVEL=debug";
    char *const from[] = {path,  key,    profile,      folder, notify,  stream,
                          group, awsome, state_folder, odd,    setting, NULL};

    exec_environment_free(common);
    assert_int_equal(exec_environment_new(from, &common), 0);
    path[5] = 'X'; /* copied it was */
    make(0);
    assert_string_equal(value("PATH"), "/bin");
    assert_string_equal(value("AWSOME"), "1");
    assert_string_equal(value("STATE_DIRECTORY"), "/s");
    assert_string_equal(value("SQS_MESSAGE_ID"), "m-1");
    assert_int_equal(count(), 5);
}

static void attributes_are_named_in_upper_case(void **state)
{
    add("trace-id", "1 2");
    add("Name.Of_it9", "\xc3\xa4=\n");
    add("UPPER", "u");
    make(0);
    assert_string_equal(value("SQS_ATTRIBUTE_TRACE_ID"), "1 2");
    assert_string_equal(value("SQS_ATTRIBUTE_NAME_OF_IT9"), "\xc3\xa4=\n");
    assert_string_equal(value("SQS_ATTRIBUTE_UPPER"), "u");
    assert_null(value("SQS_ATTRIBUTES_OMITTED"));
}

static void binary_values_are_base64(void **state)
{
    attributes[0] = (struct sqs_attribute){.name = "b",
                                           .data_type = "Binary.png",
                                           .value = "\0\xff",
                                           .value_bytes = 2,
                                           .is_binary = true};
    message.n_attributes = 1;
    make(0);
    assert_string_equal(value("SQS_ATTRIBUTE_B"), "AP8=");
}

static void attributes_with_one_variable_the_first_by_name_has_it(void **state)
{
    add("a_b", "third");
    add("a.b", "second");
    add("A-B", "first");
    add("other", "o");
    make(0);
    assert_string_equal(value("SQS_ATTRIBUTE_A_B"), "first");
    assert_string_equal(value("SQS_ATTRIBUTE_OTHER"), "o");
    assert_string_equal(value("SQS_ATTRIBUTES_OMITTED"), "a.b a_b");
}

static void attribute_that_does_not_fit_into_a_string_is_omitted(void **state)
{
    const size_t largest = EXEC_STRING_MAX_BYTES - sizeof("SQS_ATTRIBUTE_X=");
    char *text = malloc(largest + 2);

    memset(text, 't', largest + 1);
    text[largest + 1] = '\0';
    add("x", text);
    make(0);
    assert_null(value("SQS_ATTRIBUTE_X"));
    assert_string_equal(value("SQS_ATTRIBUTES_OMITTED"), "x");

    attributes[0].value_bytes = largest;
    make(0);
    assert_int_equal(strlen(value("SQS_ATTRIBUTE_X")), largest);

    attributes[0].value_bytes = largest / 4 * 3 + 3;
    attributes[0].is_binary = true;
    make(0);
    assert_null(value("SQS_ATTRIBUTE_X"));
    attributes[0].value_bytes = largest / 4 * 3;
    make(0);
    assert_int_equal(strlen(value("SQS_ATTRIBUTE_X")), largest / 4 * 4);

    attributes[0] = (struct sqs_attribute){
        .name = "nul", .data_type = "String", .value = "a\0b", .value_bytes = 3};
    make(0);
    assert_string_equal(value("SQS_ATTRIBUTES_OMITTED"), "nul");
    free(text);
}

static void attributes_that_are_largest_are_left_out_when_asked_for(void **state)
{
    add("small", "1");
    add("larger", "12345");
    add("large", "123");
    make(1);
    assert_string_equal(value("SQS_ATTRIBUTES_OMITTED"), "larger");
    make(2);
    assert_string_equal(value("SQS_ATTRIBUTES_OMITTED"), "large larger");
    assert_string_equal(value("SQS_ATTRIBUTE_SMALL"), "1");
    make(3);
    assert_string_equal(value("SQS_ATTRIBUTES_OMITTED"), "large larger small");
    make(9);
    assert_int_equal(count(), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(variables_that_sqs_has_given_are_set),
        TEST(keys_and_what_is_the_daemons_alone_are_kept_back),
        TEST(attributes_are_named_in_upper_case),
        TEST(binary_values_are_base64),
        TEST(attributes_with_one_variable_the_first_by_name_has_it),
        TEST(attribute_that_does_not_fit_into_a_string_is_omitted),
        TEST(attributes_that_are_largest_are_left_out_when_asked_for),
    };
#undef TEST

    return cmocka_run_group_tests_name("exec-environment", tests, NULL, NULL);
}
