"""Folders that are full, closed or short: 452 or 451, and nothing half done."""

import os
import resource
import signal
import subprocess

import pytest

from conftest import wait_until
from proc import alive, idle_workers, kill, reload

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
POOL = "workers { min = 2 max = 6 spare = 1 }"
SMALL = b"Subject: small\r\n\r\nx\r\n"


def message(kib):
    return b"Subject: big\r\n\r\n" + (b"x" * 126 + b"\r\n") * (8 * kib)


@pytest.fixture
def tmpfs(gateway):
    """Make a folder a small tmpfs: tmpfs(path, "64k")."""
    mounted = []

    def mount(path, size):
        path.mkdir(exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs",
             path], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip("mount: " + done.stderr.strip())
        mounted.append(path)

    yield mount
    gateway.stop()
    for path in mounted:
        subprocess.run(["umount", "-l", path], check=False)


def files(gateway, folder, box="all"):
    path = gateway.mail / box / folder
    return sorted(path.iterdir()) if path.exists() else []


@ROOT_ONLY
def test_a_full_maildir(gateway, tmpfs):
    tmpfs(gateway.mail, "64k")
    gateway.start(POOL)
    with gateway.connect() as c:
        c.helo()
        assert c.message(SMALL).startswith("250 ")
        for _ in range(2):
            assert c.message(message(100)).startswith("452 4.3.1 ")
            assert not files(gateway, "tmp")
        assert c.message(SMALL).startswith("250 ")
    assert len(files(gateway, "new")) == 2
    line = gateway.wait_event("refuse", test="hop")
    assert "reason=hop-trouble" in line and "No space left" in line


@ROOT_ONLY
def test_a_full_maildir_among_others(gateway, tmpfs):
    """One copy has no room: no recipient gets one."""
    gateway.write_lists(routes="alice@example.org maildir:{mail}/alice\n"
                               "* maildir:{mail}/bob\n")
    tmpfs(gateway.mail / "bob", "64k")
    gateway.start(POOL)
    both = ("alice@example.org", "bob@example.org")
    with gateway.connect() as c:
        c.helo()
        assert c.message(message(100), to=both).startswith("452 4.3.1 ")
        for box in ("alice", "bob"):
            assert not files(gateway, "tmp", box)
            assert not files(gateway, "new", box)
        assert c.message(SMALL, to=both).startswith("250 ")
        assert len(files(gateway, "new", "alice")) == 1
        assert len(files(gateway, "new", "bob")) == 1


@pytest.mark.parametrize("part", ["", "tmp", "new"])
def test_a_maildir_without_permission(gateway, part):
    gateway.start(POOL)
    box = gateway.mail / "all"
    with gateway.connect() as c:
        c.helo()
        assert c.message(SMALL).startswith("250 ")
        (box / part).chmod(0o500)
        try:
            if part == "":  # its parts are there: nothing new is needed in it
                assert c.message(SMALL).startswith("250 ")
            else:
                assert c.message(SMALL).startswith("451 4.3.0 ")
                assert "Permission denied" in gateway.wait_event("refuse")
            assert not files(gateway, "tmp")
        finally:
            (box / part).chmod(0o700)
        assert c.message(SMALL).startswith("250 ")
    assert len(files(gateway, "new")) == (3 if part == "" else 2)


def test_a_maildir_that_cannot_be_made(gateway):
    gateway.mail.chmod(0o555)
    gateway.start(POOL)
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<alice@example.org>").startswith("451 4.3.0 ")
        gateway.mail.chmod(0o755)
        assert c.say("RSET").startswith("250")
        assert c.message(SMALL).startswith("250 ")


def test_a_file_in_the_place_of_a_maildir(gateway):
    (gateway.mail / "all").write_text("no folder\n")
    gateway.start(POOL)
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<alice@example.org>").startswith("451 4.3.0 ")
    assert "Not a directory" in gateway.wait_event("refuse", test="hop")


@pytest.mark.parametrize("limit,kib", [(40000, 60), (100000, 300)],
                         ids=["copy", "spool"])
def test_a_limit_on_the_size_of_files(gateway, limit, kib):
    """SIGXFSZ does not kill: what is too long is 452."""
    gateway.start(POOL)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (limit, -1))
    reload(gateway)  # new workers have the limit
    with gateway.connect() as c:
        c.helo()
        for _ in range(2):
            assert c.message(message(kib)).startswith("452 4.3.1 ")
            assert not files(gateway, "tmp") and not files(gateway, "new")
        assert c.message(SMALL).startswith("250 ")
    assert len(files(gateway, "new")) == 1
    assert not gateway.events("worker")


@ROOT_ONLY
def test_a_full_spool(gateway, tmpfs):
    tmpfs(gateway.spool, "192k")
    gateway.start(POOL)
    with gateway.connect() as c:
        c.helo()
        for _ in range(2):
            assert c.message(message(600)).startswith("452 4.3.1 ")
        assert c.message(SMALL).startswith("250 ")
        assert c.message(message(150)).startswith("250 ")
        assert c.message(message(600)).startswith("452 4.3.1 ")
        assert c.message(message(100)).startswith("250 ")
    assert not files(gateway, "tmp") and len(files(gateway, "new")) == 3
    gateway.wait_event("refuse", test="content", reason="spool")


@ROOT_ONLY
def test_the_spool_gives_its_room_back(gateway, tmpfs):
    """Of two workers each has its file: a message does not keep its room."""
    tmpfs(gateway.spool, "1m")
    gateway.start(POOL)
    for _ in range(3):
        with gateway.connect() as a, gateway.connect() as b:
            for c in (a, b):
                c.helo()
                assert c.message(message(700)).startswith("250 "), "kept room"
                assert c.say("RSET").startswith("250")
    assert os.listdir(gateway.spool) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_the_middle_of_a_message(gateway, number):
    """Nothing is in new/ that was not told; the spool has no name."""
    gateway.start(POOL)
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<alice@example.org>").startswith("250")
        assert c.say("DATA").startswith("354")
        c.send(message(400))
        busy = set(gateway.workers()) - set(idle_workers(gateway))
        for pid in busy:
            kill(pid, number)
        if number == signal.SIGKILL:
            assert c.reply() is None
        else:
            c.send(b".\r\n")
            assert c.reply().startswith("250 ")
    wait_until(lambda: not any(alive(p) for p in busy) or number != signal.SIGKILL,
               what="the end")
    assert len(files(gateway, "new")) == (number == signal.SIGTERM)
    assert not files(gateway, "tmp")
    assert os.listdir(gateway.spool) == []


@ROOT_ONLY
def test_no_room_for_the_shared_files(gateway, tmpfs):
    """A start that fails says why, and is no bus error."""
    tmpfs(gateway.dir / "run", "64k")
    gateway.write_conf()
    done = gateway.run("lictord", "-d", check=False)
    assert done.returncode == 1, done.stderr
    assert "event=start" in done.stderr
    assert "slots: No space left on device" in done.stderr
    assert not list((gateway.dir / "run").iterdir())


@ROOT_ONLY
def test_no_room_for_more_workers(gateway, tmpfs):
    """There are as many as have their slot on disk, and they serve."""
    tmpfs(gateway.dir / "run", "1600k")
    gateway.start("workers { min = 2 max = 128 spare = 1 }",
                  "limits { per_client = 0 }")
    held = [gateway.connect() for _ in range(64)]
    for c in held:
        assert c.reply().startswith("220 ")
    gateway.wait_event("worker", text='"slots: No space left on device"')
    for c in held[:10]:
        assert c.say("QUIT").startswith("221 ")
        with gateway.connect() as other:
            assert other.reply().startswith("220 ")
    for c in held:
        c.close()
    assert gateway.process.poll() is None
