# SPDX-License-Identifier: MIT
"""boto3 as a client of sqs-local: receives, receipt handles, long polls, delays, the dead-letter queue."""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from boto3_client import (SERVER, SQS, ClientError, bodies, client, delete, fails, main, queue, receive,
                          send)


@tap.test
def group_with_a_message_in_flight_is_blocked():
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
def released_group_is_received_again_in_order():
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
def receipt_handle_expires_on_fifo_and_not_on_a_standard_queue():
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
def invalid_parameter_of_a_receive_is_refused():
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
def long_poll_ends_when_a_message_is_sent():
    url = queue()
    timer = threading.Timer(0.5, send, (url, "late"))
    start = time.monotonic()
    timer.start()
    tap.equal(bodies(receive(url, WaitTimeSeconds=20)), ["late"])
    took = time.monotonic() - start
    tap.ok(0.4 < took < 15, f"it took {took} s")
    timer.join()


@tap.test
def long_poll_ends_when_a_message_is_visible_again_or_its_group_is_free():
    url = queue(VisibilityTimeout="1")
    send(url, "a")
    start = time.monotonic()
    [a] = receive(url)
    [a] = receive(url, WaitTimeSeconds=20, VisibilityTimeout=20)
    tap.ok(0.5 < time.monotonic() - start < 15)
    send(url, "b")
    timer = threading.Timer(0.5, delete, (url, a))
    timer.start()
    start = time.monotonic()
    tap.equal(bodies(receive(url, WaitTimeSeconds=20)), ["b"])
    tap.ok(time.monotonic() - start < 15)
    timer.join()


@tap.test
def long_poll_without_a_message_ends_after_its_time():
    start = time.monotonic()
    tap.equal(receive(queue(ReceiveMessageWaitTimeSeconds="3")), [])
    tap.ok(2.9 < time.monotonic() - start < 15)
    url = queue(ReceiveMessageWaitTimeSeconds="20")
    start = time.monotonic()
    tap.equal(receive(url, WaitTimeSeconds=0), [])
    tap.ok(time.monotonic() - start < 19)


@tap.test
def long_polls_are_answered_in_order_and_end_when_the_queue_is_deleted():
    url = queue()
    results = {}

    def poll(name):
        try:
            results[name] = bodies(client(SERVER).receive_message(
                QueueUrl=url, WaitTimeSeconds=20).get("Messages", []))
        except ClientError as failure:
            results[name] = failure.response["Error"]["Code"]

    SERVER.set_faults("ReceiveMessage:error-500:p=0")  # it counts them
    threads = []
    for name in "first", "second":
        threads.append(threading.Thread(target=poll, args=(name,)))
        threads[-1].start()
        tap.wait_until(lambda: SERVER.faults()[0]["requests"] == len(threads), message="the poll at the server")
    send(url, "a")
    tap.wait_until(lambda: "first" in results)
    tap.equal(results, {"first": ["a"]})
    SQS.delete_queue(QueueUrl=url)
    for thread in threads:
        thread.join()
    tap.equal(results["second"], "AWS.SimpleQueueService.NonExistentQueue")


@tap.test
def receive_with_the_same_attempt_id_has_the_same_messages():
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
def message_beyond_its_receive_count_is_moved_to_the_dead_letter_queue():
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
def delayed_message_is_received_after_its_delay():
    url = queue(fifo=False, VisibilityTimeout="600")
    later = send(url, "later", DelaySeconds=1)["MessageId"]
    send(url, "now")
    found = []
    tap.wait_until(lambda: found.extend(bodies(receive(url, WaitTimeSeconds=5))) or len(found) == 2)
    tap.equal(sorted(found), ["later", "now"])
    at = {r["event"]: r["time"] for r in SERVER.records() if r["message_id"] == later}
    tap.ok(round(at["received"] - at["sent"], 3) >= 1, str(at))


if __name__ == "__main__":
    main()
