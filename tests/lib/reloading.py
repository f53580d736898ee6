# SPDX-License-Identifier: MIT
"""Runs daemons whose settings a test changes while they run. Needs only the standard library.

    run = Running("sqs-producerd", server, producer={"send_interval": 3600})
    run.reload("producer.send_interval", 0.01)
"""

import contextlib
import json
import os
import shutil
import signal
import tempfile
import threading
import time

import tap
from daemon import QUICK, Daemon, config_text, end_all
from probes import is_probe
from standin import Reply, StandIn

READ = "The settings were read again: "
RESTART = "These settings need a restart, and keep their values until then: "


class Running:
    """A daemon whose file has the given settings. It has no pauses, and does not end by itself. `group`: "producer" or
    "consumer"."""

    def __init__(self, name, server, *, queue="plain", endpoint=None, env=None, **groups):
        self.group = "producer" if name == "sqs-producerd" else "consumer"
        endless = {"messages_to_send": 0} if self.group == "producer" else {"exit_after_empty_receives": 0}
        self.settings = {
            "aws": {"region": "eu-west-1", "queue_url": server.queue_url(queue),
                    "endpoint_url": endpoint or server.url, **groups.get("aws", {})},
            "log": dict(groups.get("log", {})),
            self.group: {**QUICK[self.group], **endless, **groups.get(self.group, {})},
        }
        self.n_reloads = 0
        self.daemon = Daemon(name, server, config=config_text(self.settings), env=env)

    def reload(self, name, value):
        """Reloads with another value of one setting; waits until the daemon says so."""
        group, setting = name.split(".")
        self.settings[group][setting] = value
        told = self.reload_all().split(READ)[1]
        others = [f", {group}.{other}" for group in self.settings for other in self.settings[group]]
        tap.ok(told.startswith(name + " ") and not any(other in told for other in others), told)
        tap.ok(RESTART not in self.daemon.text, self.daemon.text)

    def reload_all(self):
        with open(self.daemon.config, "w", encoding="utf-8") as file:
            file.write(config_text(self.settings))
        self.daemon.signal(signal.SIGHUP)
        self.n_reloads += 1
        return self.daemon.wait_for_line(READ, self.n_reloads)

    def wait_for_line(self, text, count=1):
        return self.daemon.wait_for_line(text, count, 60)

    def ends_with(self, status):
        tap.equal(self.daemon.wait(), status, self.daemon.text)


class Recorder(StandIn):
    """Stands before sqs-local, and keeps the requests. `hold_sec`: the delay of each answer to `held`; `most`: how
    many of these were under way at once."""

    def __init__(self, server, held="", hold_sec=0.0):
        self.server, self.held, self.hold_sec = server, held, hold_sec
        self.under_way = self.most = 0
        self._lock = threading.Lock()
        super().__init__()

    def answer(self, request):
        if operation_of(request) != self.held or is_probe(self.held, request.body):
            return self.forward(request)
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        try:
            time.sleep(self.hold_sec)
            return self.forward(request)
        finally:
            with self._lock:
                self.under_way -= 1

    def forward(self, request):
        with contextlib.closing(self.server.connection()) as upstream:
            upstream.request(request.method, request.path, request.body, request.headers)
            answer = upstream.getresponse()
            headers = [(k, v) for k, v in answer.getheaders() if k.lower().startswith("x-amz")]
            return Reply(answer.status, answer.read(), answer.headers["content-type"], headers=headers)

    def asked(self, operation):
        """The parameters of all requests of an operation so far, without the probes of the start."""
        return [json.loads(r.body) for r in list(self.requests)
                if operation_of(r) == operation and not is_probe(operation, r.body)]

    def entries(self, operation):
        """The same for an operation that has a batch: the entries of all requests."""
        batches = self.asked(operation + "Batch")
        return self.asked(operation) + [entry for batch in batches for entry in batch["Entries"]]

    def wait_for(self, operation, member, value):
        """Waits for a request, or an entry of a batch, with this value of a parameter."""
        tap.wait_until(lambda: any(p.get(member) == value for p in self.entries(operation)), 60,
                       f"a {operation} with {member} {value}")


def operation_of(request):
    return request.headers.get("x-amz-target", ".").split(".", 1)[1]


class Folder:
    """Where the programs of a test write. handle() starts a consumer that runs the script for each message; its body
    is in $body."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="reload-settings-")
        os.mkdir(os.path.join(self.path, "state"))

    def handle(self, server, script, **more):
        settings = {"handler": "exec", "command": self.command(script), "concurrency": 10,
                    **more.pop("consumer", {})}
        return Running("sqs-consumerd", server, env={"STATE_DIRECTORY": self.path + "/state"}, consumer=settings,
                       **more)

    def command(self, script):
        return ["/bin/sh", "-c", f"cd {self.path}; body=$(cat); {script}"]

    def lines(self):
        """What the programs wrote to the file `handled`."""
        try:
            with open(self.path + "/handled", encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def wait_for(self, *lines):
        tap.wait_until(lambda: set(lines) <= set(self.lines()), 60, f"{lines} in {self.lines()}")

    def touch(self, name):
        with open(os.path.join(self.path, name), "w", encoding="utf-8"):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end_all()
        shutil.rmtree(self.path)
