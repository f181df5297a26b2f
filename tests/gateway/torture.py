"""Every fault at every step: play the cases, compare ledgers, print the table.

usage: torture.py [--install]

make torture runs it in its long form, in two to four minutes; with --install
(make torture INSTALL=yes) the table in INSTALL is written anew.
tests/gateway/test_torture.py runs the short one. A case that leaves the ledgers
in disagreement is printed, and the exit status is 1.
"""

import collections
import dataclasses
import queue
import re
import sys
import threading
import time

from conftest import ROOT, SANITIZED
from torture_cases import (CALLS, CHUNK_STEPS, IDLE, LMTP_STEPS, chunk_cases,
                           hop_cases, maildir)
from torture_lane import PLAIN, SMALL, Lane
from torture_storm import HOPS, storm

INSTALL = ROOT / "INSTALL"
WIDTH = 9  # of a field of the table
# How many lanes there are of a kind; those that wait take no time.
LANES = {"silent": 12, "busy": 3}


def bind(lane, act):
    return (lambda: act(lane)) if callable(act) else act


def play(lane, case):
    """One case; the outcome of its first attempt, for the table."""
    lane.begin(case.pipelining, case.fresh)
    if case.idle:
        lane.hop.disturb(case.idle)
    if case.fault:
        lane.hop.fault = dataclasses.replace(
            case.fault, act=bind(lane, case.fault.act))
    if case.warm or case.inject:
        lane.warm_up()
    hooks = {step: bind(lane, act) for step, act in case.hooks.items()}
    if case.inject:
        lane.attempt_traced(case.inject)
    else:
        lane.attempt(case.text, hooks)
    lane.finish(case.text)
    return lane.outcome()


class Torture:
    """The cases of a form, and what came of them."""

    def __init__(self, long):
        self.long, self.lock = long, threading.Lock()
        self.cells = collections.defaultdict(collections.Counter)
        self.failures = []
        self.attempts = self.doubled = self.doubtful = 0

    def note(self, lane, case, outcome):
        with self.lock:
            self.cells[case.table, case.row, case.column][outcome] += 1
            self.attempts += len(lane.attempts)
            self.doubtful += sum(lane.word(a.client) in "dD"
                                 for a in lane.attempts)
            self.doubled += lane.doubled()

    def work(self, number, cases, **kind):
        """A lane, and a new one in its place when a case has spoilt it."""
        lane = None
        while True:
            try:
                case = cases.get_nowait()
            except queue.Empty:
                break
            try:
                if lane is None:
                    lane = Lane(number, **kind)
                    lane.start()
                self.note(lane, case, play(lane, case))
            except Exception as e:
                with self.lock:
                    self.failures.append(
                        f"{case}: {type(e).__name__}: {e}\n"
                        + (lane.story() if lane else ""))
                if lane:
                    lane.close()
                lane = None
        try:
            if lane:
                lane.stop()
        except AssertionError as e:
            with self.lock:
                self.failures.append(f"the end of a lane: {e}")

    def run(self, tables):
        """All cases of these tables, side by side."""
        pools = collections.defaultdict(queue.Queue)
        for case in cases_of(tables, self.long):
            pools[case.table, case.silent].put(case)
        threads = []
        for (table, silent), cases in pools.items():
            kind = dict(tables[table])
            if silent:
                kind["secs"] = 2 if SANITIZED else 1
            for _ in range(LANES["silent" if silent else "busy"]):
                threads.append(threading.Thread(
                    target=self.work, args=(len(threads), cases),
                    kwargs=kind))
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return self

    def summary(self):
        n = sum(sum(c.values()) for c in self.cells.values())
        lost, invented = (
            sum(bool(re.search(": Trouble: (" + what, f.split("\n")[0]))
                for f in self.failures)
            for what in ("lost: |told 250, and nobody)",
                         "not what was|doubled,|twice in)"))
        return (f"cases={n} attempts={self.attempts} lost={lost} "
                f"invented={invented} "
                f"doubled={self.doubled} doubtful={self.doubtful} "
                f"failures={len(self.failures)}")


TABLES = {
    "smtp": {"kind": "smtp"},
    "smtp, kept": {"kind": "smtp", "kept": True},
    "lmtp": {"kind": "lmtp"},
    "lmtp, kept": {"kind": "lmtp", "kept": True},
    "smtp, chunk": {"kind": "smtp", "chunking": True},
    "lmtp, chunk": {"kind": "lmtp", "chunking": True},
    "maildir": {"kind": "maildir"},
}


def cases_of(tables, long):
    for table, kind in tables.items():
        if kind["kind"] == "maildir":
            yield from maildir(SANITIZED)
        elif kind.get("chunking"):
            yield from chunk_cases(table, long, message_length(PLAIN, **kind))
        else:
            yield from hop_cases(table, kind.get("kept", False), long,
                                 message_length(SMALL, **kind), SANITIZED)


def message_length(text, **kind):
    """The octets of the message, with all that the gateway puts before it."""
    lane = Lane(99, **kind)
    try:
        lane.start().begin()
        assert lane.attempt(text).told == "250"
        return lane.hop.length
    finally:
        lane.close()


# ------------------------------------------------------------------ the table

BLOCKS = [
    ["closes", "resets", "stops", "lingers", "dies", "421"],
    ["4xx", "5xx", "500", "out of place", "endless", "twice", "wrong octet"],
    ["worker killed", "master killed", "client leaves", "no files",
     "no memory", "file size", "disk full", "no right"],
]
ROWS = [IDLE, *LMTP_STEPS[:7], *CHUNK_STEPS, "600 kB", "12 MB", "dot", *CALLS]


def block(cells, table, columns):
    """Some columns of a table, as lines; none where there is nothing."""
    columns = [c for c in columns
               if any((table, row, c) in cells for row in ROWS)]
    if not columns:
        return []
    heads = [c.split(" ", 1) + [""] for c in columns]
    lines = ["    " + "".join(f"{w:<{WIDTH}}"
                              for w in ["", *(h[i] for h in heads)])
             for i in (0, 1)]
    for row in ROWS:
        stacks = [sorted(cells.get((table, row, c), {})) for c in columns]
        for i in range(max(map(len, stacks))):
            lines.append("    " + f"{'' if i else row:<{WIDTH}}" + "".join(
                f"{s[i] if i < len(s) else '':<{WIDTH}}" for s in stacks))
    return [line.rstrip() for line in lines if line.strip()] + [""]


def table_text(cells):
    """All tables, as they stand in INSTALL."""
    lines = []
    for table in TABLES:
        blocks = [line for b in BLOCKS for line in block(cells, table, b)]
        lines += [f"{table}:", "", *blocks] if blocks else []
    return "\n".join(lines).rstrip() + "\n"


LEGEND = """
What a fault comes to, step by step
-----------------------------------
`make torture` has a next hop do the wrong thing at every octet of what it says
and hears, kills workers, masters and next hops there, takes away files, memory
and room, and prints this table. A line is the step of the dialogue with the
next hop at which it happened: idle is between two messages, 600 kB and 12 MB
are in the middle of such a message, dot is when the client ends its message (in
the tables with a chunk the message goes out behind BDAT, and not by DATA);
with a Maildir, sync, rename and folder (which is synced) are what is done with
the first copy and with the second. Each field says what the client was told
(250, 4xx or 5xx; cut: it lost the connection without an answer; left: it had
gone away itself), how many of two recipients have the message at that moment
(by SMTP: of one), and what the log says: m event=message, t hop-trouble, r
hop-refused, x hop-mixed, d doubtful, D doubled, s spool, - nothing. After that
all was mended and the client tried again, until it was told 250: nothing was
lost, no half of a message was ever taken for a whole one, and a message was
doubled only where the answer to the first one was lost.

"""


def install(text):
    """The page with this table in the place of the one that it has."""
    page = INSTALL.read_text(encoding="ascii")
    head = page.split(LEGEND[:36])[0].rstrip("\n") + "\n"
    return head + LEGEND + text


def outcomes(text):
    """The cells of printed tables: (table, row, column, outcome)."""
    found, table, heads, row = set(), "", [], ""
    for line in text.splitlines():
        fields = [line[i:i + WIDTH].strip() for i in range(4, 84, WIDTH)]
        if re.fullmatch(r"[a-z, ]+:", line):
            table, heads = line[:-1], []
        elif not line:
            heads = []
        elif not heads or not re.search(r"\d", line):
            heads = [f"{a} {b}".strip() for a, b in
                     zip(heads or [""] * len(fields), fields)]
        else:
            row = fields[0] or row
            found |= {(table, row, heads[i], cell)
                      for i, cell in enumerate(fields) if i and cell}
    return found


def storms(failures, secs):
    for number, name in enumerate(HOPS):
        try:
            print(storm(name, secs, number), flush=True)
        except Exception as e:
            failures.append(f"storm before {name}: {e}")
            print(failures[-1])


def main():
    begun = time.monotonic()
    result = Torture(long=True).run(TABLES)
    text = table_text(result.cells)
    print(text)
    for failure in result.failures:
        print(failure)
    print(result.summary(), f"secs={time.monotonic() - begun:.0f}", flush=True)
    storms(result.failures, 15)
    if "--install" in sys.argv[1:] and not result.failures:
        INSTALL.write_text(install(text), encoding="ascii")
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
