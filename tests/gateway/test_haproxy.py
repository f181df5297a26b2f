"""The real HAProxy before the gateway: clients by both versions of its
header, and its health checks."""

import subprocess
import time

import pytest

from conftest import wait_until
from proc import has_ipv6
from proxied import PROXY, Haproxy, listener, taking
from raw import DONE, HELLO, MAIL, RawClient

SENDER, BANNED, RELAY = "127.0.0.77", "127.0.0.78", "127.0.0.79"
LISTS = {"banned": f"{BANNED}\n{PROXY}\n", "relay": f"{RELAY}\n"}
WAYS = {
    "v1": "send-proxy",
    "v2": "send-proxy-v2",
    "crc": "send-proxy-v2 proxy-v2-options crc32c,unique-id",
    "plain": "plain send-proxy",  # its checks are no SMTP
    "plain2": "plain send-proxy-v2",
}


@pytest.fixture(scope="module")
def through():
    with taking(lists=LISTS) as g, Haproxy(g, **WAYS) as h:
        yield g, h


def swaks(port, source, to="alice@example.org"):
    return subprocess.run(
        ["swaks", "--server", f"127.0.0.1:{port}", "--local-interface", source,
         "--from", "s@client.example", "--to", to, "--helo", "client.example"],
        text=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("way", WAYS)
def test_swaks_delivers_through_it(through, way):
    g, h = through
    before, count = g.files(), len(g.events("message", client=SENDER))
    done = swaks(h.ports[way], SENDER)
    assert done.returncode == 0, done.stdout + done.stderr
    mail, = g.new_mails(before)
    assert f"[{SENDER}]".encode() in mail and PROXY.encode() not in mail
    g.wait_for_more("message", count, client=SENDER)
    assert g.wait_event("connect", client=SENDER, via=PROXY)


@pytest.mark.parametrize("way", WAYS)
def test_lists_see_the_client(through, way):
    g, h = through
    with RawClient(h.ports[way], BANNED) as c:
        c.expect("554 5.7.1")
    g.wait_event("refuse", client=BANNED, test="banned")
    for source, want in ((RELAY, "250 2.1.5"), (SENDER, "550 5.7.1")):
        with RawClient(h.ports[way], source) as c:
            c.expect("220")
            c.steps(*MAIL, (b"RCPT TO:<x@foreign.example>\r\n", want))
            c.in_step()


@pytest.mark.parametrize("way", WAYS)
def test_a_whole_dialogue(through, way):
    g, h = through
    with RawClient(h.ports[way], SENDER) as c:
        c.expect("220")
        c.steps(*DONE, *HELLO, *DONE[1:])
        c.in_step()


@pytest.mark.parametrize("way", WAYS)
def test_its_checks_succeed_and_are_quiet(through, way):
    g, h = through
    want = "L4OK" if way.startswith("plain") else "L7OK"
    wait_until(lambda: h.status(way)["check_status"] == want,
               what=str(h.status(way)))
    time.sleep(0.5)  # a few more of them
    assert h.status(way)["status"] == "UP", h.status(way)
    assert h.status(way)["chkfail"] == "0", h.status(way)
    lines = [l for l in g.log().splitlines() if f"client={PROXY}" in l]
    assert not lines, lines


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_it_comes_by_ipv6():
    at = "[::1]:{port}"
    with taking(listener("::1", at=at), listen=f'{{"{at}"}}') as g, \
            Haproxy(g, to="::1", source="::1", v1="send-proxy",
                    v2="send-proxy-v2") as h:
        for way in ("v1", "v2"):
            done = swaks(h.ports[way], SENDER)
            assert done.returncode == 0, done.stdout + done.stderr
            g.wait_event("connect", client=SENDER, via="::1")
            wait_until(lambda: h.status(way)["check_status"] == "L7OK")
        assert not g.events("connect", client="::1")
