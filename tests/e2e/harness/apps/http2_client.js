// A client of node's http2. Usage: node http2_client.js 'http://ADDRESS:PORT' HEAD SIZE
// HEAD: the request's fields as JSON. SIZE: bytes of content; with "expect" they are sent once 100 has come.
// Prints one JSON object: what came, in its order.
'use strict';
const http2 = require('http2');

const [address, head, size] = process.argv.slice(2);
const seen = { interim: [], status: null, body: '', sent: 0, error: null };
const client = http2.connect(address);
const fields = JSON.parse(head);
const stream = client.request(fields, { endStream: Number(size) === 0 });

function send() {
    seen.sent = Number(size);
    stream.end(Buffer.alloc(Number(size), 'x'));
}

function finish() {
    console.log(JSON.stringify(seen));
    client.destroy();
}

stream.on('continue', () => { seen.interim.push(100); send(); });
stream.on('headers', (fields) => {
    if (fields[':status'] !== 100)
        seen.interim.push([fields[':status'], fields.link || null]);
});
stream.on('response', (fields) => { seen.status = fields[':status']; });
stream.setEncoding('utf8');
stream.on('data', (piece) => { seen.body += piece; });
stream.on('error', (error) => { seen.error = error.code || error.message; });
stream.on('close', finish);
client.on('error', (error) => { seen.error = error.code || error.message; });
if (!fields.expect && Number(size) > 0)
    send();
