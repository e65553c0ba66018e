// A server of WebSockets, over HTTP/1.1 and (RFC 8441) HTTP/2 in cleartext or TLS: it sends back each short frame.
// Usage: websocket_peer.js PORT [KEY CERTIFICATE]: without these h2c, and HTTP/1.1 where a connection begins with it.
'use strict';
const crypto = require('crypto'), fs = require('fs'), http = require('http'), http2 = require('http2'), net = require('net');

function echo(socket) {
  let bytes = Buffer.alloc(0);
  socket.on('data', (piece) => {
    bytes = Buffer.concat([bytes, piece]);
    while (bytes.length >= 6 && bytes.length >= 6 + (bytes[1] & 127)) {
      const length = bytes[1] & 127, mask = bytes.subarray(2, 6);
      const content = Buffer.from(bytes.subarray(6, 6 + length).map((byte, i) => byte ^ mask[i % 4]));
      socket.write(Buffer.concat([Buffer.from([bytes[0], length]), content]));
      bytes = bytes.subarray(6 + length);
    }
  });
  socket.on('end', () => socket.end());
  socket.on('error', () => {});
}

function upgrade(request, socket) {
  const accept = crypto.createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Spoken: 1.1\r\n' +
    `Sec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`);
  echo(socket);
}

function connect(stream, headers) {
  if (headers[':method'] !== 'CONNECT' || headers[':protocol'] !== 'websocket') {
    stream.respond({ ':status': 200 });
    stream.end('plain');
    return;
  }
  stream.respond({ ':status': 200, 'x-spoken': '2' });
  echo(stream);
}

const [port, key, certificate] = process.argv.slice(2);
const settings = { enableConnectProtocol: true };
if (key) {
  const tls = http2.createSecureServer({ settings, allowHTTP1: true, key: fs.readFileSync(key), cert: fs.readFileSync(certificate) });
  tls.on('stream', connect).on('upgrade', upgrade).listen(port, '127.0.0.1');
} else {
  const old = http.createServer().on('upgrade', upgrade), fresh = http2.createServer({ settings }).on('stream', connect);
  net.createServer((socket) => {
    socket.once('readable', () => {
      const first = socket.read();
      if (first === null) return;
      socket.unshift(first);
      (first.toString('latin1').startsWith('PRI') ? fresh : old).emit('connection', socket);
    });
    socket.on('error', () => {});
  }).listen(port, '127.0.0.1');
}
