/* SPDX-License-Identifier: MIT */
/* The JSON in which credentials come from a credential_process, a container's endpoint and the EC2
 * instance metadata service. Unknown members are ignored, null counts as absent. */
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
    char *account_id;     /* NULL: not told, or no text */
    uint64_t expiry_usec; /* on the wall clock, may be past; USEC_INFINITY: not told */
};

/* Reads it strictly, as json_tree_read does; of members of the same name the last counts. Keys and
 * token are of printable ASCII without spaces (they go into HTTP headers). A reply without keys
 * that has a Code or Message is the source's own error, which is repeated.
 *
 * 0; -ENOMEM; or CREDENTIALS_JSON_E_INVALID with *error (if not NULL; the caller frees it) saying
 * what is wrong, as "has no SecretAccessKey". No value of a key is ever in it. */
int credentials_json_parse(enum credentials_json_form form, const char *text, size_t text_bytes,
                           struct credentials_json *ret, char **error);

/* Wipes and frees what the fields point to. */
void credentials_json_done(struct credentials_json *c);

static inline void credentials_json_done_cleanup(struct credentials_json *c)
{
    credentials_json_done(c);
}

/* Appends what a source says of its own failure, "Code: Message", escaped and shortened, where the
 * text is a JSON object that says so; nothing otherwise. 0, or the buffer's error. */
int credentials_json_append_failure(struct buffer *b, const char *text, size_t text_bytes);
