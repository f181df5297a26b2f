"""A worker that was taken over: what the wall around it refuses.

lictord-escape is the gateway with a session of our own inside (escape.c). A
refusal of Landlock is an errno, one of seccomp the end of the worker, which
the master logs.
"""

import os
import pwd
import shutil

import pytest

from conftest import BUILD, SANITIZED, USER, Gateway, wait_until
from proc import status
from tls import keys_helpers, pair, section

pytestmark = pytest.mark.skipif(
    SANITIZED, reason="the sanitizers need calls that seccomp would refuse")

ALLOWED = {"r": "read a list", "a": "create a file below maildir_roots"}
# attempt: what it is, and the errno it ends with
LANDLOCK = {
    "p": ("read /etc/passwd", "EACCES"),
    "w": ("write a list", "EACCES"),
    "y": ("truncate a list", "EACCES"),
    "c": ("create a file in state_dir", "EACCES"),
    "g": ("move the generation in force away", "EACCES"),
    "z": ("create a file in /tmp", "EACCES"),
    "f": ("follow a link out of a Maildir", "EACCES"),
}
SECCOMP = {
    "x": "run a shell",
    "t": "trace the master",
    "k": "signal the master",
    "e": "have the master scheduled otherwise",
    "s": "open a netlink socket",
    "n": "open a UNIX stream without lmtp_sockets",
    "b": "bind a port",
    "m": "make memory executable",
    "u": "become root",
    "d": "let itself be traced",
}
SIGSEGV, SIGSYS = 11, 31


def give_away(folder):
    """To the user who is to start the gateway."""
    user = pwd.getpwnam(USER)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


@pytest.fixture(scope="module", params=["root", "user"])
def escape(request):
    """The gateway as each kind of user it is meant to run as."""
    root = os.geteuid() == 0
    if request.param == "root" and not root:
        pytest.skip("only root can start it as root")
    g = Gateway()
    try:
        binary = g.dir / "lictord-escape"
        shutil.copy(BUILD / "tests" / "lictord-escape", binary)
        g.binary = binary
        (g.mail / "link").symlink_to("/etc/passwd")
        g.sections = ["workers { min = 2  max = 8  spare = 2 }"]
        g.settings["lmtp_sockets"] = "{}"
        g.write_conf()
        g.compile()
        if request.param == "user" and root:
            g.run_as = USER
            give_away(g.dir)
        yield g.launch()
        g.stop()
    finally:
        g.kill()
        shutil.rmtree(g.dir, ignore_errors=True)


def attempt(gateway, name):
    """What the worker answered; "" when that was its end."""
    with gateway.connect() as c:
        c.send(name)
        answer = b""
        try:
            while data := c.sock.recv(100):
                answer += data
        except ConnectionResetError:
            pass
        return answer.decode().strip()


def killed(gateway, name, number):
    """Whether the attempt killed its worker, and the master said so."""
    before = len(gateway.events("worker", signal=number))
    answer = attempt(gateway, name)
    assert answer == "", answer
    gateway.wait_for_more("worker", before, signal=number)
    assert "client=127.0.0.1" in gateway.events("worker", signal=number)[-1]


def wall(gateway, part):
    (line,) = gateway.events("start")
    if f"no {part}" in line:
        pytest.skip(f"this kernel has no {part}")
    assert part in line


@pytest.mark.parametrize("name", ALLOWED, ids=ALLOWED.get)
def test_what_a_worker_needs_is_allowed(escape, name):
    assert attempt(escape, name) == "allowed"


@pytest.mark.parametrize("name", LANDLOCK, ids=lambda n: LANDLOCK[n][0])
def test_files_out_of_reach(escape, name):
    wall(escape, "landlock")
    assert attempt(escape, name) == f"errno {LANDLOCK[name][1]}"
    assert not os.path.exists("/tmp/lictor-escaped")
    assert not (escape.state / "escaped").exists()
    assert (escape.state / "current").is_symlink()


@pytest.mark.parametrize("name", SECCOMP, ids=SECCOMP.get)
def test_calls_that_end_the_worker(escape, name):
    wall(escape, "seccomp")
    killed(escape, name, SIGSYS)


def test_sockets_of_lmtp_are_opened_where_there_are_any(gateway):
    gateway.binary = BUILD / "tests" / "lictord-escape"
    gateway.start(lmtp_sockets='{"/run/dovecot/lmtp"}')
    assert attempt(gateway, "n") == "allowed"


def test_the_channel_to_the_keys_is_cut(gateway):
    """By one worker, for all: they are replaced, and get another."""
    gateway.binary = gateway.dir / "lictord"  # its title in ps
    shutil.copy(BUILD / "tests" / "lictord-escape", gateway.binary)
    gateway.start(section(pair("usual")),
                  "workers { min = 2  max = 8  spare = 2 }")
    (helper,), before = keys_helpers(gateway), set(gateway.workers())
    assert attempt(gateway, "h") == "allowed"
    gateway.wait_event("worker", text='"keys: a worker has shut the channel '
                       'down, all are replaced"')
    wait_until(lambda: not before & set(gateway.workers()), what="successors")
    wait_until(lambda: keys_helpers(gateway) not in ([], [helper]),
               what="another helper")
    # It stays: what it was given is open.
    wait_until(lambda: "S" == status(keys_helpers(gateway)[0])["State"][0],
               what="a helper that waits")
    assert len(gateway.events("worker")) == 2


def test_another_workers_slot_is_not_there(escape):
    killed(escape, "l", SIGSEGV)


def test_the_gateway_goes_on(escape):
    assert escape.process.poll() is None
    assert attempt(escape, "r") == "allowed"
