"""One transaction has one next hop: what honest senders make of the 452 for
the others."""

import smtplib

import pytest

from conftest import wait_until
from exim import Exim
from hop import Hop
from postfix import started
from raw import serving

SENDER = "s@client.example"
DOMAINS = [f"d{n}.example" for n in range(3)]
TO = [f"{local}@{domain}" for domain in DOMAINS for local in ("a", "b")]
MESSAGE = (b"From: S <s@client.example>\nSubject: split\n"
           b"Message-ID: <split@client.example>\n\nbody\n")


@pytest.fixture(scope="module")
def hops():
    started = [Hop() for _ in DOMAINS]
    yield started
    for h in started:
        h.close()


@pytest.fixture(scope="module")
def gateway(hops):
    routes = "".join(f"{d} smtp:127.0.0.1:{h.port}\n"
                     for d, h in zip(DOMAINS, hops))
    with serving("workers { min = 4 max = 8 spare = 2 }", lists={
            "domains": "\n".join(DOMAINS) + "\n", "routes": routes,
            "recipients": "\n".join(f"@{d}" for d in DOMAINS) + "\n"}) as g:
        yield g


def check_hops(hops):
    """Each has one message, for both of its recipients."""
    for hop, domain in zip(hops, DOMAINS):
        assert len(hop.taken) == 1 and not hop.unsure
        assert {line[9:-1] for line in hop.said("RCPT")} == \
            {f"{local}@{domain}" for local in ("a", "b")}


def by_exim(gateway, transport, runs):
    """What it makes of the message, the queue being run so often; its log."""
    exim = Exim(gateway.port, transport=transport)
    try:
        done = exim.send(SENDER, TO, MESSAGE)
        assert done.returncode == 0, done.stderr + done.stdout
        for _ in range(runs):
            exim.run("-qff")
        return exim.log()
    finally:
        exim.close()


def test_exim_delivers_all_in_one_session(gateway, hops):
    for hop in hops:
        hop.play()
    before = len(gateway.events("session"))
    log = by_exim(gateway, "hosts_try_chunking =", 0)
    assert all(f"> {rcpt} " in log for rcpt in TO), log
    check_hops(hops)
    gateway.wait_for_more("session", before)
    assert len(gateway.events("session")) == before + 1


def test_exim_that_says_quit_behind_its_chunk_comes_again(gateway, hops):
    """A short message goes out with BDAT and QUIT in one piece."""
    for hop in hops:
        hop.play()
    log = by_exim(gateway, "", len(DOMAINS) - 1)
    assert all(f"> {rcpt} " in log for rcpt in TO), log
    check_hops(hops)


def test_postfix_delivers_the_others_at_its_next_tries(gateway, hops):
    for hop in hops:
        hop.play()
    postfix = started(domains="none.example", more=(
        f"relayhost = [127.0.0.1]:{gateway.port}\n"
        "smtp_helo_name = client.example\nminimal_backoff_time = 1s\n"))
    try:
        with smtplib.SMTP("127.0.0.1", postfix.port, "x.example") as s:
            s.sendmail(SENDER, TO, MESSAGE.replace(b"\n", b"\r\n"))
        for n in range(len(DOMAINS)):
            wait_until(lambda: postfix.log().count("status=sent") == 2 * n + 2,
                       what=f"the recipients of hop {n + 1}")
            wait_until(lambda: postfix.log().count("status=deferred") ==
                       sum(range(4, 2 * len(DOMAINS) - 2 * n - 3, -2)),
                       what="the others' delay")
            postfix.run("flush")
        check_hops(hops)
        assert "452 4.5.3 another next hop" in postfix.log()
    finally:
        postfix.close()
