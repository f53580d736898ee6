/* SPDX-License-Identifier: MIT */
/* STS's XML, keys and errors. */
#include "aws/sts-reply.h"

#include "fuzz.h"

static void check_error(const struct sts_reply *reply)
{
    assert(!reply->access_key_id && !reply->secret_access_key && !reply->session_token);
    fuzz_check_line(reply->error_code);
    if (reply->error_message)
        fuzz_check_line(reply->error_message);
    if (reply->request_id)
        fuzz_check_line(reply->request_id);
}

static void check_keys(const struct sts_reply *reply)
{
    assert(!reply->error_code && !reply->error_message && !reply->request_id);
    fuzz_check_word(reply->access_key_id);
    fuzz_check_word(reply->secret_access_key);
    fuzz_check_word(reply->session_token);
    assert(reply->expiration >= 0);
}

FUZZ
{
    struct sts_reply *reply = NULL;
    char *error = NULL;
    int r = sts_reply_parse(data, size, &reply, &error);

    assert(r == 0 || r == STS_REPLY_E_DAMAGED);
    assert((r == 0) == (reply != NULL) && (r == 0) == (error == NULL));
    if (error) {
        fuzz_check_line(error);
        assert(!strstr(error, FUZZ_SECRET));
    } else if (reply->is_error) {
        check_error(reply);
    } else {
        check_keys(reply);
    }
    sts_reply_free(reply);
    free(error);
}
