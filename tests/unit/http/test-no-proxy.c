/* SPDX-License-Identifier: MIT */
#include "http/no-proxy.h"
#include "test.h"

static void entry_with_a_port_names_a_host_and_those_below_it(void **state)
{
    static const struct {
        const char *list, *host;
        unsigned port;
        bool names;
    } cases[] = {
        {"localstack:4566", "localstack", 4566, true},
        {"a.test, localstack:4566 ,b.test", "localstack", 4566, true},
        {"a b:1\tc", "b", 1, true},
        {"LocalStack:4566", "LOCALSTACK.", 4566, true},
        {"localstack.:4566", "localstack", 4566, true},
        {"vpce.amazonaws.com:443", "vpce-1.vpce.amazonaws.com", 443, true},
        {".amazonaws.com:443", "sqs.amazonaws.com", 443, true},
        {"192.0.2.1:80", "192.0.2.1", 80, true},
        {"[::1]:4566", "[::1]", 4566, true},

        {"localstack:4566", "localstack", 4567, false},
        {"localstack:4566", "xlocalstack", 4566, false},
        {"localstack:4566", "stack", 4566, false},
        {"localstack", "localstack", 80, false}, /* libcurl's to know */
        {"localstack:", "localstack", 0, false},
        {"localstack:0x50", "localstack", 80, false},
        {"localstack:000080", "localstack", 80, false},
        {":80", "", 80, false},
        {".:80", "localstack", 80, false},
        {"::1", "[::1]", 1, false},
        {"2:[::1]:80", "[::1]", 80, false},
        {"", "localstack", 80, false},
        {" , ", "localstack", 80, false},
        {NULL, "localstack", 80, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (no_proxy_names(cases[i].list, cases[i].host, cases[i].port) != cases[i].names)
            fail_msg("\"%s\", %s, %u", cases[i].list, cases[i].host, cases[i].port);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_with_a_port_names_a_host_and_those_below_it),
    };

    return cmocka_run_group_tests_name("http-no-proxy", tests, NULL, NULL);
}
