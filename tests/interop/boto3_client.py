# SPDX-License-Identifier: MIT
"""A running sqs-local, and boto3 as its client. Skips all tests without a boto3 that speaks SQS's JSON protocol.

    from boto3_client import SQS, fails, main, queue, send
    ...
    if __name__ == "__main__":
        main()
"""

import hashlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from sqs_local import SqsLocal

try:
    import boto3
    import botocore.config
    from botocore.exceptions import ClientError
except ImportError as missing:
    tap.skip_all(f"boto3 is not installed: {missing}")

# The version of Debian 12 speaks only the query protocol; test-sqs-calls.py tests what it is told.
if tuple(int(n) for n in boto3.__version__.split(".")[:2]) < (1, 29):
    tap.skip_all(f"boto3 {boto3.__version__} does not speak SQS's JSON protocol")

os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ.pop("AWS_CA_BUNDLE", None)


def client(server, **keys):
    """A client of boto3 with the server's keys, or with those given."""
    arguments = dict(aws_access_key_id=server.access_key_id,
                     aws_secret_access_key=server.secret_access_key,
                     aws_session_token=server.session_token, region_name="eu-west-1")
    arguments.update(keys)
    return boto3.client("sqs", endpoint_url=server.url, config=botocore.config.Config(
        retries={"max_attempts": 1, "mode": "standard"}), **arguments)


SERVER = SqsLocal()
SQS = client(SERVER)

_queues = 0


def queue(fifo=True, **attributes):
    """Makes a queue; returns its URL."""
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
    """The error of a call: (status, code, code in the query protocol, message)."""
    try:
        call(*arguments, **more)
    except ClientError as failure:
        e = failure.response["Error"]
        return (failure.response["ResponseMetadata"]["HTTPStatusCode"], e["Code"],
                e.get("QueryErrorCode"), e["Message"])
    raise AssertionError("the call succeeded")


def fails(wanted_status, wanted_code, wanted_name, wanted_message, call, *arguments, **more):
    """Checks that a call fails with this status, code, code in the query protocol, and message (a pattern)."""
    status, code, name, message = error(call, *arguments, **more)
    tap.equal((status, code, name), (wanted_status, wanted_code, wanted_name), message)
    tap.matches(message, wanted_message)


def main():
    """Runs the tests, and stops the server."""
    with SERVER:
        tap.main()
