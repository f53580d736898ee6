/* SPDX-License-Identifier: MIT */
/* The ids of events that an operator may search for: journalctl MESSAGE_ID=... Each has an entry in
 * units/sqs-demo.catalog, which journalctl -x shows. Never change or reuse an id. */
#pragma once

/* The daemon runs. */
#define MESSAGE_ID_STARTED "cfe275156f2c44ffae8adb655bf04774"
/* The daemon has done its job and exits. */
#define MESSAGE_ID_FINISHED "cdae344f1b0e42e7b2e6b7b877dca8c6"
/* The daemon was asked to stop. */
#define MESSAGE_ID_STOPPING "6d26cef3b10a4b5cbb4d96a00561dfb8"
/* The daemon has stopped, as it was asked to. */
#define MESSAGE_ID_STOPPED "0ece773d1af245ca95a6ed564e6b6842"
/* Requests fail and are retried. */
#define MESSAGE_ID_QUEUE_UNREACHABLE "96e29484193f4a42b65113ddc441b37f"
/* Requests succeed again. */
#define MESSAGE_ID_QUEUE_REACHABLE "0e6cf860779547e4bb937a8896a67310"
/* The queue does not exist. */
#define MESSAGE_ID_QUEUE_MISSING "52e496a7ff8d4cb798c94dc8b8f998ec"
/* No AWS credentials were found. */
#define MESSAGE_ID_CREDENTIALS_MISSING "1a63e4dfbd8d4a9b81cad94c893cc6fb"
/* AWS refuses the credentials. */
#define MESSAGE_ID_CREDENTIALS_REFUSED "cc0638ae1a7441008f0686dab48701e8"
/* The credentials lack a permission. */
#define MESSAGE_ID_ACCESS_DENIED "34cded60e659485faa4b3f01370b0a59"
/* The configuration cannot be used. */
#define MESSAGE_ID_CONFIG_INVALID "ec75d331dd85450c8ddb11181cda95ab"
/* SQS has acknowledged a message. */
#define MESSAGE_ID_MESSAGE_SENT "97c34d37665041f5b9239ab73f834d62"
/* A message was received. */
#define MESSAGE_ID_MESSAGE_RECEIVED "8757d89f36494af7902e6bc7b081193e"
/* A message was deleted. */
#define MESSAGE_ID_MESSAGE_DELETED "3acd1095538d4339b7efe0ab5c9d8759"
/* SQS will never take this message. */
#define MESSAGE_ID_MESSAGE_REJECTED "870021854baa47c088f9b67600e9ea9b"
/* This machine's clock differs from AWS's. */
#define MESSAGE_ID_CLOCK_SKEW "071b85f61e9f44e18f7bd35c3a22904b"
/* The producer cannot write its spool to the disk. */
#define MESSAGE_ID_SPOOL_UNWRITABLE "4cbe97dfca4d4a188c899c2acedb0838"
/* The start failed for another reason. */
#define MESSAGE_ID_START_FAILED "13914c9be4a54560acbeb4cab4c44e4b"
/* The program for a message failed, or could not be run. */
#define MESSAGE_ID_HANDLER_FAILED "257fdb6c14ac4b9287976ead031f478b"
/* The handler says that a message will never be handled. */
#define MESSAGE_ID_HANDLER_REJECTED "6b24bb670bbd47ffb25c439c2e7a9fa1"
/* The handler cannot be reached; messages wait for it. */
#define MESSAGE_ID_HANDLER_NOT_REACHED "fbb299b9183444c1aceec3163f37a2ba"
/* The handler can be reached again. */
#define MESSAGE_ID_HANDLER_REACHED "332de56c84224bd5b9450983e92136c0"
/* The daemon works on its queue. */
#define MESSAGE_ID_WORKING "7eb1ccc2241e49528f1fd105c479259e"
/* What was done in about the last minute. */
#define MESSAGE_ID_PROGRESS "cd71fdf0d25b40a0ac5baa237d947ee4"
/* What was done from the start to the end. */
#define MESSAGE_ID_TOTALS "d85324b210bf4cfdbb19297c7f3464e1"
/* The settings were read again while the daemon runs. */
#define MESSAGE_ID_RELOADED "74e203393d0b4f23b290a9af5f5c7a26"
/* Settings have changed that need a restart. */
#define MESSAGE_ID_RELOAD_NEEDS_RESTART "485385b107454e20bee874b16df35511"
/* The settings cannot be read again: they stay as they were. */
#define MESSAGE_ID_RELOAD_REFUSED "a59b873d3cee40d089e31abf58f7a3d0"
