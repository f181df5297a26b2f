"""Sessions that ask for the name of the client, and what is known of them."""

import contextlib
import re
import time
from types import SimpleNamespace

from conftest import wait_until
from raw import RawClient, serving

OURS, FOREIGN = "alice@example.org", "user@foreign.example"
POOL = "workers { min = 4  max = 32  spare = 4 }"
LIMITS = "limits { errors = 1000  slow_ms = 0  per_client = 0 }"
ROUTES = "foreign.example maildir:{mail}/foreign\n* maildir:{mail}/all\n"
STATES = {"name", "unconfirmed", "none", "unknown"}
SAFE_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}$")
MESSAGE = b"Subject: x\r\n\r\nbody\r\n"


def test_section(name, **settings):
    body = "  ".join(f'{k} = "{v}"' for k, v in settings.items())
    return f'test "{name}" {{ {body} }}'


test_section.__test__ = False


@contextlib.contextmanager
def asking(*servers, lists=None, sections=(), deadline=1000, settings=None,
           **rdns):
    """A gateway that asks these servers ("address:port"), with a test rdns of
    these settings; None leaves one at its default."""
    names = ", ".join(f'"{s}"' for s in servers)
    rdns = {"mode": "on", "at": "rcpt", "require": "none",
            "unknown": "pass"} | rdns
    rdns = {k: v for k, v in rdns.items() if v is not None}
    with serving(POOL, LIMITS, test_section("rdns", **rdns), *sections,
                 lists={"routes": ROUTES} | (lists or {}),
                 nameservers=f"{{{names}}}", dns_deadline_ms=deadline,
                 **(settings or {})) as g:
        yield g


def listen_both(g_port):
    return f'{{"127.0.0.1:{g_port}", "[::1]:{g_port}"}}'


def session(g, source=None, to=(OURS,), data=None, helo="client.example",
            pause=0.0, sender="s@client.example"):
    """
    A whole session up to QUIT: .greeting, .rcpt (replies), .data, .ms (of
    each), .lines (of the log about this session).
    """
    before = len(g.log())
    got = SimpleNamespace(rcpt=[], rcpt_ms=[], data=None, data_ms=None)
    begun = time.monotonic()

    def since():
        return (time.monotonic() - begun) * 1000

    with RawClient(g.port, source, timeout=20) as c:
        client, port = c.sock.getsockname()[:2]
        got.greeting, got.greeting_ms = c.reply(), since()
        if got.greeting is not None and got.greeting.startswith("220"):
            assert c.say(f"EHLO {helo}").startswith("250")
            assert c.say(f"MAIL FROM:<{sender}>").startswith("250")
            got.mail_ms = since()
            time.sleep(pause)
            for address in to:
                begun_rcpt = since()
                got.rcpt.append(c.say(f"RCPT TO:<{address}>"))
                got.rcpt_ms.append(since() - begun_rcpt)
            if data is not None:
                assert c.say("DATA").startswith("354")
                c.send(data)
                got.data = c.say(".")
            got.data_ms = since()
            assert c.say("QUIT").startswith("221")
            ref = wait_until(
                lambda: re.search(rf"event=connect ref=(\S+) client={client} "
                                  rf".*port={port}\b", g.log()[before:]),
                what="event=connect").group(1)
            wait_until(lambda: f"event=session ref={ref} " in g.log(),
                       what="event=session")
            got.lines = [l for l in g.log().splitlines()
                         if f" ref={ref} " in l or f" ref={ref}." in l]
        else:
            wait_until(lambda: "event=refuse" in g.log()[before:],
                       what="event=refuse")
            got.lines = [l for l in g.log()[before:].splitlines()
                         if f" client={source} " in l]
            if got.greeting is not None and got.greeting[0] == "5":
                assert c.say("NOOP").startswith("503")
                assert c.say("QUIT").startswith("221")
    got.ms = since()
    return got


def state_of(lines, event=None):
    """(state, name) of the log lines that tell one; they must agree."""
    found = set()
    for line in lines:
        if event and f"event={event} " not in line:
            continue
        for name in re.findall(r' name=("[^"]*"|\S+)', line):
            assert SAFE_NAME.match(name), line
            found.add(("name", name))
        for state in re.findall(r" name_state=(\S+)", line):
            assert state in STATES - {"name"}, line
            found.add((state, None))
        assert not (" name=" in line and " name_state=" in line), line
    assert len(found) == 1, (found, lines)
    return found.pop()


def session_state(got):
    return state_of(got.lines, "session")


def received_name(mail):
    """The name in the brackets of our Received field."""
    head = mail.split(b"\r\n\r\n" if b"\r\n\r\n" in mail else b"\n\n", 1)[0]
    field = re.search(rb"^Received: from (\S+) \((\S+) \[([^\]]+)\]\)\r?$",
                      head, re.M)
    assert field, head
    name = field.group(2).decode("ascii")
    assert SAFE_NAME.match(name), name
    return name


def code(reply, want):
    """Does the reply begin with this code and status?"""
    return reply is not None and (reply + " ").startswith(want + " ")
