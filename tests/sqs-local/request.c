/* SPDX-License-Identifier: MIT */
/* A request's faults are reported in the order in which AWS's front end finds them: the form of the
 * request, the signature, the operation's name, the JSON. */
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "json-writer.h"

#define CONTENT_TYPE "application/x-amz-json-1.0"
#define TARGET_PREFIX "AmazonSQS."

enum {
    JSON_DEPTH_MAX = 16,           /* of a request's body */
    REPLY_BLOCK_BYTES = 32 * 1024, /* how much MHD asks a content reader for at a time */
};

int request_new(const char *uri, struct service *service, struct request **ret)
{
    struct request *request = calloc(1, sizeof(*request));

    if (!request)
        return -ENOMEM;
    request->body = BUFFER_INIT(REQUEST_MAX_BYTES);
    request->call.output = BUFFER_INIT(REPLY_MAX_BYTES);
    request->call.service = service;
    request->uri = strdup(uri);
    if (!request->uri) {
        free(request);
        return -ENOMEM;
    }
    identifier_make(request->id);
    *ret = request;
    return 0;
}

struct request *request_free(struct request *request)
{
    if (!request)
        return NULL;
    free(request->uri);
    buffer_done(&request->body);
    buffer_done(&request->call.output);
    fault_clear(&request->call.fault);
    json_object_put(request->call.input);
    free(request);
    return NULL;
}

static const char *header(struct request *request, const char *name)
{
    const char *value = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);

    return value ? value : "";
}

/* A header whose value may be stored and returned: NULL if it is absent or not ASCII. */
static const char *plain_header(struct request *request, const char *name)
{
    const char *value = header(request, name);

    for (const char *p = value; *p; p++)
        if (*p < ' ' || *p > '~')
            return NULL;
    return is_set(value) ? value : NULL;
}

/* "/", or a queue URL's "/<account>/<name>". */
static bool path_is_valid(const char *uri)
{
    size_t n = strcspn(uri, "?"), slashes = 0;

    for (size_t i = 0; i < n; i++)
        slashes += uri[i] == '/';
    return (n == 1 && uri[0] == '/') || (n > 4 && slashes == 2 && uri[0] == '/');
}

/* The UTF-16 unit of the escape \uXXXX at `p`; 0 if there is no such escape. */
static unsigned escaped_unit(const char *p)
{
    char digits[5] = "";

    if (strncmp(p, "\\u", 2) != 0)
        return 0;
    memcpy(digits, p + 2, strnlen(p + 2, 4));
    return strspn(digits, "0123456789abcdefABCDEF") == 4 ? (unsigned)strtoul(digits, NULL, 16) : 0;
}

static bool is_surrogate(unsigned unit, unsigned first)
{
    return unit >= first && unit < first + 0x400;
}

/* The escape of a lone surrogate is not a character. The JSON reader refuses the whole request for
 * it, but SQS only the text. So this replaces it by U+FFFF, which SQS does not allow either.
 * Returns whether there was one. If `json` is NULL, it only looks. */
static bool replace_lone_surrogates(const char *text, char *json)
{
    bool found = false;

    for (const char *p = text; (p = strchr(p, '\\'));) {
        unsigned unit = escaped_unit(p);

        if (is_surrogate(unit, 0xD800) && is_surrogate(escaped_unit(p + 6), 0xDC00)) {
            p += 12;
        } else if (is_surrogate(unit, 0xD800) || is_surrogate(unit, 0xDC00)) {
            found = true;
            if (json)
                memcpy(json + (p - text), "\\uffff", 6);
            p += 6;
        } else {
            p += p[1] == '\0' ? 1 : 2;
        }
    }
    return found;
}

static int read_json(struct request *request)
{
    CLEANUP(free) char *copy = NULL;
    struct call *call = &request->call;
    const char *text = buffer_string(&request->body);
    struct json_fault fault;
    int r;

    /* A copy is changed, because the signature is of the original bytes. The look ends at a NUL,
     * which is not valid JSON anyway. */
    if (replace_lone_surrogates(text, NULL)) {
        copy = malloc(request->body.size);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, text, request->body.size);
        replace_lone_surrogates(text, copy);
        text = copy;
    }
    r = json_read(text, request->body.size, JSON_DEPTH_MAX, &call->input, &fault);
    if (r == JSON_E_INVALID)
        return call_fail(call, ERROR_SERIALIZATION, "The request's body is not a JSON object: %s",
                         fault.text);
    return r;
}

/* Whether this is the query protocol, which SQS had before JSON: a form with an Action, in the body
 * or in the URL. */
static bool is_query_protocol(struct request *request, const char *method)
{
    static const char form[] = "application/x-www-form-urlencoded";
    const char *query = strchr(request->uri, '?');

    if (streq(method, "GET"))
        return query && (strncmp(query, "?Action=", 8) == 0 || strstr(query, "&Action=") != NULL);
    return streq(method, "POST") && !is_set(header(request, "x-amz-target")) &&
           strncasecmp(header(request, "content-type"), form, strlen(form)) == 0;
}

static int refuse_operation(struct call *call, const char *name)
{
    CLEANUP(buffer_done) struct buffer here = BUFFER_INIT(4096);

    if (!operation_is_lacking(name))
        return call_fail(call, ERROR_UNKNOWN_OPERATION, "SQS has no operation %s", name);
    operations_tell(&here);
    return call_fail(call, ERROR_UNSUPPORTED_OPERATION,
                     "sqs-local, a server for tests, has no %s. It has %s.", name,
                     buffer_string(&here));
}

int request_check_form(struct request *request, const char *method)
{
    struct call *call = &request->call;
    const char *target = header(request, "x-amz-target");

    if (request->is_too_large)
        return call_fail(call, ERROR_REQUEST_TOO_LARGE, "Request size exceeded %d bytes",
                         REQUEST_MAX_BYTES);
    if (!path_is_valid(request->uri))
        return call_fail(call, ERROR_INVALID_ADDRESS,
                         "The address %s is not valid for this endpoint.", request->uri);
    if (is_query_protocol(request, method)) {
        request->is_query_protocol = true;
        return call_fail(call, ERROR_UNSUPPORTED_OPERATION,
                         "sqs-local speaks AWS JSON 1.0, and this request is in the older query "
                         "protocol: use a newer SDK");
    }
    if (!streq(method, "POST") || strcasecmp(header(request, "content-type"), CONTENT_TYPE) != 0 ||
        strncmp(target, TARGET_PREFIX, strlen(TARGET_PREFIX)) != 0)
        return call_fail(call, ERROR_UNKNOWN_OPERATION,
                         "Not a POST of " CONTENT_TYPE " with an X-Amz-Target of AmazonSQS");
    request->operation = operation_find(target + strlen(TARGET_PREFIX));
    if (!request->operation)
        return refuse_operation(call, target + strlen(TARGET_PREFIX));
    call->trace_header = plain_header(request, "x-amzn-trace-id");
    return read_json(request);
}

struct headers {
    struct sigv4_header list[SIGV4_HEADERS_MAX];
    size_t n;
};

static enum MHD_Result add_header(void *data, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct headers *headers = data;

    if (headers->n == ARRAY_SIZE(headers->list))
        return MHD_NO;
    headers->list[headers->n++] = (struct sigv4_header){name, value ? value : ""};
    return MHD_YES;
}

int request_check_signature(struct request *request, const char *method, struct auth *auth,
                            time_t shown_time, uint64_t now_usec)
{
    CLEANUP(free) char *path = strdup(request->uri);
    struct headers headers = {};
    struct sigv4_request signed_request = {
        .method = method,
        .path = path,
        .headers = headers.list,
        .body = buffer_string(&request->body),
        .body_bytes = request->body.size,
    };
    char *query;
    int r;

    if (!path)
        return -ENOMEM;
    query = strchr(path, '?');
    if (query) {
        *query = '\0';
        signed_request.query = query + 1;
    }
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, add_header, &headers);
    signed_request.n_headers = headers.n;
    r = auth_check(auth, &signed_request, shown_time, now_usec, request->call.region,
                   &request->call.fault);
    return r == AUTH_E_REFUSED ? (int)OPERATION_E_FAULT : r;
}

/* An error in the query protocol's form. The text must need no escapes. */
static void put_xml_error(const struct request *request, struct buffer *output, const char *code,
                          const char *text)
{
    buffer_printf(output,
                  "<?xml version=\"1.0\"?>"
                  "<ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error>"
                  "<Type>Sender</Type><Code>%s</Code><Message>%s</Message><Detail/></Error>"
                  "<RequestId>%s</RequestId></ErrorResponse>",
                  code, text, request->id);
}

/* If `type` is NULL, the error is like one from a server in front of SQS. */
static void put_error(struct buffer *output, const char *type, const char *text)
{
    buffer_reset(output);
    if (!type) {
        buffer_append_string(output,
                             "<html><body><b>Http/1.1 Service Unavailable</b></body> </html>");
        return;
    }
    buffer_append_char(output, '{');
    json_put(output, "__type", type);
    json_put(output, "message", text);
    buffer_append_char(output, '}');
}

void request_make_reply(struct request *request, int result)
{
    const struct fault *fault = &request->call.fault;
    struct buffer *output = &request->call.output;
    const struct error_type *error;

    request->content_type = CONTENT_TYPE;
    if (result == 0) {
        request->status = MHD_HTTP_OK;
        return;
    }
    error = error_type(result == OPERATION_E_FAULT && fault->text ? fault->kind
                                                                  : ERROR_INTERNAL_FAILURE);
    request->status = error->status;
    request->error_code = error->code;
    if (request->is_query_protocol) {
        request->content_type = "text/xml";
        put_xml_error(request, output, error->code, fault->text ? fault->text : "");
        return;
    }
    if (!error->type)
        request->content_type = "text/html";
    put_error(output, error->type, fault->text ? fault->text : "");
    /* The text may contain bytes from the request that are not valid UTF-8. */
    if (output->error < 0)
        put_error(output, error->type, "");
}

/* A content reader whose body ends half-way. `data` is the request. */
static ssize_t read_half(void *data, uint64_t position, char *ret, size_t max)
{
    const struct request *request = data;
    size_t half = request->call.output.size / 2, n;

    if (position >= half)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = MIN(max, half - (size_t)position);
    memcpy(ret, request->call.output.data + position, n);
    return (ssize_t)n;
}

static struct MHD_Response *make_response(struct request *request)
{
    struct buffer *output = &request->call.output;
    struct MHD_Response *response;
    size_t size = output->size;
    char *body;

    if (request->is_truncated) {
        /* An empty reply has nothing to cut off. */
        if (size == 0 && buffer_append_string(output, "{}") < 0)
            return NULL;
        return MHD_create_response_from_callback(output->size, REPLY_BLOCK_BYTES, read_half,
                                                 request, NULL);
    }
    body = buffer_take(output);
    if (!body)
        return NULL;
    response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(body);
    return response;
}

enum MHD_Result request_queue_reply(struct request *request, const char *date)
{
    struct MHD_Response *response = make_response(request);
    char error[128];
    enum MHD_Result r;

    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "x-amzn-RequestId", request->id);
    MHD_add_response_header(response, "Date", date);
    MHD_add_response_header(response, "Content-Type", request->content_type);
    if (request->error_code) {
        snprintf(error, sizeof(error), "%s;%s", request->error_code,
                 request->status < 500 ? "Sender" : "Receiver");
        MHD_add_response_header(response, "x-amzn-query-error", error);
    }
    r = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);
    return r;
}
