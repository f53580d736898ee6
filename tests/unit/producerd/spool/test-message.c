/* SPDX-License-Identifier: MIT */
#include "producerd/spool/message.h"
#include "test.h"

#include <errno.h>

static const struct sqs_attribute attributes[] = {
    {.name = "text", .data_type = "String", .value = "a", .value_bytes = 1},
    {.name = "n", .data_type = "Number.int", .value = "17", .value_bytes = 2},
    {.name = "bytes",
     .data_type = "Binary.gif",
     .value = "\0\xff\0",
     .value_bytes = 3,
     .is_binary = true},
    {.name = "none", .data_type = "Binary", .value = "", .value_bytes = 0, .is_binary = true},
    {.name = "no-bytes", .data_type = "BinaryNot", .value = "x", .value_bytes = 1},
};

static void packed_attributes_are_unpacked(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);
    CLEANUP(spool_message_free) struct spool_message *m = NULL;
    struct spool_row row = {
        .id = "i", .group_id = "g", .delay_sec = -1, .bytes = 77, .body = "b\0dy", .body_bytes = 4};

    assert_int_equal(spool_attributes_pack(attributes, ARRAY_SIZE(attributes), &b), 0);
    row.attributes = b.data;
    row.attributes_bytes = b.size;
    assert_int_equal(spool_message_new(&row, &m), 0);
    buffer_reset(&b);

    assert_string_equal(m->head.id, "i");
    assert_string_equal(m->head.message.group_id, "g");
    assert_null(m->head.message.deduplication_id);
    assert_int_equal(m->head.message.delay_sec, -1);
    assert_int_equal(m->head.message.body_bytes, 4);
    assert_memory_equal(m->head.message.body, "b\0dy", 5);
    assert_int_equal(m->row.bytes, 77);
    assert_int_equal(m->head.message.n_attributes, ARRAY_SIZE(attributes));
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        const struct sqs_attribute *a = &m->head.message.attributes[i];

        assert_string_equal(a->name, attributes[i].name);
        assert_string_equal(a->data_type, attributes[i].data_type);
        assert_int_equal(a->value_bytes, attributes[i].value_bytes);
        assert_memory_equal(a->value, attributes[i].value, a->value_bytes);
        assert_int_equal(a->is_binary, attributes[i].is_binary);
    }
}

static void message_without_attributes_has_none(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);
    CLEANUP(spool_message_free) struct spool_message *m = NULL;

    assert_int_equal(spool_attributes_pack(NULL, 0, &b), 0);
    assert_int_equal(b.size, 0);
    assert_int_equal(
        spool_message_new(&(struct spool_row){.id = "i", .attributes = "", .body = ""}, &m), 0);
    assert_int_equal(m->head.message.n_attributes, 0);
}

/* Cut anywhere but between two attributes, or with more of them than a message may have. */
static void damaged_attributes_are_refused(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);
    struct spool_row row = {.id = "i", .body = ""};
    struct spool_message *m = NULL;
    size_t first;

    spool_attributes_pack(&attributes[0], 1, &b);
    first = b.size;
    spool_attributes_pack(&attributes[2], 1, &b);
    for (size_t cut = 1; cut < b.size; cut++) {
        /* Of its own size, so that a sanitizer sees what reads past it. */
        CLEANUP(free) char *copy = malloc(cut);

        memcpy(copy, b.data, cut);
        row.attributes = copy;
        row.attributes_bytes = cut;
        if (cut == first)
            continue;
        assert_int_equal(spool_message_new(&row, &m), -EUCLEAN);
    }
    for (int i = 0; i < SQS_ATTRIBUTES_MAX - 1; i++)
        spool_attributes_pack(&attributes[0], 1, &b);
    row.attributes = b.data;
    row.attributes_bytes = b.size;
    assert_int_equal(spool_message_new(&row, &m), -EUCLEAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_attributes_are_unpacked),
        cmocka_unit_test(message_without_attributes_has_none),
        cmocka_unit_test(damaged_attributes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
