/* STS's replies: XML of keys or of an error. */
#include "sts-reply.h"

#include "encode.h"
#include "fuzz.h"

/* Fit for a header. */
static bool is_plain(const char *s)
{
    for (; *s; s++)
        if (*s <= ' ' || *s >= 0x7f)
            return false;
    return true;
}

FUZZ
{
    struct sts_reply *r = NULL;
    char *error = NULL;
    int result = sts_reply_parse(data, size, &r, &error);

    assert(result == 0 || result == STS_REPLY_E_DAMAGED);
    assert((result == 0) == (r != NULL) && (result == 0) == (error == NULL));
    if (r && r->is_error) {
        assert(is_set(r->error_code) && !r->secret_access_key);
        assert(!r->error_message || !strpbrk(r->error_message, "\r\n"));
    } else if (r) {
        assert(is_set(r->access_key_id) && is_plain(r->access_key_id));
        assert(is_set(r->secret_access_key) && is_plain(r->secret_access_key));
        assert(is_set(r->session_token) && is_plain(r->session_token));
        assert(r->expiration >= 0);
    } else {
        assert(utf8_is_valid(error, strlen(error)) && !strchr(error, '\n'));
    }
    sts_reply_free(r);
    free(error);
}
