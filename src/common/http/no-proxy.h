/* SPDX-License-Identifier: MIT */
/* The form of entry of no_proxy that libcurl does not know: "host:port". */
#pragma once

#include "util/macro.h"

/* Whether an entry "host:port" of the list (entries between commas or blanks; NULL: none) names
 * this host and port. As in the forms that libcurl knows, a host stands for those below it as well,
 * a dot before it changes nothing, and case does not matter. `host`: an IPv6 address is in
 * brackets, there and in the list. */
bool no_proxy_names(const char *list, const char *host, unsigned port);
