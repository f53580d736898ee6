/* SPDX-License-Identifier: MIT */
/* Reads the replies of AWS's Security Token Service to AssumeRole and AssumeRoleWithWebIdentity
 * (Query protocol, API version 2011-06-15). They are XML, and are read with expat.
 *
 *   <AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>...    keys
 *   <ErrorResponse><Error><Type/><Code/><Message/></Error><RequestId/>     an error
 *
 * Unknown elements are ignored. A reply with a document type (DOCTYPE) is refused. So only XML's
 * own five entities exist, and nothing in a reply can grow when it is read. */
#pragma once

#include <time.h>

#include "util/buffer.h"

enum {
    STS_REPLY_MAX_BYTES = 64 * 1024,
    STS_REPLY_DEPTH_MAX = 16,
    STS_REPLY_VALUE_MAX_BYTES =
        16 * 1024,                     /* of each field that is kept, such as the session token */
    STS_ERROR_MESSAGE_MAX_BYTES = 512, /* longer ones are cut */
};

/* Either keys or an error. A reply with keys always has all three key strings and the expiration.
 * Other strings are NULL if the reply lacks them. The keys are printable ASCII without spaces, so
 * that they can stand in a header. Code, message and request id can stand in one line of a log. */
struct sts_reply {
    bool is_error;
    char *access_key_id;
    char *secret_access_key;
    char *session_token;
    time_t expiration;
    char *error_code;    /* "AccessDenied"; an error always has one */
    char *error_message; /* the first line */
    char *request_id;
};

/* 0, -ENOMEM, or STS_REPLY_E_DAMAGED if the text is no such reply: then *error, if `error` is not
 * NULL, is a line that says what is wrong and contains nothing secret; the caller frees it. */
enum { STS_REPLY_E_DAMAGED = 1 };
int sts_reply_parse(const char *xml, size_t xml_bytes, struct sts_reply **ret, char **error);

/* Wipes the keys. NULL is allowed. */
struct sts_reply *sts_reply_free(struct sts_reply *reply);
DEFINE_CLEANUP(struct sts_reply *, sts_reply_free)
