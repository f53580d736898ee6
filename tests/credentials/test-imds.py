# SPDX-License-Identifier: MIT
"""The credential provider for EC2 instances, with a stand-in for the metadata service."""

import contextlib
import os
import socket
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import credentials_tool
import tap
from credentials_tool import check_found, check_no_keys
from imds import ROLES_PATH, TOKEN_PATH, Imds
from metrics import free_port
from role_keys import RoleKeys
from standin import Reply

TOOL = sys.argv.pop(1)
ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
TIMEOUT = "AWS_METADATA_SERVICE_TIMEOUT"
ATTEMPTS = "AWS_METADATA_SERVICE_NUM_ATTEMPTS"
NEVER = 60  # a delay that is longer than every time-out here


def ask(imds, *arguments, provider="imds", **env):
    """A stand-in on a slow machine may take longer than a second, the default time-out."""
    return credentials_tool.run(TOOL, provider, *arguments, metadata=True,
                                env={ENDPOINT: getattr(imds, "url", imds), TIMEOUT: "30", **env})


def at_once(check, rows):
    """For checks that mostly wait."""
    with ThreadPoolExecutor(len(rows)) as pool:
        list(pool.map(check, rows))


def paths(imds):
    return [f"{request.method} {request.path}" for request in imds.requests]


@tap.test
def keys_are_found_by_version_2():
    with Imds() as imds:
        answers = ask(imds)
        check_found(answers, imds.keys.current())
        tap.equal(answers.source, "instance metadata service, role stand-in-role")
        tap.ok(abs(answers.expiry - time.time() - 6 * 3600) < 60)
        tap.equal(paths(imds), ["PUT " + TOKEN_PATH, "GET " + ROLES_PATH,
                                "GET " + ROLES_PATH + "stand-in-role"])
        put = imds.requests[0].headers
        tap.equal(put["x-aws-ec2-metadata-token-ttl-seconds"], "21600")
        tap.equal(put["content-length"], "0")
        tap.equal(len({r.headers.get("x-aws-ec2-metadata-token") for r in imds.requests[1:]}), 1)


@tap.test
def service_with_version_2_alone_gives_keys():
    with Imds() as imds:
        imds.v1 = False
        check_found(ask(imds), imds.keys.current())
        check_found(ask(imds, AWS_EC2_METADATA_V1_DISABLED="true"), imds.keys.current())


for status in 403, 404, 405:
    @tap.test(f"version 1 is used where a token is refused with {status}")
    def version_1(status=status):
        with Imds() as imds:
            imds.replies["token"] = Reply(status)
            check_found(ask(imds), imds.keys.current())
            tap.equal([r.headers.get("x-aws-ec2-metadata-token") for r in imds.requests], [None] * 3)
            answers = ask(imds, AWS_EC2_METADATA_V1_DISABLED="TRUE")
            check_no_keys(answers, f"HTTP status {status}", "IMDSv1 is switched off")


@tap.test
def version_1_is_used_when_the_token_request_times_out():
    with Imds() as imds:
        imds.replies["token"] = Reply(200, "late", delay=NEVER)
        check_found(ask(imds, **{TIMEOUT: "2", ATTEMPTS: "5"}), imds.keys.current())
        check_no_keys(ask(imds, AWS_EC2_METADATA_V1_DISABLED="true", **{TIMEOUT: "1"}),
                      "IMDSv1 is switched off", outcome="not reached")


@tap.test
def hop_limit_that_is_too_low_is_named():
    with Imds() as imds:
        imds.v1 = False
        imds.replies["token"] = Reply(200, "late", delay=NEVER)
        check_no_keys(ask(imds, **{TIMEOUT: "2", ATTEMPTS: "5"}), "requires IMDSv2",
                      "no token came in time", "HttpPutResponseHopLimit")


@tap.test
def token_request_answered_with_400_means_not_set_up():
    with Imds() as imds:
        imds.replies["token"] = Reply(400)
        check_no_keys(ask(imds), "HTTP status 400", outcome="not set up")
        tap.equal(len(imds.requests), 1)


@tap.test
def instance_without_a_role_is_not_set_up():
    with Imds() as imds:
        imds.role = None
        check_no_keys(ask(imds), "404", "no IAM role", outcome="not set up")
        imds.role = "x"
        imds.replies["role"] = Reply(200, "")
        check_no_keys(ask(imds), "no IAM role", outcome="not set up")


@tap.test
def address_without_a_listener_is_not_reached():
    url = f"http://127.0.0.1:{free_port()}"
    check_no_keys(ask(url), url, "connect", outcome="not reached")


@tap.test
def silent_host_is_not_reached_after_two_requests():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        check_no_keys(ask(f"http://127.0.0.1:{silent.getsockname()[1]}", **{TIMEOUT: None}), "timed out",
                      outcome="not reached")
        took = time.monotonic() - start
        tap.ok(1.9 < took < 30, f"took {took}")


@tap.test
def disabled_provider_sends_no_request():
    with Imds() as imds:
        for value in "true", "TRUE", "True":
            check_no_keys(ask(imds, AWS_EC2_METADATA_DISABLED=value),
                          "switched off by AWS_EC2_METADATA_DISABLED", outcome="not set up")
        # Other variables are not read either.
        check_no_keys(ask(imds, AWS_EC2_METADATA_DISABLED="true", AWS_METADATA_SERVICE_TIMEOUT="x"),
                      "switched off", outcome="not set up")
        tap.equal(imds.requests, [])
        check_found(ask(imds, AWS_EC2_METADATA_DISABLED="false"), imds.keys.current())


@tap.test
def no_proxy_is_used():
    with Imds() as imds, Imds() as proxy:
        check_found(ask(imds, http_proxy=proxy.url, all_proxy=proxy.url), imds.keys.current())
        tap.equal(proxy.requests, [])


@tap.test
def invalid_answer_is_a_failure():
    rows = [("token", Reply(200, ""), "its reply is not a token (0 bytes)"),
            ("token", Reply(200, "a b"), "its reply is not a token"),
            ("token", Reply(200, "a\r\nX: y"), "its reply is not a token"),
            ("token", Reply(200, "t" * 5000), "its reply is not a token"),
            ("role", Reply(200, "<role>"), "not a role's name"),
            ("role", Reply(200, "../../user-data"), "not a role's name"),
            ("role", Reply(200, ".."), "not a role's name"),
            ("role", Reply(200, "r" * 65), "not a role's name"),
            ("role", Reply(200, "r?x#y"), "not a role's name"),
            ("role", Reply(200, "x" * 70000), "larger than allowed"),
            ("role", Reply(200, "a-role-that-is-not-there"), "HTTP status 404"),
            ("keys", Reply(404), "HTTP status 404"),
            ("keys", Reply(200, "SEKRET"), "stand-in-role is not the JSON that is expected: not JSON"),
            ("keys", Reply(200, ""), "stand-in-role is empty"),
            ("keys", Reply(200, '{"Code": "Success", "AccessKeyId": "SEKRET"}'),
             "has no SecretAccessKey"),
            ("keys", Reply(200, '{"AccessKeyId": "SEKRET", "SecretAccessKey": "SEKRET"}'),
             "has no Token"),
            ("keys", Reply(200, '{"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot '
                                'assume the role."}'),
             "says: AssumeRoleUnauthorizedAccess: EC2 cannot assume the role.")]
    for kind, reply, says in rows:
        with Imds() as imds:
            imds.replies[kind] = reply
            check_no_keys(ask(imds), says)


@tap.test
def service_that_fails_is_unreachable():
    rows = [("token", Reply(500), "HTTP status 500"),
            ("token", Reply(429), "HTTP status 429"),
            ("token", Reply(200, "t", cut=0), "asked for an IMDSv2 token"),
            ("role", Reply(500), "HTTP status 500"),
            ("role", Reply(200, "x", cut=0), ROLES_PATH),
            ("role", Reply(200, "x", delay=NEVER), "timed out"),
            ("keys", Reply(503), "HTTP status 503"),
            ("keys", Reply(200, "{}", delay=NEVER), "timed out"),
            # Also with version 1: the service has named the role.
            ("keys", Reply(200, "{}", delay=NEVER), "timed out", False)]

    def check(row):
        with Imds() as imds:
            imds.v2 = len(row) == 3
            imds.replies[row[0]] = row[1]
            check_no_keys(ask(imds, **{TIMEOUT: "8" if row[2] == "timed out" else "30"}), row[2],
                          outcome="unreachable")

    at_once(check, rows)


@tap.test
def sign_in_page_is_reported_as_intercepted():
    rows = [("token", Reply(302, headers=[("Location", "/")])), ("token", Reply(200, "<!DOCTYPE html>")),
            ("role", Reply(511)), ("role", Reply(200, "\n<HTML>")), ("keys", Reply(200, "<html>"))]
    for kind, reply in rows:
        with Imds() as imds:
            imds.replies[kind] = reply
            check_no_keys(ask(imds), "the server there is not the metadata service",
                          outcome="metadata intercepted")


@tap.test
def request_after_a_connection_time_out_has_more_time():
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # fills the queue of the listener, so that the kernel answers no further connection
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        begun = time.monotonic()
        check_no_keys(ask("http://%s:%d/" % listener.getsockname(), **{TIMEOUT: "1"}), "timed out connecting",
                      outcome="not reached")
        tap.ok(time.monotonic() - begun >= 2.9)  # 1 s for the token, then 2 s for the next request


@tap.test
def role_name_with_every_allowed_character_is_used():
    with Imds() as imds:
        imds.role = "a+b=c,d.e@f_g-Z9"
        imds.replies["role"] = Reply(200, imds.role + "\r\nanother\n")
        check_found(ask(imds), imds.keys.current())


@tap.test
def attempts_and_timeout_variables_are_used():
    with Imds() as imds:
        imds.replies["token"] = [Reply(503)]
        imds.replies["role"] = [Reply(503), Reply(200, "x", cut=0)]
        check_found(ask(imds, **{ATTEMPTS: "3"}), imds.keys.current())
        tap.equal(len(imds.requests), 6)
        imds.replies = {"role": Reply(200, imds.role, delay=2)}  # longer than the default time-out
        check_found(ask(imds, **{TIMEOUT: "30"}), imds.keys.current())


@tap.test
def malformed_variable_is_named():
    rows = [(TIMEOUT, "0"), (TIMEOUT, "61"), (TIMEOUT, "1.5"), (TIMEOUT, "-1"),
            (TIMEOUT, "99999999999999999999"), (ATTEMPTS, "11"), (ATTEMPTS, "many"),
            (ENDPOINT, "ftp://127.0.0.1/"), (ENDPOINT, "127.0.0.1"),
            (ENDPOINT, "http://u:SEKRET@127.0.0.1/")]
    with Imds() as imds:
        for name, value in rows:
            check_no_keys(ask(imds, **{name: value}), name)
        check_no_keys(ask(imds, **{ENDPOINT: "", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv5"}),
                      "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", '"IPv5"')
        tap.equal(imds.requests, [])


@tap.test
def settings_in_the_profile_are_used_unless_a_variable_is_set():
    with Imds() as imds, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "config")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"[profile work]\nec2_metadata_service_endpoint = {imds.url}\n"
                       "ec2_metadata_v1_disabled = true\nmetadata_service_num_attempts = 2\n"
                       "metadata_service_timeout = 30\n")
        env = {ENDPOINT: None, TIMEOUT: None, "AWS_CONFIG_FILE": path}
        check_found(ask(None, "--profile=work", **env), imds.keys.current())
        # The second attempt takes longer than the default time-out.
        imds.replies["role"] = [Reply(500), Reply(200, imds.role, delay=2)]
        check_found(ask(None, "--profile=work", **env), imds.keys.current())
        imds.replies["token"] = Reply(404)
        check_no_keys(ask(None, "--profile=work", **env), "IMDSv1 is switched off")
        check_found(ask(None, "--profile=work", AWS_EC2_METADATA_V1_DISABLED="false", **env),
                    imds.keys.current())
        with open(path, "w", encoding="ascii") as file:
            file.write("[profile work\n")
        check_no_keys(ask(imds, AWS_CONFIG_FILE=path), path)


@tap.test
def keys_near_or_past_their_expiry_are_returned():
    for lifetime in -86400, -1, 0, 60, 14 * 60, 6 * 3600:
        with Imds(keys=RoleKeys(lifetime=lifetime, prefix="ASIAIMDS")) as imds:
            begun = time.time()
            answers = ask(imds)
            check_found(answers, imds.keys.current())
            left = answers.expiry - begun  # the expiry has whole seconds
            tap.ok(lifetime - 1 <= left <= lifetime + time.time() - begun, f"{left} s left of {lifetime}")


@tap.test
def rotated_keys_are_found_at_the_next_fetch_with_a_new_token():
    with Imds(keys=RoleKeys(rotate_every=1, prefix="ASIAIMDS")) as imds:
        answers = ask(imds, "--fetches=3")
        tap.equal([line["access_key_id"][-1] for line in answers.lines], ["1", "2", "3"])
        tokens = {r.headers.get("x-aws-ec2-metadata-token") for r in imds.requests} - {None}
        tap.equal(len(tokens), 3)


@tap.test
def provider_freed_during_a_fetch_gives_no_answer():
    for kind in "token", "role", "keys":
        with Imds() as imds:
            imds.replies[kind] = Reply(200, "x", delay=NEVER)
            tap.equal(ask(imds, "--cancel", **{TIMEOUT: "60"}).lines, [])
    with Imds() as imds:  # so that it waits for its next attempt
        imds.replies["token"] = Reply(500)
        tap.equal(ask(imds, "--cancel", **{ATTEMPTS: "9"}).lines, [])


if __name__ == "__main__":
    tap.main()
