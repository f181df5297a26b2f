"""Lists that change, and lists that are damaged, while the gateway serves."""

import os
import random
import shutil
import threading

import pytest

from conftest import wait_until
from proc import kill, quiet, reload

POOL = "workers { min = 2 max = 12 spare = 1 }"
MESSAGE = b"Subject: x\r\n\r\nx\r\n"


def rcpt(c, address):
    """What the gateway says of a recipient, in a transaction of its own."""
    assert c.say("MAIL FROM:<s@client.example>").startswith("250")
    reply = c.say(f"RCPT TO:<{address}>")
    assert c.say("RSET").startswith("250")
    return reply


def asked(gateway, address):
    with gateway.connect() as c:
        c.helo()
        reply = rcpt(c, address)
        assert c.say("QUIT").startswith("221")
        return reply


def known(gateway, *names):
    """Compile lists with these recipients alone."""
    gateway.write_lists(
        recipients="".join(f"{n}@example.org\n" for n in names))
    gateway.compile("-f")


def current(gateway):
    return gateway.state / os.readlink(gateway.state / "current")


def swing(gateway, name):
    """Let `current` name another generation, as the compiler does it."""
    link = gateway.state / "link.new"
    link.symlink_to(name)
    os.rename(link, gateway.state / "current")


def copy_generation(gateway, number):
    """A copy of the generation in force, under a new number."""
    new = gateway.state / "generations" / str(number)
    old = current(gateway)
    shutil.copytree(old, new)
    for path in (old, *old.iterdir()):
        copy = new if path is old else new / path.name
        os.chown(copy, path.stat().st_uid, path.stat().st_gid)
    return new


def test_the_next_session_sees_new_lists_and_the_running_does_not(gateway):
    gateway.start(POOL)
    with gateway.connect() as old:
        old.helo()
        assert rcpt(old, "alice@example.org").startswith("250")
        gateway.write_lists(domains="example.org\nexample.net\n",
                            recipients="carol@example.org\ndan@example.net\n")
        gateway.compile("-f")
        assert rcpt(old, "carol@example.org").startswith("550 5.1.1 ")
        assert rcpt(old, "dan@example.net").startswith("550 5.7.1 ")
        assert rcpt(old, "alice@example.org").startswith("250")
        assert asked(gateway, "carol@example.org").startswith("250")
        assert asked(gateway, "dan@example.net").startswith("250")
        assert asked(gateway, "alice@example.org").startswith("550 5.1.1 ")
        assert old.say("MAIL FROM:<s@client.example>").startswith("250")
        assert old.say("RCPT TO:<alice@example.org>").startswith("250")
    assert not gateway.events("worker")


def test_a_hundred_generations_under_load(gateway):
    """Domain and recipient of one number are there together or not at all."""
    def write(n):
        gateway.write_lists(domains=f"d{n}.example\n",
                            recipients=f"u{n}@d{n}.example\n")
        done = gateway.compile("-f", check=False)
        assert done.returncode == 0, done.stderr

    gateway.write_lists(domains="d0.example\n", recipients="u0@d0.example\n")
    gateway.start(POOL)
    over, errors = threading.Event(), []
    latest = [0]
    sessions = [0] * 8

    def client(me):
        try:
            while not over.is_set():
                low = latest[0]
                with gateway.connect() as c:
                    c.helo()
                    high = latest[0] + 1  # it may have been swung already
                    told = {}
                    for _ in range(2):
                        for n in range(low, high + 1):
                            reply = rcpt(c, f"u{n}@d{n}.example")
                            told.setdefault(n, set()).add(reply[:9])
                    good = [n for n in told if told[n] == {"250 2.1.5"}]
                    bad = [n for n in told if told[n] == {"550 5.7.1"}]
                    if len(good) != 1 or len(good) + len(bad) != len(told):
                        errors.append(told)
                    c.say("QUIT")
                sessions[me] += 1
        except Exception as e:
            errors.append(repr(e))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    try:
        for n in range(1, 101):
            write(n)
            latest[0] = n
            if errors:
                break
    finally:
        over.set()
        for t in threads:
            t.join()
    assert not errors, errors[:3]
    assert min(sessions) > 5
    assert not gateway.events("worker")
    assert asked(gateway, "u100@d100.example").startswith("250")


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


def garbage(path):
    path.write_bytes(os.urandom(path.stat().st_size))


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def foreign(path):
    """Another list's file under this name: a good CDB, but not this list."""
    shutil.copy(path.with_name("words.cdb"), path)


def remove(path):
    path.unlink()


def folder(path):
    path.unlink()
    path.mkdir()


def unreadable(path):
    path.chmod(0)


DAMAGES = [truncate, empty, garbage, zeros, foreign, remove, folder]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", ["recipients", "banned"])
def test_a_damaged_generation_is_not_taken(gateway, damage, name):
    gateway.start(POOL)
    assert asked(gateway, "alice@example.org").startswith("250")
    new = copy_generation(gateway, 7000)
    damage(new / f"{name}.cdb")
    swing(gateway, "generations/7000")
    for _ in range(6):
        assert asked(gateway, "alice@example.org").startswith("250")
        assert asked(gateway, "nobody@example.org").startswith("550 5.1.1 ")
    for pid in quiet(gateway):
        kill(pid)  # new workers do no worse
    quiet(gateway)
    assert asked(gateway, "alice@example.org").startswith("250")
    lines = [l for l in gateway.events("list") if "7000" in l]
    assert len(lines) == 1 and f"7000/{name}.cdb: " in lines[0], lines
    told = gateway.run("lictor-query", "domains", "example.org", check=False)
    assert told.returncode == (66 if damage is remove else 70)
    assert f"7000/{name}.cdb: " in told.stderr
    known(gateway, "carol")
    assert asked(gateway, "carol@example.org").startswith("250")


@pytest.mark.parametrize("target", [
    "generations/9999", "/etc", "../lists", "generations/7000/../1", ""])
def test_a_link_to_nowhere_is_not_followed(gateway, target):
    gateway.start(POOL)
    assert asked(gateway, "alice@example.org").startswith("250")
    if target:
        swing(gateway, target)
    else:
        (gateway.state / "current").unlink()
    for _ in range(4):
        assert asked(gateway, "alice@example.org").startswith("250")
    assert len(gateway.events("list")) <= 3


@pytest.mark.parametrize("name", ["recipients", "domains", "routes", "banned",
                                  "relay"])
def test_a_list_in_force_that_is_cut_gives_4xx(gateway, name):
    """Whoever asks is told to come again; nobody is told of no such user."""
    gateway.write_lists(banned="192.0.2.0/24\n", relay="198.51.100.7\n",
                        domains="example.org\n" + "".join(
                            f"d{n}.example\n" for n in range(200)))
    gateway.start(POOL)
    assert asked(gateway, "alice@example.org").startswith("250")
    with gateway.connect() as running:
        running.helo()
        if name != "domains":  # looked up before and after the cut
            assert rcpt(running, "alice@example.org").startswith("250")
        truncate(current(gateway) / f"{name}.cdb")
        for _ in range(5):
            with gateway.connect() as c:
                replies = [c.reply()]
                if replies[0] is not None and replies[0].startswith("220"):
                    c.say("EHLO x.example")
                    replies.append(rcpt(c, "alice@example.org"))
                    replies.append(rcpt(c, "nobody@example.org"))
                    replies.append(rcpt(c, "u@elsewhere.example"))
                if name != "relay":  # that says nothing of our own
                    assert replies[min(1, len(replies) - 1)][0] == "4", replies
                if name in ("domains", "recipients"):
                    assert replies[2][0] == "4", replies
                if name in ("domains", "relay"):
                    assert replies[3][0] == "4", replies
    lines = wait_until(lambda: [l for l in gateway.events("list")
                                if f"{name}.cdb" in l], what="a word of it")
    assert len({l.split("text=")[1] for l in lines}) == 1
    assert "damaged" in lines[0]
    known(gateway, "alice", "carol")
    # a cut list in force is whole again in the next generation
    assert asked(gateway, "carol@example.org").startswith("250")


def test_a_list_that_is_cut_under_a_running_session(gateway):
    """It may lose this session, but it never says that nobody is there."""
    gateway.write_lists(recipients="alice@example.org\n" + "".join(
        f"u{n}@example.org\n" for n in range(4000)))
    gateway.start(POOL)
    with gateway.connect() as c:
        c.helo()
        assert rcpt(c, "alice@example.org").startswith("250")
        os.truncate(current(gateway) / "recipients.cdb", 4096)
        told = []
        try:
            for n in range(0, 4000, 400):
                assert c.say("MAIL FROM:<s@client.example>")
                told.append(c.say(f"RCPT TO:<u{n}@example.org>"))
                if told[-1] is None:
                    break
                c.say("RSET")
        except (OSError, AssertionError):
            pass
        assert all(t is None or t[0] in "24" for t in told), told
    with gateway.connect() as c:
        reply = c.reply()
        if reply.startswith("220 "):  # a worker that had it open before
            assert c.say("EHLO x.example").startswith("250")
            reply = rcpt(c, "u1@example.org")
        assert reply[:4] in ("421 ", "451 "), reply
    assert gateway.wait_event("list")


def test_without_a_generation_everything_is_4xx(gateway):
    gateway.start(POOL, compile=False)
    for _ in range(4):
        with gateway.connect() as c:
            reply = c.reply()
            assert reply[:3] in ("220", "421"), reply
            if reply.startswith("220"):
                c.say("EHLO x.example")
                for address in ("alice@example.org", "u@elsewhere.example"):
                    assert rcpt(c, address).startswith("4")
    assert len(gateway.events("list")) == 1
    gateway.compile()
    assert asked(gateway, "alice@example.org").startswith("250")


def test_a_reload_keeps_the_last_good_lists(gateway):
    gateway.start(POOL)
    assert asked(gateway, "alice@example.org").startswith("250")
    new = copy_generation(gateway, 7000)
    truncate(new / "recipients.cdb")
    swing(gateway, "generations/7000")
    assert asked(gateway, "alice@example.org").startswith("250")
    reload(gateway)
    assert asked(gateway, "alice@example.org").startswith("250")


def test_new_workers_begin_with_the_latest_good_lists(gateway):
    """Not with those that were in force when the master forked last."""
    gateway.start("workers { min = 1 max = 1 spare = 1 }")
    quiet(gateway)
    known(gateway, "carol")
    assert asked(gateway, "carol@example.org").startswith("250")
    new = copy_generation(gateway, 7000)
    truncate(new / "recipients.cdb")
    swing(gateway, "generations/7000")
    assert asked(gateway, "carol@example.org").startswith("250")
    for pid in quiet(gateway):
        kill(pid)
    wait_until(lambda: gateway.events("worker", signal=9), what="the burial")
    quiet(gateway)
    assert asked(gateway, "carol@example.org").startswith("250")


def flip(path, dice, bits):
    octets = bytearray(path.read_bytes())
    for _ in range(bits):
        octets[dice.randrange(len(octets))] ^= 1 << dice.randrange(8)
    path.unlink()  # its links in older generations stay as they are
    path.write_bytes(octets)
    path.chmod(0o644)


def test_turned_bits_harm_nobody(gateway):
    """Whatever is said of a recipient, it is said; and no worker dies."""
    gateway.write_lists(banned="192.0.2.0/24\n2001:db8::/32\n")
    gateway.start(POOL)
    dice = random.Random(3)
    told = set()
    for n in range(7000, 7030):
        new = copy_generation(gateway, n)
        for name in ("banned", "domains", "recipients", "routes"):
            flip(new / f"{name}.cdb", dice, dice.choice((1, 2, 8)))
        swing(gateway, f"generations/{n}")
        with gateway.connect() as c:
            reply = c.reply()
            if reply.startswith("220 "):
                c.say("EHLO x.example")
                assert c.say("MAIL FROM:<s@client.example>")[:3] in (
                    "250", "451")
                reply = c.say("RCPT TO:<alice@example.org>")
            told.add(reply[:3])
        for args in (("recipients", "alice@example.org"), ("-d", "banned")):
            done = gateway.run("lictor-query", *args, check=False)
            assert done.returncode in (0, 1, os.EX_SOFTWARE, os.EX_NOINPUT)
            assert "anitizer" not in done.stderr, done.stderr
    assert told <= {"250", "421", "451", "550"}, told
    assert not gateway.events("worker")
    known(gateway, "carol")
    assert asked(gateway, "carol@example.org").startswith("250")
