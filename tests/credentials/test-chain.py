# SPDX-License-Identifier: MIT
"""The default chain of credential providers: its order, and the reasons that it gives when it finds no keys."""

import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import credentials_tool
import tap
from container import Container
from imds import Imds
from sts import Sts

TOOL = sys.argv.pop(1)
ARN = "arn:aws:iam::123456789012:role/"


class Everything:
    """Every source of the chain has keys of its own, for the profiles default and work."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="test-chain-")
        self.sts = Sts({"SOURCE": ("SEKRET", None)})
        self.container = Container()
        self.imds = Imds()
        self.config = {"default": {}, "work": {}}
        self.credentials = {"default": {}, "work": {},
                            "source": {"aws_access_key_id": "SOURCE",
                                       "aws_secret_access_key": "SEKRET"}}
        for profile in "default", "work":
            self.config[profile].update(
                role_arn=ARN + profile, source_profile="source",
                credential_process=f"cat {self.path(profile + '.json')}",
                aws_access_key_id="CONFIG-" + profile, aws_secret_access_key="SEKRET")
            self.credentials[profile].update(aws_access_key_id="FILE-" + profile,
                                             aws_secret_access_key="SEKRET")
            self.write(profile + ".json", '{"Version": 1, "AccessKeyId": "PROCESS-%s", '
                       '"SecretAccessKey": "SEKRET"}' % profile)
        self.write("token", "T0KEN")
        self.env = {"AWS_CONFIG_FILE": self.path("config"),
                    "AWS_SHARED_CREDENTIALS_FILE": self.path("credentials"),
                    "AWS_ENDPOINT_URL_STS": self.sts.url,
                    "AWS_ACCESS_KEY_ID": "ENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "SEKRET",
                    "AWS_WEB_IDENTITY_TOKEN_FILE": self.path("token"), "AWS_ROLE_ARN": ARN + "web",
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.container.credentials_url,
                    "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.imds.url,
                    # A stand-in on a slow machine may take longer than a second.
                    "AWS_METADATA_SERVICE_TIMEOUT": "30"}

    def path(self, name):
        return os.path.join(self._folder.name, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def ask(self, *arguments):
        """Asks the chain; returns the access key id, which names the source, or the text of a failure."""
        for name, prefix in ("config", "profile "), ("credentials", ""):
            self.write(name, "".join(
                f"[{'' if profile == 'default' else prefix}{profile}]\n"
                + "".join(f"{k} = {v}\n" for k, v in settings.items())
                for profile, settings in getattr(self, name).items()))
        self.answer = credentials_tool.run(TOOL, "chain", *arguments, env=self.env, metadata=True)
        if self.answer.outcome != "found":
            return self.answer.text
        return self.answer.access_key_id

    def take(self, *keys, profile="default", file="config"):
        for key in keys:
            del getattr(self, file)[profile][key]

    def role(self):
        """The name of the last assumed role."""
        return self.sts.calls[-1]["RoleArn"][len(ARN):]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.sts, self.container, self.imds:
            server.stop()


@tap.test
def sources_are_asked_in_order():
    with Everything() as all_of_them:
        a = all_of_them
        tap.equal(a.ask(), "ENVIRONMENT")
        del a.env["AWS_ACCESS_KEY_ID"]
        tap.matches(a.ask(), "ASIAROLE*")
        tap.equal(a.role(), "default")
        a.take("role_arn", "source_profile")
        tap.matches(a.ask(), "ASIAROLE*")
        tap.equal(a.role(), "web")
        del a.env["AWS_WEB_IDENTITY_TOKEN_FILE"]
        tap.equal(a.ask(), "FILE-default")
        a.take("aws_access_key_id", "aws_secret_access_key", file="credentials")
        tap.equal(a.ask(), "PROCESS-default")
        a.take("credential_process")
        tap.equal(a.ask(), "CONFIG-default")
        a.take("aws_access_key_id", "aws_secret_access_key")
        tap.matches(a.ask(), "ASIACONTAINER*")
        del a.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        tap.matches(a.ask(), "ASIAIMDS*")
        a.env["AWS_EC2_METADATA_DISABLED"] = "true"
        text = a.ask()
        names = ("environment: AWS_ACCESS_KEY_ID is not set",
                 "assume role: profile default has no role_arn",
                 "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set, profile default has no "
                 "web_identity_token_file",
                 "sso: profile default has no sso_account_id",
                 f"shared credentials file: {a.path('credentials')} (profile default has no keys "
                 "there)",
                 "login: profile default has no login_session",
                 "credential_process: profile default has no credential_process",
                 f"config file: {a.path('config')} (profile default has no keys there)",
                 "container: ", "instance metadata: ")
        positions = [text.find(name) for name in names]
        tap.ok(-1 not in positions and positions == sorted(positions), f"{positions} in {text}")


@tap.test
def profile_in_the_settings_skips_the_environment():
    with Everything() as a:
        tap.matches(a.ask("--profile=work"), "ASIAROLE*")
        tap.equal(a.role(), "work")
        a.take("role_arn", "source_profile", profile="work")
        tap.equal(a.ask("--profile=work"), "FILE-work")
        # AWS_PROFILE only selects the profile.
        a.env["AWS_PROFILE"] = "work"
        tap.equal(a.ask(), "ENVIRONMENT")
        del a.env["AWS_ACCESS_KEY_ID"]
        tap.matches(a.ask(), "ASIAROLE*")
        tap.equal(a.role(), "web")
        del a.env["AWS_WEB_IDENTITY_TOKEN_FILE"]
        tap.equal(a.ask(), "FILE-work")
        # Container and instance come last also with a profile.
        a.take("aws_access_key_id", "aws_secret_access_key", profile="work", file="credentials")
        a.take("aws_access_key_id", "aws_secret_access_key", "credential_process", profile="work")
        tap.matches(a.ask("--profile=work"), "ASIACONTAINER*")


@tap.test
def profile_with_a_browser_sign_in_ends_the_chain():
    with Everything() as a:
        del a.env["AWS_ACCESS_KEY_ID"], a.env["AWS_WEB_IDENTITY_TOKEN_FILE"]
        a.take("role_arn", "source_profile")
        a.config["default"]["sso_account_id"] = "123456789012"
        tap.matches(a.ask(), "sso: profile default has sso_account_id: * credential_process = aws "
                             "configure export-credentials --profile default --format process")
        a.take("sso_account_id")
        a.config["default"]["login_session"] = "arn:aws:sts::1:x"
        tap.equal(a.ask(), "FILE-default")
        a.take("aws_access_key_id", "aws_secret_access_key", file="credentials")
        tap.matches(a.ask(), "login: profile default has login_session: *")


@tap.test
def source_that_is_set_up_but_fails_ends_the_chain():
    with Everything() as a:
        del a.env["AWS_SECRET_ACCESS_KEY"]
        tap.matches(a.ask(), "environment: *AWS_SECRET_ACCESS_KEY is not*")
        del a.env["AWS_ACCESS_KEY_ID"]
        a.take("source_profile")
        tap.matches(a.ask(), "assume role: profile default: role_arn is set, but neither*")
        a.take("role_arn")
        a.write("token", "")
        tap.matches(a.ask(), "web identity: AWS_WEB_IDENTITY_TOKEN_FILE*the file is empty")
        del a.env["AWS_WEB_IDENTITY_TOKEN_FILE"]
        a.take("aws_secret_access_key", file="credentials")
        tap.matches(a.ask(), "shared credentials file: *but not aws_secret_access_key*")
        a.take("aws_access_key_id", file="credentials")
        a.config["default"]["credential_process"] = "false"
        tap.matches(a.ask(), "credential_process: *ended with exit status 1*")
        a.take("credential_process", "aws_access_key_id")
        tap.matches(a.ask(), "config file: *but not aws_access_key_id*")
        a.take("aws_secret_access_key")
        a.env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "T0KEN\n"
        tap.matches(a.ask(), "container*AWS_CONTAINER_AUTHORIZATION_TOKEN has a line break*")
        tap.equal(a.imds.requests, [])


@tap.test
def missing_profile_ends_the_chain():
    with Everything() as a:
        tap.matches(a.ask("--profile=nobody"), "shared credentials file: *no profile nobody, *")
        del a.env["AWS_ACCESS_KEY_ID"], a.env["AWS_WEB_IDENTITY_TOKEN_FILE"]
        a.env["AWS_PROFILE"] = "nobody"
        tap.matches(a.ask(), "shared credentials file: *no profile nobody, *")


if __name__ == "__main__":
    tap.main()
