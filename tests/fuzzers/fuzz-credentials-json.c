/* SPDX-License-Identifier: MIT */
/* Credentials as JSON: a byte that chooses the form, "0" a process, "1" a container, "2" IMDS, and
 * the text. */
#include "aws/credentials-json.h"

#include "fuzz.h"

#define SOURCE_SAYS "has no keys but says: "

static void check_keys(enum credentials_json_form form, const struct credentials_json *c)
{
    fuzz_check_word(c->access_key_id);
    fuzz_check_word(c->secret_access_key);
    if (c->session_token)
        fuzz_check_word(c->session_token);
    assert(form != CREDENTIALS_JSON_IMDS || (c->session_token && c->expiry_usec != USEC_INFINITY));
    assert(!c->account_id || c->account_id[0] != '\0' || form <= CREDENTIALS_JSON_IMDS);
}

FUZZ
{
    CLEANUP(buffer_done) struct buffer failure = BUFFER_INIT(4096);
    struct credentials_json c, untouched;
    enum credentials_json_form form;
    char *error = NULL;
    int r;

    if (size == 0)
        return;
    form = (enum credentials_json_form)((unsigned char)data[0] % 3);
    memset(&c, 0x5a, sizeof(c));
    untouched = c;
    r = credentials_json_parse(form, data + 1, size - 1, &c, &error);
    if (r == 0) {
        assert(!error);
        check_keys(form, &c);
        credentials_json_done(&c);
    } else {
        assert(r == CREDENTIALS_JSON_E_INVALID);
        assert(memcmp(&c, &untouched, sizeof(c)) == 0);
        fuzz_check_line(error);
        /* Only a source's own words about its failure are repeated. */
        assert(strncmp(error, SOURCE_SAYS, strlen(SOURCE_SAYS)) == 0 ||
               !strstr(error, FUZZ_SECRET));
        assert(credentials_json_parse(form, data + 1, size - 1, &c, NULL) == r);
    }
    assert(credentials_json_append_failure(&failure, data + 1, size - 1) == 0);
    if (failure.size > 0)
        fuzz_check_line(buffer_string(&failure));
    free(error);
}
