# SPDX-License-Identifier: MIT
"""sqs-local with TLS, and Python's ssl as the client. Needs only the standard library and openssl."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from certificates import Authority
from sqs_local import SqsLocal

if not shutil.which("openssl"):
    tap.skip_all("openssl is not installed")

AUTHORITY = None


@tap.test
def operations_work_over_tls():
    with SqsLocal(["test.fifo"], tls=AUTHORITY.certificate()) as server:
        tap.equal(server.url, f"https://127.0.0.1:{server.port}")
        connection = server.connection()
        body = "x" * 200000
        sent = sqs.call(server, "SendMessage", connection=connection, MessageBody=body,
                        QueueUrl=server.queue_url("test.fifo"), MessageGroupId="g",
                        MessageDeduplicationId="d")
        for _ in range(50):
            reply = sqs.call(server, "GetQueueUrl", connection=connection, QueueName="test.fifo")
            tap.equal(reply["QueueUrl"], f"{server.url}/000000000000/test.fifo")
        connection.close()
        message = sqs.receive(server)[0]
        tap.equal((message["MessageId"], message["Body"]), (sent["MessageId"], body))
        tap.equal(server.env()["AWS_CA_BUNDLE"], AUTHORITY.path)


@tap.test
def long_poll_over_tls_gets_its_message_unless_its_client_has_closed():
    with SqsLocal(["test.fifo"], tls=AUTHORITY.certificate()) as server:
        server.set_faults("ReceiveMessage:error-500:p=0")  # it counts them
        left = server.connection()
        parameters = (b'{"QueueUrl":"' + server.queue_url("test.fifo").encode() +
                      b'","WaitTimeSeconds":20}')
        headers = sqs.signed_headers(server, "ReceiveMessage", parameters)
        left.request("POST", "/", parameters, headers)
        tap.wait_until(lambda: server.faults()[0]["requests"] == 1, message="the poll at the server")
        left.close()
        waiting = server.connection()
        waiting.request("POST", "/", parameters, headers)
        tap.wait_until(lambda: server.faults()[0]["requests"] == 2, message="the second poll")
        sqs.send(server, "hello")
        reply = waiting.getresponse()
        tap.ok(b'"Body":"hello"' in reply.read())
        waiting.close()
        tap.equal([r["receive_count"] for r in server.records("received")], [1])


@tap.test
def faults_and_round_trips_work_over_tls():
    with SqsLocal(["test.fifo"], tls=AUTHORITY.certificate(), rtt_ms=400) as server:
        connection = server.connection()
        connection.connect()
        start = time.monotonic()
        sqs.call(server, "ListQueues", connection=connection)
        took = time.monotonic() - start
        tap.ok(took > 1.0, f"with its handshake it took {took} s")
        connection.close()
        server.set_faults("ListQueues:drop-after")
        try:
            sqs.call(server, "ListQueues")
            raise AssertionError("there was a reply")
        except (ConnectionError, ssl.SSLError):
            pass


def handshake(server, context, name="127.0.0.1"):
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as plain:
        with context.wrap_socket(plain, server_hostname=name) as connection:
            return connection.version()


@tap.test
def tls_1_2_and_1_3_are_accepted():
    with SqsLocal(tls=AUTHORITY.certificate()) as server:
        context = ssl.create_default_context(cafile=AUTHORITY.path)
        tap.equal(handshake(server, context), "TLSv1.3")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        tap.equal(handshake(server, context), "TLSv1.2")


@tap.test
def certificate_that_is_expired_or_of_another_name_or_authority_is_refused():
    def why(certificate):
        with SqsLocal(tls=certificate) as server:
            try:
                handshake(server, ssl.create_default_context(cafile=AUTHORITY.path))
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
        return "nothing is wrong"

    tap.ok("mismatch" in why(AUTHORITY.certificate(name="DNS:sqs.example")))
    tap.ok("expired" in why(AUTHORITY.certificate(expired=True)))
    with Authority() as other:
        tap.ok("issuer" in why(other.certificate()))


@tap.test
def plain_http_gets_no_answer():
    with SqsLocal(tls=AUTHORITY.certificate()) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                tap.ok(not plain.recv(100).startswith(b"HTTP/"))
            except ConnectionResetError:
                pass
        sqs.call(server, "ListQueues")


@tap.test
def invalid_certificate_or_key_file_is_refused():
    good = AUTHORITY.certificate()
    other = AUTHORITY.certificate()
    with SqsLocal() as server:
        binary = server.binary
    for arguments, word in (((f"--tls-cert={good.path}",), "--tls-key"),
                            ((f"--tls-key={good.key}",), "--tls-cert"),
                            ((f"--tls-cert={good.path}", "--tls-key=/nonexistent"), "/nonexistent"),
                            ((f"--tls-cert={good.key}", f"--tls-key={good.key}"), good.key),
                            ((f"--tls-cert={good.path}", f"--tls-key={other.key}"), other.key),
                            (("--tls-cert=/dev/null", f"--tls-key={good.key}"), "/dev/null")):
        run = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60,
                             check=False)
        tap.equal((run.returncode, run.stdout), (1, ""), run.stderr)
        tap.ok(word in run.stderr, run.stderr)


if __name__ == "__main__":
    with Authority() as AUTHORITY:
        tap.main()
