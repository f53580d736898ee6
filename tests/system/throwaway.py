# SPDX-License-Identifier: MIT
"""A machine (tests/lib/machine) that is booted for one test program, with the daemons installed. Needs only the
standard library.

    def test(function):
        throwaway.add_test(function, lambda machine: [machine.cursor()])

    @test
    def messages_are_sent(machine, cursor):
        machine.serve(queues=["test.fifo,FifoQueue=true"])
        machine.configure(producer={"messages_to_send": 5})
        machine.start("sqs-producerd")

    throwaway.main()
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "lib"))

import tap
from daemon import QUICK, config_text
from sqs_local import ACCESS_KEY_ID, ACCOUNT, BUILD_ROOT, SECRET_ACCESS_KEY

TOOL = os.path.join(TESTS, "lib", "machine")
UNITS = ("sqs-producerd", "sqs-consumerd")
SOCKET = "sqs-producerd.socket"
QUEUE = "test.fifo"
PORT = 9324
ENDPOINT = f"http://127.0.0.1:{PORT}"

_machine = None


def add_test(function, prepare=lambda machine: ()):
    """Registers a test of the machine under the function's name. Before it, the units are stopped, and
    `prepare(machine)` returns further arguments."""

    def run():
        _machine.reset()
        function(_machine, *prepare(_machine))

    tap.add(function.__name__.replace("_", " "), run)


def main(set_up=lambda machine: None, kind=None):
    """Boots the machine, calls `set_up(machine)`, and runs the tests; skips them if no machine can be booted. `kind`
    is a subclass of Machine."""
    global _machine
    reason = why_not()
    if reason:
        tap.skip_all(reason)
    with (kind or Machine)() as _machine:
        set_up(_machine)
        tap.main()


def why_not():
    """Returns why no machine can be booted here; "" if one can."""
    check = subprocess.run([TOOL, "possible"], stdout=subprocess.PIPE, text=True, check=False)
    return "" if check.returncode == 0 else check.stdout.strip()


class Machine:
    """A machine with both units installed, and keys that sqs-local accepts. The constructor boots it."""

    def __init__(self):
        self.folder = os.path.join(tempfile.mkdtemp(prefix="sqs-system-test-"), "machine")
        # The machine must be removed also when the test is killed.
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        try:
            subprocess.run([TOOL, "boot", self.folder], check=True)
            self.root = subprocess.run([TOOL, "path", self.folder], stdout=subprocess.PIPE, text=True,
                                       check=True).stdout.rstrip("\n")
            self._install()
        except BaseException:
            self.stop()
            raise

    def _install(self):
        subprocess.run(["meson", "install", "-C", BUILD_ROOT, "--no-rebuild", "--quiet",
                        "--destdir", self.root],
                       stdout=subprocess.DEVNULL, check=True)
        shutil.copy(os.path.join(BUILD_ROOT, "tests", "sqs-local", "sqs-local"),
                    self.path("/usr/local/bin/sqs-local"))
        os.makedirs(self.path("/srv/sqs-local"))
        self.set_credentials()
        self.check("journalctl", "--update-catalog")
        self.check("systemd-sysusers")
        self.check("systemctl", "daemon-reload")
        # systemd keeps the result of an enabled unit that has ended.
        self.check("systemctl", "--quiet", "enable", *UNITS)

    def path(self, inside):
        """The path, outside of the machine, of a file in it. The file must not be in /tmp or /run."""
        return self.root + inside

    def write(self, inside, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(inside)), exist_ok=True)
        with open(self.path(inside), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)

    def run(self, *command):
        """Runs a command in the machine; returns a subprocess.CompletedProcess with stdout and stderr as text."""
        return subprocess.run([TOOL, "run", self.folder, *command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                              timeout=600)

    def check(self, *command):
        """Runs a command that must succeed; returns its output."""
        done = self.run(*command)
        if done.returncode != 0:
            raise AssertionError(f"{command}: exit status {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    # --- The units ---

    def set_credentials(self, key=ACCESS_KEY_ID, secret=SECRET_ACCESS_KEY):
        self.write("/etc/credstore/aws.credentials",
                   f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n", 0o600)

    def remove_credentials(self):
        os.unlink(self.path("/etc/credstore/aws.credentials"))

    def configure(self, text=None, queue=QUEUE, **groups):
        """Writes the configuration: QUICK with the queue and these settings, or the text."""
        if text is None:
            settings = {"aws": {"region": "eu-west-1", "endpoint_url": ENDPOINT,
                                "queue_url": f"{ENDPOINT}/{ACCOUNT}/{queue}"}}
            for group in ("aws", "producer", "consumer"):
                settings[group] = {**settings.get(group, {}), **QUICK.get(group, {}),
                                   **groups.get(group, {})}
            text = config_text(settings)
        self.write("/etc/sqs-demo.conf", text)

    def start(self, *units):
        """Runs systemctl start; returns a CompletedProcess."""
        return self.run("systemctl", "start", *units)

    def show(self, unit, *names):
        """Returns properties of a unit as a dict."""
        out = self.check("systemctl", "show", "--property=" + ",".join(names), unit)
        return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    def status(self, unit):
        """What systemctl status prints, with the last lines of the journal, and the lines without a unit, as journal()
        has them."""
        lost = [str(entry["MESSAGE"]) for entry in self.journal(unit) if "_SYSTEMD_UNIT" not in entry]
        return "\n".join([self.run("systemctl", "status", "--no-pager", "-l", unit).stdout, *lost])

    def state(self, unit):
        return self.show(unit, "ActiveState")["ActiveState"]

    def reset(self):
        """Stops the units, and removes what the last test has left."""
        self.run("systemctl", "stop", SOCKET, *UNITS)  # before sqs-local, which they would wait for
        self.run("systemctl", "stop", "sqs-local")
        self.run("systemctl", "reset-failed")
        self.run("systemctl", "clean", "--what=state", *UNITS)
        self.set_credentials()
        for name in os.listdir(self.path("/srv/sqs-local")):
            os.unlink(self.path("/srv/sqs-local/" + name))

    # --- sqs-local ---

    def serve(self, queues=(QUEUE + ",FifoQueue=true",), options=()):
        """Starts sqs-local, with further options; returns when it listens."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("/srv/sqs-local/output"))  # an earlier one has listened, too
        self.check("systemd-run", "--quiet", "--unit=sqs-local", "--collect",
                   "--property=StandardOutput=file:/srv/sqs-local/output",
                   "/usr/local/bin/sqs-local", f"--port={PORT}", "--record=/srv/sqs-local/record",
                   *(f"--queue={queue}" for queue in queues), *options)
        deadline = time.monotonic() + 60
        while "listening on" not in self._read("/srv/sqs-local/output"):
            if time.monotonic() > deadline:
                raise AssertionError("sqs-local does not start")
            time.sleep(0.05)

    def records(self, event):
        """Returns the records of sqs-local of an event ("sent", "received" or "deleted"), in order."""
        entries = [json.loads(line) for line in self._read("/srv/sqs-local/record").splitlines(True)
                   if line.endswith("\n")]
        return [entry for entry in entries if entry["event"] == event]

    def _read(self, inside):
        try:
            with open(self.path(inside), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    # --- The journal ---

    def cursor(self):
        self.check("journalctl", "--sync")  # what was logged before must not come behind it
        out = self.check("journalctl", "-n", "1", "-o", "json")
        return json.loads(out)["__CURSOR"]

    def journal(self, unit, after=None):
        """Returns the entries of a unit since a cursor, with those of systemd about it. Also those without a unit: a
        journald that is very late finds no more of a process than its name when that has ended meanwhile."""
        unit = unit if unit.endswith((".service", ".socket")) else unit + ".service"
        self.check("journalctl", "--sync")
        out = self.check("journalctl", "-o", "json", "-a", *([f"--after-cursor={after}"] if after else []),
                         f"_SYSTEMD_UNIT={unit}", "+", "_PID=1", f"UNIT={unit}", "+",
                         f"SYSLOG_IDENTIFIER={unit.removesuffix('.service')}")
        entries = [json.loads(line) for line in out.splitlines()]
        return [entry for entry in entries if entry.get("_SYSTEMD_UNIT", unit) in (unit, "init.scope")]

    # --- The end ---

    def stop(self):
        subprocess.run([TOOL, "stop", self.folder], check=False)
        shutil.rmtree(os.path.dirname(self.folder), ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
