# SPDX-License-Identifier: MIT
"""Makes calls with boto3. Writes the line {"version": ...} first. Then reads lines of [operation, parameters,
region], and answers each with a line, {"reply": ...} or {"error": ...}."""

import base64
import json
import os
import re
import sys

import boto3
import botocore.config
import botocore.exceptions

CONFIG = botocore.config.Config(retries={"max_attempts": 1, "mode": "standard"},
                                parameter_validation=False)
clients = {}


def tell(answer):
    print(json.dumps(answer, default=lambda value: base64.b64encode(value).decode()), flush=True)


def call(operation, parameters, region):
    if region not in clients:
        # Older versions of boto3 do not read the endpoint from the environment.
        clients[region] = boto3.client("sqs", region_name=region, config=CONFIG,
                                       endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    method = re.sub("(?<!^)([A-Z])", r"_\1", operation).lower()
    try:
        reply = getattr(clients[region], method)(**parameters)
    except botocore.exceptions.ClientError as failure:
        error = failure.response["Error"]
        return {"error": {"status": failure.response["ResponseMetadata"]["HTTPStatusCode"],
                          "name": error.get("QueryErrorCode"), "code": error["Code"],
                          "message": error["Message"]}}
    del reply["ResponseMetadata"]
    return {"reply": reply}


tell({"version": boto3.__version__})
for line in sys.stdin:
    tell(call(*json.loads(line)))
