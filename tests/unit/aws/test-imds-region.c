/* SPDX-License-Identifier: MIT */
/* The region of the instance, read from its metadata service. */
#include "imds-fixture.h"

#include <stdio.h>

struct region {
    unsigned n_done;
    bool is_found;
    char name[64], text[1024];
};

static void on_region(void *userdata, const char *name, const char *text)
{
    struct region *r = userdata;

    r->n_done++;
    r->is_found = name != NULL;
    snprintf(r->name, sizeof(r->name), "%s", name ? name : "");
    snprintf(r->text, sizeof(r->text), "%s", text);
}

static struct imds_region *ask_region(struct fixture *f, struct test_server *server,
                                      struct region *r)
{
    struct imds_region *region = NULL;
    char *error = NULL;

    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", test_server_url(server), 1);
    assert_int_equal(imds_region_get(f->event, f->http, NULL, on_region, r, &region, &error), 0);
    assert_non_null(region);
    assert_int_equal(r->n_done, 0);
    return region;
}

static void region_is_that_of_the_zone(void **state)
{
    static const struct {
        struct test_reply reply;
        const char *name, *text;
    } cases[] = {
        {{.body = "eu-west-1a"}, "eu-west-1", ""},
        {{.body = "nowhere"}, "", "is not an availability zone"},
        {{.status = 404}, "", "availability-zone: it answered HTTP status 404"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture *f = *state;
        CLEANUP(test_server_free)
        struct test_server *server = TEST_SERVER({.body = TOKEN}, cases[i].reply);
        struct region r = {};

        ask_region(f, server, &r);
        run_until(f->event, &r.n_done, 1);
        assert_int_equal(r.is_found, cases[i].name[0] != '\0');
        assert_string_equal(r.name, cases[i].name);
        assert_has(r.text, cases[i].text);
        assert_request(server, 1, "GET /latest/meta-data/placement/availability-zone ");
    }
}

static void region_that_is_cancelled_says_nothing(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = TOKEN, .is_held = true});
    struct region r = {};
    struct imds_region *region = ask_region(f, server, &r);

    test_server_run_until_requests(server, f->event, 1);
    assert_null(imds_region_cancel(region));
    test_server_release(server);
    run_for(f->event, 50 * USEC_PER_MSEC);
    assert_int_equal(r.n_done, 0);
    assert_null(imds_region_cancel(NULL));
}

static void region_where_the_service_is_switched_off_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct imds_region *region = NULL;
    CLEANUP(free) char *error = NULL;

    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    assert_int_equal(imds_region_get(f->event, f->http, NULL, on_region, NULL, &region, &error),
                     IMDS_E_DISABLED);
    assert_null(region);
    assert_has(error, "switched off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(region_is_that_of_the_zone),
        TEST(region_that_is_cancelled_says_nothing),
        TEST(region_where_the_service_is_switched_off_is_an_error),
    };

    return cmocka_run_group_tests(tests, aws_home_make, aws_home_remove);
}
