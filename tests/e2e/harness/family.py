"""Tokens that operators' tokens have created, and a deletion with all descendants while the checker probes."""

import time

from .checker import Subject
from .control import Answer
from .process import PATIENCE, eventually
from .store import Token

COUNT, STREAMS = 8, 3  # of a family; some of its tokens have a stream that runs
PAUSE = 0.05  # before a deletion is repeated


class Family:
    """A tree of tokens, each with a job of its own: the first was created at the socket, each other one by one of those before it."""

    def __init__(self, checker, control, rng, count=COUNT):
        self.checker, self.control = checker, control
        self.subjects, self.created_by = [], {}
        self.root, self.client, self.again_at = None, None, 0
        for _ in range(count):
            self._create(rng.choice(self.subjects) if self.subjects else None)
        checker.subjects += self.subjects
        checker.until_allowed(self.subjects)
        for subject in rng.sample(self.subjects, min(STREAMS, count)):
            checker.open_stream(subject)

    def _create(self, creator):
        caller = self.control.by(creator.token) if creator else self.control
        body = {"name": "family", "role": "operator", "label_selector": "model=base"}

        def made():  # the control process may still be without the store after the fault before
            answer = caller.call("POST", "/v1/tokens", body)
            assert answer.status in (201, 503), answer
            return answer.status == 201 and answer.json
        record = eventually(made, "a token to be created")
        token = Token(record["id"], record["value"], record["name"], record["role"], record["label_selector"])
        subject = Subject(token, self.checker.records.job(self.checker.backend_url, labels={"model": "base"}))
        self.created_by[subject] = creator
        self.subjects.append(subject)

    def below(self, root):
        """The token and all its descendants."""
        found = [root]
        for subject in self.subjects:  # creators come first
            if self.created_by[subject] in found:
                found.append(subject)
        return found

    # ---- the deletion ----

    def delete(self, root):
        """Begin to delete this token with all its descendants, and repeat that until it is complete (see step)."""
        self.root = root
        for subject in self.below(root):
            if subject.live:
                subject.revoking_at, subject.how = time.monotonic(), "cascade"
                self.checker.revocations += 1
        self.checker.beside.append(self.step)
        self.step()

    def step(self):
        """In each turn of the checker; it never waits."""
        path = f"/v1/tokens/{self.root.token.id}?cascade=true"
        if self.client is None:
            if time.monotonic() < self.again_at:
                return
            self.client = self.control.connect()
            self.control.send(self.client, "DELETE", path)
        elif not self.client.silent():
            answer = Answer("DELETE", path, self.client.read_response("DELETE"))
            self.client.close()
            self.client = None
            assert answer.status in (200, 404, 503), answer  # 404: nothing is left
            if answer.status == 503:
                self.again_at = time.monotonic() + PAUSE
            else:
                self._complete()

    def _complete(self):
        self.checker.beside.remove(self.step)
        for subject in self.below(self.root):
            if not subject.revoked_at:
                subject.revoked_at = time.monotonic()
        self.root = None

    def finish(self):
        """Probe until the deletion is complete."""
        deadline = time.monotonic() + PATIENCE
        while self.root:
            assert time.monotonic() < deadline, f"the deletion is not complete after {PATIENCE:g} s"
            self.checker.turn()
