# SPDX-License-Identifier: MIT
"""The peak memory of a consumer with 32 receivers of 10 messages of the maximum size."""

import hashlib
import json
import threading

import sqs
from daemon import Daemon
from runs import CLIENT_CORE, Failure, ended_well, on_core
from sqs_local import SqsLocal
from standin import Reply, StandIn

MIB = 1024 * 1024
QUEUE = "plain"
SETTINGS = {"receivers": 32, "max_messages": 10, "concurrency": 320, "wait_time": 1,
            "exit_after_empty_receives": 2}


def peak_kib(consumer):
    with open(f"/proc/{consumer.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


def message(number, body, escaped):
    head = {"MessageId": f"id-{number}", "ReceiptHandle": f"handle-{number}",
            "MD5OfBody": hashlib.md5(body).hexdigest()}
    return json.dumps(head)[:-1].encode() + b', "Body": "' + escaped + b'"}'


class Flood(StandIn):
    """Answers `small` receives with small messages, so that all receivers start, then `large` receives with
    replies of 60 MiB (ten messages of 1 MiB whose every byte is escaped). Then the queue is empty."""

    def __init__(self, small, large):
        self._lock = threading.Lock()
        self._small, self._large, self._number = small, large, 0
        self.n_large = 0
        self._body, self._escaped = b"a" * MIB, b"\\u0061" * MIB
        super().__init__()

    def _receive(self):
        with self._lock:
            self._number += 10
            number, small = self._number, self._small > 0
            if small:
                self._small -= 1
            elif self.n_large == self._large:
                return Reply(body=b"{}", delay=1, headers=[("x-amzn-RequestId", "id")])
            else:
                self.n_large += 1
        parts = [message(number + i, *((b"x", b"x") if small else (self._body, self._escaped)))
                 for i in range(10)]
        return Reply(body=b'{"Messages": [' + b", ".join(parts) + b"]}")

    def answer(self, request):
        operation = request.headers["x-amz-target"].split(".")[1]
        if operation == "ReceiveMessage":
            return self._receive()
        if operation == "GetQueueAttributes":
            return Reply(body='{"Attributes": {"VisibilityTimeout": "600"}}')
        if operation.endswith("Batch"):
            entries = json.loads(request.body)["Entries"]
            return Reply(body=json.dumps({"Successful": [{"Id": e["Id"]} for e in entries]}))
        return Reply(headers=[("x-amzn-RequestId", "id")])


def consume(server, **settings):
    with on_core(CLIENT_CORE):
        consumer = Daemon("sqs-consumerd", server, queue=QUEUE, log={"level": "notice"},
                          consumer={**SETTINGS, **settings})
    peak = 0
    while consumer.process.poll() is None:
        try:
            peak = max(peak, peak_kib(consumer))
        except (OSError, StopIteration):  # the consumer has ended
            break
        threading.Event().wait(0.02)
    ended_well(consumer)
    consumer.end()
    return peak


def of_whole_messages(n=160):
    """Returns the peak memory with messages of 1 MiB from sqs-local, in KiB."""
    with SqsLocal(queues=[QUEUE], record=False) as server:
        for i in range(n):
            sqs.send(server, "x" * (MIB - 10) + f"{i:010}", queue=QUEUE)
        return consume(server)


def of_large_replies(large=12):
    """Returns the peak memory with replies of 60 MiB, in KiB."""
    with SqsLocal(queues=[QUEUE], record=False) as model, Flood(100, large) as flood:
        class Server:
            url = flood.url
            env = staticmethod(model.env)
            queue_url = staticmethod(lambda name: f"{flood.url}/000000000000/{name}")
        peak = consume(Server)
        if flood.n_large != large:
            raise Failure(f"only {flood.n_large} large replies were sent")
        return peak
