"""What a worker is and what it holds, seen from outside."""

import os
import pathlib
import pwd
import re

import pytest

from conftest import SANITIZED, USER
from proc import busy_workers, listen_on, quiet, status

POOL = "workers { min = 3 max = 6 spare = 1 }"


def descriptors(pid):
    folder = pathlib.Path(f"/proc/{pid}/fd")
    try:
        return {int(p.name): os.readlink(p) for p in folder.iterdir()}
    except PermissionError:
        pytest.skip("descriptors of other processes are for root")


def kinds(gateway, links):
    """Sort the descriptors: a name for each, those without a name as is."""
    rows = [
        (r"socket:", "socket"),
        (r"anon_inode:\[eventpoll\]", "epoll"),
        (r"pipe:", "pipe"),
        (re.escape(str(gateway.state)) + r"/generations/\d+/\w+\.cdb", "list"),
        (re.escape(str(gateway.state)) + "$", "state"),
        (re.escape(str(gateway.spool)) + r"/#\d+ \(deleted\)", "spool"),
        (re.escape(str(gateway.log_path)) + "$", "log"),
        (r"/dev/null$", "null"),
        (r"anon_inode:\[landlock-ruleset\]", "ruleset"),
    ]
    found = []
    for link in links.values():
        names = [name for pattern, name in rows if re.match(pattern, link)]
        found.append(names[0] if names else link)
    return sorted(found)


def test_workers_are_confined(gateway):
    gateway.start(POOL)
    user = pwd.getpwnam(USER)
    for pid in quiet(gateway):
        about = status(pid)
        assert set(about["Uid"].split()) == {str(user.pw_uid)}
        if os.geteuid() == 0:
            assert set(about["Gid"].split()) == {str(user.pw_gid)}
            assert int(about["CapEff"], 16) == 0
            assert int(about["CapPrm"], 16) == 0
            assert "0" not in about["Groups"].split()
        assert about["NoNewPrivs"] == "1"
        if not SANITIZED:
            assert about["Seccomp"] == "2"


def test_a_worker_holds_what_it_needs(gateway):
    places = listen_on(gateway)
    gateway.start(POOL)
    expected = sorted(["socket"] * len(places) + ["epoll", "pipe", "state",
                                                  "spool", "null", "log", "log"]
                      + ["list"] * 9)

    def held(pid):
        """The ruleset has a test of its own."""
        return [k for k in kinds(gateway, descriptors(pid)) if k != "ruleset"]

    for _ in range(2):
        for pid in quiet(gateway):
            assert held(pid) == expected
        with gateway.connect() as c:
            c.helo()
            assert c.message(b"Subject: x\r\n\r\nx\r\n").startswith("250")
            (pid,) = busy_workers(gateway)
            assert held(pid) == sorted([*expected, "socket"])
            assert c.say("QUIT").startswith("221")
        gateway.compile("-f", "routes")  # another generation, no more files


def test_a_worker_does_not_hold_the_ruleset(gateway):
    gateway.start(POOL)
    if "landlock ABI" not in gateway.wait_event("start"):
        pytest.xfail("this kernel has no Landlock")
    for pid in quiet(gateway):
        assert "ruleset" not in kinds(gateway, descriptors(pid))


def test_the_master_keeps_nothing_of_a_session(gateway):
    gateway.start(POOL)
    quiet(gateway)
    before = kinds(gateway, descriptors(gateway.process.pid))
    for _ in range(3):
        with gateway.connect() as c:
            c.helo()
            assert c.message(b"Subject: x\r\n\r\nx\r\n").startswith("250")
    quiet(gateway)
    assert kinds(gateway, descriptors(gateway.process.pid)) == before


def test_no_worker_can_write_another_ones_slot(gateway):
    gateway.start(POOL)
    for pid in quiet(gateway):
        try:
            maps = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
        except PermissionError:
            pytest.skip("maps of other processes are for root")
        slots = [l for l in maps if "/run/slots" in l]
        state = [l for l in maps if "/run/state" in l]
        sizes = [int(b, 16) - int(a, 16) for a, b in
                 (l.split(" ", 1)[0].split("-") for l in slots)]
        assert sizes == [4096]
        assert [l.split()[1] for l in state] == ["r--s"]
