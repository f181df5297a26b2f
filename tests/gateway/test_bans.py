"""lictor-ban beside a running gateway: in force at once, or as it was."""

import json
import os
import random
import re
import signal
import subprocess
import threading
import time

import pytest

from conftest import BIN, wait_until
from proc import kill

HEAD = "# Kept by lictor-ban(8), which leaves out comments when it writes.\n"
CLIENT = "127.0.0.9"


@pytest.fixture
def lists(gateway):
    """A gateway that does not serve: its lists alone."""
    gateway.write_conf()
    gateway.compile()
    return gateway


def ban(gateway, *args, check=True):
    return gateway.run("lictor-ban", *args, check=check)


def greeting(gateway, source=CLIENT):
    with gateway.connect(source) as c:
        return c.reply()


def own_file(gateway):
    path = gateway.source / "bans.d" / "lictor-ban"
    return path.read_text() if path.exists() else None


def listed(gateway):
    """The networks of list bans in force."""
    done = ban(gateway, "--json", "list")
    return [json.loads(line)["key"] for line in done.stdout.splitlines()]


def in_force(gateway):
    return os.readlink(gateway.state / "current")


# ------------------------------------------------------------ the next session


def test_the_next_session_is_refused_and_let_in_again(gateway):
    gateway.start("workers { min = 2 max = 8 spare = 1 }")
    with gateway.connect(CLIENT) as running:
        running.helo()
        done = ban(gateway, "add", "127.0.0.8/29", "--for", "2h", "go away")
        assert done.stdout + done.stderr == ""
        assert greeting(gateway).startswith("554 5.7.1 go away; ref ")
        assert running.say("NOOP").startswith("250")
        assert running.say("QUIT").startswith("221")
    gateway.wait_event("refuse", client=CLIENT,
                       rule="bans:bans.d/lictor-ban:2")
    ban(gateway, "del", "127.0.0.8/29")
    assert greeting(gateway).startswith("220 ")


def test_an_ipv6_client(gateway):
    gateway.start(listen=f'{{"127.0.0.1:{gateway.port}", '
                         f'"[::1]:{gateway.port}"}}')
    done = ban(gateway, "add", "::1", check=False)
    assert done.returncode == 65 and "our own address ::1" in done.stderr
    ban(gateway, "-f", "add", "0000:0::1")
    assert greeting(gateway, "::1").startswith("554 ")
    ban(gateway, "del", "::1")
    assert greeting(gateway, "::1").startswith("220 ")


def test_a_ban_ends_by_itself(gateway):
    gateway.start()
    ban(gateway, "add", CLIENT, "--for", "1s")
    wait_until(lambda: greeting(gateway).startswith("220 "), what="the end")
    assert listed(gateway) == []
    assert CLIENT in own_file(gateway)
    ban(gateway, "add", "198.51.100.1")  # whoever writes clears up
    assert own_file(gateway) == HEAD + "198.51.100.1 reject\n"


def test_bans_among_sessions(gateway):
    """Each is seen at once, however fast they come."""
    gateway.start("workers { min = 4 max = 8 spare = 1 }")
    for n in range(1, 31):
        address = f"127.0.9.{n}"
        assert greeting(gateway, address).startswith("220 ")
        ban(gateway, "add", address)
        assert greeting(gateway, address).startswith("554 ")
    assert all("is in force" in line for line in gateway.events("list"))
    assert len(os.listdir(gateway.state / "generations")) <= 10


# ------------------------------------------------------------------ the command


def test_list(lists):
    (lists.source / "bans.d").mkdir()
    (lists.source / "bans.d" / "hand").write_text(
        '192.0.2.1 defer "by hand" # why\n192.0.2.2 until=2020-01-01\n')
    ban(lists, "add", "2001:DB8::/32")
    ban(lists, "add", "198.51.100.7/24", "--for", "2h", 'a "b"')
    lines = ban(lists, "list").stdout.splitlines()
    assert lines[0] == '192.0.2.1 defer "by hand" # no end'
    assert lines[1] == "2001:db8::/32 reject # no end"
    assert re.fullmatch(
        r'198\.51\.100\.0/24 reject until=\S+Z "a \\"b\\"" '
        r"# (2h|1h 59m) left", lines[2])
    assert len(lines) == 3
    rows = [json.loads(l) for l in
            ban(lists, "list", "--json").stdout.splitlines()]
    assert rows[0] == {
        "list": "bans", "key": "192.0.2.1", "action": "defer", "argument": "",
        "text": "by hand", "until": None, "file": "bans.d/hand", "line": 1,
        "remains": None}
    assert rows[2]["text"] == 'a "b"' and 7100 < rows[2]["remains"] <= 7200
    # what it prints is a source again
    (lists.source / "banned").write_text("\n".join(lines) + "\n")
    assert lists.compile().stderr == ""


@pytest.mark.parametrize("args, status, words", [
    (["add", "127.0.0.1"], 65, "our own address 127.0.0.1 (-f overrides)"),
    (["add", "192.0.2.0/24"], 65, "meets protect 192.0.2.7"),
    (["add", "10.0.0.0/7"], 65, "wider than /8"),
    (["add", "172.16.0.0/12"], 65, "meets relay 172.16.5.0/24"),
    (["add", "10.9.9.9"], 65, "meets next hop 10.9.9.9"),
    (["add", "198.51.100.3"], 65, "another action here than in bans:1"),
    (["add", "198.51.100.9", "--for", "2"], 65, "--for 2: a time is 90s, "),
    (["add", "198.51.100.9", "--for", "2020-01-01"], 65, "has passed"),
    (["add", "198.51.100.9", "a\nb"], 65, "only printable ASCII"),
    (["add", "198.51.100.9", "x" * 401], 65, "at most 400"),
    (["add", "198.51.100"], 65, "is no address or network"),
    (["del", "192.0.2.300"], 65, "is no address or network"),
    (["del", "198.51.100.0/24"], 1, "is not among the bans of "),
    (["del", "198.51.100.3"], 1, "bans:1: 198.51.100.3 allow"),
    (["add"], 64, "usage: "),
    (["add", "192.0.2.1", "two", "texts"], 64, "usage: "),
    (["add", "192.0.2.1", "--json"], 64, "usage: "),
    (["del"], 64, "usage: "),
    (["del", "192.0.2.1", "--for", "2h"], 64, "usage: "),
    (["list", "all"], 64, "usage: "),
    (["remove", "192.0.2.1"], 64, "usage: "),
    ([], 64, "usage: "),
    (["-x"], 64, "usage: "),
])
def test_refusals_leave_everything(gateway, args, status, words):
    gateway.settings["protect"] = '{"192.0.2.7"}'
    gateway.write_lists(bans="198.51.100.3 allow\n", relay="172.16.5.0/24\n",
                        routes="* smtp:10.9.9.9\n")
    gateway.write_conf()
    gateway.compile()
    ban(gateway, "add", "203.0.113.1", "stays")
    before = own_file(gateway), in_force(gateway)
    done = ban(gateway, *args, check=False)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert words in done.stderr
    assert (own_file(gateway), in_force(gateway)) == before
    assert sorted(os.listdir(gateway.source / "bans.d")) == ["lictor-ban"]


def test_no_change_is_no_generation(lists):
    ban(lists, "add", "192.0.2.1", "--for", "2100-01-01T00:00:00Z")
    before = own_file(lists), in_force(lists)
    ban(lists, "add", "192.0.2.1", "--for", "5m")
    assert (own_file(lists), in_force(lists)) == before


def test_host_bits_are_told(lists):
    done = ban(lists, "add", "192.0.2.7/24")
    assert "taken as 192.0.2.0/24" in done.stderr
    assert listed(lists) == ["192.0.2.0/24"]


def test_rights_of_the_file_are_kept(lists):
    ban(lists, "add", "192.0.2.1")
    path = lists.source / "bans.d" / "lictor-ban"
    path.chmod(0o640)
    ban(lists, "add", "192.0.2.2")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_mistake_in_list_bans_is_told(lists):
    """Not its own file: it says so, and bans nobody half."""
    lists.write_lists(bans="nonsense\n")
    before = in_force(lists)
    done = ban(lists, "add", "192.0.2.1", check=False)
    assert done.returncode == 65 and "/bans:1: `nonsense`" in done.stderr
    assert (own_file(lists), in_force(lists)) == (None, before)


# ------------------------------------------------------------ many, and killed


def test_two_at_once_lose_nothing(lists):
    failed = []

    def some(third):
        for n in range(50):
            done = ban(lists, "add", f"192.0.{third}.{n}", check=False)
            if done.returncode != 0:
                failed.append(done.stderr)

    threads = [threading.Thread(target=some, args=(n,)) for n in (1, 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed
    wanted = {f"192.0.{third}.{n}" for third in (1, 2) for n in range(50)}
    assert set(listed(lists)) == wanted
    assert own_file(lists).count("\n") == 101


class Bans:
    """What the file and the lists hold, while commands end before their end."""

    def __init__(self, gateway):
        self.gateway, self.ends = gateway, set()
        self.file = self.in_force = listed(gateway)

    def check(self, net, what):
        """Old or new, each whole; in force only what the file says."""
        gateway = self.gateway
        folder = gateway.source / "bans.d"
        if folder.exists():
            assert set(os.listdir(folder)) <= {"lictor-ban",
                                               ".lictor-ban.new"}, what
        new = self.file + [net]
        text, keys = own_file(gateway), listed(gateway)
        assert text in (self.text(self.file), self.text(new)), what
        file = new if text == self.text(new) else self.file
        assert keys in (self.in_force, file), what
        self.ends.add((file is new, keys == file))
        self.file, self.in_force = file, keys

    @staticmethod
    def text(keys):
        return HEAD + "".join(f"{k} reject\n" for k in keys) if keys else None

    def go_on(self):
        """Whatever was left behind, the next one brings all into force."""
        ban(self.gateway, "add", "203.0.113.1")
        assert listed(self.gateway) == self.file + ["203.0.113.1"]


def test_killed_at_any_moment(lists):
    """kill -9 leaves old or new; the next one goes on from there."""
    rng = random.Random(4)
    ban(lists, "add", "192.0.2.0")
    bans = Bans(lists)
    begun = time.monotonic()
    ban(lists, "list")
    usual = 4 * (time.monotonic() - begun)
    for n in range(1, 61):
        net = f"198.51.100.{n}"
        process = subprocess.Popen(
            [BIN / "lictor-ban", "-c", lists.conf, "add", net],
            stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, usual))
        kill(process.pid)
        process.wait()
        bans.check(net, n)
    bans.go_on()


CALLS = ("write", "fsync", "rename", "renameat", "renameat2", "linkat",
         "symlink", "symlinkat", "unlink", "unlinkat", "mkdirat", "fchmod",
         "fchown", "flock", "ftruncate")


def strace(gateway, *args):
    """Run lictor-ban under strace: (status, stderr, the calls it made)."""
    trace = gateway.dir / "trace"
    trace.unlink(missing_ok=True)
    done = subprocess.run(
        ["strace", "-qq", "-o", trace, *args], text=True, timeout=60,
        capture_output=True,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    calls = re.findall(r"^(\w+)\(", trace.read_text(), re.M) \
        if trace.exists() else []
    return done, calls


@pytest.mark.parametrize("fault", ["signal=KILL", "error=ENOSPC"])
def test_each_call_that_fails_or_kills(lists, fault):
    """A full disk, or a kill, at every single change on the way."""
    bans = Bans(lists)
    command = [BIN / "lictor-ban", "-c", lists.conf, "add"]
    _, calls = strace(lists, "-e", "trace=" + ",".join(CALLS), *command,
                      "192.0.2.0")
    bans.check("192.0.2.0", "without a fault")
    if len(calls) < 20:
        pytest.skip("strace may not be used here")
    for number, call in enumerate(calls):
        net = f"198.51.100.{number}"
        when = calls[:number + 1].count(call)
        done, made = strace(lists, "-e", f"trace={call}", "-e",
                            f"inject={call}:{fault}:when={when}", *command,
                            net)
        what = (call, when, done.returncode, done.stderr)
        bans.check(net, what)
        if done.returncode == 0:  # what is not needed, such as to prune
            assert bans.file[-1] == net and bans.in_force == bans.file, what
        elif fault.startswith("error"):
            assert done.returncode in (73, 74), what
            assert "No space left" in done.stderr, what
    assert {(False, True), (True, True)} <= bans.ends
    bans.go_on()


def stopped_child(process):
    """The child of strace that has been stopped; None while there is none."""
    found = subprocess.run(["ps", "-o", "pid=,stat=", "--ppid",
                            str(process.pid)], text=True,
                           capture_output=True).stdout.split()
    return int(found[0]) if len(found) == 2 and found[1][0] in "tT" else None


def test_a_reader_is_overtaken(lists):
    """
    It has read which generation is in force, and sleeps; when it goes on, that
    one is gone. It takes the newest, and does not say that there is none.
    """
    ban(lists, "add", "192.0.2.0")
    process = subprocess.Popen(
        ["strace", "-qq", "-o", lists.dir / "trace", "-e", "trace=readlinkat",
         "-e", "inject=readlinkat:signal=STOP:when=1",
         BIN / "lictor-ban", "-c", lists.conf, "list"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    try:
        wait_until(lambda: process.poll() is not None
                   or stopped_child(process), what="the stop")
        if process.poll() is not None:
            pytest.skip("strace may not be used here")
        for n in range(1, 13):
            ban(lists, "add", f"192.0.2.{n}")
        assert "2" not in os.listdir(lists.state / "generations")
        os.kill(stopped_child(process), signal.SIGCONT)
        out, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
        assert len(out.splitlines()) == 13
    finally:
        if process.poll() is None:
            child = stopped_child(process)
            if child is not None:
                kill(child)
            process.kill()
            process.wait()


def test_a_compile_waits_for_a_ban_and_keeps_it(lists):
    """Whichever is first, both are in force in the end."""
    for n in range(5):
        lists.write_lists(banned=f"203.0.113.{n}\n")
        both = [subprocess.Popen([BIN / tool, "-c", lists.conf, *args])
                for tool, args in (("lictor-compile", ["-f"]),
                                   ("lictor-ban", ["add", f"192.0.2.{n}"]))]
        assert [p.wait(60) for p in both] == [0, 0]
        found = lists.run("lictor-query", "banned", f"203.0.113.{n}")
        assert f"203.0.113.{n} reject" in found.stdout
        assert f"192.0.2.{n}" in listed(lists)


def test_previous_keeps_the_bans(gateway):
    gateway.write_lists(banned="127.0.0.7\n")
    gateway.start()
    gateway.write_lists(banned="127.0.0.0/28\n127.0.0.1 allow\n")
    gateway.compile()
    for n in range(20, 30):
        ban(gateway, "add", f"127.0.0.{n}")
    assert greeting(gateway, "127.0.0.9").startswith("554 ")
    gateway.compile("--previous")
    assert greeting(gateway, "127.0.0.9").startswith("220 ")
    assert greeting(gateway, "127.0.0.7").startswith("554 ")
    assert greeting(gateway, "127.0.0.29").startswith("554 ")
    ban(gateway, "del", "127.0.0.29")
    assert greeting(gateway, "127.0.0.29").startswith("220 ")
    assert greeting(gateway, "127.0.0.9").startswith("220 ")
