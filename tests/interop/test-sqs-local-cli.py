# SPDX-License-Identifier: MIT
"""The AWS CLI as a client of sqs-local: how an administrator creates the queue and looks at its messages."""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from sqs_local import SqsLocal  # noqa: E402

SERVER = None


def aws(*arguments, fails=False, **env):
    """Runs `aws sqs ...`; returns its output as JSON, or the text of its error with fails=True."""
    run = subprocess.run(["aws", "--endpoint-url", SERVER.url, "--output", "json", "sqs", *arguments],
                         env=SERVER.env(AWS_PAGER="", **env), stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=120)
    tap.equal(run.returncode != 0, fails, run.stdout + run.stderr)
    return run.stderr if fails else json.loads(run.stdout or "null")


@tap.test
def queue_of_the_demo_is_created_used_and_deleted():
    url = aws("create-queue", "--queue-name", "test.fifo", "--attributes", "FifoQueue=true")["QueueUrl"]
    tap.equal(url, SERVER.queue_url("test.fifo"))
    sent = aws("send-message", "--queue-url", url, "--message-body", "hello",
               "--message-group-id", "test", "--message-deduplication-id", "1")
    received = aws("receive-message", "--queue-url", url, "--attribute-names", "All",
                   "--visibility-timeout", "600")["Messages"][0]
    tap.equal(received["MessageId"], sent["MessageId"])
    tap.equal(received["Body"], "hello")
    aws("delete-message", "--queue-url", url, "--receipt-handle", received["ReceiptHandle"])
    tap.equal(aws("get-queue-attributes", "--queue-url", url, "--attribute-names",
                  "ApproximateNumberOfMessages")["Attributes"], {"ApproximateNumberOfMessages": "0"})
    aws("delete-queue", "--queue-url", url)
    tap.equal(aws("list-queues"), None)


@tap.test
def error_is_shown_with_its_name():
    tap.ok("(AWS.SimpleQueueService.NonExistentQueue)" in
           aws("get-queue-url", "--queue-name", "none", fails=True))
    tap.ok("(SignatureDoesNotMatch)" in
           aws("list-queues", fails=True, AWS_SECRET_ACCESS_KEY="wrong"))


def speaks_json():
    """Whether the AWS CLI speaks JSON; older versions speak only the query protocol."""
    found = subprocess.run(["aws", "--version"], capture_output=True, text=True, timeout=120)
    words = (found.stdout + found.stderr).split()
    version = tuple(int(n) for n in words[0].split("/")[1].split(".")[:2])
    return version >= ((2, 15) if version[0] >= 2 else (1, 30))


if __name__ == "__main__":
    if not shutil.which("aws"):
        tap.skip_all("the AWS CLI is not installed")
    if not speaks_json():
        tap.skip_all("this AWS CLI does not speak SQS's JSON protocol yet")
    with SqsLocal() as SERVER:
        tap.main()
