"""TLS to the next hop: off, optional, required, pinned.

A failure here is mail that goes out in the clear, or to somebody else, though
the settings say that it must not; or mail that stays though it could go.
"""

import shutil
import ssl
import subprocess
import time

import pytest

import postfix
from conftest import BIN, ROOT, Gateway, wait_gone, wait_until
from hop import CLOSE, HEAR, RESET, SILENT, Hop
from lying_dns import LyingDns, address
from proc import reload
from test_routes import mx
from tls import FOLDER, Authority, pair, pin_of, server

NAME = "mail.hop.example"
MESSAGE = b"Subject: hop\r\n\r\n" + b"0123456789abcdef\r\n" * 80
POOL = "workers { min = 2 max = 4 spare = 2 }"

CA = Authority(FOLDER, "ca")
BETWEEN = Authority(FOLDER, "between", CA)
GOOD = CA.issue("good", [NAME])
WILD = CA.issue("wild", ["*.hop.example"])
DEEP = BETWEEN.issue("deep", [NAME])
OTHER = CA.issue("other", ["other.example"])
BARE = CA.issue("mail.hop.example", [])  # the name is in its subject alone
EXPIRED = CA.issue("expired", [NAME], days=-1)
STRANGE = Authority(FOLDER, "strange").issue("good", [NAME])
SELF = pair("self", "ec", (NAME,))
KEEP = pair("keep", "rsa", (NAME,))


def rules(tls, *pins, name=NAME, ca=CA):
    """The settings of a section next_hop."""
    text = f'tls = "{tls}"'
    if pins:
        return text + " pin = {" + ", ".join(f'"{p}"' for p in pins) + "}"
    if name and tls != "off":
        text += f' tls_name = "{name}"'
    if ca and tls == "required":
        text += f' tls_ca = "{ca.certificate}"'
    return text


OPTIONAL, REQUIRED = rules("optional"), rules("required")
OLD = {"maximum_version": ssl.TLSVersion.TLSv1_1, "ciphers": "ALL:@SECLEVEL=0"}
V12 = {"maximum_version": ssl.TLSVersion.TLSv1_2}
LONG = tuple(f"250-X-{i:02d}-{'x' * 90}\r\n" for i in range(60))
ZERO = "sha256:" + "0" * 64


def garbage(octets):
    return {"handshake": (HEAR, octets, CLOSE)}


CLEAR = "in the clear"
NO = "451 4.7.5 "

# name: the section, the hop's certificate or its context or None, its script;
# what becomes of a message: the state of TLS, or what the client is told; and
# the words of the log, of event clear where it went out in the clear.
ROWS = {
    "unset": ("", SELF, {}, CLEAR, ""),
    "off": (rules("off"), SELF, {}, CLEAR, ""),
    "off-not-there": (rules("off"), None, {}, CLEAR, ""),
    # ---- optional
    "optional": (OPTIONAL, GOOD, {}, "unverified", ""),
    "optional-self": (OPTIONAL, SELF, {}, "unverified", ""),
    "optional-expired": (OPTIONAL, EXPIRED, {}, "unverified", ""),
    "optional-other": (OPTIONAL, OTHER, {}, "unverified", ""),
    "optional-1.2": (OPTIONAL, server(SELF, **V12), {}, "unverified", ""),
    "optional-nameless": (rules("optional", name=None), SELF, {},
                          "unverified", ""),
    "optional-not-there": (OPTIONAL, None, {}, CLEAR, ""),
    "optional-helo": (OPTIONAL, SELF, {"EHLO": "502 what"}, CLEAR, ""),
    "optional-454": (OPTIONAL, SELF, {"STARTTLS": "454 4.7.0 not now"}, CLEAR,
                     "STARTTLS: 454 not now"),
    "optional-501": (OPTIONAL, SELF, {"STARTTLS": "501 what"}, CLEAR,
                     "STARTTLS: 501 what"),
    "optional-421": (OPTIONAL, SELF, {"STARTTLS": ("421 bye", CLOSE)}, CLEAR,
                     "STARTTLS: 421 bye"),
    "optional-left": (OPTIONAL, SELF, {"STARTTLS": CLOSE}, CLEAR,
                      "closed the connection"),
    "optional-garbage": (OPTIONAL, SELF, garbage(b"250 what?\r\n" * 50), CLEAR,
                         "TLS: wrong version number"),
    "optional-closed": (OPTIONAL, SELF, {"handshake": CLOSE}, CLEAR, "TLS: "),
    "optional-reset": (OPTIONAL, SELF, {"handshake": RESET}, CLEAR, "TLS: "),
    "optional-old": (OPTIONAL, server(SELF, **OLD), {}, CLEAR, "TLS: "),
    "optional-nobody": (OPTIONAL, server(None), {}, CLEAR, "TLS: "),
    "optional-injected": (OPTIONAL, SELF,
                          {"STARTTLS": b"220 go\r\n250 SIZE 1\r\n"}, CLEAR,
                          "octets behind its answer"),
    "optional-left-in-tls": (OPTIONAL, SELF, {"EHLO tls": CLOSE}, CLEAR,
                             "reading: "),
    # ---- required, by CA and name
    "good": (REQUIRED, GOOD, {}, "verified", ""),
    "good-1.2": (REQUIRED, server(GOOD, **V12), {}, "verified", ""),
    "wildcard": (REQUIRED, WILD, {}, "verified", ""),
    "chain": (REQUIRED, server(DEEP, BETWEEN), {}, "verified", ""),
    "between": (rules("required", ca=BETWEEN), DEEP, {}, "verified", ""),
    "self-trusted": (rules("required", ca=SELF), SELF, {}, "verified", ""),
    "not-there": (REQUIRED, None, {}, NO, "STARTTLS is not offered"),
    "helo": (REQUIRED, GOOD, {"EHLO": "502 what"}, NO,
             "STARTTLS is not offered"),
    "454": (REQUIRED, GOOD, {"STARTTLS": "454 4.7.0 not now"}, NO,
            "STARTTLS: 454 not now"),
    "250": (REQUIRED, GOOD, {"STARTTLS": "250 sure"}, NO,
            "STARTTLS: 250 sure"),
    "left": (REQUIRED, GOOD, {"STARTTLS": CLOSE}, NO, "closed the connection"),
    "other-name": (REQUIRED, OTHER, {}, NO, "hostname mismatch"),
    "bare-name": (REQUIRED, BARE, {}, NO, "hostname mismatch"),
    "deeper-name": (rules("required", name="a.mail.hop.example"), WILD, {}, NO,
                    "hostname mismatch"),
    "expired": (REQUIRED, EXPIRED, {}, NO, "certificate has expired"),
    "self": (REQUIRED, SELF, {}, NO, "self-signed certificate"),
    "strange-ca": (REQUIRED, STRANGE, {}, NO,
                   "unable to get local issuer certificate"),
    "no-chain": (REQUIRED, DEEP, {}, NO,
                 "unable to get local issuer certificate"),
    "system-ca": (rules("required", ca=None), GOOD, {}, NO,
                  "unable to get local issuer certificate"),
    "garbage": (REQUIRED, GOOD, garbage(b"\0\1\2\3" * 50), NO,
                "TLS: wrong version number"),
    "alert": (REQUIRED, GOOD, garbage(b"\x15\3\3\0\2\2\x28"), NO,
              "TLS: sslv3 alert handshake failure"),
    "closed": (REQUIRED, GOOD, {"handshake": CLOSE}, NO,
               "TLS: the "),
    "closed-later": (REQUIRED, GOOD, garbage(b""), NO, "TLS: the "),
    "reset": (REQUIRED, GOOD, {"handshake": RESET}, NO,
              "TLS: the connection was lost"),
    "old": (REQUIRED, server(GOOD, **OLD), {}, NO, "TLS: "),
    "nobody": (REQUIRED, server(None, ciphers="aNULL:@SECLEVEL=0", **V12), {},
               NO, "TLS: "),
    "injected": (REQUIRED, GOOD, {"STARTTLS": b"220 go\r\n250 SIZE 1\r\n"}, NO,
                 "octets behind its answer"),
    "injected-later": (REQUIRED, GOOD, {"handshake": (HEAR, b"250 SIZE 1\r\n")},
                       NO, "TLS: wrong version number"),
    "left-in-tls": (REQUIRED, GOOD, {"EHLO tls": CLOSE}, NO, "reading: "),
    "refused-in-tls": (REQUIRED, GOOD, {"EHLO tls": "450 no"}, "451 4.3.0 ",
                       "EHLO: 450 no"),
    # ---- pinned: nothing else counts
    "pin": (rules("required", pin_of(SELF)), SELF, {}, "pinned", ""),
    "pin-upper": (rules("required", "sha256:" + pin_of(SELF)[7:].upper()),
                  SELF, {}, "pinned", ""),
    "pin-second": (rules("required", ZERO, pin_of(GOOD)), GOOD, {}, "pinned",
                   ""),
    "pin-rsa": (rules("required", pin_of(KEEP)), KEEP, {}, "pinned", ""),
    "pin-expired": (rules("required", pin_of(EXPIRED)), EXPIRED, {}, "pinned",
                    ""),
    "pin-wrong": (rules("required", ZERO), GOOD, {}, NO,
                  f"TLS: not pinned: {pin_of(GOOD)}"),
    "pin-of-ca": (rules("required", pin_of(CA)), server(GOOD, CA), {}, NO,
                  "TLS: not pinned: "),
    "pin-not-there": (rules("required", pin_of(SELF)), None, {}, NO,
                      "STARTTLS is not offered"),
    "pin-garbage": (rules("required", pin_of(SELF)), SELF, garbage(b"\0" * 90),
                    NO, "TLS: wrong version number"),
    # ---- the dialogue in TLS
    "long-answer": (REQUIRED, GOOD,
                    {"EHLO tls": ("".join(LONG) + "250 DSN",)}, "verified",
                    ""),
    "drops": (REQUIRED, GOOD, {"RCPT tls": tuple(
        bytes([b]) for b in b"250 2.1.5 ok\r\n")}, "verified", ""),
    "slow": (REQUIRED, GOOD, {"MAIL tls": (0.05, "250 ok"),
                              "end tls": (0.05, "250 2.0.0 taken")},
             "verified", ""),
    "unasked-at-once": (REQUIRED, GOOD,
                        {"DATA tls": b"354 go on\r\n250 taken\r\n"},
                        "451 4.3.0 ", "spoke unasked"),
    "rcpt-550": (REQUIRED, GOOD, {"RCPT tls": "550 5.1.1 who"},
                 "550 5.1.1 who", ""),
    "rcpt-closed": (REQUIRED, GOOD, {"RCPT tls": CLOSE}, "451 4.3.0 ",
                    "reading: "),
    "body-closed": (REQUIRED, GOOD, {"body": CLOSE}, "451 4.3.0 ", ""),
    "end-closed": (REQUIRED, GOOD, {"end": CLOSE}, "451 4.3.0 ",
                   "reason=doubtful"),
    "end-reset": (REQUIRED, GOOD, {"end": RESET}, "451 4.3.0 ",
                  "reason=doubtful"),
    "end-half": (REQUIRED, GOOD, {"end": (b"250 2.0", CLOSE)}, "451 4.3.0 ",
                 "reason=doubtful"),
}


def hop_of(what, script):
    if what is not None and not isinstance(what, ssl.SSLContext):
        what = server(what)
    return Hop(script, tls=what)


def stopped(g):
    g.stop()
    assert not wait_gone(g.dir)
    assert "Sanitizer" not in g.log() and "runtime error" not in g.log()


@pytest.fixture(scope="module")
def table():
    """One gateway for the whole table, a next hop for each row."""
    hops = {name: hop_of(row[1], row[2]) for name, row in ROWS.items()}
    g = Gateway()  # it looks for a port of its own that nobody has
    try:
        g.write_lists(
            recipients="".join(f"{name}@example.org\n" for name in hops),
            routes="".join(f"{name}@example.org smtp:127.0.0.1:{hop.port}\n"
                           for name, hop in hops.items())
            + "* maildir:{mail}/all\n")
        g.start(POOL, *(section(hops[name], row[0])
                        for name, row in ROWS.items()))
        yield g, hops
        stopped(g)
    finally:
        g.kill()
        for hop in hops.values():
            hop.close()
        shutil.rmtree(g.dir, ignore_errors=True)


def say_all(g, rcpt, data=MESSAGE):
    """A transaction of its own session: the reply that ended it."""
    with g.connect() as c:
        c.helo()
        return transaction(c, rcpt, data)


def transaction(c, rcpt, data=MESSAGE):
    assert c.say("MAIL FROM:<s@client.example>").startswith("250")
    reply = c.say(f"RCPT TO:<{rcpt}@example.org>")
    if not reply.startswith("25"):
        return reply
    assert c.say("DATA").startswith("354")
    c.send(data + b".\r\n")
    return c.reply()


def ref_of(reply):
    return reply.rsplit("ref ", 1)[1]


def body(message):
    return message[message.index(b"Subject: "):]


@pytest.mark.parametrize("name", ROWS)
def test_row(table, name):
    g, hops = table
    hop, (_, _, _, state, words) = hops[name], ROWS[name]
    reply = say_all(g, name)
    if state[0].isdigit():
        assert reply.startswith(state), reply
        line = g.wait_event("refuse", ref=ref_of(reply))
        assert words in line, line
        assert not hop.taken
        if state == NO:
            # Nothing of the mail was said to whoever that is.
            assert not hop.said("MAIL") and hop.connections == 1
        return
    assert reply.startswith("250 2.0.0"), (reply, g.log()[-1000:])
    assert [body(m) for m in hop.taken] == [MESSAGE]
    line = g.wait_event("message", ref=ref_of(reply))
    clear = g.events("clear", next_hop=f"smtp:127.0.0.1:{hop.port}")
    if state == CLEAR:
        assert "hop_tls" not in line
        assert len(clear) == (words != ""), clear
        if words:
            assert words in clear[0] and f"ref={ref_of(reply)}" in clear[0]
    else:
        assert not clear
        assert hop.said("MAIL", 0) and hop.connections == 1
        assert f" hop_tls={hop.secure[0]} hop_tls_state={state} " in line, line


def test_names(table):
    """Which host the hop is told that is meant."""
    g, hops = table
    for row in ("good", "optional"):
        if not hops[row].names:
            say_all(g, row)
        assert set(hops[row].names) == {NAME}
    for row in ("optional-nameless", "pin"):
        if not hops[row].names:
            say_all(g, row)
        assert set(hops[row].names) == {None}


# ----------------------------------------------------------------- one gateway


@pytest.fixture
def serve(gateway):
    """serve(rules, hop, ...) with everything routed there."""
    hops = []

    def start(text, hop, *sections, pool=POOL, **settings):
        hops.append(hop)
        gateway.write_lists(routes=f"* smtp:127.0.0.1:{hop.port}\n")
        return gateway.start(pool, *sections, section(hop, text), **settings)

    yield start
    for hop in hops:
        hop.close()


@pytest.fixture
def dns():
    with LyingDns() as server:
        yield server


def section(hop, text):
    if "probe_secs" not in text:
        text += " probe_secs = 0"  # who connects is who has mail
    return f'next_hop "127.0.0.1:{hop.port}" {{ {text} }}'


def test_keywords_are_forgotten(serve):
    """What was said in the clear holds for nothing in TLS."""
    hop = hop_of(GOOD, {"EHLO": ("250-hop.example", "250-STARTTLS",
                                 "250-SIZE 10", "250 DSN"),
                        "EHLO tls": ("250-hop.example", "250 8BITMIME")})
    g = serve(REQUIRED, hop)
    with g.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example> SIZE=999 BODY=8BITMIME"
                     ).startswith("250")
        assert c.say("RCPT TO:<alice@example.org>").startswith("250")
        assert c.say("RSET").startswith("250")
        assert transaction(c, "alice").startswith("250 2.0.0")
    assert hop.said("MAIL")[0] == "MAIL FROM:<s@client.example> BODY=8BITMIME"


def test_connection_is_kept(serve):
    """Message after message goes over one connection, and it is ended well."""
    hop = hop_of(GOOD, {"QUIT": ()})
    g = serve(REQUIRED + " keep_secs = 0", hop)
    with g.connect() as c:
        c.helo()
        for _ in range(3):
            assert transaction(c, "alice").startswith("250 2.0.0")
        assert c.say("QUIT").startswith("221")
    assert len(hop.taken) == 3 and len(hop.secure) == 1
    assert len(g.events("message", hop_tls_state="verified")) == 3
    wait_until(lambda: hop.said("QUIT") and not hop.open, what="the end")
    assert hop.ragged == 0 and hop.connections == 1


def test_kept_between_sessions(serve):
    """The tickets of TLS 1.3 are no word that was not asked for."""
    hop = hop_of(GOOD, {})
    g = serve(REQUIRED + " keep_secs = 30", hop,
              pool="workers { min = 1 max = 1 spare = 1 }")
    for _ in range(3):
        assert say_all(g, "alice").startswith("250 2.0.0")
    assert hop.connections == 1 and len(hop.taken) == 3


def test_another_connection_is_in_tls_too(serve):
    """The hop leaves between RCPT and DATA."""
    hop = Hop({"RCPT": ("250 ok", CLOSE)}, {}, tls=server(GOOD))
    g = serve(REQUIRED, hop)
    with g.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<alice@example.org>").startswith("250")
        wait_until(lambda: not hop.open, what="the end")
        assert c.say("DATA").startswith("354")
        c.send(MESSAGE + b".\r\n")
        assert c.reply().startswith("250 2.0.0")
    assert sorted(hop.secure) == [0, 1] and len(hop.taken) == 1


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_large_message(serve, version):
    """5 MiB, octet for octet, by a hop that takes its time now and then."""
    ctx = server(GOOD, maximum_version=ssl.TLSVersion[version])
    hop = Hop({"body": 0.2}, tls=ctx)
    g = serve(REQUIRED, hop)
    data = b"Subject: large\r\n\r\n" + b"".join(
        b"%07d %s\r\n" % (i, bytes([33 + i % 13]) * 60) for i in range(75000))
    assert len(data) > 5 << 20
    assert say_all(g, "alice", data).startswith("250 2.0.0")
    (message,) = hop.taken
    assert body(message) == data


def test_stalled_handshake_has_an_end(serve):
    """Bounded by the session, as all that is asked of a hop."""
    hop = hop_of(GOOD, {"handshake": SILENT})
    g = serve(REQUIRED, hop, "timeouts { session_secs = 2 }")
    with g.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        reply = c.say("RCPT TO:<alice@example.org>")
    assert reply.startswith("451 4.7.5"), reply
    g.wait_event("refuse", text='"TLS: timed out"')
    assert not hop.said("MAIL")


def test_stalled_handshake_and_the_end(serve):
    """A gateway that is told to stop does not wait for a hop, nor try again."""
    hop = hop_of(GOOD, {"handshake": SILENT})
    g = serve(OPTIONAL, hop, "timeouts { stop_secs = 1 }")
    with g.connect() as c:
        c.helo()
        c.say("MAIL FROM:<s@client.example>")
        c.send("RCPT TO:<alice@example.org>\r\n")
        wait_until(lambda: hop.said("STARTTLS"), what="STARTTLS")
        g.stop()
        assert c.reply().startswith("451 ")
    assert hop.connections == 1


def test_a_name_of_the_route_is_verified(gateway, dns):
    """The section of that name, whatever address it has; and nobody else."""
    hop, other = hop_of(GOOD, {}), hop_of(OTHER, {})
    try:
        for h in (hop, other):
            gateway.sections.append(
                f'next_hop "{NAME}:{h.port}" {{ tls = "required" '
                f'tls_ca = "{CA.certificate}" probe_secs = 0 }}')
        dns.say(NAME, address("127.0.0.1"))
        gateway.write_lists(routes=f"alice@example.org smtp:{NAME}:{hop.port}\n"
                            f"* smtp:{NAME}:{other.port}\n")
        gateway.start(POOL, *gateway.sections,
                      nameservers=f'{{"{dns.address}"}}')
        reply = say_all(gateway, "alice")
        assert reply.startswith("250 2.0.0"), reply
        gateway.wait_event("message", hop_tls_state="verified")
        reply = say_all(gateway, "bob")
        assert reply.startswith("451 4.7.5"), reply
        assert "hostname mismatch" in gateway.wait_event("refuse")
        assert set(hop.names + other.names) == {NAME}
        assert len(hop.taken) == 1 and not other.taken
    finally:
        hop.close()
        other.close()


def test_the_hosts_of_a_domain(gateway, dns):
    """By the name that is set, for the DNS could name anybody."""
    hop = hop_of(GOOD, {})
    try:
        dns.say("hop.example", mx((10, NAME)))
        dns.say(NAME, address("127.0.0.1"))
        gateway.write_lists(routes=f"* mx:hop.example:{hop.port}\n")
        gateway.start(POOL, f'next_hop "mx:hop.example:{hop.port}" '
                      f'{{ {REQUIRED} probe_secs = 0 }}',
                      nameservers=f'{{"{dns.address}"}}')
        assert say_all(gateway, "alice").startswith("250 2.0.0")
        gateway.wait_event("message", hop_tls_state="verified")
        assert hop.names == [NAME]
    finally:
        hop.close()


def test_visits_are_in_tls_too(serve, gateway):
    """What the hop can do in TLS is what is offered, before any mail."""
    hop = hop_of(GOOD, {"EHLO tls": ("250-hop.example", "250 DSN")})
    g = serve(REQUIRED + " probe_secs = 300", hop)
    wait_until(lambda: "DSN" in offered(g), what="DSN")
    assert hop.said("QUIT") and not hop.said("MAIL")


def offered(g):
    with g.connect() as c:
        assert c.reply().startswith("220")
        return c.say("EHLO client.example")


def test_visits_tell_who_is_not_trusted(serve):
    hop = hop_of(STRANGE, {})
    g = serve(REQUIRED + " probe_secs = 300", hop)
    line = g.wait_event("hop", state="out")
    assert "unable to get local issuer certificate" in line, line


# ---------------------------------------------------------------------- files


def test_new_ca_by_sighup(serve, gateway):
    """The CA is renewed under the same name."""
    hop = hop_of(STRANGE, {})
    path = gateway.dir / "ca.pem"
    shutil.copy(CA.certificate, path)
    path.chmod(0o600)  # the master's: no worker could read it
    text = f'tls = "required" tls_name = "{NAME}" tls_ca = "{path}"'
    g = serve(text, hop)
    assert say_all(g, "alice").startswith("451 4.7.5")
    path.write_text("nothing\n")
    reload(g, "the old settings stay in force")
    at = g.conf.read_text().splitlines().index(section(hop, text)) + 1
    assert any(f'{g.conf}:{at}: next_hop \\"127.0.0.1:{hop.port}\\": tls_ca: '
               f'{path}: no certificate in PEM form' in l
               for l in g.events("reload")), g.events("reload")
    assert say_all(g, "alice").startswith("451 4.7.5")
    path.write_text(CA.certificate.read_text() + (
        FOLDER / "strange.pem").read_text())
    reload(g)
    assert say_all(g, "alice").startswith("250 2.0.0")
    assert len(hop.taken) == 1


FILES = {
    "missing": (None, "No such file or directory"),
    "folder": ("", "Is a directory"),
    "empty": (b"", "no certificate in PEM form: no start line"),
    "text": (b"certificate\n", "no certificate in PEM form: no start line"),
    "key": (GOOD.key.read_bytes(),
            "it holds a private key, which no worker may see"),
    "broken": (CA.certificate.read_bytes() + b"-----BEGIN CERTIFICATE-----\n"
               b"AAAA\n-----END CERTIFICATE-----\n",
               "no certificate in PEM form: wrong tag"),
    "good": (CA.certificate.read_bytes(), None),
    "two": (CA.certificate.read_bytes() + SELF.certificate.read_bytes(), None),
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_checked(gateway, name):
    octets, words = FILES[name]
    path = gateway.dir / "ca.pem"
    if octets:
        path.write_bytes(octets)
    elif octets is not None:
        path.touch() if name == "empty" else path.mkdir()
    gateway.sections = ['next_hop "192.0.2.1" {\n\ttls = "required"\n'
                        '\ttls_name = "a.example"\n'
                        f'\ttls_ca = "{path}"\n}}']
    gateway.write_conf()
    lines = gateway.conf.read_text().splitlines()
    at = lines.index(f'\ttls_ca = "{path}"') + 1
    done = subprocess.run([BIN / "lictord", "-n", "-c", gateway.conf],
                          text=True, capture_output=True, timeout=60)
    if words is None:
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert done.returncode == 1
        assert done.stderr == (f'{gateway.conf}:{at}: next_hop "192.0.2.1:25":'
                               f' tls_ca: {path}: {words}\n')


def test_pin_as_the_manual_computes_it():
    """The command of lictor.conf(5), word for word."""
    page = (ROOT / "man/lictor.conf.5").read_text()
    lines = [l[4:] for l in page.splitlines() if l.startswith(".Dl openssl")]
    command = " ".join(lines).replace("cert.pem", str(GOOD.certificate))
    done = subprocess.run(["sh", "-c", command], text=True,
                          capture_output=True, timeout=30)
    assert f"sha256:{done.stdout.split()[-1]}" == pin_of(GOOD), done


# -------------------------------------------------------------------- Postfix


@pytest.fixture(scope="module")
def mta():
    path = FOLDER / "postfix.pem"
    path.write_text(GOOD.key.read_text() + GOOD.certificate.read_text())
    p = postfix.started(more=f"""
smtpd_tls_security_level = may
smtpd_tls_chain_files = {path}
smtpd_tls_received_header = yes
""")
    yield p
    p.close()


@pytest.mark.parametrize("text,state", [
    (rules("off"), None), (OPTIONAL, "unverified"), (REQUIRED, "verified"),
    (rules("required", pin_of(GOOD)), "pinned")], ids=["off", "optional", "required", "pinned"])
def test_postfix(gateway, mta, text, state):
    before = len(mta.mails())
    gateway.write_lists(routes=f"* smtp:127.0.0.1:{mta.port}\n")
    gateway.start(POOL, section(mta, text))
    reply = say_all(gateway, "alice")
    assert reply.startswith("250 2.0.0"), reply
    line = gateway.wait_event("message", ref=ref_of(reply))
    wait_until(lambda: len(mta.mails()) > before and mta.settled(),
               what="delivery")
    trace = [m for m in mta.mails() if ref_of(reply).encode() in m][0]
    if state is None:
        assert "hop_tls" not in line and b"using TLS" not in trace
    else:
        assert f"hop_tls=TLSv1.3:TLS_AES_256_GCM_SHA384 hop_tls_state={state}" \
            in line
        assert b"using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384" in trace
