# SPDX-License-Identifier: MIT
"""The credential provider for containers, with a stand-in for the endpoint of ECS and EKS."""

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import credentials_tool
import tap
from container import Container
from credentials_tool import check_found, check_no_keys
from metrics import free_port
from role_keys import RoleKeys
from standin import Reply

TOOL = sys.argv.pop(1)
FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"


def ask(*arguments, timeout="--timeout-ms=30000", **env):
    """A stand-in on a slow machine may take longer than two seconds, the time-out of the daemons."""
    return credentials_tool.run(TOOL, "container", timeout, *arguments, env=env)


@tap.test
def provider_without_its_variables_is_not_set_up():
    for env in {}, {FULL: "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": ""}, {TOKEN: "t"}:
        answers = ask(**env)
        tap.equal(answers.outcome, "not set up")
        tap.ok(FULL in answers.text and "RELATIVE_URI" in answers.text)


@tap.test
def keys_are_found():
    with Container() as container:
        answers = ask(**{FULL: container.credentials_url + "?id=SEKRET"})
        check_found(answers, container.keys.current())
        tap.equal(answers.source, f"container endpoint {container.credentials_url}")
        tap.ok(abs(answers.expiry - time.time() - 6 * 3600) < 60)
        tap.equal(len(container.requests), 1)
        tap.equal(container.requests[0].path, "/v2/credentials/stand-in?id=SEKRET")
        headers = container.requests[0].headers
        tap.equal(headers["accept"], "application/json")
        tap.ok("authorization" not in headers and "content-type" not in headers)


@tap.test
def keys_without_token_and_expiration_never_expire():
    with Container() as container:
        container.reply = Reply(200, '{"AccessKeyId": "A", "SecretAccessKey": "S"}')
        answers = ask(**{FULL: container.credentials_url})
        check_found(answers, ("A", "S", None))
        tap.equal(answers.expiry, None)


@tap.test
def token_is_sent_unchanged():
    with Container(token="Bearer  T0KEN=== ;x") as container:
        check_found(ask(**{FULL: container.credentials_url, TOKEN: "Bearer  T0KEN=== ;x"}),
                    container.keys.current())


@tap.test
def token_file_overrides_the_token_and_is_read_at_each_fetch():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "token")

        class Rotating(Container):
            """Writes another token into the file before it answers."""

            def answer(self, request):
                write("second")
                return super().answer(request)

        def write(token):
            with open(path, "w", encoding="ascii") as file:
                file.write(token)

        write("first")
        with Rotating(token="first") as container:
            answers = ask("--fetches=2", **{FULL: container.credentials_url, TOKEN: "no",
                                            TOKEN_FILE: path})
        tap.equal([r.headers["authorization"] for r in container.requests],
                  ["first", "second", "second", "second"])
        check_found(answers, container.keys.current())
        tap.equal(answers.lines[1]["outcome"], "failed")


@tap.test
def token_file_that_is_a_fifo_is_refused_at_once():
    with Container() as container, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "token")
        os.mkfifo(path)  # nobody writes to it
        check_no_keys(ask(**{FULL: container.credentials_url, TOKEN_FILE: path}), path)
        tap.equal(container.requests, [])


@tap.test
def invalid_token_is_refused_and_neither_sent_nor_shown():
    rows = [("SEKRET\n", "line break"), ("SEKRET\r\nX: y", "line break"), ("", "is empty"),
            ("SEKRET\x00", "control character"), ("SEKRET\t", "control character"),
            ("SEKRET\xe4", "not ASCII"),
            ("S" * 16385, "larger than 16384")]
    with Container() as container, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "token")
        for text, says in rows:
            with open(path, "w", encoding="latin-1", newline="") as file:
                file.write(text)
            check_no_keys(ask(**{FULL: container.credentials_url, TOKEN_FILE: path}), says, path)
        os.unlink(path)
        check_no_keys(ask(**{FULL: container.credentials_url, TOKEN_FILE: path}), "cannot be read",
                      "No such file", path)
        check_no_keys(ask(**{FULL: container.credentials_url, TOKEN: "SEKRET\n"}), TOKEN, "line break")
        tap.equal(container.requests, [])


@tap.test
def host_that_is_not_allowed_is_not_asked():
    for url in "http://203.0.113.1/", "http://example.com/", "http://127.0.0.1@example.com/":
        check_no_keys(ask(**{FULL: url}), FULL)
    check_no_keys(ask(AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="example.com/"), "does not begin with /")


@tap.test
def no_proxy_is_used():
    with Container() as container, Container() as proxy:
        for name in "http_proxy", "all_proxy", "ALL_PROXY":
            check_found(ask(**{FULL: container.credentials_url, name: proxy.url}),
                        container.keys.current())
        tap.equal(proxy.requests, [])


@tap.test
def wrong_token_is_reported_with_the_reason_of_the_server():
    with Container(token="right") as container:
        start = time.monotonic()
        answers = ask(**{FULL: container.credentials_url, TOKEN: "SEKRET"})
        check_no_keys(answers, "HTTP status 401", "AccessDenied: wrong token", container.credentials_url)
        tap.ok("no token was sent" not in answers.text)
        tap.equal(len(container.requests), 3, "attempts")
        took = time.monotonic() - start
        tap.ok(1.9 < took < 60, f"the attempts were not a second apart: {took}")


@tap.test
def missing_token_is_named():
    with Container(token="right") as container:
        check_no_keys(ask(**{FULL: container.credentials_url}), "HTTP status 401", "no token was sent")


@tap.test
def failed_request_is_retried():
    with Container() as container:
        container.reply = [Reply(500, "oops"), Reply(200, "{", cut=0)]
        check_found(ask(**{FULL: container.credentials_url}), container.keys.current())
        tap.equal(len(container.requests), 3)


@tap.test
def invalid_answer_is_named():
    away = "unreachable"  # a later attempt may succeed
    portal = "metadata intercepted"
    rows = [(Reply(500, "SEKRET"), "HTTP status 500", away),
            (Reply(429), "HTTP status 429", away),
            (Reply(200, "{", cut=0), "", away),
            (Reply(404, "SEKRET"), "HTTP status 404"),
            (Reply(302, "", headers=[("Location", "/elsewhere")]), "HTTP status 302", portal),
            (Reply(511, "SEKRET"), "HTTP status 511", portal),
            (Reply(200, "<html>SEKRET"), "HTTP status 200 with HTML", portal),
            (Reply(200, "SEKRET"), "its answer is not the JSON that is expected: not JSON"),
            (Reply(200, ""), "its answer is empty"),
            (Reply(200, '{"AccessKeyId": "SEKRET"}'), "its answer has no SecretAccessKey"),
            (Reply(200, '{"Code": "Busy", "Message": "later"}'), "says: Busy: later"),
            (Reply(200, "x" * 70000), "larger than allowed")]

    def check(row):
        with Container() as container:
            container.reply = row[0]
            check_no_keys(ask(**{FULL: container.credentials_url}), row[1], container.credentials_url,
                          outcome=(*row, "failed")[2])
            tap.equal(len(container.requests), 3)

    with ThreadPoolExecutor(len(rows)) as pool:  # each takes two seconds, mostly waiting
        list(pool.map(check, rows))


@tap.test
def endpoint_without_a_listener_is_unreachable():
    url = f"http://127.0.0.1:{free_port()}/keys"
    check_no_keys(ask(**{FULL: url}), url, "connect", outcome="unreachable")


@tap.test
def attempt_without_an_answer_ends_after_two_seconds():
    with Container() as container:
        container.reply = [Reply(200, "{}", delay=60)]
        start = time.monotonic()
        check_found(ask(timeout="--timeout-ms=0", **{FULL: container.credentials_url}), container.keys.current())
        took = time.monotonic() - start
        tap.ok(2.9 < took, f"took {took}")


@tap.test
def rotated_keys_are_found_at_the_next_fetch():
    with Container(keys=RoleKeys(rotate_every=1)) as container:
        answers = ask("--fetches=3", **{FULL: container.credentials_url})
        tap.equal([line["access_key_id"][-1] for line in answers.lines], ["1", "2", "3"])


@tap.test
def provider_freed_during_a_fetch_gives_no_answer():
    with Container() as container:
        container.reply = Reply(200, "{}", delay=60)
        tap.equal(ask("--cancel", **{FULL: container.credentials_url}).lines, [])
        container.reply = Reply(500)  # so that it waits for its next attempt
        tap.equal(ask("--cancel", **{FULL: container.credentials_url}).lines, [])


if __name__ == "__main__":
    tap.main()
