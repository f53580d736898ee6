/* SPDX-License-Identifier: MIT */
/* Whether a file of certificate authorities is of use, before TLS finds out. */
#pragma once

/* Looks whether the PEM file can be read as OpenSSL will, and holds a certificate. 0, -errno as
 * file_read returns it, or CA_BUNDLE_E_USELESS with *ret_problem static words for what is wrong. */
enum { CA_BUNDLE_E_USELESS = 1 };
int ca_bundle_check(const char *path, const char **ret_problem);
