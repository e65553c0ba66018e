#!/usr/bin/python3
"""Checks that each #include is one that its room may have (ROOMS; proxy/README.md draws them), and looks for cycles of files.

Usage: rooms.py [REPOSITORY]. Prints each forbidden arrow, each cycle between rooms and each cycle of files outside of a family
(file_cycles.py says what that is); exit status 1 if there is any. Else it lists the families in which files form a cycle."""

import pathlib
import re
import sys

import file_cycles

# Room -> (rooms whose headers it may include beside its own, libraries it may include beside libc).
# What a header of a room includes in turn is that room's own affair.
ROOMS = {
    "include/jobgate": (set(), set()),
    "auth": ({"include/jobgate"}, {"libcrypto", "zlib"}),
    "auth/redis": ({"include/jobgate", "auth"}, {"hiredis", "libevent", "libcrypto", "libssl"}),
    "auth/control": ({"include/jobgate", "auth", "auth/redis"},
                     {"libevhtp", "libevent", "jansson", "libcrypto"}),
    "auth/console": ({"include/jobgate"}, {"libcrypto", "zlib"}),
    "auth/bulk": ({"include/jobgate", "auth", "auth/redis", "auth/control"}, {"libevent", "jansson", "libcrypto"}),
    "auth/cli": ({"include/jobgate", "auth"}, {"jansson", "libcurl", "libyaml", "argp", "libcrypto"}),
    "proxy/http": ({"include/jobgate"}, set()),
    "proxy/net": ({"include/jobgate"}, {"libevent", "libcrypto", "libssl", "c-ares"}),
    "proxy/observe": ({"include/jobgate"}, set()),
    "proxy/limits": ({"include/jobgate", "auth"}, set()),
    "proxy/config": ({"include/jobgate", "auth", "auth/redis", "proxy/http", "proxy/net"}, {"libyaml"}),  # bounds and URL forms
    "proxy/http1": ({"include/jobgate", "proxy/http", "proxy/net"}, {"libcrypto"}),
    "proxy/http2": ({"include/jobgate", "proxy/http", "proxy/net"}, set()),
    "proxy/browser": ({"include/jobgate", "auth", "proxy/http"}, {"libcrypto"}),
    "proxy/upstream": ({"include/jobgate", "auth", "proxy/http", "proxy/net", "proxy/observe"}, {"libcrypto"}),
    "proxy/upstream/http1": ({"include/jobgate", "proxy/upstream", "proxy/http", "proxy/http1", "proxy/net"}, set()),
    "proxy/upstream/http2": ({"include/jobgate", "proxy/upstream", "proxy/http", "proxy/http2", "proxy/net"}, set()),
    "proxy/exchange": ({"include/jobgate", "auth", "proxy/browser", "proxy/upstream", "proxy/http", "proxy/net", "proxy/observe"}, {"libcrypto"}),
    "proxy/downstream": ({"include/jobgate", "auth", "proxy/exchange", "proxy/http", "proxy/net", "proxy/observe"}, {"libcrypto"}),
    "proxy/downstream/http1": ({"include/jobgate", "proxy/downstream", "proxy/exchange", "proxy/http", "proxy/http1",
                               "proxy/net"}, set()),
    "proxy/downstream/http2": ({"include/jobgate", "proxy/downstream", "proxy/exchange", "proxy/http", "proxy/http2",
                               "proxy/net"}, set()),
    "proxy/server": ({"include/jobgate", "auth", "auth/redis", "auth/control", "proxy/config", "proxy/exchange",
                      "proxy/downstream", "proxy/downstream/http1", "proxy/downstream/http2", "proxy/upstream", "proxy/upstream/http1", "proxy/upstream/http2",
                      "proxy/limits", "proxy/net", "proxy/observe"}, {"libevent", "libcrypto"}),
    "proxy": ({"include/jobgate", "auth", "auth/bulk", "auth/cli", "proxy/config", "proxy/net", "proxy/server"}, set()),  # main.c
}

# Arrows that the picture does not have, and that are still to go. An arrow that is no longer there has to leave the list.
STILL_TO_GO = set()

# How a library's headers are known. What matches none and has no folder of its own is libc's.
LIBRARIES = [
    ("libssl", r"openssl/(ssl|tls1|dtls1|bio|x509.*)\.h|event2/bufferevent_ssl\.h"),
    ("libcrypto", r"openssl/.*"),
    ("libevhtp", r"evhtp/.*|evhtp\.h"),
    ("libevent", r"event2/.*|event\.h|ev(dns|http|util|rpc)\.h"),
    ("hiredis", r"hiredis/.*|hiredis.*\.h"),
    ("jansson", r"jansson.*\.h"),
    ("libcurl", r"curl/.*"),
    ("libyaml", r"yaml\.h"),
    ("c-ares", r"ares.*\.h"),
    ("zlib", r"zlib\.h"),
    ("argp", r"argp\.h"),
    ("libc", r"(sys|netinet|arpa|linux|net|bits|asm|rpc|sanitizer)/.*|[^/]+\.h"),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def library_of(header):
    for name, pattern in LIBRARIES:
        if re.fullmatch(pattern, header):
            return name
    return f"an unknown library ({header.split('/')[0]})"


def room_of(path, top):
    folder = path.parent.relative_to(top).as_posix()
    return folder if folder in ROOMS else None


def resolve(header, source, top):
    """The file of ours that an include means, or None: the compiler's own search order."""
    for folder in [source.parent, top / "include", top, top / "proxy"]:
        path = (folder / header).resolve()
        if path.is_file() and path.is_relative_to(top):
            return path
    return None


def arrows(top):
    """Each include in the rooms, as (source, line number, own room, what it is told of, its kind)."""
    for folder in ["include", "auth", "proxy"]:
        for source in sorted((top / folder).rglob("*.[ch]")):
            room = room_of(source, top)
            for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                header = match[1] or match[2]
                target = resolve(header, source, top)
                if target:
                    yield source, number, room, room_of(target, top), "room"
                elif match[1]:
                    yield source, number, room, f"{header} (no such file)", "nothing"
                else:
                    yield source, number, room, library_of(header), "library"


def forbidden(room, told, kind):
    if room is None or told is None:
        return True  # a folder that the picture does not have
    rooms, libraries = ROOMS[room]
    if kind == "room":
        return told != room and told not in rooms
    return kind == "nothing" or (told != "libc" and told not in libraries)


def find_cycle(graph):
    """Some cycle in {room: rooms}, as the rooms along it, or None."""
    done, path = set(), []

    def visit(room):
        if room in path:
            return path[path.index(room):] + [room]
        if room in done:
            return None
        path.append(room)
        for other in sorted(graph.get(room, ())):
            cycle = visit(other)
            if cycle:
                return cycle
        path.pop()
        done.add(room)
        return None

    for room in sorted(graph):
        cycle = visit(room)
        if cycle:
            return cycle
    return None


def check(top):
    """All that is wrong, as lines; and how many arrows there are."""
    wrong, graph, count, seen = [], {}, 0, set()
    for source, number, room, told, kind in arrows(top):
        count += 1
        if (room, told) in STILL_TO_GO:
            seen.add((room, told))
            continue
        if forbidden(room, told, kind):
            wrong.append(f"{source.relative_to(top)}:{number}: {room or 'a folder unknown here'} may not know {told}")
        if kind == "room" and room and told and told != room:
            graph.setdefault(room, set()).add(told)
    for room, told in sorted(STILL_TO_GO - seen):
        if (top / room).is_dir() and (top / told).is_dir():
            wrong.append(f"{room} does not know {told} any more: take this arrow off STILL_TO_GO")
    cycle = find_cycle(graph)
    if cycle:
        wrong.append("cycle: " + " -> ".join(cycle))
    return wrong, count


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]).resolve()
    wrong, count = check(top)
    cycles, families = file_cycles.check(top, resolve)
    wrong += cycles
    for line in wrong:
        print(line)
    if not wrong:
        for header, units in sorted(families.items()):
            print(f"family {header}: {' '.join(sorted(units))}")
        print(f"rooms: {count} includes, all as in the picture; {len(families)} families")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
