// The bench's peer in JavaScript: undici's request().

import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import { Meter, planOf } from './meter.js';

const POST_BYTES = 500;
const REPLY_BYTES = 1024;
const BODY = Buffer.alloc(POST_BYTES, 'x');
// To one server; libaipool's default.
const MOST_CONNECTIONS = 64;

const plan = planOf(process.argv.slice(2));
const dispatcher = new Agent({
    connections: MOST_CONNECTIONS,
    allowH2: plan.http === 2,
    connect: { ca: readFileSync(plan.caFile) },
    connectTimeout: 10000,
    headersTimeout: 60000,
    bodyTimeout: 60000,
});
const options = { method: 'POST', dispatcher, body: BODY, headers: { 'content-type': 'application/json' } };

async function post() {
    const { statusCode, body } = await request(plan.url, options);
    const reply = await body.arrayBuffer();
    if (statusCode !== 200 || reply.byteLength !== REPLY_BYTES) throw new Error('not the expected reply');
}

const meter = new Meter(plan);
await meter.run(post);
meter.print();
await dispatcher.close();
