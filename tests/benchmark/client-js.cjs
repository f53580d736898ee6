// SPDX-License-Identifier: MIT
// The daemons' work done with the AWS SDK for JavaScript, which is installed in FOLDER:
// client-js.cjs FOLDER QUEUE_URL send|receive MESSAGES BATCH SOCKETS
//
// Keys, region and endpoint come from the environment. Prints one JSON object about the work itself,
// without what it took to start.
"use strict";

const { randomUUID } = require("crypto");
const { createRequire } = require("module");
const http = require("http");
const path = require("path");

const GROUPS = 1000;

const [folder, queueUrl, work] = process.argv.slice(2, 5);
const [messages, batch, sockets] = process.argv.slice(5).map(Number);
const sdk = createRequire(path.join(folder, "any.js"))("@aws-sdk/client-sqs");
const client = new sdk.SQSClient({
    requestHandler: { httpAgent: new http.Agent({ keepAlive: true, maxSockets: sockets }) },
});
let number = 0;

function message() {
    const n = number++;
    return {
        MessageBody: JSON.stringify({ data: `mydata${n}`, ts: new Date().toISOString(),
                                      id: randomUUID() }),
        MessageGroupId: `test-${n % GROUPS}`,
        MessageDeduplicationId: `DeduplicationId-${randomUUID()}`,
    };
}

async function send(n) {
    for (let done = 0; done < n; done += batch) {
        if (batch === 1) {
            await client.send(new sdk.SendMessageCommand({ QueueUrl: queueUrl, ...message() }));
            continue;
        }
        const Entries = Array.from({ length: batch }, (_, i) => ({ Id: String(i), ...message() }));
        const answer = await client.send(
            new sdk.SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
        if (answer.Successful.length !== batch)
            throw new Error("an entry has failed");
    }
}

async function receive(n) {
    for (let done = 0; done < n;) {
        const answer = await client.send(new sdk.ReceiveMessageCommand({
            QueueUrl: queueUrl, MaxNumberOfMessages: Math.min(batch, n - done), WaitTimeSeconds: 1,
            AttributeNames: ["All"], MessageAttributeNames: ["All"],
            ReceiveRequestAttemptId: randomUUID(),
        }));
        const found = answer.Messages ?? [];
        for (const m of found)
            JSON.parse(m.Body);
        if (batch === 1)
            for (const m of found)
                await client.send(new sdk.DeleteMessageCommand(
                    { QueueUrl: queueUrl, ReceiptHandle: m.ReceiptHandle }));
        else if (found.length > 0)
            await client.send(new sdk.DeleteMessageBatchCommand({
                QueueUrl: queueUrl,
                Entries: found.map((m, i) => ({ Id: String(i), ReceiptHandle: m.ReceiptHandle })),
            }));
        done += found.length;
    }
}

async function main() {
    const cpu = process.cpuUsage(), start = process.hrtime.bigint();
    await Promise.all(Array.from({ length: sockets }, () =>
        (work === "send" ? send : receive)(Math.floor(messages / sockets))));
    const wall = Number((process.hrtime.bigint() - start) / 1000n);
    const used = process.cpuUsage(cpu);
    console.log(JSON.stringify({ wall_usec: wall, user_usec: used.user, system_usec: used.system }));
    client.destroy();
}

main();
