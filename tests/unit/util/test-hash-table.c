/* SPDX-License-Identifier: MIT */
#include "util/hash-table.h"

#include "test.h"
#include "util/list.h"

#include <stdio.h>

enum { N = 1000 };

struct item {
    unsigned number;
    char key[16];
    struct hash_entry entry;
};

static struct hash_table table;
static struct item items[N];

static int set_up(void **state)
{
    memset(items, 0, sizeof(items));
    for (unsigned i = 0; i < N; i++) {
        items[i].number = i;
        snprintf(items[i].key, sizeof(items[i].key), "key-%u", i);
    }
    return 0;
}

static int tear_down(void **state)
{
    hash_table_done(&table);
    return 0;
}

static struct item *find(const char *key)
{
    struct hash_entry *found = hash_table_find(&table, key, strlen(key));

    return found ? CONTAINER_OF(found, struct item, entry) : NULL;
}

static void insert(struct item *item)
{
    assert_int_equal(hash_table_insert(&table, &item->entry, item->key, strlen(item->key)), 0);
}

static void hash_table_empty_finds_nothing(void **state)
{
    assert_null(find("key-1"));
    assert_int_equal(hash_table_reserve(&table, 1), 0);
    assert_null(find("key-1"));
    assert_null(find(""));
}

static void hash_table_grown_finds_each_by_its_whole_key(void **state)
{
    char key[16];

    for (unsigned i = 0; i < N; i++) {
        insert(&items[i]);
        assert_int_equal(table.n_entries, i + 1);
    }
    assert_true(table.n_buckets >= N);
    for (unsigned i = 0; i < N; i++) {
        memcpy(key, items[i].key, sizeof(key)); /* not the same place in memory */
        assert_ptr_equal(find(key), &items[i]);
    }
    assert_null(find("key-"));
    assert_null(find("key-1000"));
    assert_null(hash_table_find(&table, "key-7\0", 6)); /* a byte more */
}

static void hash_table_removed_entry_is_not_found_and_others_are(void **state)
{
    for (unsigned i = 0; i < N; i++)
        insert(&items[i]);
    for (unsigned i = 0; i < N; i += 3)
        hash_table_remove(&table, &items[i].entry);
    for (unsigned i = 0; i < N; i++)
        assert_ptr_equal(find(items[i].key), i % 3 == 0 ? NULL : &items[i]);
    for (unsigned i = 0; i < N; i += 3)
        insert(&items[i]);
    assert_int_equal(table.n_entries, N);
    assert_ptr_equal(find("key-999"), &items[999]);
}

/* All in one bucket: a chain is searched, and taken from at its front, its middle and its end. */
static void hash_table_entries_in_one_bucket_are_found(void **state)
{
    struct item *chain[3] = {};
    size_t n = 0;

    assert_int_equal(hash_table_reserve(&table, 64), 0);
    for (unsigned i = 0; i < N && n < 3; i++) {
        insert(&items[i]);
        if (n > 0 && ((items[i].entry.hash ^ chain[0]->entry.hash) & (table.n_buckets - 1)) != 0)
            hash_table_remove(&table, &items[i].entry);
        else
            chain[n++] = &items[i];
    }
    assert_int_equal(n, 3);
    for (size_t i = 0; i < 3; i++) {
        hash_table_remove(&table, &chain[i]->entry);
        for (size_t k = 0; k < 3; k++)
            assert_ptr_equal(find(chain[k]->key), k == i ? NULL : chain[k]);
        insert(chain[i]);
    }
}

static void hash_table_reserved_does_not_grow(void **state)
{
    struct hash_entry **buckets;

    assert_int_equal(hash_table_reserve(&table, N), 0);
    buckets = table.buckets;
    for (unsigned i = 0; i < N; i++)
        insert(&items[i]);
    assert_ptr_equal(table.buckets, buckets);
    assert_int_equal(hash_table_reserve(&table, 1), 0); /* never less */
    assert_ptr_equal(table.buckets, buckets);
}

static void hash_table_done_is_empty_and_can_be_used_again(void **state)
{
    insert(&items[0]);
    hash_table_done(&table);
    assert_null(find("key-0"));
    insert(&items[1]);
    assert_ptr_equal(find("key-1"), &items[1]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hash_table_empty_finds_nothing),
        TEST(hash_table_grown_finds_each_by_its_whole_key),
        TEST(hash_table_removed_entry_is_not_found_and_others_are),
        TEST(hash_table_entries_in_one_bucket_are_found),
        TEST(hash_table_reserved_does_not_grow),
        TEST(hash_table_done_is_empty_and_can_be_used_again),
    };

    return cmocka_run_group_tests_name("hash-table", tests, NULL, NULL);
}
