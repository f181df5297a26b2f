"""The action, the filter and the jail for fail2ban, with fail2ban itself."""

import json
import subprocess

import pytest

from conftest import wait_until
from fail2ban import SHIPPED, Fail2ban

LINE = ("Nov 24 18:00:00 mx lictord[123]: event=refuse ref=CR6.1 "
        "client=%s %s reason=%s rule=recipients:recipients:1 "
        'reply="550 5.1.1"')
PLAIN = "helo=x.example from=<a@x.example> to=<u@example.org> test=recipient"


def guess(gateway, source, times=3):
    """A client that tries recipients who are not there."""
    with gateway.connect(source) as c:
        c.helo()
        assert c.say("MAIL FROM:<a@client.example>").startswith("250")
        for n in range(times):
            assert c.say(f"RCPT TO:<u{n}@example.org>").startswith("550 5.1.1")
        c.say("QUIT")
    gateway.wait_event("session", client=source)


def greeting(gateway, source):
    with gateway.connect(source) as c:
        return c.reply()


@pytest.fixture
def fail2ban(gateway):
    gateway.start()
    f = Fail2ban(gateway)
    yield f
    f.close()


def test_who_guesses_is_banned_and_let_in_again(gateway, fail2ban):
    guess(gateway, "127.0.0.9")
    guess(gateway, "127.0.0.8", 2)
    with gateway.connect("127.0.0.7") as c:  # says so, and is not believed
        c.helo()
        c.say("MAIL FROM:<\"a client=127.0.0.6 reason=recipient-unknown \"@x>")
        for n in range(4):
            assert c.say(f"RCPT TO:<u{n}@elsewhere.example>")[0] == "5"
    gateway.wait_event("session", client="127.0.0.7")
    fail2ban.feed()
    wait_until(lambda: greeting(gateway, "127.0.0.9").startswith("554 "), 30,
               "the ban")
    assert "too many unwanted attempts" in greeting(gateway, "127.0.0.9")
    assert greeting(gateway, "127.0.0.8").startswith("220 ")
    assert greeting(gateway, "127.0.0.7").startswith("220 ")
    row, = [json.loads(line) for line in gateway.run(
        "lictor-ban", "--json", "list").stdout.splitlines()]
    assert row["key"] == "127.0.0.9" and 7100 < row["remains"] <= 7200

    fail2ban.client("set", "lictor", "unbanip", "127.0.0.9")
    assert greeting(gateway, "127.0.0.9").startswith("220 ")

    # by hand, for ever and for IPv6; one lifted already is no failure
    fail2ban.client("set", "lictor", "bantime", "-1")
    fail2ban.client("set", "lictor", "banip", "2001:db8::7")
    listed = wait_until(lambda: gateway.run("lictor-ban", "list").stdout,
                        30, "the second ban")
    assert listed == ('2001:db8::7 reject "too many unwanted attempts from '
                      'your address" # no end\n')
    gateway.run("lictor-ban", "del", "2001:db8::7")
    fail2ban.client("set", "lictor", "unbanip", "2001:db8::7")
    assert "ERROR" not in fail2ban.log(), fail2ban.log()


def test_a_restart_of_fail2ban(gateway, fail2ban):
    """It lifts its bans when it ends, and sets them again when it is back."""
    guess(gateway, "127.0.0.9")
    fail2ban.feed()
    wait_until(lambda: greeting(gateway, "127.0.0.9").startswith("554 "), 30,
               "the ban")
    fail2ban.stop()
    assert greeting(gateway, "127.0.0.9").startswith("220 ")
    fail2ban.start()
    wait_until(lambda: greeting(gateway, "127.0.0.9").startswith("554 "), 30,
               "the ban again")
    assert "ERROR" not in fail2ban.log(), fail2ban.log()


# Address, what stands behind it, reason; is it one to count?
CASES = [
    ("192.0.2.1", PLAIN, "recipient-unknown", True),
    ("2001:db8::1", PLAIN, "recipient-unknown", True),
    ("192.0.2.2", 'name=a.example helo="a \\"b\\\\" from=<>',
     "recipient-unknown", True),
    ("192.0.2.3", 'helo="y client=192.0.2.99 " to=x', "recipient-unknown",
     True),
    ("192.0.2.4", PLAIN, "relay-denied", False),
    ("192.0.2.5", PLAIN, "recipient-unknowns", False),
    ("192.0.2.6", 'helo="x reason=recipient-unknown "', "relay-denied", False),
    ("192.0.2.7", 'helo="x\\" reason=recipient-unknown "', "relay-denied",
     False),
    ("192.0.2.8", 'from="<\\\\" reason=recipient-unknown', "x", True),
]


def test_filter(tmp_path):
    lines = [LINE % case[:3] for case in CASES]
    lines += [lines[0][19:].replace("2.1 ", "2.50 "),  # without a time
              lines[0].replace("=refuse", "=message").replace("2.1 ", "2.51 ")]
    (tmp_path / "log").write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        ["fail2ban-regex", "--usedns", "no", "-o", "ip", tmp_path / "log",
         SHIPPED / "filter.d" / "lictor.conf"],
        text=True, capture_output=True, timeout=60)
    assert done.stdout.split() == [
        case[0] for case in CASES if case[3]] + ["192.0.2.50"], done.stderr
