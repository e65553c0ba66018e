// Compares a dynamic configuration of Traefik (JSON on the standard input) with Traefik's own types, as @kubernetes-models/traefik has them
// for Traefik's Kubernetes resources: middlewares are the same there, and a router is a route of an IngressRoute. Its validators let unknown
// names pass, so names are looked up in its declarations. Prints each mistake.
import fs from "fs";
import {IngressRoute, Middleware} from "@kubernetes-models/traefik/traefik.io/v1alpha1";

const LIBRARY = "node_modules/@kubernetes-models/traefik";
const RESOURCES = `${LIBRARY}/traefik.io/v1alpha1`, DYNAMIC = `${LIBRARY}/github.com/traefik/traefik/v3/pkg/config/dynamic`;

function expect(right, message) {
  if (right) return;
  console.log(message);
  process.exitCode = 1;
}

function checkNames(settings, declarations, where) {
  const text = fs.readFileSync(`${declarations}.d.ts`, "utf8");
  for (const name of Object.keys(settings))
    expect(new RegExp(`^ +"${name}"\\??:`, "m").test(text), `${where}.${name}: Traefik has no such setting`);
}

function checkResource(Type, name, spec) {
  try {
    new Type({metadata: {name}, spec}).validate();
  } catch (error) {
    expect(false, `${name}: ${error.message}`);
  }
}

const {http} = JSON.parse(fs.readFileSync(0));
const FILES = {forwardAuth: `${RESOURCES}/ForwardAuth`, headers: `${DYNAMIC}/Headers`};
for (const [name, settings] of Object.entries(http.middlewares)) {
  checkNames(settings, `${RESOURCES}/MiddlewareSpec`, name);
  for (const [kind, inner] of Object.entries(settings))
    checkNames(inner, FILES[kind], `${name}.${kind}`);
  checkResource(Middleware, name, settings);
}
for (const [name, {rule, middlewares, service, tls, ...rest}] of Object.entries(http.routers)) {
  for (const one of middlewares)
    expect(one in http.middlewares, `${name}: no middleware ${one}`);
  expect(service in http.services, `${name}: no service ${service}`);
  const route = {kind: "Rule", match: rule, middlewares: middlewares.map(one => ({name: one})), services: [{name: service}], ...rest};
  checkNames(route, `${RESOURCES}/Route`, name);
  checkResource(IngressRoute, name, {routes: [route], tls});
}
for (const [name, {loadBalancer: {servers, ...rest}}] of Object.entries(http.services)) {
  for (const server of servers)
    expect(/^(http|https|h2c):\/\/[^/]+$/.test(server.url) && Object.keys(server).length === 1, `${name}: ${JSON.stringify(server)}`);
  checkNames(rest, `${RESOURCES}/LoadBalancerSpec`, name);
  checkNames(rest.responseForwarding ?? {}, `${RESOURCES}/ResponseForwarding`, name);
}
