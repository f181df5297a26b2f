"""What a client may do to the connection that another one's mail will use."""

import pytest

from hop import Hop
from test_kept import MESSAGE, serve


@pytest.fixture
def hop():
    h = Hop()
    yield h
    h.close()


def begin(gateway, hop, rules="keep_secs = 60", workers=1):
    """A gateway where dave's mail goes into a Maildir."""
    serve(gateway, hop, rules, workers)
    gateway.write_lists(
        recipients="@example.org\n",
        routes=f"* smtp:127.0.0.1:{hop.port}\n"
               f"dave@example.org maildir:{gateway.dir}/mail/dave\n")
    gateway.compile()
    return gateway


def refused_then_maildir(c):
    """MAIL is said to the hop, and the message goes elsewhere."""
    assert c.say("MAIL FROM:<first@client.example>").startswith("250")
    assert c.say("RCPT TO:<alice@example.org>").startswith("550")
    assert c.say("RCPT TO:<dave@example.org>").startswith("250")


@pytest.mark.parametrize("session", ["the same", "another"])
def test_a_transaction_left_for_a_maildir_is_nobody_s(gateway, hop, session):
    """Else a message goes on in the name of the sender before."""
    begin(gateway, hop)
    hop.play({"RCPT 1": "550 5.1.1 who"})
    with gateway.connect() as c:
        refused_then_maildir(c.helo())
        if session == "the same":
            assert c.say("RSET").startswith("250")
            reply = c.message(MESSAGE, "second@client.example")
        else:
            assert c.say("QUIT").startswith("221")
            with gateway.connect() as another:
                reply = another.helo().message(MESSAGE,
                                               "second@client.example")
        assert reply.startswith("250 ")
    verbs = [line.split("@")[0] for _, line in hop.lines if "QUIT" not in line]
    assert verbs == ["EHLO gw.example.org", "MAIL FROM:<first",
                     "RCPT TO:<alice", "RSET", "MAIL FROM:<second",
                     "RCPT TO:<alice", "DATA"]
