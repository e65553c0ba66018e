// grpc-js as a client and as a service, without generated code: messages are buffers.
// node grpc_peer.js serve PORT | node grpc_peer.js call ADDRESS AUTHORITY TOKEN WHAT,...: a line of JSON for each
const grpc = require('@grpc/grpc-js');
const same = b => b;
const def = (name, q, a, of = 'tests.Service') => ({ path: `/${of}/${name}`, requestStream: q, responseStream: a,
  requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same });
const service = { Echo: def('Echo', false, false), Collect: def('Collect', true, false), Count: def('Count', false, true), Chat: def('Chat', true, true),
  Fail: def('Fail', false, false), Forever: def('Forever', false, true), Cancelled: def('Cancelled', false, false), Pause: def('Pause', false, false) };
const health = { Check: def('Check', false, false, 'grpc.health.v1.Health') };
const options = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
if (process.argv[2] === 'serve') {
  let cancelled = 0;
  const server = new grpc.Server(options);
  server.addService(service, {
    Echo: (call, done) => done(null, call.request),
    Pause: (call, done) => setTimeout(() => done(null, call.request), Number(call.request)),
    Collect: (call, done) => { const all = []; call.on('data', m => all.push(m)); call.on('end', () => done(null, Buffer.concat(all))); },
    Count: call => { for (let i = 0; i < Number(call.request); i++) call.write(Buffer.from(`${i}`)); call.end(); },
    Chat: call => { call.on('data', m => call.write(m)); call.on('end', () => call.end()); },
    Fail: (call, done) => { const more = new grpc.Metadata(); more.set('x-more', '1'); more.set('x-more-bin', Buffer.from([0, 255])); done({ code: grpc.status.NOT_FOUND, details: 'kein Modell für 100 %', metadata: more }); },
    Forever: call => { call.on('cancelled', () => cancelled++); call.write(Buffer.from('on')); },
    Cancelled: (call, done) => done(null, Buffer.from(`${cancelled}`)),
  });
  server.bindAsync(`127.0.0.1:${process.argv[3]}`, grpc.ServerCredentials.createInsecure(), e => { if (e) throw e; });
} else {
  const [, , , address, authority, token, what] = process.argv;
  const Client = grpc.makeGenericClientConstructor({ ...service, ...health }, 'tests.Service');
  const client = new Client(address, grpc.credentials.createInsecure(), { ...options, 'grpc.default_authority': authority, 'grpc.enable_retries': 0 });
  const meta = new grpc.Metadata(); meta.set('authorization', `Bearer ${token}`);
  const show = x => console.log(JSON.stringify(x));
  const error = e => ({ code: e.code, details: e.details });
  const unary = (name, req, opt = {}) => new Promise(r => client[name](req, meta, opt, (e, a) => r(e ? error(e) : a.length > 100 ? { length: a.length, same: a.equals(req) } : a.toString())));
  const stream = call => new Promise(r => { const got = []; call.on('data', m => got.push(m.toString())); call.on('error', e => r({ got, ...error(e) })); call.on('end', () => r({ got: got.length })); });
  const runs = {
    health: () => unary('Check', Buffer.from([])),
    nothealth: () => unary('Check', Buffer.from([10, 1, 120])),
    echo: () => unary('Echo', Buffer.from('one')),
    large: () => unary('Echo', Buffer.alloc(4 * 1024 * 1024, 7)),
    collect: () => new Promise(r => { const c = client.Collect(meta, (e, a) => r(e ? error(e) : a.length)); for (let i = 0; i < 1000; i++) c.write(Buffer.from(`${i}`)); c.end(); }),
    count: () => stream(client.Count(Buffer.from('1000'), meta)),
    chat: () => { const c = client.Chat(meta); for (let i = 0; i < 1000; i++) c.write(Buffer.from(`${i}`)); c.end(); return stream(c); },
    fail: () => unary('Fail', Buffer.from('')),
    deadline: () => unary('Pause', Buffer.from('60000'), { deadline: Date.now() + 300 }),
    many: async () => { let good = 0; for (let k = 0; k < 10; k++) { const a = await Promise.all([...Array(200).keys()].map(i => unary('Echo', Buffer.from(`${i}`)))); good += a.filter((x, i) => x === `${i}`).length; } return good; },
    forever: () => { const c = client.Forever(Buffer.from(''), meta); c.on('data', () => console.log('"on"')); return stream(c); },
    cancel: () => { const c = client.Forever(Buffer.from(''), meta); c.on('data', () => c.cancel()); return stream(c); },
    cancelled: () => unary('Cancelled', Buffer.from('')),
  };
  (async () => { for (const w of what.split(',')) show({ [w]: await runs[w]() }); client.close(); })();
}
