"""A reader of /v1/events."""

import json


class Events:
    """The stream of one caller (a harness.control.Control), begun; `head` is the head of the answer."""

    def __init__(self, control):
        self.client = control.connect()
        control.send(self.client, "GET", "/v1/events")
        self.head = self.client.read_head()
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.client.close()

    def block(self):
        """The next block, event or comment; None at the end of the answer."""
        while b"\n\n" not in self.buffer:
            piece = self.client.read_piece()
            if piece is None:
                assert not self.buffer, self.buffer
                return None
            self.buffer += piece
        block, _, self.buffer = self.buffer.partition(b"\n\n")
        return block.decode()

    def next(self):
        """(name, data) of the next event; None at the end."""
        while (block := self.block()) is not None:
            if block.startswith(":"):
                continue
            name, data = block.split("\n")
            assert name.startswith("event: ") and data.startswith("data: "), block
            return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))
        return None

    def until(self, name, **members):
        """The data of the next event of this name with these members, and all events before it in `passed`."""
        self.passed = []
        while (event := self.next()) is not None:
            if event[0] == name and members.items() <= event[1].items():
                return event[1]
            self.passed.append(event)
        raise AssertionError(f"the stream ended before {name} {members}: {self.passed}")

    def started(self):
        """Itself, after the events with which each stream begins."""
        assert self.head.status == 200, self.head
        data = self.until("start")
        assert not self.passed and data["changes"], data
        return self
