# SPDX-License-Identifier: MIT
"""Runs tests/sqs-local, the SQS server of the tests.

    from sqs_local import SqsLocal

    with SqsLocal(queues=["test.fifo,FifoQueue=true"]) as server:
        run_daemon(queue_url=server.queue_url("test.fifo"), endpoint=server.url,
                   env=server.env())
        records = server.wait_for_records(lambda r: r["event"] == "deleted", 20)

The program is that of the build folder in the variable BUILD_ROOT, by default build/ beside tests/. Needs only the
standard library.
"""

import http.client
import json
import os
import select
import shutil
import signal
import ssl
import subprocess
import tempfile
import time

ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ACCOUNT = "000000000000"

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD_ROOT = os.path.abspath(os.environ.get("BUILD_ROOT") or os.path.join(TESTS, "..", "build"))


class SqsLocal:
    """One running server. The constructor starts it; the end of a `with` block stops it.

    queues      a list of "NAME[,Attribute=Value...]"
    port        0: any free port
    access_key_id, secret_access_key, session_token
                the keys that the server accepts; None: its defaults, no token
    expire_after
                seconds after which it refuses the session_token as expired
    latency_ms  delay of each reply
    rtt_ms      round trip of the network that it simulates
    clock_offset
                seconds that the server's clock is ahead
    faults      a list of rules for faults ("SendMessage:drop-after:every=3"), as in sqs-local --help
    jitter_ms, loss, stale_reads, duplicates, disorder, fifo_limit
                the options of sqs-local with these names; counts() returns how often they acted
    seed        of all random choices
    tls         a certificate of certificates.Authority.certificate(): the server speaks HTTPS, and
                env() names the authority
    record      True: in a file that stop() removes; a path: in that file, which is kept; False: none
    options     a list of further command line options
    stderr      as for subprocess.Popen; None: that of the test

    Attributes: url ("http://127.0.0.1:<port>", or https), port, process (a subprocess.Popen),
    access_key_id, secret_access_key, session_token (the ones accepted now).
    """

    def __init__(self, queues=(), *, port=0, access_key_id=None, secret_access_key=None,
                 session_token=None, expire_after=None, latency_ms=None, rtt_ms=None,
                 jitter_ms=None, loss=None, stale_reads=None, duplicates=None, disorder=None,
                 fifo_limit=None, clock_offset=None, faults=(), seed=None, tls=None, record=True,
                 options=(), stderr=None):
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

        self.tls = tls
        self._arguments = [f"--queue={queue}" for queue in queues]
        self._arguments += [f"--fault={fault}" for fault in faults]
        for name, value in (("expire-after", expire_after), ("latency-ms", latency_ms),
                            ("rtt-ms", rtt_ms), ("jitter-ms", jitter_ms), ("loss", loss),
                            ("stale-reads", stale_reads), ("duplicates", duplicates),
                            ("disorder", disorder), ("fifo-limit", fifo_limit),
                            ("clock-offset", clock_offset), ("seed", seed),
                            ("record", self.record)):
            if value is not None:
                self._arguments.append(f"--{name}={value}")
        if tls:
            self._arguments += [f"--tls-cert={tls.path}", f"--tls-key={tls.key}"]
        self._arguments += options
        self._start(port)

    def _start(self, port):
        keys = [f"--access-key-id={self.access_key_id}",
                f"--secret-access-key={self.secret_access_key}"]
        if self.session_token is not None:
            keys.append(f"--session-token={self.session_token}")
        self.process = subprocess.Popen([self.binary, f"--port={port}"] + keys + self._arguments,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self._stderr, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        line = self.process.stdout.readline().rstrip("\n") if ready else ""
        if not line.startswith("listening on "):
            self.stop(check=False)
            raise RuntimeError(f"sqs-local did not start: {line!r}")
        self.url = line[len("listening on "):]
        self.port = int(self.url.rsplit(":", 1)[1])

    def queue_url(self, name):
        return f"{self.url}/{ACCOUNT}/{name}"

    def env(self, **more):
        """Returns the environment for a client: that of this process without its AWS_* variables, with the keys
        and the endpoint of the server, and with the variables in `more`."""
        env = {k: v for k, v in os.environ.items() if not k.upper().startswith("AWS_")}
        env.update(AWS_EC2_METADATA_DISABLED="true", AWS_ENDPOINT_URL=self.url,
                   AWS_REGION="eu-west-1", AWS_DEFAULT_REGION="eu-west-1",
                   AWS_ACCESS_KEY_ID=self.access_key_id,
                   AWS_SECRET_ACCESS_KEY=self.secret_access_key,
                   AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_CONFIG_FILE=os.devnull)
        if self.session_token is not None:
            env["AWS_SESSION_TOKEN"] = self.session_token
        if self.tls:
            env["AWS_CA_BUNDLE"] = self.tls.authority
        env.update(more)
        return env

    def connection(self, timeout=60):
        """Returns a new http.client connection; with TLS it verifies the certificate."""
        if self.tls:
            return http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=timeout,
                context=ssl.create_default_context(cafile=self.tls.authority))
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def set_credentials(self, access_key_id, secret_access_key, session_token=None, *, grace=0,
                        expire_after=None):
        """Makes the server accept these keys, and the old ones only for `grace` more seconds. With `expire_after`
        the new keys, which must have a token, expire after so many seconds."""
        request = {"access_key_id": access_key_id, "secret_access_key": secret_access_key,
                   "session_token": session_token, "grace_sec": grace}
        if expire_after is not None:
            request["expire_after_sec"] = expire_after
        self._control("POST", "credentials", request)
        self.access_key_id = access_key_id
        self.secret_access_key = secret_access_key
        self.session_token = session_token

    def set_clock(self, offset):
        """Sets how many seconds the server's clock is ahead."""
        self._control("POST", "clock", {"offset_sec": offset})

    def set_faults(self, *faults):
        """Replaces the rules for faults; without a rule no request has a fault."""
        self._control("POST", "faults", {"faults": faults})

    def deny(self, *actions):
        """Denies these actions ("SendMessage", also for batches; "*": all); without an action it allows all."""
        self._control("POST", "permissions", {"denied": actions})

    def faults(self):
        """Returns the rules, a list of {"fault", "requests", "faults"}: the rule, how many requests it applied
        to, and how many of them had the fault."""
        return self._control("GET", "faults")["faults"]

    def counts(self):
        """Returns how often the options acted, a dict: "lost" packets, "reset" connections, calls "over_limit" on
        FIFO queues, "duplicates", and "disordered" messages."""
        return self._control("GET", "counts")

    def _control(self, method, what, request=None):
        connection = self.connection()
        try:
            connection.request(method, "/control/" + what,
                               None if request is None else json.dumps(request))
            reply = connection.getresponse()
            answer = json.loads(reply.read())
        finally:
            connection.close()
        if reply.status != 200:
            raise ValueError(f"{what}: {answer.get('message')}")
        return answer

    def records(self, event=None, queue=None):
        """Returns the records so far, a list of dicts in order. `event`: only those of "sent", "received" or
        "deleted"; `queue`: only those of this queue."""
        found = []
        with open(self.record, encoding="utf-8") as file:
            for line in file:
                if not line.endswith("\n"):
                    break  # the server is writing this line
                entry = json.loads(line)
                if event in (None, entry["event"]) and queue in (None, entry["queue"]):
                    found.append(entry)
        return found

    def wait_for_records(self, wanted, count, seconds=60.0):
        """Waits until `count` records satisfy `wanted` (a function of a record, or the name of an event), and
        returns them; raises TimeoutError."""
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
        """Sends SIGKILL. The queues and their messages are lost, as in a crash."""
        self._end(signal.SIGKILL)

    def restart(self):
        """Stops it, and starts it again on the same port with the same options, the current keys, and empty
        queues. The record is continued."""
        self._end(signal.SIGTERM)
        self._start(self.port)

    def stop(self, check=True):
        """Sends SIGTERM, waits for the end, and removes the record. Raises if the exit status is not 0 (a crash,
        or a report of a sanitizer), unless kill() was called or check is False."""
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
            status = process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        process.stdout.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop(check=kind is None)
