/* SPDX-License-Identifier: MIT */
#include "daemon/metrics-address.h"
#include "test.h"

#include <arpa/inet.h>

static void address_with_a_port_is_read(void **state)
{
    struct metrics_address a;
    struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;

    assert_true(metrics_address_parse("127.0.0.1:9464", &a));
    assert_int_equal(a.of.ipv4.sin_family, AF_INET);
    assert_int_equal(a.of.ipv4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_int_equal(a.of.ipv4.sin_port, htons(9464));
    assert_int_equal(a.size, sizeof(struct sockaddr_in));
    assert_true(metrics_address_parse("[::1]:65535", &a));
    assert_int_equal(a.of.ipv6.sin6_family, AF_INET6);
    assert_memory_equal(&a.of.ipv6.sin6_addr, &loopback, sizeof(loopback));
    assert_int_equal(a.of.ipv6.sin6_port, htons(65535));
    assert_int_equal(a.size, sizeof(struct sockaddr_in6));
    assert_true(metrics_address_parse("unix:/run/x:y", &a));
    assert_int_equal(a.of.unix_path.sun_family, AF_UNIX);
    assert_string_equal(a.of.unix_path.sun_path, "/run/x:y");
}

static void other_text_is_no_address(void **state)
{
    static const char *const texts[] = {
        "",
        "9464",
        ":9464",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:065",
        "127.0.0.1:65536",
        "127.0.0.1:1000000000000000000000",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:80:80",
        "127.1:80",
        "localhost:9464",
        "::1:9464",
        "[::1]",
        "[::1]9464",
        "[::1:9464",
        "[127.0.0.1]:9464",
        "[fe80::1%lo]:9464",
        "[]:1",
        "unix:",
        "unix:run/x",
        "unix:/"
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
        "56789012345678901234567",
    };
    struct metrics_address a;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (metrics_address_parse(texts[i], &a))
            fail_msg("\"%s\" is read as an address", texts[i]);
}

static void host_is_an_ip_address_or_localhost(void **state)
{
    static const char *const good[] = {"127.0.0.1", "127.0.0.1:9464", "[::1]",     "[::1]:9464",
                                       "10.1.2.3",  "localhost",      "LocalHost", "localhost:80"};
    static const char *const bad[] = {"",
                                      "attacker.example",
                                      "attacker.example:9464",
                                      "127.0.0.1.attacker.example",
                                      "localhost.attacker.example",
                                      "127.0.0.1:9464.attacker.example",
                                      "127.0.0.1@attacker.example",
                                      "[::1].attacker.example",
                                      "[localhost]",
                                      "::1",
                                      "localhost:",
                                      "localhost:http",
                                      " localhost"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        if (!metrics_host_is_allowed(good[i]))
            fail_msg("\"%s\" is refused", good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (metrics_host_is_allowed(bad[i]))
            fail_msg("\"%s\" is allowed", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_with_a_port_is_read),
        cmocka_unit_test(other_text_is_no_address),
        cmocka_unit_test(host_is_an_ip_address_or_localhost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
