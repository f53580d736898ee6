/* SPDX-License-Identifier: MIT */
/* Error replies: the status, three headers and the body, a line each but the last. */
#include "sqs/error.h"

#include "fuzz.h"
#include "util/encode.h"

FUZZ
{
    struct sqs_error error;
    char *status = fuzz_line(&data, &size), *query_error = fuzz_line(&data, &size);
    char *error_type = fuzz_line(&data, &size), *retry_after = fuzz_line(&data, &size);
    time_t t;

    sqs_error_parse(atoi(status), is_set(query_error) ? query_error : NULL,
                    is_set(error_type) ? error_type : NULL, retry_after, data, size, &error);
    assert(utf8_is_valid(error.message, strlen(error.message)));
    assert(!strchr(error.message, '\n'));
    assert(strlen(error.name) < sizeof(error.name) && strlen(error.code) < sizeof(error.code));
    assert((error.name[0] == '\0') == (error.code[0] == '\0'));
    assert(error.class <= AWS_ERROR_PERMANENT);
    assert(streq(aws_error_canonical_name(error.name), error.name));
    aws_error_server_time(query_error, &t);
    free(status);
    free(query_error);
    free(error_type);
    free(retry_after);
}
