# SPDX-License-Identifier: MIT
"""Runs one piece of work with one program, on a new server, and returns what it used.

A piece of work is to send messages, or to receive and delete them. The server runs on one core, the program on
another. The cost of a daemon's start, connection and end is measured with a single message, and subtracted; other
programs report the cost of their work themselves.
"""

import contextlib
import json
import os
import subprocess
import tempfile
import time

import sqs
from daemon import Daemon
from sqs_local import BUILD_ROOT, SqsLocal

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(BUILD_ROOT, "tests", "benchmark")
QUEUE = "bench.fifo"
GROUPS = 1000
REGION = "eu-west-1"
SAMPLE_SEC = 0.04

_allowed = sorted(os.sched_getaffinity(0))
CLIENT_CORE, SERVER_CORE = _allowed[0], _allowed[-1]


class Failure(Exception):
    """A run did not do its work."""


class Work:
    """A piece of work: `kind` "send" or "receive", `batch` messages a request, the round trip of the network,
    `in_flight` requests at the same time."""

    def __init__(self, kind, batch, rtt_ms):
        self.kind, self.batch, self.rtt_ms = kind, batch, rtt_ms
        self.in_flight = 64 if rtt_ms else 8

    @property
    def name(self):
        what = "send" if self.kind == "send" else "receive and delete"
        return f"{what}, " + ("one by one" if self.batch == 1 else f"batches of {self.batch}")

    def settings(self):
        """The daemon's settings for it, as groups of the configuration."""
        if self.kind == "send":
            return {"producer": {"send_interval": 0.0, "groups": GROUPS, "batch_size": self.batch,
                                 "max_connections": self.in_flight}}
        return {"consumer": {"receivers": self.in_flight // 2, "max_messages": self.batch,
                             "concurrency": 1000 if self.rtt_ms else 200,
                             "delete_linger": 0.005 if self.batch > 1 else 0.0,
                             "exit_after_empty_receives": 0}}


class Used:
    """What a run used: microseconds of CPU (user, system) and of time, the peak memory in KiB, and the share of
    its core that the server used."""

    def __init__(self, messages, user, system, wall, peak_kib=None, server_share=None):
        self.messages, self.user, self.system, self.wall = messages, user, system, wall
        self.peak_kib, self.server_share = peak_kib, server_share

    @property
    def cpu_per_message(self):
        return (self.user + self.system) / self.messages

    @property
    def rate(self):
        return self.messages / (self.wall / 1e6)


@contextlib.contextmanager
def on_core(core):
    """Processes started in this context run on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def server(rtt_ms, record=False):
    with on_core(SERVER_CORE):
        started = SqsLocal([f"{QUEUE},VisibilityTimeout=300"], rtt_ms=rtt_ms or None, record=record)
    with started:
        yield started


class ServerShare:
    """The share of its core that the server has used since this object was made."""

    def __init__(self, local):
        self._path = f"/proc/{local.process.pid}/stat"
        self._cpu, self._time = self._read(), time.monotonic()

    def _read(self):
        with open(self._path, encoding="ascii") as file:
            fields = file.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def now(self):
        return (self._read() - self._cpu) / (time.monotonic() - self._time)


def remaining(local, connection=None):
    """The number of messages on the queue, with those in flight."""
    found = sqs.call(local, "GetQueueAttributes", connection=connection,
                     QueueUrl=local.queue_url(QUEUE), AttributeNames=["All"])["Attributes"]
    return (int(found["ApproximateNumberOfMessages"])
            + int(found["ApproximateNumberOfMessagesNotVisible"]))


@contextlib.contextmanager
def daemon(name, local, prefix=(), **settings):
    """Starts a daemon that logs at the level notice, to a pipe."""
    with on_core(CLIENT_CORE):
        started = Daemon(name, local, queue=QUEUE, prefix=prefix,
                         **{"log": {"level": "notice", "target": "stderr"}, **settings})
    try:
        yield started
    finally:
        started.end()


def ended_well(started, seconds=120):
    status = started.wait(seconds)
    if status != 0:
        raise Failure(f"{started.process.args}: status {status}\n{started.text[-2000:]}")


def wait_until_empty(local, started, messages):
    """Waits until the consumer has deleted all messages. Returns the microseconds for `messages` at the pace
    between the first and the last sample, which leaves out the start and the end."""
    samples = []
    connection = local.connection()
    deadline = time.monotonic() + 120
    while not samples or samples[-1][1] > 0:
        time.sleep(SAMPLE_SEC)
        left = remaining(local, connection)
        samples.append((time.monotonic(), left))
        if started.process.poll() is not None or time.monotonic() > deadline:
            raise Failure(f"{left} of {messages} messages were left\n{started.text[-2000:]}")
    connection.close()
    inside = [s for s in samples if 0 < s[1] <= 0.97 * messages]
    if len(inside) < 4:
        return None
    (begin, first), (end, last) = inside[0], inside[-1]
    return (end - begin) / (first - last) * messages * 1e6 if first > last else None


def fill(local, messages):
    with daemon("sqs-producerd", local, producer={
            "send_interval": 0.0, "groups": GROUPS, "batch_size": 10, "max_connections": 64,
            "messages_to_send": messages}) as producer:
        ended_well(producer)


def _daemon_once(work, messages, prefix):
    """Returns the microseconds by the pace (or None), and the server's share."""
    with server(work.rtt_ms) as local:
        settings = work.settings()
        if work.kind == "send":
            settings["producer"]["messages_to_send"] = messages
            share = ServerShare(local)
            with daemon("sqs-producerd", local, prefix, **settings) as producer:
                ended_well(producer, 300)
                share = share.now()
            if remaining(local) != messages:
                raise Failure(f"{remaining(local)} of {messages} messages are on the queue")
            return None, share
        fill(local, messages)
        share = ServerShare(local)
        with daemon("sqs-consumerd", local, prefix, **settings) as consumer:
            pace = wait_until_empty(local, consumer, messages)
            share = share.now()
            consumer.signal()
            ended_well(consumer)
        return pace, share


def measured(function):
    """Calls the function with a prefix that makes tests/benchmark/measure.c run the program. Returns its result,
    and the report of measure."""
    with tempfile.NamedTemporaryFile("r", prefix="bench-") as report:
        result = function((os.path.join(PROGRAMS, "measure"), report.name))
        return result, json.loads(report.read())


def libraries_kib():
    """The memory of a process that loads and initializes the daemons' libraries, and does nothing else."""
    _, report = measured(lambda prefix: subprocess.run(
        [*prefix, os.path.join(PROGRAMS, "libraries")], check=True))
    return report["peak_kib"]


def run_daemon(work, messages):
    _, start = measured(lambda prefix: _daemon_once(work, 1, prefix))
    (pace, share), total = measured(lambda prefix: _daemon_once(work, messages, prefix))
    return Used(messages, *(max(1, total[key] - start[key]) for key in ("user_usec", "system_usec")),
                pace or max(1, total["wall_usec"] - start["wall_usec"]), total["peak_kib"], share)


def run_program(work, messages, command, is_filled=True):
    """A program that prints one JSON object about its work."""
    with server(work.rtt_ms) as local:
        if work.kind == "receive" and is_filled:
            fill(local, messages)
        share = ServerShare(local)

        def run(prefix):
            with on_core(CLIENT_CORE):
                return subprocess.run([*prefix, *command(local)], env=local.env(), check=False,
                                      stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                      timeout=300)

        done, report = measured(run)
        share = share.now()
    if done.returncode != 0:
        raise Failure(f"{done.args}: status {done.returncode}\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout)
    return Used(messages, found["user_usec"], found["system_usec"], found["wall_usec"],
                report["peak_kib"], share), found


def floor_command(work, messages):
    return lambda local: [os.path.join(PROGRAMS, "floor"), f"127.0.0.1:{local.port}",
                          local.queue_url(QUEUE), work.kind, str(messages), str(work.batch),
                          str(work.in_flight), str(GROUPS)]


def run_floor(work, messages):
    used, _ = run_program(work, messages, floor_command(work, messages), is_filled=False)
    used.peak_kib = used.server_share = None  # subtract the making of the requests
    return used


def run_sdk(work, messages, start_of_command):
    """`start_of_command`: the program and its first arguments."""
    return run_program(work, messages, lambda local: [
        *start_of_command, local.queue_url(QUEUE), work.kind, str(messages), str(work.batch),
        "8"])[0]


def run_posts(who, messages, in_flight):
    """`who`: "floor", "handler" or "unix", as tests/benchmark/posts.c has them."""
    done = subprocess.run([os.path.join(PROGRAMS, "posts"), who, str(messages), str(in_flight),
                           str(CLIENT_CORE), str(SERVER_CORE)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    found = json.loads(done.stdout)
    return Used(messages, found["user_usec"], found["system_usec"], found["wall_usec"])


def run_programs(rounds, count):
    """Yields the lines that tests/benchmark/exec-rate.c prints."""
    with on_core(CLIENT_CORE):
        done = subprocess.run([os.path.join(PROGRAMS, "exec-rate"), "/bin/true", str(rounds),
                               str(count)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              text=True, timeout=600, check=True)
    for line in done.stdout.splitlines():
        at_once, *numbers = line.split()
        yield int(at_once), *map(float, numbers)


# --- Instructions ---


def _callgrind(out, *options):
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *options]


def _counted(out):
    """Returns instructions by program or library (Callgrind Format Specification). A cost line belongs to the
    object named last; the line after "calls=" is the cost of the called function, and does not count."""
    names, found, name, is_call = {}, {}, None, False
    with open(out, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(("ob=", "cob=")):  # "cob" names the object of the called function
                number, _, path = line.split("=", 1)[1].strip().partition(" ")
                if path:
                    names[number] = os.path.basename(path).split(".so", maxsplit=1)[0]
                if line[0] == "o":
                    name = names[number]
            elif line[0] in "0123456789+-*":
                if not is_call:
                    found[name] = found.get(name, 0) + int(line.split()[1])
                is_call = False
            else:
                is_call = line.startswith("calls=")
    if not found:
        raise Failure("callgrind has counted no instruction")
    return found


def _instructions_of(function, messages):
    """Returns the instructions a message, by program or library: the difference between N and 2N messages."""
    counts = []
    for n in messages, 2 * messages:
        with tempfile.NamedTemporaryFile(prefix="bench-callgrind-") as out:
            function(n, out.name)
            counts.append(_counted(out.name))
    return {name: (n - counts[0].get(name, 0)) / messages for name, n in counts[1].items()}


def daemon_instructions(work, messages):
    return _instructions_of(lambda n, out: _daemon_once(work, n, _callgrind(out)), messages)


def floor_instructions(work, messages):
    def run(n, out):
        with server(work.rtt_ms) as local, on_core(CLIENT_CORE):
            subprocess.run([*_callgrind(out, "--toggle-collect=measured_run*"),
                            *floor_command(work, n)(local)],
                           env=local.env(), check=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)

    return _instructions_of(run, messages)
