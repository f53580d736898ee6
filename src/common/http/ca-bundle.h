/* SPDX-License-Identifier: MIT */
/* Checks a file of certificate authorities before TLS uses it. */
#pragma once

/* Checks that OpenSSL can read the PEM file and that it holds a certificate. Returns 0, the
 * negative errno of file_read, or CA_BUNDLE_E_USELESS; then *ret_problem is a static text that says
 * what is wrong. */
enum { CA_BUNDLE_E_USELESS = 1 };
int ca_bundle_check(const char *path, const char **ret_problem);
