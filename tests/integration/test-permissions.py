# SPDX-License-Identifier: MIT
"""Keys without a permission: how the daemons find it out at the start, how long they wait, and how they end. Also
--check-queue."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from daemon import FIFO, Daemon
from notify import Notify
from shifted_clock import Clock
from sqs_local import SECRET_ACCESS_KEY, SqsLocal

NEEDS = {"sqs-producerd": ("SendMessage",),
         "sqs-consumerd": ("ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility")}
EACH = [(name, action) for name, actions in NEEDS.items() for action in actions]
WAIT_SEC = 31  # longer than the start waits for a permission


def check_queue(name, server, **options):
    """Runs --check-queue; returns its exit status, the lines that it printed, and what it logged."""
    daemon = Daemon(name, server, arguments=["--check-queue"], **options)
    status = daemon.wait()
    found = daemon.stdout().splitlines()
    tap.ok(SECRET_ACCESS_KEY not in daemon.text + "\n".join(found))
    return status, found, daemon.text


def check_denied(name, action):
    with SqsLocal(queues=[FIFO], options=[f"--deny={action}"]) as server:
        status, found, text = check_queue(name, server)
        tap.equal(status, 77)
        for other in NEEDS[name]:
            tap.ok(f"sqs:{other}: {'denied' if other == action else 'allowed'}" in found, found)
        tap.ok(f"sqs:{action} is denied" in text and "allow these credentials" in text, text)
        tap.equal(server.records(), [])


def waits_for_permission(name, action):
    """A permission is granted while the start waits for it: the daemon begins to work without a restart."""
    with SqsLocal(queues=[FIFO]) as server, Notify() as notify:
        sqs.send(server, "before", group="g")
        server.deny(action)
        daemon = Daemon(name, server, env={"NOTIFY_SOCKET": notify.path})
        line = daemon.wait_for_line("Cannot begin yet")
        tap.ok(f"sqs:{action} is denied" in line and "trying again for 30 s" in line, line)
        status = f"STATUS=Waiting for the queue (trying again within a minute): sqs:{action} is denied"
        tap.wait_until(lambda: any(status in told for told in notify.lines), message="the status")
        tap.ok("READY=1" not in notify.lines, notify.lines)
        tap.equal(len(server.records()), 1)
        server.deny()
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.ok("READY=1" in notify.lines, notify.lines)
        daemon.wait_for_line("The queue answers again")
        tap.equal(len(server.records("sent" if name == "sqs-producerd" else "deleted")),
                  6 if name == "sqs-producerd" else 1)


def ends_with_77(name, denied, lead, server, *named, **options):
    """The daemon waits, ends with 77, and logs a line for each denied action. Returns it, and its status lines."""
    with Clock() as clock, Notify() as notify:
        daemon = Daemon(name, server, env={**clock.env, "NOTIFY_SOCKET": notify.path,
                                           **options.pop("env", {})}, **options)
        daemon.wait_for_line("is denied: AccessDeniedException")
        time.sleep(0.3)  # so that the daemon reads its clock before the clock is put forward
        tap.equal(daemon.process.poll(), None)
        clock.run_ahead(WAIT_SEC)
        tap.equal(daemon.wait(), 77, daemon.text)
        for action in named or (denied,):
            tap.equal(sum(f"{lead}: sqs:{action} is denied: AccessDeniedException" in line
                          for line in daemon.lines), 1, daemon.text)
        tap.ok(any(told.startswith("STATUS=Failed: sqs:") for told in notify.lines), notify.lines)
        return daemon, notify.lines


def fails_the_start(name, action):
    with SqsLocal(queues=[FIFO], options=[f"--deny={action}"]) as server:
        daemon, told = ends_with_77(name, action, "Cannot start", server)
        tap.ok("READY=1" not in told, told)
        tap.ok("The queue answers" not in daemon.text, daemon.text)
        tap.equal(server.records(), [])
        tap.ok("to correct it: allow these credentials" in daemon.lines[-1], daemon.text)


def names_all_denied(name):
    with SqsLocal(queues=[FIFO], options=["--deny=*"]) as server:
        daemon, told = ends_with_77(name, "*", "Cannot start", server, *NEEDS[name])
        daemon.wait_for_line("Going on without the queue's attributes")
        tap.ok("READY=1" not in told, told)


def fails_at_the_first_request(name, action):
    """An SQS that validates parameters before permissions answers no probe: the first real request is denied."""
    with SqsLocal(queues=["plain,VisibilityTimeout=300"],
                  options=[f"--deny={action}", "--parameters-first"]) as server:
        if name == "sqs-consumerd":
            sqs.send(server, "message", queue="plain")
        tap.equal(check_queue(name, server, queue="plain")[0], 0)
        # A handler that fails makes the daemon call ChangeMessageVisibility.
        consumer = ({"handler": "exec", "command": ["/bin/false"], "ledger_max_messages": 0}
                    if action == "ChangeMessageVisibility" else {})
        _, told = ends_with_77(name, action, "Cannot go on", server, queue="plain",
                       consumer={"exit_after_empty_receives": 0, **consumer})
        tap.ok("READY=1" in told, told)


for name, action in EACH:
    tap.add(f"{name} --check-queue finds that {action} is denied", check_denied, name, action)
    tap.add(f"{name} waits for {action}", waits_for_permission, name, action)
    tap.add(f"{name} does not start without {action}", fails_the_start, name, action)
    tap.add(f"{name} ends_with_77 at its first request without {action}", fails_at_the_first_request, name,
            action)
for name in NEEDS:
    tap.add(f"{name} names every denied action", names_all_denied, name)


@tap.test
def denied_action_that_the_daemon_does_not_need_is_ignored():
    for name, own in NEEDS.items():
        others = [action for _, action in EACH if action not in own]
        with SqsLocal(queues=[FIFO], options=[f"--deny={action}" for action in others]) as server:
            tap.equal(check_queue(name, server)[0], 0)
            daemon = Daemon(name, server)
            tap.equal(daemon.wait(), 0, daemon.text)
            tap.ok("denied" not in daemon.text, daemon.text)


@tap.test
def spool_accepts_messages_while_sending_is_denied():
    with SqsLocal(queues=[FIFO], options=["--deny=SendMessage"]) as server, Notify() as notify, \
            Clock() as clock:
        spool = Daemon("sqs-producerd", server, arguments=["--version"]).folder
        daemon = Daemon("sqs-producerd", server, producer={"source": "spool",
                                                           "submit_socket": os.path.join(spool, "socket")},
                        env={**clock.env, "NOTIFY_SOCKET": notify.path, "STATE_DIRECTORY": spool})
        daemon.wait_for_line("sqs:SendMessage is denied")
        time.sleep(0.3)
        clock.run_ahead(WAIT_SEC)
        time.sleep(3)
        tap.equal(daemon.process.poll(), None, daemon.text)
        tap.wait_until(lambda: "READY=1" in notify.lines, message="READY=1")
        tap.wait_until(lambda: any("sqs:SendMessage is denied" in told for told in notify.lines
                                   if told.startswith("STATUS=")), message="the status")
        daemon.stop()


# --- The rest of --check-queue ---


@tap.test
def check_queue_prints_region_endpoint_keys_clock_queue_and_permissions():
    with SqsLocal(queues=[FIFO, "plain,VisibilityTimeout=77"]) as server:
        status, found, text = check_queue("sqs-consumerd", server)
        tap.equal((status, text), (0, ""))
        tap.equal(found, ["region: eu-west-1 (from aws.region)",
                          f"endpoint: {server.url}/ (from aws.endpoint_url)",
                          "credentials: from environment",
                          "clock: within 15 minutes of AWS's",
                          "queue: test.fifo, FIFO, visibility timeout 30 s, messages up to 1048576 bytes",
                          "sqs:GetQueueAttributes: allowed",
                          "sqs:ReceiveMessage: allowed",
                          "sqs:DeleteMessage: allowed",
                          "sqs:ChangeMessageVisibility: allowed"])
        status, found, _ = check_queue("sqs-producerd", server, queue="plain")
        tap.equal(status, 0)
        tap.equal(found[4:], ["queue: plain, standard, visibility timeout 77 s, messages up to 1048576 "
                              "bytes", "sqs:GetQueueAttributes: allowed", "sqs:SendMessage: allowed"])


@tap.test
def check_queue_without_permission_for_attributes_succeeds():
    with SqsLocal(queues=[FIFO], options=["--deny=GetQueueAttributes"]) as server:
        status, found, _ = check_queue("sqs-producerd", server)
        tap.equal(status, 0)
        tap.equal(found[4:], ["queue: test.fifo, FIFO by its name",
                              "sqs:GetQueueAttributes: denied, but the daemon works without it",
                              "sqs:SendMessage: allowed"])


@tap.test
def check_queue_receives_and_deletes_no_message():
    with SqsLocal(queues=[FIFO]) as server:
        sqs.send(server, "message", group="g")
        tap.equal(check_queue("sqs-consumerd", server)[0], 0)
        tap.equal(server.records("received") + server.records("deleted"), [])
        tap.equal([m["Body"] for m in sqs.receive(server)], ["message"])


@tap.test
def check_queue_with_bad_keys_names_their_source():
    with SqsLocal(queues=[FIFO]) as server:
        status, found, text = check_queue("sqs-producerd", server,
                                          env={"AWS_SECRET_ACCESS_KEY": "wrong"})
        tap.equal(status, 77)
        tap.ok("credentials: from environment" in found, found)
        tap.ok("check the access key" in text, text)


@tap.test
def check_queue_with_a_wrong_clock_names_the_difference():
    for offset, word in ((3600, "behind"), (-3600, "ahead of")):
        with SqsLocal(queues=[FIFO], clock_offset=offset) as server:
            status, found, _ = check_queue("sqs-producerd", server)
            tap.equal(status, 0)
            tap.ok(any(line.startswith("clock: ") and f" s {word} AWS's" in line for line in found),
                   found)


def check_queue_fails(status, *words, **options):
    with SqsLocal(queues=[FIFO]) as server:
        for name in NEEDS:
            found = check_queue(name, server, **options)
            tap.equal(found[0], status, found)
            for word in words:
                tap.ok(word in found[2], found[2])


tap.add("--check-queue without the queue", check_queue_fails, 69, "QueueDoesNotExist", "check aws.queue_url",
        queue="absent.fifo")
tap.add("--check-queue without credentials", check_queue_fails, 77, "no AWS credentials were found",
        env={"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None})
tap.add("--check-queue without a server", check_queue_fails, 69, "the daemon tries again",
        endpoint="http://127.0.0.1:9")
tap.add("--check-queue with a bad setting", check_queue_fails, 78, "aws.regoin", aws={"regoin": "x"})


@tap.test
def check_queue_that_cannot_print_fails():
    with SqsLocal(queues=[FIFO]) as server:
        daemon = Daemon("sqs-producerd", server, prefix=["/bin/sh", "-c", '"$@" >/dev/full', "sh"],
                        arguments=["--check-queue"])
        tap.equal(daemon.wait(), 74, daemon.text)


if __name__ == "__main__":
    tap.main()
