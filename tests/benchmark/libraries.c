/* SPDX-License-Identifier: MIT */
/* A process that has the daemons' libraries and has made them ready, and nothing else: what memory
 * it takes is the part of theirs that no code of the project can save. */
#include <curl/curl.h>
#include <openssl/evp.h>
#include <stdlib.h>

int main(void)
{
    EVP_MD *sha256;
    CURLM *multi;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return EXIT_FAILURE;
    multi = curl_multi_init();
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!multi || !sha256)
        return EXIT_FAILURE;
    EVP_MD_free(sha256);
    curl_multi_cleanup(multi);
    curl_global_cleanup();
    return EXIT_SUCCESS;
}
