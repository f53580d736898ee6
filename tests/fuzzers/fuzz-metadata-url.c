/* SPDX-License-Identifier: MIT */
/* Where credentials on the machine are asked for: a line each with the container's relative and
 * full URI, the metadata service's endpoint and mode, and a zone. */
#include "aws/metadata-url.h"

#include <curl/curl.h>

#include "fuzz.h"

/* The host that libcurl would go to. */
static char *host_of(const char *url, bool *ret_is_https)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *copy;

    assert(u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK);
    assert(curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK);
    assert(curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK);
    *ret_is_https = streq(scheme, "https");
    assert(*ret_is_https || streq(scheme, "http"));
    copy = fuzz_string(host, strlen(host));
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(u);
    return copy;
}

static void check_container(const char *relative, const char *full)
{
    char *url = NULL, *error = NULL, *host;
    bool is_https;
    int r;

    if (!is_set(relative) && !is_set(full))
        return;
    r = metadata_url_container(relative, full, &url, &error);
    assert(r == 0 || r == METADATA_URL_E_INVALID);
    assert((r == 0) == (url != NULL) && (r == 0) == (error == NULL));
    if (error) {
        fuzz_check_line(error);
        return free(error);
    }
    fuzz_check_word(url);
    host = host_of(url, &is_https);
    if (is_set(relative))
        assert(!is_https && streq(host, "169.254.170.2"));
    else
        assert(is_https || strncmp(host, "127.", 4) == 0 || streq(host, "169.254.170.2") ||
               streq(host, "169.254.170.23") || host[0] == '[' ||
               strcasecmp(host, "localhost") == 0);
    free(host);
    free(url);
}

static void check_imds(const char *endpoint, const char *mode)
{
    char *url = NULL, *error = NULL, *host;
    int r = metadata_url_imds(endpoint, "ENDPOINT", mode, "MODE", &url, &error);
    bool is_https;

    assert(r == 0 || r == METADATA_URL_E_INVALID);
    assert((r == 0) == (url != NULL) && (r == 0) == (error == NULL));
    if (error) {
        fuzz_check_line(error);
        return free(error);
    }
    fuzz_check_word(url);
    assert(url[strlen(url) - 1] == '/' && !strpbrk(url, "?#"));
    host = host_of(url, &is_https);
    fuzz_check_word(host);
    free(host);
    free(url);
}

FUZZ
{
    char *relative = fuzz_line(&data, &size), *full = fuzz_line(&data, &size);
    char *endpoint = fuzz_line(&data, &size), *mode = fuzz_line(&data, &size);

    check_container(relative, full);
    check_container(NULL, full);
    check_imds(endpoint, mode);
    free(relative);
    free(full);
    free(endpoint);
    free(mode);
}
