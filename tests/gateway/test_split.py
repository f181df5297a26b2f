"""The same octets in any segments, and in any TLS records, mean the same.

Not only are the replies the same: so are the messages that go on. What is cut
here in two is cut at every octet.
"""

import re
import ssl
import time

import pytest

from hop import Hop
from raw import RawClient, serving
from test_raw_bdat import chunk
from tls import open_tls, only, pair, section

GROUP = (b"MAIL FROM:<s@client.example>\r\nRCPT TO:<alice@example.org>\r\n"
         b"RCPT TO:<nobody@example.org>\r\n")
FORGED = b"Authentication-Results: gw.example.org;\r\n spf=pass\r\n"
DIALOGUES = {
    "data": b"EHLO x\r\n" + GROUP + b"DATA\r\nSubject: x\r\n" + FORGED +
            b"\r\n..\r\n.x\r\n\r\n.\r\nNOOP\r\n" + GROUP +
            b"DATA\r\n.\r\nQUIT\r\n",
    "bare": b"EHLO x\r\n" + GROUP + b"DATA\r\na\n.\r\nb\r\n.\n\r\n.\r\r\n"
            b"\r\n.\r\nRSET\r\nQUIT\r\n",
    "bdat": b"EHLO x\r\n" + GROUP + chunk(b"Subject: x\r\n" + FORGED[:31]) +
            chunk(FORGED[31:] + b"\r\n.\r\nQUIT\r\n\n.") + b"BDAT 0\r\n" +
            chunk(b"\r", True) + GROUP + chunk(b"", True) + b"QUIT\r\n",
    "mixed": b"EHLO x\r\n" + GROUP + chunk(b"one\r\n", True) + GROUP +
             b"DATA\r\ntwo\r\n.\r\n" + chunk(b"RSET\r\n", True) + GROUP +
             chunk(b"three") + b"DATA\r\n" + b"RSET\r\nBDAT x\r\nQUIT\r\n",
    "errors": b"HELO x\r\nRCPT TO:<a@b>\r\nDATA\r\n" + chunk(b"NOOP\r\n") +
              b"MAIL FROM:<>\r\nDATA\r\n\xff\r\n\0\r\nNO\rOP\r\nQUIT\r\n",
}


@pytest.fixture(scope="module")
def hop():
    h = Hop()
    yield h
    h.close()


@pytest.fixture(scope="module")
def gateway(hop):
    with serving(section(pair("usual")),
                 "workers { min = 2  max = 4  spare = 1 }",
                 "limits { per_client = 0  errors = 1000  slow_ms = 0 }",
                 lists={"routes": f"* smtp:127.0.0.1:{hop.port}\n"}) as g:
        yield g


def outcome(client, hop, pieces):
    """All that is said and all that is handed on, but for times and names."""
    hop.play()
    said = []
    for piece in pieces:
        try:
            client.send(piece)
        except OSError:
            break  # the session is over
        time.sleep(0.0003)  # so that the next one is in a segment of its own
    while (reply := client.reply()) is not None:
        said.append(re.sub(r"ref \w+(\.\d+)?", "ref", reply))
    client.close()
    own = rb"Received: [^\n]*\n(?:\t[^\n]*\n)+"
    assert not hop.unsure
    return said, [re.sub(own, b"", text, count=1) for text in hop.taken]


def in_pieces(octets, n):
    return [octets[i:i + n] for i in range(0, len(octets), n)]


@pytest.fixture(scope="module")
def whole(gateway, hop):
    """What each dialogue leads to when it comes in one piece."""
    def play(octets):
        c = RawClient(gateway.port)
        c.expect("220")
        return outcome(c, hop, [octets])
    return {name: play(octets) for name, octets in DIALOGUES.items()}


def test_they_do_what_they_are_here_for(whole):
    """The answers, once, so that equal ones are not equally wrong."""
    codes = {name: " ".join(reply[:3] for reply in said)
             for name, (said, _) in whole.items()}
    group = "250 250 550 "
    assert codes == {
        "data": "250 " + group + "354 250 250 " + group + "354 250 221",
        "bare": "250 " + group + "354 550 250 221",
        "bdat": "250 " + group + "250 250 250 250 " + group + "250 221",
        "mixed": "250 " + group + "250 " + group + "354 250 503 " + group +
                 "250 503 250 501",
        "errors": "250 503 503 503 250 554 500 500 500 221"}
    assert whole["data"][1] == \
        [b"Subject: x\r\n\r\n..\r\n.x\r\n\r\n", b""]
    assert whole["bdat"][1] == \
        [b"Subject: x\r\n\r\n..\r\nQUIT\r\n\r\n..\r\n", b""]
    assert whole["mixed"][1] == [b"one\r\n", b"two\r\n"]
    assert not whole["bare"][1] and not whole["errors"][1]


@pytest.mark.parametrize("name", DIALOGUES)
def test_cut_in_two_at_every_octet(gateway, hop, whole, name):
    octets = DIALOGUES[name]
    for at in range(1, len(octets)):
        with RawClient(gateway.port) as c:
            c.expect("220")
            assert outcome(c, hop, [octets[:at], octets[at:]]) == whole[name]


@pytest.mark.parametrize("name", DIALOGUES)
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_small_segments(gateway, hop, whole, name, n):
    with RawClient(gateway.port) as c:
        c.expect("220")
        assert outcome(c, hop, in_pieces(DIALOGUES[name], n)) == whole[name]


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("n", [1, 2, 7, 100000])
@pytest.mark.parametrize("name", DIALOGUES)
def test_records(gateway, hop, whole, name, n, version):
    """In TLS the borders are those of records, which are never joined."""
    c = open_tls(gateway, ctx=only(ssl.TLSVersion[version]))
    said, taken = outcome(c, hop, in_pieces(DIALOGUES[name], n))
    want = whole[name][0][0].replace("250-STARTTLS\n", "")
    assert (said[0], said[1:], taken) == (want, whole[name][0][1:],
                                          whole[name][1])
