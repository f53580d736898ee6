/* SPDX-License-Identifier: MIT */
/* Replies of AWS's Security Token Service to AssumeRole and AssumeRoleWithWebIdentity (its Query
 * protocol, API version 2011-06-15): XML, read with expat.
 *
 *   <AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>...    keys
 *   <ErrorResponse><Error><Type/><Code/><Message/></Error><RequestId/>     an error
 *
 * What is not known is passed over. A document type is refused, and with it all entities but XML's
 * own five; so nothing in a reply can grow when it is read. */
#pragma once

#include <time.h>

#include "util/buffer.h"

enum {
    STS_REPLY_MAX_BYTES = 64 * 1024,
    STS_REPLY_DEPTH_MAX = 16,
    STS_REPLY_VALUE_MAX_BYTES =
        16 * 1024,                     /* of one key or token; the rest of the reply is not kept */
    STS_ERROR_MESSAGE_MAX_BYTES = 512, /* longer ones are cut */
};

/* Either the keys, or an error. Strings that are not there are NULL, but the keys' three and the
 * expiration are always all there. The keys are printable ASCII without spaces, so that they can
 * stand in a header; code, message and request id are fit for a line of a log. */
struct sts_reply {
    bool is_error;
    char *access_key_id;
    char *secret_access_key;
    char *session_token;
    time_t expiration;
    char *error_code;    /* "AccessDenied"; of an error always there */
    char *error_message; /* the first line */
    char *request_id;
};

/* 0, -ENOMEM, or STS_REPLY_E_DAMAGED for anything that is not such a reply, with *error, if not
 * NULL, a line that says what is wrong and holds nothing secret; the caller frees it. */
enum { STS_REPLY_E_DAMAGED = 1 };
int sts_reply_parse(const char *xml, size_t xml_bytes, struct sts_reply **ret, char **error);

/* Wipes the keys. NULL is allowed. */
struct sts_reply *sts_reply_free(struct sts_reply *reply);
DEFINE_CLEANUP(struct sts_reply *, sts_reply_free)
