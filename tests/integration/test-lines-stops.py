# SPDX-License-Identifier: MIT
"""sqs-producerd --submit --lines and --json, when it is stopped, when nobody reads what it prints, and when a disk is
full: each line is stored, or in the rest file."""

import contextlib
import os
import pty
import resource
import select
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import disk
import tap
from daemon import stopped
from lines import Client, Place, bodies, heed_signals, numbered, place, read

disk.enter()


def unknown_lines(told):
    """The first and the last line that the daemon may have stored; None: there is none."""
    found = [line.removeprefix("lines ").split(": ")[0] for line in told if "may have stored them" in line]
    return [int(number) for number in found[0].split(" to ")] if found else None


def check_all_there(there, lines, printed, told):
    """Each line is stored or in the rest, in order. Some of those that the client has told of may be both."""
    rest = read(there.rest).splitlines(True)
    stored = there.stored()
    tap.ok([name for name, _ in stored][:len(printed)] == printed, "the ids that were printed are others")
    taken = len(bodies(lines)) - len([line for line in rest if line.startswith(b"{")])
    tap.ok([body for _, body in stored] == bodies(lines)[:len(stored)], "not once and in order")
    first, last = unknown_lines(told) or (1, 0)
    both = len(bodies(lines[first - 1:last]))
    tap.ok(both == 0 or len(bodies(lines[:first - 1])) == taken, f"taken: {taken}, told: {told[-4:]}")
    tap.ok(taken <= len(stored) <= taken + both, f"stored: {len(stored)}, taken: {taken}, told: {told[-4:]}")
    bad = [line for line in rest if line.startswith(b"bad")]
    tap.equal(len(bad), len([line for line in lines if line.startswith(b"bad")]))
    good = [line for line in lines if line.startswith(b"{")][taken:]
    tap.ok([line for line in rest if line.startswith(b"{")] == good, "the rest is not what was not taken")


def signal_leaves_the_rest_of_the_file(number):
    lines = numbered()
    with place(spool_max_messages=1000000) as there:
        client = Client(there, lines)
        client.read_ids(500)
        start = time.monotonic()
        with stopped(there.producer.process):
            client.process.send_signal(number)
            client.process.send_signal(number)
        status, told = client.end()
        tap.equal(status, 75, str(told))
        tap.ok("stopped by a signal" in told, str(told))
        # The daemon has ten seconds to answer.
        tap.ok(not unknown_lines(told) or time.monotonic() - start >= 10, str(told))
        there.producer.stop()
        check_all_there(there, lines, client.ids, told)


for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    tap.add(f"{name} leaves the rest of the file in the rest file", signal_leaves_the_rest_of_the_file,
            getattr(signal, name))


@tap.test
def sighup_under_nohup_stops_nothing():
    lines = numbered(5000)
    with place(spool_max_messages=1000000) as there:
        client = Client(there, lines, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        client.read_ids(10)
        client.process.send_signal(signal.SIGHUP)
        status, told = client.end()
        tap.equal((status, len(client.ids)), (65, len(bodies(lines))), str(told))


@tap.test
def signal_leaves_what_was_written_into_the_pipe():
    data = b"".join(numbered())
    with place(spool_max_messages=1000000) as there:
        process = subprocess.Popen(there.command(f"--rest={there.rest}", form="--json"), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.set_blocking(process.stdin.fileno(), False)
        with stopped(there.producer.process):
            written = 0
            while select.select([], [process.stdin], [], 0.5)[1]:
                written += os.write(process.stdin.fileno(), data[written:written + 4096])
            tap.ok(written < len(data), "the window is not bounded")
            process.send_signal(signal.SIGTERM)
        out, told = process.communicate(timeout=60)
        tap.equal(process.returncode, 75)
        there.producer.stop()
        lines = data[:written].splitlines(True)
        rest = read(there.rest)
        tap.ok(rest.endswith(lines[-1]) and not rest.endswith(b"\n" + lines[-1] + lines[-1]), "the last bytes")
        # A line that was cut by the test is kept as it was written.
        whole = lines if lines[-1].endswith(b"\n") else lines[:-1]
        stored = there.stored()
        kept = rest.splitlines(True)[:len(rest.splitlines()) - (len(lines) - len(whole))]
        taken = len(out.splitlines())
        first, last = unknown_lines(told.decode().replace("sqs-producerd: ", "").splitlines()) or (1, 0)
        tap.ok(taken <= len(stored) <= taken + len(bodies(lines[first - 1:last])), f"stored: {len(stored)}, {told}")
        tap.ok([body for _, body in stored] == bodies(whole)[:len(stored)], "not once and in order")
        tap.ok(bodies(whole)[:taken] + bodies(kept) == bodies(whole), "a line is lost")


@tap.test
def lines_without_an_answer_are_told_and_in_the_rest():
    lines = [b'{"body": "%d", "group": "g"}\n' % i for i in range(1000)]
    with place() as there, socket.socket(socket.AF_UNIX) as listener:
        there.producer.stop()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(there.spool.socket)
        listener.settimeout(60)
        listener.bind(there.spool.socket)
        listener.listen()
        client = Client(there, lines)
        peer, _ = listener.accept()
        with peer, peer.makefile("rb") as received:
            tap.ok(b"series" in received.readline(), "the command that begins the series")
            peer.sendall(b'{"ok": true, "count": 0, "more": false}\n')
            tap.ok([received.readline() for _ in lines] == lines, "what was sent is not the lines")
            peer.sendall(b"".join(b'{"ok": true, "id": "id-%d"}\n' % i for i in range(300)))
            client.read_ids(300)
            client.process.send_signal(signal.SIGTERM)
            status, told = client.end()
        tap.equal(status, 75, str(told))
        tap.equal((told[0], unknown_lines(told)), ("stopped by a signal", [301, 1000]))
        tap.ok(client.ids == [f"id-{i}" for i in range(300)], "the ids")
        tap.ok(read(there.rest) == b"".join(lines[300:]), "the rest is not what was not answered")


@tap.test
def nothing_waits_for_ever_for_answers_or_for_a_reader():
    """Two clients: one gets no answers, nobody reads what the other prints."""
    lines = numbered()
    with contextlib.ExitStack() as stack:
        silent, unread = (stack.enter_context(place(spool_max_messages=1000000)) for _ in range(2))
        first, second = Client(silent, lines), Client(unread, lines)
        first.read_ids(500)
        with stopped(silent.producer.process):
            # The ids of so many do not fit into a pipe.
            tap.wait_until(lambda: unread.spool.count() > 2500, 60, "lines that are stored")
            for client in first, second:
                client.process.send_signal(signal.SIGTERM)
            tap.equal(second.process.wait(60), 75)
            status, told = first.end()
        tap.equal(status, 75, str(told))
        # What the daemon reads when it goes on may be stored as well.
        silent.producer.stop()
        check_all_there(silent, lines, first.ids, told)
        status, told = second.end()
        tap.ok(any("could not be printed" in line for line in told), str(told))
        unread.producer.stop()
        check_all_there(unread, lines, second.ids, told)


@tap.test
def reader_that_goes_away_leaves_the_rest():
    lines = numbered()
    with place(spool_max_messages=1000000) as there:
        client = Client(there, lines)
        client.read_ids(100)
        client.process.stdout.close()
        tap.equal(client.process.wait(60), 74)
        told = read(client.errors).decode()
        tap.ok("cannot write to standard output: Broken pipe" in told, str(told))
        tap.ok("could not be printed" in told, str(told))
        there.producer.stop()
        check_all_there(there, lines, client.ids, [line.split(": ", 1)[1] for line in told.splitlines()])


class Terminal:
    """A client whose standard error is a terminal, of which it is the session's leader."""

    def __init__(self, there, lines):
        self.master, slave = pty.openpty()
        path = os.ttyname(slave)
        self._out = there.path("ids")
        source = there.path("input")
        with open(source, "wb") as file:
            file.writelines(lines)

        def preexec():
            heed_signals()
            os.setsid()
            os.dup2(os.open(path, os.O_RDWR), 2)

        with open(self._out, "wb") as out:
            self.process = subprocess.Popen(there.command(f"--rest={there.rest}", source, form="--json"), stdout=out,
                                            stdin=subprocess.DEVNULL, preexec_fn=preexec)
        os.close(slave)
        self.text = ""

    def read_until(self, text, seconds=60):
        deadline = time.monotonic() + seconds
        while text not in self.text:
            left = deadline - time.monotonic()
            tap.ok(left > 0 and select.select([self.master], [], [], left)[0], f"no {text!r} in {self.text!r}")
            self.text += os.read(self.master, 4096).decode()

    def ids(self):
        return read(self._out).decode().splitlines()


@tap.test
def terminal_shows_progress_and_when_it_is_closed_the_rest_is_kept():
    lines = numbered()
    with place(spool_max_messages=1000000) as there:
        with stopped(there.producer.process):
            client = Terminal(there, lines)
            client.read_until(" lines read, ")
            start = time.monotonic()
            os.close(client.master)
        tap.equal(client.process.wait(60), 75)
        told = []
        if time.monotonic() - start >= 10:
            # The client may not have waited longer for answers, and nobody can read what it tells.
            first = next(line for line in read(there.rest).splitlines(True) if line.startswith(b"{"))
            told = [f"lines {lines.index(first) + 1} to {len(lines)}: the daemon may have stored them"]
        there.producer.stop()
        check_all_there(there, lines, client.ids(), told)


@tap.test
def quick_work_shows_no_progress_and_a_line_about_it_stands_alone():
    def took():
        """Returns how long a client took, which shows no progress if that was less than a second."""
        start = time.monotonic()
        client = Terminal(there, [b'{"body": "x"}\n', b"bad\n"])
        client.read_until("are in ")
        tap.equal(client.process.wait(60), 65)
        os.truncate(there.rest, 0)
        seconds = time.monotonic() - start
        tap.ok("lines read" not in client.text or seconds > 1, client.text)
        return seconds

    with place() as there:
        tap.wait_until(lambda: took() < 1, 120, "a client that works quickly")
        with stopped(there.producer.process):
            client = Terminal(there, [b"bad\n"])
            client.read_until(" lines read, ")
        client.read_until("are in ")
        tap.ok("\r\033[Ksqs-producerd: line 1: refused" in client.text, repr(client.text))
        tap.equal(client.process.wait(60), 65)


@tap.test
def full_disk_of_the_spool_leaves_what_was_not_stored_in_the_rest():
    lines = numbered()
    with disk.Small(12000) as small, contextlib.ExitStack() as stack:
        there = Place(stack, path=small.path, spool_max_messages=1000000)
        client = Client(there, lines)
        status, told = client.end()
        tap.equal(status, 75, str(told))
        tap.ok(any("cannot store now: No space left on device" in line for line in told), str(told))
        tap.ok(len(client.ids) > 1000, f"only {len(client.ids)} were stored")
        rest = read(there.rest).splitlines(True)
        stored = there.stored()
        tap.ok([name for name, _ in stored] == client.ids, "the ids")
        tap.ok([body for _, body in stored] + bodies(rest) == bodies(lines), "not once and in order")
        there.producer.end()


def with_pipe(there, **popen):
    """Submits lines from a pipe, which stays open."""
    popen.setdefault("preexec_fn", heed_signals)
    return subprocess.Popen(there.command(f"--rest={there.rest}"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **popen)


@tap.test
def signal_while_no_connection_is_accepted_leaves_the_lines_in_the_rest():
    with place() as there, contextlib.ExitStack() as stack, stopped(there.producer.process):
        for _ in range(100000):
            peer = stack.enter_context(socket.socket(socket.AF_UNIX))
            peer.setblocking(False)
            try:
                peer.connect(there.spool.socket)
            except BlockingIOError:
                break
        client = with_pipe(there)
        client.stdin.write(b"first\nsecond\n")
        client.stdin.flush()
        tap.wait_until(lambda: os.path.exists(there.rest))
        client.send_signal(signal.SIGHUP)
        tap.equal(client.wait(50), 75)
        tap.equal(read(there.rest), b"first\nsecond\n")
        client.communicate()


@tap.test
def lost_daemon_is_told_before_the_input_ends():
    with place() as there:
        client = with_pipe(there)
        client.stdin.write(b"first\n")
        client.stdin.flush()
        tap.ok(client.stdout.readline(), "the first line is stored")
        there.kill()
        client.stdin.write(b"second\n")
        client.stdin.flush()
        tap.matches(client.stderr.readline().decode(), "sqs-producerd: the daemon has ended the connection, *")
        client.stdin.write(b"third\n")
        client.communicate()
        tap.equal(client.returncode, 75)
        tap.equal(read(there.rest), b"second\nthird\n")


@tap.test
def rest_that_grows_beyond_the_limit_of_files_names_the_first_line_that_is_missing():
    with place() as there:
        client = with_pipe(there, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3, 3)))
        _, told = client.communicate(b"\n" * 9)
        tap.equal(client.returncode, 74)
        tap.matches(told.decode().splitlines()[-1], "*: File too large; from line 4 on, *")
        tap.equal(read(there.rest), b"\n" * 3)


@tap.test
def rest_that_is_standard_output_or_error_is_refused():
    with place() as there:
        for stream in ("stdout", "stderr"):
            with open(there.rest, "wb") as file:
                done = subprocess.run(there.command(f"--rest={there.rest}"), input=b"line\n", timeout=60, check=False,
                                      **{stream: file})
            tap.equal(done.returncode, 64)
            os.remove(there.rest)
        tap.equal(there.stored(), [])


@tap.test
def full_disk_of_the_rest_names_the_first_line_that_is_missing():
    lines = numbered()
    with disk.Small(64) as small, place(spool_max_messages=100) as there:
        there.rest = os.path.join(small.path, "rest")
        client = Client(there, lines)
        status, told = client.end()
        tap.equal(status, 74, str(told))
        rest = read(there.rest).splitlines(True)
        missing = int(told[-1].split("; from line ")[1].split(" ")[0])
        tap.ok(rest == [line for line in lines[:103] if line.startswith(b"bad")] + lines[103:missing - 1]
               or [*bodies(rest)] == bodies(lines)[100:100 + len(bodies(rest))], "the rest")
        tap.ok(rest[-1] == lines[missing - 2], "the line before the first that is missing")


@tap.test
def line_without_end_takes_no_memory():
    with place() as there, open("/dev/zero", "rb") as zeros:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        head = subprocess.Popen(["head", "-c", "1000000000"], stdin=zeros, stdout=subprocess.PIPE)
        # AddressSanitizer would keep some 256 MiB of freed memory.
        environment = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8"}
        process = subprocess.Popen(there.command("--rest=/dev/null"), stdin=head.stdout, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=environment)
        head.stdout.close()
        _, told = process.communicate(timeout=400)
        tap.equal((process.returncode, head.wait()), (65, 0), str(told))
        tap.ok(told.startswith(b"sqs-producerd: line 1: refused: body: larger than "), str(told))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        tap.ok(peak <= max(before, 200 * 1024), f"{peak} KiB")


if __name__ == "__main__":
    tap.main()
