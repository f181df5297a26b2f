"""Every way of smuggling, against a Postfix behind the gateway.

The Postfix reads bare line ends as line ends: spoken to directly it is taken
in. Through the gateway it receives one message for each that was accepted,
none for one that was refused, and never one of the smuggler's.
"""

import itertools
import re
import socket

import pytest

from conftest import wait_until
from postfix import started
from raw import DATA, RCPT, serving
from test_raw_framing import BREAKS, PAIRS, SMUGGLED, verdict
from test_smuggling_raw import FALSE_ENDS, reply_to

POOL = "workers { min = 4  max = 8  spare = 2 }"
MORE = "limits { errors = 1000  idle_commands = 1000 }"
# What stands where the false end is, and how the smuggled lines end.
CASES = list(itertools.product(
    [BREAKS[lead] + b"." + BREAKS[trail] for lead, trail in PAIRS],
    ("CRLF", "CR", "LF")))
CASES += [(octets, "CRLF") for octets in FALSE_ENDS.values()
          if (octets, "CRLF") not in CASES]


@pytest.fixture(scope="module")
def postfix():
    p = started()
    yield p
    p.close()


@pytest.fixture(scope="module", params=["refuse", "normalise"])
def gateway(request, postfix):
    with serving(POOL, MORE, bare_line_ends=f'"{request.param}"',
                 lists={"routes": f"* smtp:127.0.0.1:{postfix.port}\n"}) as g:
        yield g


def attempt(name, octets, end):
    """A message whose text holds a false end and a transaction."""
    evil = SMUGGLED.replace(b"%(e)s", BREAKS[end])
    return b"X-Case: %s\r\n\r\nbody" % name.encode() + octets + evil


def arrived(postfix, cases):
    """The messages that Postfix has delivered, by the case they are of."""
    wait_until(postfix.settled, 20, "an empty queue")
    found = {}
    for mail in postfix.mails():
        head, _, _ = mail.partition(b"\n\n")
        assert b"evil@b.example" not in head, mail
        case = re.search(rb"\nX-Case: (\S+)\n", head + b"\n")
        assert case, mail
        if case.group(1).decode() in cases:
            found.setdefault(case.group(1).decode(), []).append(mail)
    return found


def test_it_is_taken_in_when_spoken_to_directly(postfix):
    """Else the tests below would prove nothing."""
    with socket.create_connection(("127.0.0.1", postfix.port), 10) as s:
        s.sendall(b"EHLO x.example\r\n")
        for line in (b"MAIL FROM:<a@b.example>", b"RCPT TO:<bob@example.org>",
                     b"DATA"):
            s.recv(4096)
            s.sendall(line + b"\r\n")
        s.recv(4096)
        s.sendall(b"X-Case: direct\r\n\r\nbody\n.\r\n"
                  b"MAIL FROM:<taken-in@b.example>\r\n"
                  b"RCPT TO:<bob@example.org>\r\nDATA\r\n"
                  b"X-Case: taken-in\r\n\r\nx\r\n.\r\nQUIT\r\n")
        while s.recv(4096):
            pass
    assert set(arrived(postfix, {"direct", "taken-in"})) == \
        {"direct", "taken-in"}


def test_by_data(gateway, postfix):
    mode = gateway.settings["bare_line_ends"].strip('"')
    accepted, cases = set(), set()
    for number, (octets, end) in enumerate(CASES):
        case = f"{mode}-{number}"
        data = attempt(case, octets, end)
        if b"\r\n.\r\n" not in data:
            data += b"\r\n.\r\n"
        _, rest, _ = verdict(data)
        if rest:  # it is no false end: what follows is the client's own
            continue
        want = reply_to(data, gateway)
        gateway.play(*DATA, (data, want))
        cases.add(case)
        if want[0] == "2":
            accepted.add(case)
    found = arrived(postfix, cases)
    assert set(found) == accepted
    assert len(cases) > 80
    assert all(len(mails) == 1 for mails in found.values())


def test_by_bdat(gateway, postfix):
    mode = gateway.settings["bare_line_ends"].strip('"')
    accepted, cases = set(), set()
    for number, (octets, end) in enumerate(CASES):
        case = f"bdat-{mode}-{number}"
        data = attempt(case, octets, end) + b"\r\n.\r\n"
        cut = data.index(octets) + 1
        nul = b"\0" in data
        first, last = data[:cut], data[cut:]
        want = "250 2.0.0 | 250 2.0.0" if not nul else \
            "550 5.6.0 | 503 5.5.1" if b"\0" in first else \
            "250 2.0.0 | 550 5.6.0"
        gateway.play(*RCPT, (b"BDAT %d\r\n" % len(first) + first +
                             b"BDAT %d LAST\r\n" % len(last) + last, want))
        cases.add(case)
        if not nul:
            accepted.add(case)
    found = arrived(postfix, cases)
    assert set(found) == accepted
    for mails in found.values():
        assert len(mails) == 1
        assert mails[0].endswith(b"\nevil\n.\n") or \
            mails[0].endswith(b"\nevil\n\n.\n")
