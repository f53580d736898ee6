/* SPDX-License-Identifier: MIT */
#include "http/ca-bundle.h"
#include "test-certificate.h"
#include "test.h"
#include "util/file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <openssl/pem.h>

static char path[] = "/tmp/test-ca-bundle.XXXXXX";

static void write_file(const void *bytes, size_t size)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void check(int expected, const char *words)
{
    const char *problem = NULL;

    assert_int_equal(ca_bundle_check(path, &problem), expected);
    if (words)
        assert_non_null(strstr(problem, words));
    else
        assert_null(problem);
}

static void ca_bundle_without_a_certificate_is_of_no_use(void **state)
{
    CLEANUP(test_authority_free) struct test_authority *authority = test_authority_new();
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(1 << 20);
    FILE *f = fopen(test_authority_path(authority), "r");
    X509 *certificate = PEM_read_X509(f, NULL, NULL, NULL);
    EVP_PKEY *key = EVP_RSA_gen(2048);
    unsigned char *der = NULL;
    int fd = mkstemp(path), size = i2d_X509(certificate, &der);
    const char *problem = NULL;

    fclose(f);
    close(fd);
    assert_int_equal(file_read(test_authority_path(authority), 1 << 20, &text), 0);
    check(CA_BUNDLE_E_USELESS, "no certificate"); /* empty */
    write_file(der, (size_t)size);
    check(CA_BUNDLE_E_USELESS, "");
    f = fopen(path, "w");
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    check(CA_BUNDLE_E_USELESS, "no certificate");

    write_file(text.data, text.size);
    check(0, NULL);
    buffer_append_string(&text, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    write_file(text.data, text.size);
    check(CA_BUNDLE_E_USELESS, "damaged");

    assert_int_equal(ca_bundle_check("/tmp", &problem), -EISDIR);
    assert_int_equal(ca_bundle_check("/dev/zero", &problem), -EINVAL);
    assert_int_equal(ca_bundle_check("/nonexistent/ca.pem", &problem), -ENOENT);
    unlink(path);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    X509_free(certificate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ca_bundle_without_a_certificate_is_of_no_use),
    };

    return cmocka_run_group_tests_name("http-ca-bundle", tests, NULL, NULL);
}
