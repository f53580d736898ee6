"""Both daemons through mishaps of what they depend on: the handler, addresses and name servers, the clock,
the replies' pace, the metadata service. Nothing is lost; nothing is handled more often than SQS and the
handler's own failures explain; each group keeps its order; nothing that was never handled goes to the
dead-letter queue; and work goes on by itself. In networks of its own."""

import json
import mmap
import os
import struct
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)
import load
import namespaces
import scenes
import sqs
import tap
from scenes import BACK_SEC, QUEUE, finish, flow, side_by_side, start
from sqs_local import BUILD_ROOT, SqsLocal

namespaces.enter()
OPTIONS = load.read_options(__doc__)


def add(name, function, *arguments):
    scenes.add(side_by_side, OPTIONS.words, name, function, *arguments)


# --- The clock ---

class Clock:
    """A wall clock that the daemons started with `env` share, and that can be set."""

    def __init__(self):
        self._file = tempfile.NamedTemporaryFile(prefix="clock-")
        self._file.write(bytes(8))
        self._file.flush()
        self._shared = mmap.mmap(self._file.fileno(), 8)
        self.env = {"SHIFTED_CLOCK": self._file.name,
                    "LD_PRELOAD": os.path.join(BUILD_ROOT, "tests", "stress", "libshifted-clock.so")}

    def set(self, seconds):
        """So far ahead of the true time."""
        self._shared[:] = struct.pack("=q", seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._shared.close()
        self._file.close()


YEAR = 365 * 86400
# Seconds that this machine's clock is ahead, and then the server's.
JUMPS = [(7200, 0), (-3600, 0), (58 * YEAR, 0), (0, 0), (0, 3600), (-7200, -3600), (0, 0)]


def the_clock_jumps(tell):
    with Clock() as clock, SqsLocal([QUEUE]) as server:
        clock.set(58 * YEAR)  # at boot, without a battery
        daemons = start(server, env=clock.env)
        record = load.Record(server)
        flow(tell, record, daemons, BACK_SEC, "with the clock 58 years ahead at the start")
        for own, other in JUMPS if OPTIONS.long else JUMPS[:4]:
            clock.set(own)
            server.set_clock(other)
            flow(tell, record, daemons, BACK_SEC, f"with the clock {own} s ahead, the server's {other} s",
                 50)
        finish(tell, record, daemons, 4 * scenes.LINES_MAX)


add("the clock jumps", the_clock_jumps)


# --- Slow replies ---

LARGE_BYTES = 60000
SLOW_BYTES_PER_SEC = 100000


def replies_are_slow(tell):
    """A reply of ten needs longer than a receive may wait; on a standard queue nobody can ask for it
    again, and each message may be received three times only."""
    redrive = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:dead",
                          "maxReceiveCount": 3})
    count = 60 if OPTIONS.long else 20
    with SqsLocal(["dead", f"test,VisibilityTimeout=20,RedrivePolicy={redrive}"]) as server, \
            namespaces.Forwarder("127.0.4.1", 0, server.port, rate=SLOW_BYTES_PER_SEC) as slow:
        bodies = [f"{i}." + "x" * LARGE_BYTES for i in range(count)]
        for body in bodies:
            sqs.send(server, body, queue="test")
        daemon = load.consumer(server, "test", aws=scenes.AWS, endpoint=f"http://127.0.4.1:{slow.port}",
                               wait_time=1, receivers=2, concurrency=10)
        start_sec = time.monotonic()
        server.wait_for_records("deleted", count, 90)
        tell(f"all were handled within {time.monotonic() - start_sec:.1f} s")
        load.stop(daemon)
        tap.equal(sqs.receive(server, "dead"), [], load.last_lines(daemon))
        found = {r["message_id"] for r in server.records("deleted")}
        tap.equal(found, {r["message_id"] for r in server.records("sent")})


add("replies that are slow are read to their end", replies_are_slow)

if __name__ == "__main__":
    tap.main()
