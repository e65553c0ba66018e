#!/usr/bin/python3
"""A double of Envoy: it does what Envoy's documentation says of the settings of our example, and refuses every other setting.

Usage: envoy_double.py FILE. The documentation: the comments of Envoy's API (ext_authz.proto, http_connection_manager.proto,
route_components.proto) and "HTTP header manipulation" of envoyproxy.io/docs/envoy/v1.40.0. Paths are not normalized: the requests of
the tests need none."""

import http.client
import re
import sys

import yaml
from double import Answer, Forward, ask, serve, take

EXTENSIONS = "type.googleapis.com/envoy.extensions."


def typed(settings, name, *names):
    """The values of these settings of an Any of this type."""
    assert settings["@type"] == EXTENSIONS + name, settings["@type"]
    return take(settings, "@type", *names)[1:]


def address_of(settings):
    socket, = take(settings, "socket_address")
    host, port = take(socket, "address", "port_value")
    return f"http://{host}:{port}"


def matcher(settings):
    """A ListStringMatcher, for names of fields in small letters."""
    patterns, = take(settings, "patterns")
    exact, prefix = {one["exact"] for one in patterns if "exact" in one}, tuple(one["prefix"] for one in patterns if "prefix" in one)
    assert len(exact) + len(prefix) == len(patterns)
    return lambda name: name.lower() in exact or name.lower().startswith(prefix)


def http_connection_manager(settings):
    """A function that changes a request as it comes in, the route configuration, and the filters."""
    _, address, normalize, merge, slashes, options, upgrades, idle, filters, routes = typed(
        settings, "filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix", "use_remote_address", "normalize_path",
        "merge_slashes", "path_with_escaped_slashes_action", "common_http_protocol_options", "upgrade_configs", "stream_idle_timeout",
        "http_filters", "route_config")
    assert (address, normalize, merge, slashes, idle) == (True, True, True, "REJECT_REQUEST", "0s")
    assert take(options, "headers_with_underscores_action") == ["DROP_HEADER"] and upgrades == [{"upgrade_type": "websocket"}]

    def come_in(request):
        if re.search("%2f|%5c", request.path, re.IGNORECASE):
            return Answer(400)
        request.fields = [field for field in request.fields if "_" not in field[0]]
        request.set("x-forwarded-for", ",".join([*request.all("x-forwarded-for"), request.peer]))
        request.set("x-forwarded-proto", "https" if request.tls else "http")
        return None
    return come_in, routes, filters


def ext_authz(settings, clusters):
    """A function that asks and changes the request, or answers it."""
    open_on_failure, on_error, allowed, service = typed(settings, "filters.http.ext_authz.v3.ExtAuthz", "failure_mode_allow",
                                                        "status_on_error", "allowed_headers", "http_service")
    assert open_on_failure is False
    uri, prefix, answers = take(service, "server_uri", "path_prefix", "authorization_response")
    _, cluster, timeout = take(uri, "uri", "cluster", "timeout")
    to_set, = take(answers, "allowed_upstream_headers")  # no allowed_client_headers: all fields of a refusal reach the client
    goes, comes, error = matcher(allowed), matcher(to_set), Answer({"ServiceUnavailable": 503}[on_error["code"]])

    def apply(request):
        fields = [("Host", request.first("host")), ("Content-Length", "0")]
        names = dict.fromkeys(name.lower() for name, _ in request.fields if goes(name) or name.lower() == "authorization")
        fields += [(name, ",".join(request.all(name))) for name in names]  # encode_raw_headers is not set
        try:
            status, answered, body = ask(clusters[cluster].address, request.method, prefix + request.target, fields, float(timeout.rstrip("s")))
        except (OSError, http.client.HTTPException):
            return error
        if status >= 500:
            return error
        if status != 200:
            return Answer(status, answered, body)
        for name in {name.lower() for name, _ in answered if comes(name)}:  # "coexistent headers will be overridden"
            request.set(name, *(value for other, value in answered if other.lower() == name))
        return None
    return apply


def is_off(settings):
    """True when a virtual host or a route turns ext_authz off."""
    if settings is None:
        return False
    one, = take(settings, "envoy.filters.http.ext_authz")
    return typed(one, "filters.http.ext_authz.v3.ExtAuthzPerRoute", "disabled") == [True]


def host_matches(domain, authority):
    """The rank of a domain of a virtual host, None if it is another one: the name, a prefix, everything."""
    if domain == authority:
        return 0
    return 1 if domain != "*" and domain.endswith("*") and authority.startswith(domain[:-1]) else 2 if domain == "*" else None


def ways_of(routes, clusters):
    """For each route of each virtual host: its domains, its prefix, the fields to remove, whether it asks, and where it goes."""
    ways = []
    for settings in take(routes, "virtual_hosts")[0]:
        _, domains, removed, filters, inner = take(settings, "name", "domains", "request_headers_to_remove", "typed_per_filter_config", "routes")
        for one in inner:
            match, also_removed, own, action = take(one, "match", "request_headers_to_remove", "typed_per_filter_config", "route")
            prefix, = take(match, "prefix")
            cluster, timeout = take(action, "cluster", "timeout")
            assert timeout == "0s"  # else an answer may take 15 s in all
            ways.append((domains, prefix, (removed or []) + (also_removed or []), not (is_off(filters) or is_off(own)), clusters[cluster]))
    return ways


def clusters_of(settings):
    found = {}
    for one in settings:
        name, load = take(one, "name", "load_assignment")
        endpoint = take(load, "cluster_name", "endpoints")[1][0]["lb_endpoints"][0]["endpoint"]["address"]
        found[name] = Forward(address_of(endpoint))
    return found


def certificate_of(settings):
    name, config = take(settings, "name", "typed_config")
    common, = typed(config, "transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context")
    only, = take(common, "tls_certificates")[0]
    assert name == "envoy.transport_sockets.tls"
    return [take(file, "filename")[0] for file in take(only, "certificate_chain", "private_key")]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        static, = take(yaml.safe_load(file), "static_resources")
    (listener,), clusters = take(static, "listeners", "clusters")
    clusters = clusters_of(clusters)
    address, (chain,) = take(listener, "address", "filter_chains")
    (manager,), tls = take(chain, "filters", "transport_socket")
    come_in, routes, (asks, router) = http_connection_manager(manager["typed_config"])
    assert typed(router["typed_config"], "filters.http.router.v3.Router") == []
    authorize, ways = ext_authz(asks["typed_config"], clusters), ways_of(routes, clusters)

    def route(request):
        answer = come_in(request)
        if answer:
            return answer
        authority = request.first("host").lower()
        found = [(min(ranks), domains) for domains, *_ in ways
                 if (ranks := [rank for domain in domains if (rank := host_matches(domain, authority)) is not None])]
        if not found:
            return Answer(404)
        chosen = min(found, key=lambda one: one[0])[1]
        for domains, prefix, removed, is_asked, cluster in ways:
            if domains is chosen and request.path.startswith(prefix):
                answer = authorize(request) if is_asked else None
                for name in removed:
                    request.remove(name)
                return answer or cluster
        return Answer(404)
    serve(Forward(address_of(address)).address[1], route, certificate_of(tls) if tls else None)


main()
