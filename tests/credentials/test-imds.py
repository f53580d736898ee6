# SPDX-License-Identifier: MIT
"""The credential provider for EC2 instances, and the region of the instance, on a stand-in for the metadata
service."""

import contextlib
import os
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import credentials_tool
import tap
from credentials_tool import check_found
from imds import ROLES_PATH, TOKEN_PATH, ZONE_PATH, Imds
from role_keys import RoleKeys
from standin import Reply

TOOL = sys.argv.pop(1)
ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"


def ask(imds, *arguments, provider="imds", **env):
    return credentials_tool.run(TOOL, provider, *arguments, metadata=True,
                                env={ENDPOINT: getattr(imds, "url", imds), **env})


def check(answers, outcome, *words):
    tap.equal(answers.outcome, outcome, str(answers))
    for word in words:
        tap.ok(word in answers.text, f"no {word!r} in {answers.text!r}")


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
def version_2_alone_is_enough():
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
            check(answers, "failed", f"HTTP status {status}", "IMDSv1 is switched off")


@tap.test
def version_1_is_used_where_the_token_is_lost():
    with Imds() as imds:
        imds.replies["token"] = Reply(200, "late", delay=20)
        check_found(ask(imds), imds.keys.current())
        check(ask(imds, AWS_EC2_METADATA_V1_DISABLED="true"), "not reached",
              "IMDSv1 is switched off")


@tap.test
def the_hop_limit_is_named_where_it_is_too_low():
    with Imds() as imds:
        imds.v1 = False
        imds.replies["token"] = Reply(200, "late", delay=20)
        check(ask(imds), "failed", "wants IMDSv2", "no token came in time",
              "HttpPutResponseHopLimit")


@tap.test
def a_token_request_answered_by_400_means_no_service():
    with Imds() as imds:
        imds.replies["token"] = Reply(400)
        check(ask(imds), "not set up", "HTTP status 400")
        tap.equal(len(imds.requests), 1)


@tap.test
def without_a_role_it_is_not_set_up():
    with Imds() as imds:
        imds.role = None
        check(ask(imds), "not set up", "404", "no IAM role")
        imds.role = "x"
        imds.replies["role"] = Reply(200, "")
        check(ask(imds), "not set up", "no IAM role")


@tap.test
def nobody_there_means_not_set_up():
    with Imds() as imds:
        url = imds.url
    check(ask(url), "not reached", url, "connect")


@tap.test
def a_silent_host_means_not_set_up_after_two_requests():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        check(ask(f"http://127.0.0.1:{silent.getsockname()[1]}"), "not reached", "timed out")
        took = time.monotonic() - start
        tap.ok(1.9 < took < 6, f"took {took}")


@tap.test
def switched_off_nothing_is_asked():
    with Imds() as imds:
        for value in "true", "TRUE", "True":
            check(ask(imds, AWS_EC2_METADATA_DISABLED=value), "not set up",
                  "switched off by AWS_EC2_METADATA_DISABLED")
        # Nor is anything else looked at.
        check(ask(imds, AWS_EC2_METADATA_DISABLED="true", AWS_METADATA_SERVICE_TIMEOUT="x"),
              "not set up", "switched off")
        tap.equal(imds.requests, [])
        check_found(ask(imds, AWS_EC2_METADATA_DISABLED="false"), imds.keys.current())


@tap.test
def no_proxy_is_used():
    with Imds() as imds, Imds() as proxy:
        check_found(ask(imds, http_proxy=proxy.url, all_proxy=proxy.url), imds.keys.current())
        tap.equal(proxy.requests, [])


@tap.test
def bad_answers_are_failures():
    rows = [("token", Reply(200, ""), "is not one (0 bytes)"),
            ("token", Reply(200, "a b"), "is not one"),
            ("token", Reply(200, "a\r\nX: y"), "is not one"),
            ("token", Reply(200, "t" * 5000), "is not one"),
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
            check(ask(imds), "failed", says)


@tap.test
def a_service_in_trouble_is_told_apart():
    rows = [("token", Reply(500), "HTTP status 500"),
            ("token", Reply(429), "HTTP status 429"),
            ("token", Reply(200, "t", cut=0), "asked for an IMDSv2 token"),
            ("role", Reply(500), "HTTP status 500"),
            ("role", Reply(200, "x", cut=0), ROLES_PATH),
            ("keys", Reply(503), "HTTP status 503"),
            ("keys", Reply(200, "{}", delay=1.5), "timed out")]
    for kind, reply, says in rows:
        with Imds() as imds:
            imds.replies[kind] = reply
            check(ask(imds), "unreachable", says)
    # By version 1, too: the role was told.
    with Imds() as imds:
        imds.v2 = False
        imds.replies["keys"] = Reply(200, "{}", delay=1.5)
        check(ask(imds), "unreachable", "timed out")


@tap.test
def a_sign_in_page_is_told_apart():
    rows = [("token", Reply(302, headers=[("Location", "/")])), ("token", Reply(200, "<!DOCTYPE html>")),
            ("role", Reply(511)), ("role", Reply(200, "\n<HTML>")), ("keys", Reply(200, "<html>"))]
    for kind, reply in rows:
        with Imds() as imds:
            imds.replies[kind] = reply
            check(ask(imds), "metadata intercepted", "what answers there is not the metadata service")


@tap.test
def a_time_out_in_connecting_gives_the_next_request_more_time():
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # fill its queue: further connections are left unanswered
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        begun = time.monotonic()
        check(ask("http://%s:%d/" % listener.getsockname()), "not reached", "timed out connecting")
        tap.ok(time.monotonic() - begun >= 2.9)  # 1 s for the token, then 2 s


@tap.test
def a_role_on_the_first_line_with_every_allowed_character_is_found():
    with Imds() as imds:
        imds.role = "a+b=c,d.e@f_g-Z9"
        imds.replies["role"] = Reply(200, imds.role + "\r\nanother\n")
        check_found(ask(imds), imds.keys.current())


@tap.test
def attempts_and_timeout_are_settings():
    with Imds() as imds:
        imds.replies["token"] = [Reply(503)]
        imds.replies["role"] = [Reply(503), Reply(200, "x", cut=0)]
        check_found(ask(imds, AWS_METADATA_SERVICE_NUM_ATTEMPTS="3"), imds.keys.current())
        tap.equal(len(imds.requests), 6)
        imds.replies = {"role": Reply(200, imds.role, delay=1.5)}
        check(ask(imds), "unreachable", "timed out")
        check_found(ask(imds, AWS_METADATA_SERVICE_TIMEOUT="4"), imds.keys.current())


@tap.test
def malformed_settings_are_named():
    rows = [("AWS_METADATA_SERVICE_TIMEOUT", "0"), ("AWS_METADATA_SERVICE_TIMEOUT", "61"),
            ("AWS_METADATA_SERVICE_TIMEOUT", "1.5"), ("AWS_METADATA_SERVICE_TIMEOUT", "-1"),
            ("AWS_METADATA_SERVICE_TIMEOUT", "99999999999999999999"),
            ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "11"),
            ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "many"),
            (ENDPOINT, "ftp://127.0.0.1/"), (ENDPOINT, "127.0.0.1"),
            (ENDPOINT, "http://u:SEKRET@127.0.0.1/")]
    with Imds() as imds:
        for name, value in rows:
            check(ask(imds, **{name: value}), "failed", name)
        check(ask(imds, **{ENDPOINT: "", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv5"}),
              "failed", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", '"IPv5"')
        tap.equal(imds.requests, [])


@tap.test
def the_profile_may_hold_the_settings_and_variables_win():
    with Imds() as imds, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "config")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"[profile work]\nec2_metadata_service_endpoint = {imds.url}\n"
                       "ec2_metadata_v1_disabled = true\nmetadata_service_num_attempts = 2\n"
                       "metadata_service_timeout = 2\n")
        env = {ENDPOINT: None, "AWS_CONFIG_FILE": path}
        check_found(ask(None, "--profile=work", **env), imds.keys.current())
        imds.replies["role"] = [Reply(500)]
        check_found(ask(None, "--profile=work", **env), imds.keys.current())
        imds.replies["token"] = Reply(404)
        check(ask(None, "--profile=work", **env), "failed", "IMDSv1 is switched off")
        check_found(ask(None, "--profile=work", AWS_EC2_METADATA_V1_DISABLED="false", **env),
                    imds.keys.current())
        with open(path, "w", encoding="ascii") as file:
            file.write("[profile work\n")
        check(ask(imds, AWS_CONFIG_FILE=path), "failed", path)


@tap.test
def keys_near_their_expiry_and_past_it_are_handed_out():
    for lifetime in -86400, -1, 0, 60, 14 * 60, 6 * 3600:
        with Imds(keys=RoleKeys(lifetime=lifetime, prefix="ASIAIMDS")) as imds:
            answers = ask(imds)
            check_found(answers, imds.keys.current())
            left = answers.expiry - time.time()
            tap.ok(lifetime - 10 <= left <= lifetime + 1, f"{left} s left of {lifetime}")


@tap.test
def rotated_keys_are_found_at_the_next_fetch_with_a_new_token():
    with Imds(keys=RoleKeys(rotate_every=1, prefix="ASIAIMDS")) as imds:
        answers = ask(imds, "--fetches=3")
        tap.equal([line["access_key_id"][-1] for line in answers.lines], ["1", "2", "3"])
        tokens = {r.headers.get("x-aws-ec2-metadata-token") for r in imds.requests} - {None}
        tap.equal(len(tokens), 3)


@tap.test
def it_may_be_freed_in_the_middle():
    for kind in "token", "role", "keys":
        with Imds() as imds:
            imds.replies[kind] = Reply(200, "x", delay=20)
            tap.equal(ask(imds, "--cancel", AWS_METADATA_SERVICE_TIMEOUT="60").lines, [])
    with Imds() as imds:  # between two attempts
        imds.replies["token"] = Reply(500)
        tap.equal(ask(imds, "--cancel", AWS_METADATA_SERVICE_NUM_ATTEMPTS="9").lines, [])


@tap.test
def the_region_is_found():
    for zone, region in ("eu-west-1a", "eu-west-1"), ("us-west-2-lax-1a", "us-west-2"):
        with Imds(zone=zone) as imds:
            tap.equal(ask(imds, provider="region").region, region)
            tap.equal(paths(imds), ["PUT " + TOKEN_PATH, "GET " + ZONE_PATH])


@tap.test
def a_region_that_cannot_be_found_is_explained():
    with Imds(zone="nowhere") as imds:
        check(ask(imds, provider="region"), "failed", "no availability zone")
        imds.replies["zone"] = Reply(404)
        check(ask(imds, provider="region"), "failed", "404")
        imds.replies["zone"] = Reply(200, "x", delay=20)
        tap.equal(ask(imds, "--cancel", provider="region").lines, [])
        check(ask(imds, provider="region", AWS_EC2_METADATA_DISABLED="true"), "failed",
              "switched off")


if __name__ == "__main__":
    tap.main()
