# SPDX-License-Identifier: MIT
"""Runs sqs-producerd and sqs-consumerd in the foreground for a test, against any endpoint.

    with SqsLocal(queues=[FIFO]) as server:
        producer = Daemon("sqs-producerd", server, producer={"messages_to_send": 5})
        tap.equal(producer.wait(), 0)
        print(producer.lines)

The daemons take their settings from a file written for them, their keys from the environment. All
delays are short unless the test says otherwise. Needs only the standard library.
"""

import atexit
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from sqs_local import BUILD_ROOT

FIFO = "test.fifo,FifoQueue=true"

QUICK = {
    "producer": {"start_delay": 0.0, "messages_to_send": 5, "send_interval": 0.01},
    "consumer": {"start_delay": 0.0, "wait_time": 1, "receive_interval": 0.0,
                 "exit_after_empty_receives": 2},
}

running = []


def config_text(groups):
    """A dict of groups of settings in libconfig's syntax."""

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

    server    an SqsLocal: endpoint, keys and the queue URL come from it
    queue     the queue's name
    endpoint  another endpoint, such as a proxy's
    config    the whole text of the configuration instead of one made from the settings
    env       variables on top of the server's; None takes one away
    arguments further command line arguments
    program   another program that takes the daemon's arguments
    held_log  nobody reads its standard error, a pipe of 4 KiB, before release_log()
    The other keywords are groups of settings, on top of QUICK.

    Attributes: process, lines (all that it has written to standard error so far).
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
        program = program or os.path.join(BUILD_ROOT, "src", name[len("sqs-"):], name)
        self.lines = []
        self.process = subprocess.Popen(
            [*prefix, program, f"--config={self.config}", *arguments], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="surrogateescape")
        self._log_flows = threading.Event()
        if held_log:
            fcntl.fcntl(self.process.stderr.fileno(), fcntl.F_SETPIPE_SZ, 4096)
        else:
            self._log_flows.set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        running.append(self)

    def _read(self):
        self._log_flows.wait()
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def release_log(self):
        """Reads its standard error from now on."""
        self._log_flows.set()

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait(self, seconds=60):
        """Waits for its end; returns the exit status (negative: the signal)."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"still running after {seconds} s:\n{self.text}") from late
        self._reader.join(5)
        return status

    def stdout(self):
        """All of its standard output; after its end."""
        return self.process.stdout.read()

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait_for_line(self, text, count=1, seconds=30):
        """Waits until `count` lines hold the text; returns the last of them."""
        deadline = time.monotonic() + seconds
        while True:
            found = [line for line in list(self.lines) if text in line]
            if len(found) >= count:
                return found[count - 1]
            if self.process.poll() is not None:
                self._reader.join(5)
                found = [line for line in self.lines if text in line]
                if len(found) >= count:
                    return found[count - 1]
                raise AssertionError(f"ended without the line {text!r}:\n{self.text}")
            if time.monotonic() > deadline:
                raise AssertionError(f"no line {text!r} within {seconds} s:\n{self.text}")
            time.sleep(0.02)

    def end(self):
        """Ends it, however it stands, and removes its files."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.release_log()
        self._reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def end_all():
    """Ends the daemons that a test has left running."""
    while running:
        running.pop().end()


# Also of tests that do not ask for it: a failed one leaves a daemon, all of them their folders.
atexit.register(end_all)
