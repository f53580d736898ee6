# SPDX-License-Identifier: MIT
"""Both daemons with keys from other sources than the environment: roles, web identities, files, metadata; and keys
that are replaced while the daemons run."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from container import Container
from daemon import FIFO, Daemon, end_all, stopped
from imds import Imds
from metrics import free_port
from role_keys import RoleKeys
from shifted_clock import Clock
from sqs_local import SqsLocal
from standin import Reply
from sts import Sts, error

ROLE = "arn:aws:iam::123456789012:role/queue-user"
KEYS = ("ASIADAEMON", "SEKRET+daemon", "T0KEN/daemon=")
NO_KEYS = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SESSION_TOKEN": None}


def new_server():
    """Starts a server that accepts only the role's keys."""
    return SqsLocal(queues=[FIFO], access_key_id=KEYS[0], secret_access_key=KEYS[1],
                    session_token=KEYS[2])


def new_sts(port=0):
    return Sts({"AKIDBASE": ("SEKRET+base", None)}, port=port, keys=RoleKeys(fixed=KEYS, lifetime=3600))


def write(daemon_or_folder, name, text):
    path = os.path.join(daemon_or_folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def role_env(folder, sts_url):
    return {**NO_KEYS, "AWS_ENDPOINT_URL_STS": sts_url,
            "AWS_CONFIG_FILE": write(folder, "config",
                                     f"[default]\nrole_arn = {ROLE}\nsource_profile = base\n"),
            "AWS_SHARED_CREDENTIALS_FILE": write(
                folder, "credentials", "[base]\naws_access_key_id = AKIDBASE\n"
                                       "aws_secret_access_key = SEKRET+base\n")}


def metadata_env(port):
    # A stand-in on a slow machine may take longer than a second.
    return {**NO_KEYS, "AWS_EC2_METADATA_DISABLED": None, "AWS_METADATA_SERVICE_TIMEOUT": "15",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{port}"}


def new_folder(server):
    return Daemon("sqs-producerd", server, arguments=["--version"]).folder


def no_secret(daemon):
    tap.ok("SEKRET" not in daemon.text and "T0KEN" not in daemon.text, daemon.text)


@tap.test
def role_keys_are_used_by_both_daemons():
    with new_server() as server, new_sts() as sts:
        env = role_env(new_folder(server), sts.url)
        producer = Daemon("sqs-producerd", server, env=env)
        tap.equal(producer.wait(), 0, producer.text)
        consumer = Daemon("sqs-consumerd", server, env=env)  # it ends when the queue is empty
        tap.equal(consumer.wait(), 0, consumer.text)
        tap.equal(len(server.records("deleted")), 5)
        # Each daemon assumes the role once, and keeps the keys for its whole run.
        tap.equal([call["RoleArn"] for call in sts.calls], [ROLE, ROLE])
        no_secret(producer)
        no_secret(consumer)


@tap.test
def web_identity_keys_are_used_by_both_daemons():
    with new_server() as server, new_sts() as sts:
        sts.web_identity_tokens = {"eyJ.T0KEN"}
        folder = new_folder(server)
        producer = Daemon("sqs-producerd", server, env={
            **NO_KEYS, "AWS_ENDPOINT_URL_STS": sts.url, "AWS_ROLE_ARN": ROLE,
            "AWS_WEB_IDENTITY_TOKEN_FILE": write(folder, "token", "eyJ.T0KEN")})
        tap.equal(producer.wait(), 0, producer.text)
        tap.equal([call["Action"] for call in sts.calls], ["AssumeRoleWithWebIdentity"])
        no_secret(producer)


@tap.test
def keys_that_expire_soon_are_replaced_without_losing_a_message():
    with new_server() as server, new_sts() as sts:
        sts.keys.lifetime = 5
        start = time.monotonic()
        producer = Daemon("sqs-producerd", server, env=role_env(new_folder(server), sts.url),
                          producer={"messages_to_send": 0, "send_interval": 0.2})
        # Keys that come after their expiry are used for a minute.
        tap.wait_until(lambda: len(sts.calls) >= 3, 180, "the third look-up")
        producer.stop()
        tap.equal(len(server.records("sent")), sum("SQS Response: Status:200" in line for line in producer.lines))
        # The expiry has whole seconds.
        most = 2 + (time.monotonic() - start) / (sts.keys.lifetime - 1)
        tap.ok(len(sts.calls) <= most, f"{len(sts.calls)} look-ups")
        tap.ok("failed" not in producer.text, producer.text)


def wait_for(server, event, count):
    """Waits for so many records: for ever, as long as each minute brings another."""
    while len(found := server.records(event)) < count:
        server.wait_for_records(event, len(found) + 1)


def wait_for_both_daemons(server):
    """Waits for more sends and deletes: then neither daemon looks for keys any more, if the old ones are refused."""
    sent, deleted = (len(server.records(event)) for event in ("sent", "deleted"))
    wait_for(server, "sent", sent + 30)
    wait_for(server, "deleted", deleted + 50)


def keys_file(key, secret):
    return f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"


def replace_keys_file(folder, key, secret):
    """As tools that rotate keys do: a new file is renamed to the old one."""
    os.rename(write(folder, "new", keys_file(key, secret)), os.path.join(folder, "credentials"))


def replaced_under_load(grace):
    """Keys in a file are replaced four times while both daemons work; the server refuses the old ones `grace`
    seconds later. No message is lost or sent twice, and no failure is logged."""
    with SqsLocal(queues=[FIFO], access_key_id="AKID0", secret_access_key="SEKRET0") as server:
        folder = new_folder(server)
        env = {**NO_KEYS, "AWS_SHARED_CREDENTIALS_FILE": write(folder, "credentials",
                                                               keys_file("AKID0", "SEKRET0"))}
        daemons = [Daemon(name, server, env=env, producer={"messages_to_send": 0},
                          consumer={"exit_after_empty_receives": 0, "max_messages": 10})
                   for name in ("sqs-producerd", "sqs-consumerd")]
        for i in range(1, 5):
            wait_for_both_daemons(server)
            # No daemon reads the new file before the server accepts the new keys.
            with stopped(daemons[0].process), stopped(daemons[1].process):
                replace_keys_file(folder, f"AKID{i}", f"SEKRET{i}")
                server.set_credentials(f"AKID{i}", f"SEKRET{i}", grace=grace)
        wait_for_both_daemons(server)
        daemons[0].signal()
        tap.equal(daemons[0].wait(), 0, daemons[0].text)
        sent = [r["message_id"] for r in server.records("sent")]
        wait_for(server, "deleted", len(sent))
        daemons[1].signal()
        tap.equal(daemons[1].wait(), 0, daemons[1].text)
        tap.equal([r["message_id"] for r in server.records("deleted")], sent)
        for daemon in daemons:
            tap.ok("failed" not in daemon.text and "again" not in daemon.text, daemon.text)
            no_secret(daemon)


tap.add("keys replaced in a file under load while the old ones are still accepted cause no failure",
        replaced_under_load, 60)
tap.add("keys replaced in a file under load while the old ones are refused cause no failure",
        replaced_under_load, 0)


@tap.test
def changed_keys_file_is_read_before_the_old_keys_are_refused():
    with SqsLocal(queues=[FIFO], access_key_id="AKID0", secret_access_key="SEKRET0") as server:
        folder = new_folder(server)
        path = write(folder, "credentials", keys_file("AKID0", "SEKRET0"))
        producer = Daemon("sqs-producerd", server, producer={"messages_to_send": 0},
                          env={**NO_KEYS, "AWS_SHARED_CREDENTIALS_FILE": path})
        server.wait_for_records("sent", 10)
        replace_keys_file(folder, "AKIDNEW", "SEKRETNEW")
        producer.wait_for_line("failed")  # the server does not accept the new keys yet
        server.set_credentials("AKIDNEW", "SEKRETNEW")
        producer.wait_for_line("answers again", seconds=150)
        producer.stop()
        no_secret(producer)


@tap.test
def instance_keys_are_replaced_under_load():
    with SqsLocal(queues=[FIFO], access_key_id=KEYS[0], secret_access_key=KEYS[1],
                  session_token=KEYS[2]) as server, Imds(keys=RoleKeys(fixed=KEYS)) as imds:
        env = metadata_env(imds.port)
        daemons = [Daemon(name, server, env=env, producer={"messages_to_send": 0},
                          consumer={"exit_after_empty_receives": 0, "max_messages": 10})
                   for name in ("sqs-producerd", "sqs-consumerd")]
        for i in range(3):
            wait_for_both_daemons(server)
            new = (f"ASIANEW{i}", f"SEKRET{i}", f"T0KEN{i}")
            imds.keys.rotate(fixed=new)
            server.set_credentials(*new)
        wait_for_both_daemons(server)
        for daemon in daemons:
            daemon.stop()
            tap.ok("failed" not in daemon.text, daemon.text)
            no_secret(daemon)
        deleted = [r["message_id"] for r in server.records("deleted")]
        tap.equal(deleted, [r["message_id"] for r in server.records("sent")][:len(deleted)])


@tap.test
def refused_role_fails_the_start_with_the_reason():
    with new_server() as server, new_sts() as sts:
        sts.reply = error("AccessDenied", 403, "User: base is not authorized")
        daemon = Daemon("sqs-producerd", server, env=role_env(new_folder(server), sts.url))
        tap.equal(daemon.wait(), 77, daemon.text)
        line = daemon.wait_for_line("Cannot start")
        tap.ok(f"assume role: profile default: AssumeRole of {ROLE} at 127.0.0.1:" in line, line)
        tap.ok("AccessDenied: User: base is not authorized" in line, line)
        no_secret(daemon)


REACH = "check that this machine can reach the source of the keys"


def waits_for_keys(server, env, mend, *words, advice=REACH):
    """Both daemons start while their keys cannot be had, log the reason, and work after mend(). `words`: the line has
    each of them; of a tuple, one."""
    daemons = [Daemon(name, server, env=env) for name in ("sqs-producerd", "sqs-consumerd")]
    for daemon in daemons:
        line = daemon.wait_for_line("GetQueueAttributes failed")
        for word in (*words, "trying again", advice):
            either = word if isinstance(word, tuple) else (word,)
            tap.ok(any(w in line for w in either), f"no {word!r} in {line!r}")
        tap.ok("/etc/credstore" not in daemon.text, daemon.text)
    mend()
    for daemon in daemons:
        tap.equal(daemon.wait(), 0, daemon.text)
        daemon.wait_for_line("The queue answers again")
        no_secret(daemon)
    # The consumer may end before the producer sends.
    tap.equal(len(server.records("sent")), 5)


@tap.test
def daemons_wait_for_sts_that_is_away_at_the_start():
    port = free_port()
    with new_server() as server:
        env = role_env(new_folder(server), f"http://127.0.0.1:{port}")
        later = []

        def mend():
            later.append(new_sts(port=port))
        try:
            waits_for_keys(server, env, mend, f"AssumeRole of {ROLE} at 127.0.0.1:{port}",
                           "failed 3 times")
        finally:
            for each in later:
                each.stop()


@tap.test
def daemons_wait_for_sts_behind_a_portal_at_the_start():
    with new_server() as server, new_sts() as sts:
        sts.reply = Reply(302, "", headers=[("Location", "http://portal.invalid/")])

        def mend():
            sts.reply = None
        waits_for_keys(server, role_env(new_folder(server), sts.url), mend, "HTTP status 302",
                       advice="check the proxy (https_proxy), whether this network requires a sign-in")


@tap.test
def daemons_wait_for_metadata_that_fails_at_the_start():
    with new_server() as server, Imds(keys=RoleKeys(fixed=KEYS)) as imds:
        imds.replies["keys"] = Reply(503)
        waits_for_keys(server, metadata_env(imds.port), lambda: imds.replies.pop("keys"), "HTTP status 503")


@tap.test
def daemons_wait_for_metadata_that_does_not_answer_at_the_start():
    port = free_port()
    with new_server() as server:
        daemons = [Daemon(name, server, env=metadata_env(port))
                   for name in ("sqs-producerd", "sqs-consumerd")]
        for daemon in daemons:
            line = daemon.wait_for_line("GetQueueAttributes failed")
            for word in ("no AWS credentials were found", "does not answer (yet)", "aws configure",
                         "Looked at environment: AWS_ACCESS_KEY_ID is not set", str(port)):
                tap.ok(word in line, f"no {word!r} in {line!r}")
        with Imds(port=port, keys=RoleKeys(fixed=KEYS)):
            for daemon in daemons:
                tap.equal(daemon.wait(), 0, daemon.text)
                no_secret(daemon)
        tap.equal(len(server.records("sent")), 5)


for reply in Reply(404), Reply(200, ""):
    @tap.test(f"metadata without a role (status {reply.status}) fails the start")
    def no_role(reply=reply):
        with new_server() as server, Imds() as imds:
            imds.replies["role"] = reply
            daemon = Daemon("sqs-producerd", server, env=metadata_env(imds.port))
            tap.equal(daemon.wait(), 77, daemon.text)
            tap.ok("no AWS credentials were found" in daemon.text, daemon.text)
            tap.ok("GetQueueAttributes failed" not in daemon.text, daemon.text)


@tap.test
def metadata_lost_while_running_is_named_and_waited_for():
    with new_server() as server, Imds(port=free_port(), keys=RoleKeys(fixed=KEYS)) as imds:
        producer = Daemon("sqs-producerd", server, env=metadata_env(imds.port),
                          producer={"messages_to_send": 0})
        server.wait_for_records("sent", 5)
        imds.stop()
        new = ("ASIANEW", "SEKRET+new", "T0KEN/new")
        server.set_credentials(*new)
        line = producer.wait_for_line("instance metadata: http")
        tap.ok(REACH in line, line)
        tap.ok("aws configure" not in producer.text and "/etc/credstore" not in producer.text,
               producer.text)
        with Imds(port=imds.port, keys=RoleKeys(fixed=new)):
            producer.wait_for_line("answers again", seconds=150)
            producer.stop()
        no_secret(producer)


def write_program(folder, text):
    program = write(folder, "get-keys", f"#!/bin/sh\n{text}\n")
    os.chmod(program, 0o700)
    return {**NO_KEYS, "AWS_CONFIG_FILE":
            write(folder, "config", f"[default]\ncredential_process = {program}\n")}


def count_lines(path):
    with open(path, encoding="utf-8") as file:
        return len(file.readlines())


def process_keys(expiration):
    return json.dumps({"Version": 1, "AccessKeyId": KEYS[0], "SecretAccessKey": KEYS[1],
                       "SessionToken": KEYS[2], "Expiration": expiration})


@tap.test
def keys_of_every_source_are_used_with_a_clock_hours_ahead():
    """Keys have expired by this machine's clock, but not by AWS's. Each source is asked once; the container's again
    when it has not answered for two seconds, and after a pause of one."""
    with new_server() as server, new_sts() as sts, Imds(keys=RoleKeys(fixed=KEYS, lifetime=3600)) as imds, \
            Container(keys=RoleKeys(fixed=KEYS, lifetime=3600)) as container, Clock() as clock:
        clock.set(10 * 3600)
        folder = new_folder(server)
        runs = os.path.join(folder, "runs")
        keys = process_keys(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600)))
        sts.web_identity_tokens = {"eyJ.T0KEN"}
        places = {
            "imds": (metadata_env(imds.port), lambda: imds.keys.n_answers),
            "container": ({**NO_KEYS, "AWS_CONTAINER_CREDENTIALS_FULL_URI": container.credentials_url},
                          lambda: container.keys.n_answers),
            "process": (write_program(folder, f"echo run >>{runs}\necho '{keys}'"),
                        lambda: count_lines(runs)),
            "web identity": ({**NO_KEYS, "AWS_ENDPOINT_URL_STS": sts.url, "AWS_ROLE_ARN": ROLE,
                              "AWS_WEB_IDENTITY_TOKEN_FILE": write(folder, "token", "eyJ.T0KEN")},
                             lambda: len(sts.calls)),
        }
        begun = time.monotonic()
        producers = {name: Daemon("sqs-producerd", server, env={**env, **clock.env})
                     for name, (env, _) in places.items()}
        for name, producer in producers.items():
            tap.equal(producer.wait(), 0, f"{name}: {producer.text}")
            tap.ok("ahead of AWS's" in producer.text, f"{name}: {producer.text}")
            tap.ok("failed" not in producer.text, f"{name}: {producer.text}")
            repeats = (time.monotonic() - begun) // 2.9 if name == "container" else 0
            tap.ok(1 <= places[name][1]() <= 1 + repeats, f"{name}: {places[name][1]()}")
            no_secret(producer)


@tap.test
def expired_keys_are_used_until_aws_refuses_them():
    with new_server() as server:
        server.set_credentials(*KEYS, expire_after=0)
        folder = new_folder(server)
        runs = os.path.join(folder, "runs")
        env = write_program(folder, f"echo run >>{runs}\necho '{process_keys('2001-01-01T00:00:00Z')}'")
        producer = Daemon("sqs-producerd", server, env=env)
        tap.equal(producer.wait(), 77, producer.text)
        line = producer.wait_for_line("Cannot start")
        tap.ok("ExpiredToken" in line and "renew the keys there" in line, line)
        tap.equal(count_lines(runs), 2)


@tap.test
def credential_process_that_fails_is_logged_with_its_reason():
    with new_server() as server:
        folder = new_folder(server)
        program = write(folder, "get-keys", "#!/bin/sh\necho 'vault; is: sealed' >&2\nexit 3\n")
        os.chmod(program, 0o700)
        config = write(folder, "config", f"[default]\ncredential_process = {program}\n")
        daemon = Daemon("sqs-producerd", server, env={**NO_KEYS, "AWS_CONFIG_FILE": config})
        tap.equal(daemon.wait(), 77, daemon.text)
        line = daemon.wait_for_line("Cannot start")
        tap.ok("ended with exit status 3; it says: vault; is: sealed" in line, line)
        tap.ok("no AWS credentials were found" not in line and "aws configure" not in line, line)


@tap.test
def keys_file_readable_by_all_is_warned_of_once():
    for mode, n in (0o644, 1), (0o600, 0), (0o640, 0):
        with SqsLocal(queues=[FIFO], access_key_id="AKID0", secret_access_key="SEKRET0") as server:
            path = write(new_folder(server), "credentials", keys_file("AKID0", "SEKRET0"))
            os.chmod(path, mode)
            producer = Daemon("sqs-producerd", server,
                              env={**NO_KEYS, "AWS_SHARED_CREDENTIALS_FILE": path})
            tap.equal(producer.wait(), 0, producer.text)
            tap.equal(len([l for l in producer.lines if f"{path} contains secret keys" in l]), n,
                      producer.text)


@tap.test
def config_file_readable_by_all_is_warned_of_only_when_it_has_keys():
    for text, n in ("[default]\nregion = eu-west-1\n", 0), (keys_file("AKID0", "SEKRET0"), 1):
        with SqsLocal(queues=[FIFO], access_key_id="AKID0", secret_access_key="SEKRET0") as server:
            path = write(new_folder(server), "config", text)
            os.chmod(path, 0o644)
            checked = Daemon("sqs-producerd", server, arguments=["--check-config"],
                             env={**NO_KEYS, "AWS_CONFIG_FILE": path})
            tap.equal(checked.wait(), 0, checked.text)
            tap.equal(checked.text.count(f"{path} contains secret keys"), n, checked.text)


@tap.test
def invalid_watchdog_variable_is_named():
    for value in "0", "soon", "-1":
        with SqsLocal(queues=[FIFO]) as server:
            daemon = Daemon("sqs-consumerd", server, env={"WATCHDOG_USEC": value})
            tap.equal(daemon.wait(), 71, daemon.text)
            tap.ok("WATCHDOG_USEC" in daemon.text, daemon.text)


@tap.test
def daemons_wait_for_a_container_endpoint_that_fails_at_the_start():
    with new_server() as server, Container(keys=RoleKeys(fixed=KEYS)) as container:
        container.reply = Reply(500)

        def mend():
            container.reply = None
        # On a slow machine the answer may come after more than two seconds, when nobody waits for it any more.
        waits_for_keys(server, {**NO_KEYS, "AWS_CONTAINER_CREDENTIALS_FULL_URI":
                                container.credentials_url}, mend, ("HTTP status 500", "timed out"))


@tap.test
def endpoint_in_the_profile_is_used():
    with SqsLocal(queues=[FIFO]) as server:
        folder = new_folder(server)
        config = write(folder, "config", "[default]\nregion = eu-west-1\nservices = here\n"
                                         f"[services here]\nsqs =\n  endpoint_url = {server.url}\n")
        text = ('aws = { queue_url = "' + server.queue_url("test.fifo") + '"; };\n'
                "producer = { start_delay = 0.0; messages_to_send = 3; send_interval = 0.01; };\n")
        producer = Daemon("sqs-producerd", server, config=text, env={"AWS_CONFIG_FILE": config})
        tap.equal(producer.wait(), 0, producer.text)
        tap.equal(len(server.records("sent")), 3)

        checked = Daemon("sqs-producerd", server, config=text, env={"AWS_CONFIG_FILE": config},
                         arguments=["--check-config"])
        tap.equal(checked.wait(), 0, checked.text)
        out = checked.stdout()
        tap.ok("# region: eu-west-1 (from the profile)\n" in out, out)
        tap.ok(f"# requests go to: {server.url}/ (from the profile's services)\n" in out, out)

        broken = Daemon("sqs-producerd", server, config=text, env={
            "AWS_CONFIG_FILE": write(folder, "config", "[default]\nservices = there\n")})
        tap.equal(broken.wait(), 78, broken.text)
        tap.ok('services in the profile is "there"' in broken.text, broken.text)


if __name__ == "__main__":
    try:
        tap.main()
    finally:
        end_all()
