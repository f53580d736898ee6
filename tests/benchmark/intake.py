# SPDX-License-Identifier: MIT
"""What it costs to hand in messages at sqs-producerd's socket, and to bring them from there to the queue.

The spool is on the disk of the build folder, and each answer waits for that disk. While messages are
handed in, the server answers every request with an error, so that nothing is sent at the same time.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time

import runs
from runs import Failure
from spool import Spool

SYNC_BYTES = 4096


@contextlib.contextmanager
def folder_on_disk():
    path = tempfile.mkdtemp(prefix="bench-spool-", dir=runs.BUILD_ROOT)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def syncs_a_second(count=300):
    """A loop of nothing but pwrite and fdatasync of 4 KiB, in a file that has its size already."""
    with folder_on_disk() as folder, open(os.path.join(folder, "file"), "wb", buffering=0) as file:
        block = os.urandom(SYNC_BYTES)
        os.pwrite(file.fileno(), block * count, 0)
        os.fsync(file.fileno())
        start = time.monotonic()
        for i in range(count):
            os.pwrite(file.fileno(), block, i * SYNC_BYTES)
            os.fdatasync(file.fileno())
        return count / (time.monotonic() - start)


@contextlib.contextmanager
def _producer(spool, local, prefix=()):
    with runs.daemon("sqs-producerd", local, prefix, env={"STATE_DIRECTORY": spool.path}, producer={
            "source": "spool", "submit_socket": spool.socket, "batch_size": 10,
            "max_connections": 8, "spool_max_messages": 1000000}) as producer:
        spool.connect(producer).close()
        yield producer


def _end(producer):
    producer.signal()
    runs.ended_well(producer)


def _hand_in(spool, submitters, messages):
    with runs.on_core(runs.SERVER_CORE):
        done = subprocess.run([os.path.join(runs.PROGRAMS, "submitters"), spool.socket,
                               str(submitters), str(messages)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise Failure(f"submitters: {done.stderr}")
    return json.loads(done.stdout)


def _in(submitters, messages):
    """Returns what the submitters saw, and measure's report of the daemon."""

    def run(prefix):
        with folder_on_disk() as folder, runs.server(0) as local, Spool(folder) as spool:
            local.set_faults("*:error-503:every=1")
            with _producer(spool, local, prefix) as producer:
                seen = _hand_in(spool, submitters, messages)
                _end(producer)
            if spool.count() != messages:
                raise Failure(f"{spool.count()} of {messages} messages are in the spool")
            return seen

    return runs.measured(run)


def run_in(submitters, messages):
    """Returns Used, and the median and 99th percentile of an answer's microseconds."""
    _, start = _in(submitters, submitters)
    seen, total = _in(submitters, messages)
    used = runs.Used(messages, *(max(0, total[key] - start[key])
                                 for key in ("user_usec", "system_usec")),
                     seen["wall_usec"], total["peak_kib"])
    return used, seen["p50_usec"], seen["p99_usec"]


USER_CONNECTIONS_MAX = 500  # one user may hold half of the places


def _out(messages):
    """From a spool that is filled to the queue. Returns the microseconds from the first message there to
    the last."""

    def run(prefix):
        with folder_on_disk() as folder, runs.server(0) as local, Spool(folder) as spool:
            local.set_faults("*:error-503:every=1")
            with _producer(spool, local) as producer:
                _hand_in(spool, min(USER_CONNECTIONS_MAX, messages), messages)
                _end(producer)
            local.set_faults()
            connection = local.connection()
            with _producer(spool, local, prefix) as producer:
                wall = _wait_for(local, connection, producer, messages)
                _end(producer)
            connection.close()
            if spool.count() != 0:
                raise Failure(f"{spool.count()} messages are in the spool still")
            return wall

    return runs.measured(run)


def _wait_for(local, connection, producer, messages):
    start, deadline = None, time.monotonic() + 120
    while True:
        there, now = runs.remaining(local, connection), time.monotonic()
        if there > 0 and start is None:
            start = now
        if there == messages:
            return max(1, (now - start) * 1e6)
        if producer.process.poll() is not None or now > deadline:
            raise Failure(f"{there} of {messages} messages are on the queue\n{producer.text[-2000:]}")
        time.sleep(0.005)


def run_out(messages):
    _, start = _out(1)
    wall, total = _out(messages)
    return runs.Used(messages, *(max(0, total[key] - start[key])
                                 for key in ("user_usec", "system_usec")), wall,
                     total["peak_kib"])
