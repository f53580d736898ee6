# SPDX-License-Identifier: MIT
"""The work of the daemons, done with boto3: client-boto3.py QUEUE_URL send|receive MESSAGES BATCH THREADS

Keys, region and endpoint come from the environment. Prints one JSON object about the work, without the cost of the
start."""

import concurrent.futures
import datetime
import itertools
import json
import resource
import sys
import time
import uuid

import boto3
from botocore.config import Config

GROUPS = 1000

queue_url, work, messages, batch, threads = sys.argv[1:]
messages, batch, threads = int(messages), int(batch), int(threads)
client = boto3.client("sqs", config=Config(max_pool_connections=threads))
numbers = itertools.count()


def message():
    number = next(numbers)
    return {"MessageBody": json.dumps({"data": f"mydata{number}",
                                       "ts": datetime.datetime.now().astimezone().isoformat(),
                                       "id": str(uuid.uuid4())}),
            "MessageGroupId": f"test-{number % GROUPS}",
            "MessageDeduplicationId": f"DeduplicationId-{uuid.uuid4()}"}


def send(n):
    for _ in range(n // batch):
        if batch == 1:
            client.send_message(QueueUrl=queue_url, **message())
        else:
            entries = [{"Id": str(i), **message()} for i in range(batch)]
            answer = client.send_message_batch(QueueUrl=queue_url, Entries=entries)
            if len(answer["Successful"]) != batch:
                raise RuntimeError("an entry has failed")


def receive(n):
    done = 0
    while done < n:
        found = client.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=min(batch, n - done), WaitTimeSeconds=1,
            AttributeNames=["All"], MessageAttributeNames=["All"],
            ReceiveRequestAttemptId=str(uuid.uuid4())).get("Messages", [])
        for m in found:
            json.loads(m["Body"])
        if batch == 1:
            for m in found:
                client.delete_message(QueueUrl=queue_url, ReceiptHandle=m["ReceiptHandle"])
        elif found:
            client.delete_message_batch(QueueUrl=queue_url, Entries=[
                {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(found)])
        done += len(found)


with concurrent.futures.ThreadPoolExecutor(threads) as pool:
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    for future in [pool.submit(send if work == "send" else receive, messages // threads)
                   for _ in range(threads)]:
        future.result()
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"wall_usec": int(wall * 1e6),
                  "user_usec": int((after.ru_utime - before.ru_utime) * 1e6),
                  "system_usec": int((after.ru_stime - before.ru_stime) * 1e6)}))
