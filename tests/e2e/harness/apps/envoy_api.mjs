// Compares a bootstrap of Envoy (JSON on the standard input) with the definitions of Envoy's API, which @grpc/grpc-js-xds has:
// names, types, values of enums, and deprecated fields. Prints each mistake.
import fs from "fs";
import path from "path";
import protobuf from "protobufjs";

const LIBRARY = "node_modules/@grpc/grpc-js-xds/deps";
const FOLDERS = [...["envoy-api", "xds", "googleapis", "protoc-gen-validate"].map(name => path.join(LIBRARY, name)), "node_modules/protobufjs"];
const FILES = ["config/bootstrap/v3/bootstrap", "extensions/filters/http/ext_authz/v3/ext_authz", "extensions/filters/http/router/v3/router",
  "extensions/filters/network/http_connection_manager/v3/http_connection_manager", "extensions/transport_sockets/tls/v3/tls",
  "extensions/upstreams/http/v3/http_protocol_options"];
const WRAPPERS = {".google.protobuf.BoolValue": "boolean", ".google.protobuf.UInt32Value": "number"};
const SCALARS = {bool: "boolean", string: "string", bytes: "string"};

const root = new protobuf.Root();
root.resolvePath = (origin, target) => FOLDERS.map(folder => path.join(folder, target)).find(fs.existsSync) ?? target;
for (const file of ["google/protobuf/descriptor", ...FILES.map(name => `envoy/${name}`)])
  root.loadSync(`${file}.proto`, {keepCase: true});
root.resolveAll();

function expect(right, where, wanted) {
  if (right) return;
  console.log(`${where}: ${wanted} expected`);
  process.exitCode = 1;
}

function checkOne(field, value, where) {
  const type = field.resolvedType;
  if (type instanceof protobuf.Type) checkMessage(type, value, where);
  else if (type instanceof protobuf.Enum) expect(type.values[value] !== undefined || type.valuesById[value] !== undefined, where, type.fullName);
  else expect(typeof value === (SCALARS[field.type] ?? "number"), where, field.type);
}

function checkField(field, value, where) {
  expect(!field.options?.deprecated, where, "no deprecated field");
  if (field.map) Object.entries(value).forEach(([key, one]) => checkOne(field, one, `${where}[${key}]`));
  else if (!field.repeated) checkOne(field, value, where);
  else if (Array.isArray(value)) value.forEach((one, i) => checkOne(field, one, `${where}[${i}]`));
  else expect(false, where, "a list");
}

function checkMessage(type, value, where) {
  if (type.fullName === ".google.protobuf.Any") {
    const {"@type": url, ...rest} = value;
    checkMessage(root.lookupType(url.replace("type.googleapis.com/", "")), rest, where);
  } else if (type.fullName === ".google.protobuf.Duration") {
    expect(/^\d+(\.\d+)?s$/.test(value), where, "a duration");
  } else if (type.fullName in WRAPPERS) {
    expect(typeof value === WRAPPERS[type.fullName], where, WRAPPERS[type.fullName]);
  } else {
    for (const [name, one] of Object.entries(value)) {
      const field = type.fields[name]?.resolve();
      if (field) checkField(field, one, `${where}.${name}`);
      else expect(false, `${where}.${name}`, `a field of ${type.fullName}`);
    }
  }
}

checkMessage(root.lookupType("envoy.config.bootstrap.v3.Bootstrap"), JSON.parse(fs.readFileSync(0)), "bootstrap");
