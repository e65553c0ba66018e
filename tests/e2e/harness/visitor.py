"""A browser in a few lines: cookies for each host, redirects step by step, fields that say where a request comes from."""

import html
import re
import urllib.parse

from .gateway import DOMAIN

HTML = "Accept: text/html,application/xhtml+xml;q=0.9"
SIGN_IN_HOST = f"auth.{DOMAIN}"
LOAD = (HTML, "Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate")


class Visitor:
    """Its requests come through a proxy that ends TLS (backends.trusted_proxies: 127.0.0.1)."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.jars = {}  # host -> {name: value}

    def ask(self, url, method="GET", fields=LOAD, body=None, gateway=None):
        """One request, without following; cookies are sent and kept as browsers do it."""
        parts = urllib.parse.urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        jar = self.jars.setdefault(parts.netloc, {})
        lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "X-Forwarded-Proto: https", *fields]
        if jar:
            lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in jar.items()))
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        with (gateway or self.gateway).client() as client:
            client.send(("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b""))
            response = client.read_response(method)
        for cookie in response.all("set-cookie"):
            pair, *attributes = cookie.split("; ")
            name, _, value = pair.partition("=")
            if name.startswith("__Host-"):  # what browsers ask of it
                assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(attributes)
            jar.pop(name, None)
            if "Max-Age=0" not in attributes:
                jar[name] = value
        return response

    def post(self, url, fields=(), origin=None, **form):
        parts = urllib.parse.urlsplit(url)
        origin = origin or f"https://{parts.netloc}"
        return self.ask(url, "POST", [HTML, f"Origin: {origin}", "Content-Type: application/x-www-form-urlencoded", *fields],
                        urllib.parse.urlencode(form).encode())

    def way(self, url):
        """Load a job's page: where the sign-in host is asked for a sign-in."""
        response = self.ask(url)
        assert response.status == 303, response
        return response.field("location")

    def sign_in(self, url, token):
        """Load a job's page and sign in for it: the link with the code, not followed."""
        response = self.post(self.way(url), token=getattr(token, "value", token))
        assert response.status == 303, response
        return response.field("location")

    def arrive(self, link):
        """Follow the link with the code: the page of the job to which it leads."""
        response = self.ask(link)
        assert response.status == 303, response
        return response.field("location")


def code_of(link):
    return urllib.parse.parse_qs(urllib.parse.urlsplit(link).query)["code"][0]


def policy_of(response):
    return dict(part.strip().partition(" ")[::2] for part in response.field("content-security-policy").split(";"))


def texts_of(response):
    """The texts of a page, without its marks."""
    return html.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", response.body.decode(), flags=re.S))
