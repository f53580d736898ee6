/* SPDX-License-Identifier: MIT */
/* See test-certificate.h. */
#include "test-certificate.h"
#include "test.h"

#include <stdio.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct test_authority {
    EVP_PKEY *key;
    X509 *certificate;
    char path[64];
    long serial;
};

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* `name` NULL: an authority. */
static X509 *make(struct test_authority *a, EVP_PKEY *key, const char *name, long valid_sec)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    char authority_name[32];

    assert_int_equal(X509_set_version(certificate, 2), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++a->serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), valid_sec);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    /* Each authority has a name of its own. */
    snprintf(authority_name, sizeof(authority_name), "Authority %p", (void *)a);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *)(name ? "server" : authority_name), -1, -1,
                               0);
    X509_set_issuer_name(certificate, name ? X509_get_subject_name(a->certificate) : subject);
    add_extension(certificate, name ? a->certificate : certificate, NID_basic_constraints,
                  name ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (name)
        add_extension(certificate, a->certificate, NID_subject_alt_name, name);
    assert_true(X509_sign(certificate, a->key, EVP_sha256()) > 0);
    return certificate;
}

struct test_authority *test_authority_new(void)
{
    struct test_authority *a = calloc(1, sizeof(*a));
    FILE *f;

    assert_non_null(a);
    a->key = EVP_EC_gen("P-256");
    assert_non_null(a->key);
    a->certificate = make(a, a->key, NULL, 3600);
    strcpy(a->path, "/tmp/test-authority.XXXXXX");
    f = fdopen(mkstemp(a->path), "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, a->certificate), 1);
    assert_int_equal(fclose(f), 0);
    return a;
}

struct test_authority *test_authority_free(struct test_authority *a)
{
    if (!a)
        return NULL;
    unlink(a->path);
    X509_free(a->certificate);
    EVP_PKEY_free(a->key);
    free(a);
    return NULL;
}

const char *test_authority_path(const struct test_authority *a)
{
    return a->path;
}

SSL_CTX *test_authority_context(struct test_authority *a, const char *name, long valid_sec)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make(a, key, name, valid_sec);

    assert_non_null(context);
    assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}
