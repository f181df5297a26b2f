"""The HELO name: who is refused for it, and who is not."""

import pytest

from conftest import free_port
from lying_dns import LyingDns, address, delayed, ptr
from raw import MAIL, RCPT, RawClient, serving
from rdns import MESSAGE, OURS, asking, code, session, test_section

OPEN = "postmaster@example.org"
NAMES = ("helo:bad.example \"go and learn your name\"\n"
         "helo:.dyn.example defer\n"
         "helo:gw.example.net allow\n")
POOL = "workers { min = 4  max = 16  spare = 2 }"


def helo(**settings):
    return test_section("helo", **settings)


@pytest.fixture(scope="module")
def gateway():
    with serving(POOL, helo(mode="on"), lists={"names": NAMES,
                                               "relay": "127.0.0.2\n"}) as g:
        yield g


ROWS = [
    ("client.example", "250 2.1.5", None),
    ("printer", "250 2.1.5", None),
    ("my_pc.example", "250 2.1.5", None),
    ("[127.0.0.5]", "250 2.1.5", None),
    ("[IPv6:2001:db8::1]", "250 2.1.5", None),
    ("bad.example", "550 5.7.1", "helo-list"),
    ("BAD.example.", "550 5.7.1", "helo-list"),
    ("a.dyn.example", "450 4.7.1", "helo-list"),
    ("gw.example.org", "550 5.7.1", "helo-ours"),
    ("GW.EXAMPLE.ORG", "550 5.7.1", "helo-ours"),
    ("[127.0.0.1]", "550 5.7.1", "helo-ours"),
    ("127.0.0.1", "550 5.7.1", "helo-ours"),
    ("127.0.0.5", "550 5.5.4", "helo-syntax"),
    ("[127.0.0.5", "550 5.5.4", "helo-syntax"),
    ("<client.example>", "550 5.5.4", "helo-syntax"),
]


@pytest.mark.parametrize("name, want, reason", ROWS)
def test_names(gateway, name, want, reason):
    got = session(gateway, "127.0.0.5", to=(OURS, OPEN), helo=name)
    assert code(got.rcpt[0], want), got.rcpt
    assert code(got.rcpt[1], "250 2.1.5"), "an open recipient is spared"
    refused = [l for l in got.lines if "event=refuse" in l]
    assert len(refused) == (reason is not None)
    for line in refused:
        assert f" test=helo reason={reason} " in line
        assert (" rule=names:names:" in line) == (reason == "helo-list")
    if name == "bad.example":
        assert "go and learn your name" in got.rcpt[0]
    relay = session(gateway, "127.0.0.2", to=(OURS,), helo=name)
    assert code(relay.rcpt[0], "250 2.1.5"), "a relay client is spared"


def test_the_last_name_counts(gateway):
    with RawClient(gateway.port, "127.0.0.5") as c:
        c.expect("220")
        c.steps((b"EHLO bad.example\r\n", "250"), *MAIL[1:],
                (b"RCPT TO:<alice@example.org>\r\n", "550 5.7.1"),
                *RCPT,
                (b"HELO bad.example\r\n", "250"), *MAIL[1:],
                (b"RCPT TO:<alice@example.org>\r\n", "550 5.7.1"))
        c.in_step()
    gateway.play(*RCPT)  # and nothing of it reaches the next session


def test_the_address_it_talks_to_is_ours():
    port = free_port()
    with serving(POOL, helo(mode="on"), listen=f'{{"0.0.0.0:{port}"}}') as g:
        g.port = port
        got = session(g, "127.0.0.5", helo="[127.0.0.1]")
        assert code(got.rcpt[0], "550 5.7.1")
        got = session(g, "127.0.0.5", helo="[127.0.0.3]")
        assert code(got.rcpt[0], "250 2.1.5")


def test_it_only_warns_unless_told_otherwise():
    with serving(POOL, lists={"names": NAMES}) as g:
        for name, _, reason in ROWS:
            got = session(g, "127.0.0.5", helo=name)
            assert code(got.rcpt[0], "250 2.1.5")
            would = [l for l in got.lines if " would=" in l]
            assert len(would) == (reason is not None), name
            for line in would:
                verdict = "defer" if "dyn" in name else "reject"
                assert f" test=helo reason={reason} " in line
                assert line.endswith(f" would={verdict}")


def test_off_says_nothing():
    with serving(POOL, helo(mode="off"), lists={"names": NAMES}) as g:
        got = session(g, "127.0.0.5", helo="bad.example")
        assert code(got.rcpt[0], "250 2.1.5")
        assert not [l for l in got.lines if " would=" in l]


def test_soft():
    with serving(POOL, helo(mode="on"), soft="true") as g:
        got = session(g, "127.0.0.5", helo="gw.example.org")
        assert code(got.rcpt[0], "450 4.7.1")


def test_reverse_dns_goes_first_and_relay_by_name_clears_it():
    with LyingDns() as dns:
        dns.say("127.4.0.1", delayed(150, ptr("relay.example.net")))
        dns.say("relay.example.net", address("127.4.0.1"))
        dns.host("other.example", "127.4.0.2")
        with asking(dns.address, sections=(helo(mode="on"),), lists={
                "relay": "relay.example.net\n",
                "names": "other.example reject\n"}) as g:
            got = session(g, "127.4.0.1", helo="gw.example.org", data=MESSAGE)
            assert code(got.rcpt[0], "250 2.1.5"), "its name was waited for"
            got = session(g, "127.4.0.2", helo="gw.example.org")
            assert code(got.rcpt[0], "550 5.7.1")
            assert [l for l in got.lines if " test=rdns reason=rdns-list" in l]
            dns.say("127.4.0.3", lambda q: [])
            got = session(g, "127.4.0.3", helo="gw.example.org")
            assert code(got.rcpt[0], "450 4.4.3"), "it might be a relay"
