# SPDX-License-Identifier: MIT
"""Makes the calls of sqs_calls.py with one client, and compares each answer with that of Amazon SQS:

    test-sqs-calls.py CLIENT [WORD...]

CLIENT is "plain" (tests/lib/sqs.py, which needs no package), "boto3", "cli", "javascript", "debian-boto3" or
"debian-cli" (Debian's packages). All tests are skipped when the client cannot be used. A client that is too old for
the JSON protocol, as those of Debian 12, must show the error with which sqs-local answers it.
"""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), HERE]
import sqs  # noqa: E402
import sqs_calls  # noqa: E402
import sqs_clients  # noqa: E402
import tap  # noqa: E402
from sqs_local import ACCOUNT, SqsLocal  # noqa: E402

SERVERS = {}  # by the names of servers in cases
CLIENTS = {}


class Words:
    """The values of "<word>" in one case."""

    def __init__(self, known):
        self.known = known

    def put_into(self, value):
        if isinstance(value, dict):
            return {self.put_into(name): self.put_into(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.put_into(item) for item in value]
        if isinstance(value, sqs_calls.Like):
            return sqs_calls.Like(self.put_into(value.pattern))
        if isinstance(value, str):
            return re.sub("<([a-z.]+)>", lambda found: self.known.get(found[1], found[0]), value)
        return value

    def save(self, answer, paths):
        for word, path in paths.items():
            value = answer
            for part in path.split("."):
                value = value[int(part) if part.isdigit() else part]
            self.known[word] = value


def make_queues(case, number):
    """Creates the queues of a case; returns its words. Queues may name earlier ones."""
    words = Words({})
    server = SERVERS[case.server]
    for queue, attributes in case.queues.items():
        fifo = (attributes or {}).get("FifoQueue", "").lower() == "true"
        name = f"case{number}-{queue}" + (".fifo" if fifo else "")
        words.known.update({queue: server.queue_url(name), queue + ".name": name,
                            queue + ".arn": f"arn:aws:sqs:{case.region}:{ACCOUNT}:{name}"})
        if attributes is not None:
            sqs.call(server, "CreateQueue", region=case.region, QueueName=name,
                     Attributes=words.put_into(attributes))
    return words


def compare_error(found, wanted, words):
    tap.ok("error" in found, f"it answers {found.get('reply')!r}")
    for name in ("status", "name", "code", "message"):
        value = found["error"].get(name)
        if value is not None:  # some clients do not show all members
            tap.ok(words.put_into(getattr(wanted, name)) == value,
                   f"{name}: found {value!r}, wanted {getattr(wanted, name)!r}")


def take_first_step(case, words, operation, parameters, save=None, headers=None):
    answer = sqs.call(SERVERS[case.server], operation, region=case.region, headers=headers,
                      **words.put_into(parameters))
    words.save(answer, save or {})


def try_denied_step(case, words, actions, step):
    """Makes a first step that must be denied."""
    SERVERS[case.server].deny(*actions)
    try:
        take_first_step(case, words, *step)
    except sqs.Error as error:
        tap.equal(error.code, "AccessDeniedException")
    else:
        raise AssertionError(f"{step[0]} was not denied")
    finally:
        SERVERS[case.server].deny()


def run(case, number):
    server = SERVERS[case.server]
    words = make_queues(case, number)
    for step in case.first:
        if step[0] == "denied":
            try_denied_step(case, words, *step[1:])
        else:
            take_first_step(case, words, *step)
    server.deny(*case.denied)
    try:
        found = CLIENTS[case.server].call(*words.put_into(case.call[:2]), case.region)
    finally:
        server.deny()
    if isinstance(case.wanted, sqs_calls.Error):
        compare_error(found, case.wanted, words)
    else:
        tap.ok("reply" in found, f"it fails with {found.get('error')!r}")
        tap.equal(found["reply"], words.put_into(case.wanted), case.source)


def cases_for(client):
    """The cases of a client, with their numbers. The AWS CLI takes a second to start, and reads answers with the
    library of boto3: it gets only the first case of each operation and kind of answer."""
    made = set()
    for number, case in enumerate(sqs_calls.CASES):
        kind = (case.call[0], getattr(case.wanted, "name", None))
        if "cli" not in client or kind not in made:
            yield number, case
        made.add(kind)


def older_client_is_answered_with_the_needed_protocol(client):
    error = client.call("ListQueues", {}, "eu-west-1")["error"]
    tap.equal(error["code"], "AWS.SimpleQueueService.UnsupportedOperation")
    tap.matches(error["message"], "sqs-local speaks AWS JSON 1.0*")


def start_clients(name):
    """Registers the tests of a client. Raises Missing."""
    try:
        for server in SERVERS:
            CLIENTS[server] = sqs_clients.start(name, SERVERS[server])
    except sqs_clients.Older as older:
        CLIENTS["usual"] = older.client
        tap.comment(older)
        tap.add("an older client shows that it speaks another protocol",
                older_client_is_answered_with_the_needed_protocol, older.client)
        return
    for number, case in cases_for(name):
        tap.add(f"{case.name} ({case.source.split(':')[0]})", run, case, number)


def main():
    name = sys.argv.pop(1)
    with SqsLocal() as usual, SqsLocal(options=["--parameters-first"]) as parameters_first:
        SERVERS.update({"usual": usual, "parameters-first": parameters_first})
        try:
            start_clients(name)
            tap.main()
        except sqs_clients.Missing as reason:
            tap.skip_all(reason)
        finally:
            for client in CLIENTS.values():
                client.stop()


if __name__ == "__main__":
    main()
