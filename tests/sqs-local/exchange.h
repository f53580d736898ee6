/* SPDX-License-Identifier: MIT */
/* A request's way through the server, from when all of it is there to when its reply may leave. */
#pragma once

#include "server-internal.h"

/* The whole request is there. Returns what MHD's handler must. */
enum MHD_Result exchange_begin(struct server *server, struct request *request, const char *method);

/* The request's timer is due. */
void exchange_go_on(struct server *server, struct request *request);

/* There is no reply, if it was suspended: its connection is to be closed. */
void exchange_give_up(struct server *server, struct request *request);

/* Looks whether there are messages now for those who wait for them. */
void exchange_serve_waiters(struct server *server);

/* A queue is no more: as service's queue_deleted. */
void exchange_queue_deleted(struct queue *queue);
