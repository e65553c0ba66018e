"""A client of the control API that holds each answer against the OpenAPI document."""

import functools
import json
import re
import socket

import jsonschema

from .gateway import REPOSITORY
from .process import PATIENCE
from .raw import Client, Peer

DOCUMENT = json.loads((REPOSITORY / "auth" / "control" / "openapi.json").read_text())
METHODS = ["get", "post", "patch", "delete"]


def resolved(node):
    """A copy without $ref: all of them point into the document, and none into itself."""
    if isinstance(node, list):
        return [resolved(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = DOCUMENT
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        return resolved(target)
    return {name: resolved(value) for name, value in node.items()}


@functools.lru_cache(None)
def operations():
    """[(regex of the path, {METHOD: operation})] of the document."""
    found = []
    for path, item in DOCUMENT["paths"].items():
        pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
        found.append((pattern, {method.upper(): resolved(item[method]) for method in METHODS if method in item}))
    return found


def operation_of(method, path):
    """The operation, or None; and the methods that the path has."""
    for pattern, methods in operations():
        if pattern.fullmatch(path.partition("?")[0]):
            return methods.get("GET" if method == "HEAD" else method), list(methods)
    return None, []


def check_schema(schema, value, what):
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(value)]
    assert not errors, f"{what} is not as the document says: {errors} in {value}"


def expected_of(method, path, status):
    """What the document says of an answer."""
    operation, methods = operation_of(method, path)
    if operation and str(status) in operation["responses"]:
        return operation["responses"][str(status)]
    # What any path may answer: who asks is looked at first, then whether there is such a path and method.
    known = (405 if methods else 404) if not operation else None
    assert status in (known, 400, 401, 403, 413, 429, 431, 503), f"{method} {path}: {status} is not documented"
    names = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 413: "TooLarge", 429: "TooManyRequests",
             431: "HeadTooLarge", 503: "Unavailable"}
    return resolved(DOCUMENT["components"]["responses"][names.get(status, "NotFound")])


class Answer:
    def __init__(self, method, path, response):
        self.method, self.path, self.status = method, path, response.status
        self.fields, self.field, self.body = response.fields, response.field, response.body
        self.challenge = response.challenge
        self.request_id = self.field("x-request-id")
        self.type = (self.field("content-type") or "").partition(";")[0]
        self.json = json.loads(self.body) if self.body and self.type.endswith("json") else None
        self._check(response)

    def _check(self, response):
        what = f"the answer {self.status} to {self.method} {self.path}"
        expected = expected_of(self.method, self.path, self.status)
        for name, header in expected.get("headers", {}).items():
            values = response.all(name)
            assert values or not header.get("required"), f"{what} has no {name}"
            for value in values:
                check_schema(header["schema"], value, f"{name} of {what}")
        assert self.field("cache-control") == "no-store", what
        if "content" not in expected:
            assert not self.body and self.field("content-length") is None, what
            return
        assert self.type in expected["content"], f"{what} is {self.type}"
        if self.method == "HEAD":
            assert not self.body
            return
        schema = expected["content"][self.type]["schema"]
        check_schema(schema, self.json if self.type.endswith("json") else self.body.decode(), what)
        if self.type == "application/problem+json":
            assert (self.json["status"], self.json["request_id"]) == (self.status, self.request_id), what

    def problem(self, *left_out):
        """A refusal without what differs from one to the next."""
        return {name: value for name, value in self.json.items() if name not in ("request_id", *left_out)}

    def __repr__(self):
        return f"<{self.method} {self.path}: {self.status} {self.body[:600]!r}>"


def request_text(method, path, token=None, body=None, fields=(), host="control"):
    """A request's bytes; body may be JSON's values, text or bytes."""
    if body is not None and not isinstance(body, (str, bytes)):
        body = json.dumps(body)
    content = body.encode() if isinstance(body, str) else body or b""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    if token is not None:
        lines.append(f"Authorization: Bearer {getattr(token, 'value', token)}")
    if content or method in ("POST", "PATCH"):
        lines.append(f"Content-Length: {len(content)}")
    return ("\r\n".join([*lines, *fields]) + "\r\n\r\n").encode("latin-1") + content


class SecureClient(Client):
    """The same over TLS."""

    def __init__(self, address, context, name="localhost"):
        sock = socket.create_connection(address, PATIENCE)
        Peer.__init__(self, context.wrap_socket(sock, server_hostname=name))
        self._parser = None


class Control:
    """The API at one address (the path of a Unix socket, or host and port) for one caller."""

    def __init__(self, address, token=None, context=None, host="control"):
        self.address, self.token, self.context, self.host = address, token, context, host

    def by(self, token):
        """The same address for another caller."""
        return Control(self.address, token, self.context, self.host)

    def connect(self):
        return SecureClient(self.address, self.context) if self.context else Client(self.address)

    def send(self, client, method, path, body=None, fields=()):
        client.send(request_text(method, path, self.token, body, fields, self.host))

    def call(self, method, path, body=None, fields=()):
        with self.connect() as client:
            self.send(client, method, path, body, fields)
            return Answer(method, path, client.read_response(method))

    def done(self, method, path, body=None, status=200):
        """The JSON of a call that succeeds."""
        answer = self.call(method, path, body)
        assert answer.status == status, answer
        return answer.json

    def refused(self, status, method, path, body=None, field=None, fields=()):
        answer = self.call(method, path, body, fields)
        assert (answer.status, answer.json.get("field")) == (status, field), answer
        return answer

    def token_of(self, name="made", role="read", selector=""):
        return self.done("POST", "/v1/tokens", {"name": name, "role": role, "label_selector": selector}, 201)

    def job_of(self, **members):
        return self.done("POST", "/v1/jobs", members, 201)

    def job_record(self, job_id):
        """A job as answers to changes show it: they do not count its sessions."""
        return {**self.done("GET", f"/v1/jobs/{job_id}"), "sessions": None}

    def pages(self, path, limit=None):
        """All items of a list, page by page."""
        items, cursor = [], ""
        while True:
            asked = [f"limit={limit}"] if limit else []
            asked += [f"cursor={cursor}"] if cursor else []
            page = self.done("GET", path + ("&" if "?" in path else "?") + "&".join(asked) if asked else path)
            assert len(page["items"]) <= (limit or 100)
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items
