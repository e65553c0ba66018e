/* Loaded by `node --require`: every host of a job is this machine. */
const dns = require("dns"), lookup = dns.lookup;

dns.lookup = (name, ...rest) => lookup(name.endsWith(".jobs.test") ? "127.0.0.1" : name, ...rest);
