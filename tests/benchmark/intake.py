# SPDX-License-Identifier: MIT
"""The cost of submitting messages at the socket of sqs-producerd, and of sending them from the spool.

The spool is on the disk of the build folder, and each answer waits for this disk. While messages are submitted, the
server answers every request with an error, so that none is sent at the same time.
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
    """Returns the rate of a bare loop of pwrite and fdatasync of 4 KiB, in a file that does not grow."""
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


def _submit(spool, submitters, messages):
    with runs.on_core(runs.SERVER_CORE):
        done = subprocess.run([os.path.join(runs.PROGRAMS, "submitters"), spool.socket,
                               str(submitters), str(messages)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise Failure(f"submitters: {done.stderr}")
    return json.loads(done.stdout)


def _measure_submit(submitters, messages):
    """Returns the report of the submitters, and that of measure about the daemon."""

    def run(prefix):
        with folder_on_disk() as folder, runs.server(0) as local, Spool(folder) as spool:
            local.set_faults("*:error-503:every=1")
            with _producer(spool, local, prefix) as producer:
                report = _submit(spool, submitters, messages)
                _end(producer)
            if spool.count() != messages:
                raise Failure(f"{spool.count()} of {messages} messages are in the spool")
            return report

    return runs.measured(run)


def run_submit(submitters, messages):
    """Returns Used, and the median and 99th percentile of the time until an answer, in microseconds."""
    _, start = _measure_submit(submitters, submitters)
    report, total = _measure_submit(submitters, messages)
    used = runs.Used(messages, *(max(1, total[key] - start[key])
                                 for key in ("user_usec", "system_usec")),
                     report["wall_usec"], total["peak_kib"])
    return used, report["p50_usec"], report["p99_usec"]


def run_lines(messages):
    """Submits a file of lines with sqs-producerd --submit --lines, on the core of the daemon. Returns the seconds from
    the start of this process to its end, and the seconds of CPU that it used."""
    with folder_on_disk() as folder, runs.server(0) as local, Spool(folder) as spool:
        local.set_faults("*:error-503:every=1")
        path = os.path.join(folder, "lines")
        with open(path, "w", encoding="ascii") as file:
            file.writelines(f'{{"data": "mydata{i}", "number": {i}}}\n' for i in range(messages))
        with _producer(spool, local) as producer, runs.on_core(runs.CLIENT_CORE):
            command = [producer.program, "--submit", "--lines", f"--config={producer.config}", "--group=g", path]
            start, before = time.monotonic(), os.times()
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            wall, after = time.monotonic() - start, os.times()
            if done.returncode != 0 or len(done.stdout.splitlines()) != messages:
                raise Failure(f"{command}: status {done.returncode}\n{done.stderr}")
            _end(producer)
        if spool.count() != messages:
            raise Failure(f"{spool.count()} of {messages} messages are in the spool")
        return wall, sum(after[2:4]) - sum(before[2:4])


USER_CONNECTIONS_MAX = 500  # one user may have half of all connections


def _measure_send(messages):
    """Sends all messages of a spool. Returns the microseconds from the first message on the queue to the last."""

    def run(prefix):
        with folder_on_disk() as folder, runs.server(0) as local, Spool(folder) as spool:
            local.set_faults("*:error-503:every=1")
            with _producer(spool, local) as producer:
                _submit(spool, min(USER_CONNECTIONS_MAX, messages), messages)
                _end(producer)
            local.set_faults()
            connection = local.connection()
            with _producer(spool, local, prefix) as producer:
                wall = _wait_for(local, connection, producer, messages)
                _end(producer)
            connection.close()
            if spool.count() != 0:
                raise Failure(f"{spool.count()} messages are still in the spool")
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


def run_send(messages):
    _, start = _measure_send(1)
    wall, total = _measure_send(messages)
    return runs.Used(messages, *(max(1, total[key] - start[key])
                                 for key in ("user_usec", "system_usec")), wall,
                     total["peak_kib"])
