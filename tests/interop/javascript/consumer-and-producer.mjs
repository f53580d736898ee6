// SPDX-License-Identifier: MIT
// Sends by npm's sqs-producer and handles by npm's sqs-consumer, both unchanged and installed in FOLDER:
// consumer-and-producer.mjs FOLDER QUEUE_URL MESSAGES
//
// Every third message fails when it comes first, and must come again. Prints one JSON object:
// {"sent": [message ids], "handled": [bodies, in order], "errors": [...]}.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [folder, queueUrl] = process.argv.slice(2, 4);
const count = Number(process.argv[4]);
const load = createRequire(path.join(folder, "any.js"));
const { Consumer } = await import(pathToFileURL(load.resolve("sqs-consumer")).href);
const { Producer } = await import(pathToFileURL(load.resolve("sqs-producer")).href);
const { ChangeMessageVisibilityCommand, SQSClient } = await import(pathToFileURL(load.resolve("@aws-sdk/client-sqs")).href);

const fifo = queueUrl.endsWith(".fifo");
const sqs = new SQSClient({ endpoint: process.env.AWS_ENDPOINT_URL, useQueueUrlAsEndpoint: false });
const handled = [];
const errors = [];
const failed = new Set();

const producer = Producer.create({ queueUrl, sqs });
const messages = Array.from({ length: count }, (_, i) => ({
    id: `m${i}`, body: `message ${i}`,
    ...(fifo ? { groupId: `g${i}`, deduplicationId: `d${i}` } : {}),
    messageAttributes: { number: { DataType: "Number", StringValue: String(i) } },
}));
const sent = (await producer.send(messages)).map((reply) => reply.MessageId);

function handle(message) {
    const number = Number(message.MessageAttributes.number.StringValue);
    if (message.Body !== `message ${number}`) {
        errors.push(`${message.Body} has the number ${number}`);
    }
    if (number % 3 === 0 && !failed.has(number)) {
        failed.add(number);
        throw new Error("not yet");
    }
    handled.push(message.Body);
    return message;
}

// Handles a batch: returns the messages that are to be deleted, and lets the others be seen again.
async function handleBatch(received) {
    const done = [];
    for (const message of received) {
        try {
            done.push(handle(message));
        } catch {
            await sqs.send(new ChangeMessageVisibilityCommand({
                QueueUrl: queueUrl, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 0 }));
        }
    }
    return done;
}

// Batches of it go through DeleteMessageBatch, those of one through DeleteMessage.
for (const batch of [true, false]) {
    const wanted = batch ? Math.floor(count / 2) : count;
    const consumer = Consumer.create({
        queueUrl, sqs, batchSize: 10, waitTimeSeconds: 1, messageAttributeNames: ["All"],
        terminateVisibilityTimeout: true, pollingCompleteWaitTimeMs: 5000, suppressFifoWarning: true,
        ...(batch ? { handleMessageBatch: handleBatch }
                  : { handleMessage: async (message) => handle(message) }),
    });
    consumer.on("error", (error) => errors.push(`error: ${error.message}`));
    consumer.on("timeout_error", (error) => errors.push(`timeout: ${error.message}`));
    consumer.on("processing_error", (error) => {
        if (!error.message.includes("not yet")) {
            errors.push(`processing: ${error.message}`);
        }
    });
    consumer.start();
    while (handled.length < wanted && errors.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await new Promise((resolve) => {
        consumer.on("stopped", resolve);
        consumer.stop();
    });
}
console.log(JSON.stringify({ sent, handled, errors }));
