/* SPDX-License-Identifier: MIT */
/* Entries "host:port" of no_proxy. libcurl does not know this form. */
#pragma once

#include "util/macro.h"

/* Whether the list has an entry "host:port" that matches this host and port. Commas or blanks
 * separate the entries. NULL: an empty list. As in the forms that libcurl knows, an entry also
 * matches the subdomains of its host, a dot before its host changes nothing, and case does not
 * matter. IPv6 addresses are in brackets, in `host` and in the list. */
bool no_proxy_names(const char *list, const char *host, unsigned port);
