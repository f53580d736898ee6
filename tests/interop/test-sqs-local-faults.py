# SPDX-License-Identifier: MIT
"""The faults that sqs-local injects: what each kind does, by the server's record, and which requests the rules
select. Also round trips. Needs only the standard library."""

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from sqs_local import SqsLocal

SERVER = None
STANDARD = "standard"
number = 0


def text():
    """Returns a body that no other message of this run has."""
    global number
    number += 1
    return f"body {number}"


def attempt(function, *arguments, **parameters):
    """The outcome of a request: "ok", the code of its error, or what was wrong with the reply."""
    try:
        function(SERVER, *arguments, **parameters)
    except sqs.Error as error:
        return error.code
    except http.client.IncompleteRead:
        return "cut off"
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return "no reply"
    except json.JSONDecodeError:
        return "not JSON"
    return "ok"


def is_recorded(event, body=None, message_id=None):
    return any(r["event"] == event and body in (None, r.get("body")) and
               message_id in (None, r["message_id"]) for r in SERVER.records())


def raw(operation, **parameters):
    """(status, headers, body) of a request."""
    body = json.dumps(parameters).encode()
    connection = SERVER.connection()
    try:
        connection.request("POST", "/", body, sqs.signed_headers(SERVER, operation, body))
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def fresh(suffix=""):
    """Removes all faults, and creates a queue; returns its name."""
    global number
    number += 1
    SERVER.set_faults()
    name = f"queue-{number}{suffix}"
    sqs.call(SERVER, "CreateQueue", QueueName=name,
             Attributes={"FifoQueue": "true"} if suffix else {})
    return name


def check_fault(kind, outcome, is_done):
    """Checks the outcome of SendMessage, DeleteMessage and ReceiveMessage, and whether the server did them."""
    queue = fresh(".fifo")
    SERVER.set_faults(f"*:{kind}")
    body = text()
    tap.equal(attempt(sqs.send, body, queue=queue), outcome)
    tap.equal(is_recorded("sent", body), is_done)

    queue = fresh(".fifo")
    message_id = sqs.send(SERVER, text(), queue=queue)["MessageId"]
    SERVER.set_faults(f"ReceiveMessage:{kind}")
    tap.equal(attempt(sqs.receive, queue, visibility=0), outcome)
    tap.equal(is_recorded("received", message_id=message_id), is_done)

    SERVER.set_faults(f"DeleteMessage:{kind}")
    handle = sqs.receive(SERVER, queue)[0]["ReceiptHandle"]
    tap.equal(attempt(sqs.call, "DeleteMessage", QueueUrl=SERVER.queue_url(queue),
                      ReceiptHandle=handle), outcome)
    deleted = [r for r in SERVER.records("deleted") if r["receipt_handle"] == handle]
    tap.equal(len(deleted), int(is_done))


for kind, outcome, is_done in (("error-500", "InternalFailure", False),
                               ("error-503", "not JSON", False),
                               ("throttle", "RequestThrottled", False),
                               ("expired-token", "ExpiredTokenException", False),
                               ("drop-before", "no reply", False),
                               ("drop-after", "no reply", True),
                               ("garbage", "not JSON", True),
                               ("truncate", "cut off", True)):
    tap.add(f"{kind}: {'done' if is_done else 'nothing is done'}, and the client sees: {outcome}",
            check_fault, kind, outcome, is_done)


@tap.test
def injected_error_has_the_status_and_headers_of_aws():
    for kind, status, code, content in (
            ("error-500", 500, "InternalFailure;Receiver", "application/x-amz-json-1.0"),
            ("error-503", 503, None, "text/html"),
            ("throttle", 403, "RequestThrottled;Sender", "application/x-amz-json-1.0"),
            ("expired-token", 403, "ExpiredToken;Sender", "application/x-amz-json-1.0")):
        SERVER.set_faults(f"ListQueues:{kind}")
        found = raw("ListQueues")
        tap.equal((found[0], found[1]["x-amzn-query-error"], found[1]["Content-Type"]),
                  (status, code, content))


@tap.test
def stalled_request_gets_no_reply_and_is_not_done():
    SERVER.set_faults("SendMessage:stall")
    connection = SERVER.connection(timeout=0.7)
    body = text()
    try:
        sqs.call(SERVER, "SendMessage", connection=connection, QueueUrl=SERVER.queue_url(STANDARD),
                 MessageBody=body)
        raise AssertionError("there was a reply")
    except (socket.timeout, TimeoutError):
        pass
    tap.equal(attempt(sqs.call, "ListQueues"), "ok")
    connection.close()
    SERVER.set_faults()
    tap.equal(attempt(sqs.call, "ListQueues"), "ok")
    tap.ok(not is_recorded("sent", body))


@tap.test
def delayed_request_is_done_later_also_without_its_client():
    SERVER.set_faults("SendMessage:delay:delay=400")
    body = text()
    start = time.monotonic()
    tap.equal(attempt(sqs.send, body, queue=STANDARD), "ok")
    took = time.monotonic() - start
    tap.ok(0.4 <= took < 30, f"it took {took} s")

    SERVER.set_faults("SendMessage:delay:delay=1500")
    body = text()
    parameters = json.dumps({"QueueUrl": SERVER.queue_url(STANDARD), "MessageBody": body}).encode()
    connection = SERVER.connection()
    start = time.time()
    connection.request("POST", "/", parameters,
                       sqs.signed_headers(SERVER, "SendMessage", parameters))
    tap.wait_until(lambda: SERVER.faults()[0]["requests"] == 1, message="the request at the server")
    connection.close()
    [sent] = SERVER.wait_for_records(lambda r: r.get("body") == body, 1)
    tap.ok(sent["time"] - start > 1.49, f"it was done after {sent['time'] - start} s")
    tap.equal(attempt(sqs.call, "ListQueues"), "ok")


def batch(operation, entries, queue):
    return sqs.call(SERVER, operation, QueueUrl=SERVER.queue_url(queue), Entries=entries)


@tap.test
def partial_fault_fails_about_half_of_the_entries_of_a_batch():
    queue = fresh()
    SERVER.set_faults("*:partial")
    n_failed = n = 0
    for _ in range(20):
        bodies = {str(i): text() for i in range(10)}
        reply = batch("SendMessageBatch", [{"Id": i, "MessageBody": b} for i, b in bodies.items()],
                      queue)
        failed = {entry["Id"] for entry in reply["Failed"]}
        for entry in reply["Failed"]:
            tap.equal((entry["Code"], entry["SenderFault"]), ("InternalError", False))
        tap.equal(failed | {entry["Id"] for entry in reply["Successful"]}, set(bodies))
        sent = {r["body"] for r in SERVER.records("sent")}
        for i, body in bodies.items():
            tap.equal(body in sent, i not in failed)
        n += 10
        n_failed += len(failed)
    tap.ok(0.35 * n < n_failed < 0.65 * n, f"{n_failed} of {n} failed")

    messages = sqs.receive(SERVER, queue)
    entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": 30}
               for i, m in enumerate(messages)]
    reply = batch("ChangeMessageVisibilityBatch", entries, queue)
    tap.ok(reply["Failed"] and reply["Successful"], str(reply))
    for entry in entries:
        del entry["VisibilityTimeout"]
    reply = batch("DeleteMessageBatch", entries, queue)
    tap.ok(reply["Failed"] and reply["Successful"], str(reply))
    deleted = {r["message_id"] for r in SERVER.records("deleted")}
    for entry in reply["Failed"]:
        tap.ok(messages[int(entry["Id"])]["MessageId"] not in deleted)
    for entry in reply["Successful"]:
        tap.ok(messages[int(entry["Id"])]["MessageId"] in deleted)

    tap.equal(attempt(sqs.send, text(), queue=queue), "ok", "it acted on what is no batch")


@tap.test
def wrong_md5_fault_changes_only_the_md5():
    queue = fresh(".fifo")
    SERVER.set_faults("*:wrong-md5")
    body = '{"MD5OfBody":"a","b":["MD5OfBody"]},"MD5OfBody":"00"'
    right = hashlib.md5(body.encode()).hexdigest()
    attributes = {"a": {"DataType": "String", "StringValue": "x"}}
    sent = sqs.send(SERVER, body, queue=queue, MessageAttributes=attributes)
    SERVER.set_faults()
    again = sqs.send(SERVER, body, queue=queue, MessageAttributes=attributes)
    tap.equal(again["MD5OfMessageBody"], right)
    tap.equal({name for name in sent if sent[name] != again[name]},
              {"MD5OfMessageBody", "MD5OfMessageAttributes"})
    SERVER.set_faults("ReceiveMessage:wrong-md5")
    message = sqs.receive(SERVER, queue)[0]
    tap.equal(message["Body"], body)
    tap.ok(message["MD5OfBody"] != right and message["MD5OfBody"][1:] == right[1:])
    tap.equal(attempt(sqs.call, "DeleteMessage", QueueUrl=SERVER.queue_url(queue),
                      ReceiptHandle=message["ReceiptHandle"]), "ok")


@tap.test
def long_poll_has_its_fault_when_it_is_answered():
    queue = fresh(".fifo")
    SERVER.set_faults("ReceiveMessage:drop-after")
    parameters = json.dumps({"QueueUrl": SERVER.queue_url(queue), "WaitTimeSeconds": 10,
                             "VisibilityTimeout": 0}).encode()
    connection = SERVER.connection()
    connection.request("POST", "/", parameters,
                       sqs.signed_headers(SERVER, "ReceiveMessage", parameters))
    time.sleep(0.2)
    message_id = sqs.send(SERVER, text(), queue=queue)["MessageId"]
    try:
        connection.getresponse()
        raise AssertionError("there was a reply")
    except (http.client.RemoteDisconnected, ConnectionResetError):
        pass
    connection.close()
    tap.ok(is_recorded("received", message_id=message_id))


@tap.test
def attempt_id_of_a_throttled_receive_is_void():
    queue = fresh(".fifo")
    sqs.send(SERVER, text(), queue=queue)
    SERVER.set_faults("ReceiveMessage:throttle:times=1")
    receive = {"QueueUrl": SERVER.queue_url(queue), "ReceiveRequestAttemptId": "one"}
    tap.equal(attempt(sqs.call, "ReceiveMessage", **receive), "RequestThrottled")
    tap.equal(attempt(sqs.call, "ReceiveMessage", **receive), "InvalidParameterValueException")
    receive["ReceiveRequestAttemptId"] = "two"
    tap.equal(len(sqs.call(SERVER, "ReceiveMessage", **receive)["Messages"]), 1)


def outcomes(count, *rules):
    SERVER.set_faults(*rules)
    return "".join("." if attempt(sqs.call, "ListQueues") == "ok" else "x" for _ in range(count))


@tap.test
def rule_with_every_selects_every_nth_request_of_its_operation():
    SERVER.set_faults()
    tap.equal(outcomes(7, "ListQueues:error-500:every=3"), "..x..x.")
    tap.equal(outcomes(3, "ListQueues:error-500:every=1"), "xxx")
    tap.equal(outcomes(5, "ListQueues:error-500:every=2:times=1"), ".x...")
    tap.equal(outcomes(3, "SendMessage:error-500", "ListQueues:error-500:every=3"), "..x")


@tap.test
def first_rule_that_selects_a_request_acts():
    SERVER.set_faults("*:error-500:every=2", "ListQueues:throttle:every=1")
    tap.equal([attempt(sqs.call, "ListQueues") for _ in range(4)],
              ["RequestThrottled", "InternalFailure"] * 2)
    tap.equal(SERVER.faults(),
              [{"fault": "*:error-500:every=2", "requests": 4, "faults": 2},
               {"fault": "ListQueues:throttle:every=1", "requests": 2, "faults": 2}])


@tap.test
def probability_follows_the_seed():
    rule = "ListQueues:error-500:p=0.3"
    first = outcomes(200, rule)
    tap.equal(outcomes(200, rule), first)
    tap.ok(30 < first.count("x") < 90, first)
    tap.equal(outcomes(20, "*:error-500:p=0"), "." * 20)
    tap.equal(outcomes(20, "*:error-500:p=1"), "x" * 20)

    global SERVER
    usual = SERVER
    try:
        with SqsLocal(faults=[rule], seed=7) as SERVER:
            seeded = "".join("." if attempt(sqs.call, "ListQueues") == "ok" else "x"
                             for _ in range(200))
            tap.ok(seeded != first, "the seed makes no difference")
            tap.equal(outcomes(200, rule), seeded)
    finally:
        SERVER = usual


@tap.test
def refused_request_is_not_counted():
    SERVER.set_faults("ListQueues:error-500:every=2")
    secret, SERVER.secret_access_key = SERVER.secret_access_key, "wrong"
    try:
        tap.equal(attempt(sqs.call, "ListQueues"), "InvalidSignatureException")
    finally:
        SERVER.secret_access_key = secret
    tap.equal(SERVER.faults()[0]["requests"], 0)


@tap.test
def invalid_rule_is_refused():
    for rule in ("", "*", "Nothing:drop-before", "SendMessage", "SendMessage:explode",
                 "SendMessage:none", "SendMessage:", "*:stall:", "*:stall:every=0",
                 "*:stall:every=", "*:stall:every=-1", "*:stall:p=1.1", "*:stall:p=x", "*:stall:p=", "*:stall:p=nan",
                 "*:stall:q=1", "*:stall:delay=5", "*:delay:delay=0", "SendMessage:partial",
                 "DeleteMessage:wrong-md5", "*:stall:times=0"):
        try:
            SERVER.set_faults(rule)
            raise AssertionError(f"{rule!r} is taken")
        except ValueError:
            pass
        run = subprocess.run([SERVER.binary, f"--fault={rule}"], capture_output=True, text=True,
                             timeout=60, check=False)
        tap.ok(run.returncode == 1 and f"--fault={rule}:" in run.stderr, f"{rule!r}: {run}")


@tap.test
def invalid_faults_leave_the_old_ones():
    SERVER.set_faults("ListQueues:throttle")
    try:
        SERVER.set_faults("ListQueues:error-500", "nonsense")
    except ValueError:
        pass
    tap.equal(attempt(sqs.call, "ListQueues"), "RequestThrottled")


def seconds(function):
    start = time.monotonic()
    function()
    return time.monotonic() - start


def shortest(measure, below):
    """Measures until it took less than that, some 20 times at most: a busy machine makes some calls longer."""
    took = measure()
    for _ in range(20):
        if took < below:
            break
        took = min(took, measure())
    return took


@tap.test
def round_trip_delays_a_request_once_and_a_new_connection_twice():
    with SqsLocal(["q"], rtt_ms=600) as server:
        connection = server.connection()
        new = seconds(lambda: sqs.call(server, "ListQueues", connection=connection))
        tap.ok(new > 1.19, f"the first took {new} s")
        old = shortest(lambda: seconds(lambda: sqs.call(server, "ListQueues", connection=connection)), 1.19)
        tap.ok(0.59 < old < 1.19, f"the second took {old} s")
        connection.close()

        def on_opened():
            early = server.connection()
            early.connect()
            time.sleep(0.7)
            took = seconds(lambda: sqs.call(server, "ListQueues", connection=early))
            early.close()
            return took

        opened = shortest(on_opened, 1.19)
        tap.ok(0.59 < opened < 1.19, f"on a connection opened before it took {opened} s")


@tap.test
def request_is_done_half_a_round_trip_after_it_is_sent():
    with SqsLocal(["q"], rtt_ms=1000) as server:
        body = json.dumps({"QueueUrl": server.queue_url("q"), "MessageBody": "x"}).encode()
        connection = server.connection()
        connection.connect()
        time.sleep(1.1)
        start = time.time()
        connection.request("POST", "/", body, sqs.signed_headers(server, "SendMessage", body))
        connection.getresponse().read()
        end, [sent] = time.time(), [record["time"] for record in server.records("sent")]
        tap.ok(sent - start > 0.49 and end - sent > 0.49, f"begun {start}, sent {sent}, answered {end}")
        connection.close()


@tap.test
def requests_at_the_same_time_wait_for_one_round_trip():
    with SqsLocal(["q"], rtt_ms=300) as server:
        connections = [server.connection() for _ in range(50)]
        start = time.monotonic()
        body = json.dumps({"QueueUrl": server.queue_url("q"), "MessageBody": "x"}).encode()
        headers = sqs.signed_headers(server, "SendMessage", body)
        for connection in connections:
            connection.request("POST", "/", body, headers)
        for connection in connections:
            tap.equal(connection.getresponse().status, 200)
            connection.close()
        took = time.monotonic() - start
        tap.ok(0.59 < took < 15, f"all of them took {took} s")


if __name__ == "__main__":
    with SqsLocal([STANDARD]) as SERVER:
        tap.main()
