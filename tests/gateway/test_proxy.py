"""Clients that come through a proxy: who they are, and who nobody is."""

import re
import socket
import struct
import subprocess
import time

import pytest

from conftest import free_port, wait_until
from lying_dns import LyingDns
from proc import has_ipv6
from proxied import (CLIENT, LOCAL, OURS, PROXY, SIGNATURE, STRANGER, UNKNOWN,
                     UNSPEC, begin, listener, named, taking, v1, v2)
from raw import DONE, HELLO, MAIL, RCPT, RawClient, slowly
from tls import TlsClient, pair, section

BANNED, RELAY = "192.0.2.9", "192.0.2.7"
FOREIGN = b"RCPT TO:<x@foreign.example>\r\n"
LISTS = {"banned": f"{BANNED}\n{PROXY}\n2001:db8::9\n", "relay": f"{RELAY}\n",
         "routes": "* maildir:{mail}/all\n"}
QUIET = {"unknown": UNKNOWN, "local": LOCAL, "unspec": UNSPEC,
         "unknown-more": b"PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n",
         "local-family": SIGNATURE + b"\x20\x31\0\2xx"}


@pytest.fixture(scope="module")
def gw():
    with taking('test "helo" { mode = "on" }', section(pair("usual-ec", "ec")),
                lists=LISTS) as g:
        yield g


def lines_of(g, text, since=0):
    return [l for l in g.log()[since:].splitlines() if text in l]


def lines_of_proxy(g, since):
    """What the log says of it as a client, once all workers have ended."""
    wait_until(lambda: all("idle" in t for t in g.titles() if "worker" in t))
    return lines_of(g, f" client={PROXY} ", since)


# ------------------------------------------------------------ who is named

@pytest.mark.parametrize("header,client,named_as", [
    (v1(), CLIENT, f"[{CLIENT}]"),
    (v2(), CLIENT, f"[{CLIENT}]"),
    (v1("2001:db8::1", "2001:db8::25"), "2001:db8::1", "[IPv6:2001:db8::1]"),
    (v2("2001:db8::1", "2001:db8::25"), "2001:db8::1", "[IPv6:2001:db8::1]"),
    (v1("::ffff:192.0.2.4", "::ffff:192.0.2.5"), "192.0.2.4", "[192.0.2.4]"),
    (v2("::ffff:192.0.2.4", "::ffff:192.0.2.5"), "192.0.2.4", "[192.0.2.4]"),
    (v2(tlvs=b"\4\0\3zzz\xe0\0\0" + b"\x02\x07\x00" + b"a" * 1792), CLIENT,
     f"[{CLIENT}]"),
    (v1(PROXY), PROXY, f"[{PROXY}]"),
])
def test_the_client_is_the_one_in_the_header(gw, header, client, named_as):
    if client == PROXY:  # which is banned here, as a client
        with begin(gw, header) as c:
            c.expect("554 5.7.1")
        return
    before, since = gw.files(), len(gw.log())
    with named(gw, header) as c:
        c.steps(*DONE)
        c.in_step()
    mail, = gw.new_mails(before)
    assert named_as.encode() in re.search(rb"^Received: .*$", mail, re.M)[0]
    assert PROXY.encode() not in mail
    gw.wait_event("session", client=client)
    connect, = lines_of(gw, "event=connect", since)
    assert f" client={client} port=4321 via={PROXY}" in connect
    assert all(f" client={client} " in l
               for l in gw.log()[since:].splitlines()
               if re.search("event=(connect|message|session)", l))


def test_lists_are_asked_for_the_client_and_not_for_its_proxy(gw):
    for header in (v1(BANNED), v2(BANNED), v2("2001:db8::9", "::1")):
        with begin(gw, header) as c:
            c.expect("554 5.7.1")
            c.steps((b"QUIT\r\n", "221 | closed"))
    gw.wait_event("refuse", client=BANNED, test="banned")
    with named(gw, v1(RELAY)) as c:
        c.steps(*MAIL, (FOREIGN, "250 2.1.5"))
        c.in_step()
    with named(gw) as c:
        c.steps(*MAIL, (FOREIGN, "550 5.7.1"))
        c.in_step()


def test_our_own_address_is_the_one_that_was_called(gw):
    open_to = b"RCPT TO:<alice@example.org>\r\n"
    for name, want in ((OURS, "550 5.7.1"), ("198.51.100.26", "250 2.1.5"),
                       (PROXY, "250 2.1.5")):
        with named(gw) as c:
            c.steps((f"EHLO [{name}]\r\n".encode(), "250"), MAIL[-1],
                    (open_to, want))
            c.in_step()
    gw.wait_event("refuse", client=CLIENT, reason="helo-ours")


def test_starttls(gw):
    with TlsClient(gw.port, PROXY) as c:
        c.send(v2())
        c.expect("220")
        c.steps(*HELLO)
        c.starttls()
        c.steps(*RCPT)
        c.in_step()
    with begin(gw, v1() + b"EHLO x\r\nSTARTTLS\r\nNOOP\r\n") as c:
        c.expect("220 | 250 | 501 5.5.1 | closed")


def test_swaks_writes_headers_too(gw):
    for version, more in (("1", ["--proxy-family", "TCP4"]),
                          ("2", ["--proxy-family", "AF_INET",
                                 "--proxy-protocol", "STREAM"])):
        done = subprocess.run(
            ["swaks", "--server", f"127.0.0.1:{gw.port}", "--local-interface",
             PROXY, "--proxy-version", version, *more, "--proxy-source",
             f"192.0.2.11{version}", "--proxy-source-port", "4321",
             "--proxy-dest", OURS, "--proxy-dest-port", "25", "--from",
             "s@client.example", "--to", "alice@example.org", "--helo",
             "client.example"], text=True, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        gw.wait_event("message", client=f"192.0.2.11{version}")


def test_the_title_tells_who_it_is():
    with taking("workers { min = 1  max = 1  spare = 1 }") as g:
        def is_busy_with(who):
            title, = g.titles()
            return title.split()[2] == who

        with RawClient(g.port, PROXY) as c:
            wait_until(lambda: is_busy_with(PROXY))
            c.send(v1())
            c.expect("220")
            assert is_busy_with(CLIENT)
            c.in_step()
        wait_until(lambda: is_busy_with("idle"))


# ------------------------------------------------- however the octets come

@pytest.mark.parametrize("header", [v1(), v2(), LOCAL],
                         ids=["v1", "v2", "local"])
def test_octet_by_octet(gw, header):
    with RawClient(gw.port, PROXY) as c:
        slowly(c, header)
        c.expect("220")
        slowly(c, b"EHLO client.example\r\n")
        c.expect("250")
        c.in_step()


@pytest.mark.parametrize("header", [v1(), v2()], ids=["v1", "v2"])
def test_what_stands_behind_the_header_is_the_client_s(gw, header):
    """Cut anywhere, the same octets get the same replies."""
    said = header + b"".join(octets for octets, _ in RCPT) + b"QUIT\r\n"
    cuts = {0, 1, 5, 6, 12, 16, len(header) - 1, len(header), len(header) + 1,
            len(header) + 7, len(said) - 1}
    for cut in sorted(cuts):
        with RawClient(gw.port, PROXY) as c:
            c.send(said[:cut])
            time.sleep(0.01)
            c.send(said[cut:])
            c.expect("220 | 250 | 250 2.1.0 | 250 2.1.5 | 221 | closed")


def test_a_client_that_spoke_early_did_so_through_the_proxy():
    early = 'test "early_talker" { mode = "on"  greet_pause = 200 }'
    with taking(early) as g:
        for header in (v1(), v2()):
            with begin(g, header + b"EHLO client.example\r\n") as c:
                c.expect("554 5.5.1 | 503")
            with named(g, header) as c:
                c.steps(*HELLO)
                c.in_step()
            with named(g, LOCAL + b"EHLO check.example\r\n") as c:
                c.expect("250")
                c.in_step()
        g.wait_event("refuse", client=CLIENT, reason="early-talker")


# ------------------------------------------------------------- who is not

WRONG = {
    "smtp": b"EHLO client.example\r\n",
    "tls": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    "http": b"GET / HTTP/1.0\r\n\r\n",
    "v1-lower": v1().lower(),
    "v1-family": v1().replace(b"TCP4", b"TCP6"),
    "v1-udp": v1().replace(b"TCP4", b"UDP4"),
    "v1-zeros": v1("192.0.2.01"),
    "v1-name": v1("client.example"),
    "v1-blanks": v1().replace(b" ", b"  "),
    "v1-port": v1(port=65536),
    "v1-port-zeros": v1(port="01"),
    "v1-lf": v1().replace(b"\r\n", b"\n"),
    "v1-short": b"PROXY TCP4 192.0.2.1 198.51.100.25 4321\r\n",
    "v1-long": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    "v1-endless": b"PROXY UNKNOWN " + b"x" * 200,
    "v1-any": v1("0.0.0.0"),
    "v1-group": v1("224.0.0.1"),
    "v1-group-6": v1("ff02::1", "2001:db8::25"),
    "v2-signature": v2().replace(b"QUIT", b"QUIX"),
    "v2-version": v2().replace(b"\n\x21\x11", b"\n\x31\x11"),
    "v2-command": v2().replace(b"\n\x21\x11", b"\n\x22\x11"),
    "v2-unix": SIGNATURE + b"\x21\x31\0\xd8" + b"/" * 216,
    "v2-dgram": v2().replace(b"\n\x21\x11", b"\n\x21\x12"),
    "v2-short": SIGNATURE + b"\x21\x11\0\x0b" + b"x" * 11,
    "v2-short-6": SIGNATURE + b"\x21\x21\0\x23" + b"x" * 35,
    "v2-long": SIGNATURE + b"\x21\x11\x08\x01",
    "v2-longest": SIGNATURE + b"\x21\x11\xff\xff",
    "v2-tlv": v2(tlvs=b"\4\0\5zzzz"),
    "v2-crc": v2(tlvs=b"\3\0\4\0\0\0\0"),
    "v2-any": v2("::", "::1"),
    "v2-mapped-any": v2("::ffff:0.0.0.0", "::1"),
    "v2-group": v2("ff02::1", "::1"),
    "v2-twice-v1": SIGNATURE + v1(),
}


@pytest.mark.parametrize("octets", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_closed_without_a_word(gw, octets):
    since = len(gw.log())
    with begin(gw, octets) as c:
        c.expect("closed")
    line = wait_until(lambda: lines_of(gw, "event=refuse", since))
    assert len(line) == 1 and line[0].endswith(
        f" client={PROXY} test=proxy reason=proxy-header reply=drop"), line
    assert len(gw.log()[since:].splitlines()) == 1, gw.log()[since:]


@pytest.mark.parametrize("octets", [b"", v1(), v2(), LOCAL, HELLO[0][0]],
                         ids=["nothing", "v1", "v2", "local", "smtp"])
def test_nobody_else_is_listened_to(gw, octets):
    since = len(gw.log())
    with begin(gw, octets, STRANGER) as c:
        c.expect("closed")
    line = wait_until(lambda: lines_of(gw, "event=refuse", since))
    assert len(line) == 1 and line[0].endswith(
        f" client={STRANGER} test=proxy reason=proxy-from reply=drop"), line


def test_a_header_that_does_not_come(gw):
    """The worker is free again after five seconds, whatever drips in."""
    since = len(gw.log())
    clients = [begin(gw, octets) for octets in (b"", v1()[:9], v2()[:20])]
    dripped = begin(gw, b"PROXY UNKNOWN ")
    for _ in range(40):
        time.sleep(0.1)
        dripped.send(b"x")
    for c in [*clients, dripped]:
        with c:
            c.expect("closed")
    lines = wait_until(lambda: len(lines_of(gw, "event=refuse", since)) == 4
                       and lines_of(gw, "event=refuse", since))
    assert all(l.endswith("test=proxy reason=proxy-timeout reply=drop")
               for l in lines), lines


def test_a_header_that_is_cut_off(gw):
    for octets in (b"P", v1()[:-1], v2()[:1], v2()[:-1]):
        since = len(gw.log())
        begin(gw, octets).close()
        line = wait_until(lambda: lines_of(gw, "event=refuse", since))
        assert len(line) == 1 and \
            line[0].endswith("reason=proxy-lost reply=drop"), line


# ------------------------------------------------------- the proxy itself

@pytest.mark.parametrize("header", QUIET.values(), ids=QUIET)
def test_a_proxy_that_looks_whether_we_are_there(gw, header):
    """It is greeted, though it is banned, and leaves no line."""
    since = len(gw.log())
    with named(gw, header) as c:
        c.steps(*HELLO, (b"NOOP\r\n", "250 2.0.0"))
        c.in_step()
    with named(gw, header) as c:
        c.steps(*HELLO)  # and leaves without a word
    with named(gw, header):
        pass
    assert not lines_of_proxy(gw, since)


@pytest.mark.parametrize("write", [v1, v2])
def test_a_proxy_that_names_its_own_connection(gw, write):
    """Version 1 cannot say LOCAL. Whoever differs in anything is a client."""
    def greeting(**other):
        with RawClient(gw.port, PROXY) as c:
            own = {"source": PROXY, "destination": "127.0.0.1",
                   "port": c.sock.getsockname()[1], "to": gw.port}
            c.send(write(**own | other))
            c.expect("554 5.7.1" if other else "220")  # it is banned
            c.steps((b"QUIT\r\n", "221 | closed"))

    since = len(gw.log())
    greeting()
    assert not lines_of_proxy(gw, since)
    for other in ({"port": 1}, {"to": 25}, {"destination": "127.0.0.2"},
                  {"source": "192.0.2.9"}):
        greeting(**other)


@pytest.mark.parametrize("header", QUIET.values(), ids=QUIET)
def test_a_proxy_has_no_mail_of_its_own(gw, header):
    since = len(gw.log())
    with named(gw, header) as c:
        c.steps(*HELLO, (MAIL[-1][0], "550 5.7.1"),
                (b"RCPT TO:<alice@example.org>\r\n", "503"))
        c.in_step()
    line = wait_until(lambda: lines_of(gw, "event=refuse", since))
    assert f" client={PROXY} " in line[0] and line[0].endswith(
        'test=proxy reason=proxy-local reply="550 5.7.1"'), line


def test_connections_without_an_octet_leave_no_line(gw):
    since = len(gw.log())
    for _ in range(3):
        RawClient(gw.port, PROXY).close()
        reset = RawClient(gw.port, PROXY)
        reset.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              struct.pack("ii", 1, 0))
        reset.close()
    assert not lines_of_proxy(gw, since)


# -------------------------------------------------------------- together

def test_nothing_of_a_client_is_left_for_the_next():
    """One worker, a listener for the proxy and one for everybody."""
    other = free_port()
    with taking("workers { min = 1  max = 1  spare = 1 }",
                listener(PROXY, "127.0.0.2"), lists=LISTS,
                listen=f'{{"127.0.0.1:{{port}}", "127.0.0.1:{other}"}}') as g:
        denied, relayed = (FOREIGN, "550 5.7.1"), (FOREIGN, "250 2.1.5")

        def through(header, *steps):
            with named(g, header) as c:
                c.steps(*steps)
                c.in_step()

        def directly(*steps):
            with RawClient(other, STRANGER) as c:
                c.expect("220")
                c.steps(*steps)
                c.in_step()

        for _ in range(2):
            through(v1(RELAY), *MAIL, relayed)
            through(v2(), *MAIL, denied)
            through(v2(RELAY), *MAIL, relayed)
            through(LOCAL, *HELLO, (MAIL[-1][0], "550 5.7.1"))
            through(v1(RELAY), *MAIL, relayed)
            directly(*MAIL, denied)
            through(LOCAL)
            directly(*MAIL, denied, RCPT[-1])
            with begin(g, v1(BANNED)) as c:
                c.expect("554 5.7.1")
            through(v1(), *RCPT)
        connects = g.events("connect", client=STRANGER)
        assert connects and not any("via=" in l for l in connects)
        # A header means nothing where none is wanted.
        with RawClient(other, STRANGER) as c:
            c.expect("220")
            c.steps((v1(), "500 5.5.2"))
            c.in_step()


def test_sessions_and_rates_are_counted_for_the_client():
    with taking("limits { per_client = 2 }", "rates { connections = 4 }",
                lists={"relay": f"{RELAY}\n"}) as g:
        held = [named(g), named(g)]
        with begin(g, v1()) as c:
            c.expect("421 4.7.0 | closed")
        checks = [named(g, LOCAL) for _ in range(6)]
        others = [named(g, v1(f"192.0.2.{i}")) for i in range(10, 14)]
        for c in held + checks + others:
            c.in_step()
            c.close()
        for _ in range(2):
            with named(g) as c:
                c.in_step()
        with begin(g, v1()) as c:
            c.expect("421 4.7.0 | closed")
        for reason in ("per-client", "rate-connections"):
            line, = g.events("refuse", reason=reason)
            assert f" client={CLIENT} " in line
        assert not g.events("refuse", client=PROXY)


def test_dns_is_asked_about_the_client_alone():
    with LyingDns() as dns:
        dns.host("mail.client.example", CLIENT)
        with taking('test "rdns" { mode = "on"  require = "matches" }',
                    nameservers=f'{{"{dns.address}"}}') as g:
            with named(g, LOCAL) as c:
                c.steps(*HELLO)
                c.in_step()
            assert dns.count() == 0, dns.names()
            with named(g) as c:
                c.steps(*RCPT)
                c.in_step()
            asked = set(dns.names())
            assert asked == {"1.2.0.192.in-addr.arpa", "mail.client.example"}
            with named(g, v2("192.0.2.3")) as c:
                c.steps(*MAIL, (RCPT[-1][0], "550 5.7.25"))
                c.in_step()
            g.wait_event("session", client=CLIENT, name="mail.client.example")


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_a_proxy_that_comes_by_ipv6():
    at = "[::1]:{port}"
    with taking(listener("::/64", at=at),
                listen=f'{{"127.0.0.1:{{port}}", "{at}"}}') as g:
        for header, client in ((v1(), CLIENT), (v2("2001:db8::1", "::1"),
                                                "2001:db8::1")):
            with named(g, header, "::1") as c:
                c.steps(*RCPT)
                c.in_step()
            assert g.wait_event("connect", client=client, via="::1")
        with RawClient(g.port, PROXY) as c:  # the other listener
            c.expect("220")
            c.in_step()


def test_one_gateway_behind_another():
    """What the first is told it tells the second."""
    with taking(listener("127.0.0.1"), hostname='"back.example.org"') as back:
        hop = f"127.0.0.1:{back.port}"
        with taking(f'next_hop "{hop}" {{ client = "proxy" }}',
                    lists={"routes": f"* smtp:{hop}\n"}) as front:
            for write, client, ours in ((v1, CLIENT, OURS),
                                        (v2, "2001:db8::1", "2001:db8::25")):
                with named(front, write(client, ours)) as c:
                    c.steps(*DONE)
                    c.in_step()
                back.wait_event("message", client=client)
                line = back.wait_event("connect", client=client)
                assert " port=4321 via=127.0.0.1" in line
        assert not back.events("refuse", test="proxy")
