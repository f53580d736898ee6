/* SPDX-License-Identifier: MIT */
/* One set of AWS keys, with the place where they were found and their expiry. It is
 * reference-counted, does not change after it is made, and is wiped at the last unref. */
#pragma once

#include <sys/stat.h>

#include "util/macro.h"

struct aws_credentials {
    unsigned references;
    char *access_key_id;
    char *secret_access_key;
    char *session_token; /* NULL: none */
    char *source; /* for people: "environment", "/run/.../aws.credentials, profile default" */
    uint64_t expiry_usec; /* on AWS's clock; USEC_INFINITY: never */
    char *path;           /* the file that contains them; NULL: none */
    struct stat stamp;    /* of that file when it was read */
};

/* Copies the strings. 0 or -ENOMEM. */
int aws_credentials_new(const char *access_key_id, const char *secret_access_key,
                        const char *session_token, const char *source, uint64_t expiry_usec,
                        struct aws_credentials **ret);
struct aws_credentials *aws_credentials_ref(struct aws_credentials *c);
struct aws_credentials *aws_credentials_unref(struct aws_credentials *c);
DEFINE_CLEANUP(struct aws_credentials *, aws_credentials_unref)

/* Notes the file that contains the keys. Call it before the keys are passed on. 0 or -ENOMEM. */
int aws_credentials_set_file(struct aws_credentials *c, const char *path);

/* Whether that file has changed since the keys were read from it: it was replaced, written to or
 * removed, or is a link that now leads elsewhere. The keys must have a file. */
bool aws_credentials_has_file_changed(const struct aws_credentials *c);

enum {
    CREDENTIALS_KEY_ID_MAX_BYTES = 1024,
    CREDENTIALS_SECRET_MAX_BYTES = 4096, /* the signer's limit */
    CREDENTIALS_TOKEN_MAX_BYTES = 12 * 1024,
};

/* Says why keys cannot stand in an HTTP header, "the secret access key has a space, ..."; NULL:
 * they can. No key that AWS makes has a space, a line break or a byte outside ASCII. The text
 * contains no part of the keys. `session_token` may be NULL. */
const char *aws_credentials_flaw(const char *access_key_id, const char *secret_access_key,
                                 const char *session_token);
