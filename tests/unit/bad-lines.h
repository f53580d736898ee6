/* SPDX-License-Identifier: MIT */
/* Lines that are refused at the producer's socket, and what is said of each: for the reader of
 * lines and for the socket. */
#pragma once

#include "producerd/intake/submission.h"

static const struct submission_rules fifo = {true, SQS_MESSAGE_MAX_BYTES, "test"};
static const struct submission_rules fifo_without_group = {true, SQS_MESSAGE_MAX_BYTES, NULL};
static const struct submission_rules standard = {false, 64, NULL};

#define NO_MEMBER(name) name ": an unknown member; known are "
#define HALF "line: half of a surrogate pair, at byte "
#define OF_MESSAGE "body, group, deduplication_id, delay and attributes"
#define TWELVE(x) x x x x x x x x x x x x

struct bad_line {
    const char *line; /* without its newline */
    size_t size;      /* 0: up to the NUL */
    const struct submission_rules *rules;
    const char *error;
};

static const struct bad_line bad_lines[] = {
    /* No such JSON */
    {"", 0, &fifo, "line: empty"},
    {"  ", 0, &fifo, "line: cut off"},
    {"hello", 0, &fifo, "line: not JSON, at byte 1"},
    {"\"body\"", 0, &fifo, "line: no JSON object"},
    {"[{\"body\":\"x\"}]", 0, &fifo, "line: no JSON object"},
    {"null ", 0, &fifo, "line: no JSON object"},
    {"{\"body\":\"x\"", 0, &fifo, "line: cut off"},
    {"{\"body\":\"x\"}}", 0, &fifo, "line: followed by more, at byte 13"},
    {"{\"body\":\"x\"}{\"body\":\"y\"}", 0, &fifo, "line: followed by more, at byte 13"},
    {"{\"body\":\"x\"}\0", 13, &fifo, "line: followed by more, at byte 13"},
    {"{\"body\":\"x\",}", 0, &fifo, "line: not JSON, at byte 13"},
    {"{body:\"x\"}", 0, &fifo, "line: not JSON, at byte 2"},
    {"{'body':\"x\"}", 0, &fifo, "line: not JSON, at byte 2"},
    {"{\"body\":'x'}", 0, &fifo, "line: not JSON, at byte 9"},
    {"{\"body\":\"x\"/**/}", 0, &fifo, "line: not JSON, at byte 12"},
    {"{\"body\":\"x\",\"a\x1b[0m\":1}", 0, &fifo, "line: not JSON, at byte 15"},
    {"{\"body\":\"\xff\"}", 0, &fifo, "line: not UTF-8, at byte 10"},
    {"{\"body\":\"\xed\xa0\x80\"}", 0, &fifo, "line: not UTF-8, at byte 10"},
    {"{\"body\":\"\xc0\xaf\"}", 0, &fifo, "line: not UTF-8, at byte 10"},
    {"{\"attributes\":{\"a\":{\"type\":{\"x\":1}}}}", 0, &fifo, "line: too deep, at byte 33"},
    {"{\"body\":[[[[[[[[[[]]]]]]]]]]}", 0, &fifo, "line: too deep, at byte 12"},

    /* Half a surrogate pair is nowhere mended. */
    {"{\"body\":\"abc\\ud83d\"}", 0, &fifo, HALF "13"},
    {"{\"body\":\"\\ude00\\ud83d\"}", 0, &fifo, HALF "10"},
    {"{\"body\":\"x\",\"group\":\"\\ud83dx\"}", 0, &fifo, HALF "22"},
    {"{\"body\":\"x\",\"deduplication_id\":\"\\udfff\"}", 0, &fifo, HALF "33"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":\"\\ud83d\\ud83d\\ude00\"}}", 0, &fifo, HALF "32"},
    {"{\"body\":\"x\",\"attributes\":{\"a\\udc00\":\"x\"}}", 0, &fifo, HALF "29"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"String\",\"value\":\"\\ud800\"}}}", 0,
     &fifo, HALF "57"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"String.\\ud800\",\"value\":\"1\"}}}", 0,
     &fifo, HALF "47"},
    {"{\"body\":\"x\",\"\\ud800\":1}", 0, &fifo, HALF "14"},
    {"{\"command\":\"drop\",\"id\":\"\\ud800\"}", 0, &fifo, HALF "25"},

    /* Members */
    {"{}", 0, &fifo, "body: missing"},
    {"{\"group\":\"g\"}", 0, &fifo, "body: missing"},
    {"{\"body\":null}", 0, &fifo, "body: missing"},
    {"{\"body\":1}", 0, &fifo, "body: not a string"},
    {"{\"body\":{}}", 0, &fifo, "body: not a string"},
    {"{\"body\":\"x\",\"colour\":\"red\"}", 0, &fifo, NO_MEMBER("colour") OF_MESSAGE},
    {"{\"body\":\"x\",\"Group\":\"g\"}", 0, &fifo, NO_MEMBER("Group") OF_MESSAGE},
    {"{\"body\":\"x\",\"id\":\"all\"}", 0, &fifo, NO_MEMBER("id") OF_MESSAGE},
    {"{\"body\":\"x\",\"a\\u001b[0m\":1}", 0, &fifo, NO_MEMBER("a\\x1b[0m") OF_MESSAGE},
    {"{\"body\":\"x\",\"" TWELVE("longlong") "\":1}", 0, &fifo,
     NO_MEMBER("longlonglonglonglonglonglonglonglonglonglonglonglonglong"
               "longlonglonglonglonglong... (96 bytes)") OF_MESSAGE},
    {"{\"body\":\"x\",\"body\":\"y\"}", 0, &fifo, "body: there are two members of this name"},
    {"{\"body\":\"x\",\"bo\\u0064y\":\"y\"}", 0, &fifo, "body: there are two members of this name"},
    {"{\"body\":null,\"group\":null,\"body\":\"y\"}", 0, &fifo,
     "body: there are two members of this name"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":\"1\"},\"attributes\":{}}", 0, &fifo,
     "attributes: there are two members of this name"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":\"1\",\"b\":\"2\",\"a\":\"3\"}}", 0, &fifo,
     "attribute a: there are two members of this name"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":\"1\",\"b\":\"2\",\"\\u0062\":null}}", 0, &fifo,
     "attribute b: there are two members of this name"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Number\",\"type\":\"String\"}}}", 0, &fifo,
     "attribute a: type: there are two members of this name"},
    {"{\"command\":\"drop\",\"id\":\"1\",\"id\":\"all\"}", 0, &fifo,
     "id: there are two members of this name"},
    {"{\"command\":\"drop\",\"id\":\"1\",\"command\":\"retry\"}", 0, &fifo,
     "command: there are two members of this name"},
    {"{\"command\":\"drop\",\"body\":\"x\",\"command\":null}", 0, &fifo,
     NO_MEMBER("command") OF_MESSAGE},
    {"{\"body\\u0000x\":\"x\"}", 0, &fifo, NO_MEMBER("body\\x00x") OF_MESSAGE},
    {"{\"body\\u0000\":\"x\"}", 0, &fifo, NO_MEMBER("body\\x00") OF_MESSAGE},

    /* Group and deduplication id */
    {"{\"body\":\"x\",\"group\":7}", 0, &fifo, "group: not a string"},
    {"{\"body\":\"x\",\"group\":\"a\\u0000b\"}", 0, &fifo, "group: holds a NUL character"},
    {"{\"body\":\"x\",\"group\":\"\"}", 0, &fifo, "group id: 0 characters, SQS takes 1 to 128"},
    {"{\"body\":\"x\",\"group\":\"a b\"}", 0, &fifo,
     "group id: character 2 (0x20) is not one that SQS takes (letters, digits and punctuation "
     "of ASCII, no space)"},
    {"{\"body\":\"x\",\"group\":\"" TWELVE("longlonglong") "\"}", 0, &fifo,
     "group id: 144 characters, SQS takes 1 to 128"},
    {"{\"body\":\"x\"}", 0, &fifo_without_group,
     "group id: missing, each message to a FIFO queue needs one"},
    {"{\"body\":\"x\",\"deduplication_id\":true}", 0, &fifo, "deduplication_id: not a string"},
    {"{\"body\":\"x\",\"deduplication_id\":\"\xc3\xa4\"}", 0, &fifo,
     "deduplication id: character 1 (0xc3) is not one that SQS takes (letters, digits and "
     "punctuation of ASCII, no space)"},
    {"{\"body\":\"x\",\"deduplication_id\":\"d\"}", 0, &standard,
     "deduplication id: set, but only FIFO queues take one"},

    /* Delay */
    {"{\"body\":\"x\",\"delay\":\"1\"}", 0, &standard, "delay: not a whole number"},
    {"{\"body\":\"x\",\"delay\":1.5}", 0, &standard, "delay: not a whole number"},
    {"{\"body\":\"x\",\"delay\":-1}", 0, &standard, "delay: -1 s, SQS takes 0 to 900"},
    {"{\"body\":\"x\",\"delay\":901}", 0, &standard, "delay: 901 s, SQS takes 0 to 900"},
    {"{\"body\":\"x\",\"delay\":4294967296}", 0, &standard,
     "delay: 4294967296 s, SQS takes 0 to 900"},
    {"{\"body\":\"x\",\"delay\":99999999999999999999}", 0, &standard,
     "delay: 9223372036854775807 s, SQS takes 0 to 900"},
    {"{\"body\":\"x\",\"delay\":5}", 0, &fifo,
     "delay: 5 s, but on a FIFO queue all messages have the queue's delay"},

    /* Attributes */
    {"{\"body\":\"x\",\"attributes\":[]}", 0, &fifo, "attributes: not an object"},
    {"{\"body\":\"x\",\"attributes\":{\"0\":\"x\",\"1\":\"x\",\"2\":\"x\",\"3\":\"x\",\"4\":"
     "\"x\",\"5\":\"x\",\"6\":\"x\",\"7\":\"x\",\"8\":\"x\",\"9\":\"x\",\"10\":\"x\"}}",
     0, &fifo, "attributes: 11 of them, SQS takes at most 10"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":1}}", 0, &fifo,
     "attribute a: neither a string nor an object with type and value"},
    {"{\"body\":\"x\",\"attributes\":{\"a\\n\":null}}", 0, &fifo,
     "attribute a\\n: neither a string nor an object with type and value"},
    {"{\"body\":\"x\",\"attributes\":{\"a\\u0000b\":\"x\"}}", 0, &fifo,
     "attribute a\\x00b: the name holds a NUL character"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{}}}", 0, &fifo, "attribute a: type: missing"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":1,\"value\":\"1\"}}}", 0, &fifo,
     "attribute a: type: not a string"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Number\"}}}", 0, &fifo,
     "attribute a: value: missing"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Number\",\"value\":1}}}", 0, &fifo,
     "attribute a: value: not a string; numbers are written in quotes, as SQS has them"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Binary\",\"value\":1}}}", 0, &fifo,
     "attribute a: value: not a string"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"String\",\"Value\":\"1\"}}}", 0, &fifo,
     "attribute a: " NO_MEMBER("Value") "type and value"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Binary\",\"value\":\"AAE\"}}}", 0, &fifo,
     "attribute a: value: not base64 with its padding and without white space"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Binary.png\",\"value\":\"AA E\"}}}", 0,
     &fifo, "attribute a: value: not base64 with its padding and without white space"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Binary\",\"value\":\"\"}}}", 0, &fifo,
     "attribute 1 (a): the value is empty"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":\"\"}}", 0, &fifo,
     "attribute 1 (a): the value is empty"},
    {"{\"body\":\"x\",\"attributes\":{\"\":\"x\"}}", 0, &fifo,
     "attribute 1 (): a name of 0 characters, SQS takes 1 to 256"},
    {"{\"body\":\"x\",\"attributes\":{\"AWS.x\":\"x\"}}", 0, &fifo,
     "attribute 1 (AWS.x): names that begin with AWS. or Amazon. are SQS's own"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":\"1\",\"b c\":\"2\"}}", 0, &fifo,
     "attribute 2 (b c): character 2 of the name (0x20) is not one that SQS takes (A-Z a-z 0-9 "
     "_ - .)"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"number\",\"value\":\"1\"}}}", 0, &fifo,
     "attribute 1 (a): the data type is not String, Number or Binary, or one of them with a "
     "label as in Number.float"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":{\"type\":\"Number\",\"value\":\"one\"}}}", 0, &fifo,
     "attribute 1 (a): the value is not a number"},
    {"{\"body\":\"x\",\"attributes\":{\"a\":\"\\u0001\"}}", 0, &fifo,
     "attribute 1 (a): character U+0001 at byte 1 is not one that SQS takes (tab, newline, "
     "carriage return, and U+0020 or higher, except U+FFFE and U+FFFF)"},

    /* Body */
    {"{\"body\":\"\"}", 0, &fifo, "body: empty, SQS takes at least 1 character"},
    {"{\"body\":\"ab\\u0000\"}", 0, &fifo,
     "body: character U+0000 at byte 3 is not one that SQS takes (tab, newline, carriage "
     "return, and U+0020 or higher, except U+FFFE and U+FFFF)"},
    {"{\"body\":\"\\uffff\"}", 0, &fifo,
     "body: character U+FFFF at byte 1 is not one that SQS takes (tab, newline, carriage "
     "return, and U+0020 or higher, except U+FFFE and U+FFFF)"},
    {"{\"body\":\"" TWELVE("secret") "\"}", 0, &standard,
     "message: 72 bytes with its attributes, the queue takes at most 64"},

    /* Commands */
    {"{\"command\":1}", 0, &fifo, "command: not a string"},
    {"{\"command\":\"stop\"}", 0, &fifo,
     "command: unknown; known are rejected, retry, drop and series"},
    {"{\"command\":\"rejected\",\"body\":\"x\"}", 0, &fifo, NO_MEMBER("body") "command and after"},
    {"{\"command\":\"rejected\",\"after\":-1}", 0, &fifo, "after: not a whole number from 0 on"},
    {"{\"command\":\"rejected\",\"after\":\"1\"}", 0, &fifo, "after: not a whole number from 0 on"},
    {"{\"command\":\"retry\"}", 0, &fifo, "id: missing; \"all\" stands for all"},
    {"{\"command\":\"drop\",\"id\":5}", 0, &fifo, "id: not a string"},
    {"{\"command\":\"drop\",\"ids\":\"all\"}", 0, &fifo, NO_MEMBER("ids") "command and id"},
};

static inline size_t bad_line_size(const struct bad_line *bad)
{
    return bad->size ? bad->size : strlen(bad->line);
}
