#!/usr/bin/python3
"""Holds the tables of states in the code (include/jobgate/state.h) against the diagrams in the documents.

Usage: states.py [REPOSITORY]. A diagram is a mermaid stateDiagram-v2 whose second line is `%% NAME`, the table's name. Prints each
table without a diagram, each diagram without a table, each transition that only one of them has, each state of the enum without a
row, and each state that is assigned past the table's own function; exit status 1 if there is any."""

import pathlib
import re
import sys

import c_source

TABLE = re.compile(r"struct state_row (\w+)\[\] = \{(.*?)\n\};", re.DOTALL)
ROW = re.compile(r'\[(\w+)\]\s*=\s*\{\s*"(\w+)",\s*(.*?)\}', re.DOTALL)
FOLLOWS = re.compile(r"STATE\((\w+)\)")
DIAGRAM = re.compile(r"```mermaid\nstateDiagram-v2\n\s*%% (\w+)\n(.*?)```", re.DOTALL)
ARROW = re.compile(r"^\s*(\w+|\[\*\]) --> (\w+|\[\*\])(?:\s*:.*)?$", re.MULTILINE)
ENUM = re.compile(r"enum \w+ \{(.*?)\}", re.DOTALL)


class Table:
    def __init__(self, name, path, body):
        self.name, self.path = name, path
        self.names = {}  # enumerator -> name
        follows = {}
        for state, name, rest in ROW.findall(body):
            self.names[state] = name
            follows[state] = FOLLOWS.findall(rest)
        self.unknown = {to for tos in follows.values() for to in tos} - set(self.names)
        self.arrows = {(self.names[state], self.names[to]) for state, tos in follows.items()
                       for to in tos if to in self.names}


def read_tables(texts):
    return {name: Table(name, path, body) for path, text in texts for name, body in TABLE.findall(text)}


def read_diagrams(top):
    found = {}
    for path in sorted(top.rglob("*.md")):
        if "build" not in path.relative_to(top).parts:
            for name, body in DIAGRAM.findall(path.read_text(encoding="utf-8")):
                found[name] = {arrow for arrow in ARROW.findall(body) if "[*]" not in arrow}
    return found


def enum_problems(table, texts):
    """In the table's folder: its enum has a row for each value, and no value is assigned past the function that the table is for."""
    for path, text in (one for one in texts if one[0].parent == table.path.parent):
        for body in ENUM.findall(text):
            values = set(re.findall(r"^\s*(\w+)", body.replace(",", "\n"), re.MULTILINE))
            if values & set(table.names):
                for value in sorted(values - set(table.names)):
                    yield f"{table.path.name}: {table.name} has no row for {value}"
        for number, line in enumerate(text.splitlines(), 1):
            assigned = re.search(r"->\w+ = (\w+);", line)
            if assigned and assigned[1] in table.names:
                yield f"{path.name}: {assigned[1]} is assigned past the function that {table.name} is for: {line.strip()}"


def check(top):
    texts = list(c_source.sources(top))
    tables, diagrams = read_tables(texts), read_diagrams(top)
    wrong = []
    for name in sorted(set(tables) - set(diagrams)):
        wrong.append(f"{tables[name].path.relative_to(top)}: {name} has no diagram")
    for name in sorted(set(diagrams) - set(tables)):
        wrong.append(f"a diagram is of {name}, which no code has")
    for name in sorted(set(tables) & set(diagrams)):
        for a, b in sorted(tables[name].arrows - diagrams[name]):
            wrong.append(f"the diagram of {name} lacks {a} --> {b}")
        for a, b in sorted(diagrams[name] - tables[name].arrows):
            wrong.append(f"the diagram of {name} has {a} --> {b}, which the code does not allow")
    for name in sorted(tables):
        wrong += [f"{name} names {state}, which has no row" for state in sorted(tables[name].unknown)]
        wrong += enum_problems(tables[name], texts)
    return wrong, len(tables)


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]).resolve()
    wrong, count = check(top)
    for line in wrong:
        print(line)
    if not wrong:
        print(f"states: {count} tables, all as in their diagrams")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
