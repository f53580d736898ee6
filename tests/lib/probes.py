# SPDX-License-Identifier: MIT
"""Recognizes the probes: requests with which the daemons ask for their permissions at the start. Needs only the
standard library."""

import json

HANDLE = "permission-probe"


def is_probe(operation, body):
    """Whether a request with this body, bytes, is a probe."""
    request = json.loads(body)
    if operation == "SendMessageBatch":
        return request["Entries"] == []
    if operation == "ReceiveMessage":
        return request.get("MaxNumberOfMessages", 1) > 10
    return request.get("ReceiptHandle") == HANDLE
