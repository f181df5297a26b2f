"""Large messages that go on before their end, while others want to as well."""

import time

import pytest

from conftest import wait_until
from hop import Hop
from test_kept import deliver
from test_stream import HEAD, LINE, MIB, begin, body, is_good


@pytest.fixture
def hop():
    h = Hop()
    yield h
    h.close()


def serve(gateway, hop, most, *sections):
    gateway.keep = True
    gateway.write_lists(routes=f"* smtp:127.0.0.1:{hop.port}\n")
    gateway.start("workers { min = 8 max = 8 spare = 1 }",
                  f'next_hop "127.0.0.1:{hop.port}" '
                  f"{{ connections = {most} probe_secs = 0 }}", *sections)


def test_what_has_gone_into_the_file_stays_there(gateway, hop):
    """Others wait when its memory is full, and do not when more comes."""
    serve(gateway, hop, 2)
    c = begin(gateway)
    other = begin(gateway)
    waiting = gateway.connect().helo()
    assert waiting.say("MAIL FROM:<s@client.example>").startswith("250")
    waiting.send("RCPT TO:<alice@example.org>\r\n")
    time.sleep(0.1)
    first, rest = MIB[:3000 * len(LINE)], MIB[3000 * len(LINE):]
    c.send(first)  # it goes into the file
    assert waiting.reply().startswith("250")
    waiting.close()
    other.close()
    time.sleep(0.2)
    c.send(rest + b".\r\n")
    assert c.reply().startswith("250 ")
    assert body(hop.taken[0]) == HEAD + MIB
    c.close()


@pytest.mark.parametrize("last", [b".\r\n", b"\r\n", b"\n"])
def test_one_of_just_the_size_goes_on_wherever_its_end_is_cut(
        gateway, hop, last):
    size = len(HEAD) + len(MIB)
    serve(gateway, hop, 20, f"limits {{ message_bytes = {size} }}")
    c = begin(gateway)
    c.send(MIB + b".\r\n"[:-len(last)])
    time.sleep(0.2)
    c.send(last)
    assert c.reply().startswith("250 ")
    assert body(hop.taken[0]) == HEAD + MIB
    is_good(c, hop, 2)


def test_slow_ones_hold_half_of_the_connections(gateway, hop):
    """Half a message cannot be taken back: so others would wait for it."""
    serve(gateway, hop, 4)
    slow = []
    for n in range(1, 5):
        slow.append(begin(gateway))
        slow[-1].send(MIB)
        if n <= 2:
            wait_until(lambda n=n: len(hop.said("DATA")) == n,
                       what="a message on its way")
    assert deliver(gateway).startswith("250 ")
    assert len(hop.said("DATA")) == 3
    for c in slow:
        c.send(b".\r\n")
        assert c.reply().startswith("250 ")
        c.close()
    assert len(hop.taken) == 5
