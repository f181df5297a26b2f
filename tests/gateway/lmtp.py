"""What the tests of LMTP have in common."""

MESSAGE = b"Subject: lmtp\r\n\r\n" + b"0123456789abcdef" * 4 + b"\r\n"
NAMES = ("alice", "bob", "carol")
TROUBLE = "451 4.3.0 "
MIXED = "451 4.2.0 not all recipients have the message"


def addresses(n):
    return [f"{name}@example.org" for name in NAMES[:n]]


def fresh(number):
    """A message of its own."""
    return MESSAGE.replace(b"lmtp", b"lmtp %d" % number)


def serve(gateway, where, *sections, **settings):
    gateway.write_lists(recipients="@example.org\n",
                        routes=f"* lmtp:{where}\n")
    return gateway.start("workers { min = 1 max = 4 spare = 1 }", *sections,
                         **settings)


def body(message):
    """What the hop took, without what the gateway has put before it."""
    return message[message.index(b"\r\n\tby gw.example.org "):].split(
        b" +0000\r\n", 1)[1]


def send(c, to, data=MESSAGE, sender="s@client.example"):
    return c.message(data, sender=sender, to=to)


def told(hop, data=MESSAGE):
    """Who was given this message, in order."""
    return [rcpt for rcpt, message in hop.given if body(message) == data]
