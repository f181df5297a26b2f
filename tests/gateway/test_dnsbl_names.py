"""DNS lists of names: the client's own, the one it says, the sender's."""

import pytest

from dnsbl import PAUSE, asking, listed, refusals, rules, zone
from nsd import Nsd, zones_of
from rbldnsd import Rbldnsd
from rbldnsd import zone as data
from rdns import code, session


@pytest.fixture(scope="module")
def lists():
    """All the lists of this module."""
    with Rbldnsd({
        "bl.test": data(ip4set="127.22.0.1\n"),
        "names.test": data(dnset=".bad-name.example :127.0.1.2:name $\n"
                                 "exact.example :127.0.1.3:exact $\n"),
        "helos.test": data(dnset="bad-helo.example :127.0.1.4:helo $\n"),
        "senders.test": data(dnset=".bad-sender.example :127.0.1.5:$\n"),
        "every.test": data(dnset=".bad-name.example\nbad-helo.example\n"
                                 ".bad-sender.example\n",
                           ip4set="127.22.0.1\n"),
    }) as server:
        yield server


@pytest.fixture(scope="module")
def hosts():
    """The names of some clients."""
    names = {
        "127.22.0.10": ["mail.bad-name.example"],
        "mail.bad-name.example": ["127.22.0.10"],
        "127.22.0.11": ["lie.bad-name.example"],
        "lie.bad-name.example": ["127.9.9.9"],
        "127.22.0.12": ["good.example"], "good.example": ["127.22.0.12"],
        "127.22.0.13": ["exact.example"], "exact.example": ["127.22.0.13"],
        "127.22.0.14": ["sub.exact.example"],
        "sub.exact.example": ["127.22.0.14"],
    }
    n = Nsd(zones_of(names))
    yield n
    n.close()


OF = {"names.test": "name", "helos.test": "helo", "senders.test": "sender"}


@pytest.fixture(scope="module")
def named(lists, hosts):
    with asking(hosts.address, lists.address, zones=[
            zone(n, of=[of]) for n, of in OF.items()]) as g:
        yield g


@pytest.mark.parametrize("client, helo, sender, want", [
    ("127.22.0.10", None, None, "names.test"),
    ("127.22.0.11", None, None, None),  # the name is not confirmed
    ("127.22.0.12", None, None, None),
    ("127.22.0.13", None, None, "names.test"),
    ("127.22.0.14", None, None, None),
    ("127.22.0.1", None, None, None),  # no list of addresses
    ("127.22.0.77", None, None, None),  # no name
    ("127.22.0.12", "bad-helo.example", None, "helos.test"),
    ("127.22.0.77", "BAD-Helo.Example", None, "helos.test"),
    ("127.22.0.12", "sub.bad-helo.example", None, None),
    ("127.22.0.12", "[127.22.0.12]", None, None),
    ("127.22.0.12", "exact.example", None, None),  # that list is of names
    ("127.22.0.12", None, "x@bad-sender.example", "senders.test"),
    ("127.22.0.12", None, "x@sub.Bad-Sender.example", "senders.test"),
    ("127.22.0.12", None, "bad-sender.example@good.example", None),
    ("127.22.0.12", None, "", None),
    ("127.22.0.12", None, "x@[127.22.0.12]", None),
    ("127.22.0.12", None, "x@bad-helo.example", None),
])
def test_names(named, client, helo, sender, want):
    got = session(named, client, helo=helo or "client.example",
                  sender="s@client.example" if sender is None else sender)
    if want is None:
        assert got.rcpt[0].startswith("250"), got.rcpt
        assert listed(got) == {} and not refusals(got)
    else:
        assert code(got.rcpt[0], "550 5.7.1"), got.rcpt
        word = {"name": "the name of your address",
                "helo": "HELO name",
                "sender": "the domain of the sender"}[OF[want]]
        assert f"{word} is listed by {want}" in got.rcpt[0], got.rcpt
        assert set(listed(got)) == {want}
        assert [r[0] for r in rules(refusals(got)[0])] == [want]


def test_a_zone_of_all_four_counts_once(lists, hosts):
    with asking(hosts.address, lists.address, zones=[
            zone("every.test", of=["client", "name", "helo", "sender"]),
            "bl.test"], threshold=2) as g:
        got = session(g, "127.22.0.10", helo="bad-helo.example",
                      sender="x@bad-sender.example", pause=PAUSE)
        assert got.rcpt[0].startswith("250"), got.rcpt
        assert set(listed(got)) == {"every.test"}
        for kw in ({"helo": "bad-helo.example"},
                   {"sender": "x@bad-sender.example"}, {}):
            got = session(g, "127.22.0.1", **kw)
            assert code(got.rcpt[0], "550 5.7.1")
            assert " score=2" in refusals(got)[0]


def test_each_of_four_is_enough(lists, hosts):
    with asking(hosts.address, lists.address, zones=[
            zone("every.test", of=["client", "name", "helo", "sender"])]
            ) as g:
        for client, kw in [("127.22.0.10", {}), ("127.22.0.1", {}),
                           ("127.22.0.12", {"helo": "bad-helo.example"}),
                           ("127.22.0.12", {"sender":
                                            "x@bad-sender.example"})]:
            assert code(session(g, client, **kw).rcpt[0], "550 5.7.1")
        assert session(g, "127.22.0.12").rcpt[0].startswith("250")


@pytest.mark.parametrize("unknown", ("pass", "defer"))
def test_a_name_that_is_unknown(lists, unknown):
    """Nobody answers for the reverse zone; rdns itself does not mind."""
    with asking(lists.address, unknown=unknown, rdns_mode="on", zones=[
            zone("names.test", of=["name"])]) as g:
        got = session(g, "127.22.0.12")
        assert code(got.rcpt[0], "250 2.1.5" if unknown == "pass"
                    else "450 4.4.3"), got.rcpt


def test_without_a_helo(lists, hosts):
    with asking(hosts.address, lists.address, unknown="defer",
                settings={"require_helo": "false"}, zones=[
                    zone("helos.test", of=["helo"])]) as g:
        with g.open("127.22.0.12") as c:
            c.steps((b"MAIL FROM:<x@good.example>\r\n", "250"),
                    (b"RCPT TO:<alice@example.org>\r\n", "250"))
            c.in_step()


def test_each_transaction_has_a_sender_of_its_own(named):
    with named.open("127.22.0.12") as c:
        c.steps((b"EHLO client.example\r\n", "250"),
                (b"MAIL FROM:<x@good.example>\r\n", "250"),
                (b"RCPT TO:<alice@example.org>\r\n", "250"),
                (b"RSET\r\n", "250"),
                (b"MAIL FROM:<x@bad-sender.example>\r\n", "250"),
                (b"RCPT TO:<alice@example.org>\r\n", "550 5.7.1"),
                (b"RCPT TO:<postmaster@example.org>\r\n", "250"),
                (b"RSET\r\n", "250"),
                (b"MAIL FROM:<x@good.example>\r\n", "250"),
                (b"RCPT TO:<alice@example.org>\r\n", "250"))
        c.in_step()


def test_a_new_helo_is_asked_about_anew(named):
    with named.open("127.22.0.12") as c:
        c.steps((b"EHLO client.example\r\n", "250"),
                (b"MAIL FROM:<x@good.example>\r\n", "250"),
                (b"RCPT TO:<alice@example.org>\r\n", "250"),
                (b"EHLO bad-helo.example\r\n", "250"),
                (b"MAIL FROM:<x@good.example>\r\n", "250"),
                (b"RCPT TO:<alice@example.org>\r\n", "550 5.7.1"))
        c.in_step()


def test_what_is_not_known_at_the_greeting_speaks_later(lists, hosts):
    with asking(hosts.address, lists.address, at="greeting", zones=[
            "bl.test", *(zone(n, of=[of]) for n, of in OF.items())]) as g:
        assert code(session(g, "127.22.0.1").greeting, "554 5.7.1")
        assert code(session(g, "127.22.0.10").greeting, "554 5.7.1")
        for kw in ({"helo": "bad-helo.example"},
                   {"sender": "x@bad-sender.example"}):
            got = session(g, "127.22.0.12", **kw)
            assert got.greeting.startswith("220")
            assert code(got.rcpt[0], "550 5.7.1"), got.rcpt


def test_pipelined(named):
    """Answers that come late find the command that they are for."""
    with named.open("127.22.0.12") as c:
        c.send(b"EHLO client.example\r\n")
        c.expect("250")
        c.send(b"MAIL FROM:<x@bad-sender.example>\r\n"
               b"RCPT TO:<alice@example.org>\r\nDATA\r\nRSET\r\n"
               b"MAIL FROM:<x@good.example>\r\n"
               b"RCPT TO:<alice@example.org>\r\nQUIT\r\n")
        c.expect("250 | 550 5.7.1 | 554 | 250 | 250 | 250 | 221 | closed")
