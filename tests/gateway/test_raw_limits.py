"""Every limit at its edge: what just passes, what just does not."""

import time

import pytest

from raw import CLOSED, DATA, HELLO, MAIL, RCPT, RawClient, serving, slowly

LINE = 2048  # octets of the longest command line, its CRLF included
BYTES = 65536
MESSAGE = b"Subject: x\r\n\r\nbody\r\n.\r\n"


@pytest.fixture(scope="module")
def gateway():
    with serving("workers { min = 4  max = 16  spare = 2 }",
                 f"limits {{ message_bytes = {BYTES}  recipients = 5"
                 "  errors = 8  idle_commands = 12 }",
                 lists={"recipients": "@example.org\n",
                        "routes": "big@example.org maildir:{mail}/big\n"
                        "* maildir:{mail}/all\n"}) as g:
        yield g


@pytest.fixture(scope="module", autouse=True)
def refused():
    """A banned client that hangs on while the other tests run."""
    with serving("workers { min = 1  max = 1  spare = 1 }",
                 lists={"banned": "127.0.0.9\n"}) as g:
        with RawClient(g.port, "127.0.0.9") as c:
            c.expect("554 5.7.1")
            yield c, time.monotonic()


# ---- the length of a command line

LENGTHS = [
    (LINE - 1, "250 2.0.0"), (LINE, "250 2.0.0"), (LINE + 1, "500 5.5.2"),
    (LINE + 2, "500 5.5.2"), (3000, "500 5.5.2"), (4095, "500 5.5.2"),
    (4096, "500 5.5.2"), (4097, "500 5.5.2"), (8192, "500 5.5.2"),
    (20000, "500 5.5.2"), (65535, "500 5.5.2"), (65536, "500 5.5.2"),
    (65537, "500 5.5.2"), (65538, "500 5.5.2"), (131072, "500 5.5.2"),
    (1000000, "500 5.5.2"),
]
CUTS = [0, 1, 2, 511, 1023, 2045, 2046, 2047, 2048, 2049, 4095, 16384]


def noop(length):
    return b"NOOP ".ljust(length - 2, b"x") + b"\r\n"


@pytest.mark.parametrize("length, want", LENGTHS)
def test_a_long_line_gets_one_reply(gateway, length, want):
    gateway.play(*HELLO, (noop(length), want), (b"NOOP\r\n", "250 2.0.0"))


@pytest.mark.parametrize("length", [2046, 2047, 2048, 2049, 2050, 20000])
@pytest.mark.parametrize("cut", CUTS)
def test_a_long_line_cut_anywhere_gets_one_reply(gateway, length, cut):
    line = noop(length)
    want = "250 2.0.0" if length <= LINE else "500 5.5.2"
    cut = min(cut, length - 1)
    with gateway.open() as c:
        c.steps(*HELLO)
        for piece in (line[:cut], line[cut:-1], line[-1:]):
            c.send(piece)
            time.sleep(0.001)
        c.expect(want)
        c.in_step()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000, 2047, 2048, 2049])
def test_a_tail_is_never_a_command(gateway, size):
    """The line holds nothing but commands, as its reader would cut it."""
    line = b"QUIT\n".ljust(size, b"y") * (9000 // max(size, 5) + 1) + b"\r\n"
    with gateway.open() as c:
        c.steps(*HELLO)
        if size < 10:
            for i in range(0, len(line), 701):
                c.send(line[i:i + 701])
                time.sleep(0.0005)
        else:
            for i in range(0, len(line), size):
                c.send(line[i:i + size])
                time.sleep(0.0005)
        c.expect("500 5.5.2")
        c.in_step()


LONG = [
    (HELLO, b"MAIL FROM:<" + b"a" * 20000 + b"@b.example>\r\n", "500 5.5.2"),
    (HELLO, b"MAIL FROM:<a@b.example>" + b" " * 20000 + b"\r\n", "500 5.5.2"),
    (HELLO, b" " * 20000 + b"NOOP\r\n", "500 5.5.2"),
    (HELLO, b"EHLO " + b"e" * 11000 + b"\r\n", "500 5.5.2"),
    (HELLO, b"\0" * 20000 + b"\r\n", "500 5.5.2"),
    (HELLO, b"\r" * 20000 + b"\r\n", "500 5.5.2"),
    (HELLO, b"\n" * 20000 + b"\r\n", "500 5.5.2"),
    (HELLO, b"\r\r" * 10000 + b"x\r\n", "500 5.5.2"),
    (HELLO, b"\r\0\n" * 10000 + b"x\r\n", "500 5.5.2"),
    (HELLO, b"x" * 2047 + b"\r" + b"x" * 9 + b"\r\n", "500 5.5.2"),
    (HELLO, b"x" * 20000 + b"\r\nNOOP\r\n", "500 5.5.2 | 250 2.0.0"),
    (HELLO, b"x" * 20000 + b"\nNOOP\r\n", "500 5.5.2"),
    (HELLO, b"x" * 20000 + b"\rNOOP\r\n", "500 5.5.2"),
    (HELLO, (b"x" * 5000 + b"\r\n") * 3 + b"NOOP\r\n",
     "500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 250 2.0.0"),
    (MAIL, b"RCPT TO:<" + b"a" * 20000 + b"\r\n", "500 5.5.2"),
    (RCPT, b"DATA" + b" " * 3000 + b"\r\n", "500 5.5.2"),
]


@pytest.mark.parametrize("lead, octets, want", LONG,
                         ids=lambda v: repr(v)[:24])
def test_long_lines_of_odd_octets(gateway, lead, octets, want):
    gateway.play(*lead, (octets, want))


def test_lines_across_the_end_of_the_buffer(gateway):
    """Pipelined lines that do not divide the read buffer evenly."""
    line = b"NOOP ".ljust(1021, b"z") + b"\r\n"
    with serving("workers { min = 1  max = 2  spare = 1 }",
                 "limits { idle_commands = 100000 }") as g:
        for extra in range(0, 60, 7):
            lead = b"NOOP ".ljust(10 + extra, b"a") + b"\r\n"
            g.play(*HELLO, (lead + line * 200,
                            " | ".join(["250 2.0.0"] * 201)))


# ---- the size of a message

def body(octets):
    """A message of so many octets, CRLF included."""
    line = b"x" * 76 + b"\r\n"
    head = b"Subject: size\r\n\r\n"
    text = head + line * ((octets - len(head)) // len(line))
    rest = octets - len(text)
    if rest < 2:
        text = text[:-len(line)]
        rest += len(line)
    return text + b"y" * (rest - 2) + b"\r\n"


SIZES = [(BYTES - 1, "250 2.0.0"), (BYTES, "250 2.0.0"),
         (BYTES + 1, "552 5.3.4"), (BYTES + 2, "552 5.3.4"),
         (BYTES + 3, "552 5.3.4"), (2 * BYTES, "552 5.3.4"),
         (20 * BYTES, "552 5.3.4")]


def deliver_big(gateway, octets, pieces, want):
    """Sends the pieces with pauses; the mail that came of it, or None."""
    before = gateway.files("big")
    with gateway.open() as c:
        c.steps(*MAIL, (b"RCPT TO:<big@example.org>\r\n", "250 2.1.5"),
                (b"DATA\r\n", "354"))
        for piece in pieces:
            c.send(piece)
            time.sleep(0.02 if len(pieces) > 1 else 0)
        c.expect(want)
        c.in_step()
    mails = gateway.new_mails(before, "big")
    assert len(mails) == (want[0] == "2")
    assert not gateway.tmp_left("big")
    for mail in mails:
        head, _, rest = mail.partition(b"\nSubject: ")
        rest = b"Subject: " + rest
        sent = octets.replace(b"\r\n.", b"\r\n").replace(b"\r\n", b"\n")
        assert len(rest) == len(sent) and rest == sent, "not what was sent"


@pytest.mark.parametrize("size, want", SIZES)
def test_the_size_of_a_message_at_its_limit(gateway, size, want):
    text = body(size)
    deliver_big(gateway, text, [text + b".\r\n"], want)


def cut_near_end(text, back):
    """The last piece but one ends so many octets before the end."""
    wire = text + b".\r\n"
    at = len(wire) - back
    return [wire[:BYTES - 1000], wire[BYTES - 1000:at], wire[at:]]


@pytest.mark.parametrize("back", range(0, 9))
def test_a_message_at_its_limit_cut_near_the_end(gateway, back):
    """The dot and its CR are no part of the message, wherever it is cut."""
    text = body(BYTES)
    deliver_big(gateway, text, cut_near_end(text, back), "250 2.0.0")


@pytest.mark.parametrize("back", range(0, 9))
def test_stuffed_dots_do_not_count(gateway, back):
    text = body(BYTES - 3) + b"..\r\n"
    assert len(text) == BYTES + 1  # one of them is a stuffed dot
    deliver_big(gateway, text, cut_near_end(text, back), "250 2.0.0")


@pytest.mark.parametrize("back", range(3, 7))
def test_a_stuffed_dot_at_the_limit(gateway, back):
    text = body(BYTES - 2)[:-2] + b"\r\n..\r\n"
    assert len(text) == BYTES + 2  # one octet too many
    deliver_big(gateway, text, cut_near_end(text, back), "552 5.3.4")


def test_no_client_is_handed_what_another_one_wrote():
    with serving("workers { min = 1  max = 1  spare = 1 }",
                 f"limits {{ message_bytes = {BYTES} }}") as g:
        g.play(*DATA, (b"SECRET\r\n" * 8190 + b".\r\n", "250 2.0.0"))
        before = g.files()
        with g.open() as c:
            c.steps(*DATA)
            for piece in cut_near_end(body(BYTES), 1):
                c.send(piece)
                time.sleep(0.02)
            c.expect("250 2.0.0")
            c.in_step()
        (mail,) = g.new_mails(before)
        assert b"SECRET" not in mail


@pytest.mark.parametrize("size, want", [
    (b"65535", "250 2.1.0"), (b"65536", "250 2.1.0"), (b"65537", "552 5.3.4"),
    (b"99999999999999999999", "552 5.3.4")])
def test_the_size_that_is_told_beforehand(gateway, size, want):
    gateway.play(*HELLO, (b"MAIL FROM:<a@b.example> SIZE=" + size + b"\r\n",
                          want))


def test_the_size_told_beforehand_is_no_promise(gateway):
    gateway.play(*HELLO, (b"MAIL FROM:<a@b.example> SIZE=10\r\n", "250"),
                 *RCPT[2:], (b"DATA\r\n", "354"),
                 (body(BYTES + 1) + b".\r\n", "552 5.3.4"))
    gateway.play(*HELLO, (b"MAIL FROM:<a@b.example> SIZE=10\r\n", "250"),
                 *RCPT[2:], (b"DATA\r\n", "354"),
                 (body(1000) + b".\r\n", "250 2.0.0"))


@pytest.mark.parametrize("text, want", [
    (b"a\nb\r\n" + body(BYTES + 1), "552 5.3.4"),
    (b"x" * (3 * BYTES) + b"\r\n", "552 5.3.4"),
    (b"x" * 60000 + b"\r\n", "250 2.0.0"),
    (b"Received: x\r\n" * 100 + b"\r\n", "250 2.0.0"),
    (b"Received: x\r\n" * 101 + b"\r\n", "554 5.4.6"),
    (b"received:x\r\n" * 101 + b"\r\n", "554 5.4.6"),
    (b"x\r\n\r\n" + b"Received: x\r\n" * 101, "250 2.0.0"),
    (b"X-Received: x\r\n" * 101 + b"\r\n", "250 2.0.0"),
    (b"Received: x\r\n\tReceived: y\r\n" * 60 + b"\r\n", "250 2.0.0"),
    (b"X: y\r\n" + b" folded\r\n" * 5000 + b"\r\n", "250 2.0.0"),
    (b"X" * 60000 + b": y\r\n\r\n", "250 2.0.0"),
    (b"Message-ID: " + b"<" * 30000 + b"\r\n\r\n", "250 2.0.0"),
    (b"\r\n" * 32768, "250 2.0.0"),
    (b"\r\n" * 32769, "552 5.3.4"),
    (b"..\r\n" * 16384, "250 2.0.0"),
], ids=lambda v: repr(v)[:24])
def test_messages_of_odd_shapes(gateway, text, want):
    before = gateway.files()
    gateway.play(*DATA, (text + b".\r\n", want))
    assert len(gateway.new_mails(before)) == (want[0] == "2")


# ---- how many

def test_recipients_beyond_the_limit_are_deferred_and_the_others_kept(gateway):
    """The limit is told beforehand (RFC 9422)."""
    (reply,) = gateway.play((b"EHLO x.example\r\n", "250"))
    assert "250-LIMITS RCPTMAX=5" in reply.split("\n")
    before = gateway.files()
    rcpt = b"RCPT TO:<r%d@example.org>\r\n"
    gateway.play(*MAIL, *[(rcpt % i, "250 2.1.5") for i in range(5)],
                 *[(rcpt % i, "452 4.5.3") for i in range(5, 8)],
                 (b"DATA\r\n", "354"), (MESSAGE, "250 2.0.0"),
                 *MAIL[1:], (rcpt % 6, "250 2.1.5"))
    assert len(gateway.new_mails(before)) == 1


def test_too_many_errors_end_the_session(gateway):
    with gateway.open() as c:
        c.steps(*HELLO, *[(b"BLAH\r\n", "500 5.5.2")] * 8,
                (b"BLAH\r\n", "500 5.5.2 | 421 4.7.0 | closed"))
    gateway.wait_event("session", end="errors")


def test_a_client_that_keeps_erring_is_answered_slowly():
    with serving("workers { min = 2  max = 4  spare = 2 }",
                 "limits { errors = 6  slow_after = 3  slow_ms = 150 }",
                 lists={"relay": "127.0.0.2\n"}) as g:
        def spent(source, octets, want):
            begun = time.monotonic()
            with g.open(source) as c:
                c.steps(*HELLO, (octets, want))
            return time.monotonic() - begun
        bad, no = b"BLAH\r\n", ["500 5.5.2"]
        end = " | ".join(no * 7 + ["421 4.7.0", CLOSED])
        assert spent("127.0.0.5", bad * 7, end) > 0.45, "three of 150 ms"
        assert spent("127.0.0.5", bad * 5, " | ".join(no * 5)) > 0.3
        with serving("workers { min = 1  max = 2  spare = 1 }",
                     "limits { errors = 6  slow_after = 3  slow_ms = 10000 }",
                     lists={"relay": "127.0.0.2\n"}) as g:
            # What is right is not kept back, nor anything from a relay.
            g.play(*HELLO, (bad * 3, " | ".join(no * 3)),
                   (b"NOOP\r\n", "250"), source="127.0.0.5")
            g.play(*HELLO, (bad * 6, " | ".join(no * 6)), source="127.0.0.2")


def test_pipelined_errors_end_the_session_once(gateway):
    with gateway.open() as c:
        c.steps(*HELLO)
        c.send(b"BLAH\r\n" * 100)
        c.expect(" | ".join(["500 5.5.2"] * 9 + ["421 4.7.0", CLOSED]))


def test_refused_recipients_count_as_errors(gateway):
    with gateway.open() as c:
        c.steps(*MAIL, *[(b"RCPT TO:<x@foreign.example>\r\n", "550 5.7.1")] * 8,
                (b"RCPT TO:<x@foreign.example>\r\n",
                 "550 5.7.1 | 421 4.7.0 | closed"))


@pytest.mark.parametrize("command, want", [
    (b"NOOP\r\n", "250"), (b"RSET\r\n", "250"), (b"VRFY x\r\n", "252"),
    (b"HELP\r\n", "214"), (b"EHLO x.example\r\n", "250"),
    (b"HELO x.example\r\n", "250")])
def test_too_many_idle_commands_end_the_session(gateway, command, want):
    with gateway.open() as c:  # EHLO was the first of twelve
        c.steps(*HELLO, *[(command, want)] * 11,
                (command, f"{want} | 421 4.7.0 | closed"))


def test_mail_and_rset_for_ever_end_too(gateway):
    with gateway.open() as c:
        c.steps(*HELLO, *[*MAIL[1:], (b"RSET\r\n", "250")] * 11,
                *MAIL[1:], (b"RSET\r\n", "250 | 421 4.7.0 | closed"))


def test_a_delivered_message_starts_the_count_anew(gateway):
    steps = [(b"NOOP\r\n", "250")] * 10 + RCPT[1:] + \
        [(b"DATA\r\n", "354"), (MESSAGE, "250 2.0.0")]
    gateway.play(*HELLO, *steps, *steps, *steps)


def test_sessions_of_one_client_are_limited(gateway):
    with serving("workers { min = 6  max = 12  spare = 2 }",
                 "limits { per_client = 3 }",
                 lists={"relay": "127.0.0.2\n"}) as g:
        held = [g.open() for _ in range(3)]
        for _ in range(3):
            with RawClient(g.port) as c:
                c.expect("421 4.7.0 | closed")
        g.play(*HELLO, source="127.0.0.3")  # another client is not touched
        held.pop().close()

        def greeted():
            with RawClient(g.port) as c:
                return c.reply().startswith("220")
        end = time.monotonic() + 5
        while not greeted():
            assert time.monotonic() < end
            time.sleep(0.02)
        for c in held:
            c.in_step()
            c.close()
        relays = [g.open("127.0.0.2") for _ in range(5)]
        for c in relays:
            c.in_step()
            c.close()


# ---- how long

@pytest.fixture(scope="module")
def hasty():
    with serving("workers { min = 8  max = 16  spare = 4 }",
                 "limits { idle_commands = 1000000 }",
                 "timeouts { command_secs = 1  data_secs = 1"
                 "  session_secs = 3 }") as g:
        yield g


def test_every_silence_ends_at_its_deadline(hasty):
    """One second each, all at the same time."""
    leads = [[], HELLO, MAIL, RCPT, DATA, DATA + [(b"half a line", "")],
             HELLO + [(b"NOO", "")], HELLO + [(b"NOOP\r", "")]]
    begun = time.monotonic()
    clients = []
    for lead in leads:
        c = hasty.open()
        c.steps(*lead)
        clients.append(c)
    before = hasty.files()
    for c in clients:
        c.expect("421 4.4.2 | closed")
        assert 0.8 < time.monotonic() - begun < 2.5
        c.close()
    hasty.wait_event("session", end="timeout")
    hasty.wait_event("session", end="timeout-data")
    assert not hasty.new_mails(before) and not hasty.tmp_left()


def test_octets_now_and_then_gain_nothing(hasty):
    """A line has one deadline; a message that of the session."""
    begun = time.monotonic()
    slow, data = hasty.open(), hasty.open()
    slow.steps(*HELLO)
    data.steps(*DATA)
    for _ in range(3):
        time.sleep(0.4)
        try:
            slow.send(b"N")
        except OSError:
            pass
        data.send(b"x")
    slow.expect("421 4.4.2 | closed")
    assert 0.8 < time.monotonic() - begun < 2.2
    for _ in range(10):
        time.sleep(0.3)
        try:
            data.send(b"x")
        except OSError:
            break
    data.expect("421 4.4.2 | closed")
    assert 2.5 < time.monotonic() - begun < 5
    slow.close()
    data.close()


def test_commands_in_time_do_not_outlive_the_session(hasty):
    begun = time.monotonic()
    with hasty.open() as c:
        c.steps(*HELLO)
        while time.monotonic() - begun < 2.8:
            c.steps((b"NOOP\r\n", "250 2.0.0"))
            time.sleep(0.3)
        c.expect("421 4.4.2 | closed")
        assert 2.5 < time.monotonic() - begun < 4.5


def test_a_client_that_does_not_read_holds_nothing_for_ever(hasty):
    """Replies that cannot be written end at the deadline as well."""
    with hasty.open("127.0.0.8", timeout=0.3) as c:
        c.steps(*HELLO)
        with pytest.raises(OSError):
            for _ in range(100000):
                c.sock.send(b"HELP\r\n" * 4000)
        begun = time.monotonic()
        hasty.wait_event("session", seconds=4, client="127.0.0.8")
        assert time.monotonic() - begun < 3.5
    hasty.play(*HELLO)


def test_one_octet_a_segment(gateway):
    before = gateway.files()
    with gateway.open() as c:
        for octets, want in RCPT:
            slowly(c, octets, 0.0003)
            c.expect(want)
        slowly(c, b"DATA\r\n", 0.0003)
        c.expect("354")
        slowly(c, MESSAGE, 0.0003)
        c.expect("250 2.0.0")
        c.in_step()
    assert len(gateway.new_mails(before)) == 1


def test_a_refused_client_may_hang_on_for_ten_seconds(refused):
    client, begun = refused
    while time.monotonic() - begun < 9.5:
        client.send(b"x")  # this gains nothing
        time.sleep(0.1)
    client.sock.settimeout(max(0.5, begun + 12 - time.monotonic()))
    client.expect("closed")
    assert time.monotonic() - begun > 9.5
