/* SPDX-License-Identifier: MIT */
#include "http/ca-bundle.h"

#include <errno.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "util/file.h"

enum { BUNDLE_MAX_BYTES = 16 * 1024 * 1024 };

static void free_infos(STACK_OF(X509_INFO) * infos)
{
    sk_X509_INFO_pop_free(infos, X509_INFO_free);
}

/* OpenSSL refuses the whole file if one of its certificates is damaged. */
static const char *problem_of(STACK_OF(X509_INFO) * infos)
{
    if (!infos)
        return "it is not a PEM file, or one of its certificates is damaged";
    for (int i = 0; i < sk_X509_INFO_num(infos); i++)
        if (sk_X509_INFO_value(infos, i)->x509)
            return NULL;
    return "it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)";
}

int ca_bundle_check(const char *path, const char **ret_problem)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(BUNDLE_MAX_BYTES);
    STACK_OF(X509_INFO) * infos;
    const char *problem;
    BIO *bio;
    int r = file_read(path, BUNDLE_MAX_BYTES, &text);

    if (r < 0)
        return r;
    bio = BIO_new_mem_buf(buffer_string(&text), (int)text.size);
    if (!bio)
        return -ENOMEM;
    infos = PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL);
    problem = problem_of(infos);
    free_infos(infos);
    BIO_free(bio);
    ERR_clear_error();
    if (!problem)
        return 0;
    *ret_problem = problem;
    return CA_BUNDLE_E_USELESS;
}
