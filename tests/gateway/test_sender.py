"""The sender: list senders, and whether its domain exists for mail."""

import re
import time

import pytest

from conftest import wait_until
from lying_dns import (A, AAAA, NXDOMAIN, POINTER, SERVFAIL, LyingDns, address,
                       cname, cname_loop, counts_lie, cut, delayed, garbage,
                       nodata, packet, ptr, rcode, rr, silent, truncated, wire,
                       wrong_id, wrong_type)
from nsd import Nsd, zones_of
from raw import HELLO, RawClient, serving
from rdns import (FOREIGN, LIMITS, MESSAGE, OURS, POOL, ROUTES, code,
                  test_section)

MX = 15
OPEN = "postmaster@example.org"
GOOD, GONE, NULL, LATER = ("250 2.1.5", "550 5.1.8", "550 5.7.27",
                           "450 4.4.3")
SENDERS = ("@refused.example \"no mail from you\"\n"
           "friend@refused.example allow\n"
           "@.slow.example defer\n"
           "@gone.example allow\n")


def mx(*hosts):
    """These mail hosts; "" is the root, a null MX."""
    return lambda q: [(0, packet(q, *(
        rr(POINTER, MX, b"\0\x0a" + wire(h)) for h in hosts)))]


def serve(dns, *sections, lists=None, deadline=800, rdns="off", settings=None,
          **sender):
    sender = {"mode": "on"} | sender
    return serving(POOL, LIMITS, test_section("rdns", mode=rdns),
                   test_section("sender", **sender), *sections,
                   lists={"routes": ROUTES} | (lists or {}),
                   nameservers=f'{{"{dns}"}}', dns_deadline_ms=deadline,
                   **(settings or {}))


def send(g, sender, source="127.0.0.5", to=(OURS,), data=False, quit=True,
         helo="client.example"):
    """The replies at RCPT, and the log lines of the session."""
    with RawClient(g.port, source, timeout=20) as c:
        port = c.sock.getsockname()[1]
        c.expect("220")
        assert c.say(f"EHLO {helo}").startswith("250")
        c.send(f"MAIL FROM:<{sender}>\r\n")
        c.expect("250 2.1.0")
        got = [c.say(f"RCPT TO:<{t}>") for t in to]
        if data:
            c.steps((b"DATA\r\n", "354"), (MESSAGE + b".\r\n", "250 2.0.0"))
        if quit:
            c.in_step()
    ref = re.search(rf"event=connect ref=(\S+) client={source} .*port={port}\b",
                    g.log()).group(1)
    g.wait_event("session", ref=ref)
    return got, [l for l in g.log().splitlines()
                 if f" ref={ref} " in l or f" ref={ref}." in l]


@pytest.fixture(scope="module")
def zones():
    """What an honest name server says."""
    z = zones_of({"a.example": ["127.9.9.9"], "aaaa.example": ["::2"],
                  "alias.example": "mx.example", "empty.example": "none.test",
                  "deep.under.example": ["127.9.9.9"]}, ("broken.example",))
    z["example"] += ["mx.example. 60 IN MX 10 host.elsewhere.test.\n",
                     "null.example. 60 IN MX 0 .\n",
                     "null.example. 60 IN A 127.9.9.9\n",
                     "both.example. 60 IN MX 0 .\n",
                     "both.example. 60 IN MX 10 host.elsewhere.test.\n",
                     "text.example. 60 IN TXT \"no mail\"\n"]
    n = Nsd(z)
    try:
        assert n.rcode("mx.example", "MX") == "NOERROR"
        assert n.rcode("broken.example", "MX") == "SERVFAIL"
        yield n.address
    finally:
        n.close()


ROWS = [
    ("a@mx.example", GOOD), ("a@MX.Example", GOOD), ("a@a.example", GOOD),
    ("a@aaaa.example", GOOD), ("a@alias.example", GOOD),
    ("a@both.example", GOOD), ("a@null.example", NULL),
    ("a@text.example", GONE), ("a@under.example", GONE),
    ("a@nowhere.example", GONE), ("a@localhost.example", GONE),
    ("", GOOD), ("a@[127.0.0.5]", GOOD), ("a@[IPv6:2001:db8::1]", GOOD),
    ("a@broken.example", LATER),
]


@pytest.fixture(scope="module")
def honest(zones):
    with serve(zones, unknown="defer") as g:
        yield g


@pytest.mark.parametrize("sender, want", ROWS)
def test_domains(honest, sender, want):
    got, lines = send(honest, sender, to=(OURS, OPEN))
    assert code(got[0], want), got
    assert code(got[1], GOOD), "an open recipient is spared"
    reasons = {GONE: "sender-domain", NULL: "sender-null-mx",
               LATER: "sender-unknown"}
    refused = [l for l in lines if "event=refuse" in l]
    assert len(refused) == (want != GOOD)
    for line in refused:
        assert f" from=<{sender}> " in line
        assert f" test=sender reason={reasons[want]} " in line


def test_warn_tells_it_with_its_transaction(zones):
    with serve(zones, mode="warn", unknown="defer") as g:
        for sender, want in ROWS:
            got, lines = send(g, sender, data=True)
            assert code(got[0], GOOD)
            would = [l for l in lines if " would=" in l]
            assert len(would) == (want != GOOD), (sender, lines)
            for line in would:
                verdict = "defer" if want == LATER else "reject"
                assert line.endswith(f" would={verdict}")
                assert f" from=<{sender}> " in line
                assert re.search(r" ref=\S+\.1 ", line)
        with g.open("127.0.0.5") as c:
            c.steps(*HELLO)
            for sender in (b"x@nowhere.example", b"x@mx.example",
                           b"x@null.example"):
                c.steps((b"MAIL FROM:<" + sender + b">\r\n", "250"),
                        (b"RCPT TO:<alice@example.org>\r\n", "250"),
                        (b"DATA\r\n", "354"))
                time.sleep(0.5)  # nobody waits for an answer in warn mode
                c.steps((MESSAGE + b".\r\n", "250 2.0.0"))
            c.in_step()
        wait_until(lambda: len(g.events("refuse", would="reject",
                                        **{"from": "<x@null.example>"})) == 1)
        (line,) = g.events("refuse", **{"from": "<x@nowhere.example>"})
        assert re.search(r" ref=\S+\.1 ", line)
        (line,) = g.events("refuse", **{"from": "<x@null.example>"})
        assert re.search(r" ref=\S+\.3 ", line)


# ---- what cannot be found out is never a refusal for good

@pytest.fixture(scope="module")
def dns():
    with LyingDns() as server:
        yield server


@pytest.fixture(scope="module", params=("pass", "defer"))
def lied_to(dns, request):
    with serve(dns.address, unknown=request.param, deadline=400) as g:
        yield g, GOOD if request.param == "pass" else LATER


LIES = {
    "silent": silent, "SERVFAIL": rcode(SERVFAIL), "garbage": garbage,
    "truncated": truncated(mx("")), "wrong id": wrong_id(mx("")),
    "wrong type": wrong_type(mx("")), "counts": counts_lie(mx("")),
    "cut": cut(1)(mx("")), "late": delayed(900, mx("")),
    "short": lambda q: [(0, packet(q, rr(POINTER, MX, b"\0")))],
    "no host": lambda q: [(0, packet(q, rr(POINTER, MX, b"\0\x0a")))],
    "too long": lambda q: [(0, packet(q, rr(POINTER, MX, b"\0\x0a\0xx")))],
    "loop": lambda q: [(0, packet(q, rr(POINTER, MX, b"\0\x0a\xc0"
                                        + bytes([26 + len(q.section)]))))],
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_unknown_is_never_5xx(lied_to, dns, lie):
    g, want = lied_to
    dns.clear()
    dns.say("a.example", LIES[lie], MX)
    dns.say("a.example", rcode(NXDOMAIN), A)
    dns.say("a.example", rcode(NXDOMAIN), AAAA)
    got, _ = send(g, "x@a.example")
    assert code(got[0], want), got
    # An address that was not found out may be one.
    dns.say("a.example", rcode(NXDOMAIN), MX)
    dns.say("a.example", silent, AAAA)
    got, _ = send(g, "x@a.example")
    assert code(got[0], want), got
    dns.say("a.example", nodata, AAAA)
    got, _ = send(g, "x@a.example")
    assert code(got[0], GONE), got


@pytest.mark.parametrize("kinds, want", [
    ({MX: mx("m.example")}, GOOD), ({MX: mx("")}, NULL),
    ({MX: mx("", "")}, NULL), ({MX: mx("", "m.example")}, GOOD),
    ({MX: mx(""), A: address("127.0.0.1")}, NULL),
    ({A: address("127.0.0.1")}, GOOD), ({AAAA: address("::1")}, GOOD),
    ({MX: nodata, A: nodata, AAAA: nodata}, GONE),
    ({MX: cname((MX, b"\0\x0a" + wire("m.example")))}, GOOD),
    ({MX: cname((MX, b"\0\0\0"))}, NULL),
    ({MX: cname_loop, A: address("127.0.0.1")}, None),
    ({MX: mx("m.example"), A: silent, AAAA: silent}, GOOD),
    ({MX: delayed(150, mx("m.example"))}, GOOD),
    ({MX: delayed(150, mx(""))}, NULL),
])
def test_kinds_of_answers(dns, lied_to, kinds, want):
    g, unknown = lied_to
    dns.clear()
    for kind, lie in kinds.items():
        dns.say("a.example", lie, kind)
    got, _ = send(g, "x@a.example")
    assert code(got[0], want or GOOD) or (want is None and
                                          code(got[0], unknown)), got
    assert sorted(q.type for q in dns.asked) == [A, MX, AAAA]


def test_all_three_are_asked_at_mail(dns, lied_to):
    g, _ = lied_to
    dns.clear()
    dns.say("a.example", mx("m.example"), MX)
    with g.open("127.0.0.5") as c:
        c.steps(*HELLO)
        assert dns.count() == 0
        c.steps((b"MAIL FROM:<x@a.example>\r\n", "250"))
        wait_until(lambda: dns.count() == 3)
        c.steps((b"RCPT TO:<alice@example.org>\r\n", "250"))
        # The same domain again, in the same session: it is known.
        c.steps((b"RSET\r\n", "250"), (b"MAIL FROM:<y@a.example>\r\n", "250"),
                (b"RCPT TO:<alice@example.org>\r\n", "250"),
                (b"RSET\r\n", "250"), (b"MAIL FROM:<y@b.example>\r\n", "250"),
                (b"RCPT TO:<alice@example.org>\r\n", "550 5.1.8"))
        c.in_step()
    assert dns.count() == 6


def test_a_late_answer_is_not_taken_for_another_domain(dns, lied_to):
    g, _ = lied_to
    dns.clear()
    dns.say("late.example", delayed(150, mx("m.example")), MX)
    dns.say("gone.example", delayed(250, rcode(NXDOMAIN)))
    with g.open("127.0.0.5") as c:
        c.steps(*HELLO, (b"MAIL FROM:<x@late.example>\r\n", "250"),
                (b"RSET\r\n", "250"),
                (b"MAIL FROM:<x@gone.example>\r\n", "250"),
                (b"RCPT TO:<alice@example.org>\r\n", "550 5.1.8"),
                (b"RSET\r\n", "250"), (b"MAIL FROM:<>\r\n", "250"),
                (b"RCPT TO:<alice@example.org>\r\n", "250"))
        c.in_step()


def test_warn_waits_for_nothing_while_the_client_is_there(dns):
    dns.clear()
    dns.say("a.example", silent)
    with serve(dns.address, mode="warn", unknown="defer", deadline=500) as g:
        got, lines = send(g, "x@a.example", data=True)
        assert code(got[0], GOOD)
        (line,) = [l for l in lines if " would=" in l]
        assert " from=<x@a.example> " in line and line.endswith("would=defer")


def test_off_asks_nothing(dns):
    dns.clear()
    with serve(dns.address, mode="off",
               lists={"senders": "@refused.example\n"}) as g:
        assert code(send(g, "x@refused.example")[0][0], GOOD)
    assert dns.count() == 0


# ---- the list, and clients that may relay

@pytest.fixture(scope="module")
def listed(dns):
    with serve(dns.address, test_section("helo", mode="on"), rdns="on",
               lists={"senders": SENDERS, "names": "helo:bad.example\n",
                      "relay": "127.0.0.2\n"}) as g:
        yield g


@pytest.mark.parametrize("sender, want, asked", [
    ("x@refused.example", "550 5.7.1", False),
    ("friend@refused.example", GOOD, False),
    ("friend+news@refused.example", GOOD, False),
    ("x@slow.example", "450 4.7.1", False),
    ("x@a.slow.example", "450 4.7.1", False),
    ("x@gone.example", GOOD, False),
    ("x@other.example", GONE, True),
])
def test_the_list(listed, dns, sender, want, asked):
    dns.clear()
    got, lines = send(listed, sender, to=(OURS, OPEN))
    assert code(got[0], want) and code(got[1], GOOD), got
    if " rule=" in "".join(l for l in lines if "event=refuse" in l):
        assert [l for l in lines if " test=sender reason=sender-list "
                "rule=senders:senders:" in l]
    assert (dns.count(MX) == 1) == asked
    # A client that may relay: the list holds, no domain is asked about.
    dns.clear()
    got, _ = send(listed, sender, source="127.0.0.2", to=(OURS, FOREIGN))
    for reply in got:
        assert code(reply, GOOD if asked else want), got
    assert dns.count(MX) == 0


def test_helo_goes_first(listed, dns):
    dns.clear()
    _, lines = send(listed, "x@refused.example", helo="bad.example")
    assert [l for l in lines if " test=helo reason=helo-list " in l]


def test_a_relay_by_name_is_waited_for(dns):
    dns.clear()
    dns.say("127.4.0.1", delayed(200, ptr("relay.example.net")))
    dns.say("relay.example.net", address("127.4.0.1"))
    dns.say("127.4.0.2", silent)
    with serve(dns.address, lists={"relay": "relay.example.net\n"},
               deadline=500, rdns="on") as g:
        got, _ = send(g, "x@gone.example", source="127.4.0.1")
        assert code(got[0], GOOD)
        got, _ = send(g, "x@gone.example", source="127.4.0.2")
        assert code(got[0], LATER), "it might be a relay"


def test_soft(dns):
    dns.clear()
    dns.say("null.example", mx(""), MX)
    with serve(dns.address, settings={"soft": "true"}) as g:
        assert code(send(g, "x@null.example")[0][0], "450 4.7.27")
        assert code(send(g, "x@gone.example")[0][0], "450 4.1.8")
