# SPDX-License-Identifier: MIT
"""AssumeRole and web identity with a stand-in for STS that verifies signatures. The first keys come from each
source that a role can have."""

import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import credentials_tool
import tap
from container import Container
from credentials_tool import check_found, check_no_keys
from imds import Imds
from metrics import free_port
from standin import Reply
from sts import Sts, error

TOOL = sys.argv.pop(1)
ARN = "arn:aws:iam::123456789012:role/"
BASE = ("AKIDBASE", "SEKRET+base/")


class Home:
    """A folder with the shared files, and an environment that names them and `sts`."""

    def __init__(self, sts, config="", credentials="", **env):
        self._folder = tempfile.TemporaryDirectory(prefix="test-roles-")
        self.write("config", config)
        self.write("credentials", credentials)
        self.env = {"AWS_CONFIG_FILE": self.path("config"),
                    "AWS_SHARED_CREDENTIALS_FILE": self.path("credentials"),
                    "AWS_ENDPOINT_URL_STS": sts.url, **env}

    def path(self, name):
        return os.path.join(self._folder.name, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def ask(self, *arguments, **options):
        return credentials_tool.run(TOOL, "chain", *arguments, env=self.env, **options)


def keys_of(profile):
    return (f"[{profile}]\naws_access_key_id = {BASE[0]}\n"
            f"aws_secret_access_key = {BASE[1]}\n")


def new_sts(**options):
    return Sts({BASE[0]: (BASE[1], None)}, **options)


@tap.test
def role_is_assumed_with_the_keys_of_another_profile():
    with new_sts() as sts:
        home = Home(sts, f"[profile work]\nrole_arn = {ARN}work\nsource_profile = base\n"
                         "external_id = a/b:c\nduration_seconds = 1234\nrole_session_name = me@x\n",
                    keys_of("base"))
        answer = home.ask("--profile=work")
        check_found(answer, sts.keys.current())
        tap.equal(answer.source, f"{ARN}work, profile work")
        tap.ok(abs(answer.expiry - time.time() - 3600) < 60)
        tap.equal(sts.calls, [{"Action": "AssumeRole", "Version": "2011-06-15",
                               "RoleArn": ARN + "work", "RoleSessionName": "me@x",
                               "ExternalId": "a/b:c", "DurationSeconds": "1234",
                               "signer": "AKIDBASE"}])


@tap.test
def role_is_assumed_with_the_keys_of_its_own_profile():
    with new_sts() as sts:
        home = Home(sts, f"[default]\nrole_arn = {ARN}x\nsource_profile = default\n",
                    keys_of("default"))
        check_found(home.ask(), sts.keys.current())


@tap.test
def chain_of_roles_is_assumed_in_order():
    with new_sts() as sts:
        home = Home(sts, f"[profile a]\nrole_arn = {ARN}a\nsource_profile = b\n"
                         f"[profile b]\nrole_arn = {ARN}b\nsource_profile = c\n"
                         f"[profile c]\nrole_arn = {ARN}c\nsource_profile = d\n",
                    keys_of("d"))
        check_found(home.ask("--profile=a"), sts.keys.current())
        tap.equal([call["RoleArn"][-1] for call in sts.calls], ["c", "b", "a"])
        tap.equal([call["signer"] for call in sts.calls],
                  ["AKIDBASE", "ASIAROLE00001", "ASIAROLE00002"])


@tap.test
def role_is_assumed_with_keys_from_the_environment():
    config = f"[profile work]\nrole_arn = {ARN}work\ncredential_source = Environment\n"
    with new_sts() as sts:
        home = Home(sts, config, AWS_ACCESS_KEY_ID=BASE[0], AWS_SECRET_ACCESS_KEY=BASE[1])
        check_found(home.ask("--profile=work"), sts.keys.current())
        tap.equal(sts.calls[0]["signer"], "AKIDBASE")
        check_no_keys(Home(sts, config).ask("--profile=work"),
                      "profile work: no keys from its credential_source", "AWS_ACCESS_KEY_ID is not set")


@tap.test
def role_is_assumed_with_keys_from_a_container():
    config = f"[default]\nrole_arn = {ARN}x\ncredential_source = EcsContainer\n"
    with new_sts() as sts, Container() as container:
        sts.signers[container.keys.current()[0]] = container.keys.current()[1:]
        home = Home(sts, config, AWS_CONTAINER_CREDENTIALS_FULL_URI=container.credentials_url)
        check_found(home.ask(), sts.keys.current())
        tap.equal(sts.calls[0]["signer"], container.keys.current()[0])


@tap.test
def role_is_assumed_with_keys_from_the_instance():
    config = f"[default]\nrole_arn = {ARN}x\ncredential_source = Ec2InstanceMetadata\n"
    with new_sts() as sts, Imds(port=free_port()) as imds:
        sts.signers[imds.keys.current()[0]] = imds.keys.current()[1:]
        home = Home(sts, config, AWS_EC2_METADATA_SERVICE_ENDPOINT=imds.url, AWS_METADATA_SERVICE_TIMEOUT="30")
        check_found(home.ask(metadata=True), sts.keys.current())
        tap.equal(sts.calls[0]["signer"], imds.keys.current()[0])
    # The profile says that the instance has keys, so a service that does not answer is waited for.
    check_no_keys(home.ask(metadata=True), "from its credential_source", "onnect", outcome="unreachable")


@tap.test
def role_is_assumed_with_keys_from_a_process():
    with new_sts() as sts:
        home = Home(sts)
        home.write("keys.json", '{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "%s"}'
                   % BASE)
        home.write("config", f"[default]\nrole_arn = {ARN}x\nsource_profile = base\n"
                             f"[profile base]\ncredential_process = cat {home.path('keys.json')}\n")
        check_found(home.ask(), sts.keys.current())
        tap.equal(sts.calls[0]["signer"], "AKIDBASE")


@tap.test
def role_is_assumed_with_keys_from_a_web_identity():
    with new_sts() as sts:
        home = Home(sts)
        home.write("token", "eyJ.T0KEN")
        home.write("config", f"[default]\nrole_arn = {ARN}x\nsource_profile = base\n"
                             f"[profile base]\nrole_arn = {ARN}base\n"
                             f"web_identity_token_file = {home.path('token')}\n")
        check_found(home.ask(), sts.keys.current())
        tap.equal([(c["RoleArn"], c["signer"]) for c in sts.calls],
                  [(ARN + "base", None), (ARN + "x", "ASIAROLE00001")])


@tap.test
def source_profile_ignores_the_environment():
    with new_sts() as sts:
        home = Home(sts, f"[profile work]\nrole_arn = {ARN}x\nsource_profile = base\n"
                         "[profile base]\nregion = eu-west-1\n",
                    AWS_WEB_IDENTITY_TOKEN_FILE="/nonexistent", AWS_ROLE_ARN=ARN + "y")
        check_no_keys(home.ask("--profile=work"), "profile work: no keys from its source_profile",
                      "web identity: profile base has no web_identity_token_file",
                      "config file: ", "(profile base has no keys there)")
        tap.equal(sts.calls, [])


@tap.test
def web_identity_from_the_environment_gets_its_role():
    with new_sts() as sts:
        sts.web_identity_tokens = {"eyJ.T0KEN"}
        home = Home(sts, AWS_ROLE_ARN=ARN + "pod", AWS_ROLE_SESSION_NAME="pod-1")
        home.write("token", "eyJ.T0KEN")
        home.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = home.path("token")
        answer = home.ask()
        check_found(answer, sts.keys.current())
        tap.equal(answer.source, f"{ARN}pod, web identity")
        tap.equal(sts.calls[0]["RoleSessionName"], "pod-1")

        home.write("token", "eyJ.T0KEN.other")
        check_no_keys(home.ask(), "web identity: AssumeRoleWithWebIdentity of " + ARN + "pod at 127.0.0.1:",
                      "InvalidIdentityToken: The token cannot be validated.")


def simple(sts):
    return Home(sts, f"[default]\nrole_arn = {ARN}x\nsource_profile = base\n", keys_of("base"))


@tap.test
def refusal_by_sts_is_not_retried_and_has_the_reason():
    with new_sts() as sts:
        home = simple(sts)
        sts.reply = error("AccessDenied", 403, "User: a is not authorized to perform: b")
        check_no_keys(home.ask(), f"assume role: profile default: AssumeRole of {ARN}x at 127.0.0.1:",
                      "failed: AccessDenied: User: a is not authorized to perform: b")
        tap.equal(len(sts.requests), 1)
        sts.reply = None
        sts.signers["AKIDBASE"] = ("SEKRET+another", None)
        check_no_keys(home.ask(), "SignatureDoesNotMatch: The request signature we calculated")
        del sts.signers["AKIDBASE"]
        check_no_keys(home.ask(), "InvalidClientTokenId")
        tap.equal(len(sts.requests), 3)


@tap.test
def temporary_failure_of_sts_is_retried():
    with new_sts() as sts:
        for replies in ([error("IDPCommunicationError")], [Reply(503, "<html>down</html>")] * 2,
                        [Reply(200, "garbage")], [error("Throttling", 400, "Rate exceeded")]):
            before = len(sts.requests)
            sts.reply = list(replies)
            check_found(simple(sts).ask(), sts.keys.current())
            tap.equal(len(sts.requests) - before, len(replies) + 1)


@tap.test
def lasting_failure_of_sts_is_tried_three_times():
    with new_sts() as sts:
        for reply, words in ((Reply(503, "down"), "failed 3 times: HTTP status 503"),
                             (Reply(200, "garbage"), "failed 3 times: a damaged reply: line 1")):
            before = len(sts.requests)
            sts.reply = reply
            check_no_keys(simple(sts).ask(), words, outcome="unreachable")
            tap.equal(len(sts.requests) - before, 3)


@tap.test
def clock_an_hour_off_costs_one_more_request():
    for offset in (3600, -3600):
        with new_sts() as sts:
            sts.clock_offset = offset
            home = simple(sts)
            answer = home.ask()
            check_found(answer, sts.keys.current())
            # The expiry is on AWS's clock, which is right.
            tap.ok(abs(answer.expiry - time.time() - offset - 3600) < 60, str(answer))
            tap.equal(len(sts.requests), 2)


@tap.test
def keys_expired_by_the_local_clock_are_returned():
    with new_sts() as sts:
        sts.keys.lifetime = -10
        check_found(simple(sts).ask(), sts.keys.current())


@tap.test
def unreachable_sts_is_named():
    with new_sts(port=free_port()) as sts:
        home = simple(sts)
        port = sts.port
    check_no_keys(home.ask(), f"at 127.0.0.1:{port} failed 3 times: ", "onnect", outcome="unreachable")


if __name__ == "__main__":
    tap.main()
