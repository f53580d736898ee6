# SPDX-License-Identifier: MIT
"""The requests by which the daemons find out at the start which permissions they have. Needs only the
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
