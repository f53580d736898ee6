/* SPDX-License-Identifier: MIT */
/* Reads the JSON credentials of a credential_process, a container's endpoint and the EC2 instance
 * metadata service. Unknown members are ignored. A null member counts as absent. */
#pragma once

#include "util/buffer.h"

enum credentials_json_form {
    CREDENTIALS_JSON_PROCESS, /* Version is 1; SessionToken, Expiration, AccountId may be absent */
    CREDENTIALS_JSON_CONTAINER, /* Token, Expiration, AccountId may be absent */
    CREDENTIALS_JSON_IMDS,      /* Token and Expiration must be there */
};

enum {
    CREDENTIALS_JSON_E_INVALID = 1,
    CREDENTIALS_JSON_MAX_BYTES = 64 * 1024,
    CREDENTIALS_JSON_MAX_DEPTH = 8,
};

struct credentials_json {
    char *access_key_id;
    char *secret_access_key;
    char *session_token;  /* NULL: none */
    char *account_id;     /* NULL: absent, or not a string */
    uint64_t expiry_usec; /* on the wall clock, may be past; USEC_INFINITY: absent */
};

/* Reads strictly, as json_tree_read does. Of members with the same name the last counts. Keys and
 * token must be printable ASCII without spaces, because they go into HTTP headers. If the reply has
 * no keys, but a Code or Message, that is the source's own error, and *error repeats it.
 *
 * 0; -ENOMEM; or CREDENTIALS_JSON_E_INVALID: then *error, if `error` is not NULL, says what is
 * wrong, for example "has no SecretAccessKey"; it never contains a key; the caller frees it. */
int credentials_json_parse(enum credentials_json_form form, const char *text, size_t text_bytes,
                           struct credentials_json *ret, char **error);

/* Wipes and frees what the fields point to. */
void credentials_json_done(struct credentials_json *c);

static inline void credentials_json_done_cleanup(struct credentials_json *c)
{
    credentials_json_done(c);
}

/* Appends the source's own error, "Code: Message", escaped and shortened, if the text is a JSON
 * object with these members; else nothing. 0, or the buffer's error. */
int credentials_json_append_failure(struct buffer *b, const char *text, size_t text_bytes);
