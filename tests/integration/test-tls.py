# SPDX-License-Identifier: MIT
"""Both daemons and sqs-local with TLS. With the right authority they work; a wrong certificate is refused with a
reason, and the daemons retry."""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from certificates import Authority
from daemon import FIFO, Daemon, end_all
from sqs_local import SqsLocal

if not shutil.which("openssl"):
    tap.skip_all("openssl is not installed")

DAEMONS = ("sqs-producerd", "sqs-consumerd")
REMEDY = "check aws.ca_bundle (or AWS_CA_BUNDLE), the server's certificate"
PATIENT = {"connect_timeout": 60}  # a busy machine may need long for a handshake
AUTHORITY = None


def works(server, env=None, aws=None):
    for name in DAEMONS:
        daemon = Daemon(name, server, env=env, aws={**PATIENT, **(aws or {})})
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.ok("failed" not in daemon.text, daemon.text)
    tap.equal(len(server.records("deleted")), 5)


@tap.test
def authority_from_the_environment_is_used():
    with SqsLocal(queues=[FIFO], tls=AUTHORITY.certificate()) as server:
        works(server)


@tap.test
def authority_from_the_configuration_is_used():
    with SqsLocal(queues=[FIFO], tls=AUTHORITY.certificate()) as server:
        works(server, env={"AWS_CA_BUNDLE": os.devnull}, aws={"ca_bundle": AUTHORITY.path})


def refused(word, certificate=(), ca_bundle=None):
    """Each daemon logs the reason, sends no request, retries, and can be stopped."""
    with SqsLocal(queues=[FIFO], tls=AUTHORITY.certificate(*certificate)) as server:
        daemons = [Daemon(name, server, env={"AWS_CA_BUNDLE": ca_bundle or AUTHORITY.path}, aws=PATIENT,
                          log={"level": "debug"}) for name in DAEMONS]
        for daemon in daemons:
            line = daemon.wait_for_line("GetQueueAttributes failed: ")
            for part in (word, REMEDY, "trying again"):
                tap.ok(part in line, f"no {part!r} in {line!r}")
            tap.ok("check the network" not in line, line)
            daemon.wait_for_line("(attempt 3)")
            tap.equal(daemon.process.poll(), None, daemon.text)
            daemon.signal()
        for daemon in daemons:
            tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(server.records(), [])


@tap.test
def bundle_without_a_certificate_is_refused_at_the_start_and_by_check_config():
    with SqsLocal(queues=[FIFO], tls=AUTHORITY.certificate()) as server:
        for name in DAEMONS:
            for bundle in os.devnull, "/tmp":
                for arguments in (), ("--check-config",):
                    daemon = Daemon(name, server, env={"AWS_CA_BUNDLE": bundle},
                                    arguments=arguments)
                    tap.equal(daemon.wait(), 78, daemon.text)
                    tap.ok(f'AWS_CA_BUNDLE is "{bundle}", but ' in daemon.text, daemon.text)


@tap.test
def certificate_for_another_host_is_refused():
    refused("127.0.0.1", ("DNS:other.example",))


@tap.test
def expired_certificate_is_refused():
    refused("expired", ("IP:127.0.0.1", True))


@tap.test
def certificate_of_an_unknown_authority_is_refused():
    with Authority() as other:
        refused("certificate", ca_bundle=other.path)


@tap.test
def missing_bundle_is_an_error_of_the_configuration():
    with SqsLocal(queues=[FIFO], tls=AUTHORITY.certificate()) as server:
        for name in DAEMONS:
            for settings, place in (({"env": {"AWS_CA_BUNDLE": "/nonexistent/ca.pem"}}, "AWS_CA_BUNDLE"),
                                    ({"aws": {"ca_bundle": "/nonexistent/ca.pem"}}, "aws.ca_bundle")):
                daemon = Daemon(name, server, **settings)
                tap.equal(daemon.wait(), 78, daemon.text)
                daemon.wait_for_line(f'{place} is "/nonexistent/ca.pem", but this file cannot be read: '
                                     "No such file")


if __name__ == "__main__":
    with Authority() as AUTHORITY:
        try:
            tap.main()
        finally:
            end_all()
