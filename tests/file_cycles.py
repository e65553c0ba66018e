"""Finds cycles of files: units that need one another's functions. Used by rooms.py.

A unit is X.c with X.h. It needs another unit when its code names a function or a table that the other one's .c file defines;
which header declares it, and which types a header shares, does not matter. A call through a table of functions is no such need:
that is how an interface breaks a cycle. The code's layout is what tells a definition: its name stands at the start of a line.

A family is the files that include one header *_state.h, the insides of an object which they implement together. A cycle within one
family is allowed, any other is not."""

import re

NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
FUNCTION = re.compile(r"([a-z]\w*)\(.*[^;]$")
TABLE = re.compile(r"(?!static\b|typedef\b|extern\b)[a-z][\w *]*?\b(\w+)(?:\[[^]]*\])* = ")
STATE = re.compile(r'^\s*#\s*include\s*"([^"]*_state\.h)"', re.M)
NAME = re.compile(r"(?<![\w.])(?<!->)[a-z]\w*")


def definitions(code):
    """(name, whether it is the file's own) of what a .c file defines."""
    before = ""
    for line in code.splitlines():
        function, table = FUNCTION.match(line), TABLE.match(line)
        if function and before.strip():
            yield function[1], "static" in before.split()
        elif table:
            yield table[1], False
        before = line


def names(path, code):
    """The names that a file uses; of a header those within bodies of functions, for the others are declarations."""
    lines = code.splitlines()
    if path.suffix == ".h":
        lines = [line for line in lines if line.startswith("\t")]
    return {name for line in lines for name in NAME.findall(line)}


class Units:
    """`needs` is {unit: {unit it needs: names}}, `families` is {header: units}; `resolve` finds the file that an include means."""

    def __init__(self, top, resolve):
        self.needs, self.families, used, self.owner = {}, {}, {}, {}
        for path in sorted(path for folder in ("include", "auth", "proxy") for path in (top / folder).rglob("*.[ch]")):
            text = path.read_text(encoding="utf-8")
            unit = path.relative_to(top).with_suffix("").as_posix()
            code = NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
            defined = dict(definitions(code)) if path.suffix == ".c" else {}
            used.setdefault(unit, set()).update(names(path, code) - set(defined))
            self.owner.update((name, unit) for name, own in defined.items() if not own)
            for header in STATE.findall(text):
                family = resolve(header, path, top)
                if family:
                    self.families.setdefault(family.relative_to(top).as_posix(), set()).add(unit)
        for unit, found in used.items():
            self.needs[unit] = {}
            for name in sorted(found & set(self.owner)):
                if self.owner[name] != unit:  # else the unit's header names it
                    self.needs[unit].setdefault(self.owner[name], []).append(name)

    def reach(self, start, within):
        """All units of `within` that `start` needs, directly or not."""
        reached, todo = set(), [start]
        while todo:
            for other in self.needs[todo.pop()]:
                if other in within and other not in reached:
                    reached.add(other)
                    todo.append(other)
        return reached

    def cycles(self):
        """Sets of units, as large as can be, each of which needs all others of its set."""
        left, found = set(self.needs), []
        for unit in sorted(self.needs):
            if unit in left:
                cycle = {other for other in self.reach(unit, left) if unit in self.reach(other, left)}
                left -= cycle | {unit}
                if cycle:
                    found.append(cycle)
        return found

    def family_of(self, cycle):
        """The header of the family that holds the whole cycle, or None."""
        return next((header for header, units in sorted(self.families.items()) if cycle <= units), None)

    def shortest(self, cycle):
        """One short way round, as text that names what each unit needs of the next."""
        best = None
        for start in sorted(cycle):
            ways, seen = [[start]], set()
            while ways:
                way = ways.pop(0)
                if best and len(way) >= len(best):
                    break
                for other in sorted(set(self.needs[way[-1]]) & cycle):
                    if other == start and (not best or len(way) + 1 < len(best)):
                        best = way + [start]
                    elif other not in seen:
                        seen.add(other)
                        ways.append(way + [other])
        return best[0] + "".join(f" -> {other} ({self.needs[unit][other][0]})" for unit, other in zip(best, best[1:]))


def check(top, resolve):
    """Each forbidden cycle, as a line; and the families with a cycle, as {header: units}."""
    units, wrong, families = Units(top, resolve), [], {}
    for cycle in units.cycles():
        family = units.family_of(cycle)
        if family:
            families[family] = cycle
        else:
            wrong.append(f"cycle of files: {units.shortest(cycle)}; all that need one another: {' '.join(sorted(cycle))}")
    return wrong, families
