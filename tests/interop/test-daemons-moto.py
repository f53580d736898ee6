# SPDX-License-Identifier: MIT
"""Both daemons on the SQS server of moto, which shares no code with sqs-local. It checks no signatures, but it
implements the protocol of SQS independently."""

import json
import logging
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from daemon import Daemon

try:
    import boto3
    from moto.server import ThreadedMotoServer
except ImportError as missing:
    tap.skip_all(f"python3 cannot import boto3 and moto: {missing}")


logging.getLogger("werkzeug").setLevel(logging.ERROR)


class Moto:
    """The server of moto on a free port, with the members that Daemon uses."""

    def __init__(self):
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.client = boto3.client("sqs", endpoint_url=self.url, region_name="eu-west-1",
                                   aws_access_key_id="AKIDMOTO", aws_secret_access_key="secret")

    def create(self, name, **attributes):
        return self.client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def queue_url(self, name):
        return f"{self.url}/123456789012/{name}"

    def env(self, **more):
        env = {k: v for k, v in os.environ.items() if not k.upper().startswith("AWS_")}
        return {**env, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "AKIDMOTO",
                "AWS_SECRET_ACCESS_KEY": "secret", "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull, **more}

    def stop(self):
        self._server.stop()


moto = Moto()


def check_scenario(name, **attributes):
    moto.create(name, **attributes)
    producer = Daemon("sqs-producerd", moto, queue=name, producer={"messages_to_send": 8})
    tap.equal(producer.wait(), 0, producer.text)
    consumer = Daemon("sqs-consumerd", moto, queue=name)
    tap.equal(consumer.wait(), 0, consumer.text)
    lead = "Message read from queue: Data:"
    read = [line[len(lead):].split()[0] for line in consumer.lines if line.startswith(lead)]
    tap.equal(read if name.endswith(".fifo") else sorted(read), [f"mydata{i}" for i in range(8)])
    deleted = "Message deleted from queue. SQS Message Id:"
    tap.equal(len({line for line in consumer.lines if line.startswith(deleted)}), 8)
    left = moto.client.get_queue_attributes(
        QueueUrl=moto.queue_url(name), AttributeNames=["ApproximateNumberOfMessages",
                                                       "ApproximateNumberOfMessagesNotVisible"])
    tap.equal(set(left["Attributes"].values()), {"0"})


tap.add("the scenario on a FIFO queue", check_scenario, "scenario.fifo", FifoQueue="true")
tap.add("the scenario on a standard queue", check_scenario, "scenario")


@tap.test
def message_of_another_program_is_read_with_its_attributes():
    moto.create("foreign.fifo", FifoQueue="true")
    moto.client.send_message(
        QueueUrl=moto.queue_url("foreign.fifo"), MessageBody=json.dumps({"other": "grüße"}),
        MessageGroupId="g", MessageDeduplicationId="1",
        MessageAttributes={"n": {"DataType": "Number", "StringValue": "7"},
                           "b": {"DataType": "Binary", "BinaryValue": b"\0\1\2"}})
    consumer = Daemon("sqs-consumerd", moto, queue="foreign.fifo")
    tap.equal(consumer.wait(), 0, consumer.text)
    consumer.wait_for_line("Message read from queue: {\"other\": \"gr")
    consumer.wait_for_line("Message deleted from queue. SQS Message Id:")


@tap.test
def missing_queue_fails_the_start():
    for name in ("sqs-producerd", "sqs-consumerd"):
        daemon = Daemon(name, moto, queue="absent.fifo")
        tap.equal(daemon.wait(), 69, daemon.text)
        daemon.wait_for_line("QueueDoesNotExist")


if __name__ == "__main__":
    try:
        tap.main()
    finally:
        moto.stop()
