/* SPDX-License-Identifier: MIT */
/* SQS's operations on an account, from a request's JSON to the reply's JSON, without HTTP. */
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
    char *url;             /* the beginning of queue URLs, "http://127.0.0.1:9324" */
    const char *region;    /* in the queues' ARNs; NULL: the one that a call is signed for */
    unsigned fifo_limit;   /* calls a second of each action on a FIFO queue; 0: no limit */
    uint64_t n_over_limit; /* calls that were refused for that */
    const struct permissions *permissions;

    /* Called with a deleted queue before it is freed; must remove the requests that wait for it. */
    void (*queue_deleted)(struct queue *queue);
};

enum {
    OPERATION_E_FAULT = 1, /* call->fault says what is wrong */
    OPERATION_E_WAIT = 2,  /* no message yet: run again on a message or at call->wait_until_usec */
    REQUEST_MAX_BYTES = 6 * SQS_BATCH_MAX_BYTES + 1024 * 1024, /* a batch with each byte escaped */
    REPLY_MAX_BYTES = 10 * 6 * SQS_MESSAGE_MAX_BYTES + 1024 * 1024,
};

/* One request for an operation. */
struct call {
    struct service *service;
    struct json_object *input; /* an object */
    uint64_t now_usec;
    uint64_t wait_until_usec; /* the end of a long poll, set by its first run; 0: not set */
    const struct operation *operation; /* the one being run */
    struct queue *queue;               /* the one that QueueUrl names; only during a run */
    bool is_throttled;                 /* must be refused as throttled, with nothing done */
    bool is_to_find_nothing;  /* ReceiveMessage: is answered at once, as if the queue were empty */
    bool is_counted;          /* as a call on a FIFO queue, by fifo_limit_take */
    uint32_t failing_entries; /* bit i: entry i of the batch must fail, with nothing done for it */
    char region[REGION_SIZE]; /* the one that the request is signed for */
    const char *trace_header; /* X-Amzn-Trace-Id's value, or NULL */
    struct buffer output;     /* the reply's JSON; empty for operations without one */
    struct fault fault;
};

struct operation {
    const char *name;
    bool has_queue; /* QueueUrl is required */
    int (*run)(struct call *call);
    bool is_for_owner; /* has_queue: only the queue's own account is ever allowed it */
};

/* Finds an operation by its name in X-Amz-Target; NULL if there is none. */
const struct operation *operation_find(const char *name);

/* Operation number `i`, from 0; NULL after the last. */
const struct operation *operation_at(size_t i);

/* Whether SQS has an operation of that name that this server lacks. */
bool operation_is_lacking(const char *name);

/* Appends the names of the operations of this server, separated by commas. */
void operations_tell(struct buffer *b);

/* Runs an operation, or runs it again after OPERATION_E_WAIT. Returns 0, OPERATION_E_FAULT,
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

/* Makes a queue with attributes given as text, as for --queue. `region` is the request's; NULL:
 * there is no request, and any region is accepted. Returns 0, OPERATION_E_FAULT with *fault, or
 * -ENOMEM. */
struct text_attribute {
    const char *name, *value;
};
int service_make_queue(struct service *service, const char *region, const char *name,
                       const struct text_attribute *attributes, size_t n, uint64_t now_usec,
                       struct queue **ret, struct fault *fault);

/* Appends the URL of a queue as a JSON string. */
void service_put_queue_url(const struct service *service, struct buffer *b, const char *name);

/* ---- what operations share ---- */

/* Check whether the keys may do what the call asks for. Return 0, or OPERATION_E_FAULT with
 * AccessDenied. call_permit_at_once is called before an operation runs. Each operation calls
 * call_permit after it has read its parameters and before it does anything.
 * permissions->is_parameters_first decides which of the two can refuse. */
int call_permit_at_once(struct call *call);
int call_permit(struct call *call);

/* Reads the tags in the member of that name; *ret is NULL if there are none. The tags are checked
 * by themselves and together with the tags of `queue` (NULL: it does not exist yet). Returns 0 or
 * OPERATION_E_FAULT. tags_apply sets the tags, and returns 0 or -ENOMEM. */
int tags_read(struct call *call, const char *member, const struct queue *queue,
              const char *queue_name, struct json_object **ret);
int tags_apply(struct queue *queue, struct json_object *tags);

/* The region of the call's queues. */
const char *call_region(const struct call *call);

/* Reads the request's Attributes. Returns 0, OPERATION_E_FAULT with call->fault, or -ENOMEM. */
enum { QUEUE_ATTRIBUTES_MAX = 32 };
int attributes_read(struct call *call, struct text_attribute ret[QUEUE_ATTRIBUTES_MAX],
                    size_t *ret_n);

/* Sets attributes, and checks them together and against the other queues. Returns the same as
 * service_make_queue. On an error, some of the settings may be set already. */
int attributes_apply(const struct service *service, const char *region, const char *queue_name,
                     struct queue_settings *settings, const struct text_attribute *attributes,
                     size_t n, bool is_new, struct fault *fault);

/* Sets the fault of a call. Returns OPERATION_E_FAULT or -ENOMEM. */
#define call_fail(call, ...)                                                                       \
    (fault_set(&(call)->fault, __VA_ARGS__) < 0 ? -ENOMEM : (int)OPERATION_E_FAULT)

/* Read a member of an object in the request and check its type. If the member is absent or null,
 * *ret is NULL, or *ret_present is false. Return OPERATION_E_FAULT if it has another type. */
int parameter_text(struct call *call, struct json_object *object, const char *name,
                   const char **ret);
int parameter_integer(struct call *call, struct json_object *object, const char *name,
                      bool *ret_present, int64_t *ret);
int parameter_of_type(struct call *call, struct json_object *object, const char *name,
                      enum json_type type, struct json_object **ret);
/* The same for a member that must be present, else MissingRequiredParameterException. */
int parameter_required_text(struct call *call, struct json_object *object, const char *name,
                            const char **ret);

/* The Entries of a batch. batch_read checks their number and their ids; a fault there fails the
 * whole batch. The ids belong to the request. */
struct batch {
    struct json_object *entries;
    size_t n;
    const char *ids[SQS_BATCH_MAX];
};
int batch_read(struct call *call, const char *entry_type, struct batch *ret);

/* Whether entry i must fail whatever it asks for. If so, sets its fault. */
bool batch_entry_fails(const struct call *call, size_t i, struct fault *fault);

/* Writes the reply to a batch. faults[i] says what was wrong with entry i, if it has a text. For
 * the other entries `succeed` writes the members after "Id". As on SQS, a list without entries is
 * absent. */
void batch_reply(struct call *call, const struct batch *batch, const struct fault *faults,
                 void (*succeed)(struct call *call, size_t i, void *data), void *data);

/* Whether a group id, a deduplication id or a receive attempt id is valid: 1 to 128 ASCII letters,
 * digits and punctuation characters. */
bool id_is_valid(const char *id);
