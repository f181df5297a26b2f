"""Every outcome of the connection tests, every mode and place: the replies and
the log are those of a model that was written from the design alone."""

import contextlib
import itertools
import random
import re
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import wait_until
from dnsbl import LISTED, asking, section, zone
from lying_dns import reverse
from nsd import Nsd, zones_of
from order_model import (DEFER, GREETING, OFF, ON, PASS, RCPT, UNKNOWN, WARN,
                         Facts, Name, Settings, expected)
from raw import RawClient
from rdns import FOREIGN, OURS

OPEN = "postmaster@example.org"
# The last is the one that a client may be dropped at.
RECIPIENTS = ((OPEN, "open"), (FOREIGN, "foreign"), (OURS, "own"))
WEIGHTS = {"bl.test": 1, "more.test": 1, "al.test": -5}
PER_SETTINGS = 300

# ---- the facts, one dimension each

BANS = (None, "reject", "defer", "drop", "allow")
PLAIN = Name("here")
RDNS = {
    "nothing": (PLAIN,),
    "reject": (Name("here", "reject"),),
    "reject, elsewhere": (Name("elsewhere", "reject"),),
    "defer": (Name("here", "defer"),),
    "allow": (Name("here", "allow"),),
    "allow, elsewhere": (Name("elsewhere", "allow"),),
    "allow before reject": (Name("here", "allow"), Name("here", "reject")),
    "may be allowed": (Name("here", "reject"), Name(UNKNOWN, "allow")),
    "address unknown": (Name(UNKNOWN),),
    "PTR unknown": None,
    "no name": (),
    "no address": (Name("nowhere"),),
}
RELAY = {
    "none": (None, ()),
    "address": ("relay", ()),
    "deny": ("deny", ()),
    "name": (None, (Name("here", relay="relay"),)),
    "name, elsewhere": (None, (Name("elsewhere", relay="relay"),)),
    "name, deny": (None, (Name("here", relay="deny"),)),
    "name unknown": (None, (Name(UNKNOWN, relay="relay"),)),
}
ZONES = {  # bl.test, more.test, al.test
    "clean": (False, False, False),
    "listed": (True, False, False),
    "twice": (True, True, False),
    "allowed": (True, True, True),
    "unknown": (False, UNKNOWN, False),
    "listed, one unknown": (True, UNKNOWN, False),
    "may be allowed": (True, False, UNKNOWN),
}


def facts_of(ban, names, relay, zones):
    address, more = RELAY[relay]
    if RDNS[names] is None:
        return Facts(ban, UNKNOWN, (), address,
                     dict(zip(WEIGHTS, ZONES[zones])))
    return Facts(ban, "known", RDNS[names] + more, address,
                 dict(zip(WEIGHTS, ZONES[zones])))


def everything():
    """{address: facts}: 127.ZONES.RELAY.RDNS+BAN."""
    out = {}
    for (z, zones), (n, names), (r, relay), (b, ban) in itertools.product(
            *(enumerate(d) for d in (ZONES, RDNS, RELAY, BANS))):
        out[f"127.{100 + z}.{10 + r}.{10 + n * len(BANS) + b}"] = \
            facts_of(ban, names, relay, zones)
    return out


CLIENTS = everything()


# ---- the facts as lists and zones

def host_name(n, name, address):
    """Such a name of this client's; its domains tell what it is."""
    labels = [f"{n}-" + address.replace(".", "-"), name.relay or "plain",
              name.names or "none"]
    domain = {"here": "example", "elsewhere": "example",
              "nowhere": "example", UNKNOWN: "broken.example"}[name.leads]
    return ".".join([*labels, domain])


def list_texts():
    relays, names = [], []
    for suffix in ("example", "broken.example"):
        for n in ("none", "reject", "defer", "allow"):
            if n != "none":
                names += [f".{n}.{suffix} {n}\n"]
            relays += [f".{r}.{n}.{suffix} {r}\n" for r in ("relay", "deny")]
    # A network each: compile refuses a ban of a whole relay entry.
    relays += sorted({a.rsplit(".", 1)[0] + f".0/24 {f.relay}\n"
                      for a, f in CLIENTS.items() if f.relay})
    return {"names": "".join(names), "relay": "".join(relays),
            "banned": "".join(f"{a} {f.ban}\n" for a, f in CLIENTS.items()
                              if f.ban)}


def zone_records():
    """For NSD: what it does not know it does not load, and says SERVFAIL."""
    hosts, broken = defaultdict(list), {"broken.example"}
    for address, f in CLIENTS.items():
        if f.ptr == UNKNOWN:
            broken.add(reverse(address))
        for n, name in enumerate(f.names):
            text = host_name(n, name, address)
            hosts[address].append(text)
            if name.leads in ("here", "elsewhere"):
                hosts[text] = [address if name.leads == "here"
                               else "127.9.9.9"]
    zones = zones_of({k: v for k, v in hosts.items() if v}, broken)
    for name in WEIGHTS:
        for point in (LISTED, "::ffff:7f00:2"):
            label = reverse(point).rsplit(".", 2)[0]
            zones.setdefault(name, []).append(
                f"{label}.{name}. 60 IN A 127.0.0.2\n")
    for i, answers in enumerate(ZONES.values()):
        for name, answer in zip(WEIGHTS, answers):
            if answer == UNKNOWN:
                zones[f"{100 + i}.127.{name}"] = None
            elif answer:
                zones[name].append(f"*.{100 + i}.127.{name}. 60 IN A "
                                   "127.0.0.4\n")
    return zones


@pytest.fixture(scope="module")
def server():
    n = Nsd(zone_records())
    try:
        assert n.rcode("1.1.104.127.more.test", "A") == "SERVFAIL"
        assert n.rcode("1.1.101.127.bl.test", "A") == "NOERROR"
        assert n.rcode("1.1.100.127.bl.test", "A") == "NXDOMAIN"
        yield n
    finally:
        n.close()


# ---- the settings: every pair of values is there

AXES = {
    "banned": (ON, WARN, OFF), "banned_at": (GREETING, RCPT),
    "rdns": (ON, WARN, OFF), "rdns_at": (GREETING, RCPT),
    "rdns_unknown": (PASS, DEFER), "require": ("none", "matches"),
    "relay": (ON, WARN, OFF), "relay_unknown": (PASS, DEFER),
    "dnsbl": (ON, WARN, OFF), "dnsbl_at": (GREETING, RCPT),
    "dnsbl_unknown": (PASS, DEFER),
    "threshold": (1, 2), "soft": (False, True),
}


def pairs_of(row):
    return set(itertools.combinations(sorted(row.items()), 2))


def pairwise(rnd):
    """Rows in which every two values of two axes meet."""
    left = set().union(*(
        {tuple(sorted(((a, v), (b, w))))} for a, b in
        itertools.combinations(AXES, 2) for v in AXES[a] for w in AXES[b]))
    rows = []
    while left:
        tries = [{k: rnd.choice(v) for k, v in AXES.items()}
                 for _ in range(200)]
        for row in tries:
            row.update(dict(rnd.choice(sorted(left, key=repr))))
        best = max(tries, key=lambda row: len(left & pairs_of(row)))
        left -= pairs_of(best)
        rows.append(best)
    return rows


USUAL = dict(banned=ON, rdns=ON, relay=ON, dnsbl=ON, rdns_unknown=DEFER,
             relay_unknown=DEFER, dnsbl_unknown=DEFER, require="matches",
             threshold=1, soft=False)
# All tests on, in every combination of places; and what pairs need.
ROWS = [USUAL | dict(zip(("banned_at", "rdns_at", "dnsbl_at"), places))
        for places in itertools.product((GREETING, RCPT), repeat=3)] + \
    pairwise(random.Random(3))


def name_of(row):
    return " ".join(str(v) for v in row.values())


@contextlib.contextmanager
def serving(server, s, lists):
    with asking(server.address, lists=lists,
                zones=[zone(n, weight=w) for n, w in WEIGHTS.items()],
                rdns_mode=s.rdns, deadline=4000,
                rdns_settings={"at": s.rdns_at, "unknown": s.rdns_unknown,
                               "require": s.require},
                settings={"soft": str(s.soft).lower()},
                sections=[section("test", "banned", mode=s.banned,
                                  at=s.banned_at),
                          section("test", "relay", mode=s.relay,
                                  unknown=s.relay_unknown)],
                mode=s.dnsbl, at=s.dnsbl_at, unknown=s.dnsbl_unknown,
                threshold=s.threshold) as g:
        yield g


# ---- the sessions

def code_of(reply):
    if reply is None:
        return None
    return tuple((re.match(r"(\d+) (\d\.\d+\.\d+)?", reply).groups("")))


def talk(g, address):
    """The greeting and the replies to the recipients, as codes."""
    with RawClient(g.port, address, timeout=20) as c:
        greeting = code_of(c.reply())
        if greeting is None or greeting[0] != "220":
            return greeting, []
        c.send(b"EHLO client.example\r\n")
        c.expect("250")
        c.send("MAIL FROM:<s@client.example>\r\n" + "".join(
            f"RCPT TO:<{a}>\r\n" for a, _ in RECIPIENTS) + "QUIT\r\n")
        c.expect("250 2.1.0")
        replies = []
        for _ in RECIPIENTS:
            replies.append(code_of(c.reply()))
            if replies[-1] is None:
                return greeting, replies
        c.expect("221 | closed")
        return greeting, replies


def field(line, key):
    found = re.search(rf' {key}=("[^"]*"|\S+)', line)
    return found.group(1).strip('"<>') if found else None


def log_by_client(g, count):
    """{address: lines}, when all sessions are in it."""
    def ended():
        lines = g.log().splitlines()
        done = {field(l, "client") for l in lines if "event=session " in l or
                ("event=refuse " in l and " to=" not in l and
                 " reply=" in l)}
        return lines if len(done) >= count else None
    by = defaultdict(list)
    for line in wait_until(ended, what="the end of all sessions"):
        by[field(line, "client")].append(line)
    return by


def told(lines):
    """(test, "reply" or "would", value, recipient) of event=refuse."""
    out = []
    for l in lines:
        if "event=refuse " in l:
            key = "would" if " would=" in l else "reply"
            out.append((field(l, "test"), key, field(l, key),
                        field(l, "to")))
    return out


def differences(address, s, heard, lines):
    f = CLIENTS[address]
    want = expected(f, s, WEIGHTS, RECIPIENTS)
    greeting, rcpt = heard
    if greeting is not None and want.greeting is not None:
        if greeting[0] != want.greeting[0] or \
                want.greeting[1] not in ("", greeting[1]):
            return [f"greeting {greeting}, not {want.greeting}"]
    elif greeting != want.greeting:
        return [f"greeting {greeting}, not {want.greeting}"]
    wrong = []
    if rcpt != want.rcpt:
        wrong.append(f"replies {rcpt}, not {want.rcpt}")
    found, wanted = Counter(told(lines)), Counter(want.lines)
    missing, extra = wanted - found, found - wanted
    missing -= Counter(want.may_miss)
    if missing or extra:
        wrong.append(f"log: missing {[*missing]}, not wanted {[*extra]}")
    for l in lines:
        rule, test = field(l, "rule"), field(l, "test")
        if test == "dnsbl" and field(l, "reason") == "dnsbl":
            if not set(rule.split(",")) <= {
                    f"dnsbl:{z}:127.0.0.4" for z, w in WEIGHTS.items()
                    if f.zones[z] is True}:
                wrong.append(f"rule {rule}")
        elif test in ("banned", "relay") and \
                not rule.startswith(f"{test}:{test}:"):
            wrong.append(f"rule {rule}")
    return wrong


@pytest.fixture(scope="module")
def lists():
    return list_texts()


@pytest.mark.parametrize("n", range(len(ROWS)))
def test_order(server, lists, n):
    s = Settings(**ROWS[n])
    chosen = random.Random(n).sample(sorted(CLIENTS), PER_SETTINGS)
    with serving(server, s, lists) as g:
        with ThreadPoolExecutor(16) as pool:
            heard = dict(zip(chosen, pool.map(lambda a: talk(g, a), chosen)))
        lines = log_by_client(g, len(chosen))
        assert not g.events("zone")
    wrong = []
    for a in chosen:
        for what in differences(a, s, heard[a], lines[a]):
            wrong.append(f"{a} {CLIENTS[a]}: {what}")
    assert not wrong, f"{s}\n" + "\n".join(wrong[:20]) + f"\n{len(wrong)}"
