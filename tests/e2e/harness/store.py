"""A real redis-server, and records written into it as other programs may write them (auth/redis/README.md describes them).

Tokens are made by separate code here, not by the gateway's: two writers must agree on the format."""

import hashlib
import hmac
import secrets
import signal
import string
import zlib

import redis

from .process import Program, accepts_unix, eventually, free_port

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_LETTERS = string.ascii_lowercase + string.digits


def base62(number, width):
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits


def minted_part(key, before):
    """The 11 characters that belong behind these ones; key is 64 hex digits."""
    digest = hmac.digest(bytes.fromhex(key), before.encode(), "sha256")
    return base62(int.from_bytes(digest, "big") >> (256 - 65), 11)


def make_value(token_id, secret=None, key=None):
    """A token's value with a right checksum; with a key (64 hex digits) it is minted, else all of it is random."""
    head = f"jgt_{token_id}_" + (secret or "".join(secrets.choice(BASE62) for _ in range(43)))
    if key:
        head = head[:53] + minted_part(key, head[:53])
    return head + base62(zlib.crc32(head.encode()), 6)


def random_id(length=16):
    return "".join(secrets.choice(ID_LETTERS) for _ in range(length))


class Token:
    def __init__(self, token_id, value, name, role, selector):
        self.id, self.value, self.name, self.role, self.selector = token_id, value, name, role, selector

    @property
    def bearer(self):
        return f"Bearer {self.value}"


class RedisServer:
    """redis-server on a Unix socket and on a loopback port, nothing written to disk."""

    def __init__(self, folder, *options):
        self.folder = folder
        self.options = [str(option) for option in options]
        self.socket_path = str(folder / "redis.sock")
        self.port = free_port()
        self.program = None
        self.client = redis.Redis(unix_socket_path=self.socket_path, decode_responses=True)

    @property
    def url(self):
        return f"unix:{self.socket_path}"

    @property
    def tcp_url(self):
        return f"redis://127.0.0.1:{self.port}"

    def start(self):
        self.program = Program(
            ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--unixsocket", self.socket_path,
             "--save", "", "--appendonly", "no", "--dir", self.folder, *self.options],
            self.folder / "redis.log")
        eventually(lambda: accepts_unix(self.socket_path), "redis-server to start")
        eventually(self._answers, "redis-server to answer")
        return self

    def _answers(self):
        try:
            return self.client.ping()
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False

    def freeze(self):
        self.program.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.program.send_signal(signal.SIGCONT)

    def kill(self):
        """End it as a crash does; start() brings it back with what its file has."""
        self.program.stop(signal.SIGKILL)

    def stop(self):
        if self.program and self.program.running():
            self.thaw()
            self.program.stop(signal.SIGKILL)


class Records:
    """Writes tokens and jobs by plain HSET, as an operator's script would: with the store's key, if it has one."""

    def __init__(self, client, prefix="jobgate:"):
        self.client = client
        self.prefix = prefix

    def token_key(self, token_id):
        return f"{self.prefix}token:{token_id}"

    def job_key(self, job_id):
        return f"{self.prefix}job:{job_id}"

    def mint_key(self):
        return self.client.get(f"{self.prefix}mint")

    def token(self, role="read", selector="", name="test", token_id=None, **changes):
        token_id, key = token_id or random_id(), self.mint_key()
        value = make_value(token_id, key=key)
        fields = {
            "name": name, "role": role, "selector": selector, "version": "1",
            "hash": hashlib.sha256(value.encode()).hexdigest(),
            "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z",
        }
        if key:
            fields["minted"] = "1"
        fields.update(changes)
        fields = {field: text for field, text in fields.items() if text is not None}
        self.client.hset(self.token_key(token_id), mapping=fields)
        return Token(token_id, value, name, role, selector)

    def renew(self, token, version=2):
        """A new value under the same id, as `token renew` writes it."""
        key = self.mint_key()
        value = make_value(token.id, key=key)
        fields = {"hash": hashlib.sha256(value.encode()).hexdigest(), "version": str(version)}
        if key:
            fields["minted"] = str(version)
        self.client.hset(self.token_key(token.id), mapping=fields)
        return Token(token.id, value, token.name, token.role, token.selector)

    def delete_token(self, token):
        self.client.delete(self.token_key(token.id))

    def job(self, url=None, labels=None, job_id=None, **changes):
        job_id = job_id or "job-" + random_id(10)
        fields = {"created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z"}
        if url is not None:
            fields["url"] = url
        for name, value in (labels or {}).items():
            fields[f"label:{name}"] = value
        fields.update(changes)
        self.client.hset(self.job_key(job_id), mapping=fields)
        return job_id

    def delete_job(self, job_id):
        self.client.delete(self.job_key(job_id))
