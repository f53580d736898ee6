# SPDX-License-Identifier: MIT
"""A small SQS client for the tests. It has its own SigV4 signer and shares no code with src. Needs only the
standard library."""

import datetime
import hashlib
import hmac
import json


class Error(Exception):
    """An error of SQS; `code`: the name of its shape, `query_code`: its code in the query protocol."""

    def __init__(self, status, body, query_error=""):
        super().__init__(f"{status} {body}")
        self.status = status
        self.code = body.get("__type", "").rsplit("#", 1)[-1]
        self.query_code = query_error.split(";")[0]
        self.message = body.get("message", "")


def signed_headers(server, operation, body, region="eu-west-1"):
    """Returns the headers of a request with this body (bytes)."""
    host = f"127.0.0.1:{server.port}"
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {"content-type": "application/x-amz-json-1.0", "host": host, "x-amz-date": now,
               "x-amz-target": f"AmazonSQS.{operation}", "x-amzn-query-mode": "true"}
    if server.session_token:
        headers["x-amz-security-token"] = server.session_token
    names = ";".join(sorted(headers))
    canonical = "\n".join(["POST", "/", ""] + [f"{n}:{headers[n]}" for n in sorted(headers)]
                          + ["", names, hashlib.sha256(body).hexdigest()])
    scope = f"{now[:8]}/{region}/sqs/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + server.secret_access_key).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={server.access_key_id}/{scope}, "
                                f"SignedHeaders={names}, Signature={signature}")
    return headers


def call(server, operation, *, connection=None, region="eu-west-1", headers=None, **parameters):
    """Calls an operation of an SqsLocal; returns the JSON of the reply. Raises Error. `connection`: that of
    server.connection(); None: a new one. `headers`: further headers, which are not signed."""
    body = json.dumps(parameters).encode()
    own = connection or server.connection()
    try:
        own.request("POST", "/", body,
                    {**signed_headers(server, operation, body, region), **(headers or {})})
        reply = own.getresponse()
        text = reply.read()
    finally:
        if not connection:
            own.close()
    answer = json.loads(text or b"{}")
    if reply.status != 200:
        raise Error(reply.status, answer, reply.headers.get("x-amzn-query-error", ""))
    return answer


def send(server, body, group="g", queue="test.fifo", **more):
    """Sends one message; on a FIFO queue with a deduplication id made from its body."""
    if queue.endswith(".fifo"):
        more.setdefault("MessageGroupId", group)
        more.setdefault("MessageDeduplicationId", hashlib.sha256(body.encode()).hexdigest())
    return call(server, "SendMessage", QueueUrl=server.queue_url(queue), MessageBody=body, **more)


def end_leases(server, queue="test.fifo"):
    """Makes all messages visible that were received and not deleted."""
    def deleted():
        return {r["message_id"] for r in server.records("deleted", queue)}

    for message, handle in {r["message_id"]: r["receipt_handle"] for r in server.records("received", queue)}.items():
        try:
            if message not in deleted():
                call(server, "ChangeMessageVisibility", QueueUrl=server.queue_url(queue), ReceiptHandle=handle,
                     VisibilityTimeout=0)
        except Error:
            if message not in deleted():  # it may have been deleted meanwhile
                raise


def receive(server, queue="test.fifo", most=10, wait=0, visibility=30):
    """Receives messages; returns a list of them."""
    answer = call(server, "ReceiveMessage", QueueUrl=server.queue_url(queue),
                  MaxNumberOfMessages=most, WaitTimeSeconds=wait, VisibilityTimeout=visibility,
                  AttributeNames=["All"], MessageAttributeNames=["All"])
    return answer.get("Messages", [])
