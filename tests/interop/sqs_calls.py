# SPDX-License-Identifier: MIT
"""A table of calls with the answers of Amazon SQS; test-sqs-calls.py makes them with each client. A case creates
its queues, calls its first steps with tests/lib/sqs.py, and then makes its call with the client. The whole answer
must be the one in the table.

In parameters and answers "<q>" is the URL of the queue q, "<q.name>" its name, "<q.arn>" its ARN, and "<word>" the
value that a first step saved under this word.

Each case has the source of its answer:

    recorded    the answer was recorded from Amazon SQS
    documented  the documentation of Amazon SQS says so
    inferred    the answer follows from others
"""

import re

CASES = []


class Anything:
    """Equal to any value."""

    def __eq__(self, other):
        return True

    def __repr__(self):
        return "ANY"


class Like:
    """Equal to any text that matches a pattern with "*"."""

    def __init__(self, pattern):
        self.pattern = pattern

    def __eq__(self, other):
        return isinstance(other, str) and re.fullmatch(
            ".*".join(re.escape(part) for part in self.pattern.split("*")), other, re.DOTALL)

    def __repr__(self):
        return f"Like({self.pattern!r})"


ANY = Anything()


class Error:
    """An error: HTTP status, the name of its shape, its code in the query protocol, and its text."""

    def __init__(self, status, name, code, message):
        self.status, self.name, self.code, self.message = status, name, code, message


def invalid_value(message):
    return Error(400, "InvalidParameterValueException", "InvalidParameterValue", message)


def invalid_attribute(message):
    return Error(400, "InvalidAttributeValue", "InvalidAttributeValue", message)


def invalid_name(message):
    return Error(400, "InvalidAttributeName", "InvalidAttributeName", message)


NO_QUEUE = Error(400, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue",
                 "The specified queue does not exist.")

FIFO = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}


class Case:
    """queues      attributes by name; None: the queue is not created, but has a name and URL
    first       steps (operation, parameters[, {word: path in the answer}[, headers]])
    call        the operation and parameters of the client's call
    wanted      the whole reply, or an Error
    source      "recorded: ...", "documented: ..." or "inferred: ..."
    region      that the call is signed for
    denied      actions that the keys may not do in this call
    server      "usual", or "parameters-first": it validates parameters before permissions"""

    def __init__(self, name, source, call, wanted, *, queues=None, first=(), region="eu-west-1",
                 denied=(), server="usual"):
        assert source.split(":")[0] in ("recorded", "documented", "inferred"), source
        self.name, self.source, self.call, self.wanted = name, source, call, wanted
        self.queues = {"q": {}} if queues is None else queues
        self.first, self.region, self.denied, self.server = first, region, denied, server


def case(name, source, call, wanted, **more):
    CASES.append(Case(name, source, call, wanted, **more))


def entries(*bodies, **more):
    return [dict(Id=f"e{i}", MessageBody=body, **more) for i, body in enumerate(bodies)]


def get(*names, queue="q"):
    """A call that reads attributes."""
    return "GetQueueAttributes", {"QueueUrl": f"<{queue}>", "AttributeNames": list(names)}


SEND = ("SendMessage", {"QueueUrl": "<q>", "MessageBody": "x"})
RECEIVE = ("ReceiveMessage", {"QueueUrl": "<q>"}, {"handle": "Messages.0.ReceiptHandle"})
X_MD5 = "9dd4e461268c8034f5c8564e155c67a6"
MESSAGE = {"MessageId": ANY, "ReceiptHandle": ANY, "MD5OfBody": X_MD5, "Body": "x"}

# ---- empty lists ----

BATCHES = ("recorded: LocalStack's runs on AWS, test_send_message_batch_with_oversized_contents, "
           "2024-04-30; met by users in aws/aws-sdk issue 657")

case("SendMessageBatch without a failure has no Failed", BATCHES,
     ("SendMessageBatch", {"QueueUrl": "<q>", "Entries": entries("x")}),
     {"Successful": [{"Id": "e0", "MessageId": ANY, "MD5OfMessageBody": X_MD5}]})
case("SendMessageBatch without a success has no Successful", BATCHES,
     ("SendMessageBatch", {"QueueUrl": "<q>", "Entries": entries("\x01")}),
     {"Failed": [{"Id": "e0", "Code": "InvalidMessageContents", "Message": Like("Invalid characters*"),
                  "SenderFault": True}]})
case("SendMessageBatch with both has both", BATCHES,
     ("SendMessageBatch", {"QueueUrl": "<q>", "Entries": entries("x", "\x01")}),
     {"Successful": [{"Id": "e0", "MessageId": ANY, "MD5OfMessageBody": X_MD5}],
      "Failed": [{"Id": "e1", "Code": "InvalidMessageContents", "Message": ANY, "SenderFault": True}]})
case("DeleteMessageBatch without a failure has no Failed", BATCHES,
     ("DeleteMessageBatch", {"QueueUrl": "<q>", "Entries": [{"Id": "a", "ReceiptHandle": "<handle>"}]}),
     {"Successful": [{"Id": "a"}]}, first=[SEND, RECEIVE])
case("DeleteMessageBatch without a success has no Successful", BATCHES,
     ("DeleteMessageBatch", {"QueueUrl": "<q>", "Entries": [{"Id": "a", "ReceiptHandle": "none"}]}),
     {"Failed": [{"Id": "a", "Code": "ReceiptHandleIsInvalid", "SenderFault": True,
                  "Message": 'The input receipt handle "none" is not a valid receipt handle.'}]})
case("ChangeMessageVisibilityBatch without a failure has no Failed", BATCHES,
     ("ChangeMessageVisibilityBatch", {"QueueUrl": "<q>", "Entries": [
         {"Id": "a", "ReceiptHandle": "<handle>", "VisibilityTimeout": 0}]}),
     {"Successful": [{"Id": "a"}]}, first=[SEND, RECEIVE])
case("ChangeMessageVisibilityBatch without a success has no Successful", BATCHES,
     ("ChangeMessageVisibilityBatch", {"QueueUrl": "<q>", "Entries": [
         {"Id": "a", "ReceiptHandle": "none", "VisibilityTimeout": 0}]}),
     {"Failed": [{"Id": "a", "Code": "ReceiptHandleIsInvalid", "Message": ANY, "SenderFault": True}]})
case("ReceiveMessage without a message has no Messages",
     "recorded: LocalStack's runs on AWS, test_receive_empty_queue",
     RECEIVE[:2], {})
case("ReceiveMessage has no Attributes where the message has none of those asked for",
     "inferred: as with the other lists and maps",
     ("ReceiveMessage", {"QueueUrl": "<q>", "MessageSystemAttributeNames": ["AWSTraceHeader"]}),
     {"Messages": [MESSAGE]}, first=[SEND])
case("GetQueueAttributes without names has no Attributes",
     "inferred: as with the other lists and maps",
     ("GetQueueAttributes", {"QueueUrl": "<q>"}), {})
case("ListQueues without a queue has no QueueUrls",
     "inferred: as with the other lists and maps",
     ("ListQueues", {"QueueNamePrefix": "no-such-prefix"}), {})

# ---- names in place of URLs ----

case("a bare queue name stands for its URL",
     "recorded: LocalStack's runs on AWS, test_posting_to_queue_via_queue_name; moto's, "
     "test_send_message_delay_seconds_validation",
     ("ReceiveMessage", {"QueueUrl": "<q.name>"}), {"Messages": [MESSAGE]}, first=[SEND])
case("a bare name of no queue is that of a queue that does not exist",
     "inferred: from the former", ("ReceiveMessage", {"QueueUrl": "no-such-queue"}), NO_QUEUE)
case("a URL of another account is of a queue that does not exist",
     "documented: GetQueueUrl, QueueDoesNotExist: the queue or the access to it lacks",
     ("ReceiveMessage", {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/<q.name>"}),
     NO_QUEUE)
for operation, more in (("DeleteQueue", {}), ("SetQueueAttributes", {"Attributes": {"DelaySeconds": "1"}}),
                        ("TagQueue", {"Tags": {"a": "b"}}), ("UntagQueue", {"TagKeys": ["a"]}),
                        ("ListQueueTags", {})):
    case(f"{operation} on a URL of another account is denied",
         "documented: cross-account permissions don't apply to this action; the text as met by a user, in "
         "MassTransit issue 1525",
         (operation, {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/<q.name>", **more}),
         Error(403, "AccessDeniedException", "AccessDenied", Like(
             "Access to the resource https://*/123456789012/<q.name> is denied.")))
case("GetQueueUrl knows no queue of another account",
     "documented: GetQueueUrl, QueueDoesNotExist: the queue or the access to it lacks",
     ("GetQueueUrl", {"QueueName": "<q.name>", "QueueOwnerAWSAccountId": "123456789012"}), NO_QUEUE)
case("GetQueueUrl takes the own account's id",
     "documented: GetQueueUrl", ("GetQueueUrl", {
         "QueueName": "<q.name>", "QueueOwnerAWSAccountId": "000000000000"}), {"QueueUrl": "<q>"})

# ---- message attributes by name ----

TEXT = {"DataType": "String", "StringValue": "v"}
SEND_ATTRIBUTES = ("SendMessage", {"QueueUrl": "<q>", "MessageBody": "x", "MessageAttributes": {
    "Hello": TEXT, "Help.Me": TEXT, "General": TEXT}})
for names, found in ((["*"], ["General", "Hello", "Help.Me"]), (["All"], ["General", "Hello", "Help.Me"]),
                     ([".*"], ["General", "Hello", "Help.Me"]), (["Hel.*"], ["Hello", "Help.Me"]),
                     (["Hello", "x"], ["Hello"])):
    case(f"MessageAttributeNames {names} brings {', '.join(found)}",
         "recorded: LocalStack's runs on AWS, test_receive_message_message_attribute_names_filters, "
         "2024-04-30",
         ("ReceiveMessage", {"QueueUrl": "<q>", "MessageAttributeNames": names}),
         {"Messages": [{**MESSAGE, "MD5OfMessageAttributes": ANY,
                        "MessageAttributes": {name: TEXT for name in found}}]},
         first=[SEND_ATTRIBUTES])

# ---- receipt handles ----

ON_FIFO = dict(queues={"q": FIFO}, first=[("SendMessage", {
    "QueueUrl": "<q>", "MessageBody": "x", "MessageGroupId": "g"}), RECEIVE])
case("an older handle changes the visibility of a message in flight again on a standard queue",
     "recorded: LocalStack's runs on AWS, test_terminate_visibility_timeout_after_receive; moto's",
     ("ReceiveMessage", {"QueueUrl": "<q>"}), {"Messages": [MESSAGE]},
     first=[SEND, ("ReceiveMessage", {"QueueUrl": "<q>", "VisibilityTimeout": 0},
                   {"handle": "Messages.0.ReceiptHandle"}),
            ("ReceiveMessage", {"QueueUrl": "<q>"}),
            ("ChangeMessageVisibility", {"QueueUrl": "<q>", "ReceiptHandle": "<handle>",
                                         "VisibilityTimeout": 0})])
case("an older handle is expired on a FIFO queue",
     "recorded: moto's tests verified on AWS; LocalStack's of a delete, "
     "test_fifo_delete_after_visibility_timeout",
     ("ChangeMessageVisibility", {"QueueUrl": "<q>", "ReceiptHandle": "<handle>", "VisibilityTimeout": 0}),
     invalid_value(Like("Value * for parameter ReceiptHandle is invalid. Reason: The receipt handle has "
                        "expired.")),
     queues={"q": FIFO}, first=[ON_FIFO["first"][0],
                                ("ReceiveMessage", {"QueueUrl": "<q>", "VisibilityTimeout": 0},
                                 {"handle": "Messages.0.ReceiptHandle"}),
                                ("ReceiveMessage", {"QueueUrl": "<q>"})])
case("a visibility beyond 12 hours in all names the timeout",
     "recorded: by users, in aws-sdk-net issue 794 and localstack issue 3956",
     ("ChangeMessageVisibility", {"QueueUrl": "<q>", "ReceiptHandle": "<handle>",
                                  "VisibilityTimeout": 43200}),
     invalid_value("Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total "
                   "VisibilityTimeout for the message is beyond the limit [43200 seconds]"),
     first=[SEND, RECEIVE])
case("an entry with a visibility beyond 12 hours in all names the timeout",
     "inferred: from the single form",
     ("ChangeMessageVisibilityBatch", {"QueueUrl": "<q>", "Entries": [
         {"Id": "a", "ReceiptHandle": "<handle>", "VisibilityTimeout": 43200}]}),
     {"Failed": [{"Id": "a", "Code": "InvalidParameterValue", "SenderFault": True, "Message":
                  "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total "
                  "VisibilityTimeout for the message is beyond the limit [43200 seconds]"}]},
     first=[SEND, RECEIVE])

# ---- texts ----

case("a message too large for the queue is invalid",
     "recorded: LocalStack's runs on AWS, test_send_oversized_message",
     ("SendMessage", {"QueueUrl": "<q>", "MessageBody": "x" * 1025}),
     invalid_value("One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."),
     queues={"q": {"MaximumMessageSize": "1024"}})
case("an entry too large for the queue cannot be validated",
     "recorded: LocalStack's runs on AWS, test_send_message_batch_with_oversized_contents, 2024-04-30",
     ("SendMessageBatch", {"QueueUrl": "<q>", "Entries": entries("x" * 1025)}),
     {"Failed": [{"Id": "e0", "Code": "InvalidParameterValue", "SenderFault": True, "Message":
                  "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 "
                  "bytes."}]},
     queues={"q": {"MaximumMessageSize": "1024"}})

# ---- attributes of queues ----

HIGH_THROUGHPUT = ("recorded: LocalStack's runs on AWS, test_fifo_change_to_high_throughput_after_creation, "
                   "2025-08-19")
case("a boolean is taken with a capital and read back without", HIGH_THROUGHPUT,
     get("ContentBasedDeduplication", "FifoQueue"),
     {"Attributes": {"ContentBasedDeduplication": "true", "FifoQueue": "true"}},
     queues={"q": {"FifoQueue": "True", "ContentBasedDeduplication": "True"}})
case("a boolean with a capital may be set later", HIGH_THROUGHPUT,
     get("SqsManagedSseEnabled"), {"Attributes": {"SqsManagedSseEnabled": "false"}},
     first=[("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {"SqsManagedSseEnabled": "False"}})])
case("a boolean of another spelling is refused", "inferred: the recorded runs have these two alone",
     ("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {"SqsManagedSseEnabled": "yes"}}),
     invalid_attribute("Invalid value for the parameter SqsManagedSseEnabled."))
case("high throughput is set on a FIFO queue", HIGH_THROUGHPUT,
     get("DeduplicationScope", "FifoThroughputLimit"),
     {"Attributes": {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}},
     queues={"q": FIFO}, first=[("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {
         "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}})])
case("a limit per group needs deduplication per group",
     "recorded: by the csb-brokerpak-aws project, in its documentation of FIFO queues",
     ("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {"FifoThroughputLimit": "perMessageGroupId"}}),
     invalid_attribute("Invalid value for the parameter FifoThroughputLimit. Reason: To set "
                       "FifoThroughputLimit to perMessageGroupId, the DeduplicationScope must be "
                       "messageGroup."),
     queues={"q": FIFO})
case("deduplication per queue does not go with a limit per group", "inferred: from the former",
     ("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {"DeduplicationScope": "queue"}}),
     invalid_attribute(Like("Invalid value for the parameter FifoThroughputLimit. *")),
     queues={"q": {**FIFO, "DeduplicationScope": "messageGroup",
                   "FifoThroughputLimit": "perMessageGroupId"}})
for attribute, value in (("DeduplicationScope", "messageGroup"),
                         ("FifoThroughputLimit", "perMessageGroupId")):
    for operation, to in (("CreateQueue", {"QueueName": "case-standard"}),
                          ("SetQueueAttributes", {"QueueUrl": "<q>"})):
        case(f"{operation} refuses {attribute} on a standard queue",
             "recorded: LocalStack's runs on AWS, 2024-05-15; both texts by the csb-brokerpak-aws project",
             (operation, {**to, "Attributes": {attribute: value}}),
             invalid_name(f"You can specify the {attribute} only when FifoQueue is set to true."))
ONE_SSE = ("recorded: LocalStack's runs on AWS, test_sse_kms_and_sqs_are_mutually_exclusive, 2024-04-30")
for attributes in ({"KmsMasterKeyId": "key", "SqsManagedSseEnabled": "true"},
                   {"SqsManagedSseEnabled": "True", "KmsMasterKeyId": "key"}):
    case(f"two kinds of encryption at once are refused: {' then '.join(attributes)}", ONE_SSE,
         ("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": attributes}),
         invalid_name("You can use one type of server-side encryption (SSE) at one time. You can either "
                      "enable KMS SSE or SQS SSE."))
case("a key of KMS ends SQS's own encryption",
     "recorded: LocalStack's runs on AWS, test_sse_queue_attributes",
     get("KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"),
     {"Attributes": {"KmsMasterKeyId": "testKeyId", "KmsDataKeyReusePeriodSeconds": "6000",
                     "SqsManagedSseEnabled": "false"}},
     first=[("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {
         "KmsMasterKeyId": "testKeyId", "KmsDataKeyReusePeriodSeconds": "6000"}})])
case("QueueArn has the region that the request is signed for", "documented: the ARN of a queue",
     get("QueueArn"), {"Attributes": {"QueueArn": "arn:aws:sqs:us-east-2:000000000000:<q.name>"}},
     region="us-east-2")
case("QueueArn has the partition of its region", "documented: the partitions of AWS's regions",
     get("QueueArn"), {"Attributes": {"QueueArn": "arn:aws-cn:sqs:cn-north-1:000000000000:<q.name>"}},
     region="cn-north-1")

# ---- attributes that are JSON ----

REDRIVE = '{"deadLetterTargetArn": "%s", "maxReceiveCount": %s}'


def redrive_refused(name, source, policy, reason, **more):
    case("a RedrivePolicy is refused " + name, source,
         ("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {"RedrivePolicy": policy}}),
         invalid_value(f"Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}"), **more)


BOTH = {"queues": {"dead": {}, "q": {}}}
case("maxReceiveCount is read back as a number", "recorded: LocalStack's validated tests of redrive policies",
     get("RedrivePolicy"),
     {"Attributes": {"RedrivePolicy": '{"deadLetterTargetArn":"<dead.arn>","maxReceiveCount":5}'}},
     queues={"dead": {}, "q": {"RedrivePolicy": REDRIVE % ("<dead.arn>", '"5"')}})
redrive_refused("whose target is no ARN",
                "recorded: LocalStack's runs on AWS, test_invalid_dead_letter_arn_rejected_before_lookup",
                REDRIVE % ("dummy", 42), "Invalid value for deadLetterTargetArn.")
TEXTS = "inferred: that it is refused is documented; the text is one that other servers like SQS have"
redrive_refused("whose target is of another service", TEXTS,
                REDRIVE % ("arn:aws:sns:eu-west-1:000000000000:<dead.name>", 1),
                "Only SQS queues are valid resources for deadLetterTargetArn.", **BOTH)
redrive_refused("whose target is in another region", TEXTS,
                REDRIVE % ("arn:aws:sqs:us-east-1:000000000000:<dead.name>", 1),
                "Dead-letter target must be in same region as the source.", **BOTH)
redrive_refused("whose target is of another account", TEXTS,
                REDRIVE % ("arn:aws:sqs:eu-west-1:123456789012:<dead.name>", 1),
                "Dead-letter target owner should be same as the source.", **BOTH)
redrive_refused("whose target is not there", TEXTS, REDRIVE % ("<q.arn>-none", 1),
                "Dead letter target does not exist.")
redrive_refused("without maxReceiveCount", TEXTS, '{"deadLetterTargetArn":"<q.arn>"}',
                "Redrive policy does not contain mandatory attribute: maxReceiveCount.")
redrive_refused("without a target", TEXTS, '{"maxReceiveCount":1}',
                "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
for count in "0", "1001":
    redrive_refused(f"with a maxReceiveCount of {count}", TEXTS, REDRIVE % ("<dead.arn>", count),
                    f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both "
                    "inclusive.", **BOTH)
redrive_refused("that is no JSON", TEXTS, "x", "Redrive policy is not a valid JSON map.")
redrive_refused("with a member that it has not", TEXTS,
                '{"deadLetterTargetArn":"<dead.arn>","maxReceiveCount":1,"x":1}',
                "Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn].", **BOTH)
DENIES = "documented: RedriveAllowPolicy, denyAll and byQueue; the text is sqs-local's own"
for name, allow in (("denies all", '{"redrivePermission":"denyAll"}'),
                    ("lets others", '{"redrivePermission":"byQueue","sourceQueueArns":["<other.arn>"]}')):
    redrive_refused(f"whose target {name}", DENIES, REDRIVE % ("<dead.arn>", 1),
                    "The redrive allow policy of the dead-letter queue does not permit this source queue.",
                    queues={"other": {}, "dead": {"RedriveAllowPolicy": allow}, "q": {}})
for name, allow in (("all", '{"redrivePermission":"allowAll"}'),
                    ("this queue", '{"redrivePermission":"byQueue","sourceQueueArns":["<q.arn>"]}')):
    case(f"a RedrivePolicy is taken whose target lets {name}",
         "documented: RedriveAllowPolicy, allowAll and byQueue", get("RedrivePolicy"),
         {"Attributes": {"RedrivePolicy": '{"deadLetterTargetArn":"<dead.arn>","maxReceiveCount":3}'}},
         queues={"q": {}, "dead": {"RedriveAllowPolicy": allow}},
         first=[("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {
             "RedrivePolicy": REDRIVE % ("<dead.arn>", 3)}})])
for name, allow in (("no JSON", "x"), ("a list", "[]"), ("without a permission", "{}"),
                    ("of an unknown permission", '{"redrivePermission":"some"}'),
                    ("with a member that it has not", '{"redrivePermission":"allowAll","x":1}'),
                    ("with sources that are no list",
                     '{"redrivePermission":"byQueue","sourceQueueArns":"<q.arn>"}')):
    case(f"a RedriveAllowPolicy is refused that is {name}", TEXTS,
         ("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {"RedriveAllowPolicy": allow}}),
         invalid_attribute("Invalid value for the parameter RedriveAllowPolicy. Reason: Amazon SQS can't "
                           "create the redrive allow policy, as it\u2019s in an unsupported format."))
for name, allow, reason in (
        ("byQueue without sources", '{"redrivePermission":"byQueue"}',
         "When you specify the byQueue permission type, you must also specify one or more sourceQueueArns "
         "values."),
        ("denyAll with sources", '{"redrivePermission":"denyAll","sourceQueueArns":["<q.arn>"]}',
         "To specify one or more source queue ARNs, you must set redrivePermission to byQueue."),
        ("byQueue with 11 sources", '{"redrivePermission":"byQueue","sourceQueueArns":[%s]}'
         % ",".join(['"<q.arn>"'] * 11),
         "The maximum number of source queue ARNs you can specify is 10.")):
    case(f"a RedriveAllowPolicy is refused that is {name}", TEXTS,
         ("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {"RedriveAllowPolicy": allow}}),
         invalid_value(f"Value {allow} for parameter RedriveAllowPolicy is invalid. Reason: Amazon SQS "
                       f"can't create the redrive allow policy. {reason}"))
STATEMENT = '{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"<q.arn>"}'
for name, policy in (("no JSON", "x"), ("no object", "[]"), ("without a statement", "{}"),
                     ("of no statement", '{"Version":"2012-10-17","Statement":[]}'),
                     ("of a statement without an effect", '{"Statement":[{}]}')):
    case(f"a Policy is refused that is {name}",
         "recorded: the text by many users; that the form is looked at is documented",
         ("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {"Policy": policy}}),
         invalid_attribute("Invalid value for the parameter Policy."))
case("a Policy is taken", "documented: Policy", get("Policy"),
     {"Attributes": {"Policy": '{"Version":"2012-10-17","Statement":[%s]}' % STATEMENT}},
     first=[("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {
         "Policy": '{"Version":"2012-10-17","Statement":[%s]}' % STATEMENT}})])
case("an empty RedrivePolicy ends it", "documented: by AWS's guides to remove a dead-letter queue",
     get("RedrivePolicy"), {}, queues={"dead": {}, "q": {"RedrivePolicy": REDRIVE % ("<dead.arn>", 2)}},
     first=[("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {"RedrivePolicy": ""}})])

# ---- characters ----

for body in "a\ud83d", "\ude00":
    case(f"a lone surrogate is no allowed character: {body!a}",
         "inferred: from the characters that SQS allows, which are documented",
         ("SendMessage", {"QueueUrl": "<q>", "MessageBody": body}),
         Error(400, "InvalidMessageContents", "InvalidMessageContents", Like("Invalid characters found.*")))
case("a pair of surrogates is a character", "documented: the characters that SQS allows",
     RECEIVE[:2], {"Messages": [{"MessageId": ANY, "ReceiptHandle": ANY, "Body": "\U0001f600",
                                 "MD5OfBody": "2a02eac39d716a70ecf37579185927b6"}]},
     first=[("SendMessage", {"QueueUrl": "<q>", "MessageBody": "\U0001f600"})])

# ---- tags and dead-letter queues' sources ----

TAGS = {"tag1": "value1", "Tag1": "value2", "\u00e9": ""}
VALIDATED = "recorded: LocalStack's tests validated on AWS, "
LIST_TAGS = ("ListQueueTags", {"QueueUrl": "<q>"})


def tag(tags):
    return "TagQueue", {"QueueUrl": "<q>", "Tags": tags}


case("a queue without tags has no Tags", VALIDATED + "test_tag_untag_queue", LIST_TAGS, {})
case("tags of CreateQueue are kept", VALIDATED + "test_create_queue_with_tags",
     ("ListQueueTags", {"QueueUrl": "<new>"}), {"Tags": TAGS},
     first=[("CreateQueue", {"QueueName": "<q.name>-tagged", "tags": TAGS}, {"new": "QueueUrl"})])
case("tags differ by case", VALIDATED + "test_tags_case_sensitive", LIST_TAGS, {"Tags": TAGS},
     first=[tag(TAGS)])
case("a tag takes the place of one of its name", VALIDATED + "test_tag_queue_overwrites_existing_tag",
     LIST_TAGS, {"Tags": {"tag1": "VALUE1", "tag2": "value2", "tag3": "value3"}},
     first=[tag({"tag1": "value1", "tag2": "value2"}), tag({"tag1": "VALUE1", "tag3": "value3"})])
case("UntagQueue passes over a tag that is not there",
     VALIDATED + "test_untag_queue_ignores_non_existing_tag", LIST_TAGS, {"Tags": {"tag2": "value2"}},
     first=[tag({"tag1": "value1", "tag2": "value2"}),
            ("UntagQueue", {"QueueUrl": "<q>", "TagKeys": ["tag1", "tag3"]})])
case("the last tag removed leaves no Tags", VALIDATED + "test_tag_untag_queue", LIST_TAGS, {},
     first=[tag({"a": "b"}), ("UntagQueue", {"QueueUrl": "<q>", "TagKeys": ["a"]})])
case("tags of a queue that is there already change nothing", "inferred: only attributes are compared",
     LIST_TAGS, {"Tags": {"a": "b"}},
     first=[tag({"a": "b"}), ("CreateQueue", {"QueueName": "<q.name>", "tags": {"c": "d"}})])
case("a queue has 50 tags at most", "documented: 50 tags; the text is that of other servers like SQS",
     tag({f"t{i}": "" for i in range(51)}), invalid_value("Too many tags added for queue <q.name>."))
case("TagQueue needs tags", "inferred: as with other parameters that lack", tag({}),
     Error(400, "MissingRequiredParameterException", "MissingParameter",
           "The request must contain the parameter Tags."))
for name, tags in (("of 129 characters", {"x" * 129: ""}), ("that AWS has for itself", {"aws:x": ""}),
                   ("with a value of 257 characters", {"x": "y" * 257})):
    case(f"a tag is refused {name}", "documented: the limits of tags; the text is sqs-local's own",
         tag(tags), invalid_value(Like("Value * for parameter Tags is invalid. Reason: Tag *.")))
SOURCES = {"dead": {}, "a": {"RedrivePolicy": REDRIVE % ("<dead.arn>", 1)},
           "b": {"RedrivePolicy": REDRIVE % ("<dead.arn>", 2)}, "q": {}}
case("the sources of a dead-letter queue are listed",
     "documented: ListDeadLetterSourceQueues, whose queueUrls has a small q",
     ("ListDeadLetterSourceQueues", {"QueueUrl": "<dead>"}), {"queueUrls": ["<a>", "<b>"]}, queues=SOURCES)
case("the sources of a dead-letter queue come in pages", "documented: ListDeadLetterSourceQueues",
     ("ListDeadLetterSourceQueues", {"QueueUrl": "<dead>", "MaxResults": 1, "NextToken": "<token>"}),
     {"queueUrls": ["<b>"]}, queues=SOURCES,
     first=[("ListDeadLetterSourceQueues", {"QueueUrl": "<dead>", "MaxResults": 1},
             {"token": "NextToken"})])
case("a queue without sources has no queueUrls", "inferred: as with the other lists",
     ("ListDeadLetterSourceQueues", {"QueueUrl": "<q>"}), {})

# ---- permissions ----

ORDER = ("inferred: AWS looks at permissions before a service's own code sees the request; the form as met "
         "by users, in serverless-application-model issue 3633")


def denied(action):
    return Error(403, "AccessDeniedException", "AccessDenied",
                 "User: arn:aws:iam::000000000000:user/sqs-local is not authorized to perform: "
                 f"sqs:{action.lower()} on resource: <q.arn> because no identity-based policy allows the "
                 f"sqs:{action.lower()} action")


NO_HANDLE = Error(404, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid",
                  'The input receipt handle "none" is not a valid receipt handle.')
PROBES = (
    ("SendMessage", ("SendMessageBatch", {"QueueUrl": "<q>", "Entries": []}),
     Error(400, "EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest",
           "There should be at least one SendMessageBatchRequestEntry in the request.")),
    ("DeleteMessage", ("DeleteMessage", {"QueueUrl": "<q>", "ReceiptHandle": "none"}), NO_HANDLE),
    ("ChangeMessageVisibility", ("ChangeMessageVisibility", {
        "QueueUrl": "<q>", "ReceiptHandle": "none", "VisibilityTimeout": 0}), NO_HANDLE),
    ("ReceiveMessage", ("ReceiveMessage", {"QueueUrl": "<q>", "MaxNumberOfMessages": 11}),
     invalid_value("Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and "
                   "10, if provided.")))
for action, call, otherwise in PROBES:
    case(f"{call[0]} without effect tells that {action} is denied", ORDER, call, denied(action),
         denied=[action])
    case(f"{call[0]} without effect tells that {action} is allowed", ORDER, call, otherwise,
         denied=[other for other, _, _ in PROBES if other != action])
    case(f"{call[0]} without effect tells nothing where parameters are looked at first",
         "inferred: the reverse, should AWS do so", call, otherwise, denied=[action],
         server="parameters-first")
HANDLE = {"QueueUrl": "<q>", "ReceiptHandle": "<handle>"}
for action, call in (
        ("SendMessage", ("SendMessage", {"QueueUrl": "<q>", "MessageBody": "x"})),
        ("SendMessage", ("SendMessageBatch", {"QueueUrl": "<q>", "Entries": entries("x")})),
        ("ReceiveMessage", ("ReceiveMessage", {"QueueUrl": "<q>"})),
        ("DeleteMessage", ("DeleteMessage", HANDLE)),
        ("DeleteMessage", ("DeleteMessageBatch", {"QueueUrl": "<q>", "Entries": [
            {"Id": "a", "ReceiptHandle": "<handle>"}]})),
        ("ChangeMessageVisibility", ("ChangeMessageVisibility", {**HANDLE, "VisibilityTimeout": 0})),
        ("ChangeMessageVisibility", ("ChangeMessageVisibilityBatch", {"QueueUrl": "<q>", "Entries": [
            {"Id": "a", "ReceiptHandle": "<handle>", "VisibilityTimeout": 0}]})),
        ("GetQueueAttributes", get("All")),
        ("GetQueueUrl", ("GetQueueUrl", {"QueueName": "<q.name>"})),
        ("CreateQueue", ("CreateQueue", {"QueueName": "<q.name>"})),
        ("SetQueueAttributes", ("SetQueueAttributes", {"QueueUrl": "<q>", "Attributes": {
            "DelaySeconds": "1"}})),
        ("PurgeQueue", ("PurgeQueue", {"QueueUrl": "<q>"})),
        ("DeleteQueue", ("DeleteQueue", {"QueueUrl": "<q>"})),
        ("TagQueue", tag({"a": "b"})), ("UntagQueue", ("UntagQueue", {"QueueUrl": "<q>", "TagKeys": ["a"]})),
        ("ListQueueTags", LIST_TAGS),
        ("ListDeadLetterSourceQueues", ("ListDeadLetterSourceQueues", {"QueueUrl": "<q>"}))):
    for server in "usual", "parameters-first":
        case(f"{call[0]} is denied with {action} ({server})", ORDER, call, denied(action),
             denied=[action], server=server, first=[SEND, RECEIVE] if "<handle>" in repr(call) else [])
case("what is denied is not done", ORDER, RECEIVE[:2], {}, server="parameters-first",
     first=[("denied", ["SendMessage"], ("SendMessage", {"QueueUrl": "<q>", "MessageBody": "x"})),
            ("denied", ["SendMessage"], ("SendMessageBatch", {"QueueUrl": "<q>", "Entries": entries("x")}))])
