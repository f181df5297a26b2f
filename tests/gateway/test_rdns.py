"""Reverse DNS: what is required of a client's name, and what a name does."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import free_port
from lying_dns import (A, AAAA, NXDOMAIN, PTR, SERVFAIL, LyingDns, address,
                       delayed, ptr, rcode, reverse, silent)
from nsd import Nsd, zones_of
from proc import has_ipv6
from rdns import (FOREIGN, MESSAGE, OURS, asking, code, listen_both,
                  received_name, session, session_state, state_of,
                  test_section)

# ---- every level, with what every kind of client comes to

# client: address, state in the log, result of require name, resolves, matches
OK, FAIL, UNKNOWN = "pass", "fail", "unknown"
CLIENTS = {
    "match": ("127.1.0.1", "name", OK, OK, OK),
    "mismatch": ("127.1.0.2", "unconfirmed", OK, OK, FAIL),
    "unresolved": ("127.1.0.3", "unconfirmed", OK, FAIL, FAIL),
    "none": ("127.1.0.4", "none", FAIL, FAIL, FAIL),
    "nodata": ("127.1.0.5", "none", FAIL, FAIL, FAIL),
    "two names": ("127.1.0.6", "name", OK, OK, OK),
    "two wrong names": ("127.1.0.7", "unconfirmed", OK, OK, FAIL),
    "two addresses": ("127.1.0.8", "name", OK, OK, OK),
    "alias": ("127.1.0.9", "name", OK, OK, OK),
    "SERVFAIL": ("127.66.0.1", "unknown", UNKNOWN, UNKNOWN, UNKNOWN),
    "timeout": ("127.77.0.1", "unknown", UNKNOWN, UNKNOWN, UNKNOWN),
    "address SERVFAIL": ("127.1.0.10", "unknown", OK, UNKNOWN, UNKNOWN),
    "address timeout": ("127.1.0.11", "unknown", OK, UNKNOWN, UNKNOWN),
    "one confirmed": ("127.1.0.12", "name", OK, OK, OK),
    "one wrong, one unknown": ("127.1.0.13", "unknown", OK, OK, UNKNOWN),
}
LEVELS = ("none", "name", "resolves", "matches")
HOSTS = {
    "127.1.0.1": ["match.example"], "match.example": ["127.1.0.1"],
    "127.1.0.2": ["mismatch.example"], "mismatch.example": ["127.9.9.9"],
    "127.1.0.3": ["unresolved.example"],
    "x." + reverse("127.1.0.5"): ["127.9.9.9"],  # a node without records
    "127.1.0.6": ["mismatch.example", "second.example"],
    "second.example": ["127.1.0.6"],
    "127.1.0.7": ["mismatch.example", "unresolved.example"],
    "127.1.0.8": ["eight.example"],
    "eight.example": ["127.9.9.9", "127.1.0.8", "::2"],
    reverse("127.1.0.9"): "9.customer." + reverse("127.1.0.9"),  # RFC 2317
    "alias.example": "real.example", "real.example": ["127.1.0.9"],
    "127.1.0.10": ["lost.broken.example"],
    "127.1.0.11": ["lost.silent.example"],
    "127.1.0.12": ["lost.broken.example", "twelve.example"],
    "twelve.example": ["127.1.0.12"],
    "127.1.0.13": ["mismatch.example", "lost.broken.example"],
    "::1": ["six.example"], "six.example": ["127.9.9.9", "::1"],
}
BROKEN = ("66.127.in-addr.arpa", "77.127.in-addr.arpa", "broken.example",
          "silent.example")


@pytest.fixture(scope="module")
def servers():
    """NSD, and behind it one who answers SERVFAIL or nothing where NSD does
    not know: the addresses of both."""
    zones = zones_of(HOSTS, BROKEN)
    zones["127.in-addr.arpa"].append(
        "9.customer." + reverse("127.1.0.9") + ". 60 IN PTR alias.example.\n")
    n = Nsd(zones)
    with LyingDns(default=rcode(SERVFAIL)) as second:
        second.say("127.77.0.1", silent)
        second.say("lost.silent.example", silent)
        try:
            assert n.rcode(reverse("127.1.0.1")) == "NOERROR"
            assert n.rcode(reverse("127.1.0.4")) == "NXDOMAIN"
            assert n.rcode(reverse("127.1.0.5")) == "NOERROR"
            assert n.rcode(reverse("127.77.0.1")) == "SERVFAIL"
            yield n.address, second.address
        finally:
            n.close()


def of_all(g, clients, **kw):
    """A session of each, all at once: {client: what came of it}."""
    with ThreadPoolExecutor(len(clients)) as pool:
        done = {c: pool.submit(session, g, CLIENTS[c][0], **kw)
                for c in clients}
        return {c: d.result() for c, d in done.items()}


def result(client, level):
    if level == "none":
        return OK
    return CLIENTS[client][1 + LEVELS.index(level)]


@pytest.mark.parametrize("unknown", ("pass", "defer"))
@pytest.mark.parametrize("mode", ("on", "warn"))
@pytest.mark.parametrize("at", ("greeting", "rcpt"))
@pytest.mark.parametrize("level", LEVELS)
def test_require(servers, level, at, mode, unknown):
    wrong = []
    with asking(*servers, require=level, at=at, mode=mode, unknown=unknown,
                deadline=600) as g:
        for client, got in of_all(g, CLIENTS, to=(
                OURS, "postmaster@example.org")).items():
            found = result(client, level)
            refused = found == FAIL or (found == UNKNOWN and
                                        unknown == "defer")
            greeting, rcpt, opened, would = "220", "250 2.1.5", "250", None
            if refused and mode == "warn":
                would = "reject" if found == FAIL else "defer"
            elif refused and at == "greeting":
                greeting = "554 5.7.25" if found == FAIL else "421 4.4.3"
            elif refused:
                rcpt = "550 5.7.25" if found == FAIL else "450 4.4.3"
            if not code(got.greeting, greeting):
                wrong.append((client, "greeting", greeting, got.greeting))
            elif greeting == "220":
                if not code(got.rcpt[0], rcpt):
                    wrong.append((client, "rcpt", rcpt, got.rcpt[0]))
                if not got.rcpt[1].startswith(opened):
                    wrong.append((client, "open", opened, got.rcpt[1]))
            logged = [l for l in got.lines if " would=" in l]
            if would and not [l for l in logged if f" would={would}" in l
                              and " test=rdns" in l]:
                wrong.append((client, "would", would, got.lines))
            if not would and logged:
                wrong.append((client, "would", None, logged))
            if greeting != "220" or rcpt != "250 2.1.5":
                if not [l for l in got.lines if "event=refuse" in l and
                        " test=rdns" in l and " reply=" in l]:
                    wrong.append((client, "refuse line", "", got.lines))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("at", ("greeting", "rcpt"))
def test_state_in_the_log(servers, at):
    with asking(*servers, require="matches", at=at, deadline=600) as g:
        states = {c: state_of(got.lines, "session" if got.rcpt else "refuse")
                  for c, got in of_all(g, CLIENTS).items()}
    names = {"match": "match.example", "two names": "second.example",
             "two addresses": "eight.example", "alias": "alias.example",
             "one confirmed": "twelve.example"}
    assert states == {c: (row[1], names.get(c)) for c, row in CLIENTS.items()}


def test_state_on_every_line(servers):
    with asking(*servers, require="matches", at="rcpt") as g:
        got = session(g, CLIENTS["match"][0], data=MESSAGE,
                      to=(OURS, FOREIGN))
        assert got.data.startswith("250") and code(got.rcpt[1], "550 5.7.1")
        for event in ("session", "message", "refuse"):
            assert state_of(got.lines, event) == ("name", "match.example")
        got = session(g, CLIENTS["mismatch"][0], data=MESSAGE,
                      to=(OURS, "postmaster@example.org"))
        assert code(got.rcpt[0], "550 5.7.25")
        for event in ("session", "message", "refuse"):
            assert state_of(got.lines, event) == ("unconfirmed", None)
        assert "mismatch.example" not in received_name(g.mails()[-1])


@pytest.mark.parametrize("client", ("match", "mismatch", "unresolved", "none",
                                    "SERVFAIL", "timeout", "two names"))
def test_received(servers, client):
    name = {"match": "match.example", "two names": "second.example"}
    with asking(*servers, require="matches", mode="warn", deadline=400) as g:
        got = session(g, CLIENTS[client][0], data=MESSAGE, pause=0.1,
                      helo="hello.example")
        assert got.data.startswith("250")
        (mail,) = g.mails()
        assert received_name(mail) == name.get(client, "unknown")
        assert b"from hello.example (" in mail
        assert b" [" + CLIENTS[client][0].encode() + b"])" in mail


def test_soft_refusals_are_temporary(servers):
    soft = {"soft": "true"}
    with asking(*servers, require="matches", settings=soft) as g:
        got = session(g, CLIENTS["none"][0])
        assert code(got.rcpt[0], "450 4.7.25"), got.rcpt
    with asking(*servers, require="matches", at="greeting",
                settings=soft) as g:
        got = session(g, CLIENTS["none"][0])
        assert got.greeting.startswith("421 4.7."), got.greeting


def test_off_tells_no_verdict(servers):
    with asking(*servers, require="matches", mode="off",
                lists={"names": "mismatch.example reject\n"}) as g:
        for client in ("match", "none", "mismatch", "SERVFAIL"):
            got = session(g, CLIENTS[client][0])
            assert got.rcpt[0].startswith("250")
            assert not [l for l in got.lines if " would=" in l]


# ---- IPv6: there is no other source than ::1

@pytest.fixture
def six():
    if not has_ipv6():
        pytest.skip("there is no IPv6")
    with LyingDns() as dns:
        yield dns


def both(dns, **kw):
    port = free_port()
    g = asking(dns.address, settings={"listen": listen_both(port)}, **kw)
    return port, g


@pytest.mark.parametrize("names, want, state", [
    ({"six.example": ["::1"]}, "250 2.1.5", ("name", "six.example")),
    ({"six.example": ["::2", "::1"]}, "250 2.1.5", ("name", "six.example")),
    ({"six.example": ["::2"]}, "550 5.7.25", ("unconfirmed", None)),
    ({"six.example": ["127.0.0.1"]}, "550 5.7.25", ("unconfirmed", None)),
    ({}, "550 5.7.25", ("none", None)),
])
def test_ipv6(six, names, want, state):
    six.say("::1", ptr(*names) if names else rcode(NXDOMAIN))
    for name, addresses in names.items():
        six.say(name, address(*addresses))
    port, gateway = both(six, require="matches")
    with gateway as g:
        g.port = port
        got = session(g, "::1", data=MESSAGE if want[0] == "2" else None)
        assert code(got.rcpt[0], want)
        assert session_state(got) == state
        if got.data:
            assert received_name(g.mails()[0]) == "six.example"
    assert six.names(PTR) == [reverse("::1")]


def test_ipv6_with_nsd(servers, six):
    port = free_port()
    with asking(*servers, require="matches",
                settings={"listen": listen_both(port)}) as g:
        g.port = port
        got = session(g, "::1")
        assert got.rcpt[0].startswith("250")
        assert session_state(got) == ("name", "six.example")
        got = session(g, "127.1.0.1")
        assert session_state(got) == ("name", "match.example")


def test_ipv6_name_entries(six):
    six.host("six.example", "::1")
    port, gateway = both(six, lists={"names": "six.example reject\n",
                                     "relay": ".else.example\n"})
    with gateway as g:
        g.port = port
        assert code(session(g, "::1").rcpt[0], "550 5.7.1")


# ---- list names

NAMES = """
.isp.example reject "dynamic address"
mail.isp.example allow
.static.isp.example allow
later.static.isp.example defer "come back"
exact.example reject
.plain.later.example defer
good.example allow
.friends.example allow
gone.example reject until=2020-01-01
helo:hello.example reject
"""
ME, ELSE = "127.2.0.1", "127.9.9.9"
ACCEPT, REJECT, DEFER = "250 2.1.5", "550 5.7.1", "450 4.7.1"


def told(dns, names, order=1):
    """Let ME have these names; C: confirmed, U: not, X: no address, S:
    SERVFAIL."""
    dns.clear()
    dns.say(ME, ptr(*list(names)[::order]))
    for name, kind in names.items():
        dns.say(name, {"C": address(ME), "U": address(ELSE),
                       "X": rcode(NXDOMAIN), "S": rcode(SERVFAIL),
                       "T": silent}[kind])


@pytest.fixture(scope="module")
def dns():
    with LyingDns() as server:
        yield server


@pytest.fixture(scope="module")
def named(dns):
    with asking(dns.address, lists={"names": NAMES}, unknown="defer",
                deadline=500) as g:
        yield g


ROWS = [
    # One name, confirmed or not: reject and defer count for both.
    *[({name: kind}, want) for kind in "CUX" for name, want in [
        ("x.isp.example", REJECT),
        ("isp.example", REJECT),
        ("a.b.c.isp.example", REJECT),
        ("X.ISP.Example", REJECT),
        ("xisp.example", ACCEPT),
        ("isp.example.org", ACCEPT),
        ("exact.example", REJECT),
        ("EXACT.EXAMPLE", REJECT),
        ("sub.exact.example", ACCEPT),
        ("xexact.example", ACCEPT),
        ("later.static.isp.example", DEFER),
        ("x.plain.later.example", DEFER),
        ("plain.later.example", DEFER),
        ("later.example", ACCEPT),
        ("gone.example", ACCEPT),
        ("hello.example", ACCEPT),
        ("nobody.example", ACCEPT),
    ]],
    # The most specific entry decides.
    ({"mail.isp.example": "C"}, ACCEPT),
    ({"h.static.isp.example": "C"}, ACCEPT),
    ({"static.isp.example": "C"}, ACCEPT),
    ({"x.mail.isp.example": "C"}, REJECT),
    # Among several: a confirmed allow, then reject, then defer.
    ({"good.example": "C", "exact.example": "U"}, ACCEPT),
    ({"good.example": "C", "exact.example": "C"}, ACCEPT),
    ({"good.example": "C", "x.isp.example": "X"}, ACCEPT),
    ({"x.friends.example": "C", "exact.example": "U"}, ACCEPT),
    ({"good.example": "C", "x.plain.later.example": "C"}, ACCEPT),
    ({"good.example": "U", "exact.example": "C"}, REJECT),
    ({"good.example": "X", "exact.example": "U"}, REJECT),
    ({"good.example": "U", "x.plain.later.example": "C"}, DEFER),
    ({"x.plain.later.example": "C", "exact.example": "C"}, REJECT),
    ({"x.plain.later.example": "C", "exact.example": "U"}, REJECT),
    ({"x.plain.later.example": "U", "nobody.example": "C"}, DEFER),
    ({"nobody.example": "C", "exact.example": "U"}, REJECT),
    ({"nobody.example": "C", "good.example": "U"}, ACCEPT),
    # What is not known yet cannot change these.
    ({"exact.example": "S"}, REJECT),
    ({"x.plain.later.example": "S"}, DEFER),
    ({"exact.example": "S", "good.example": "C"}, ACCEPT),
    ({"nobody.example": "S"}, ACCEPT),
    # An allow that may be confirmed another time: not for good.
    ({"exact.example": "U", "good.example": "S"}, "450"),
]


@pytest.mark.parametrize("order", (1, -1))
@pytest.mark.parametrize("names, want", ROWS)
def test_names(named, dns, names, want, order):
    if order == -1 and len(names) == 1:
        return
    told(dns, names, order)
    got = session(named, ME, to=(OURS, "postmaster@example.org"))
    assert got.rcpt[0].startswith(want), got.rcpt
    assert got.rcpt[1].startswith("250")
    if want in (REJECT, DEFER):
        assert [l for l in got.lines if "event=refuse" in l and
                " rule=names:" in l and " test=rdns" in l], got.lines


def test_the_text_of_the_entry_is_spoken(named, dns):
    told(dns, {"x.isp.example": "U"})
    assert "dynamic address" in session(named, ME).rcpt[0]


def test_unknown_names_defer(named, dns):
    for lie in (rcode(SERVFAIL), silent):
        dns.clear()
        dns.say(ME, lie)
        assert code(session(named, ME).rcpt[0], "450 4.4.3")


def test_unknown_names_pass(dns):
    with asking(dns.address, lists={"names": NAMES}, deadline=300) as g:
        for lie in (rcode(SERVFAIL), silent):
            dns.clear()
            dns.say(ME, lie)
            assert session(g, ME).rcpt[0].startswith("250")


@pytest.mark.parametrize("unknown", ("pass", "defer"))
def test_a_possible_allow_is_never_a_5xx(dns, unknown):
    with asking(dns.address, lists={"names": NAMES}, deadline=300,
                unknown=unknown) as g:
        for kind in "ST":
            told(dns, {"exact.example": "U", "good.example": kind})
            got = session(g, ME).rcpt[0]
            assert got.startswith("250" if unknown == "pass" else "450"), got


def test_names_at_the_greeting(dns):
    with asking(dns.address, lists={"names": NAMES}, at="greeting",
                unknown="defer", deadline=500) as g:
        for names, want in [({"exact.example": "U"}, "554 5.7.1"),
                            ({"x.plain.later.example": "U"}, "421 4.7.1"),
                            ({"good.example": "S", "exact.example": "U"},
                             "421"),
                            ({"good.example": "C", "exact.example": "U"},
                             "220"),
                            ({"nobody.example": "C"}, "220")]:
            told(dns, names)
            got = session(g, ME)
            assert code(got.greeting, want) or \
                got.greeting.startswith(want), (names, got.greeting)


def test_names_warn(dns):
    with asking(dns.address, lists={"names": NAMES}, mode="warn") as g:
        for names, would in [({"exact.example": "U"}, "reject"),
                             ({"x.plain.later.example": "C"}, "defer")]:
            told(dns, names)
            got = session(g, ME)
            assert got.rcpt[0].startswith("250")
            assert [l for l in got.lines if f" would={would}" in l and
                    " rule=names:" in l], got.lines


@pytest.mark.parametrize("kind, want", [("C", ACCEPT), ("U", "550 5.7.25"),
                                        ("X", "550 5.7.25"),
                                        ("S", "450 4.4.3")])
def test_allow_clears_require_only_when_confirmed(dns, kind, want):
    with asking(dns.address, lists={"names": NAMES}, require="matches",
                unknown="defer", deadline=500) as g:
        told(dns, {"good.example": kind})
        assert code(session(g, ME).rcpt[0], want)


def test_allow_clears_no_ban(dns):
    told(dns, {"good.example": "C"})
    with asking(dns.address, lists={"names": NAMES, "banned": f"{ME}\n"},
                sections=[test_section("banned", at="rcpt")]) as g:
        assert code(session(g, ME).rcpt[0], "550 5.7.1")


def test_allow_grants_no_relay(named, dns):
    told(dns, {"good.example": "C"})
    assert code(session(named, ME, to=(FOREIGN,)).rcpt[0], "550 5.7.1")


# ---- list relay with names

RELAY = """
.trusted.example
one.example relay
bad.trusted.example deny
127.2.0.9 deny
127.2.0.16/28 relay
"""


@pytest.fixture(scope="module")
def relaying(dns):
    with asking(dns.address, lists={
            "relay": RELAY, "names": "rejected.trusted.example reject\n"},
            deadline=400) as g:
        yield g


@pytest.mark.parametrize("names, ours, foreign", [
    ({"x.trusted.example": "C"}, "250 2.1.5", "250 2.1.5"),
    ({"trusted.example": "C"}, "250 2.1.5", "250 2.1.5"),
    ({"one.example": "C"}, "250 2.1.5", "250 2.1.5"),
    ({"ONE.example": "C"}, "250 2.1.5", "250 2.1.5"),
    ({"sub.one.example": "C"}, "250 2.1.5", "550 5.7.1"),
    ({"xtrusted.example": "C"}, "250 2.1.5", "550 5.7.1"),
    ({"trusted.example.evil.example": "C"}, "250 2.1.5", "550 5.7.1"),
    ({"bad.trusted.example": "C"}, "250 2.1.5", "550 5.7.1"),
    ({"x.trusted.example": "U"}, "250 2.1.5", "550 5.7.1"),
    ({"x.trusted.example": "X"}, "250 2.1.5", "550 5.7.1"),
    ({"x.trusted.example": "U", "nobody.example": "C"}, "250 2.1.5",
     "550 5.7.1"),
    ({"x.trusted.example": "X", "y.trusted.example": "C"}, "250 2.1.5",
     "250 2.1.5"),
    ({"nobody.example": "C", "y.trusted.example": "C"}, "250 2.1.5",
     "250 2.1.5"),
    ({"x.trusted.example": "S"}, "250 2.1.5", "451 4.4.3"),
    ({"x.trusted.example": "T"}, "250 2.1.5", "451 4.4.3"),
    # RELAY clears rdns; an unconfirmed name clears nothing.
    ({"rejected.trusted.example": "C"}, "250 2.1.5", "250 2.1.5"),
    ({"rejected.trusted.example": "U"}, "550 5.7.1", "550 5.7.1"),
    ({"nobody.example": "U"}, "250 2.1.5", "550 5.7.1"),
])
def test_relay_by_name(relaying, dns, names, ours, foreign):
    told(dns, names)
    got = session(relaying, ME, to=(OURS, FOREIGN))
    assert code(got.rcpt[0], ours), got.rcpt
    assert code(got.rcpt[1], foreign), got.rcpt
    assert code(session(relaying, ME, to=(FOREIGN,)).rcpt[0], foreign)


@pytest.mark.parametrize("lie, foreign", [
    (rcode(SERVFAIL), "451 4.4.3"), (silent, "451 4.4.3"),
    (rcode(NXDOMAIN), "550 5.7.1")])
def test_relay_while_the_name_is_unknown(relaying, dns, lie, foreign):
    dns.clear()
    dns.say(ME, lie)
    got = session(relaying, ME, to=(FOREIGN, OURS))
    assert code(got.rcpt[0], foreign) and got.rcpt[1].startswith("250")


def test_an_address_entry_is_final(relaying, dns):
    dns.clear()
    dns.host("x.trusted.example", "127.2.0.9", "127.2.0.17")
    assert code(session(relaying, "127.2.0.9", to=(FOREIGN,)).rcpt[0],
                "550 5.7.1")
    dns.clear()
    assert session(relaying, "127.2.0.17", to=(FOREIGN,)).rcpt[0] \
        .startswith("250")
    assert dns.count() == 0


@pytest.mark.parametrize("rdns", ("off", "warn"))
def test_relay_by_name_without_the_rdns_test(dns, rdns):
    told(dns, {"x.trusted.example": "C"})
    with asking(dns.address, lists={"relay": RELAY}, mode=rdns) as g:
        got = session(g, ME, to=(FOREIGN,), data=MESSAGE)
        assert got.rcpt[0].startswith("250"), got.rcpt
        assert received_name(g.mails("foreign")[0]) == "x.trusted.example"
        told(dns, {"x.trusted.example": "U"})
        assert code(session(g, ME, to=(FOREIGN,)).rcpt[0], "550 5.7.1")


def test_relay_warn_grants_nothing(dns):
    told(dns, {"x.trusted.example": "C"})
    with asking(dns.address, lists={"relay": RELAY},
                sections=[test_section("relay", mode="warn")]) as g:
        got = session(g, ME, to=(FOREIGN,))
        assert code(got.rcpt[0], "550 5.7.1")
        assert [l for l in got.lines if " would=relay" in l], got.lines


def test_relay_by_name_spares_no_ban(dns):
    told(dns, {"x.trusted.example": "C"})
    with asking(dns.address, lists={"relay": RELAY, "banned": f"{ME}\n"},
                sections=[test_section("banned", at="rcpt")]) as g:
        assert code(session(g, ME).rcpt[0], "550 5.7.1")


@pytest.mark.parametrize("lists", ({"names": NAMES}, {"relay": RELAY}))
def test_more_names_than_are_asked_for(dns, lists):
    """The bound on names is no way to a verdict that is wrong for good."""
    names = [f"n{i}.nobody.example" for i in range(60)]
    dns.clear()
    dns.default = address(ELSE)
    dns.say(ME, ptr(*names))
    try:
        with asking(dns.address, lists=lists, require="matches",
                    unknown="defer") as g:
            got = session(g, ME)
            asked = dns.count(A)
            assert asked <= 32
            assert code(got.rcpt[0], "450 4.4.3"), got.rcpt
            assert dns.count(AAAA) <= asked
        with asking(dns.address, lists=lists, require="resolves",
                    unknown="defer") as g:
            assert session(g, ME).rcpt[0].startswith("250")
    finally:
        dns.default = rcode(NXDOMAIN)


def test_every_pair_of_answers_in_time(dns):
    """Names whose addresses come in any order give one verdict."""
    with asking(dns.address, lists={"names": NAMES}) as g:
        for first, second in itertools.permutations((0, 80)):
            dns.clear()
            dns.say(ME, ptr("good.example", "exact.example"))
            dns.say("good.example", delayed(first, address(ME)))
            dns.say("exact.example", delayed(second, address(ELSE)))
            assert session(g, ME).rcpt[0].startswith("250")
