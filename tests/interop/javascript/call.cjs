// SPDX-License-Identifier: MIT
// Makes calls through the AWS SDK for JavaScript, which is installed in FOLDER: call.cjs FOLDER
//
// Reads [operation, parameters, region] a line, and writes a line for each, {"reply": ...} or
// {"error": ...}. The first line that it writes is {"version": ...}.
"use strict";

const { createRequire } = require("module");
const path = require("path");
const readline = require("readline");

const load = createRequire(path.join(process.argv[2], "any.js"));
const sdk = load("@aws-sdk/client-sqs");
const clients = new Map();

function tell(answer) {
    const text = JSON.stringify(answer, (name, value) =>
        value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value);
    process.stdout.write(text + "\n");
}

async function call(operation, parameters, region) {
    if (!clients.has(region)) {
        // Else it would call the hosts that queue URLs name.
        clients.set(region, new sdk.SQSClient({ region, maxAttempts: 1, endpoint: process.env.AWS_ENDPOINT_URL,
                                                useQueueUrlAsEndpoint: false }));
    }
    try {
        const { $metadata, ...reply } =
            await clients.get(region).send(new sdk[operation + "Command"](parameters));
        return { reply };
    } catch (error) {
        if (!error.$metadata) {
            throw error;
        }
        // What it has no class for it names by the query protocol's code.
        const code = error.Error?.Code;
        return { error: { status: error.$metadata.httpStatusCode, code, message: error.message,
                          name: error.name === code ? undefined : error.name } };
    }
}

async function main() {
    tell({ version: load("@aws-sdk/client-sqs/package.json").version });
    for await (const line of readline.createInterface({ input: process.stdin })) {
        tell(await call(...JSON.parse(line)));
    }
}

main();
