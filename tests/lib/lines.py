# SPDX-License-Identifier: MIT
"""Submits lines with sqs-producerd --submit --lines and --json. Needs only the standard library.

    with lines.place() as there:
        done = there.submit(b"first\\nsecond\\n", f"--rest={there.rest}")
        print(lines.ids(done.stdout), lines.read(there.rest))
"""

import contextlib
import json
import os
import signal
import subprocess
import tempfile

import tap
from daemon import FIFO, stopped
from spool import Spool
from sqs_local import SqsLocal

N = 20000
GROUPS = 50


def numbered(n=N):
    """Lines of JSON for several groups. Some of them are bad."""
    lines = []
    for i in range(n):
        good = json.dumps({"body": f"{i} " + "." * 40, "group": f"g{i % GROUPS}"})
        lines.append(b"bad %d\n" % i if i % 97 == 50 else good.encode() + b"\n")
    return lines


def bodies(lines):
    return [json.loads(line)["body"] for line in lines if line.startswith(b"{")]


class Place:
    """A running daemon with its spool, and a folder for files. No message leaves the spool."""

    def __init__(self, stack, path=None, **settings):
        self.server = stack.enter_context(SqsLocal([FIFO]))
        self.server.set_faults("*:error-503:every=1")
        self.spool = stack.enter_context(Spool(path))
        self.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lines-"))
        self.settings = settings
        self.rest = self.path("rest")
        self.producer = None
        self.start()

    def start(self, env=None):
        self.producer = self.spool.producer(self.server, env=env, producer=self.settings)
        self.spool.connect(self.producer).close()

    def start_for(self, client):
        """Starts the daemon again. A client waits ten seconds for it; how long it is stopped does not matter."""
        with stopped(client.process):
            self.start()

    def path(self, name):
        return os.path.join(self.folder, name)

    def command(self, *arguments, form="--lines"):
        return [self.producer.program, "--submit", form, f"--config={self.producer.config}", *arguments]

    def submit(self, text, *arguments, form="--lines"):
        """Submits the bytes by standard input."""
        return subprocess.run(self.command(*arguments, form=form), input=text, capture_output=True, timeout=120,
                              check=False)

    def stored(self):
        """The ids and the bodies in the spool, in order."""
        return self.spool.rows("SELECT id, body FROM waiting ORDER BY number")

    def kill(self):
        self.producer.signal(signal.SIGKILL)
        tap.equal(self.producer.wait(), -signal.SIGKILL)


@contextlib.contextmanager
def place(**settings):
    with contextlib.ExitStack() as stack:
        there = Place(stack, **settings)
        yield there
        there.producer.end()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def ids(output):
    return output.decode().splitlines()


def errors(done):
    """The lines of standard error without the program's name."""
    return [line.removeprefix("sqs-producerd: ") for line in done.stderr.decode().splitlines()]


def heed_signals():
    """For a program that is started: it goes on ignoring SIGHUP and SIGINT if they are ignored here, as under nohup
    and behind a shell's "&"."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Client:
    """A client that runs, with the lines in a file."""

    def __init__(self, there, lines, *arguments, form="--json", **popen):
        popen.setdefault("preexec_fn", heed_signals)
        self.input = there.path("input")
        with open(self.input, "wb") as file:
            file.writelines(lines)
        self.errors = there.path("errors")
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                there.command(f"--rest={there.rest}", *arguments, self.input, form=form), stdout=subprocess.PIPE,
                stderr=errors, **popen)
        self.ids = []

    def read_ids(self, count):
        while len(self.ids) < count:
            line = self.process.stdout.readline()
            tap.ok(line, "the output has ended: " + read(self.errors).decode())
            self.ids.append(line.decode().strip())

    def end(self, seconds=120):
        """Returns the exit status and the lines of standard error."""
        self.ids += self.process.stdout.read().decode().splitlines()
        status = self.process.wait(seconds)
        self.process.stdout.close()
        return status, [line.removeprefix("sqs-producerd: ") for line in read(self.errors).decode().splitlines()]
