"""The faults at each step, for the short form and for the long one.

The short form takes the first, the middle and the last octet of each reply and
command, and every octet of the reply to the dot; the long one takes them all.
"""

import functools
import itertools
from dataclasses import dataclass, field, replace

from torture_hop import GOOD, KEYWORDS, Fault
from torture_lane import LARGE, MEDIUM, PLAIN, SMALL, TO

STEPS = ["connect", "greeting", "EHLO", "MAIL", "RCPT", "RCPT 2", "DATA",
         "message", "end"]
LMTP_STEPS = [*STEPS, "end 2"]
# Where the message goes as one chunk; what comes before is as with DATA.
CHUNK_STEPS = ["BDAT", "message", "end", "end 2"]
# Between two uses of a connection that is kept.
IDLE = "idle"
# What the hop does, and the name of the column.
ACTS = {"closes": "close", "resets": "reset", "stops": "stop",
        "lingers": "linger", "dies": "die"}


@dataclass
class Case:
    """One cell of a table, or one of several that it is made from."""

    table: str
    row: str
    column: str
    fault: Fault = None
    pipelining: bool = True
    text: bytes = SMALL
    hooks: dict = field(default_factory=dict)  # the client's step: what is done
    silent: bool = False  # it ends with the session's time
    idle: str = None
    fresh: bool = False  # by a worker that has served nobody yet
    inject: str = None  # what strace makes of a system call of the worker
    warm: bool = False  # one message went through before, all folders are made

    def __str__(self):
        f = self.fault
        return (f"{self.table}: {self.row}, {self.column}"
                + (f", {f.side} {f.at}" if f else "")
                + ("" if self.pipelining else ", one by one"))


def reply_of(step, pipelining):
    """What a good hop says there."""
    if step == "EHLO":
        words = KEYWORDS + (b"PIPELINING",) * pipelining
        return b"250-" + b"\r\n250-".join(words) + b"\r\n"
    return GOOD.get(step.split(" ")[0], b"")


LINES = {"EHLO": b"EHLO gw.example.org\r\n",
         "MAIL": b"MAIL FROM:<s@client.example>\r\n",
         "RCPT": b"RCPT TO:<alice@example.org>\r\n",
         "RCPT 2": b"RCPT TO:<bob@example.org>\r\n", "DATA": b"DATA\r\n",
         "BDAT": b"BDAT 999 LAST\r\n"}


def steps_of(table, kept):
    if table.endswith("chunk"):
        return CHUNK_STEPS[:4 if table.startswith("lmtp") else 3]
    steps = LMTP_STEPS if table.startswith("lmtp") else STEPS
    return steps[3 if kept else 0:]


def some(n, long):
    """Positions before the end of n octets: all, or three of them."""
    return range(n) if long else sorted({0, n // 2, n - 1} - {-1})


def places(step, pipelining, long, length):
    """Where a fault of this step may strike: (side, octets before it)."""
    if step == "connect":
        return [("says", 0)]
    if step == "message":
        few = [0, 1, length // 2, length - 3, length - 1]
        return [("hears", n) for n in (range(length) if long else few)]
    heard = len(LINES.get(step, b""))
    said = len(reply_of(step, pipelining))
    hears = some(heard, long) if heard else []
    return [("hears", n) for n in hears] + \
        [("says", n) for n in some(said, long or step.startswith("end"))]


# ------------------------------------------------------------ cuts and pauses


def cuts(table, kept, long, length):
    """The hop closes, resets, stops, lingers or dies."""
    for pipelining in (True, False):
        for step in steps_of(table, kept):
            for i, (side, at) in enumerate(
                    places(step, pipelining, long, length)):
                for column, act in ACTS.items():
                    if long and skipped_long(column, i) or not long and \
                            skipped(pipelining, step, column, i):
                        continue
                    yield cut(table, kept, pipelining, step, side, at, column)


def skipped_long(column, i):
    """What does not depend on the octet is done at fewer of them."""
    return column in ("dies", "lingers") and i % 4


def skipped(pipelining, step, column, i):
    """The short form: closing at all its places, the rest at one of three."""
    if i % 3 == 1 or step == "connect":
        return not pipelining and column not in ("closes", "stops")
    if not pipelining:
        return True
    return column != "closes" and not (column == "resets" and step == "end")


def cut(table, kept, pipelining, step, side, at, column):
    act, silent = ACTS[column], column == "stops"
    if silent and step in ("DATA", *CHUNK_STEPS):
        act, silent = "stall", False  # nothing shortens that wait
    return Case(table, step, column, Fault(step, side, at, act, once=kept),
                pipelining, silent=silent)


def idles(table):
    for column, act in ACTS.items():
        if act in ("close", "reset", "die"):
            yield Case(table, IDLE, column, idle=act)
    yield Case(table, IDLE, "421", idle="421")


# ----------------------------------------------------------------------- lies

LIES = {
    "4xx": b"450 4.2.0 later\r\n",
    "5xx": b"550 5.7.1 no\r\n",
    "500": b"500 5.5.2 what\r\n",
    "421": b"421 4.3.2 bye\r\n",
    "out of place": None,
    "endless": b"250-more\r\n" * 20000,
    "twice": None,
}
WRONG_OCTETS = (b"x", b"5", b"\n", b"\0", b"\xff")


def lies_of(step, good):
    for column, reply in LIES.items():
        if column == "out of place":
            reply = b"250 2.0.0 ok\r\n" if step == "DATA" else b"354 go on\r\n"
        elif column == "twice":
            reply = good + good
        elif column == "endless":
            reply = good[:3] + reply[3:]
        yield column, reply, "close" if column in ("421", "endless") else None


def changed(reply, at, octet):
    return reply[:at] + octet + reply[at + 1:]


def garbled(table, kept, pipelining, step, long):
    """One octet of a reply is another one."""
    good = reply_of(step, pipelining)
    every = long or (step == "end" and not table.endswith("chunk"))
    for at in some(len(good), every):
        for octet in WRONG_OCTETS if every else WRONG_OCTETS[at % 2::2]:
            if good[at:at + 1] != octet:
                lie = functools.partial(changed, at=at, octet=octet)
                yield Case(table, step, "wrong octet",
                           Fault(step, "says", at, lie=lie, once=kept),
                           pipelining)


def no_chunks(table):
    """BDAT itself is refused, and the message is taken for commands."""
    for column in ("4xx", "5xx", "500", "421"):
        lie = functools.partial(lambda _, r: r, r=LIES[column])
        yield Case(table, "BDAT", column, Fault(
            "BDAT", "says", 0, "close" if column == "421" else None, lie))


def lies(table, kept, long):
    for pipelining in (True, False):
        for step in steps_of(table, kept):
            if step in ("connect", "message"):
                continue
            if step == "BDAT":
                yield from no_chunks(table)
                continue
            good = reply_of(step, pipelining)
            for column, reply, act in lies_of(step, good):
                lie = functools.partial(lambda _, r: r, r=reply)
                yield Case(table, step, column,
                           Fault(step, "says", 0, act, lie, once=kept),
                           pipelining)
            yield from garbled(table, kept, pipelining, step, long)


# ----------------------------------------------------------------- the gateway

BLOWS = {
    "worker killed": lambda lane: lane.kill_worker(),
    "master killed": lambda lane: lane.kill_master(),
    "client leaves": lambda lane: lane.leave(),
}


def blows(table, kept, long, length):
    """Something happens to the gateway while the hop is at that octet."""
    for step in steps_of(table, kept):
        for i, (side, at) in enumerate(places(step, True, long, length)):
            for column, blow in BLOWS.items():
                if not long and i % 3 != 1 and step != "connect":
                    continue
                if long and column != "worker killed" and i % 5:
                    continue
                yield Case(table, step, column,
                           Fault(step, side, at, blow, once=True))


# What the client is about to say when a worker gets no more; "dot" is the
# rest of the message with its end.
CLIENT_STEPS = ["MAIL", "RCPT", "RCPT 2", "DATA", "message", "dot"]


def shortages(table, kept, sanitized):
    """No file, no memory, no room; a large message is not held in memory."""
    for step in CLIENT_STEPS:
        for text in (SMALL, MEDIUM):
            yield Case(table, step, "no files", text=text, fresh=not kept,
                       hooks={step: lambda lane: lane.starve("files")})
            if not sanitized:
                yield Case(table, step, "no memory", text=text, fresh=not kept,
                           hooks={step: lambda lane: lane.starve("memory")})
        yield Case(table, step, "file size", text=MEDIUM, hooks={
            step: lambda lane: lane.starve("size", 300000)})
        yield Case(table, step, "disk full", text=MEDIUM, hooks={
            step: lambda lane: lane.fill_disk()})


def maildir(sanitized):
    table = "maildir"
    for step in CLIENT_STEPS:
        for column in ("worker killed", "master killed"):
            for text in (SMALL, MEDIUM):
                yield Case(table, step, column, text=text,
                           hooks={step: BLOWS[column]})
    yield from shortages(table, False, sanitized)
    yield from rights(table)
    if not sanitized:  # strace and the leak checker do not go together
        yield from calls(table)


# Two copies are synced and renamed, and after each rename its folder is synced.
CALLS = {"sync 1": ("fsync", 1), "sync 2": ("fsync", 2),
         "rename 1": ("renameat", 1), "folder 1": ("fsync", 3),
         "rename 2": ("renameat", 2), "folder 2": ("fsync", 4)}


def calls(table):
    """The worker is killed at each step of a delivery into two Maildirs."""
    for row, (call, when) in CALLS.items():
        yield Case(table, row, "worker killed",
                   inject=f"{call}:signal=KILL:when={when}")


def rights(table):
    """A folder new may not be written (rename) or not be read (sync)."""
    for row, mode in (("rename", 0o500), ("folder", 0o300)):
        for i, to in enumerate(TO):
            yield Case(table, f"{row} {i + 1}", "no right", warm=True, hooks={
                "dot": functools.partial(forbid, to=to, mode=mode)})


def forbid(lane, to, mode):
    lane.forbid(to, mode)


def streams(table, kept, long, end):
    """Too long for the worker's memory: it may go out while it comes in."""
    spots = [0, 1, 131071, 131072, len(MEDIUM) // 2, end - 3, end - 1]
    if table.endswith("chunk"):
        spots = spots[::2]
    acts = {**ACTS, "stops": "stall", **BLOWS}
    for at in sorted({*spots, *range(0, end, 8192)}) if long else spots:
        for column, act in acts.items():
            yield Case(table, "600 kB", column,
                       Fault("message", "hears", at, act, once=kept
                             or column in BLOWS), text=MEDIUM)
    for column, act in BLOWS.items():
        yield Case(table, "600 kB", column, text=MEDIUM,
                   hooks={"message": act})


def large(table, kept):
    """Longer than all buffers together: whoever cuts it short, is seen."""
    for column in ("closes", "resets", "dies"):
        for at in (1, len(LARGE) // 8):
            yield Case(table, "12 MB", column,
                       Fault("message", "hears", at, ACTS[column], once=kept),
                       text=LARGE)
    for column in ("worker killed", "master killed", "client leaves"):
        yield Case(table, "12 MB", column,
                   Fault("message", "hears", len(LARGE) // 8, BLOWS[column],
                         once=True), text=LARGE)


def hop_cases(table, kept, long, length, sanitized):
    for case in every_case(table, kept, long, length, sanitized):
        # By LMTP all is as by SMTP up to the message.
        late = case.row in ("DATA", *CHUNK_STEPS, "600 kB", "dot")
        if long or table.startswith("smtp") or late:
            yield case


def chunk_cases(table, long, length):
    """Pipelining makes no difference any more."""
    cases = itertools.chain(
        cuts(table, False, long, length), lies(table, False, long),
        blows(table, False, long, length))
    for case in cases:
        if case.pipelining:
            yield replace(case, text=PLAIN)
    yield from streams(table, False, long, length - len(PLAIN) + len(MEDIUM))


def every_case(table, kept, long, length, sanitized):
    yield from cuts(table, kept, long, length)
    yield from lies(table, kept, long)
    yield from blows(table, kept, long, length)
    yield from shortages(table, kept, sanitized)
    yield from streams(table, kept, long, length
                       - len(SMALL.replace(b"\n.", b"\n..")) + len(MEDIUM))
    yield from large(table, kept)
    if kept:
        yield from idles(table)
