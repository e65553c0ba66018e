#!/usr/bin/python3
"""A double of Traefik 3: it does what Traefik's documentation says of the settings of our example, and refuses every other setting.

Usage: traefik_double.py FILE PORT. FILE is a dynamic configuration, PORT the only entry point, with TLS if the file has a certificate.
The documentation: "Rules & Priority", "ForwardAuth", "Headers" and "X-Forwarded Headers" of doc.traefik.io/traefik/v3.7. What it leaves
open is as in Traefik's source: a refusal's Location becomes absolute, and a WebSocket's X-Forwarded-Proto is ws or wss."""

import re
import sys
from urllib.parse import urljoin, urlsplit

import yaml
from double import HOP_BY_HOP, Answer, Forward, ask, serve, take

# Those of a client do not count, also when it spells them with _ (entryPoints.forwardedHeaders names no trusted proxy).
OWN = {"x-forwarded-" + name for name in ("for", "host", "port", "proto", "server", "uri", "method", "prefix", "scheme", "tls-client-cert",
                                          "tls-client-cert-info")} | {"x-real-ip", "x-scheme"}


def rule(text):
    """A function of the request. The operators and matchers that the examples use."""
    words = re.sub(r"`([^`]*)`", lambda found: repr(found[1]), text).replace("&&", " and ").replace("||", " or ")

    def matches(request):
        return eval(words, {  # pylint: disable=eval-used
            "__builtins__": {}, "Host": lambda host: request.host == host, "PathPrefix": lambda prefix: request.path.startswith(prefix),
            "HostRegexp": lambda pattern: re.search(pattern, request.host) is not None,
            "HeaderRegexp": lambda name, pattern: any(re.search(pattern, value) for value in request.all(name))})
    return matches


def forwarded(request):
    """The fields of the entry point, before any middleware."""
    for name, _ in list(request.fields):
        if name.lower().replace("_", "-") in OWN:
            request.remove(name)
    web_socket = (request.upgrade or "").lower() == "websocket"
    request.set("X-Forwarded-For", request.peer)
    request.set("X-Forwarded-Host", request.first("host"))
    request.set("X-Forwarded-Proto", ("ws" if web_socket else "http") + ("s" if request.tls else ""))


def forward_auth(settings):
    address, trust, to_ask, to_set = take(settings, "address", "trustForwardHeader", "authRequestHeaders", "authResponseHeaders")
    assert address and trust is False and to_ask and to_set
    parts = urlsplit(address)

    def apply(request):
        named = set(request.tokens("connection"))
        fields = [("Host", parts.netloc)]
        fields += [(name, value) for name in to_ask for value in request.all(name) if name.lower() not in HOP_BY_HOP | named]
        fields += [("X-Forwarded-For", request.peer), ("X-Forwarded-Method", request.method), ("X-Forwarded-Uri", request.target),
                   ("X-Forwarded-Proto", "https" if request.tls else "http"), ("X-Forwarded-Host", request.first("host"))]
        try:
            status, answered, body = ask((parts.hostname, parts.port), "GET", parts.path, fields, timeout=30)
        except OSError:
            return Answer(500)
        if not 200 <= status < 300:
            return Answer(status, [(name, urljoin(address, value) if name.lower() == "location" else value) for name, value in answered], body)
        for name in to_set:  # "replacing any existing conflicting headers", also when the answer has none
            request.set(name, *(value for other, value in answered if other.lower() == name.lower()))
        return None
    return apply


def headers(settings):
    custom, = take(settings, "customRequestHeaders")

    def apply(request):
        for name, value in custom.items():  # "Empty values remove the listed headers"
            request.set(name, *([value] if value else []))
    return apply


def middleware(settings):
    asks, changes = take(settings, "forwardAuth", "headers")
    return forward_auth(asks) if asks else headers(changes)


def service(settings):
    balancer, = take(settings, "loadBalancer")
    servers, = take(balancer, "servers")
    only, = servers
    url, = take(only, "url")
    return Forward(url)


def main():
    path, port = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        http, tls = take(yaml.safe_load(file), "http", "tls")
    middlewares, routers, services = take(http, "middlewares", "routers", "services")
    middlewares = {name: middleware(settings) for name, settings in middlewares.items()}
    services = {name: service(settings) for name, settings in services.items()}
    ways = []
    for settings in routers.values():
        text, priority, names, target, over_tls = take(settings, "rule", "priority", "middlewares", "service", "tls")
        assert (over_tls is not None) == (tls is not None)  # a router without tls takes no requests that came over TLS
        ways.append((priority or len(text), rule(text), [middlewares[name] for name in names], services[target]))
    ways.sort(key=lambda way: -way[0])

    def route(request):
        forwarded(request)
        for _, matches, steps, target in ways:
            if matches(request):
                return next(filter(None, (step(request) for step in steps)), target)
        return Answer(404)
    certificate = None
    if tls:
        certificates, = take(tls, "certificates")
        certificate = take(certificates[0], "certFile", "keyFile")
    serve(int(port), route, certificate)


main()
