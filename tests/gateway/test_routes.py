"""Routes that lead to names, to several hosts and to the MX of a domain."""

import contextlib
import os
import shlex
import signal
import subprocess
import time

import pytest

from conftest import wait_until
from hop import Hop
from lying_dns import (A, AAAA, POINTER, SERVFAIL, LyingDns, address, nodata,
                       packet, rcode, rr, silent, truncated, wire)
from nsd import Nsd, zones_of
from proc import has_ipv6

MX = 15
MESSAGE = "Subject: routed\r\n\r\nbody\r\n"
GOOD, LATER = "250 2.1.5", "451 4.3.0"
ONE = "workers { min = 1  max = 1  spare = 1 }"
# What stands at which address, all on one port.
FIRST, SECOND, THIRD, DEAD = "127.7.0.1", "127.7.0.2", "127.7.0.3", "127.7.0.9"


def mx(*hosts):
    """Mail hosts as (preference, name); "" is the root."""
    return lambda q: [(0, packet(q, *(
        rr(POINTER, MX, preference.to_bytes(2, "big") + wire(name))
        for preference, name in hosts)))]


class Hops:
    """Next hops at several addresses and one port."""

    def __init__(self, **options):
        self.at = {}
        port = 0
        for host in (FIRST, SECOND, THIRD):
            self.at[host] = Hop(host=host, port=port, **options)
            port = self.port = self.at[host].port

    def __getitem__(self, host):
        return self.at[host]

    def taken(self):
        return [len(h.taken) for h in self.at.values()]

    def close(self):
        for h in self.at.values():
            h.close()


@pytest.fixture
def hops():
    h = Hops()
    yield h
    h.close()


@pytest.fixture
def dns():
    with LyingDns() as server:
        yield server


def serve(g, route, server, *sections, deadline=500,
          domains="example.org\n", **lists):
    if "\n" not in route:
        route = f"* {route}\n"
    elif "* " not in route:
        route += "* maildir:{mail}/all\n"
    g.write_lists(routes=route, domains=domains, **lists)
    return g.start(ONE, *sections, nameservers=f'{{"{server}"}}',
                   dns_deadline_ms=deadline)


def rcpt(g, to="alice@example.org"):
    with g.connect() as c:
        c.helo()
        c.say("MAIL FROM:<s@client.example>")
        return c.say(f"RCPT TO:<{to}>")


def deliver(g, to="alice@example.org"):
    with g.connect() as c:
        c.helo()
        assert c.message(MESSAGE, to=(to,)).startswith("250 2.0.0")
        c.say("QUIT")


def offers(g):
    with g.connect() as c:
        c.reply()
        return c.say("EHLO client.example").split("\n")


def refused(g, why, to="alice@example.org"):
    """A recipient without a place is put off, and the log has the reason."""
    before = len(g.log())
    assert rcpt(g, to).startswith(LATER)
    lines = [l for l in g.log()[before:].splitlines() if "event=refuse" in l]
    assert len(lines) == 1 and why in lines[0], lines


# ---- names

def test_an_honest_name_server(gateway, hops):
    """By NSD: a name whose first address is dead, an alias, the MX of a
    domain by its preferences, a null MX, and what is not there."""
    zones = zones_of({"two.example": [DEAD, SECOND],
                      "alias.example": "third.example",
                      "third.example": [THIRD], "first.example": [FIRST],
                      "dead.example": [DEAD]}, ("broken.example",))
    zones["example"] += ["dom.example. 60 IN MX 20 third.example.\n",
                         "dom.example. 60 IN MX 10 dead.example.\n",
                         "dom.example. 60 IN MX 15 first.example.\n",
                         "null.example. 60 IN MX 0 .\n",
                         "null.example. 60 IN A 127.7.0.1\n",
                         "lost.example. 60 IN MX 10 none.example.\n"]
    server = Nsd(zones)
    try:
        p = hops.port
        serve(gateway, "".join(f"{to}@example.org {route}:{p}\n" for to, route
                               in (("two", "smtp:two.example"),
                                   ("alias", "smtp:ALIAS.example"),
                                   ("dom", "mx:dom.example"),
                                   ("own", "mx:first.example"),
                                   ("null", "mx:null.example"),
                                   ("lost", "mx:lost.example"),
                                   ("gone", "smtp:gone.example"),
                                   ("mxgone", "mx:gone.example"),
                                   ("broken", "smtp:broken.example"))),
              server.address, recipients="@example.org\n")
        for to, taken in (("two", [0, 1, 0]), ("alias", [0, 1, 1]),
                          ("dom", [1, 1, 1]), ("own", [2, 1, 1])):
            deliver(gateway, f"{to}@example.org")
            assert hops.taken() == taken, to
        for to, why in (
                ("null", "null.example: it takes no mail (null MX)"),
                ("lost", "lost.example: no address of a mail host"),
                ("gone", "gone.example: no address"),
                ("mxgone", "gone.example: no address of a mail host"),
                ("broken", "broken.example: the DNS gave no answer")):
            refused(gateway, why, f"{to}@example.org")
        assert hops.taken() == [2, 1, 1]
    finally:
        server.close()


@pytest.mark.parametrize("lie", [silent, rcode(SERVFAIL), truncated(nodata)])
def test_what_is_not_known_is_no_no(gateway, hops, dns, lie):
    dns.say("hop.example", lie)
    serve(gateway, f"smtp:hop.example:{hops.port}", dns.address,
          deadline=300)  # too soon for a question to be sent again
    refused(gateway, "hop.example: the DNS gave no answer")
    # It is not asked at every message then, but soon again.
    asked = dns.count()
    refused(gateway, "hop.example: the DNS gave no answer")
    assert dns.count() == asked


def test_one_family_that_is_not_answered_is_in_nobodys_way(gateway, hops, dns):
    dns.say("hop.example", address(FIRST), A)
    dns.say("hop.example", rcode(SERVFAIL), AAAA)
    serve(gateway, f"smtp:hop.example:{hops.port}", dns.address)
    deliver(gateway)
    assert hops.taken() == [1, 0, 0]


def test_a_silent_server_costs_the_deadline_once(gateway, hops, dns):
    """All names of a route are asked about together."""
    for name in ("a", "b", "c", "d"):
        dns.say(f"{name}.example", silent)
    serve(gateway, f"smtp:a.example,b.example,c.example,d.example,{FIRST}:"
          f"{hops.port}", dns.address, deadline=700)
    begun = time.monotonic()
    deliver(gateway)
    assert time.monotonic() - begun < 2.5
    assert hops.taken() == [1, 0, 0]


def test_answers_are_kept_for_a_while(gateway, hops, dns):
    dns.say("hop.example", address(FIRST))
    serve(gateway, f"smtp:hop.example:{hops.port}", dns.address)
    for _ in range(3):
        deliver(gateway)
    assert hops.taken() == [3, 0, 0]
    assert (dns.count(A), dns.count(AAAA), dns.count()) == (1, 1, 2)


def test_more_names_than_are_kept(gateway, hops, dns):
    names = [f"n{i}" for i in range(20)]
    for n in names:
        dns.say(f"{n}.example", address(FIRST))
    serve(gateway, "".join(f"{n}@example.org smtp:{n}.example:{hops.port}\n"
                           for n in names), dns.address,
          recipients="@example.org\n")
    for n in names + names:
        deliver(gateway, f"{n}@example.org")
    assert hops.taken() == [40, 0, 0]
    assert 20 <= dns.count(A) <= 40


def test_the_hosts_file_comes_first(gateway, dns):
    """localhost stands in the hosts file of every host."""
    hop = Hop()
    try:
        dns.say("localhost", address(DEAD))
        serve(gateway, f"smtp:localhost:{hop.port}", dns.address)
        deliver(gateway)
        assert len(hop.taken) == 1 and dns.count() == 0
    finally:
        hop.close()


def test_ipv6_comes_behind_ipv4(gateway, dns):
    if not has_ipv6():
        pytest.skip("no IPv6 here")
    four = Hop()
    with contextlib.closing(four):
        dns.say("both.example", address("::1", "127.0.0.1"))
        dns.say("six.example", address("::1"))
        serve(gateway, f"both@example.org smtp:both.example:{four.port}\n"
              f"six@example.org smtp:six.example:{four.port}\n", dns.address,
              recipients="@example.org\n")
        deliver(gateway, "both@example.org")
        assert len(four.taken) == 1
        refused(gateway, "Connection refused", "six@example.org")


# ---- the MX of a domain

def test_equal_preferences_are_drawn(gateway, hops, dns):
    for name, host in (("a", FIRST), ("b", SECOND), ("c", THIRD)):
        dns.say(f"{name}.example", address(host))
    dns.say("dom.example", mx((10, "a.example"), (10, "b.example"),
                              (20, "c.example")), MX)
    serve(gateway, f"mx:dom.example:{hops.port}", dns.address)
    for _ in range(24):  # all to one of them: once in 2^23 runs
        deliver(gateway)
    first, second, third = hops.taken()
    assert first > 0 and second > 0 and first + second == 24 and third == 0
    assert dns.count(MX) == 1


def test_of_many_hosts_the_preferred_ones_are_kept(gateway, hops, dns):
    dns.say("dom.example", mx(*[(100 + i, f"far{i}.example")
                                for i in range(12)], (5, "near.example")), MX)
    dns.say("near.example", address(SECOND))
    serve(gateway, f"mx:dom.example:{hops.port}", dns.address)
    deliver(gateway)
    assert hops.taken() == [0, 1, 0]


def test_mail_is_not_sent_to_hosts_behind_us(gateway, hops, dns):
    """It would come back (RFC 5321, section 5.1)."""
    dns.say("a.example", address(FIRST))
    dns.say("b.example", address(SECOND))
    dns.say("gw.example.org", address(THIRD))
    dns.say("dom.example", mx((20, "b.example"), (10, "GW.example.org"),
                              (10, "a.example")), MX)
    dns.say("less.example", mx((20, "b.example"), (10, "a.example"),
                               (15, "gw.example.org")), MX)
    serve(gateway, f"dom@example.org mx:dom.example:{hops.port}\n"
          f"less@example.org mx:less.example:{hops.port}\n", dns.address,
          recipients="@example.org\n")
    refused(gateway, "dom.example: its first mail host is this gateway",
            "dom@example.org")
    deliver(gateway, "less@example.org")
    assert hops.taken() == [1, 0, 0]


@pytest.mark.parametrize("answers, why", [
    ([(0, "")], "it takes no mail (null MX)"),
    ([(10, "bad name.example")], "its mail hosts have no proper names"),
])
def test_a_domain_without_a_host(gateway, hops, dns, answers, why):
    dns.say("dom.example", mx(*answers), MX)
    dns.say("dom.example", address(FIRST))  # which does not count then
    serve(gateway, f"mx:dom.example:{hops.port}", dns.address)
    refused(gateway, f"dom.example: {why}")


def test_the_root_among_mail_hosts_is_passed_over(gateway, hops, dns):
    dns.say("a.example", address(FIRST))
    dns.say("dom.example", mx((0, ""), (10, "a.example")), MX)
    serve(gateway, f"mx:dom.example:{hops.port}", dns.address)
    deliver(gateway)
    assert hops.taken() == [1, 0, 0]


@pytest.mark.parametrize("lie", [silent, rcode(SERVFAIL)])
def test_an_mx_that_is_not_known(gateway, hops, dns, lie):
    dns.say("dom.example", lie, MX)
    dns.say("dom.example", address(FIRST))  # no fact that there is no MX
    serve(gateway, f"mx:dom.example:{hops.port}", dns.address)
    refused(gateway, "dom.example: the DNS gave no answer")


# ---- several hosts

def test_in_order(gateway, hops, dns):
    p = hops.port
    serve(gateway, f"smtp:{DEAD}:{p},{SECOND}:{p},{FIRST}:{p}", dns.address)
    for _ in range(3):
        deliver(gateway)
    assert hops.taken() == [0, 3, 0]
    hops[SECOND].play({"greeting": "421 4.3.2 not now"})
    deliver(gateway)
    assert hops.taken() == [1, 0, 0]


def test_in_turn(gateway, hops, dns):
    p = hops.port
    serve(gateway, f"smtp:{FIRST}:{p}|{SECOND}:{p},{THIRD}:{p}", dns.address)
    for _ in range(6):
        deliver(gateway)
    assert hops.taken() == [3, 3, 0]


def test_behind_those_in_turn(gateway, hops, dns):
    p = hops.port
    serve(gateway, f"smtp:{DEAD}:{p}|{DEAD}:{p + 1},"
          f"{THIRD}:{p}|{DEAD}:{p + 2}", dns.address)
    for _ in range(4):
        deliver(gateway)
    assert hops.taken() == [0, 0, 4]


@pytest.mark.parametrize("hello, params", [
    ("250 hop.example", " BODY=8BITMIME"),
    ("250-hop.example\r\n250 SIZE 1000", " SIZE=2000")])
def test_what_one_that_is_away_may_take_is_not_refused(gateway, hops, dns,
                                                       hello, params):
    """Another place of the route cannot: for good only if all are there."""
    p = hops.port
    hops[FIRST].play({"EHLO": hello})
    hops[SECOND].play({"EHLO": hello})
    serve(gateway, f"b@example.org smtp:{DEAD}:{p},{FIRST}:{p}\n"
          f"* smtp:{SECOND}:{p},{THIRD}:{p}\n", dns.address,
          recipients="@example.org\n")
    with gateway.connect() as c:
        c.helo()
        c.say(f"MAIL FROM:<s@client.example>{params}")
        assert c.say("RCPT TO:<b@example.org>").startswith(LATER)
        assert c.say("RCPT TO:<a@example.org>").startswith("55")
    away, there = gateway.events("refuse")
    assert " reason=hop-trouble " in away and "another one is away" in away
    assert " reason=hop-refused " in there
    assert not hops[FIRST].said("RCPT") and not hops[SECOND].said("RCPT")


def test_routes_to_the_same_hosts_are_one_next_hop(gateway, hops, dns):
    p = hops.port
    serve(gateway, f"a@example.org smtp:{FIRST}:{p},{SECOND}:{p}\n"
          f"b@example.org smtp:{SECOND}:{p}|{FIRST}:{p}\n"
          f"c@example.org smtp:{FIRST}:{p}\n", dns.address,
          recipients="@example.org\n")
    with gateway.connect() as c:
        c.helo()
        c.say("MAIL FROM:<s@client.example>")
        assert c.say("RCPT TO:<a@example.org>").startswith(GOOD)
        assert c.say("RCPT TO:<b@example.org>").startswith(GOOD)
        assert c.say("RCPT TO:<c@example.org>").startswith("452 4.5.3")
    assert len(hops[FIRST].said("RCPT")) == 2


def test_a_known_name_and_an_unknown_one(gateway, hops, dns):
    dns.say("good.example", address(SECOND))
    p = hops.port
    serve(gateway, f"smtp:gone.example:{p},good.example:{p}", dns.address)
    deliver(gateway)
    assert hops.taken() == [0, 1, 0]


# ---- what next hops have in common

def test_a_name_offers_what_all_its_hosts_have(gateway, dns):
    first = Hop(host=FIRST, keywords=("SMTPUTF8", "DSN"))
    second = Hop(host=SECOND, port=first.port, keywords=("DSN",))
    try:
        dns.say("hop.example", address(FIRST, SECOND))
        serve(gateway, f"smtp:hop.example:{first.port}", dns.address)

        def offered():
            return {w for w in ("SMTPUTF8", "DSN")
                    if w in "".join(offers(gateway))}

        assert offered() == set()
        deliver(gateway)
        assert offered() == {"SMTPUTF8", "DSN"}
        first.play({"greeting": "421 4.3.2 not now"}, keywords=("DSN",))
        deliver(gateway)  # the second one takes it
        assert len(second.taken) == 1
        assert offered() == {"DSN"}
    finally:
        first.close()
        second.close()


def test_the_mx_of_a_domain_tells_what_it_has(gateway, dns):
    hop = Hop(host=FIRST, keywords=("DSN",))
    try:
        dns.say("hop.example", address(FIRST))
        dns.say("dom.example", mx((10, "hop.example")), MX)
        serve(gateway, f"mx:dom.example:{hop.port}", dns.address)
        deliver(gateway)
        assert "250-DSN" in offers(gateway)
    finally:
        hop.close()


def test_visits_go_to_names_too(gateway, dns):
    """The probe helper asks all that a name leads to."""
    first = Hop(host=FIRST, keywords=("SMTPUTF8", "DSN"))
    second = Hop(host=SECOND, port=first.port, keywords=("DSN",))
    try:
        dns.say("hop.example", address(FIRST, DEAD, SECOND))
        dns.say("dom.example", mx((10, "hop.example")), MX)
        name = f"hop.example:{first.port}"
        serve(gateway, f"* smtp:{name}\n"
              f"a.example mx:dom.example:{first.port}\n", dns.address,
              f'next_hop "{name}" {{ probe_secs = 300 }}',
              f'next_hop "mx:dom.example:{first.port}" {{ probe_secs = 300 }}')
        wait_until(lambda: len(first.said("QUIT")) == 2 ==
                   len(second.said("QUIT")), what="two visits to each")
        wait_until(lambda: "250-DSN" in offers(gateway), what="DSN")
        assert "SMTPUTF8" not in "".join(offers(gateway))
        assert not first.said("MAIL") and not second.said("MAIL")
    finally:
        first.close()
        second.close()


# ---- Maildirs with placeholders

HOSTILE = {
    "joe": "joe",
    "JOE+news": "joe",
    '"../x"': "=2E=2E=2Fx",
    '"a/b"': "a=2Fb",
    '".hidden"': "=2Ehidden",
    '".."': "=2E=2E",
    "=" * 64: "=3D" * 64,
    "%{domain}": "=25=7Bdomain=7D",
}


def test_no_recipient_leaves_its_folder(gateway, dns):
    serve(gateway, "* maildir:{mail}/%{domain}/%{local}/Maildir\n",
          dns.address, recipients="@example.org\n")
    want = {}
    for local, folder in HOSTILE.items():
        # With a slash it is refused from strangers, unless listed.
        reply = rcpt(gateway, f"{local}@example.org")
        if reply.startswith("550 5.1.3"):
            continue
        deliver(gateway, f"{local}@example.org")
        want[folder] = want.get(folder, 0) + 1
    assert "=2Ehidden" in want and want["joe"] == 2
    have = {path.parent.parent.parent.name: 0
            for path in gateway.mail.glob("example.org/*/Maildir/new/*")}
    for path in gateway.mail.glob("example.org/*/Maildir/new/*"):
        have[path.parent.parent.parent.name] += 1
    assert have == want
    assert [p.name for p in gateway.mail.iterdir()] == ["example.org"]
    for path in (gateway.mail / "example.org", *gateway.mail.glob("*/joe")):
        assert path.stat().st_mode & 0o777 == 0o700


def test_a_relay_client_may_write_anything(gateway, dns):
    serve(gateway, "* maildir:{mail}/%{domain}/%{local}\n", dns.address,
          relay="127.0.0.0/8\n", recipients="@example.org\n")
    for local, folder in HOSTILE.items():
        deliver(gateway, f"{local}@example.org")
        assert gateway.mails(f"example.org/{folder}"), local
    with gateway.connect() as c:
        c.helo()
        c.say("MAIL FROM:<s@client.example> SMTPUTF8")
        assert c.say("RCPT TO:<J\u00fcrgen@example.org>").startswith(GOOD)
        c.say("DATA")
        c.send(MESSAGE + ".\r\n")
        assert c.reply().startswith("250 2.0.0")
    assert gateway.mails("example.org/j=C3=BCrgen")
    assert [p.name for p in gateway.mail.iterdir()] == ["example.org"]
    route = gateway.wait_event("message", next_hop="maildir:")
    assert "/example.org/" in route


def test_folders_are_made_below_a_root_only(gateway, dns):
    """What stands above the placeholder must be there."""
    serve(gateway, "a@example.org maildir:{mail}/there/%{local}\n"
          "b@example.org maildir:{mail}/not/there/%{local}/x\n"
          "c@example.org maildir:{mail}/fixed/c/Maildir\n", dns.address,
          recipients="@example.org\n")
    (gateway.mail / "there").mkdir(mode=0o777)
    (gateway.mail / "there").chmod(0o777)
    deliver(gateway, "a@example.org")
    assert gateway.mails("there/a")
    for who in "bc":
        assert rcpt(gateway, f"{who}@example.org").startswith(LATER)
    assert [p.name for p in gateway.mail.iterdir()] == ["there"]


def test_a_path_that_is_too_long(gateway, dns):
    long = "d" * 60
    domain = ".".join([long] * 3 + ["example"])
    serve(gateway, "* maildir:{mail}/" + "-".join(["%{domain}"] * 2) + "\n",
          dns.address, domains=f"{domain}\n", recipients=f"@{domain}\n")
    before = len(gateway.log())
    assert rcpt(gateway, f"x@{domain}").startswith("451 4.3.5")
    assert "too long or empty a name" in gateway.log()[before:]
    assert list(gateway.mail.iterdir()) == []


# ---- the hosts file

def test_the_hosts_file_is_read_at_a_reload(gateway, hops, dns, tmp_path):
    """In a mount namespace of its own, the gateway has a hosts file of ours."""
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{FIRST} hop.example\n")
    shell = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
    prefix = ["unshare", "-m", "sh", "-c", shell, "sh", str(hosts)]
    if os.geteuid() != 0 or subprocess.run(
            [*prefix, "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace to be had")
    wrapped = tmp_path / "lictord"
    wrapped.write_text("#!/bin/sh\nexec " + " ".join(
        shlex.quote(str(word)) for word in (*prefix, gateway.binary)) +
        ' "$@"\n')
    wrapped.chmod(0o755)
    gateway.binary = wrapped
    dns.say("hop.example", address(THIRD))
    serve(gateway, f"smtp:hop.example:{hops.port}", dns.address)
    deliver(gateway)
    hosts.write_text(f"{DEAD} hop.example\n{SECOND} other HOP.example\n")
    before = len(gateway.events("reload"))
    gateway.signal(signal.SIGHUP)
    gateway.wait_for_more("reload", before)
    wait_until(lambda: deliver(gateway) or len(hops[SECOND].taken) > 0,
               what="a worker of after the reload")
    assert dns.count() == 0 and not hops[THIRD].taken
