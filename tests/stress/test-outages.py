# SPDX-License-Identifier: MIT
"""Both daemons when something that they depend on fails for a while: the handler, addresses and name servers, the
clock, the metadata service, the log, a key of KMS. No message is lost or handled twice without a reason, each group
keeps its order, no message gets to the dead-letter queue unhandled, and the daemons recover without help. Runs in
network namespaces of its own."""

import collections
import fcntl
import itertools
import json
import os
import select
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)
import load
import namespaces
import scenes
import sqs
import tap
from imds import Imds
from role_keys import RoleKeys
from scenes import BACK_SEC, GROUPS, QUEUE, finish, flow, side_by_side, start
from sqs_local import SqsLocal
from shifted_clock import Clock
from standin import Reply, StandIn

namespaces.enter()
OPTIONS = load.read_options(__doc__)
OUTAGE_SEC = 40 if OPTIONS.long else 8


def add(name, function, *arguments):
    scenes.add(side_by_side, OPTIONS.words, name, function, *arguments)


# No other program listens in this network namespace, and clients have ports above 32767.
PORTS = itertools.count(20000)


# --- The handler cannot be reached ---

MESSAGES, MESSAGE_GROUPS = 20, 5
# The lease is short, so that it must be renewed during the outage.
REDRIVE = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:dead.fifo",
                      "maxReceiveCount": 3})
HANDLER_QUEUES = ["dead.fifo", f"test.fifo,VisibilityTimeout=6,RedrivePolicy={REDRIVE}"]
HANDLER = {"max_messages": 10, "concurrency": 10, "receivers": 2, "wait_time": 1, "retry_delay": 1,
           "timeout": 20}


class Application(StandIn):
    """Answers with `status`; `handled` has the bodies that it answered with 200."""

    def __init__(self, port, status=200, address="127.0.0.1"):
        self.status, self.handled = status, []
        super().__init__(address, port)

    def answer(self, request):
        if self.status == 200:
            self.handled.append(request.body.decode())
        return Reply(self.status)


class Outage:
    """A queue with messages and a dead-letter queue, and a consumer whose handler cannot be reached."""

    def __init__(self, prefix=(), faults=(), **settings):
        self.folder = tempfile.mkdtemp(prefix="outage-")
        self.server = SqsLocal(HANDLER_QUEUES, faults=faults)
        for i in range(MESSAGES):
            sqs.send(self.server, f"g{i % MESSAGE_GROUPS}.{i}", group=f"g{i % MESSAGE_GROUPS}")
        self.daemon = load.consumer(self.server, aws=scenes.AWS, env={"STATE_DIRECTORY": self.folder},
                                    prefix=prefix, **{**HANDLER, **settings})

    def wait_during_outage(self):
        """Waits until a message was received, and then for OUTAGE_SEC; no message may be deleted."""
        self.server.wait_for_records("received", 1)
        time.sleep(OUTAGE_SEC)
        tap.ok(self.daemon.process.poll() is None, self.daemon.text)
        tap.equal(self.server.records("deleted"), [], "messages deleted without a handler")
        self.check_none_dead()

    def check_none_dead(self):
        tap.equal(self.server.records("sent", "dead.fifo") + sqs.receive(self.server, "dead.fifo"), [],
                  f"messages in the dead-letter queue, after:\n{load.last_lines(self.daemon)}")

    def finish(self, tell, handled):
        """Waits until all messages are handled, once and in order; `handled` returns their bodies."""
        start_sec = time.monotonic()
        self.server.wait_for_records("deleted", MESSAGES, BACK_SEC)
        tell(f"all messages were handled within {time.monotonic() - start_sec:.1f} s")
        load.stop(self.daemon)
        self.check_none_dead()
        counted = collections.Counter(handled())
        tap.equal(counted, {f"g{i % MESSAGE_GROUPS}.{i}": 1 for i in range(MESSAGES)},
                  "how often each was handled")
        for group in range(MESSAGE_GROUPS):
            numbers = [int(body.split(".")[1]) for body in handled() if body.startswith(f"g{group}.")]
            tap.equal(numbers, sorted(numbers), f"the order in which g{group} was handled")
        lines = load.other_lines(self.daemon)
        tap.ok(len(lines) <= scenes.LINES_MAX, f"{len(lines)} lines:\n" + "\n".join(lines))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.server.stop(check=kind is None)
        shutil.rmtree(self.folder)


def nobody_listens_for_a_while(tell):
    port = next(PORTS)
    with Outage(handler="http", url=f"http://127.0.0.1:{port}/in") as outage:
        outage.wait_during_outage()
        with Application(port) as application:
            outage.finish(tell, lambda: application.handled)


def gateway_answers_for_a_while(tell, status):
    port = next(PORTS)
    with Application(port, status) as application, \
            Outage(handler="http", url=f"http://127.0.0.1:{port}/in") as outage:
        outage.wait_during_outage()
        tap.ok(len(application.requests) < 200, f"{len(application.requests)} posts")
        application.status = 200
        outage.finish(tell, lambda: application.handled)


def program_is_missing_for_a_while(tell):
    with tempfile.TemporaryDirectory() as folder:
        program, handled = os.path.join(folder, "handle"), os.path.join(folder, "handled")

        def install():
            with open(program + ".new", "w", encoding="ascii") as file:
                file.write(f'#!/bin/sh\nprintf "%s\\n" "$(cat)" >>{handled}\n')
            os.chmod(program + ".new", 0o755)
            os.rename(program + ".new", program)

        def read():
            with open(handled, encoding="ascii") as file:
                return file.read().split()

        install()  # without it the start fails
        with Outage(handler="exec", command=[program], faults=["ReceiveMessage:empty"]) as outage:
            outage.daemon.wait_for_line("works on the")
            os.unlink(program)
            outage.server.set_faults()
            outage.wait_during_outage()
            install()
            outage.finish(tell, read)


def stop_releases_all(tell):
    """Messages that were not handled are visible at once."""
    with Outage(handler="http", url=f"http://127.0.0.1:{next(PORTS)}/in",
                visibility_timeout=300) as outage:
        outage.server.wait_for_records("received", 1)
        outage.daemon.wait_for_line("127.0.0.1")
        load.stop(outage.daemon)
        found = []
        while messages := sqs.receive(outage.server, visibility=300):
            found += [m["Body"] for m in messages]
            for message in messages:
                sqs.call(outage.server, "DeleteMessage", ReceiptHandle=message["ReceiptHandle"],
                         QueueUrl=outage.server.queue_url("test.fifo"))
        tap.equal(sorted(found), sorted(f"g{i % MESSAGE_GROUPS}.{i}" for i in range(MESSAGES)))
        outage.check_none_dead()


add("application that does not listen for a while gets each message once", nobody_listens_for_a_while)
add("gateway that answers 503 for a while fails no message", gateway_answers_for_a_while, 503)
add("gateway that answers 502 for a while fails no message", gateway_answers_for_a_while, 502)
add("program that is missing for a while gets each message once", program_is_missing_for_a_while)
add("stop during an outage of the handler releases all messages", stop_releases_all)


# --- Names and addresses ---

def name_gets_new_address(tell):
    """The old address refuses connections, and the name has a new one. The daemons look it up at once, and do not
    wait until the cached address expires after a minute."""
    with namespaces.NameServer("sqs.test", "127.0.1.2", "127.0.1.1") as names, \
            SqsLocal([QUEUE]) as server:
        old = namespaces.Forwarder("127.0.1.2", 0, server.port)
        daemons = start(server, endpoint=f"http://sqs.test:{old.port}", prefix=names.prefix)
        record = load.Record(server)
        flow(tell, record, daemons, BACK_SEC, "at first")
        asked = names.questions
        old.close()
        names.answer = "127.0.1.3"
        with namespaces.Forwarder("127.0.1.3", old.port, server.port):
            flow(tell, record, daemons, BACK_SEC, "at the new address")
            tap.ok(names.questions > asked, "nobody asked")
            finish(tell, record, daemons)


def first_address_is_silent(tell):
    """The daemons must try the second address before the time-out for connecting, as curl(1) does."""
    addresses = ["127.0.2.2", "127.0.2.3"]
    with namespaces.NameServer("sqs.test", addresses, "127.0.2.1") as names, \
            SqsLocal([QUEUE]) as server, namespaces.Silent(addresses[0], server.port), \
            namespaces.Forwarder(addresses[1], server.port, server.port):
        found = namespaces.addresses_of("sqs.test", names.prefix)
        tap.equal(found, addresses, "the order in which addresses are tried")
        daemons = start(server, endpoint=f"http://sqs.test:{server.port}", prefix=names.prefix,
                        aws={"connect_timeout": 5, "request_timeout": 60})
        record = load.Record(server)
        flow(tell, record, daemons, BACK_SEC, "at the second address")
        finish(tell, record, daemons)
        # A renewal may time out: it has no more time than the lease, which is as short as the time-out here.
        late = [line for daemon in daemons for line in daemon.lines
                if "timed out" in line and not line.startswith("ChangeMessageVisibility")]
        tap.equal(late, [], "requests that did not get to the second address in time")


def first_name_server_is_silent(tell):
    """glibc asks the second name server after 5 s, later than the time-out for connecting."""
    with namespaces.NameServer("sqs.test", None, "127.0.3.1") as dead, \
            namespaces.NameServer("sqs.test", "127.0.0.1", "127.0.3.2") as good, \
            SqsLocal([QUEUE]) as server:
        daemons = start(server, endpoint=f"http://sqs.test:{server.port}",
                        prefix=namespaces.asking(dead.address, good.address), aws={"connect_timeout": 3})
        record = load.Record(server)
        flow(tell, record, daemons, 120, "though the first name server does not answer")
        tap.ok(dead.questions > 0, "the first was not asked")
        finish(tell, record, daemons)


add("messages flow after the name has got a new address", name_gets_new_address)
add("messages flow though the first address of the name does not answer", first_address_is_silent)
add("messages flow though the first name server does not answer", first_name_server_is_silent)


def application_gets_new_address(tell):
    """The name of the application gets a new address: no message counts as failed."""
    port = next(PORTS)
    with namespaces.NameServer("app.test", "127.0.5.2", "127.0.5.1") as names, \
            Outage(names.prefix, handler="http", url=f"http://app.test:{port}/in") as outage, \
            Application(port, address="127.0.5.3") as application:
        outage.wait_during_outage()
        names.answer = "127.0.5.3"
        outage.finish(tell, lambda: application.handled)


add("application that has got a new address gets each message once", application_gets_new_address)


# --- The clock ---

YEAR = 365 * 86400
# Seconds that this machine's clock is ahead, and then the server's.
JUMPS = [(7200, 0), (-3600, 0), (58 * YEAR, 0), (0, 0), (0, 3600), (-7200, -3600), (0, 0)]


def clock_jumps(tell):
    with Clock() as clock, SqsLocal([QUEUE]) as server:
        clock.set(58 * YEAR)  # as at boot without a battery
        daemons = start(server, env=clock.env)
        record = load.Record(server)
        flow(tell, record, daemons, BACK_SEC, "with the clock 58 years ahead at the start")
        for own, other in JUMPS if OPTIONS.long else JUMPS[:4]:
            clock.set(own)
            server.set_clock(other)
            flow(tell, record, daemons, BACK_SEC, f"with the clock {own} s ahead, the server's {other} s",
                 50)
        finish(tell, record, daemons, 4 * scenes.LINES_MAX)


add("messages flow when a clock jumps", clock_jumps)


# --- Receives that are answered empty at once ---

def receives_are_empty_at_once(tell):
    """Each receive is billed, so there must be few; and the consumer must not conclude that the queue is empty."""
    with SqsLocal([QUEUE]) as server:
        producer = load.producer(server, aws=scenes.AWS, **scenes.PRODUCER)
        producer.wait_for_line("SQS Response")  # before the consumer finds the queue empty
        daemons = producer, load.consumer(server, aws=scenes.AWS, **scenes.CONSUMER, receive_interval=0,
                                          exit_after_empty_receives=3)
        record = load.Record(server)
        flow(tell, record, daemons, BACK_SEC, "at first")
        start_sec = time.monotonic()
        server.set_faults("ReceiveMessage:empty")
        time.sleep(OUTAGE_SEC)
        asked, took_sec = server.faults()[0]["requests"], time.monotonic() - start_sec
        tell(f"{asked} receives in {took_sec:.1f} s")
        tap.ok(asked <= 15 * took_sec, f"{asked} receives in {took_sec} s")
        tap.ok(asked > 0, "nobody asked")
        server.set_faults()
        flow(tell, record, daemons, BACK_SEC, "again")
        load.stop(daemons[0])
        record.wait_until_all_deleted(BACK_SEC, daemons[1:])
        tap.equal(daemons[1].wait(BACK_SEC), 0, load.last_lines(daemons[1]))  # now the queue is empty
        record.read().check_accepted_in_order(GROUPS)
        record.check_handled(load.handled_ids(daemons[1].lines))
        record.check_none_overtaken()


add("receives that are answered empty at once are few and not taken for an empty queue",
    receives_are_empty_at_once)


# --- Slow replies ---

LARGE_BYTES = 60000
SLOW_BYTES_PER_SEC = 100000


def replies_are_slow(tell):
    """A reply with ten messages takes longer than a request may stall. On a standard queue it must be read to its
    end: a lost reply cannot be recovered, and each message may be received only three times."""
    redrive = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:dead",
                          "maxReceiveCount": 3})
    count = 60 if OPTIONS.long else 20
    with SqsLocal(["dead", f"test,VisibilityTimeout=20,RedrivePolicy={redrive}"]) as server, \
            namespaces.Forwarder("127.0.4.1", 0, server.port, rate=SLOW_BYTES_PER_SEC) as slow:
        bodies = [f"{i}." + "x" * LARGE_BYTES for i in range(count)]
        for body in bodies:
            sqs.send(server, body, queue="test")
        daemon = load.consumer(server, "test", aws=scenes.AWS, endpoint=f"http://127.0.4.1:{slow.port}",
                               wait_time=1, receivers=2, concurrency=10)
        start_sec = time.monotonic()
        server.wait_for_records("deleted", count, 180)
        tell(f"all messages were handled within {time.monotonic() - start_sec:.1f} s")
        load.stop(daemon)
        tap.equal(sqs.receive(server, "dead"), [], load.last_lines(daemon))
        found = {r["message_id"] for r in server.records("deleted")}
        tap.equal(found, {r["message_id"] for r in server.records("sent")})


add("slow reply is read to its end", replies_are_slow)


# --- Metadata ---

def metadata_service_starts_later(tell):
    keys = RoleKeys(prefix="ASIALATE")
    identity, secret, token = keys.current()
    port = next(PORTS)
    with SqsLocal([QUEUE], access_key_id=identity, secret_access_key=secret,
                  session_token=token) as server:
        env = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SESSION_TOKEN": None,
               "AWS_EC2_METADATA_DISABLED": None,
               "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{port}"}
        daemons = start(server, env=env)
        time.sleep(OUTAGE_SEC)
        for daemon in daemons:
            tap.ok(daemon.process.poll() is None, daemon.text)
        record = load.Record(server)
        with Imds(port=port, keys=keys):
            flow(tell, record, daemons, BACK_SEC, "after the metadata service has started")
            finish(tell, record, daemons)


add("daemons wait for a metadata service that starts later", metadata_service_starts_later)


# --- The log ---

def end_of(daemon, seconds):
    """Stops the daemon; returns its exit status, and how many seconds it took."""
    start_sec = time.monotonic()
    daemon.signal()
    return daemon.wait(seconds), time.monotonic() - start_sec


def log_is_stalled(tell):
    """Standard error is a full pipe that nobody reads. Messages flow, leases are renewed, and the daemons stop."""
    with tempfile.TemporaryDirectory() as folder, SqsLocal([QUEUE]) as server:
        handled, pipe = os.path.join(folder, "handled"), os.path.join(folder, "pipe")
        os.mkfifo(pipe)
        stalled = os.open(pipe, os.O_RDWR)
        fcntl.fcntl(stalled, fcntl.F_SETPIPE_SZ, 4096)
        command = ["/bin/sh", "-c", f'IFS= read -r line; printf "%s\\n" "$line" >>{handled}']
        daemons = start(server, prefix=["sh", "-c", f'exec "$@" 2>{pipe}', "sh"], log={"level": "debug"},
                        env={"STATE_DIRECTORY": folder},
                        consumer={"handler": "exec", "command": command})
        record = load.Record(server)
        flow(tell, record, daemons, 60, "though nobody reads the log", 1000 if OPTIONS.long else 200)
        time.sleep(scenes.VISIBILITY_SEC + 1)  # longer than a lease that is not renewed
        flow(tell, record, daemons, BACK_SEC, "after the time of a lease", 50)
        tap.equal(select.select([stalled], [], [], 0)[0], [stalled], "whether the pipe has lines")
        tap.equal(select.select([], [stalled], [], 0)[1], [], "whether the pipe has free space")
        status, took = end_of(daemons[0], 120)
        tap.equal(status, 0, "the producer's exit status")
        record.wait_until_all_deleted(BACK_SEC, daemons[1:])
        status, more = end_of(daemons[1], 120)
        tap.equal(status, 0, "the consumer's exit status")
        tell(f"they ended within {took:.1f} and {more:.1f} s")
        os.close(stalled)
        record.read().check_accepted_in_order(GROUPS)
        record.check_none_overtaken()
        with open(handled, encoding="utf-8") as file:
            found = [json.loads(line)["id"] for line in file]
        record.check_handled(found)
        tap.equal(len(found), len(set(found)), "messages handled, and handled once")


add("messages flow though nobody reads the log", log_is_stalled)


# --- Keys of KMS ---

# The pause before a retry grows to a minute when only a person can help.
SLOW_BACK_SEC = 60 + 60


def key_of_the_queue_is_disabled(tell):
    """Only a person can enable the key; the daemons log that, wait, and recover."""
    with SqsLocal([QUEUE]) as server:
        daemons = start(server)
        record = load.Record(server)
        flow(tell, record, daemons, BACK_SEC, "at first")
        start_sec = time.monotonic()
        server.set_faults("*:kms-disabled")
        for daemon in daemons:
            daemon.wait_for_line("KmsDisabled: The KMS key of this queue is disabled; to correct it: enable")
        time.sleep(OUTAGE_SEC)
        asked, took_sec = server.faults()[0]["requests"], time.monotonic() - start_sec
        tap.ok(asked <= 10 * took_sec, f"{asked} requests in {took_sec} s")
        server.set_faults()
        flow(tell, record, daemons, SLOW_BACK_SEC, "with the key enabled")
        finish(tell, record, daemons)


add("messages flow after the key of the queue was disabled for a while", key_of_the_queue_is_disabled)


if __name__ == "__main__":
    tap.main()
