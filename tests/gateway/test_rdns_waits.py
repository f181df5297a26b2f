"""Reverse DNS is never in the way: what is waited for, and how long."""

import contextlib
import signal
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import SANITIZED
from lying_dns import (NXDOMAIN, PTR, SERVFAIL, LyingDns, address, delayed,
                       ptr, rcode, reverse, silent)
from proc import Strace, has_ipv6, quiet
from rdns import (FOREIGN, MESSAGE, OURS, asking, code, received_name,
                  session, session_state)

ME, ELSE, GOOD = "127.4.0.1", "127.9.9.9", "good.example"
SLACK = 600 if SANITIZED else 100  # ms
SLOW = 1000
NAMES = f"{GOOD} allow\nexact.example reject\n"


@pytest.fixture
def dns():
    with LyingDns() as server:
        yield server


def slow(dns, ptr_ms, address_ms, name=GOOD, *addresses):
    dns.say(ME, delayed(ptr_ms, ptr(name)))
    dns.say(name, delayed(address_ms, address(*(addresses or (ME,)))))


# ---- the greeting, and the remainder at RCPT

def test_the_greeting_does_not_wait(dns):
    slow(dns, 500, 500)
    with asking(dns.address, require="matches", deadline=5000) as g:
        got = session(g, ME, to=(OURS, "bob@example.org"))
        assert got.greeting_ms < SLACK
        assert got.mail_ms < 2 * SLACK
        assert 800 < got.mail_ms + got.rcpt_ms[0] < SLOW + 3 * SLACK
        assert got.rcpt[0].startswith("250")
        assert got.rcpt_ms[1] < SLACK  # once and no more
        assert session_state(got) == ("name", GOOD)


def test_a_refusal_is_waited_for_too(dns):
    slow(dns, 500, 500, GOOD, ELSE)
    with asking(dns.address, require="matches", deadline=5000) as g:
        got = session(g, ME)
        assert got.greeting_ms < SLACK and got.rcpt_ms[0] > 700
        assert code(got.rcpt[0], "550 5.7.25")


def test_answers_come_in_while_the_client_talks(dns):
    slow(dns, 300, 300)
    with asking(dns.address, require="matches", deadline=5000) as g:
        got = session(g, ME, pause=0.9)
        assert got.rcpt_ms[0] < SLACK
        assert got.rcpt[0].startswith("250")
        assert session_state(got) == ("name", GOOD)
    assert dns.times[1] - dns.times[0] < 0.3 + 2 * SLACK / 1000


def test_the_greeting_waits_where_it_has_to_speak(dns):
    slow(dns, 300, 300)
    with asking(dns.address, require="matches", at="greeting",
                deadline=5000) as g:
        got = session(g, ME)
        assert 500 < got.greeting_ms < 600 + 2 * SLACK
        assert got.rcpt_ms[0] < SLACK and got.rcpt[0].startswith("250")


def test_a_quick_no_is_quick(dns):
    with asking(dns.address, require="matches", at="greeting",
                deadline=5000) as g:
        got = session(g, ME)
        assert code(got.greeting, "554 5.7.25")
        assert got.greeting_ms < SLACK


# ---- what cannot change the verdict is not waited for

@pytest.mark.parametrize("at", ("greeting", "rcpt"))
@pytest.mark.parametrize("lists", ({}, {"names": "helo:x.example reject\n"}))
@pytest.mark.parametrize("unknown", ("pass", "defer"))
def test_nothing_to_wait_for(dns, at, lists, unknown):
    slow(dns, SLOW, SLOW)
    with asking(dns.address, at=at, lists=lists, unknown=unknown,
                deadline=3000) as g:
        got = session(g, ME, data=MESSAGE)
        assert got.rcpt[0].startswith("250") and got.data.startswith("250")
        assert got.data_ms < 3 * SLACK
        assert received_name(g.mails()[0]) == "unknown"
        assert session_state(got) == ("unknown", None)


def test_level_name_does_not_wait_for_addresses(dns):
    slow(dns, 0, SLOW)
    with asking(dns.address, require="name", deadline=3000) as g:
        got = session(g, ME)
        assert got.rcpt[0].startswith("250") and got.data_ms < 3 * SLACK


def test_level_matches_does_not_wait_for_more(dns):
    dns.say(ME, ptr("slow.example", GOOD))
    dns.say("slow.example", delayed(SLOW, address(ELSE)))
    dns.say(GOOD, address(ME))
    with asking(dns.address, require="matches", deadline=3000) as g:
        got = session(g, ME)
        assert got.rcpt[0].startswith("250") and got.data_ms < 3 * SLACK


def test_level_resolves_does_not_wait_for_more(dns):
    dns.say(ME, ptr("slow.example", GOOD))
    dns.say("slow.example", delayed(SLOW, address(ELSE)))
    dns.say(GOOD, address(ELSE))
    with asking(dns.address, require="resolves", deadline=3000) as g:
        got = session(g, ME)
        assert got.rcpt[0].startswith("250") and got.data_ms < 3 * SLACK


def test_a_certain_reject_does_not_wait(dns):
    """No allow can come any more: the only name has a reject entry."""
    slow(dns, 0, SLOW, "exact.example")
    with asking(dns.address, lists={"names": NAMES}, deadline=3000) as g:
        got = session(g, ME)
        assert code(got.rcpt[0], "550 5.7.1") and got.data_ms < 3 * SLACK


def test_a_possible_allow_is_waited_for(dns):
    dns.say(ME, ptr("exact.example", GOOD))
    dns.say(GOOD, delayed(500, address(ME)))
    with asking(dns.address, lists={"names": NAMES}, deadline=3000) as g:
        got = session(g, ME)
        assert got.rcpt[0].startswith("250") and got.rcpt_ms[0] > 350


def test_names_without_an_entry_do_not_wait_for_addresses(dns):
    slow(dns, 0, SLOW, "nobody.example")
    with asking(dns.address, lists={"names": NAMES}, deadline=3000) as g:
        got = session(g, ME)
        assert got.rcpt[0].startswith("250") and got.data_ms < 3 * SLACK


def test_warn_delays_nobody(dns):
    slow(dns, 300, 300, GOOD, ELSE)
    for at in ("greeting", "rcpt"):
        with asking(dns.address, require="matches", mode="warn", at=at,
                    deadline=3000) as g:
            got = session(g, ME, pause=0.8)
            assert got.greeting_ms < SLACK and got.rcpt_ms[0] < SLACK
            assert [l for l in got.lines if " would=reject" in l], got.lines


def test_relay_by_name_waits_for_foreign_recipients_alone(dns):
    slow(dns, 300, 300, "x.trusted.example")
    with asking(dns.address, lists={"relay": ".trusted.example\n"},
                deadline=3000) as g:
        got = session(g, ME, to=(OURS, FOREIGN))
        assert got.greeting_ms < SLACK and got.rcpt_ms[0] < SLACK
        assert got.rcpt_ms[1] > 350 and got.rcpt[1].startswith("250")


def test_a_client_that_leaves_is_not_waited_for(dns):
    slow(dns, SLOW, SLOW)
    with asking(dns.address, require="matches", deadline=5000) as g:
        for _ in range(3):
            with g.open(ME) as c:
                c.steps((b"QUIT\r\n", "221"))
        begun = time.monotonic()
        quiet(g)
        assert time.monotonic() - begun < 0.7


# ---- clients who cost no question

@pytest.mark.parametrize("at", ("greeting", "rcpt"))
@pytest.mark.parametrize("ban", ("reject", "defer", "drop"))
def test_a_banned_client_costs_no_question(dns, at, ban):
    with asking(dns.address, require="matches", at=at, lists={
            "banned": f"{ME} {ban}\n", "relay": ".trusted.example\n"}) as g:
        greeting = session(g, ME).greeting
        assert {"reject": "554", "defer": "421", "drop": "None"}[ban] == \
            str(greeting)[:4].strip()
    assert dns.count() == 0


@pytest.mark.parametrize("at", ("greeting", "rcpt"))
def test_a_relay_client_costs_no_question(dns, at):
    with asking(dns.address, require="matches", at=at, lists={
            "relay": f"{ME}\n.trusted.example\n", "names": NAMES}) as g:
        got = session(g, ME, to=(OURS, FOREIGN), data=MESSAGE)
        assert [r[:3] for r in got.rcpt] == ["250", "250"]
    assert dns.count() == 0


def test_off_costs_no_question(dns):
    with asking(dns.address, require="matches", mode="off",
                lists={"names": NAMES}) as g:
        assert session(g, ME).rcpt[0].startswith("250")
    assert dns.count() == 0


def test_on_does_ask(dns):
    """What the three tests above rely on."""
    with asking(dns.address, require="matches") as g:
        session(g, ME)
    assert dns.names(PTR) == [reverse(ME)]


DATAGRAM = "SOCK_DGRAM"


@pytest.mark.parametrize("lists, source, settings, asks", [
    ({"banned": f"{ME}\n"}, ME, {"require": "matches"}, False),
    ({"relay": f"{ME}\n"}, ME, {"require": "matches"}, False),
    ({}, ME, {"mode": "off"}, False),
    ({}, ME, {"require": "matches"}, True),
])
def test_system_calls(dns, lists, source, settings, asks):
    """A session that needs no DNS makes no system call for it."""
    dns.host(GOOD, ME)
    with asking(dns.address, lists=lists, **settings) as g:
        with Strace(quiet(g), "-e", "trace=network") as trace:
            session(g, source)
            quiet(g)
            text = trace.text()
        assert "accept4" in text
        assert ("socket(" in text and DATAGRAM in text) == asks, text
        for call in ("sendto(", "sendmsg(", "sendmmsg(", "connect("):
            lines = [l for l in text.splitlines() if call in l and
                     f"htons({dns.port})" in l]
            assert not lines or asks, lines
    assert (dns.count() > 0) == asks


# ---- name servers that do not answer

def closed_port():
    """A UDP port where nobody is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def rcpt_ms(g, n=5):
    """The median time from the connection to the reply to RCPT."""
    times = []
    for _ in range(n):
        got = session(g, ME)
        assert got.rcpt[0].startswith("250"), got.rcpt
        assert session_state(got) == ("name", GOOD)
        times.append(got.mail_ms + got.rcpt_ms[0])
    return statistics.median(times)


@contextlib.contextmanager
def bad_server(kind):
    if kind == "silent":
        with LyingDns(default=silent) as s:
            yield s.address
    elif kind == "servfail":
        with LyingDns(default=rcode(SERVFAIL)) as s:
            yield s.address
    elif kind == "refused":
        with LyingDns(default=rcode(5)) as s:
            yield s.address
    elif kind == "closed":
        yield f"127.0.0.1:{closed_port()}"
    elif kind == "closed IPv6":
        if not has_ipv6():
            pytest.skip("there is no IPv6")
        yield f"[::1]:{closed_port()}"
    else:  # no socket of ours may send there, so nothing ever leaves
        yield f"255.255.255.255:{closed_port()}"


BAD = ("silent", "servfail", "refused", "closed", "closed IPv6", "unsendable")


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_server_before_a_good_one(dns, kind):
    """Two questions, one after the other, cost little more."""
    dns.host(GOOD, ME)
    with bad_server(kind) as bad:
        with asking(dns.address, require="matches", unknown="defer",
                    deadline=3000) as g:
            usual = rcpt_ms(g)
        with asking(bad, dns.address, require="matches", unknown="defer",
                    deadline=3000) as g:
            more = rcpt_ms(g) - usual
    limit = {"silent": 300, "servfail": 30, "refused": 30}.get(kind, 300)
    print(f"{kind}: {more:.0f} ms more")
    assert more < limit + SLACK / 2


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_server_behind_a_good_one(dns, kind):
    dns.host(GOOD, ME)
    with bad_server(kind) as bad:
        with asking(dns.address, bad, require="matches", unknown="defer",
                    deadline=3000) as g:
            assert rcpt_ms(g) < 2 * SLACK


def test_several_silent_servers_before_a_good_one(dns):
    dns.host(GOOD, ME)
    with contextlib.ExitStack() as stack:
        bad = [stack.enter_context(bad_server("silent")) for _ in range(3)]
        with asking(*bad, dns.address, require="matches", unknown="defer",
                    deadline=3000) as g:
            assert rcpt_ms(g, 3) < 1200 + SLACK


@pytest.mark.parametrize("n", (1, 3))
@pytest.mark.parametrize("at", ("greeting", "rcpt"))
@pytest.mark.parametrize("deadline", (300, 1000))
def test_all_servers_silent(n, at, deadline):
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(LyingDns(default=silent))
                   for _ in range(n)]
        with asking(*(s.address for s in servers), require="matches", at=at,
                    deadline=deadline) as g:
            got = session(g, ME, data=MESSAGE)
            assert got.rcpt[0].startswith("250")
            assert got.data.startswith("250")
            waited = got.mail_ms + got.rcpt_ms[0]
            assert deadline - 150 < waited < deadline + SLACK
            assert session_state(got) == ("unknown", None)
            assert received_name(g.mails()[0]) == "unknown"
        for s in servers:
            assert s.count(PTR) >= 1
        assert sum(s.count() for s in servers) <= 12 * n


@pytest.mark.parametrize("kind", BAD[1:])
def test_all_servers_bad(kind):
    with bad_server(kind) as one, bad_server(kind) as two:
        with asking(one, two, require="matches", deadline=600) as g:
            got = session(g, ME, data=MESSAGE)
            assert got.data.startswith("250")
            assert got.data_ms < 600 + SLACK
            assert session_state(got) == ("unknown", None)


def test_a_lost_question_is_asked_again(dns):
    """The deadline spans the retries."""
    dns.host(GOOD, ME)
    seen = set()

    def lossy(inner):
        def lie(q):
            if (q.name, q.type) in seen:
                return inner(q)
            seen.add((q.name, q.type))
            return []
        return lie

    dns.say(ME, lossy(ptr(GOOD)))
    dns.say(GOOD, lossy(address(ME)))
    with asking(dns.address, require="matches", unknown="defer",
                deadline=3000) as g:
        got = session(g, ME)
        assert got.rcpt[0].startswith("250")
        assert session_state(got) == ("name", GOOD)


def test_the_deadline_is_for_all_questions(dns):
    """PTR and address each just in time are together too late."""
    slow(dns, 400, 400)
    with asking(dns.address, require="matches", unknown="defer",
                deadline=600) as g:
        got = session(g, ME)
        assert code(got.rcpt[0], "450 4.4.3")
        assert got.data_ms < 600 + 2 * SLACK


def test_addresses_are_asked_together(dns):
    names = [f"n{i}.example" for i in range(6)]
    dns.say(ME, delayed(200, ptr(*names)))
    for n in names[:-1]:
        dns.say(n, delayed(300, address(ELSE)))
    dns.say(names[-1], delayed(300, address(ME)))
    with asking(dns.address, require="matches", unknown="defer",
                deadline=5000) as g:
        got = session(g, ME)
        assert got.rcpt[0].startswith("250")
        assert 400 < got.data_ms < 500 + 2 * SLACK


def test_a_server_on_ipv6():
    if not has_ipv6():
        pytest.skip("there is no IPv6")
    with LyingDns(host="::1") as six, LyingDns() as four:
        for s in (six, four):
            s.host(GOOD, ME)
        for servers in ([six], [six, four], [four, six]):
            with asking(*(s.address for s in servers), require="matches",
                        unknown="defer") as g:
                assert rcpt_ms(g, 2) < 2 * SLACK
        assert six.count() and four.count()


# ---- the environment

def test_the_environment_is_ignored(dns, monkeypatch):
    with LyingDns(default=address(ME)) as other:
        other.say(ME, ptr("evil.example"))
        for name, value in {
                "NAMESERVERS": other.address, "NSCACHEIP": "127.0.0.1",
                "RES_OPTIONS": f"port:{other.port} timeout:30 attempts:1 "
                               "ndots:9", "DNSCACHEIP": "127.0.0.1",
                "LOCALDOMAIN": "search.example local.example"}.items():
            monkeypatch.setenv(name, value)
        dns.say(ME, ptr("one", "nosuch.example", "two.dots.example"))
        dns.default = rcode(NXDOMAIN)
        with asking(dns.address, require="resolves", deadline=1500) as g:
            got = session(g, ME)
            assert code(got.rcpt[0], "550 5.7.25")
            assert got.data_ms < 3 * SLACK
        assert other.count() == 0
    assert set(dns.names()) == {reverse(ME), "one", "nosuch.example",
                                "two.dots.example"}


def test_no_search_list_is_used(dns):
    dns.say(ME, ptr("nosuch.example", "x"))
    with asking(dns.address, require="matches") as g:
        assert code(session(g, ME).rcpt[0], "550 5.7.25")
    assert set(dns.names()) == {reverse(ME), "nosuch.example", "x"}
    dns.clear()
    with asking(dns.address, require="matches") as g:
        assert code(session(g, ME).rcpt[0], "550 5.7.25")
    assert set(dns.names()) == {reverse(ME)}


# ---- reload, and many at once

def test_reload_changes_the_servers(dns):
    dns.host(GOOD, ME)
    with LyingDns() as other:
        other.host("other.example", ME)
        with asking(dns.address, require="matches") as g:
            assert session_state(session(g, ME)) == ("name", GOOD)
            g.settings["nameservers"] = f'{{"{other.address}"}}'
            g.write_conf()
            g.signal(signal.SIGHUP)
            g.wait_event("reload")
            end = time.monotonic() + 5
            while session_state(session(g, ME))[1] != "other.example":
                assert time.monotonic() < end


def test_many_sessions_at_once(dns):
    """Each gets the answer to its own questions."""
    sources = [f"127.4.1.{i}" for i in range(1, 25)]
    for i, s in enumerate(sources):
        dns.host(f"h{i}.example", s)
        dns.say(s, delayed(100, ptr(f"h{i}.example")))
    with asking(dns.address, require="matches", deadline=5000) as g:
        with ThreadPoolExecutor(24) as pool:
            done = list(pool.map(lambda s: session(g, s), sources))
    for i, got in enumerate(done):
        assert session_state(got) == ("name", f"h{i}.example")
