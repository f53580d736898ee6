# SPDX-License-Identifier: MIT
"""boto3 as a client of sqs-local: operations on queues, the errors of keys and clock, and the latency.

boto3 reads the replies as it reads those of Amazon SQS, so the test sees what any program would see.
"""

import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from boto3_client import SERVER, SQS, bodies, client, fails, main, queue, receive, send
from sqs_local import SqsLocal


@tap.test
def queue_is_created_found_listed_and_deleted():
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
def help_says_what_the_url_of_a_queue_looks_like():
    shown = subprocess.run([SERVER.binary, "--help"], check=True, capture_output=True, text=True, timeout=60).stdout
    port = SERVER.url.rsplit(":", 1)[1]
    tap.ok(SERVER.queue_url("NAME").replace(port, "<port>", 1) in shown, shown)


@tap.test
def list_of_queues_has_pages():
    names = [f"page-{i}" for i in range(5)]
    for name in names:
        SQS.create_queue(QueueName=name)
    pages = list(SQS.get_paginator("list_queues").paginate(
        QueueNamePrefix="page-", PaginationConfig={"PageSize": 2}))
    tap.equal([len(page["QueueUrls"]) for page in pages], [2, 2, 1])
    tap.equal([url.rsplit("/", 1)[1] for page in pages for url in page["QueueUrls"]], names)


@tap.test
def invalid_queue_is_refused():
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
def attributes_are_read_and_set():
    url = queue(VisibilityTimeout="77")
    send(url, "one")
    send(url, "two", group="h")
    receive(url, 1)
    found = SQS.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    wanted = {"VisibilityTimeout": "77", "FifoQueue": "true", "ContentBasedDeduplication": "false",
              "MaximumMessageSize": "1048576", "ApproximateNumberOfMessages": "1",
              "ApproximateNumberOfMessagesNotVisible": "1", "DeduplicationScope": "queue",
              "QueueArn": "arn:aws:sqs:eu-west-1:000000000000:" + url.rsplit("/", 1)[1]}
    tap.equal({name: found.get(name) for name in wanted}, wanted)
    SQS.set_queue_attributes(QueueUrl=url, Attributes={"ContentBasedDeduplication": "true",
                                                       "VisibilityTimeout": "9"})
    tap.equal(SQS.get_queue_attributes(
        QueueUrl=url, AttributeNames=["VisibilityTimeout", "ContentBasedDeduplication"])["Attributes"],
        {"VisibilityTimeout": "9", "ContentBasedDeduplication": "true"})
    # One invalid attribute: none is set.
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
def queue_is_purged_once_a_minute():
    url = queue()
    send(url, "one")
    SQS.purge_queue(QueueUrl=url)
    tap.equal(receive(url), [])
    fails(403, "AWS.SimpleQueueService.PurgeQueueInProgress", "PurgeQueueInProgress",
          "Only one PurgeQueue operation on *", SQS.purge_queue, QueueUrl=url)


@tap.test
def queue_url_with_another_host_names_the_same_queue():
    url = queue()
    legacy = url.replace(SERVER.url, "https://eu-west-1.queue.amazonaws.com")
    send(legacy, "one")
    tap.equal(bodies(receive(url)), ["one"])
    fails(404, "InvalidAddress", "InvalidAddress", "*", SQS.receive_message,
          QueueUrl=url.replace("://", ":"))


# --- Keys, the clock, latency ---

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
def wrong_session_token_is_refused():
    with SqsLocal(session_token="the/token+=") as server:
        client(server).list_queues()
        for wrong in "other", None:
            fails(403, "InvalidClientTokenId", "UnrecognizedClientException", "*",
                  client(server, aws_session_token=wrong).list_queues)


@tap.test
def signature_with_a_wrong_clock_is_refused():
    for offset, message in ((901 + 60, "Signature expired: *T*Z is now earlier than *Z (*Z - 15 min.)"),
                            (-901 - 60, "Signature not yet current: *Z is still later than *Z (*Z + 15 "
                                        "min.)")):
        with SqsLocal(clock_offset=offset) as server:
            fails(403, "SignatureDoesNotMatch", "InvalidSignatureException", message,
                  client(server).list_queues)
    with SqsLocal(clock_offset=14 * 60) as server:
        client(server).list_queues()


@tap.test
def latency_delays_each_reply_and_no_other_request():
    with SqsLocal(["q"], latency_ms=3000) as server:  # one after the other would take 15 s
        url = server.queue_url("q")
        threads = [threading.Thread(target=client(server).send_message,
                                    kwargs=dict(QueueUrl=url, MessageBody="x")) for _ in range(5)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - start
        tap.ok(3 <= took < 12, f"it took {took} s")
        tap.equal(len(server.records("sent")), 5)


if __name__ == "__main__":
    main()
