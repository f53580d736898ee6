# SPDX-License-Identifier: MIT
"""sqs-local with plain HTTP and no client library: signatures (made by botocore), headers of replies, and malformed
requests."""

import http.client
import json
import os
import socket
import sys
import time
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap  # noqa: E402
from sqs_local import SqsLocal  # noqa: E402

try:
    import botocore.parsers
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError as missing:
    tap.skip_all(f"botocore is not installed: {missing}")

SERVER = None


def signed(body, operation="ListQueues", path="/", service="sqs", region="eu-west-1", headers=None,
           method="POST"):
    """The signed headers of a request, as boto3 makes them."""
    request = AWSRequest(method, SERVER.url + path, data=body, headers={
        "Host": f"127.0.0.1:{SERVER.port}", "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "AmazonSQS." + operation, "x-amzn-query-mode": "true", **(headers or {})})
    SigV4Auth(Credentials(SERVER.access_key_id, SERVER.secret_access_key), service,
              region).add_auth(request)
    return dict(request.headers.items())


def ask(body="{}", headers=None, path="/", method="POST", change=lambda headers: None, **signing):
    """Sends a request that is changed after it was signed; returns status, headers, and the body as JSON or
    None."""
    headers = headers or signed(body, path=path, method=method, **signing)
    change(headers)
    connection = http.client.HTTPConnection("127.0.0.1", SERVER.port, timeout=60)
    connection.request(method, path, body, headers)
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    return reply.status, reply.headers, json.loads(text) if text else None


def refused(wanted_status, wanted_type, wanted_code, message="*", **request):
    status, headers, reply = ask(**request)
    tap.equal((status, reply["__type"].split("#")[1], headers["x-amzn-query-error"]),
              (wanted_status, wanted_type, wanted_code + ";Sender"), reply.get("message"))
    tap.matches(reply["message"], message)


def edit(name, old, new):
    def change(headers):
        tap.ok(old in headers[name], f"{name}: {headers[name]}")
        headers[name] = headers[name].replace(old, new)
    return change


@tap.test
def reply_has_the_headers_of_sqs():
    status, headers, _ = ask()
    tap.equal(status, 200)
    tap.equal(headers["Content-Type"], "application/x-amz-json-1.0")
    tap.ok(len(headers["x-amzn-RequestId"]) == 36)
    tap.ok(headers["Date"].endswith(" GMT"))
    tap.equal(len(headers.get_all("Date")), 1)
    tap.ok(ask()[1]["x-amzn-RequestId"] != headers["x-amzn-RequestId"])


@tap.test
def date_header_is_the_servers_clock():
    import email.utils
    with SqsLocal(clock_offset=-100) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", "/", "{}")
        date = connection.getresponse().headers["Date"]
        connection.close()
    ahead = email.utils.parsedate_to_datetime(date).timestamp() - time.time()
    tap.ok(-160 < ahead < -97, f"{ahead} s")


@tap.test
def operation_without_output_has_an_empty_body():
    body = json.dumps({"QueueUrl": SERVER.queue_url("test.fifo")})
    status, headers, reply = ask(body, operation="PurgeQueue")
    tap.equal((status, headers["Content-Length"], reply), (200, "0", None))


@tap.test
def path_of_the_queue_url_is_accepted():
    body = json.dumps({"QueueUrl": SERVER.queue_url("test.fifo")})
    tap.equal(ask(body, operation="ReceiveMessage", path="/000000000000/test.fifo")[0], 200)
    refused(404, "InvalidAddress", "InvalidAddress", path="/a/b/c")


@tap.test
def error_about_bytes_that_are_not_utf_8_is_valid_json():
    refused(403, "IncompleteSignatureException", "IncompleteSignature",
            change=lambda h: h.update(Authorization="\xff\xfe"))


@tap.test
def path_is_signed_unchanged():
    status, _, reply = ask(path="/a%20b/c%2Fd?y=b%20c&x=1")
    tap.equal((status, reply), (200, {"QueueUrls": [SERVER.queue_url("standard"),
                                                    SERVER.queue_url("test.fifo")]}))


@tap.test
def request_changed_after_signing_is_refused():
    wrong = (403, "InvalidSignatureException", "SignatureDoesNotMatch")
    refused(*wrong, "The request signature we calculated*",
            change=lambda h: h.update({"X-Amz-Target": "AmazonSQS.PurgeQueue"}))
    refused(*wrong, change=edit("Authorization", "Signature=", "Signature=0"))
    refused(*wrong, body='{"MaxResults":2}', headers=signed('{"MaxResults":1}'))
    refused(*wrong, path="/?x=1", headers=signed("{}"))
    refused(*wrong, change=edit("Authorization", "host;", "host;host;"))
    status, _, reply = ask(change=lambda h: h.update({"X-Unsigned": "anything"}))
    tap.equal(status, 200, str(reply))


@tap.test
def request_with_an_unsigned_header_is_refused():
    wrong = (403, "InvalidSignatureException", "SignatureDoesNotMatch")
    refused(*wrong, "'host' must be a 'SignedHeader'*", change=edit("Authorization", "host;", ""))
    refused(*wrong, "'x-amz-date' must be*", change=edit("Authorization", "x-amz-date;", ""))
    refused(*wrong, "'x-amz-security-token' must be*",
            change=lambda h: h.update({"X-Amz-Security-Token": "t"}))


@tap.test
def wrong_credential_scope_is_refused():
    wrong = (403, "InvalidSignatureException", "SignatureDoesNotMatch")
    refused(*wrong, "Credential should be scoped to correct service: 'sqs'.", service="sns")
    refused(*wrong, "*'aws4_request', not 'aws4'.",
            change=edit("Authorization", "/aws4_request", "/aws4"))
    refused(*wrong, "Date in Credential scope does not match*",
            change=edit("Authorization", "Credential=" + SERVER.access_key_id + "/2",
                        "Credential=" + SERVER.access_key_id + "/1"))
    refused(*wrong, "The request signature*", change=edit("Authorization", "eu-west-1", "eu-west-2"))
    tap.equal(ask(region="cn-north-1")[0], 200)


@tap.test
def wrong_region_is_refused_when_the_server_has_one():
    global SERVER
    usual = SERVER
    with SqsLocal(options=["--region=us-east-2"]) as SERVER:
        try:
            tap.equal(ask(region="us-east-2")[0], 200)
            refused(403, "InvalidSignatureException", "SignatureDoesNotMatch",
                    "*valid region, not 'eu-west-1'.")
        finally:
            SERVER = usual


@tap.test
def invalid_authorization_is_refused():
    incomplete = (403, "IncompleteSignatureException", "IncompleteSignature")
    refused(403, "MissingAuthenticationTokenException", "MissingAuthenticationToken",
            change=lambda h: h.pop("Authorization"))
    refused(*incomplete, "Unsupported AWS 'algorithm'*",
            change=edit("Authorization", "AWS4-HMAC-SHA256", "AWS3"))
    refused(*incomplete, "*'Signature' parameter.",
            change=lambda h: h.update(Authorization=h["Authorization"].rsplit(",", 1)[0]))
    refused(*incomplete, "*5 slash-delimited*", change=edit("Authorization", "/aws4_request", ""))
    refused(*incomplete, "*key=value*", change=edit("Authorization", "Signature=", "Sig="))
    refused(*incomplete, "Date must be*", change=edit("X-Amz-Date", "Z", ""))


@tap.test
def invalid_request_is_refused():
    unknown = (400, "UnknownOperationException", "InvalidAction")
    malformed = (400, "SerializationException", "MalformedInput")
    refused(*unknown, operation="MakeCoffee")
    refused(*unknown, change=lambda h: h.pop("X-Amz-Target"))
    refused(*unknown, change=lambda h: h.update({"Content-Type": "application/x-amz-json-1.1"}))
    refused(*unknown, method="GET")
    for body in "", "{", "[]", "null", '{"QueueNamePrefix":1}', "{} x", '{"a":"\xff"}', '{"a":1,}':
        refused(*malformed, body=body.encode("latin-1"), headers=signed(body.encode("latin-1")))
    url = SERVER.queue_url("test.fifo")
    for value in '"5"', "1.5", "true", "{}":
        refused(*malformed, operation="ReceiveMessage",
                body='{"QueueUrl":"%s","MaxNumberOfMessages":%s}' % (url, value))
    refused(400, "MissingRequiredParameterException", "MissingParameter", "*parameter QueueUrl.",
            operation="ReceiveMessage")
    refused(*malformed, operation="SendMessageBatch", body='{"QueueUrl":"%s","Entries":{}}' % url)
    refused(413, "RequestEntityTooLargeException", "RequestEntityTooLarge",
            body=json.dumps({"x": "y" * 8000000}))


@tap.test
def operation_that_only_sqs_has_is_named_as_unsupported():
    # inferred: sqs-local's own text with the code of SQS for operations that it does not have
    refused(400, "UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation",
            "sqs-local, a server for tests, has no AddPermission. It has *, CreateQueue, *",
            operation="AddPermission")
    refused(403, "InvalidSignatureException", "SignatureDoesNotMatch", operation="AddPermission",
            change=edit("Authorization", "Signature=", "Signature=0"))


def ask_by_query(method, path, body, content_type="application/x-www-form-urlencoded; charset=utf-8"):
    connection = http.client.HTTPConnection("127.0.0.1", SERVER.port, timeout=60)
    connection.request(method, path, body, {"Content-Type": content_type} if body else {})
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, reply.headers, text


@tap.test
def request_in_the_query_protocol_gets_an_error_in_that_protocol():
    # documented: the query protocol's form of an error, as SDKs parse it; the text is sqs-local's
    for method, path, body in (("POST", "/", "Action=ListQueues&Version=2012-11-05"),
                               ("POST", "/000000000000/test.fifo", "Action=ReceiveMessage"),
                               ("GET", "/?Action=ListQueues&Version=2012-11-05", None),
                               ("GET", "/?Version=2012-11-05&Action=ListQueues", None)):
        status, headers, text = ask_by_query(method, path, body)
        tap.equal((status, headers["Content-Type"]), (400, "text/xml"), text)
        error = xml.etree.ElementTree.fromstring(text)
        name = "{http://queue.amazonaws.com/doc/2012-11-05/}"
        tap.equal(error.findtext(f"{name}Error/{name}Type"), "Sender")
        tap.equal(error.findtext(f"{name}Error/{name}Code"),
                  "AWS.SimpleQueueService.UnsupportedOperation")
        tap.matches(error.findtext(f"{name}Error/{name}Message"), "sqs-local speaks AWS JSON 1.0*")
        tap.equal(error.findtext(f"{name}RequestId"), headers["x-amzn-RequestId"])


@tap.test
def botocore_shows_the_error_of_the_query_protocol():
    _, headers, text = ask_by_query("POST", "/", "Action=ListQueues&Version=2012-11-05")
    parsed = botocore.parsers.create_parser("query").parse(
        {"status_code": 400, "headers": headers, "body": text.encode()}, None)
    tap.equal(parsed["Error"]["Code"], "AWS.SimpleQueueService.UnsupportedOperation")
    tap.matches(parsed["Error"]["Message"], "sqs-local speaks AWS JSON 1.0*")


@tap.test
def half_of_a_surrogate_pair_is_an_invalid_character_and_keeps_the_signature_valid():
    url = SERVER.queue_url("test.fifo")

    def send(text, more=""):
        return ask('{"QueueUrl":"%s","MessageGroupId":"g","MessageDeduplicationId":"d",%s'
                   '"MessageBody":"%s"}' % (url, more, text), operation="SendMessage")

    # inferred: for SQS the surrogate is a character that is not allowed
    for text in r"a\ud83d", r"\uDE00", r"\ud83d\ud83d\ude00", r"\ude00\ud83d", r"\ud83dx\ude00", \
            r"\\\ud83d":
        status, headers, reply = send(text)
        tap.equal((status, headers["x-amzn-query-error"]), (400, "InvalidMessageContents;Sender"), text)
    for text in r"\ud83d\ude00", r"\\ud83d", r"\\\ud83d\ude00":
        tap.equal(send(text)[0], 200, text)
    status, _, reply = send("x", r'"MessageAttributes":{"a":{"DataType":"String","StringValue":"\udc00"}},')
    tap.equal(status, 400)
    # Other bytes that are not JSON are still refused.
    status, _, reply = send("\\ud83d\0")
    tap.equal((status, reply["__type"].split("#")[1]), (400, "SerializationException"))


@tap.test
def trace_header_of_a_request_is_an_attribute_of_its_messages():
    # recorded: LocalStack's runs on AWS, test_aws_trace_header_propagation, 2025-06-27
    url = SERVER.queue_url("standard")
    trace = "Root=1-5759e988-bd862e3fe1be46a99427;Sampled=1"
    receive = json.dumps({"QueueUrl": url, "MessageSystemAttributeNames": ["AWSTraceHeader"]})

    def add(value):
        return lambda headers: headers.update({"X-Amzn-Trace-Id": value})

    for operation, more in (("SendMessage", {"MessageBody": "x"}),
                            ("SendMessageBatch", {"Entries": [{"Id": "a", "MessageBody": "x"}]})):
        ask(json.dumps({"QueueUrl": url, **more}), operation=operation, change=add(trace))
        [message] = ask(receive, operation="ReceiveMessage")[2]["Messages"]
        tap.equal(message.get("Attributes"), {"AWSTraceHeader": trace}, operation)
    # inferred: an attribute of the message overrides the header
    own = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=own"}}
    ask(json.dumps({"QueueUrl": url, "MessageBody": "x", "MessageSystemAttributes": own}),
        operation="SendMessage", change=add(trace))
    [message] = ask(receive, operation="ReceiveMessage")[2]["Messages"]
    tap.equal(message["Attributes"], {"AWSTraceHeader": "Root=own"})
    # A header that is not UTF-8 is ignored.
    ask(json.dumps({"QueueUrl": url, "MessageBody": "x"}), operation="SendMessage",
        change=add("\xff"))
    [message] = ask(receive, operation="ReceiveMessage")[2]["Messages"]
    tap.ok("Attributes" not in message)


@tap.test
def null_counts_as_absent():
    url = SERVER.queue_url("test.fifo")
    tap.equal(ask('{"QueueUrl":"%s","MaxNumberOfMessages":null,"Unknown":[1]}' % url,
                  operation="ReceiveMessage")[0], 200)


@tap.test
def message_is_not_delivered_to_a_client_that_closed_its_poll():
    with SqsLocal(["q"]) as server:
        global SERVER
        usual, SERVER = SERVER, server
        try:
            body = json.dumps({"QueueUrl": server.queue_url("q"), "WaitTimeSeconds": 20})
            headers = signed(body, operation="ReceiveMessage")
            server.set_faults("ReceiveMessage:error-500:p=0")  # it counts them
            gone = socket.create_connection(("127.0.0.1", server.port))
            gone.sendall(b"POST / HTTP/1.1\r\n" + b"".join(
                f"{name}: {value}\r\n".encode() for name, value in headers.items()) +
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
            tap.wait_until(lambda: server.faults()[0]["requests"] == 1, message="the poll at the server")
            gone.close()
            tap.equal(ask(json.dumps({"QueueUrl": server.queue_url("q"), "MessageBody": "x"}),
                          operation="SendMessage")[0], 200)
            # No client waits, so the message was not delivered.
            _, _, reply = ask(json.dumps({"QueueUrl": server.queue_url("q")}),
                              operation="ReceiveMessage")
            tap.equal([m["Body"] for m in reply["Messages"]], ["x"])
        finally:
            SERVER = usual


@tap.test
def many_waiting_connections_end_when_the_server_stops():
    with SqsLocal(["q"]) as server:
        global SERVER
        usual, SERVER = SERVER, server
        try:
            body = json.dumps({"QueueUrl": server.queue_url("q"), "WaitTimeSeconds": 20})
            headers = signed(body, operation="ReceiveMessage")
            server.set_faults("ReceiveMessage:error-500:p=0")  # it counts them
            connections = []
            for _ in range(200):
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
                connection.request("POST", "/", body, headers)
                connections.append(connection)
            tap.wait_until(lambda: server.faults()[0]["requests"] == 200, message="all polls at the server")
            tap.equal(ask()[0], 200)
            server.stop()
            for connection in connections:
                try:
                    connection.getresponse()
                    raise AssertionError("there was a reply")
                except (http.client.RemoteDisconnected, ConnectionResetError):
                    connection.close()
        finally:
            SERVER = usual


if __name__ == "__main__":
    with SqsLocal(["test.fifo", "standard,VisibilityTimeout=600"]) as SERVER:
        tap.main()
