"""Starts tests/sqs-local, the SQS-compatible test server, for a test and stops it again.

    from sqs_local import SqsLocal

    with SqsLocal(queues=["test.fifo,FifoQueue=true"]) as server:
        run_daemon(queue_url=server.queue_url("test.fifo"), endpoint=server.url,
                   env=server.env())
        records = server.wait_for_records(lambda r: r["event"] == "deleted", 20)

The program is taken from the meson build folder in the environment variable BUILD_ROOT, by default
build/ beside tests/. Needs only the standard library.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ACCOUNT = "000000000000"

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD_ROOT = os.path.abspath(os.environ.get("BUILD_ROOT") or os.path.join(TESTS, "..", "build"))


class SqsLocal:
    """One running server. The constructor starts it; used in `with`, it is stopped at the end.

    queues      a list of "NAME[,Attribute=Value...]"
    port        0: any free one
    access_key_id, secret_access_key, session_token
                what the server takes; None: its defaults, no token
    latency_ms  delay of each reply
    clock_offset
                seconds that the server's clock is ahead
    record      True: to a file of its own, removed at stop(); a path: to that file, kept; False:
                none
    options     a list of further command line options
    stderr      of the server, as of subprocess.Popen; by default the test's own

    Attributes: url ("http://127.0.0.1:<port>"), port, process (a subprocess.Popen).
    """

    def __init__(self, queues=(), *, port=0, access_key_id=None, secret_access_key=None,
                 session_token=None, latency_ms=None, clock_offset=None, record=True, options=(),
                 stderr=None):
        self.binary = os.path.join(BUILD_ROOT, "tests", "sqs-local", "sqs-local")
        self.access_key_id = access_key_id or ACCESS_KEY_ID
        self.secret_access_key = secret_access_key or SECRET_ACCESS_KEY
        self.session_token = session_token
        self.process = None
        self._stderr = stderr
        self._folder = None
        self.record = None
        if record is True:
            self._folder = tempfile.mkdtemp(prefix="sqs-local-")
            self.record = os.path.join(self._folder, "record.jsonl")
        elif record:
            self.record = record

        self._arguments = [f"--queue={queue}" for queue in queues]
        self._arguments.append(f"--access-key-id={self.access_key_id}")
        self._arguments.append(f"--secret-access-key={self.secret_access_key}")
        if session_token is not None:
            self._arguments.append(f"--session-token={session_token}")
        if latency_ms is not None:
            self._arguments.append(f"--latency-ms={latency_ms}")
        if clock_offset is not None:
            self._arguments.append(f"--clock-offset={clock_offset}")
        if self.record:
            self._arguments.append(f"--record={self.record}")
        self._arguments += options
        self._start(port)

    def _start(self, port):
        self.process = subprocess.Popen([self.binary, f"--port={port}"] + self._arguments,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self._stderr, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], 30)
        line = self.process.stdout.readline().rstrip("\n") if ready else ""
        if not line.startswith("listening on "):
            self.stop(check=False)
            raise RuntimeError(f"sqs-local did not start: {line!r}")
        self.url = line[len("listening on "):]
        self.port = int(self.url.rsplit(":", 1)[1])

    def queue_url(self, name):
        return f"{self.url}/{ACCOUNT}/{name}"

    def env(self, **more):
        """The environment for a client: this process's, without any AWS_* of its own, with the
        server's keys and endpoint, and with what is given on top."""
        env = {k: v for k, v in os.environ.items() if not k.upper().startswith("AWS_")}
        env.update(AWS_EC2_METADATA_DISABLED="true", AWS_ENDPOINT_URL=self.url,
                   AWS_REGION="eu-west-1", AWS_DEFAULT_REGION="eu-west-1",
                   AWS_ACCESS_KEY_ID=self.access_key_id,
                   AWS_SECRET_ACCESS_KEY=self.secret_access_key,
                   AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_CONFIG_FILE=os.devnull)
        if self.session_token is not None:
            env["AWS_SESSION_TOKEN"] = self.session_token
        env.update(more)
        return env

    def records(self, event=None, queue=None):
        """What the server has recorded so far, a list of dicts in order; only those of an event
        ("sent", "received", "deleted") or of a queue's name where these are given."""
        found = []
        with open(self.record, encoding="utf-8") as file:
            for line in file:
                if not line.endswith("\n"):
                    break  # being written just now
                entry = json.loads(line)
                if event in (None, entry["event"]) and queue in (None, entry["queue"]):
                    found.append(entry)
        return found

    def wait_for_records(self, wanted, count, seconds=30.0):
        """Waits until `count` records satisfy `wanted` (a function of a record, or an event's
        name) and returns these; raises TimeoutError."""
        test = wanted if callable(wanted) else lambda record: record["event"] == wanted
        deadline = time.monotonic() + seconds
        while True:
            found = [record for record in self.records() if test(record)]
            if len(found) >= count:
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(found)} of {count} records came within {seconds} s")
            time.sleep(0.05)

    def kill(self):
        """SIGKILL: as a crash or a power cut. Its queues and their messages are gone."""
        self._end(signal.SIGKILL)

    def restart(self):
        """Starts it anew on the same port, with the same options and empty queues; the record
        goes on."""
        self._end(signal.SIGTERM)
        self._start(self.port)

    def stop(self, check=True):
        """Ends it by SIGTERM, and removes its record. Raises where it did not end with status 0
        (a sanitizer's report, a crash), unless it was killed before or check is False."""
        status = self._end(signal.SIGTERM)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        if check and status not in (None, 0):
            raise RuntimeError(f"sqs-local ended with status {status}")

    def _end(self, number):
        if not self.process:
            return None
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            status = process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        process.stdout.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop(check=kind is None)
