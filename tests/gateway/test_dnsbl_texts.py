"""DNS lists: what a refused client is told, and the questions it costs."""

import pytest

import lying_dns as lie
from conftest import SANITIZED
from dnsbl import (TXT, Lists, asking, listed, question, refusals, rules,
                   txt, zone)
from lying_dns import A, PTR, address, delayed, rcode, silent
from proc import Strace, quiet
from rdns import FOREIGN, OURS, code, session

ME, OTHER, BL = "127.30.0.1", "127.30.0.2", "bl.test"
NAMES = ("one.test", "two.test", "three.test")
SLACK = 600 if SANITIZED else 100  # ms


@pytest.fixture(scope="module")
def dns():
    with Lists(BL, "bare.test", "all.test", "twice.test", *NAMES) as server:
        yield server


@pytest.fixture(autouse=True)
def forgotten(dns):
    dns.forget()


def refusal(g, **kw):
    got = session(g, ME, **kw)
    assert code(got.rcpt[0], "550 5.7.1"), got.rcpt
    return got.rcpt[0]


# ---- the words of a zone

@pytest.fixture(scope="module")
def texts(dns):
    """Four zones of four texts; a client is in one of them."""
    with asking(dns.address, deadline=400, zones=[
            zone(BL, text="see https://$zone/?$ip ($txt)"),
            zone("bare.test"),
            zone("all.test", text="$ip$ip $zone: $txt and $txt"),
            zone("twice.test", text="no variable at all")]) as g:
        yield g


@pytest.mark.parametrize("name, want", [
    (BL, "550 5.7.1 see https://bl.test/?127.30.0.1 (a reason)"),
    ("bare.test", "550 5.7.1 your address is listed by bare.test"),
    ("all.test", "550 5.7.1 127.30.0.1127.30.0.1 all.test: a reason and "
                 "a reason"),
    ("twice.test", "550 5.7.1 no variable at all"),
])
def test_variables(texts, dns, name, want):
    for other in (BL, "bare.test", "all.test", "twice.test"):
        dns.about(ME, other, rcode(lie.NXDOMAIN))
    dns.about(ME, name, "127.0.0.2", text="a reason")
    reply = refusal(texts)
    assert reply.split("; ref ")[0] == want
    asked = dns.sessions_asked(TXT)
    assert asked == ([question(ME, name)] if "reason" in want else [])
    dns.about(ME, name, rcode(lie.NXDOMAIN))


def only_bl(dns, text):
    for other in ("bare.test", "all.test", "twice.test"):
        dns.about(ME, other, rcode(lie.NXDOMAIN))
    dns.about(ME, BL, "127.0.0.2", text=text)


HEAD = "550 5.7.1 see https://bl.test/?127.30.0.1 ("


@pytest.mark.parametrize("strings", [
    (b"a\r\n250 ok",), (b"\r\n",), (b"a\nb",), (b"\0",), (b"x\0y",),
    (b"\x1b[2J",), (b"\xe4\xf6\xfc",), (bytes(range(256))[:255],),
    (b"\x7f" * 10,), (b'" reply="250',), (b"\\",), (b"%s%n%d",),
    (b"$ip $zone $txt",), (b"; ref X",), (b"",), (b"", b"", b""),
    (b"part one, ", b"part two"), tuple(b"x" for _ in range(200)),
    (b"tab\there",), (b" lead and trail ",)])
def test_odd_texts_are_made_safe(texts, dns, strings):
    """RawClient sees to it that a reply is one line of printable ASCII."""
    only_bl(dns, txt(*strings))
    reply = refusal(texts)
    assert reply.startswith(HEAD), reply
    inner = reply[len(HEAD):].rsplit("; ref ", 1)[0]
    plain = b"".join(strings)
    if plain.isalpha() or plain in (b"part one, part two",
                                    b"$ip $zone $txt", b"%s%n%d"):
        assert inner == plain.decode() + ")"


@pytest.mark.parametrize("octets", (100, 250, 255, 400, 500, 1000, 3500))
def test_long_texts_are_cut(texts, dns, octets):
    parts = [b"word " * 51] * (octets // 255) + [b"z" * (octets % 255)]
    only_bl(dns, txt(*parts))
    reply = refusal(texts)
    assert reply.startswith(HEAD + ("word" if octets >= 255 else "z"))
    assert len(reply) <= 510 and "; ref " in reply


@pytest.mark.parametrize("no_text", [
    rcode(lie.NXDOMAIN), lie.nodata, rcode(lie.SERVFAIL), silent,
    lie.garbage, lie.truncated(txt("x")), lie.wrong_id(txt("x")),
    lambda q: [(0, lie.packet(q, lie.rr(lie.POINTER, TXT, b"")))],
    lambda q: [(0, lie.packet(q, lie.rr(lie.POINTER, TXT, b"\xffabc")))],
    lambda q: [(0, lie.packet(q, lie.rr(lie.POINTER, A, b"\x7f\0\0\2")))]])
def test_without_a_text(texts, dns, no_text):
    """The refusal does not hang on it, nor for long."""
    only_bl(dns, no_text)
    got = session(texts, ME)
    assert code(got.rcpt[0], "550 5.7.1")
    assert got.rcpt[0].startswith(HEAD), got.rcpt
    assert got.data_ms < 400 + 400 + 3 * SLACK


def test_several_texts(texts, dns):
    only_bl(dns, txt("a reason", records=3))
    assert refusal(texts).startswith(HEAD + "a reason)")


def test_a_text_that_is_spoken_often_is_cut_all_the_same(dns):
    dns.about(ME, BL, "127.0.0.2", text="x" * 250)
    with asking(dns.address, zones=[zone(BL, text="$txt$txt$txt$txt")]) as g:
        reply = refusal(g)
        assert len(reply) <= 510 and "xxx; ref " in reply


# ---- the text is asked for when it is spoken, and not before

def talk(dns, **kw):
    return asking(dns.address, zones=[
        zone("one.test", text="one $txt"),
        zone("two.test", text="two $txt", weight=2),
        zone("three.test", text="three $txt", weight=-4)], **kw)


def tell(dns, *names):
    for n in NAMES:
        dns.about(ME, n, *(["127.0.0.2"] if n in names else
                           [rcode(lie.NXDOMAIN)]), text=f"of {n}")


@pytest.mark.parametrize("names, spoken", [
    ((), None), (("one.test",), "one.test"), (("two.test",), "two.test"),
    (("one.test", "two.test"), "two.test"), (NAMES, None)])
def test_one_text_is_asked_for(dns, names, spoken):
    tell(dns, *names)
    with talk(dns) as g:
        got = session(g, ME)
        if spoken:
            assert f" of {spoken};" in got.rcpt[0]
        else:
            assert got.rcpt[0].startswith("250")
        assert dns.sessions_asked(TXT) == (
            [question(ME, spoken)] if spoken else [])


@pytest.mark.parametrize("to, texts", [
    (("postmaster@example.org",), 0), ((OURS,), 1),
    ((OURS, "bob@example.org", OURS), 1)])
def test_open_recipients_cost_no_text(dns, to, texts):
    tell(dns, "one.test")
    with talk(dns) as g:
        session(g, ME, to=to)
        assert len(dns.sessions_asked(TXT)) == texts


def test_no_text_without_a_refusal(dns):
    tell(dns, "one.test", "two.test")
    with talk(dns, mode="warn") as g:
        got = session(g, ME)
        assert got.rcpt[0].startswith("250") and len(listed(got)) == 2
    with talk(dns, lists={"banned": f"{ME}\n"}) as g:
        assert code(session(g, ME).greeting, "554 5.7.1")
    assert dns.sessions_asked(TXT) == []


def test_the_text_at_the_greeting(dns):
    tell(dns, "one.test")
    with talk(dns, at="greeting") as g:
        got = session(g, ME)
        assert got.greeting.startswith("554 5.7.1 one of one.test;")
        assert dns.sessions_asked(TXT) == [question(ME, "one.test")]


# ---- the questions of a session

def test_all_questions_go_out_together(dns):
    tell(dns)
    dns.host("me.example", ME)
    with talk(dns, rdns_mode="on", rdns_settings={"require": "name"}) as g:
        assert session(g, ME).rcpt[0].startswith("250")
    names = dns.sessions_asked()
    asked = dict(zip(((q.name, q.type) for q in dns.asked), dns.times))
    mine = {(question(ME, n), A) for n in NAMES}
    assert mine <= set(asked) and (lie.reverse(ME), PTR) in asked
    times = [asked[k] for k in (*mine, (lie.reverse(ME), PTR))]
    assert max(times) - min(times) < SLACK / 1000
    assert len(names) == len({(n, t) for n, t in asked
                              if n in names})  # and each but once


def test_no_reverse_name_is_asked_for(dns):
    """Where neither a test nor a list needs it."""
    tell(dns)
    with talk(dns) as g:
        session(g, ME)
    assert sorted(dns.sessions_asked()) == sorted(question(ME, n)
                                                  for n in NAMES)


def test_a_list_of_names_asks_for_the_name(dns):
    """Also when test rdns is off; and for what is not there nobody is."""
    dns.host("me.example", ME)
    with asking(dns.address, zones=[zone(BL, of=["name"])]) as g:
        session(g, ME)
        session(g, OTHER)
    assert set(dns.sessions_asked()) == {
        lie.reverse(ME), lie.reverse(OTHER), "me.example",
        "me.example." + BL}


@pytest.mark.parametrize("at", ("greeting", "rcpt"))
def test_who_costs_no_question(dns, at):
    bans = {"127.30.1.1": "reject", "127.30.1.2": "defer",
            "127.30.1.3": "drop"}
    relay = "127.30.1.4"
    for client in (*bans, relay):
        dns.about(client, "two.test", "127.0.0.2")
    lists = {"banned": "".join(f"{k} {v}\n" for k, v in bans.items()),
             "relay": f"{relay}\n.trusted.example\n",
             "names": ".x.example allow\n"}
    ban = [f'test "banned" {{ at = "{at}" }}']
    with talk(dns, lists=lists, at=at, sections=ban, rdns_mode="on",
              rdns_settings={"require": "matches"}) as g:
        for client in (*bans, relay):
            got = session(g, client, to=("postmaster@example.org", FOREIGN))
            assert [r[:3] for r in got.rcpt] == ["250", "250"] or \
                client in bans
            assert not refusals(got, test="dnsbl") and listed(got) == {}
        assert dns.sessions_asked() == []
        session(g, OTHER)
        assert dns.sessions_asked() != []  # what this test relies on


@pytest.mark.parametrize("settings, lists, asks", [
    ({}, {"banned": f"{ME}\n"}, False),
    ({}, {"relay": f"{ME}\n"}, False),
    ({"mode": "off"}, {}, False),
    ({}, {}, True),
])
def test_system_calls(dns, settings, lists, asks):
    """A session that needs no DNS makes no system call for it."""
    tell(dns)
    with talk(dns, lists=lists, **settings) as g:
        with Strace(quiet(g), "-e", "trace=network") as trace:
            session(g, ME)
            quiet(g)
            text = trace.text()
    assert "accept4" in text
    assert ("SOCK_DGRAM" in text) == asks, text
    sent = [l for l in text.splitlines() if f"htons({dns.port})" in l]
    assert bool(sent) == asks, sent


def test_no_question_twice(dns):
    """RSET, several transactions, several recipients."""
    tell(dns)
    with talk(dns) as g:
        with g.open(ME) as c:
            c.steps((b"EHLO client.example\r\n", "250"))
            for _ in range(3):
                c.steps((b"MAIL FROM:<s@client.example>\r\n", "250"),
                        (b"RCPT TO:<alice@example.org>\r\n", "250"),
                        (b"RCPT TO:<bob@example.org>\r\n", "250"),
                        (b"RSET\r\n", "250"))
            c.in_step()
    assert sorted(dns.sessions_asked()) == sorted(question(ME, n)
                                                  for n in NAMES)


def test_a_family_without_a_question(dns):
    """A name that is too long for DNS is not asked about."""
    long = ".".join(["x" * 60] * 4)
    with asking(dns.address, zones=[zone(BL, of=["helo", "sender"])]) as g:
        got = session(g, ME, helo=long, sender=f"s@{long}"[:250])
        assert got.rcpt[0].startswith("250"), got.rcpt
        assert listed(got) == {}


def test_delayed_text(dns):
    """It is waited for as the answers are."""
    tell(dns)
    dns.about(ME, "one.test", "127.0.0.2", text=delayed(200, txt("late")))
    with talk(dns) as g:
        got = session(g, ME)
        assert "one late;" in got.rcpt[0] and got.data_ms < 200 + 3 * SLACK


def test_many_listings():
    """The lines of the log hold what they can, and no half of a name."""
    names = [f"list-number-{i}.of-many.test" for i in range(60)]
    with Lists(*names) as dns:
        for n in names:
            dns.about(ME, n, "127.0.0.2")
        with asking(dns.address, zones=names, threshold=60,
                    unknown="defer") as g:
            got = session(g, ME)
            assert code(got.rcpt[0], "550 5.7.1")
            (line,) = refusals(got, test="dnsbl")
            assert " score=60" in line
            assert {n for n, _ in rules(line)} <= set(names)
            assert set(listed(got)) <= set(names) and len(listed(got)) > 4


def test_many_answers(dns):
    """Addresses beyond any bound are not a listing that nobody saw."""
    dns.about(ME, BL, address(*[f"127.0.1.{i}" for i in range(1, 200)]))
    with asking(dns.address, zones=[zone(BL, replies=["127.0.1.0/24"])],
                unknown="defer") as g:
        assert code(session(g, ME).rcpt[0], "550 5.7.1")
        (line,) = refusals(session(g, ME), test="dnsbl")
        assert "bl.test:127.0.1.1" in line
