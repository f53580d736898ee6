"""Both daemons through mishaps of what they depend on: the handler, addresses and name servers, the clock,
the replies' pace, the metadata service. Nothing is lost; nothing is handled more often than SQS and the
handler's own failures explain; each group keeps its order; nothing that was never handled goes to the
dead-letter queue; and work goes on by itself. In networks of its own."""

import fcntl
import json
import mmap
import os
import select
import socket
import struct
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
from sqs_local import BUILD_ROOT, SqsLocal

namespaces.enter()
OPTIONS = load.read_options(__doc__)
AWAY_SEC = 40 if OPTIONS.long else 8


def add(name, function, *arguments):
    scenes.add(side_by_side, OPTIONS.words, name, function, *arguments)


def free_port(address="127.0.0.1"):
    with socket.create_server((address, 0)) as one:
        return one.getsockname()[1]


# --- The clock ---

class Clock:
    """A wall clock that the daemons started with `env` share, and that can be set."""

    def __init__(self):
        self._file = tempfile.NamedTemporaryFile(prefix="clock-")
        self._file.write(bytes(8))
        self._file.flush()
        self._shared = mmap.mmap(self._file.fileno(), 8)
        self.env = {"SHIFTED_CLOCK": self._file.name,
                    "LD_PRELOAD": os.path.join(BUILD_ROOT, "tests", "stress", "libshifted-clock.so")}

    def set(self, seconds):
        """So far ahead of the true time."""
        self._shared[:] = struct.pack("=q", seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._shared.close()
        self._file.close()


YEAR = 365 * 86400
# Seconds that this machine's clock is ahead, and then the server's.
JUMPS = [(7200, 0), (-3600, 0), (58 * YEAR, 0), (0, 0), (0, 3600), (-7200, -3600), (0, 0)]


def the_clock_jumps(tell):
    with Clock() as clock, SqsLocal([QUEUE]) as server:
        clock.set(58 * YEAR)  # at boot, without a battery
        daemons = start(server, env=clock.env)
        record = load.Record(server)
        flow(tell, record, daemons, BACK_SEC, "with the clock 58 years ahead at the start")
        for own, other in JUMPS if OPTIONS.long else JUMPS[:4]:
            clock.set(own)
            server.set_clock(other)
            flow(tell, record, daemons, BACK_SEC, f"with the clock {own} s ahead, the server's {other} s",
                 50)
        finish(tell, record, daemons, 4 * scenes.LINES_MAX)


add("the clock jumps", the_clock_jumps)


# --- Receives that come back empty at once ---

def receives_are_empty_at_once(tell):
    """Each is billed; and it says nothing about the queue, which the consumer may not take for empty."""
    with SqsLocal([QUEUE]) as server:
        daemons = start(server, consumer={"receive_interval": 0, "exit_after_empty_receives": 3})
        record = load.Record(server)
        flow(tell, record, daemons, 30, "at first")
        server.set_faults("ReceiveMessage:empty")
        time.sleep(AWAY_SEC)
        asked = server.faults()[0]["requests"]
        tell(f"{asked} receives in {AWAY_SEC} s")
        tap.ok(asked <= 15 * AWAY_SEC, f"{asked} receives in {AWAY_SEC} s")
        tap.ok(asked > 0, "nobody asked")
        server.set_faults()
        flow(tell, record, daemons, BACK_SEC, "again")
        load.stop(daemons[0])
        record.wait_until_all_deleted(BACK_SEC, daemons[1:])
        tap.equal(daemons[1].wait(BACK_SEC), 0, load.last_lines(daemons[1]))  # now the queue is empty
        record.read().check_accepted_in_order(GROUPS)
        record.check_handled(load.handled_ids(daemons[1].lines))
        record.check_none_overtaken()


add("receives that come back empty at once are few and say nothing of the queue",
    receives_are_empty_at_once)


# --- Slow replies ---

LARGE_BYTES = 60000
SLOW_BYTES_PER_SEC = 100000


def replies_are_slow(tell):
    """A reply of ten needs longer than a receive may wait; on a standard queue nobody can ask for it
    again, and each message may be received three times only."""
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
        server.wait_for_records("deleted", count, 90)
        tell(f"all were handled within {time.monotonic() - start_sec:.1f} s")
        load.stop(daemon)
        tap.equal(sqs.receive(server, "dead"), [], load.last_lines(daemon))
        found = {r["message_id"] for r in server.records("deleted")}
        tap.equal(found, {r["message_id"] for r in server.records("sent")})


add("replies that are slow are read to their end", replies_are_slow)


# --- Metadata ---

def the_metadata_service_is_late(tell):
    keys = RoleKeys(prefix="ASIALATE")
    identity, secret, token = keys.current()
    port = free_port()
    with SqsLocal([QUEUE], access_key_id=identity, secret_access_key=secret,
                  session_token=token) as server:
        env = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SESSION_TOKEN": None,
               "AWS_EC2_METADATA_DISABLED": None,
               "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{port}"}
        daemons = start(server, env=env)
        time.sleep(AWAY_SEC)
        for daemon in daemons:
            tap.ok(daemon.process.poll() is None, daemon.text)
        record = load.Record(server)
        with Imds(port=port, keys=keys):
            flow(tell, record, daemons, BACK_SEC, "with the metadata service there")
            finish(tell, record, daemons)


add("the metadata service comes later than the daemons", the_metadata_service_is_late)


# --- The log ---

def end_of(daemon, seconds):
    """How it ended, and after how long, once it was asked to."""
    start_sec = time.monotonic()
    daemon.signal()
    return daemon.wait(seconds), time.monotonic() - start_sec


def the_log_is_stalled(tell):
    """Standard error is a pipe that nobody reads and that is full soon. Work goes on, leases are kept,
    and a stop is heard."""
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
        time.sleep(scenes.VISIBILITY_SEC + 1)  # a lease that nobody renews has ended by then
        flow(tell, record, daemons, BACK_SEC, "and after a lease's time", 50)
        tap.equal(select.select([stalled], [], [], 0)[0], [stalled], "the pipe, which nothing came to")
        tap.equal(select.select([], [stalled], [], 0)[1], [], "the pipe, which is not full")
        status, took = end_of(daemons[0], 40)
        tap.equal(status, 0, "the producer's exit status")
        record.wait_until_all_deleted(BACK_SEC, daemons[1:])
        status, more = end_of(daemons[1], 40)
        tap.equal(status, 0, "the consumer's exit status")
        tell(f"they ended within {took:.1f} and {more:.1f} s")
        os.close(stalled)
        record.read().check_accepted_in_order(GROUPS)
        record.check_none_overtaken()
        with open(handled, encoding="utf-8") as file:
            found = [json.loads(line)["id"] for line in file]
        record.check_handled(found)
        tap.equal(len(found), len(set(found)), "messages handled, and those handled twice")


add("nobody reads the log", the_log_is_stalled)


# --- Keys of KMS ---

# Where only a person can help, the pause between two attempts grows to a minute.
SLOW_BACK_SEC = 60 + 30


def the_queue_s_key_is_disabled(tell):
    """Only a person can enable it; the daemons say so, wait, and go on."""
    with SqsLocal([QUEUE]) as server:
        daemons = start(server)
        record = load.Record(server)
        flow(tell, record, daemons, 30, "at first")
        server.set_faults("*:kms-disabled")
        for daemon in daemons:
            daemon.wait_for_line("KmsDisabled: The KMS key of this queue is disabled; to mend it: check")
        time.sleep(AWAY_SEC)
        tap.ok(server.faults()[0]["requests"] <= 10 * AWAY_SEC, str(server.faults()))
        server.set_faults()
        flow(tell, record, daemons, SLOW_BACK_SEC, "with the key enabled")
        finish(tell, record, daemons)


add("the key that the queue is encrypted with is disabled for a while", the_queue_s_key_is_disabled)

if __name__ == "__main__":
    tap.main()
