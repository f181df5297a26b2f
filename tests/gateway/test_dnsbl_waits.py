"""DNS lists are never in the way: what is waited for, and how long."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import SANITIZED
from dnsbl import TXT, Lists, asking, listed, refusals, section, zone
from lying_dns import (A, NXDOMAIN, PTR, SERVFAIL, address, delayed, ptr,
                       rcode, silent)
from proc import quiet
from rdns import (FOREIGN, MESSAGE, OURS, code, session, session_state)

ME, ELSE = "127.35.0.1", "127.9.9.9"
ONE, TWO, ALLOW, NAMES = "one.test", "two.test", "allow.test", "names.test"
SLACK = 600 if SANITIZED else 100  # ms
SLOW = 400
YES, NO = address("127.0.0.2"), rcode(NXDOMAIN)


@pytest.fixture
def dns():
    with Lists(ONE, TWO, ALLOW, NAMES) as server:
        yield server


def say(dns, **answers):
    """one=YES or one=(ms, YES), about the client's address."""
    for name, what in answers.items():
        if isinstance(what, tuple):
            what = delayed(*what)
        dns.about(ME, f"{name}.test", what)


def quick(got):
    return got.data_ms < 3 * SLACK


# ---- the greeting, and the remainder at RCPT

def test_the_greeting_does_not_wait(dns):
    say(dns, one=(SLOW, YES))
    with asking(dns.address, zones=[ONE], deadline=5000) as g:
        got = session(g, ME, to=(OURS, "bob@example.org"))
        assert got.greeting_ms < SLACK and got.mail_ms < 2 * SLACK
        assert code(got.rcpt[0], "550 5.7.1")
        assert SLOW - 100 < got.mail_ms + got.rcpt_ms[0] < SLOW + 3 * SLACK
        assert got.rcpt_ms[1] < SLACK


def test_a_clean_client_is_waited_for_too(dns):
    say(dns, one=(SLOW, NO))
    with asking(dns.address, zones=[ONE], deadline=5000) as g:
        got = session(g, ME)
        assert got.rcpt[0].startswith("250") and got.mail_ms < 2 * SLACK
        assert SLOW - 100 < got.data_ms < SLOW + 3 * SLACK


def test_answers_come_in_while_the_client_talks(dns):
    say(dns, one=(300, YES), two=(300, NO))
    with asking(dns.address, zones=[ONE, TWO], deadline=5000) as g:
        got = session(g, ME, pause=0.5)
        assert code(got.rcpt[0], "550 5.7.1") and got.rcpt_ms[0] < SLACK


def test_the_greeting_waits_where_it_has_to_speak(dns):
    say(dns, one=(SLOW, YES))
    with asking(dns.address, zones=[ONE], at="greeting",
                deadline=5000) as g:
        got = session(g, ME)
        assert code(got.greeting, "554 5.7.1")
        assert SLOW - 50 < got.greeting_ms < SLOW + 2 * SLACK


def test_a_quick_answer_is_a_quick_greeting(dns):
    say(dns, one=YES)
    with asking(dns.address, zones=[ONE], at="greeting",
                deadline=5000) as g:
        got = session(g, ME)
        assert code(got.greeting, "554 5.7.1") and got.greeting_ms < SLACK


def test_open_recipients_alone_need_no_answer(dns):
    """They do not depend on it, wherever they stand in the transaction."""
    say(dns, one=(SLOW, YES))
    with asking(dns.address, zones=[ONE], deadline=5000) as g:
        got = session(g, ME, to=("postmaster@example.org", OURS))
        assert got.rcpt[0].startswith("250")
        assert code(got.rcpt[1], "550 5.7.1")


# ---- what cannot change the verdict is not waited for

@pytest.mark.parametrize("threshold, answers", [
    (1, {"one": YES, "two": (SLOW, YES)}),  # listed: more changes nothing
    (1, {"one": (SLOW, NO), "two": YES}),
    (3, {"one": NO, "two": (SLOW, YES)}),   # it cannot reach the threshold
    (3, {"one": YES, "two": (SLOW, YES)}),
    (1, {"one": YES, "two": silent}),
    (9, {"one": silent, "two": silent}),
])
def test_zones_that_cannot_change_the_verdict(dns, threshold, answers):
    say(dns, **answers)
    with asking(dns.address, zones=[ONE, TWO], threshold=threshold,
                unknown="defer", deadline=1500) as g:
        got = session(g, ME)
        refused = threshold == 1
        assert code(got.rcpt[0], "550 5.7.1" if refused else "250 2.1.5")
        assert got.mail_ms + got.rcpt_ms[0] < 3 * SLACK


@pytest.mark.parametrize("unknown, want", [("pass", "250"),
                                           ("defer", "450 4.4.3")])
def test_an_answer_that_cannot_make_the_unknown_known(dns, unknown, want):
    """One list has failed; the other decides neither way."""
    say(dns, one=rcode(SERVFAIL), two=(SLOW, YES))
    with asking(dns.address, zones=[zone(ONE, weight=2), TWO], threshold=2,
                unknown=unknown, deadline=3000) as g:
        got = session(g, ME)
        assert got.rcpt[0].startswith(want)
        assert got.mail_ms + got.rcpt_ms[0] < 3 * SLACK


def test_a_trial_zone_is_not_waited_for(dns):
    """What it would have done is logged when it is known."""
    say(dns, one=NO, two=(SLOW, YES))
    with asking(dns.address, zones=[ONE, zone(TWO, mode="warn")],
                unknown="defer", deadline=3000) as g:
        got = session(g, ME, data=MESSAGE)
        assert got.data.startswith("250") and quick(got)
        assert listed(got) == {TWO: "127.0.0.2"}
        assert refusals(got, would="reject", test="dnsbl")


def test_a_zone_without_weight_is_not_waited_for(dns):
    say(dns, one=NO, two=(SLOW, YES))
    with asking(dns.address, zones=[ONE, zone(TWO, weight=0)],
                unknown="defer", deadline=3000) as g:
        got = session(g, ME, data=MESSAGE)
        assert got.data.startswith("250") and quick(got)


def test_an_allow_list_is_waited_for_where_it_may_save(dns):
    say(dns, one=YES, allow=(SLOW, YES))
    with asking(dns.address, zones=[ONE, zone(ALLOW, weight=-1)],
                deadline=3000) as g:
        got = session(g, ME)
        assert got.rcpt[0].startswith("250")
        assert got.data_ms > SLOW - 100


@pytest.mark.parametrize("weight, one", [(-1, NO), (-1, (0, NO))])
def test_an_allow_list_is_not_waited_for_where_nothing_is_listed(
        dns, weight, one):
    say(dns, one=one, allow=(SLOW, YES))
    with asking(dns.address, zones=[ONE, zone(ALLOW, weight=weight)],
                unknown="defer", deadline=3000) as g:
        got = session(g, ME)
        assert got.rcpt[0].startswith("250") and quick(got)


def test_an_allow_list_that_is_too_light_is_not_waited_for(dns):
    say(dns, one=YES, allow=(SLOW, YES))
    with asking(dns.address, zones=[zone(ONE, weight=5),
                                    zone(ALLOW, weight=-2)],
                unknown="defer", deadline=3000) as g:
        got = session(g, ME)
        assert code(got.rcpt[0], "550 5.7.1")
        assert got.mail_ms + got.rcpt_ms[0] < 3 * SLACK


def test_what_may_clear_is_waited_for(dns):
    """A confirmed name with an allow, and one that may relay."""
    say(dns, one=YES)
    dns.say(ME, delayed(SLOW / 2, ptr("good.example")))
    dns.say("good.example", delayed(SLOW / 2, address(ME)))
    for kw in ({"lists": {"names": "good.example allow\n"},
                "rdns_mode": "on"},
               {"lists": {"relay": "good.example\n"}}):
        for at in ("greeting", "rcpt"):
            with asking(dns.address, zones=[ONE], at=at, deadline=3000,
                        **kw) as g:
                got = session(g, ME)
                assert got.rcpt[0].startswith("250"), got.rcpt
                assert got.data_ms > SLOW - 100


def test_what_may_clear_is_not_waited_for_where_nothing_is_refused(dns):
    say(dns, one=NO)
    dns.say(ME, delayed(SLOW, ptr("good.example")))
    with asking(dns.address, zones=[ONE], deadline=3000,
                lists={"names": "good.example allow\n",
                       "relay": "else.example\n"}, rdns_mode="on") as g:
        got = session(g, ME, to=(OURS,))
        assert got.rcpt[0].startswith("250")


def test_the_other_test_has_refused_already(dns):
    """rdns comes first, and says no: the lists change nothing."""
    say(dns, one=(SLOW, YES))
    with asking(dns.address, zones=[ONE], rdns_mode="on", deadline=3000,
                rdns_settings={"require": "name"}) as g:
        got = session(g, ME)
        assert code(got.rcpt[0], "550 5.7.25")
        assert got.mail_ms + got.rcpt_ms[0] < 3 * SLACK


@pytest.mark.parametrize("at", ("greeting", "rcpt"))
def test_warn_delays_nobody(dns, at):
    say(dns, one=(SLOW, YES))
    with asking(dns.address, zones=[ONE], mode="warn", at=at,
                deadline=3000) as g:
        got = session(g, ME, data=MESSAGE)
        assert got.data.startswith("250") and quick(got)
        (line,) = refusals(got)
        assert " would=reject" in line and " test=dnsbl" in line
        assert listed(got) == {ONE: "127.0.0.2"}


@pytest.mark.parametrize("at, logged", [("greeting", 1), ("rcpt", 0)])
def test_warn_holds_no_connection(dns, at, logged):
    """The session waits for its answers without the client, and says no more
    than the test would have said."""
    say(dns, one=(SLOW, YES))
    with asking(dns.address, zones=[ONE], mode="warn", at=at,
                deadline=3000) as g:
        begun = time.monotonic()
        with g.open(ME) as c:
            c.steps((b"EHLO x.example\r\n", "250"))
            c.in_step()
        assert time.monotonic() - begun < 3 * SLACK / 1000
        g.wait_event("session")
        assert len(g.events("refuse", would="reject",
                            test="dnsbl")) == logged


def test_a_client_that_leaves_is_not_waited_for(dns):
    say(dns, one=(1500, YES), two=silent)
    with asking(dns.address, zones=[ONE, TWO], deadline=5000) as g:
        for _ in range(3):
            with g.open(ME) as c:
                c.steps((b"QUIT\r\n", "221"))
        begun = time.monotonic()
        quiet(g)
        assert time.monotonic() - begun < 0.7


# ---- dead servers, and many lists

@pytest.mark.parametrize("deadline, at, unknown", [
    *((250, at, unknown) for at in ("greeting", "rcpt")
      for unknown in ("pass", "defer")), (700, "rcpt", "pass")])
def test_a_dead_server_decides_within_the_deadline(dns, deadline, at,
                                                   unknown):
    say(dns, one=silent, two=silent)
    dns.say(ME, silent)
    with asking(dns.address, zones=[ONE, TWO], at=at, unknown=unknown,
                rdns_mode="on", deadline=deadline) as g:
        got = session(g, ME, data=MESSAGE if unknown == "pass" else None)
        if unknown == "pass":
            assert got.data.startswith("250")
        else:
            assert code(got.rcpt[0] if got.rcpt else got.greeting,
                        "450 4.4.3" if at == "rcpt" else "421 4.4.3")
        waited = got.mail_ms + got.rcpt_ms[0] if got.rcpt else \
            got.greeting_ms
        assert deadline - 120 < waited < deadline + 3 * SLACK


def test_the_deadline_is_for_all_questions_together(dns):
    """The name, and what is asked about the name."""
    dns.say(ME, delayed(200, ptr("me.example")))
    dns.say("me.example", delayed(200, address(ME)))
    dns.about("me.example", NAMES, delayed(200, YES))
    with asking(dns.address, zones=[zone(NAMES, of=["name"])],
                unknown="defer", deadline=900) as g:
        got = session(g, ME)
        assert code(got.rcpt[0], "550 5.7.1")
        assert 500 < got.data_ms < 600 + 3 * SLACK


def test_four_lists_cost_the_longest(dns):
    names = [f"l{i}.test" for i in range(4)]
    dns.healthy(*names)
    for n in names:
        dns.about(ME, n, delayed(100, NO))
    dns.say(ME, delayed(100, ptr("me.example")))
    dns.say("me.example", delayed(100, address(ME)))
    with asking(dns.address, zones=names, rdns_mode="on",
                rdns_settings={"require": "matches"}, deadline=3000) as g:
        times = []
        for _ in range(5):
            got = session(g, ME, data=MESSAGE)
            assert got.data.startswith("250")
            assert session_state(got) == ("name", "me.example")
            times.append(got.data_ms)
        assert 150 < sorted(times)[2] < 200 + 2 * SLACK, times


def test_256_lists(dns):
    """As many as the settings take, and all at once."""
    names = [f"l{i}.test" for i in range(256)]
    dns.healthy(*names)
    dns.about(ME, names[-1], YES)
    with asking(dns.address, zones=names, deadline=5000, threshold=2,
                unknown="defer") as g:
        got = session(g, ME, data=MESSAGE)
        assert got.data.startswith("250"), got.rcpt
        assert listed(got) == {names[-1]: "127.0.0.2"}
        assert len(set(dns.sessions_asked(A))) == 256


def test_a_sender_is_asked_about_when_it_is_known(dns):
    """And is waited for at RCPT alone."""
    dns.about("slow.example", NAMES, delayed(300, YES))
    dns.about("helo.example", NAMES, delayed(300, YES))
    with asking(dns.address, zones=[zone(NAMES, of=["helo", "sender"])],
                deadline=3000, at="greeting") as g:
        got = session(g, ME, sender="s@slow.example")
        assert got.greeting_ms < SLACK and got.mail_ms < 2 * SLACK
        assert code(got.rcpt[0], "550 5.7.1") and got.rcpt_ms[0] > 200
        got = session(g, ME, helo="helo.example", pause=0.4)
        assert code(got.rcpt[0], "550 5.7.1") and got.rcpt_ms[0] < SLACK
        assert quick(session(g, ME))


def test_many_sessions_at_once(dns):
    """Each gets the answer to its own questions."""
    sources = [f"127.35.1.{i}" for i in range(1, 33)]
    for i, s in enumerate(sources):
        dns.about(s, ONE, delayed(50, address(f"127.0.1.{i + 1}"
                                              if i % 2 else "127.0.0.2")))
    with asking(dns.address, zones=[ONE, TWO], deadline=5000) as g:
        with ThreadPoolExecutor(32) as pool:
            done = list(pool.map(lambda s: session(g, s), sources))
    for i, got in enumerate(done):
        assert listed(got) == {ONE: f"127.0.1.{i + 1}" if i % 2
                               else "127.0.0.2"}


def test_one_client_after_another(dns):
    """Nothing of a session is left for the next."""
    say(dns, one=YES)
    dns.about(ELSE, ONE, NO)
    with asking(dns.address, zones=[ONE]) as g:
        for _ in range(8):
            assert code(session(g, ME).rcpt[0], "550 5.7.1")
            got = session(g, ELSE, data=MESSAGE)
            assert got.data.startswith("250") and listed(got) == {}
    assert dns.count(TXT) == 0 and dns.count(PTR) == 0


def test_relay_by_name_and_lists_for_a_foreign_recipient(dns):
    say(dns, one=(SLOW, YES))
    dns.say(ME, ptr("good.example"))
    dns.say("good.example", address(ME))
    with asking(dns.address, zones=[ONE], lists={"relay": "good.example\n"},
                deadline=3000, sections=[section("test", "banned")]) as g:
        got = session(g, ME, to=(OURS, FOREIGN), pause=0.1)
        assert [r[:3] for r in got.rcpt] == ["250", "250"]
        assert got.data_ms < SLOW - 50 + 3 * (SLACK - 100)
