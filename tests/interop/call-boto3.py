# SPDX-License-Identifier: MIT
"""Makes calls through boto3: reads [operation, parameters, region] a line, and writes a line for each,
{"reply": ...} or {"error": ...}. The first line that it writes is {"version": ...}."""

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
        # Older ones do not look for the endpoint in the environment.
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
