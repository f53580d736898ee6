/* SPDX-License-Identifier: MIT */
#include "aws/metadata-url.h"
#include "test.h"

static const struct {
    const char *relative, *full, *url;
} container_good[] = {
    {"/v2/credentials/abc", NULL, "http://169.254.170.2/v2/credentials/abc"},
    {"/v2/credentials/abc?id=1", "", "http://169.254.170.2/v2/credentials/abc?id=1"},
    {"/", "https://example.com/never", "http://169.254.170.2/"},
    {"/@example.com/", NULL, "http://169.254.170.2/@example.com/"},
    {NULL, "https://example.com/creds", "https://example.com/creds"},
    {"", "https://example.com:8443/creds?a=b", "https://example.com:8443/creds?a=b"},
    {NULL, "https://203.0.113.9/", "https://203.0.113.9/"},
    {NULL, "http://127.0.0.1:1234/get", "http://127.0.0.1:1234/get"},
    {NULL, "http://127.255.255.254/get", "http://127.255.255.254/get"},
    {NULL, "http://localhost:1234/get", "http://localhost:1234/get"},
    {NULL, "http://LocalHost/get", "http://LocalHost/get"},
    {NULL, "http://[::1]:1234/get", "http://[::1]:1234/get"},
    {NULL, "http://[0:0:0:0:0:0:0:1]/get", "http://[0:0:0:0:0:0:0:1]/get"},
    {NULL, "http://169.254.170.2/get", "http://169.254.170.2/get"},
    {NULL, "http://169.254.170.23/v1/credentials", "http://169.254.170.23/v1/credentials"},
    {NULL, "http://[fd00:ec2::23]/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"},
    {NULL, "http://[FD00:EC2:0::23]/v1/credentials", "http://[FD00:EC2:0::23]/v1/credentials"},
    /* Another way to write 127.0.0.1, and libcurl goes to the same. */
    {NULL, "http://0x7f000001/get", "http://0x7f000001/get"},
};

static void container_url_allowed_is_taken_as_it_is(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(container_good); i++) {
        CLEANUP(free) char *url = NULL;
        CLEANUP(free) char *error = NULL;
        int r = metadata_url_container(container_good[i].relative, container_good[i].full, &url,
                                       &error);

        if (r != 0)
            print_message("%s: %s\n", container_good[i].url, error);
        assert_int_equal(r, 0);
        assert_string_equal(url, container_good[i].url);
        assert_null(error);
    }
}

static const struct {
    const char *relative, *full, *says;
} container_bad[] = {
    {"v2/credentials", NULL, "does not begin with /"},
    {"@SEKRET/", NULL, "does not begin with /"},
    {".SEKRET/", NULL, "does not begin with /"},
    {"http://127.0.0.1/", NULL, "does not begin with /"},
    {"/a b", NULL, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI holds a space"},
    {"/a\r\nX: y", NULL, "holds a space"},
    {"/a\xc3\xa4", NULL, "holds a space"},
    {"/a#SEKRET", NULL, "has a fragment"},
    {"bad", "http://127.0.0.1/", "does not begin with /"},
    {NULL, "http://example.com/?SEKRET", "names the host example.com, which may not be asked over"},
    {NULL, "http://169.254.169.254/", "names the host 169.254.169.254"},
    {NULL, "http://169.254.170.3/", "names the host 169.254.170.3"},
    {NULL, "http://128.0.0.1/", "names the host 128.0.0.1"},
    {NULL, "http://0.0.0.0/", "names the host 0.0.0.0"},
    {NULL, "http://127.0.0.1.example.com/", "names the host 127.0.0.1.example.com"},
    {NULL, "http://localhost.example.com/", "names the host localhost.example.com"},
    {NULL, "http://localhost./", "names the host localhost."},
    {NULL, "http://[::2]/", "names the host [::2]"},
    {NULL, "http://[::ffff:127.0.0.1]/", "names the host [::ffff:127.0.0.1]"},
    {NULL, "http://[fd00:ec2::254]/", "names the host [fd00:ec2::254]"},
    {NULL, "http://[::1%25eth0]/", "has an address with a zone"},
    {NULL, "http://a%ffb/", "names the host a\\xffb, which may not be asked over plain http"},
    {NULL, "http://127.0.0.1@example.com/", "has a user name"},
    {NULL, "http://u:SEKRET@127.0.0.1/", "has a user name"},
    {NULL, "http://127.0.0.1\\@example.com/", "holds a space, a backslash"},
    {NULL, "http://example.com#@127.0.0.1/", "has a fragment"},
    {NULL, "http://127.0.0.1 /", "holds a space"},
    {NULL, "http://127.0.0.1:99999/", "is not a URL"},
    {NULL, "http://[::1/", "is not a URL"},
    {NULL, "http:///", "is not a URL"},
    {NULL, "127.0.0.1/get", "is not a URL"},
    {NULL, "localhost", "is not a URL"},
    {NULL, "ftp://127.0.0.1/", "is neither http nor https"},
    {NULL, "file:///etc/passwd", "is n"},
    {NULL, "HTTP://EXAMPLE.com/", "names the host"},
};

static void container_url_not_allowed_is_refused(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(container_bad); i++) {
        char *url = (char *)0x1;
        CLEANUP(free) char *error = NULL;
        int r =
            metadata_url_container(container_bad[i].relative, container_bad[i].full, &url, &error);

        if (r == 0 || !strstr(error, container_bad[i].says))
            print_message("row %zu: found %s, wanted %s\n", i, r == 0 ? url : error,
                          container_bad[i].says);
        assert_int_equal(r, METADATA_URL_E_INVALID);
        assert_non_null(strstr(error, container_bad[i].says));
        assert_non_null(strstr(error, "AWS_CONTAINER_CREDENTIALS_"));
        assert_null(strstr(error, "SEKRET"));
        assert_ptr_equal(url, (char *)0x1);
        assert_int_equal(
            metadata_url_container(container_bad[i].relative, container_bad[i].full, &url, NULL),
            METADATA_URL_E_INVALID);
    }
}

static void urls_are_bounded(void **state)
{
    char text[METADATA_URL_MAX_BYTES + 2];
    CLEANUP(free) char *url = NULL;
    CLEANUP(free) char *error = NULL;

    memset(text, 'a', sizeof(text));
    text[0] = '/';
    text[METADATA_URL_MAX_BYTES] = '\0';
    assert_int_equal(metadata_url_container(text, NULL, &url, NULL), 0);
    text[METADATA_URL_MAX_BYTES] = 'a';
    text[METADATA_URL_MAX_BYTES + 1] = '\0';
    assert_int_equal(metadata_url_container(text, NULL, &url, &error), METADATA_URL_E_INVALID);
    assert_non_null(strstr(error, "longer than 2048"));
}

static void metadata_service_is_where_endpoint_or_mode_say(void **state)
{
    static const struct {
        const char *endpoint, *mode, *url;
    } rows[] = {
        {NULL, NULL, "http://169.254.169.254/"},
        {"", "", "http://169.254.169.254/"},
        {NULL, "IPv4", "http://169.254.169.254/"},
        {NULL, "ipv6", "http://[fd00:ec2::254]/"},
        {NULL, "IPv6", "http://[fd00:ec2::254]/"},
        {"http://127.0.0.1:1338", NULL, "http://127.0.0.1:1338/"},
        {"http://127.0.0.1:1338/", "IPv6", "http://127.0.0.1:1338/"},
        {"http://127.0.0.1:1338/base", "nonsense", "http://127.0.0.1:1338/base/"},
        {"https://[::1]/", NULL, "https://[::1]/"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(free) char *url = NULL;

        assert_int_equal(
            metadata_url_imds(rows[i].endpoint, "ENDPOINT", rows[i].mode, "MODE", &url, NULL), 0);
        assert_string_equal(url, rows[i].url);
    }
}

static void metadata_endpoint_or_mode_bad_is_named(void **state)
{
    static const struct {
        const char *endpoint, *mode, *says;
    } rows[] = {
        {NULL, "ipv5", "MODE is \"ipv5\": it must be IPv4 or IPv6"},
        {NULL, "IPv6\n", "MODE is \"IPv6\\n\""},
        {"127.0.0.1", NULL, "ENDPOINT"},
        {"ftp://127.0.0.1", NULL, "ENDPOINT"},
        {"http://u:SEKRET@127.0.0.1", NULL, "ENDPOINT"},
        {"http://127.0.0.1/?SEKRET", NULL, "ENDPOINT"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *url = NULL;
        CLEANUP(free) char *error = NULL;

        assert_int_equal(
            metadata_url_imds(rows[i].endpoint, "ENDPOINT", rows[i].mode, "MODE", &url, &error),
            METADATA_URL_E_INVALID);
        assert_null(url);
        assert_non_null(strstr(error, rows[i].says));
        assert_null(strstr(error, "SEKRET"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(container_url_allowed_is_taken_as_it_is),
        cmocka_unit_test(container_url_not_allowed_is_refused),
        cmocka_unit_test(urls_are_bounded),
        cmocka_unit_test(metadata_service_is_where_endpoint_or_mode_say),
        cmocka_unit_test(metadata_endpoint_or_mode_bad_is_named),
    };

    return cmocka_run_group_tests_name("aws-metadata-url", tests, NULL, NULL);
}
