# SPDX-License-Identifier: MIT
"""Recognizes the requests with which the daemons ask for their permissions at the start. Needs only the
standard library."""

import json

HANDLE = "permission-probe"


def is_probe(operation, body):
    """Whether that is one; `body` is the request's, bytes."""
    request = json.loads(body)
    if operation == "SendMessageBatch":
        return request["Entries"] == []
    if operation == "ReceiveMessage":
        return request.get("MaxNumberOfMessages", 1) > 10
    return request.get("ReceiptHandle") == HANDLE
