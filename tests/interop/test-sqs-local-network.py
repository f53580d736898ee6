# SPDX-License-Identifier: MIT
"""The network and the service that sqs-local simulates: jitter, loss, copies, disorder, late counts, the limit of
FIFO queues, errors of KMS. For each option the test checks what a client sees. Needs only the standard library."""

import concurrent.futures
import http.client
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from sqs_local import SqsLocal

QUEUE_COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed"]


def seconds(server, count, connection):
    """Sends `count` requests; returns the seconds that each took."""
    found = []
    for _ in range(count):
        start = time.monotonic()
        sqs.call(server, "ListQueues", connection=connection)
        found.append(time.monotonic() - start)
    return found


@tap.test
def jitter_makes_a_round_trip_longer_up_to_its_maximum():
    with SqsLocal(rtt_ms=20, jitter_ms=100) as server:
        connection = server.connection()
        seconds(server, 1, connection)
        took = seconds(server, 20, connection)
        connection.close()
        tap.ok(min(took) >= 0.02, f"the shortest took {min(took)} s")
        tap.ok(max(took) > 0.06, f"the longest took {max(took)} s")


@tap.test
def lost_packet_costs_a_time_out_and_the_request_is_done_once():
    with SqsLocal(["test"], loss=0.2, seed=5) as server:
        connection = server.connection()
        start = time.monotonic()
        for i in range(30):
            sqs.call(server, "SendMessage", connection=connection, QueueUrl=server.queue_url("test"),
                     MessageBody=str(i))
        took = time.monotonic() - start
        connection.close()
        lost = server.counts()["lost"]
        tap.ok(lost > 3, f"{lost} were lost")
        tap.ok(took >= 0.2 * lost, f"{lost} were lost, and all took {took} s")
        tap.equal([r["body"] for r in server.records("sent")], [str(i) for i in range(30)])


def outcome_of_a_loss(server, text):
    """The outcome of a send."""
    body = json.dumps({"QueueUrl": server.queue_url("test"), "MessageBody": text}).encode()
    connection = server.connection()
    try:
        connection.request("POST", "/", body, sqs.signed_headers(server, "SendMessage", body))
        connection.getresponse().read()
        outcome = "ok"
    except (http.client.RemoteDisconnected, ConnectionResetError):
        outcome = "no reply"
    connection.close()
    return outcome


@tap.test
def packet_lost_too_often_resets_the_connection():
    with SqsLocal(["test"], loss=0.6, seed=3) as server:
        outcomes, has_ended = {}, threading.Event()

        def run(i):
            while not has_ended.is_set():
                name = f"{i} {time.monotonic()}"
                try:
                    if outcome_of_a_loss(server, name) == "no reply" and not has_ended.is_set():
                        outcomes[name] = any(r["body"] == name for r in server.records("sent"))
                except (OSError, http.client.HTTPException):
                    if not has_ended.is_set():
                        raise

        with concurrent.futures.ThreadPoolExecutor(30) as executor:
            runs = [executor.submit(run, i) for i in range(30)]
            try:
                tap.wait_until(lambda: {True, False} <= set(outcomes.values()), 60, "one of each")
                tap.ok(server.counts()["reset"] >= 2)
            finally:
                has_ended.set()
                server.stop()  # and with it the connections of requests that still wait
        for one in runs:
            tap.equal(one.exception(), None)


def bodies_of(server, queue, wait=0):
    found = []
    while messages := sqs.receive(server, queue, wait=wait, visibility=300):
        found += messages
    return found


@tap.test
def copy_has_the_same_id_and_another_handle_and_survives_the_delete():
    with SqsLocal(["test"], duplicates=1) as server:
        message_id = sqs.send(server, "x", queue="test")["MessageId"]
        first, = sqs.receive(server, "test", most=1)
        url = server.queue_url("test")
        sqs.call(server, "DeleteMessage", QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
        second, = sqs.receive(server, "test")
        tap.equal([first["MessageId"], second["MessageId"]], [message_id] * 2)
        tap.equal((first["Body"], first["MD5OfBody"]), (second["Body"], second["MD5OfBody"]))
        tap.ok(first["ReceiptHandle"] != second["ReceiptHandle"])
        sqs.call(server, "DeleteMessage", QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])
        tap.equal(bodies_of(server, "test"), [])
        tap.equal(server.counts()["duplicates"], 1)
        tap.equal([r.get("copy", False) for r in server.records("deleted")], [False, True])


@tap.test
def reply_has_a_message_and_its_copy():
    with SqsLocal(["test"], duplicates=1) as server:
        sqs.send(server, "x", queue="test")
        messages = sqs.receive(server, "test")
        tap.equal([m["Body"] for m in messages], ["x", "x"])


@tap.test
def standard_queue_in_disorder_loses_no_message_and_follows_the_seed():
    def order(seed):
        with SqsLocal(["test"], disorder=0.3, duplicates=0.1, seed=seed) as server:
            for i in range(60):
                sqs.send(server, str(i), queue="test")
            found = [m["Body"] for m in bodies_of(server, "test")]
            counts = server.counts()
            tap.equal(len(found), 60 + counts["duplicates"])
            tap.equal(sorted(set(found), key=int), [str(i) for i in range(60)])
            tap.ok(counts["disordered"] > 3 and counts["duplicates"] > 0, str(counts))
            return found

    first = order(1)
    tap.equal(order(1), first)
    tap.ok(order(2) != first, "the seed makes no difference")


@tap.test
def fifo_queue_has_no_copies_and_no_disorder():
    with SqsLocal(["test.fifo"], disorder=1, duplicates=1) as server:
        for i in range(20):
            sqs.send(server, str(i))
        found = []
        while messages := sqs.receive(server):
            found += [m["Body"] for m in messages]
            for message in messages:
                sqs.call(server, "DeleteMessage", QueueUrl=server.queue_url("test.fifo"),
                         ReceiptHandle=message["ReceiptHandle"])
        tap.equal(found, [str(i) for i in range(20)])


@tap.test
def approximate_counts_are_late():
    with SqsLocal(["test"], stale_reads=4000) as server:
        def counts():
            found = sqs.call(server, "GetQueueAttributes", QueueUrl=server.queue_url("test"),
                             AttributeNames=QUEUE_COUNTS)["Attributes"]
            return [int(found[name]) for name in QUEUE_COUNTS]

        tap.equal(counts(), [0, 0, 0])
        start = time.monotonic()
        sqs.send(server, "x", queue="test")
        while counts() == [0, 0, 0]:
            tap.ok(time.monotonic() - start < 20, "they never tell")
            time.sleep(0.1)
        took = time.monotonic() - start
        tap.ok(took >= 1.9, f"they told after {took} s")
        tap.equal(counts(), [1, 0, 0])


def limited(server, queue, operation, count, **parameters):
    """Makes `count` calls; returns how many were accepted, and the error of the others. The caller must make sure
    that they happen within one second."""
    connection = server.connection()
    taken, errors = 0, set()
    for i in range(count):
        try:
            sqs.call(server, operation, connection=connection, QueueUrl=server.queue_url(queue),
                     **{k: v(i) if callable(v) else v for k, v in parameters.items()})
            taken += 1
        except sqs.Error as error:
            errors.add((error.status, error.code))
    connection.close()
    return taken, errors


@tap.test
def fifo_queue_accepts_300_calls_of_an_action_a_second():
    """The server may begin a new second during the calls: up to twice the limit may be accepted."""
    with SqsLocal(["test.fifo", "test", "fast.fifo,DeduplicationScope=messageGroup,"
                   "FifoThroughputLimit=perMessageGroupId"], options=["--fifo-limit"],
                  record=False) as server:
        start = time.monotonic()
        taken, errors = limited(server, "test.fifo", "ReceiveMessage", 1500, WaitTimeSeconds=0)
        took = int(time.monotonic() - start) + 2
        tap.ok(300 <= taken <= 300 * took, f"{taken} were taken in less than {took} s")
        if took < 5:
            tap.equal(errors, {(400, "ThrottlingException")})
            tap.equal(server.counts()["over_limit"], 1500 - taken)
        for queue in "test", "fast.fifo":
            tap.equal(limited(server, queue, "ReceiveMessage", 700, WaitTimeSeconds=0), (700, set()))


@tap.test
def batch_counts_as_one_call_and_each_action_has_its_own_limit():
    with SqsLocal(["test.fifo"], fifo_limit=2) as server:
        def batch(i):
            return [{"Id": str(k), "MessageBody": f"{i} {k}", "MessageGroupId": "g",
                     "MessageDeduplicationId": f"{i} {k}"} for k in range(10)]

        def taken_in_a_second():
            """Repeats the calls until they happen within one second of the server."""
            for _ in range(50):
                time.sleep(1 - time.time() % 1 + 0.05)
                second = int(time.time())
                found = [limited(server, "test.fifo", "SendMessageBatch", 1, Entries=batch)[0],
                         limited(server, "test.fifo", "SendMessage", 2, MessageBody="x",
                                 MessageGroupId="g", MessageDeduplicationId="x")[0],
                         limited(server, "test.fifo", "ReceiveMessage", 3)[0],
                         limited(server, "test.fifo", "GetQueueAttributes", 5)[0]]
                if int(time.time()) == second:
                    return found
            raise AssertionError("no second was long enough")

        tap.equal(taken_in_a_second(), [1, 1, 2, 5])


@tap.test
def long_poll_counts_as_one_call():
    with SqsLocal(["test.fifo"], fifo_limit=1) as server:
        tap.equal(sqs.receive(server, wait=1), [])
        body = json.dumps({"QueueUrl": server.queue_url("test.fifo"), "WaitTimeSeconds": 20}).encode()
        connection = server.connection()
        time.sleep(1.1)
        connection.request("POST", "/", body, sqs.signed_headers(server, "ReceiveMessage", body))
        time.sleep(1.2)
        sqs.send(server, "x")
        reply = connection.getresponse()
        tap.equal((reply.status, len(json.loads(reply.read())["Messages"])), (200, 1))
        connection.close()


@tap.test
def kms_error_has_the_name_of_aws_and_the_request_is_not_done():
    """Names and status as in botocore's model of SQS (2012-11-05)."""
    with SqsLocal(["test.fifo"]) as server:
        for kind, status, name, code in (
                ("kms-access-denied", 400, "KmsAccessDenied", "KMS.AccessDeniedException"),
                ("kms-disabled", 400, "KmsDisabled", "KMS.DisabledException"),
                ("kms-invalid-key-usage", 400, "KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException"),
                ("kms-invalid-state", 400, "KmsInvalidState", "KMS.InvalidStateException"),
                ("kms-not-found", 400, "KmsNotFound", "KMS.NotFoundException"),
                ("kms-opt-in-required", 403, "KmsOptInRequired", "KMS.OptInRequired"),
                ("kms-throttled", 400, "KmsThrottled", "KMS.ThrottlingException")):
            server.set_faults(f"*:{kind}")
            for operation, parameters in (
                    ("SendMessage", {"MessageBody": kind, "MessageGroupId": "g",
                                     "MessageDeduplicationId": kind}),
                    ("SendMessageBatch", {"Entries": [{"Id": "a", "MessageBody": kind}]}),
                    ("ReceiveMessage", {})):
                body = json.dumps({"QueueUrl": server.queue_url("test.fifo"), **parameters}).encode()
                connection = server.connection()
                connection.request("POST", "/", body, sqs.signed_headers(server, operation, body))
                reply = connection.getresponse()
                answer = json.loads(reply.read())
                connection.close()
                tap.equal((reply.status, answer["__type"], reply.headers["x-amzn-query-error"]),
                          (status, f"com.amazonaws.sqs#{name}", f"{code};Sender"))
            sqs.call(server, "GetQueueAttributes", QueueUrl=server.queue_url("test.fifo"))
        tap.equal(server.records(), [])


@tap.test
def empty_fault_answers_a_receive_at_once():
    with SqsLocal(["test"], faults=["*:empty:times=1"]) as server:
        sqs.send(server, "x", queue="test")
        start = time.monotonic()
        tap.equal(sqs.receive(server, "test", wait=20), [])
        tap.ok(time.monotonic() - start < 19)
        tap.equal(len(sqs.receive(server, "test")), 1)


@tap.test
def invalid_value_is_refused():
    with SqsLocal() as server:
        binary = server.binary
    for option in ("loss=1.1", "loss=-0.1", "loss=", "loss=x", "loss=nan", "loss=0.1x", "duplicates=2",
                   "duplicates=ten", "disorder=inf", "disorder=-1", "jitter-ms=-1", "jitter-ms=x",
                   "jitter-ms=3600001", "stale-reads=-5", "stale-reads=1.5", "fifo-limit=0",
                   "fifo-limit=x", "fifo-limit=", "fifo-limit=-300"):
        run = subprocess.run([binary, f"--{option}"], capture_output=True, text=True, timeout=60,
                             check=False)
        name, _, value = option.partition("=")
        tap.equal(run.returncode, 1, option)
        tap.matches(run.stderr, f'sqs-local: --{name}: found "{value}", allowed is *\n*', option)
    for option in "SendMessage:empty", "DeleteMessage:kms-disabled", "SendMessage:kms-nothing":
        run = subprocess.run([binary, f"--fault={option}"], capture_output=True, text=True, timeout=60,
                             check=False)
        tap.ok(run.returncode == 1 and f"--fault={option}:" in run.stderr, f"{option}: {run}")


if __name__ == "__main__":
    tap.main()
