/* SPDX-License-Identifier: MIT */
/* --record: a file of what the server did to messages, one JSON object a line, for tests to check.
 * The lines of a request are written before its reply is sent.
 *
 *   {"event":"sent","queue":...,"message_id":...,"group":...,"deduplication_id":...,
 *    "sequence_number":...,"body":...,"duplicate":false,"time":...}
 *   {"event":"received",...,"receipt_handle":...,"receive_count":...,"time":...}
 *   {"event":"deleted",...,"receipt_handle":...,"receive_count":...,"time":...}
 *
 * "received" and "deleted" also have "queue", "message_id", "group", "deduplication_id" and
 * "sequence_number". A value that the message does not have is null. "time" is in seconds since the
 * epoch. */
#pragma once

#include "queue.h"

struct record;

/* Opens the file for appending. Returns 0 or a negative errno. */
int record_open(const char *path, struct record **ret);
struct record *record_free(struct record *record);
DEFINE_CLEANUP(struct record *, record_free)

/* These do nothing if `record` is NULL. */
void record_sent(struct record *record, const struct queue *queue,
                 const struct message_parts *parts, const struct queue_sent *sent,
                 uint64_t now_usec);
void record_received(struct record *record, const struct queue *queue,
                     const struct queue_delivery *delivery, uint64_t now_usec);
void record_deleted(struct record *record, const struct queue *queue, const struct message *message,
                    const char *handle, uint64_t now_usec);

/* Writes what was recorded since the last call. Returns 0 or a negative errno. */
int record_flush(struct record *record);
