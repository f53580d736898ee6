/* SPDX-License-Identifier: MIT */
/* For CLEANUP (util/macro.h): frees what libcurl's URL parser gives out. */
#pragma once

#include <curl/curl.h>

#include "util/macro.h"

DEFINE_CLEANUP(CURLU *, curl_url_cleanup)
DEFINE_CLEANUP(char *, curl_free)
