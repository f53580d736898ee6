/* SPDX-License-Identifier: MIT */
#include "util/list.h"

#include "test.h"

struct item {
    int number;
    struct list link; /* not at the front, so that CONTAINER_OF has something to do */
};

static struct list head;
static struct item items[4];

static int set_up(void **state)
{
    memset(items, 0, sizeof(items));
    for (int i = 0; i < 4; i++)
        items[i].number = i;
    list_init(&head);
    return 0;
}

/* The numbers in the list, forwards, and checks that backwards they are the same. */
static const char *contents(struct list *list)
{
    static char text[8];
    size_t n = 0;

    LIST_FOREACH(list, link)
    text[n++] = (char)('0' + CONTAINER_OF(link, struct item, link)->number);
    text[n] = '\0';
    for (struct list *link = list->previous; link != list; link = link->previous)
        assert_int_equal(text[--n], '0' + CONTAINER_OF(link, struct item, link)->number);
    assert_int_equal(n, 0);
    return text;
}

static void list_new_is_empty(void **state)
{
    assert_true(list_is_empty(&head));
    assert_null(list_first(&head));
    assert_false(list_is_linked(&items[0].link));
    list_remove(&items[0].link); /* is in none */
    assert_string_equal(contents(&head), "");
}

static void list_keeps_the_order_of_insertion(void **state)
{
    list_append(&head, &items[1].link);
    list_append(&head, &items[3].link);
    list_prepend(&head, &items[0].link);
    list_insert_before(&items[3].link, &items[2].link);
    assert_string_equal(contents(&head), "0123");
    assert_ptr_equal(list_first(&head), &items[0].link);
    assert_ptr_equal(head.previous, &items[3].link);
    assert_true(list_is_linked(&items[2].link));
}

static void list_removed_member_is_in_none(void **state)
{
    for (size_t i = 0; i < 4; i++)
        list_append(&head, &items[i].link);
    list_remove(&items[2].link);
    assert_false(list_is_linked(&items[2].link));
    assert_string_equal(contents(&head), "013");
    list_remove(&items[0].link);
    list_remove(&items[3].link);
    assert_string_equal(contents(&head), "1");
    list_remove(&items[1].link);
    assert_true(list_is_empty(&head));
    list_append(&head, &items[2].link); /* and may be in one again */
    assert_string_equal(contents(&head), "2");
}

static void list_foreach_visits_the_rest_after_the_body_removes_a_member(void **state)
{
    int sum = 0;

    for (size_t i = 0; i < 4; i++)
        list_append(&head, &items[i].link);
    LIST_FOREACH(&head, link)
    {
        struct item *item = CONTAINER_OF(link, struct item, link);

        sum += item->number;
        list_remove(link);
        memset(item, 0xff, sizeof(*item)); /* as if it were freed */
    }
    assert_int_equal(sum, 6);
    assert_true(list_is_empty(&head));
}

static void list_move_all_appends_and_leaves_empty(void **state)
{
    struct list other;

    list_init(&other);
    list_move_all(&other, &head);
    assert_string_equal(contents(&other), "");
    list_append(&other, &items[0].link);
    list_move_all(&other, &head);
    assert_string_equal(contents(&other), "0");
    for (size_t i = 1; i < 4; i++)
        list_append(&head, &items[i].link);
    list_move_all(&other, &head);
    assert_string_equal(contents(&other), "0123");
    assert_string_equal(contents(&head), "");
    list_move_all(&head, &other);
    assert_string_equal(contents(&head), "0123");
    assert_string_equal(contents(&other), "");
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(list_new_is_empty),
        TEST(list_keeps_the_order_of_insertion),
        TEST(list_removed_member_is_in_none),
        TEST(list_foreach_visits_the_rest_after_the_body_removes_a_member),
        TEST(list_move_all_appends_and_leaves_empty),
    };

    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
