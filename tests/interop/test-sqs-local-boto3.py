# SPDX-License-Identifier: MIT
"""boto3 as a client of sqs-local: every operation, and the errors under AWS's names.

boto3 reads the replies in the same way as those of Amazon, so a program sees here what it would see there.
"""

import hashlib
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from sqs_local import SqsLocal  # noqa: E402

try:
    import boto3
    import botocore.config
    import botocore.exceptions
except ImportError as missing:
    tap.skip_all(f"boto3 is not installed: {missing}")

# Debian 12's speaks the query protocol alone; test-sqs-calls.py looks at what it is told.
if tuple(int(n) for n in boto3.__version__.split(".")[:2]) < (1, 29):
    tap.skip_all(f"boto3 {boto3.__version__} does not speak SQS's JSON protocol")

os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ.pop("AWS_CA_BUNDLE", None)

SERVER = None
SQS = None


def client(server, **keys):
    arguments = dict(aws_access_key_id=server.access_key_id,
                     aws_secret_access_key=server.secret_access_key,
                     aws_session_token=server.session_token, region_name="eu-west-1")
    arguments.update(keys)
    return boto3.client("sqs", endpoint_url=server.url, config=botocore.config.Config(
        retries={"max_attempts": 1, "mode": "standard"}), **arguments)


_queues = 0


def queue(fifo=True, **attributes):
    """A new queue's URL."""
    global _queues
    _queues += 1
    if fifo:
        attributes["FifoQueue"] = "true"
    return SQS.create_queue(QueueName=f"q{_queues}" + (".fifo" if fifo else ""),
                            Attributes=attributes)["QueueUrl"]


def send(url, body, group="g", **more):
    if url.endswith(".fifo"):
        more.setdefault("MessageGroupId", group)
        more.setdefault("MessageDeduplicationId", hashlib.sha1(body.encode()).hexdigest())
    return SQS.send_message(QueueUrl=url, MessageBody=body, **more)


def receive(url, count=10, **more):
    return SQS.receive_message(QueueUrl=url, MaxNumberOfMessages=count, **more).get("Messages", [])


def bodies(messages):
    return [m["Body"] for m in messages]


def delete(url, message):
    SQS.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def error(call, *arguments, **more):
    """What a call fails with: (status, code, the other name, message)."""
    try:
        call(*arguments, **more)
    except botocore.exceptions.ClientError as failure:
        e = failure.response["Error"]
        return (failure.response["ResponseMetadata"]["HTTPStatusCode"], e["Code"],
                e.get("QueryErrorCode"), e["Message"])
    raise AssertionError("it succeeded")


def fails(wanted_status, wanted_code, wanted_name, wanted_message, call, *arguments, **more):
    status, code, name, message = error(call, *arguments, **more)
    tap.equal((status, code, name), (wanted_status, wanted_code, wanted_name), message)
    tap.matches(message, wanted_message)


# ---- queues ----

@tap.test
def a_queue_is_made_found_listed_and_deleted():
    name = "life.fifo"
    url = SQS.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    tap.equal(url, SERVER.queue_url(name))
    tap.equal(SQS.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"], url)
    tap.equal(SQS.get_queue_url(QueueName=name)["QueueUrl"], url)
    tap.ok(url in SQS.list_queues(QueueNamePrefix="life")["QueueUrls"])
    SQS.delete_queue(QueueUrl=url)
    tap.ok("QueueUrls" not in SQS.list_queues(QueueNamePrefix="life"))
    gone = "The specified queue does not exist."
    code = "AWS.SimpleQueueService.NonExistentQueue"
    fails(400, code, "QueueDoesNotExist", gone, SQS.get_queue_url, QueueName=name)
    fails(400, code, "QueueDoesNotExist", gone, SQS.receive_message, QueueUrl=url)
    fails(400, "AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently", "*60 seconds*",
          SQS.create_queue, QueueName=name, Attributes={"FifoQueue": "true"})


@tap.test
def listing_goes_page_by_page():
    names = [f"page-{i}" for i in range(5)]
    for name in names:
        SQS.create_queue(QueueName=name)
    pages = list(SQS.get_paginator("list_queues").paginate(
        QueueNamePrefix="page-", PaginationConfig={"PageSize": 2}))
    tap.equal([len(page["QueueUrls"]) for page in pages], [2, 2, 1])
    tap.equal([url.rsplit("/", 1)[1] for page in pages for url in page["QueueUrls"]], names)


@tap.test
def queues_that_cannot_be_are_refused():
    fails(400, "InvalidParameterValue", "InvalidParameterValueException", "*must end with .fifo*",
          SQS.create_queue, QueueName="x", Attributes={"FifoQueue": "true"})
    fails(400, "InvalidParameterValue", "InvalidParameterValueException", "Can only include*",
          SQS.create_queue, QueueName="x.fifo")
    fails(400, "InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute Colour.",
          SQS.create_queue, QueueName="x", Attributes={"Colour": "red"})
    fails(400, "InvalidAttributeValue", "InvalidAttributeValue", "*VisibilityTimeout*",
          SQS.create_queue, QueueName="x", Attributes={"VisibilityTimeout": "43201"})
    SQS.create_queue(QueueName="other", Attributes={"DelaySeconds": "1"})
    fails(400, "QueueAlreadyExists", "QueueNameExists",
          "*a different value for attribute DelaySeconds",
          SQS.create_queue, QueueName="other", Attributes={"DelaySeconds": "2"})


@tap.test
def attributes_are_told_and_set():
    url = queue(VisibilityTimeout="7")
    send(url, "one")
    send(url, "two", group="h")
    receive(url, 1)
    found = SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    wanted = {"VisibilityTimeout": "7", "FifoQueue": "true", "ContentBasedDeduplication": "false",
              "MaximumMessageSize": "1048576", "ApproximateNumberOfMessages": "1",
              "ApproximateNumberOfMessagesNotVisible": "1", "DeduplicationScope": "queue",
              "QueueArn": "arn:aws:sqs:eu-west-1:000000000000:" + url.rsplit("/", 1)[1]}
    tap.equal({name: found.get(name) for name in wanted}, wanted)
    SQS.set_queue_attributes(QueueUrl=url, Attributes={"ContentBasedDeduplication": "true",
                                                       "VisibilityTimeout": "9"})
    tap.equal(SQS.get_queue_attributes(
        QueueUrl=url, AttributeNames=["VisibilityTimeout", "ContentBasedDeduplication"])["Attributes"],
        {"VisibilityTimeout": "9", "ContentBasedDeduplication": "true"})
    # All or nothing.
    fails(400, "InvalidAttributeValue", "InvalidAttributeValue", "*DelaySeconds*",
          SQS.set_queue_attributes, QueueUrl=url,
          Attributes={"VisibilityTimeout": "11", "DelaySeconds": "x"})
    tap.equal(SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
              ["Attributes"], {"VisibilityTimeout": "9"})
    tap.ok("Attributes" not in SQS.get_queue_attributes(QueueUrl=url))
    fails(400, "InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute x.",
          SQS.get_queue_attributes, QueueUrl=url, AttributeNames=["x"])
    fails(400, "InvalidAttributeValue", "InvalidAttributeValue", "*Modifying queue type*",
          SQS.set_queue_attributes, QueueUrl=url, Attributes={"FifoQueue": "false"})


@tap.test
def a_queue_is_purged_once_a_minute():
    url = queue()
    send(url, "one")
    SQS.purge_queue(QueueUrl=url)
    tap.equal(receive(url), [])
    fails(403, "AWS.SimpleQueueService.PurgeQueueInProgress", "PurgeQueueInProgress",
          "Only one PurgeQueue operation on *", SQS.purge_queue, QueueUrl=url)


@tap.test
def the_queue_url_names_the_queue_whatever_its_host():
    url = queue()
    legacy = url.replace(SERVER.url, "https://eu-west-1.queue.amazonaws.com")
    send(legacy, "one")
    tap.equal(bodies(receive(url)), ["one"])
    fails(404, "InvalidAddress", "InvalidAddress", "*", SQS.receive_message,
          QueueUrl=url.replace("://", ":"))


# ---- sending ----

@tap.test
def a_message_comes_back_as_it_was_sent():
    url = queue()
    body = 'quotes " \\ tab \t newline \n é € 😀 </x>'
    attributes = {"word": {"DataType": "String", "StringValue": "é"},
                  "number": {"DataType": "Number.int", "StringValue": "-12.5e3"},
                  "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
    sent = send(url, body, MessageAttributes=attributes, MessageSystemAttributes={
        "AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a99427"}})
    tap.equal(sent["MD5OfMessageBody"], hashlib.md5(body.encode()).hexdigest())
    tap.ok(len(sent["MD5OfMessageSystemAttributes"]) == 32)
    tap.ok(len(sent["SequenceNumber"]) == 20 and sent["SequenceNumber"].isdigit())
    [message] = receive(url, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"])
    tap.equal(message["Body"], body)
    tap.equal(message["MessageId"], sent["MessageId"])
    tap.equal(message["MessageAttributes"], attributes)
    tap.equal(message["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"])
    system = message["Attributes"]
    tap.equal(system["SequenceNumber"], sent["SequenceNumber"])
    tap.equal(system["MessageGroupId"], "g")
    tap.equal(system["ApproximateReceiveCount"], "1")
    tap.equal(system["AWSTraceHeader"], "Root=1-5759e988-bd862e3fe1be46a99427")
    tap.ok(abs(int(system["SentTimestamp"]) / 1000 - time.time()) < 5)
    delete(url, message)
    tap.equal(receive(url), [])


@tap.test
def published_md5s_of_attributes_are_matched():
    url = queue(fifo=False)
    attribute = {"attribName1": {"DataType": "String", "StringValue": "attribValue 1"}}
    tap.equal(send(url, "x", MessageAttributes=attribute)["MD5OfMessageAttributes"],
              "19e27d4e946b072f3f58da80d94fd778")


@tap.test
def only_the_attributes_asked_for_are_returned():
    url = queue(fifo=False, VisibilityTimeout="0")
    text = {"DataType": "String", "StringValue": "v"}
    send(url, "x", MessageAttributes={"Hello": text, "Help.Me": text, "General": text})
    for names, wanted in ((["Hel.*"], ["Hello", "Help.Me"]), (["Help.*"], ["Help.Me"]),
                          ([".*"], ["General", "Hello", "Help.Me"]), (["Hello", "x"], ["Hello"]),
                          (["Gen"], []), (["x"], [])):
        [message] = receive(url, MessageAttributeNames=names)
        tap.equal(sorted(message.get("MessageAttributes", {})), wanted, str(names))
        tap.equal("MD5OfMessageAttributes" in message, bool(wanted))
    [message] = receive(url, MessageSystemAttributeNames=["SenderId"])
    tap.equal(list(message["Attributes"]), ["SenderId"])
    [message] = receive(url)
    tap.ok("Attributes" not in message and "MessageAttributes" not in message)
    fails(400, "InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute Nonsense.",
          receive, url, MessageSystemAttributeNames=["Nonsense"])


@tap.test
def messages_that_may_not_be_are_refused():
    url, standard = queue(), queue(fifo=False)
    value = ("InvalidParameterValue", "InvalidParameterValueException")
    fails(400, "MissingParameter", "MissingRequiredParameterException", "*MessageGroupId.",
          SQS.send_message, QueueUrl=url, MessageBody="x", MessageDeduplicationId="d")
    fails(400, *value, "*ContentBasedDeduplication enabled or MessageDeduplicationId*",
          SQS.send_message, QueueUrl=url, MessageBody="x", MessageGroupId="g")
    fails(400, "MissingParameter", "MissingRequiredParameterException", "*MessageBody.", send, url, "")
    fails(400, "InvalidMessageContents", "InvalidMessageContents", "Invalid characters*",
          send, url, "\x01")
    fails(400, "InvalidMessageContents", "InvalidMessageContents", "Invalid characters*",
          send, url, "\uffff")
    fails(400, *value, "*shorter than 1048576 bytes.", send, url, "x" * 1048577)
    send(url, "x" * 1048576)
    fails(400, *value, "Value 2 for parameter DelaySeconds is invalid.*queue type.",
          send, url, "x", DelaySeconds=2)
    send(url, "zero delay", DelaySeconds=0)
    fails(400, *value, "*MessageGroupId can only include*", send, url, "x", group="a b")
    fails(400, *value, "*MessageDeduplicationId can only include*", send, url, "x",
          MessageDeduplicationId="d" * 129)
    fails(400, *value, "Value 901 for parameter DelaySeconds*", send, standard, "x", DelaySeconds=901)
    fails(400, *value, "*MessageDeduplicationId is invalid.*queue type.", send, standard, "x",
          MessageDeduplicationId="d")
    send(standard, "fair", MessageGroupId="tenant")
    text = {"DataType": "String", "StringValue": "v"}
    fails(400, *value, "*exceeds the allowed maximum*", send, standard, "x",
          MessageAttributes={f"a{i}": text for i in range(11)})
    fails(400, *value, "*'AWS.x'*", send, standard, "x", MessageAttributes={"AWS.x": text})
    fails(400, *value, "*non-empty value of type 'String'.", send, standard, "x",
          MessageAttributes={"a": {"DataType": "String", "StringValue": ""}})
    fails(400, *value, "*invalid message attribute type*", send, standard, "x",
          MessageAttributes={"a": {"DataType": "Text", "StringValue": "v"}})
    fails(400, *value, "*to a number.", send, standard, "x",
          MessageAttributes={"a": {"DataType": "Number", "StringValue": "1x"}})


@tap.test
def attributes_count_for_the_size():
    url = queue(fifo=False, MaximumMessageSize="1024")
    attributes = {"name": {"DataType": "String", "StringValue": "v" * 10}}
    send(url, "x" * (1024 - 4 - 6 - 10), MessageAttributes=attributes)
    fails(400, "InvalidParameterValue", "InvalidParameterValueException", "*shorter than 1024 bytes.",
          send, url, "x" * (1024 - 4 - 6 - 10 + 1), MessageAttributes=attributes)


@tap.test
def a_duplicate_is_accepted_and_not_delivered():
    url = queue()
    first = send(url, "one", MessageDeduplicationId="d")
    again = send(url, "two", group="h", MessageDeduplicationId="d")
    tap.equal(again["MessageId"], first["MessageId"])
    tap.equal(again["SequenceNumber"], first["SequenceNumber"])
    [message] = receive(url)
    delete(url, message)
    send(url, "three", MessageDeduplicationId="d")
    tap.equal(receive(url), [])
    name = url.rsplit("/", 1)[1]
    tap.equal([r["duplicate"] for r in SERVER.records("sent", name)], [False, True, True])


@tap.test
def content_and_group_scope_deduplication():
    url = queue(ContentBasedDeduplication="true", DeduplicationScope="messageGroup",
                FifoThroughputLimit="perMessageGroupId")
    for group in "g", "g", "h":
        SQS.send_message(QueueUrl=url, MessageBody="same", MessageGroupId=group)
    tap.equal(bodies(receive(url)), ["same", "same"])
    name = url.rsplit("/", 1)[1]
    tap.equal({r["deduplication_id"] for r in SERVER.records(queue=name)},
              {hashlib.sha256(b"same").hexdigest()})


# ---- batches ----

def entries(*bodies, **more):
    return [dict(Id=f"e{i}", MessageBody=body, **more) for i, body in enumerate(bodies)]


@tap.test
def a_batch_of_ten_keeps_its_order():
    url = queue(ContentBasedDeduplication="true")
    reply = SQS.send_message_batch(QueueUrl=url, Entries=entries(*"abcdefghij", MessageGroupId="g"))
    tap.equal([e["Id"] for e in reply["Successful"]], [f"e{i}" for i in range(10)])
    tap.equal(reply.get("Failed", []), [])
    messages = receive(url)
    tap.equal("".join(bodies(messages)), "abcdefghij")
    changed = SQS.change_message_visibility_batch(QueueUrl=url, Entries=[
        dict(Id=str(i), ReceiptHandle=m["ReceiptHandle"], VisibilityTimeout=100 if i else 43201)
        for i, m in enumerate(messages)])
    tap.equal(len(changed["Successful"]), 9)
    tap.equal([(e["Id"], e["Code"]) for e in changed["Failed"]], [("0", "InvalidParameterValue")])
    deleted = SQS.delete_message_batch(QueueUrl=url, Entries=[
        dict(Id=str(i), ReceiptHandle=m["ReceiptHandle"] if i else "garbage")
        for i, m in enumerate(messages)])
    tap.equal(len(deleted["Successful"]), 9)
    tap.equal([(e["Id"], e["Code"], e["SenderFault"]) for e in deleted["Failed"]],
              [("0", "ReceiptHandleIsInvalid", True)])


@tap.test
def one_bad_entry_fails_alone():
    url = queue(ContentBasedDeduplication="true", MaximumMessageSize="1024")
    reply = SQS.send_message_batch(QueueUrl=url, Entries=entries(
        "a", "\x02", "b", "x" * 1025, "c", MessageGroupId="g"))
    tap.equal([e["Id"] for e in reply["Successful"]], ["e0", "e2", "e4"])
    tap.equal([(e["Id"], e["Code"], e["SenderFault"]) for e in reply["Failed"]],
              [("e1", "InvalidMessageContents", True), ("e3", "InvalidParameterValue", True)])
    tap.equal(bodies(receive(url)), ["a", "b", "c"])


@tap.test
def some_faults_fail_the_whole_batch():
    url, by_content = queue(), queue(ContentBasedDeduplication="true")
    own = "AWS.SimpleQueueService."

    def refused(code, name, message, sent, to=by_content):
        fails(400, code, name, message, SQS.send_message_batch, QueueUrl=to, Entries=sent)

    good = entries("a", "b", MessageGroupId="g")
    refused(own + "BatchEntryIdsNotDistinct", "BatchEntryIdsNotDistinct", "Id e0 repeated.",
            [good[0], good[0]])
    refused(own + "InvalidBatchEntryId", "InvalidBatchEntryId", "A batch entry id can only*",
            [dict(good[0], Id="a:b"), good[1]])
    refused(own + "InvalidBatchEntryId", "InvalidBatchEntryId", "*80 letters long.",
            [dict(good[0], Id="a" * 81)])
    refused(own + "TooManyEntriesInBatchRequest", "TooManyEntriesInBatchRequest",
            "*are 10. You have sent 11.", entries(*"abcdefghijk", MessageGroupId="g"))
    refused(own + "BatchRequestTooLong", "BatchRequestTooLong",
            "*longer than 1048576 bytes. You have sent 1048577 bytes.",
            entries("x" * 524288, "y" * 524289, MessageGroupId="g"))
    refused(own + "EmptyBatchRequest", "EmptyBatchRequest", "There should be at least one*", [])
    refused("InvalidParameterValue", "InvalidParameterValueException", "*parameter MessageGroupId.",
            [good[0], dict(Id="e1", MessageBody="b")])
    refused("InvalidParameterValue", "InvalidParameterValueException", "*MessageDeduplicationId*",
            [dict(good[0], MessageDeduplicationId="d"), good[1]], to=url)
    tap.equal(receive(url) + receive(by_content), [])


# ---- receiving ----

@tap.test
def a_group_is_blocked_while_in_flight():
    url = queue()
    for body in "a", "b", "c":
        send(url, body)
    send(url, "x", group="h")
    [a] = receive(url, 1)
    tap.equal(a["Body"], "a")
    tap.equal(bodies(receive(url)), ["x"])
    tap.equal(receive(url), [])
    delete(url, a)
    tap.equal(bodies(receive(url)), ["b", "c"])


@tap.test
def a_failed_group_comes_again_in_order():
    url = queue()
    for body in "a", "b", "c":
        send(url, body)
    messages = receive(url)
    SQS.change_message_visibility_batch(QueueUrl=url, Entries=[
        dict(Id=str(i), ReceiptHandle=m["ReceiptHandle"], VisibilityTimeout=0)
        for i, m in enumerate(messages)])
    again = receive(url, MessageSystemAttributeNames=["ApproximateReceiveCount"])
    tap.equal(bodies(again), ["a", "b", "c"])
    tap.equal([m["Attributes"]["ApproximateReceiveCount"] for m in again], ["2", "2", "2"])
    tap.ok(again[0]["ReceiptHandle"] != messages[0]["ReceiptHandle"])


@tap.test
def a_fifo_handle_expires_and_a_standard_one_does_not():
    for fifo in True, False:
        url = queue(fifo=fifo, VisibilityTimeout="1")
        send(url, "a")
        [message] = receive(url)
        time.sleep(1.2)
        handle = message["ReceiptHandle"]
        if not fifo:
            SQS.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=5)
            delete(url, message)
            tap.equal(receive(url), [])
            continue
        fails(400, "InvalidParameterValue", "InvalidParameterValueException",
              "Value * for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
              delete, url, message)
        fails(400, "InvalidParameterValue", "InvalidParameterValueException", "*has expired.",
              SQS.change_message_visibility, QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=5)
        failed = SQS.delete_message_batch(QueueUrl=url, Entries=[dict(Id="a", ReceiptHandle=handle)])
        tap.equal(failed["Failed"][0]["Code"], "ReceiptHandleIsInvalid")
        tap.equal(bodies(receive(url)), ["a"])


@tap.test
def parameters_of_a_receive_are_checked():
    url, standard = queue(), queue(fifo=False)
    value = (400, "InvalidParameterValue", "InvalidParameterValueException")
    fails(*value, "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and "
          "10, if provided.", receive, url, 11)
    fails(*value, "Value 0 for parameter MaxNumberOfMessages*", receive, url, 0)
    fails(*value, "Value 21 for parameter WaitTimeSeconds*", receive, url, WaitTimeSeconds=21)
    fails(*value, "Value 43201 for parameter VisibilityTimeout*", receive, url, VisibilityTimeout=43201)
    fails(*value, "*queue type.", receive, standard, ReceiveRequestAttemptId="a")
    fails(404, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", '*"garbage" is not a valid*',
          SQS.delete_message, QueueUrl=url, ReceiptHandle="garbage")
    fails(404, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "*",
          SQS.change_message_visibility, QueueUrl=url, ReceiptHandle="garbage", VisibilityTimeout=1)
    send(url, "a")
    [message] = receive(url)
    fails(*value, "*beyond the limit*", SQS.change_message_visibility, QueueUrl=url,
          ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=43200)


@tap.test
def a_long_poll_wakes_when_a_message_comes():
    url = queue()
    timer = threading.Timer(0.5, send, (url, "late"))
    timer.start()
    start = time.monotonic()
    tap.equal(bodies(receive(url, WaitTimeSeconds=20)), ["late"])
    took = time.monotonic() - start
    tap.ok(0.4 < took < 3, f"it took {took} s")
    timer.join()


@tap.test
def a_long_poll_wakes_when_a_message_returns_or_its_group_is_free():
    url = queue(VisibilityTimeout="1")
    send(url, "a")
    [a] = receive(url)
    start = time.monotonic()
    [a] = receive(url, WaitTimeSeconds=20, VisibilityTimeout=20)
    tap.ok(0.5 < time.monotonic() - start < 3)
    send(url, "b")
    timer = threading.Timer(0.5, delete, (url, a))
    timer.start()
    start = time.monotonic()
    tap.equal(bodies(receive(url, WaitTimeSeconds=20)), ["b"])
    tap.ok(time.monotonic() - start < 3)
    timer.join()


@tap.test
def a_long_poll_ends_empty_in_its_time():
    url = queue(ReceiveMessageWaitTimeSeconds="1")
    start = time.monotonic()
    tap.equal(receive(url), [])
    tap.ok(0.9 < time.monotonic() - start < 3)
    start = time.monotonic()
    tap.equal(receive(url, WaitTimeSeconds=0), [])
    tap.ok(time.monotonic() - start < 0.9)


@tap.test
def waiting_polls_are_served_in_turn_and_told_of_deletion():
    url = queue()
    results = {}

    def poll(name):
        try:
            results[name] = bodies(client(SERVER).receive_message(
                QueueUrl=url, WaitTimeSeconds=10).get("Messages", []))
        except botocore.exceptions.ClientError as failure:
            results[name] = failure.response["Error"]["Code"]

    threads = []
    for name in "first", "second":
        threads.append(threading.Thread(target=poll, args=(name,)))
        threads[-1].start()
        time.sleep(0.5)
    send(url, "a")
    tap.wait_until(lambda: "first" in results, 5)
    tap.equal(results, {"first": ["a"]})
    SQS.delete_queue(QueueUrl=url)
    for thread in threads:
        thread.join()
    tap.equal(results["second"], "AWS.SimpleQueueService.NonExistentQueue")


@tap.test
def a_receive_attempt_repeated_brings_the_same():
    url = queue()
    for body in "a", "b":
        send(url, body)
    first = receive(url, ReceiveRequestAttemptId="try-1")
    tap.equal(receive(url, ReceiveRequestAttemptId="try-2"), [])
    again = receive(url, ReceiveRequestAttemptId="try-1")
    tap.equal([m["ReceiptHandle"] for m in again], [m["ReceiptHandle"] for m in first])
    delete(url, again[0])
    fails(400, "InvalidParameterValue", "InvalidParameterValueException", "*not valid anymore*",
          receive, url, ReceiveRequestAttemptId="try-1")


@tap.test
def a_message_received_too_often_goes_to_the_dead_letter_queue():
    dead = queue()
    arn = SQS.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = queue(RedrivePolicy='{"deadLetterTargetArn":"%s","maxReceiveCount":2}' % arn)
    sent = send(url, "a")
    for _ in range(2):
        [message] = receive(url, VisibilityTimeout=0)
    tap.equal(receive(url), [])
    [message] = receive(dead, MessageSystemAttributeNames=["All"])
    tap.equal(message["MessageId"], sent["MessageId"])
    tap.equal(message["Attributes"]["DeadLetterQueueSourceArn"].rsplit(":", 1)[1],
              url.rsplit("/", 1)[1])
    for policy in ('{"deadLetterTargetArn":"dummy","maxReceiveCount":2}',
                   '{"deadLetterTargetArn":"%s-none","maxReceiveCount":2}' % arn,
                   '{"deadLetterTargetArn":"%s","maxReceiveCount":0}' % arn):
        fails(400, "InvalidParameterValue", "InvalidParameterValueException", "Value {* for parameter "
              "RedrivePolicy is invalid. Reason: *", queue, RedrivePolicy=policy)


@tap.test
def a_delay_holds_a_message_back():
    url = queue(fifo=False)
    send(url, "later", DelaySeconds=1)
    send(url, "now")
    tap.equal(bodies(receive(url)), ["now"])
    tap.equal(bodies(receive(url, WaitTimeSeconds=5)), ["later"])


# ---- permissions ----

@tap.test
def wrong_keys_are_refused():
    fails(403, "SignatureDoesNotMatch", "InvalidSignatureException", "The request signature we*",
          client(SERVER, aws_secret_access_key="wrong").list_queues)
    fails(403, "InvalidClientTokenId", "UnrecognizedClientException", "The security token included*",
          client(SERVER, aws_access_key_id="AKIAUNKNOWN").list_queues)
    fails(403, "InvalidClientTokenId", "UnrecognizedClientException", "The security token included*",
          client(SERVER, aws_session_token="unasked").list_queues)
    client(SERVER, region_name="us-gov-west-1").list_queues()


@tap.test
def a_session_token_must_be_the_right_one():
    with SqsLocal(session_token="the/token+=") as server:
        client(server).list_queues()
        for wrong in "other", None:
            fails(403, "InvalidClientTokenId", "UnrecognizedClientException", "*",
                  client(server, aws_session_token=wrong).list_queues)


@tap.test
def a_clock_too_far_off_is_refused_in_both_directions():
    for offset, message in ((901 + 60, "Signature expired: *T*Z is now earlier than *Z (*Z - 15 min.)"),
                            (-901 - 60, "Signature not yet current: *Z is still later than *Z (*Z + 15 "
                                        "min.)")):
        with SqsLocal(clock_offset=offset) as server:
            fails(403, "SignatureDoesNotMatch", "InvalidSignatureException", message,
                  client(server).list_queues)
    with SqsLocal(clock_offset=14 * 60) as server:
        client(server).list_queues()


@tap.test
def latency_delays_each_reply_but_not_the_others():
    with SqsLocal(["q"], latency_ms=300) as server:
        url = server.queue_url("q")
        start = time.monotonic()
        threads = [threading.Thread(target=client(server).send_message,
                                    kwargs=dict(QueueUrl=url, MessageBody="x")) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - start
        tap.ok(0.3 <= took < 1.2, f"it took {took} s")
        tap.equal(len(server.records("sent")), 5)


if __name__ == "__main__":
    with SqsLocal() as SERVER:
        SQS = client(SERVER)
        tap.main()
