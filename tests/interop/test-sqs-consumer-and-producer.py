# SPDX-License-Identifier: MIT
"""The npm packages sqs-producer and sqs-consumer, unchanged, as clients of sqs-local."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), HERE]
import sqs_clients  # noqa: E402
import tap  # noqa: E402
from sqs_local import SqsLocal  # noqa: E402

COUNT = 24
PROGRAM = os.path.join(HERE, "javascript", "consumer-and-producer.mjs")

FOLDER = None


def check(queue):
    with SqsLocal([queue + ",VisibilityTimeout=600"]) as server:
        run = subprocess.run(["node", PROGRAM, FOLDER, server.queue_url(queue), str(COUNT)],
                             env=server.env(NODE_NO_WARNINGS="1"), stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=300)
        tap.equal(run.returncode, 0, run.stderr)
        told = json.loads(run.stdout)
        tap.equal(told["errors"], [], run.stderr)
        tap.equal(sorted(told["handled"]), sorted(f"message {i}" for i in range(COUNT)))
        tap.equal(told["sent"], [record["message_id"] for record in server.records("sent")])
        # Failed messages were received again.
        tap.ok(len(server.records("received")) >= COUNT + COUNT // 3)
        tap.equal(sorted(record["message_id"] for record in server.records("deleted")),
                  sorted(told["sent"]))


@tap.test
def standard_queue_is_filled_and_emptied():
    check("standard")


@tap.test
def fifo_queue_is_filled_and_emptied():
    check("test.fifo")


if __name__ == "__main__":
    try:
        FOLDER = sqs_clients.javascript_folder()
    except sqs_clients.Missing as reason:
        tap.skip_all(reason)
    tap.main()
