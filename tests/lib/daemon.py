# SPDX-License-Identifier: MIT
"""Runs sqs-producerd and sqs-consumerd in the foreground for a test.

    with SqsLocal(queues=[FIFO]) as server:
        producer = Daemon("sqs-producerd", server, producer={"messages_to_send": 5})
        tap.equal(producer.wait(), 0)
        print(producer.lines)

The settings are in a temporary file, the keys in the environment. Delays are short unless the test sets them. Needs
only the standard library.
"""

import atexit
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import tap
from sqs_local import BUILD_ROOT

FIFO = "test.fifo,FifoQueue=true"

QUICK = {
    "producer": {"start_delay": 0.0, "messages_to_send": 5, "send_interval": 0.01},
    "consumer": {"start_delay": 0.0, "wait_time": 1, "receive_interval": 0.0,
                 "exit_after_empty_receives": 2},
}

running = []


def config_text(groups):
    """Returns the settings, a dict of groups, in the syntax of libconfig."""

    def value(v):
        if isinstance(v, bool):
            return "true" if v else "false"
        if isinstance(v, (int, float)):
            return str(v)
        if isinstance(v, list):
            return "[" + ", ".join(map(value, v)) + "]"
        return '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return "".join(
        f"{group} = {{\n" + "".join(f"    {name} = {value(v)};\n" for name, v in settings.items())
        + "};\n" for group, settings in groups.items())


class Daemon:
    """One running daemon. `name` is "sqs-producerd" or "sqs-consumerd".

    server    an SqsLocal, with the endpoint, the keys and the queue
    queue     the name of the queue
    endpoint  another endpoint, such as that of a proxy
    config    the whole text of the configuration; None: it is made from the settings
    env       variables beside those of the server; None removes one
    arguments further arguments of the command line
    prefix    a command that runs the program, as its arguments
    program   another program with the daemon's arguments
    held_log  True: nobody reads standard error, a pipe of 4 KiB, before release_log()
    Other keywords are groups of settings; they override QUICK.

    Attributes: process, lines (its standard error so far).
    """

    def __init__(self, name, server, *, queue="test.fifo", endpoint=None, config=None, env=None,
                 arguments=(), prefix=(), program=None, held_log=False, **groups):
        self.folder = tempfile.mkdtemp(prefix="sqs-daemon-")
        self.config = os.path.join(self.folder, "sqs-demo.conf")
        settings = {"aws": {"region": "eu-west-1", "queue_url": server.queue_url(queue),
                            "endpoint_url": endpoint or server.url}}
        for group in ("aws", "log", "producer", "consumer"):
            settings.setdefault(group, {}).update(QUICK.get(group, {}))
            settings[group].update(groups.get(group, {}))
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(config_text(settings) if config is None else config)
        environment = server.env(HOME=self.folder, TZ="Asia/Kolkata")
        for variable in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "JOURNAL_STREAM",
                         "NOTIFY_SOCKET", "http_proxy", "https_proxy", "all_proxy"):
            environment.pop(variable, None)
        for variable, value in (env or {}).items():
            if value is None:
                environment.pop(variable, None)
            else:
                environment[variable] = value
        self.program = program or os.path.join(BUILD_ROOT, "src", name[len("sqs-"):], name)
        self.lines = []
        # A daemon goes on ignoring SIGHUP if it is ignored here, as under nohup.
        self.process = subprocess.Popen(
            ["env", "--default-signal=HUP", *prefix, self.program, f"--config={self.config}", *arguments],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="surrogateescape", pipesize=4096 if held_log else -1)
        self._log_flows = threading.Event()
        if not held_log:
            # Nothing is lost at the end of a daemon whose last lines are read late.
            with contextlib.suppress(OSError):
                fcntl.fcntl(self.process.stderr.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)
            self._log_flows.set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        running.append(self)

    def _read(self):
        self._log_flows.wait()
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def release_log(self):
        """Begins to read standard error."""
        self._log_flows.set()

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait(self, seconds=120):
        """Waits for the end; returns the exit status (negative: the signal)."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"still running after {seconds} s:\n{self.text}") from late
        self._reader.join(60 if self._log_flows.is_set() else 0)
        return status

    def stop(self, status=0):
        """Sends SIGTERM, and waits for the end; fails if the exit status is another."""
        self.signal()
        tap.equal(self.wait(), status, self.text)

    def stdout(self):
        """Returns its whole standard output, when it has ended."""
        return self.process.stdout.read()

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait_for_line(self, text, count=1, seconds=60):
        """Waits until `count` lines contain the text; returns the last of them."""
        deadline = time.monotonic() + seconds
        while True:
            found = [line for line in list(self.lines) if text in line]
            if len(found) >= count:
                return found[count - 1]
            if self.process.poll() is not None:
                self._reader.join(60)
                found = [line for line in self.lines if text in line]
                if len(found) >= count:
                    return found[count - 1]
                raise AssertionError(f"ended without the line {text!r}:\n{self.text}")
            if time.monotonic() > deadline:
                raise AssertionError(f"no line {text!r} within {seconds} s:\n{self.text}")
            time.sleep(0.02)

    def end(self):
        """Kills it if it still runs, and removes its files."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.release_log()
        self._reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def stopped(process):
    """In this context the process does nothing: it is stopped by SIGSTOP."""
    process.send_signal(signal.SIGSTOP)
    try:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def end_all():
    """Ends all daemons of this program."""
    while running:
        running.pop().end()


# A failed test may leave a daemon; every daemon has a folder to remove.
atexit.register(end_all)
