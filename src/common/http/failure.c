/* SPDX-License-Identifier: MIT */
/* What happens at the end of a request: libcurl's result code decides whether the request is sent
 * again, and which http_failure and text its caller gets. */
#include "http/client-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/sslerr.h>

static enum http_failure failure_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return HTTP_FAILURE_NONE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return HTTP_FAILURE_RESOLVE;
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
        return HTTP_FAILURE_CONNECT;
    case CURLE_SSL_CONNECT_ERROR: /* reset, cut off, no TLS, no common version or cipher */
    case CURLE_SSL_CIPHER:
        return HTTP_FAILURE_HANDSHAKE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return HTTP_FAILURE_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_FAILURE_TIMEOUT;
    case CURLE_URL_MALFORMAT:
    case CURLE_OUT_OF_MEMORY:
        return HTTP_FAILURE_REQUEST;
    default:
        /* CURLE_UNSUPPORTED_PROTOCOL comes here too. The URL was checked before, so it means that
         * the reply is not HTTP. */
        return HTTP_FAILURE_BROKEN;
    }
}

/* If the server closes a kept connection at the moment when a request goes out on it, the request
 * itself is not at fault, and libcurl sends it again. But libcurl does so only five times in the
 * lifetime of an easy handle. After that this function sends the request again. It also does so if
 * the request may be sent again only over a new connection. */
static bool resend(struct http_slot *slot, CURLcode code)
{
    long n_connects = 0, header_bytes = 0;

    if (slot->sending.wants_repeat)
        return http_resend(slot);
    if (code != CURLE_RECV_ERROR && code != CURLE_SEND_ERROR && code != CURLE_GOT_NOTHING)
        return false;
    curl_easy_getinfo(slot->easy, CURLINFO_NUM_CONNECTS, &n_connects);
    curl_easy_getinfo(slot->easy, CURLINFO_HEADER_SIZE, &header_bytes);
    return n_connects == 0 && header_bytes == 0 && http_may_resend(slot) && http_resend(slot);
}

/* The errno of a resource shortage that prevented opening a socket. 0: a shortage was not the
 * cause. This does not depend on whether the request was sent before: if its kept connection was
 * closed, it needs a new socket as well. The resolver opens its own sockets and does not report why
 * that fails. So after a failed name look-up this tries to open a descriptor. */
static int shortage_of(const struct http_slot *slot, enum http_failure failure)
{
    int fd, r = slot->connect.socket_errno;

    if (failure != HTTP_FAILURE_CONNECT && failure != HTTP_FAILURE_RESOLVE)
        return 0;
    if (r == 0 && failure == HTTP_FAILURE_RESOLVE) {
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            close(fd);
        else
            r = errno;
    }
    return r == EMFILE || r == ENFILE || r == ENOMEM || r == ENOBUFS ? r : 0;
}

/* Finds OpenSSL's error code in libcurl's error text, the only place that has it:
 * "error:0A00010B:...". */
static bool is_no_tls(const struct http_slot *slot)
{
    /* Newer libcurl writes "TLS connect error: error:0A00010B:...". */
    for (const char *code = strstr(slot->error_text, "error:"); code;
         code = strstr(code + 1, "error:")) {
        unsigned long value = strtoul(code + strlen("error:"), NULL, 16);
        int reason = ERR_GET_REASON(value);

        if (ERR_GET_LIB(value) == ERR_LIB_SSL &&
            (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST))
            return true;
    }
    return false;
}

/* The status with which a proxy refused CONNECT; 0: none did. */
static int proxy_status_of(const struct http_slot *slot)
{
    long status = 0;

    if (slot->sending.n_begun == 0)
        curl_easy_getinfo(slot->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status >= 300 ? (int)status : 0;
}

static void finish_failed(struct http_slot *slot, enum http_failure failure, CURLcode code)
{
    int proxy_status = proxy_status_of(slot), shortage = shortage_of(slot, failure);
    char *text = slot->error_text;
    const size_t size = sizeof(slot->error_text);

    if (proxy_status > 0 && failure != HTTP_FAILURE_TIMEOUT) {
        failure = HTTP_FAILURE_PROXY;
        snprintf(text, size, "the proxy refuses to connect: it answers %d to CONNECT%s",
                 proxy_status,
                 proxy_status == 407 ? " (user name and password missing or wrong)" : "");
    } else if (shortage > 0) {
        failure = HTTP_FAILURE_SHORTAGE;
        snprintf(text, size, "no socket can be opened: %s%s", strerror(shortage),
                 shortage == EMFILE ? " (LimitNOFILE of the service)" : "");
    } else if (failure == HTTP_FAILURE_HANDSHAKE && is_no_tls(slot)) {
        snprintf(text, size,
                 "the server does not speak TLS on this port: its URL may have to begin with "
                 "http://, not https://");
    } else if (failure == HTTP_FAILURE_TIMEOUT && slot->sending.n_begun == 0) {
        http_connect_failed(slot, failure, true);
        http_deadline_describe_connecting(slot);
    } else if (code == CURLE_ABORTED_BY_CALLBACK) {
        snprintf(text, size, "the connection was closed without an answer");
    } else if (text[0] == '\0') {
        snprintf(text, size, "%s", curl_easy_strerror(code));
    }
    http_slot_finish(slot, failure, text);
}

/* libcurl limits the size of one header and of all headers. Before 8.6 it reports an excess as
 * CURLE_OUT_OF_MEMORY. 100 is CURLE_TOO_LARGE, which the headers of Debian 12 lack. */
static bool is_head_too_large(const struct http_slot *slot, CURLcode code)
{
    return slot->sending.n_begun > 0 && !slot->reply.is_head_whole &&
           (code == CURLE_OUT_OF_MEMORY || (int)code == 100);
}

void http_finish_by_code(struct http_slot *slot, CURLcode code)
{
    if (slot->reply.resume_error != CURLE_OK)
        code = slot->reply.resume_error;
    if (resend(slot, code))
        return;
    if (code == CURLE_COULDNT_CONNECT && slot->request.is_unix) {
        if (http_retry_full_backlog(slot))
            return;
        http_describe_unix_connect_failure(slot);
    }
    /* The buffer has an error if our write callback has failed. */
    if (slot->reply.body.error == -ENOMEM)
        http_slot_finish(slot, HTTP_FAILURE_REQUEST, "no memory for the reply");
    else if (slot->reply.body.error < 0)
        http_slot_finish(slot, HTTP_FAILURE_TOO_LARGE, "the reply is larger than allowed");
    else if (is_head_too_large(slot, code))
        http_slot_finish(slot, HTTP_FAILURE_TOO_LARGE,
                         "the reply's headers are too large (libcurl's bound is 100 KiB a header)");
    else if (code == CURLE_OK &&
             !slot->reply.is_head_whole) /* libcurl takes this for a whole reply */
        http_slot_finish(slot, HTTP_FAILURE_BROKEN, "the reply's headers are cut off");
    else if (code == CURLE_OK)
        http_slot_finish(slot, HTTP_FAILURE_NONE, "");
    else
        finish_failed(slot, failure_of(code), code);
}
