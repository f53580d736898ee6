/* SPDX-License-Identifier: MIT */
/* SQS's operations on an account, from a request's JSON to a reply's, without HTTP. */
#pragma once

#include "account.h"
#include "errors.h"
#include "permissions.h"
#include "queue-arn.h"
#include "record.h"
#include "util/json-reader.h"

/* What all operations work on. */
struct service {
    struct account account;
    struct record *record; /* NULL: none */
    char *url;             /* "http://127.0.0.1:9324", what queue URLs begin with */
    const char *region;    /* in the queues' ARNs; NULL: that which a call is signed for */
    unsigned fifo_limit;   /* calls a second of each action on a FIFO queue; 0: no limit */
    uint64_t n_over_limit; /* those that were refused for it */
    const struct permissions *permissions;

    /* Called with a queue that was deleted, before it is freed: lets its waiters go. */
    void (*queue_deleted)(struct queue *queue);
};

enum {
    OPERATION_E_FAULT = 1, /* call->fault says what is wrong */
    OPERATION_E_WAIT = 2, /* no message yet: run again, before call->wait_until_usec if there are */
    REQUEST_MAX_BYTES = 6 * SQS_BATCH_MAX_BYTES + 1024 * 1024, /* a batch, all of it escaped */
    REPLY_MAX_BYTES = 10 * 6 * SQS_MESSAGE_MAX_BYTES + 1024 * 1024,
};

/* One request's way through an operation. */
struct call {
    struct service *service;
    struct json_object *input; /* an object */
    uint64_t now_usec;
    uint64_t wait_until_usec;          /* of a long poll, set by its first run; 0: not set */
    const struct operation *operation; /* the one being run */
    struct queue *queue;               /* that QueueUrl names; only during a run */
    bool is_throttled;                 /* to be refused for that, with nothing done */
    bool is_to_find_nothing;  /* ReceiveMessage: to be answered at once, as if there was nothing */
    bool is_counted;          /* as a call on a FIFO queue */
    uint32_t failing_entries; /* bit i: entry i of the batch is to fail, with nothing done for it */
    char region[REGION_SIZE]; /* that it is signed for */
    const char *trace_header; /* X-Amzn-Trace-Id's value, or NULL */
    struct buffer output;     /* the reply's JSON; empty for operations without one */
    struct fault fault;
};

struct operation {
    const char *name;
    bool has_queue; /* QueueUrl is required */
    int (*run)(struct call *call);
    bool is_for_owner; /* has_queue: nobody but the queue's account is ever allowed it */
};

/* By its name in X-Amz-Target; NULL where there is none. */
const struct operation *operation_find(const char *name);

/* One after the other, from 0; NULL after the last. */
const struct operation *operation_at(size_t i);

/* Whether SQS has an operation of that name that is not here. */
bool operation_is_lacking(const char *name);

/* Appends the names of those that are here, with commas. */
void operations_tell(struct buffer *b);

/* Runs an operation, once or, after OPERATION_E_WAIT, again. 0, OPERATION_E_FAULT,
 * OPERATION_E_WAIT, or a negative errno. */
int operation_run(const struct operation *operation, struct call *call);

/* The operations. */
int operation_create_queue(struct call *call);
int operation_delete_queue(struct call *call);
int operation_get_queue_attributes(struct call *call);
int operation_get_queue_url(struct call *call);
int operation_list_dead_letter_source_queues(struct call *call);
int operation_list_queue_tags(struct call *call);
int operation_list_queues(struct call *call);
int operation_purge_queue(struct call *call);
int operation_set_queue_attributes(struct call *call);
int operation_tag_queue(struct call *call);
int operation_untag_queue(struct call *call);
int operation_send_message(struct call *call);
int operation_send_message_batch(struct call *call);
int operation_receive_message(struct call *call);
int operation_delete_message(struct call *call);
int operation_delete_message_batch(struct call *call);
int operation_change_message_visibility(struct call *call);
int operation_change_message_visibility_batch(struct call *call);

/* Makes a queue with attributes given as text, as for --queue. `region` is that of the request;
 * NULL: there is none, and any will do. 0, OPERATION_E_FAULT with *fault, or -ENOMEM. */
struct text_attribute {
    const char *name, *value;
};
int service_make_queue(struct service *service, const char *region, const char *name,
                       const struct text_attribute *attributes, size_t n, uint64_t now_usec,
                       struct queue **ret, struct fault *fault);

/* Appends the URL of a queue as a JSON string. */
void service_put_queue_url(const struct service *service, struct buffer *b, const char *name);

/* ---- what operations share ---- */

/* Whether the keys may do what the call asks for: 0, or OPERATION_E_FAULT with AccessDenied. The
 * first is asked before an operation runs; the second by each operation, once it has read its
 * parameters and before it does anything: it refuses where parameters are looked at first. */
int call_permit_at_once(struct call *call);
int call_permit(struct call *call);

/* The tags under a name in the request, NULL for none, checked alone and against those that `queue`
 * has (NULL: none yet). 0 or OPERATION_E_FAULT. tags_apply sets them: 0 or -ENOMEM. */
int tags_read(struct call *call, const char *member, const struct queue *queue,
              const char *queue_name, struct json_object **ret);
int tags_apply(struct queue *queue, struct json_object *tags);

/* The region that the call's queues are in. */
const char *call_region(const struct call *call);

/* The Attributes of a request. 0, OPERATION_E_FAULT with call->fault, or -ENOMEM. */
enum { QUEUE_ATTRIBUTES_MAX = 32 };
int attributes_read(struct call *call, struct text_attribute ret[QUEUE_ATTRIBUTES_MAX],
                    size_t *ret_n);

/* Sets attributes, and checks them against each other and against the queues that there are.
 * Results as service_make_queue's; the settings may be half set then. */
int attributes_apply(const struct service *service, const char *region, const char *queue_name,
                     struct queue_settings *settings, const struct text_attribute *attributes,
                     size_t n, bool is_new, struct fault *fault);

/* Sets the fault. OPERATION_E_FAULT or -ENOMEM. */
#define call_fail(call, ...)                                                                       \
    (fault_set(&(call)->fault, __VA_ARGS__) < 0 ? -ENOMEM : (int)OPERATION_E_FAULT)

/* A member of an object of the request, checked for its type. Absent and null are the same: *ret is
 * NULL, or *ret_present false. OPERATION_E_FAULT where it is of another type. */
int parameter_text(struct call *call, struct json_object *object, const char *name,
                   const char **ret);
int parameter_integer(struct call *call, struct json_object *object, const char *name,
                      bool *ret_present, int64_t *ret);
int parameter_of_type(struct call *call, struct json_object *object, const char *name,
                      enum json_type type, struct json_object **ret);
/* The same where it must be there: MissingRequiredParameterException. */
int parameter_required_text(struct call *call, struct json_object *object, const char *name,
                            const char **ret);

/* The Entries of a batch, with their number and ids checked: a fault here is the whole batch's. The
 * ids are the request's. */
struct batch {
    struct json_object *entries;
    size_t n;
    const char *ids[SQS_BATCH_MAX];
};
int batch_read(struct call *call, const char *entry_type, struct batch *ret);

/* Whether entry i is to fail whatever it asks for; sets its fault. */
bool batch_entry_fails(const struct call *call, size_t i, struct fault *fault);

/* Writes the reply to a batch: `succeed` writes an entry's members after "Id"; faults[i] says what
 * was wrong with entry i, if it has a text. A list without entries is absent, as SQS has it. */
void batch_reply(struct call *call, const struct batch *batch, const struct fault *faults,
                 void (*succeed)(struct call *call, size_t i, void *data), void *data);

/* Whether an id of a group, a deduplication or a receive attempt is one: 1 to 128 of ASCII's
 * letters, digits and punctuation. */
bool id_is_valid(const char *id);
