/* SPDX-License-Identifier: MIT */
/* Takes a request through the server, from when it is complete until its reply may be sent. */
#pragma once

#include "server-internal.h"

/* Handles a request that has been received completely. Returns the value that MHD's handler must
 * return. */
enum MHD_Result exchange_begin(struct server *server, struct request *request, const char *method);

/* The request's timer is due. */
void exchange_go_on(struct server *server, struct request *request);

/* Ends a suspended request without a reply: its connection will be closed. Does nothing to a
 * request that is not suspended. */
void exchange_give_up(struct server *server, struct request *request);

/* Gives messages that are now available to the receives that wait for them. */
void exchange_serve_waiters(struct server *server);

/* A queue has been deleted; see queue_deleted of struct service. */
void exchange_queue_deleted(struct queue *queue);
