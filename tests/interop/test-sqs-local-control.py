# SPDX-License-Identifier: MIT
"""The keys and the clock of sqs-local, from its options and from control requests. Needs only the standard
library."""

import email.utils
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from sqs_local import SqsLocal


class Client:
    """A client with these keys."""

    def __init__(self, server, access_key_id, secret_access_key, session_token=None):
        self.connection = server.connection
        self.port = server.port
        self.access_key_id = access_key_id
        self.secret_access_key = secret_access_key
        self.session_token = session_token

    def outcome(self):
        """The outcome of a request: "ok", or the code of its error."""
        try:
            sqs.call(self, "ListQueues")
        except sqs.Error as error:
            tap.equal(error.status, 403)
            return error.code
        return "ok"


@tap.test
def session_token_expires():
    for seconds in 600, 2:
        with SqsLocal(session_token="token", expire_after=seconds) as server:
            client = Client(server, server.access_key_id, server.secret_access_key, "token")
            if seconds > 2:
                tap.equal(client.outcome(), "ok")
                continue
            tap.wait_until(lambda: client.outcome() == "ExpiredTokenException")
            client.session_token = "other"
            tap.equal(client.outcome(), "UnrecognizedClientException")


@tap.test
def keys_without_a_token_never_expire():
    with SqsLocal() as server:
        run = subprocess.run([server.binary, "--expire-after=5"], capture_output=True, text=True,
                             timeout=60, check=False)
    tap.equal(run.returncode, 1)
    tap.ok("--session-token" in run.stderr, run.stderr)


@tap.test
def replaced_keys_are_refused_at_once():
    with SqsLocal(session_token="token") as server:
        old = Client(server, server.access_key_id, server.secret_access_key, "token")
        server.set_credentials("ASIANEW", "new secret", "new token")
        tap.equal(old.outcome(), "ExpiredTokenException")
        new = Client(server, "ASIANEW", "new secret", "new token")
        tap.equal(new.outcome(), "ok")
        sqs.call(server, "ListQueues")
        tap.equal(Client(server, "ASIANEW", "new secret", "token").outcome(),
                  "UnrecognizedClientException")
        tap.equal(Client(server, "ASIANEW", "wrong", "new token").outcome(),
                  "InvalidSignatureException")

        server.set_credentials("AKIDLASTING", "a secret")
        tap.equal(new.outcome(), "ExpiredTokenException")
        tap.equal(old.outcome(), "ExpiredTokenException")
        lasting = Client(server, "AKIDLASTING", "a secret")
        tap.equal(lasting.outcome(), "ok")
        server.set_credentials("AKIDOTHER", "a secret")
        tap.equal(lasting.outcome(), "UnrecognizedClientException")


@tap.test
def replaced_keys_are_accepted_during_the_grace_time():
    with SqsLocal(session_token="token") as server:
        old = Client(server, server.access_key_id, server.secret_access_key, "token")
        server.set_credentials("ASIANEW", "secret", "token", grace=600)
        new = Client(server, "ASIANEW", "secret", "token")
        tap.equal((old.outcome(), new.outcome()), ("ok", "ok"))
        server.set_credentials("ASIANEWER", "secret", "token", grace=1.5)
        newer = Client(server, "ASIANEWER", "secret", "token")
        tap.wait_until(lambda: new.outcome() == "ExpiredTokenException")
        tap.equal(newer.outcome(), "ok")


@tap.test
def access_key_with_another_token_and_secret_is_accepted():
    with SqsLocal(session_token="one") as server:
        key = server.access_key_id
        server.set_credentials(key, "second secret", "two", grace=60)
        tap.equal(Client(server, key, "second secret", "two").outcome(), "ok")
        tap.equal(Client(server, key, "second secret", "one").outcome(),
                  "InvalidSignatureException")
        server.set_credentials(key, "third secret", "two")
        tap.equal(Client(server, key, "third secret", "two").outcome(), "ok")
        tap.equal(Client(server, key, "second secret", "two").outcome(),
                  "InvalidSignatureException")


@tap.test
def new_keys_with_an_expiry_expire_and_are_replaced_many_times():
    with SqsLocal() as server:
        for i in range(20):
            server.set_credentials(f"ASIA{i}", f"secret {i}", f"token {i}", expire_after=60)
            sqs.call(server, "ListQueues")
        tap.equal(Client(server, "ASIA18", "secret 18", "token 18").outcome(),
                  "ExpiredTokenException")
        server.set_credentials("ASIALAST", "secret", "token", expire_after=1)
        tap.wait_until(
            lambda: Client(server, "ASIALAST", "secret", "token").outcome() ==
            "ExpiredTokenException")


@tap.test
def last_keys_are_accepted_after_a_restart():
    with SqsLocal() as server:
        server.set_credentials("ASIANEW", "secret", "token")
        server.restart()
        sqs.call(server, "ListQueues")


@tap.test
def clock_that_is_set_is_used_for_signatures():
    with SqsLocal() as server:
        server.set_clock(20 * 60)
        try:
            sqs.call(server, "ListQueues")
            raise AssertionError("the signature is taken")
        except sqs.Error as error:
            tap.equal(error.code, "InvalidSignatureException")
            tap.ok("Signature expired: " in str(error), str(error))
        connection = server.connection()
        connection.request("POST", "/", "{}")
        date = connection.getresponse().headers["Date"]
        connection.close()
        ahead = email.utils.parsedate_to_datetime(date).timestamp() - time.time()
        tap.ok(1140 < ahead < 1260, f"{ahead} s")
        server.set_clock(-20 * 60)
        try:
            sqs.call(server, "ListQueues")
            raise AssertionError("the signature is taken")
        except sqs.Error as error:
            tap.ok("Signature not yet current: " in str(error), str(error))
        server.set_clock(0)
        sqs.call(server, "ListQueues")


def denied(server, operation, **parameters):
    try:
        sqs.call(server, operation, **parameters)
    except sqs.Error as error:
        return error.code == "AccessDeniedException"
    return False


@tap.test
def denied_action_is_refused_from_the_start_or_later():
    with SqsLocal(["q"], options=["--deny=ListQueues", "--deny=SendMessage"]) as server:
        send = {"QueueUrl": server.queue_url("q"), "MessageBody": "x"}
        tap.ok(denied(server, "ListQueues") and denied(server, "SendMessage", **send))
        server.deny("ListQueues")
        tap.ok(denied(server, "ListQueues") and not denied(server, "SendMessage", **send))
        server.deny("*")
        tap.ok(denied(server, "ListQueues") and denied(server, "SendMessage", **send))
        server.deny()
        tap.ok(not denied(server, "ListQueues") and not denied(server, "SendMessage", **send))


@tap.test
def invalid_control_request_is_refused_and_changes_nothing():
    with SqsLocal(session_token="token") as server:
        for what, body in (
                ("credentials", b""), ("credentials", b"{"), ("credentials", b"[]"),
                ("credentials", b"{}"), ("credentials", b'{"access_key_id":"A"}'),
                ("credentials", b'{"access_key_id":"A","secret_access_key":""}'),
                ("credentials", b'{"access_key_id":"A","secret_access_key":5}'),
                ("credentials",
                 b'{"access_key_id":"A","secret_access_key":"S","session_token":true}'),
                ("credentials", b'{"access_key_id":"A","secret_access_key":"S","expire_after_sec":5}'),
                ("credentials", b'{"access_key_id":"A","secret_access_key":"S","grace_sec":-1}'),
                ("credentials", b'{"access_key_id":"A","secret_access_key":"S","grace":1}'),
                ("clock", b"{}"), ("clock", b'{"offset_sec":"5"}'), ("clock", b'{"offset_sec":1e12}'),
                ("faults", b"{}"), ("faults", b'{"faults":"*:stall"}'), ("faults", b'{"faults":[1]}'),
                ("permissions", b"{}"), ("permissions", b'{"denied":"*"}'),
                ("permissions", b'{"denied":["*","Nonsense"]}'),
                ("permissions", b'{"denied":["SendMessageBatch"]}')):
            connection = server.connection()
            connection.request("POST", "/control/" + what, body)
            reply = connection.getresponse()
            answer = json.loads(reply.read())
            connection.close()
            tap.equal(reply.status, 400, f"{what} {body}")
            tap.ok(answer["message"], f"{what} {body}")
        for method, path in (("GET", "credentials"), ("POST", "nothing"), ("GET", ""),
                             ("DELETE", "faults")):
            connection = server.connection()
            connection.request(method, "/control/" + path)
            reply = connection.getresponse()
            json.loads(reply.read())
            connection.close()
            tap.equal(reply.status, 404, f"{method} {path}")
        sqs.call(server, "ListQueues")


if __name__ == "__main__":
    tap.main()
