/* SPDX-License-Identifier: MIT */
/* What the published figures are signed with, and the hash of an empty body. */
#pragma once

#include "aws/sigv4.h"
#include "test.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TIME 1440938160
#define TIME_TEXT "20150830T123600Z"
#define SCOPE_TEXT "20150830/us-east-1/service/aws4_request"
#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct sigv4_scope SCOPE = {.region = "us-east-1", .service = "service", .time = TIME};
