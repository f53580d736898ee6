/* SPDX-License-Identifier: MIT */
/* The request is put into canonical form (sigv4-canonical.c). The form is hashed into the string to
 * sign. That is signed with a key derived from secret, day, region and service.
 *
 * Each stage has an inner function that takes OpenSSL's contexts. The signer keeps the contexts and
 * its buffers for the next request; the public functions of the stages make them for one call.
 *
 * A signature depends only on the arguments, not on the locale or a clock. Key material is wiped on
 * all paths, also after errors. */
#include "aws/sigv4.h"

#include <errno.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "aws/sigv4-canonical.h"
#include "aws/sigv4-time.h"
#include "util/encode.h"

enum {
    SECRET_MAX_BYTES = 4096,
    CANONICAL_MAX_BYTES = 256 * 1024, /* headers alone: session tokens of some KiB, names, values */
    STRING_TO_SIGN_MAX_BYTES = 1024,
    SHA256_BYTES = 32,
    DATE_CHARACTERS = 8, /* "20150830" of "20150830T123600Z" */
};

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SCOPE_END "aws4_request"

static const time_t LAST_TIME = 253402300799; /* 99991231T235959Z: the last year of four digits */

/* ---- hashes: fetched once, used often ---- */

struct sha256 {
    EVP_MD *algorithm;
    EVP_MD_CTX *context;
};

struct hmac {
    EVP_MAC_CTX *context; /* its digest is set */
};

static void sha256_done_cleanup(struct sha256 *h)
{
    EVP_MD_CTX_free(h->context);
    EVP_MD_free(h->algorithm);
}

static int sha256_init(struct sha256 *h)
{
    h->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!h->algorithm)
        return -EIO;
    h->context = EVP_MD_CTX_new();
    return h->context ? 0 : -ENOMEM;
}

static int sha256_hex(struct sha256 *h, const void *bytes, size_t size,
                      char ret[SIGV4_DIGEST_HEX_SIZE])
{
    unsigned char digest[SHA256_BYTES];

    if (!EVP_DigestInit_ex2(h->context, h->algorithm, NULL) ||
        !EVP_DigestUpdate(h->context, size > 0 ? bytes : "", size) ||
        !EVP_DigestFinal_ex(h->context, digest, NULL))
        return -EIO;
    hex_encode(digest, sizeof(digest), ret);
    return 0;
}

static void hmac_done_cleanup(struct hmac *h)
{
    EVP_MAC_CTX_free(h->context); /* wipes the key */
}

static int hmac_init(struct hmac *h)
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);

    if (!algorithm)
        return -EIO;
    h->context = EVP_MAC_CTX_new(algorithm);
    EVP_MAC_free(algorithm); /* the context keeps a reference */
    if (!h->context)
        return -ENOMEM;
    /* The digest is set only once, because setting it fetches SHA-256 anew. */
    return EVP_MAC_CTX_set_params(h->context, parameters) ? 0 : -EIO;
}

/* `key` NULL: uses the key of the previous call, without hashing it again. */
static int hmac_compute(struct hmac *h, const void *key, size_t key_bytes, const char *text,
                        size_t text_bytes, uint8_t ret[SIGV4_KEY_BYTES])
{
    size_t n;

    if (!EVP_MAC_init(h->context, key, key_bytes, NULL) ||
        !EVP_MAC_update(h->context, (const unsigned char *)text, text_bytes) ||
        !EVP_MAC_final(h->context, ret, &n, SIGV4_KEY_BYTES))
        return -EIO;
    return 0;
}

/* ---- stage 1: the canonical request ---- */

static int canonical_request(struct sha256 *sha256, const struct sigv4_request *request,
                             struct buffer *canonical, struct buffer *signed_headers)
{
    char body_hash[SIGV4_DIGEST_HEX_SIZE];
    int r;

    if (!request->body && request->body_bytes > 0)
        return -EINVAL;
    r = sha256_hex(sha256, request->body, request->body_bytes, body_hash);
    return r < 0 ? r : sigv4_canonical_form(request, body_hash, canonical, signed_headers);
}

int sigv4_canonical_request(const struct sigv4_request *request, struct buffer *canonical,
                            struct buffer *signed_headers)
{
    CLEANUP(sha256_done) struct sha256 sha256 = {};
    int r = sha256_init(&sha256);

    return r < 0 ? r : canonical_request(&sha256, request, canonical, signed_headers);
}

/* ---- stage 2: the string to sign ---- */

static int scope_time(const struct sigv4_scope *scope, char ret[AWS_TIME_SIZE])
{
    if (!is_set(scope->region) || !is_set(scope->service) || scope->time < 0 ||
        scope->time > LAST_TIME)
        return -EINVAL;
    aws_time_format(scope->time, ret);
    return 0;
}

static int append_scope(struct buffer *b, const struct sigv4_scope *scope,
                        const char time[AWS_TIME_SIZE])
{
    buffer_append(b, time, DATE_CHARACTERS);
    buffer_append_char(b, '/');
    buffer_append_string(b, scope->region);
    buffer_append_char(b, '/');
    buffer_append_string(b, scope->service);
    return buffer_append_string(b, "/" SCOPE_END);
}

static int string_to_sign(struct sha256 *sha256, const struct sigv4_scope *scope,
                          const char *canonical, size_t canonical_bytes, struct buffer *ret)
{
    char time[AWS_TIME_SIZE], hash[SIGV4_DIGEST_HEX_SIZE];
    int r;

    r = scope_time(scope, time);
    if (r < 0)
        return r;
    r = sha256_hex(sha256, canonical, canonical_bytes, hash);
    if (r < 0)
        return r;
    buffer_append_string(ret, ALGORITHM "\n");
    buffer_append_string(ret, time);
    buffer_append_char(ret, '\n');
    append_scope(ret, scope, time);
    buffer_append_char(ret, '\n');
    return buffer_append_string(ret, hash);
}

int sigv4_string_to_sign(const struct sigv4_scope *scope, const char *canonical,
                         size_t canonical_bytes, struct buffer *ret)
{
    CLEANUP(sha256_done) struct sha256 sha256 = {};
    int r = sha256_init(&sha256);

    return r < 0 ? r : string_to_sign(&sha256, scope, canonical, canonical_bytes, ret);
}

/* ---- stage 3: the key and the signature ---- */

static int derive_key(struct hmac *hmac, const char *secret_access_key,
                      const struct sigv4_scope *scope, uint8_t ret_key[SIGV4_KEY_BYTES])
{
    CLEANUP(buffer_done) struct buffer secret = BUFFER_INIT(SECRET_MAX_BYTES);
    uint8_t key[SIGV4_KEY_BYTES];
    char time[AWS_TIME_SIZE];
    int r;

    if (!is_set(secret_access_key))
        return -EINVAL;
    r = scope_time(scope, time);
    if (r < 0)
        return r;
    buffer_append_string(&secret, "AWS4");
    r = buffer_append_string(&secret, secret_access_key);
    if (r < 0)
        return r;

    r = hmac_compute(hmac, secret.data, secret.size, time, DATE_CHARACTERS, key);
    if (r >= 0)
        r = hmac_compute(hmac, key, sizeof(key), scope->region, strlen(scope->region), key);
    if (r >= 0)
        r = hmac_compute(hmac, key, sizeof(key), scope->service, strlen(scope->service), key);
    if (r >= 0)
        r = hmac_compute(hmac, key, sizeof(key), SCOPE_END, strlen(SCOPE_END), key);
    if (r >= 0)
        memcpy(ret_key, key, sizeof(key));
    secure_wipe(key, sizeof(key));
    return r;
}

int sigv4_derive_key(const char *secret_access_key, const struct sigv4_scope *scope,
                     uint8_t ret_key[SIGV4_KEY_BYTES])
{
    CLEANUP(hmac_done) struct hmac hmac = {};
    int r = hmac_init(&hmac);

    return r < 0 ? r : derive_key(&hmac, secret_access_key, scope, ret_key);
}

/* `key`: see hmac_compute. */
static int signature(struct hmac *hmac, const uint8_t *key, const char *text, size_t text_bytes,
                     char ret[SIGV4_SIGNATURE_SIZE])
{
    uint8_t mac[SIGV4_KEY_BYTES];
    int r = hmac_compute(hmac, key, key ? SIGV4_KEY_BYTES : 0, text, text_bytes, mac);

    if (r < 0)
        return r;
    hex_encode(mac, sizeof(mac), ret);
    return 0;
}

int sigv4_signature(const uint8_t key[SIGV4_KEY_BYTES], const char *text, size_t text_bytes,
                    char ret[SIGV4_SIGNATURE_SIZE])
{
    CLEANUP(hmac_done) struct hmac hmac = {};
    int r = hmac_init(&hmac);

    return r < 0 ? r : signature(&hmac, key, text, text_bytes, ret);
}

/* ---- the signer ---- */

struct sigv4_signer {
    struct sha256 sha256;
    struct hmac hmac;
    struct buffer canonical, signed_headers, string_to_sign; /* kept for their memory */

    bool has_key, is_keyed; /* is_keyed: hmac's last key was `key` */
    uint8_t key[SIGV4_KEY_BYTES];
    char key_date[DATE_CHARACTERS]; /* the key was derived from these */
    char *key_secret, *key_region, *key_service;
};

static void forget_key(struct sigv4_signer *signer)
{
    signer->has_key = signer->is_keyed = false;
    secure_wipe(signer->key, sizeof(signer->key));
    secret_free(TAKE(signer->key_secret));
    free(TAKE(signer->key_region));
    free(TAKE(signer->key_service));
}

int sigv4_signer_new(struct sigv4_signer **ret)
{
    CLEANUP(sigv4_signer_free) struct sigv4_signer *signer = calloc(1, sizeof(*signer));
    int r;

    if (!signer)
        return -ENOMEM;
    signer->canonical = BUFFER_INIT(CANONICAL_MAX_BYTES);
    signer->signed_headers = BUFFER_INIT(CANONICAL_MAX_BYTES);
    signer->string_to_sign = BUFFER_INIT(STRING_TO_SIGN_MAX_BYTES);
    r = sha256_init(&signer->sha256);
    if (r < 0)
        return r;
    r = hmac_init(&signer->hmac);
    if (r < 0)
        return r;
    *ret = TAKE(signer);
    return 0;
}

struct sigv4_signer *sigv4_signer_free(struct sigv4_signer *signer)
{
    if (!signer)
        return NULL;
    forget_key(signer);
    buffer_done(&signer->canonical);
    buffer_done(&signer->signed_headers);
    buffer_done(&signer->string_to_sign);
    hmac_done_cleanup(&signer->hmac);
    sha256_done_cleanup(&signer->sha256);
    free(signer);
    return NULL;
}

/* Makes signer->key the one for this secret and scope. */
static int ensure_key(struct sigv4_signer *signer, const char *secret_access_key,
                      const struct sigv4_scope *scope, const char time[AWS_TIME_SIZE])
{
    int r;

    if (!is_set(secret_access_key))
        return -EINVAL;
    if (signer->has_key && memcmp(signer->key_date, time, DATE_CHARACTERS) == 0 &&
        streq(signer->key_secret, secret_access_key) && streq(signer->key_region, scope->region) &&
        streq(signer->key_service, scope->service))
        return 0;

    forget_key(signer);
    r = derive_key(&signer->hmac, secret_access_key, scope, signer->key);
    if (r < 0)
        return r;
    signer->key_secret = strdup(secret_access_key);
    signer->key_region = strdup(scope->region);
    signer->key_service = strdup(scope->service);
    if (!signer->key_secret || !signer->key_region || !signer->key_service) {
        forget_key(signer);
        return -ENOMEM;
    }
    memcpy(signer->key_date, time, DATE_CHARACTERS);
    signer->has_key = true;
    return 0;
}

/* SQS compares x-amz-date with the scope, and refuses a request if they differ. */
static bool has_date(const struct sigv4_request *request, const char time[AWS_TIME_SIZE])
{
    for (size_t i = 0; i < request->n_headers; i++)
        if (sigv4_compare_names(request->headers[i].name, "x-amz-date") == 0)
            return streq(request->headers[i].value, time);
    return false;
}

/* On failure nothing is appended. */
static int append_authorization(struct buffer *b, const char *access_key_id,
                                const struct sigv4_scope *scope, const char time[AWS_TIME_SIZE],
                                const struct buffer *signed_headers,
                                const char signature_hex[SIGV4_SIGNATURE_SIZE])
{
    size_t before = b->size;

    buffer_append_string(b, ALGORITHM " Credential=");
    buffer_append_string(b, access_key_id);
    buffer_append_char(b, '/');
    append_scope(b, scope, time);
    buffer_append_string(b, ", SignedHeaders=");
    buffer_append(b, signed_headers->data, signed_headers->size);
    buffer_append_string(b, ", Signature=");
    buffer_append(b, signature_hex, SIGV4_SIGNATURE_SIZE - 1);
    if (b->error < 0 && b->data) {
        b->size = before;
        b->data[before] = '\0';
    }
    return b->error;
}

int sigv4_authorize(struct sigv4_signer *signer, const struct sigv4_request *request,
                    const struct sigv4_credentials *credentials, const struct sigv4_scope *scope,
                    struct buffer *authorization)
{
    char time[AWS_TIME_SIZE], hex[SIGV4_SIGNATURE_SIZE];
    int r;

    if (!is_set(credentials->access_key_id))
        return -EINVAL;
    r = scope_time(scope, time);
    if (r < 0)
        return r;
    buffer_reset(&signer->canonical);
    buffer_reset(&signer->signed_headers);
    buffer_reset(&signer->string_to_sign);
    r = canonical_request(&signer->sha256, request, &signer->canonical, &signer->signed_headers);
    if (r < 0)
        return r;
    if (!has_date(request, time))
        return -EINVAL;
    r = string_to_sign(&signer->sha256, scope, signer->canonical.data, signer->canonical.size,
                       &signer->string_to_sign);
    if (r < 0)
        return r;
    r = ensure_key(signer, credentials->secret_access_key, scope, time);
    if (r < 0)
        return r;
    r = signature(&signer->hmac, signer->is_keyed ? NULL : signer->key, signer->string_to_sign.data,
                  signer->string_to_sign.size, hex);
    signer->is_keyed = r == 0;
    if (r < 0)
        return r;
    return append_authorization(authorization, credentials->access_key_id, scope, time,
                                &signer->signed_headers, hex);
}
