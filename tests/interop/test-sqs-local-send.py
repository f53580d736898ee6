# SPDX-License-Identifier: MIT
"""boto3 as a client of sqs-local: messages, their attributes, deduplication, and batches."""

import hashlib
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from boto3_client import SERVER, SQS, bodies, delete, fails, main, queue, receive, send


@tap.test
def message_is_received_as_it_was_sent():
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
    tap.ok(abs(int(system["SentTimestamp"]) / 1000 - time.time()) < 600)
    delete(url, message)
    tap.equal(receive(url), [])


@tap.test
def md5_of_attributes_is_the_published_one():
    url = queue(fifo=False)
    attribute = {"attribName1": {"DataType": "String", "StringValue": "attribValue 1"}}
    tap.equal(send(url, "x", MessageAttributes=attribute)["MD5OfMessageAttributes"],
              "19e27d4e946b072f3f58da80d94fd778")


@tap.test
def receive_returns_only_the_requested_attributes():
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
def invalid_message_is_refused():
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
def attributes_count_towards_the_message_size():
    url = queue(fifo=False, MaximumMessageSize="1024")
    attributes = {"name": {"DataType": "String", "StringValue": "v" * 10}}
    send(url, "x" * (1024 - 4 - 6 - 10), MessageAttributes=attributes)
    fails(400, "InvalidParameterValue", "InvalidParameterValueException", "*shorter than 1024 bytes.",
          send, url, "x" * (1024 - 4 - 6 - 10 + 1), MessageAttributes=attributes)


@tap.test
def duplicate_is_accepted_and_not_delivered():
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
def deduplication_by_content_and_group_drops_duplicates_within_a_group():
    url = queue(ContentBasedDeduplication="true", DeduplicationScope="messageGroup",
                FifoThroughputLimit="perMessageGroupId")
    for group in "g", "g", "h":
        SQS.send_message(QueueUrl=url, MessageBody="same", MessageGroupId=group)
    tap.equal(bodies(receive(url)), ["same", "same"])
    name = url.rsplit("/", 1)[1]
    tap.equal({r["deduplication_id"] for r in SERVER.records(queue=name)},
              {hashlib.sha256(b"same").hexdigest()})


# --- Batches ---

def entries(*bodies, **more):
    return [dict(Id=f"e{i}", MessageBody=body, **more) for i, body in enumerate(bodies)]


@tap.test
def batch_of_ten_keeps_its_order():
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
def invalid_entry_of_a_batch_fails_alone():
    url = queue(ContentBasedDeduplication="true", MaximumMessageSize="1024")
    reply = SQS.send_message_batch(QueueUrl=url, Entries=entries(
        "a", "\x02", "b", "x" * 1025, "c", MessageGroupId="g"))
    tap.equal([e["Id"] for e in reply["Successful"]], ["e0", "e2", "e4"])
    tap.equal([(e["Id"], e["Code"], e["SenderFault"]) for e in reply["Failed"]],
              [("e1", "InvalidMessageContents", True), ("e3", "InvalidParameterValue", True)])
    tap.equal(bodies(receive(url)), ["a", "b", "c"])


@tap.test
def invalid_batch_is_refused_as_a_whole():
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


if __name__ == "__main__":
    main()
