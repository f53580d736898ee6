/* SPDX-License-Identifier: MIT */
#include "intake-fixture.h"

#include "producerd/intake/protocol.h"

static void commands_are_answered(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);
    CLEANUP(submission_reply_free) struct submission_reply *page = NULL;

    f->store.n_rejected = STORE_BULK_MAX + STORE_REJECTED_PAGE;
    send_text(f, c,
              "{\"command\":\"rejected\",\"after\":1001}\n{\"command\":\"drop\",\"id\":\"x\"}\n"
              "{\"command\":\"drop\",\"id\":\"some-id\"}\n"
              "{\"command\":\"retry\",\"id\":\"all\"}\n{\"command\":\"retry\",\"id\":\"all\"}\n"
              "{\"command\":\"rejected\"}\n{\"command\":\"retry\",\"id\":\"no-group\"}\n");
    wait_for_lines(f, c, 7);
    assert_answer(
        c, 1,
        "{\"ok\": false, \"error\": \"id: no rejected message has it; --rejected lists them\"}\n");
    assert_answer(c, 2, "{\"ok\": true, \"count\": 1, \"more\": false}\n");
    assert_answer(c, 3, "{\"ok\": true, \"count\": 1000, \"more\": true}\n");
    assert_answer(c, 4, "{\"ok\": true, \"count\": 99, \"more\": false}\n");
    assert_answer(c, 5, "{\"ok\": true, \"messages\": [], \"more\": false}\n");
    assert_answer(c, 6, "{\"ok\": false, \"error\": \"group: each message to a FIFO queue needs");
    assert_int_equal(
        submission_reply_read(answer(c, 0), (size_t)(answer(c, 1) - answer(c, 0)), &page), 0);
    assert_int_equal(page->n_messages, 99);
    assert_false(page->has_more);
    assert_int_equal(page->messages[98].number, 1100);
}

static void command_without_permission_is_refused(void **state)
{
    struct fake_store store = {.store = {&fake_ops}, .watched = -1, .n_rejected = 5};
    struct protocol protocol = {.store = &store.store, .rules = {true, 1024, "test"}};
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);

    for (int i = 0; i < 2; i++) {
        const char *line = i == 0 ? "{\"command\":\"rejected\"}"
                                  : "{\"command\":\"drop\",\"id\":"
                                    "\"all\"}";

        buffer_reset(&b);
        assert_int_equal(protocol_answer(&protocol, line, strlen(line), false, NULL, &b), 0);
        assert_string_equal(buffer_string(&b),
                            "{\"ok\": false, \"error\": \"command: only root and the daemon's own "
                            "user may give commands\"}\n");
    }
    assert_int_equal(store.n_rejected, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_answered),
        cmocka_unit_test(command_without_permission_is_refused),
    };

    return cmocka_run_group_tests_name("protocol", tests, NULL, NULL);
}
