"""The compiler under bad luck: killed, out of disk, two at once, in the dark."""

import contextlib
import fcntl
import os
import pathlib
import pty
import random
import select
import signal
import subprocess
import tempfile
import time

import pytest

from conftest import BIN, SANITIZED

SECONDS = 60  # for what must end by itself


@pytest.fixture
def lists(gateway):
    """A gateway that is configured and not started; its state in memory."""
    memory = tempfile.TemporaryDirectory(prefix="lictor-", dir="/dev/shm")
    with memory as folder:
        gateway.state = pathlib.Path(folder) / "state"
        gateway.write_conf()
        yield gateway


def write(lists, n, more=""):
    """Two lists that tell which writing of them it was."""
    lists.write_lists(banned=f'192.0.2.1 "writing {n}"\n' + more,
                      domains="example.org\n",
                      recipients=f'a@example.org "writing {n}"\n')


def answer(lists):
    """What a look-up in both lists says: of one and the same writing."""
    told = set()
    for name, key in (("banned", "192.0.2.1"), ("recipients", "a@example.org")):
        done = lists.run("lictor-query", name, key, check=False)
        assert done.returncode == 0, done.stderr
        told.add(int(done.stdout.split('"writing ')[1].split('"')[0]))
    assert len(told) == 1, told
    return told.pop()


def current(lists):
    return os.readlink(lists.state / "current")


def start(lists, *args, **kw):
    kw = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
          "stderr": subprocess.PIPE, "text": True, **kw}
    return subprocess.Popen(
        [BIN / "lictor-compile", "-c", lists.conf, *args], **kw)


def ended(process):
    out, err = process.communicate(timeout=SECONDS)
    assert out == "", out
    return process.returncode, err


def test_killed_at_random_moments(lists):
    """Both lists are as before or as after; no number comes twice."""
    networks = "".join(f"10.{i >> 8}.{i & 255}.0/24\n" for i in range(4000))
    write(lists, 0, networks)
    begun = time.monotonic()
    assert lists.compile().stderr == ""
    took = time.monotonic() - begun
    dice = random.Random(4)
    before, killed, numbers = 0, 0, {current(lists): 0}
    for n in range(1, 201 if not SANITIZED else 41):
        write(lists, n, networks)
        process = start(lists)
        time.sleep(dice.uniform(0, 1.1) * took)
        process.kill()
        status, err = ended(process)
        assert status in (0, -signal.SIGKILL), err
        killed += status != 0
        now = answer(lists)
        assert now == n or (now == before and status != 0)
        assert numbers.setdefault(current(lists), now) == now
        before = now
    assert killed > 10
    write(lists, 1000, networks)
    assert lists.compile().stderr == ""
    assert answer(lists) == 1000
    generations = sorted(os.listdir(lists.state / "generations"))
    assert len(generations) <= 5 and ".new" not in generations, generations


@contextlib.contextmanager
def small_disk(folder):
    """The folder as a disk of its own; yields how to set its size."""
    def mount(*args):
        return subprocess.run(["mount", *args], capture_output=True, text=True)

    folder.mkdir()
    done = mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder))
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr}")
    try:
        yield lambda kib: mount("-o", f"remount,size={kib}k", str(folder))
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def check_full(lists, status, err, n):
    """Refused with a reason and the old lists in force; or done."""
    if status == 0:
        return answer(lists) == n
    assert status == os.EX_IOERR, (status, err)
    assert len(err.splitlines()) == 1, err
    assert err.endswith((": No space left on device\n", ": File too large\n"))
    assert answer(lists) == 0
    left = os.listdir(lists.state / "generations")
    assert ".new" not in left, left
    return False


def test_full_disk(lists):
    """From no room at all to just enough."""
    networks = "".join(f"10.0.{i}.0/24\n" for i in range(200))
    with small_disk(lists.state) as resize:
        write(lists, 0, networks)
        assert lists.compile().stderr == ""
        st = os.statvfs(lists.state)
        used = (st.f_blocks - st.f_bfree) * st.f_frsize // 1024
        write(lists, 1, networks)
        for more in range(0, 200, 4):
            assert resize(used + more).returncode == 0
            process = start(lists)
            status, err = ended(process)
            if check_full(lists, status, err, 1):
                break
        assert 4 < more < 196


def test_file_size_limit(lists):
    """A limit of the shell is a full disk, too."""
    networks = "".join(f"10.0.{i}.0/24\n" for i in range(200))
    write(lists, 0)
    assert lists.compile().stderr == ""
    write(lists, 1, networks)
    for limit in (1, 5):
        process = subprocess.Popen(
            ["sh", "-c", f'ulimit -f {limit}; exec "$@"', "sh",
             BIN / "lictor-compile", "-c", lists.conf],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert not check_full(lists, *ended(process), 1)
    assert lists.compile().stderr == ""
    assert answer(lists) == 1


def lock(lists):
    """Hold what a running compiler holds."""
    fd = os.open(lists.state / "lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def waits_for_lock(process):
    """It has the lock file open; what follows in it is flock(2)."""
    links = pathlib.Path(f"/proc/{process.pid}/fd")
    with contextlib.suppress(OSError):
        return any(os.readlink(l).endswith("/lock") for l in links.iterdir())
    return False


def test_two_compilers_wait_for_each_other(lists):
    write(lists, 0)
    lists.compile()
    first = current(lists)
    held = lock(lists)
    write(lists, 1)
    both = [start(lists), start(lists)]
    end = time.monotonic() + SECONDS
    while not all(waits_for_lock(p) for p in both):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert all(p.poll() is None for p in both)
    assert current(lists) == first and answer(lists) == 0
    os.close(held)
    assert [ended(p) for p in both] == [(0, ""), (0, "")]
    assert answer(lists) == 1
    # the second of them found nothing left to do
    assert int(current(lists).split("/")[1]) == int(first.split("/")[1]) + 1


def test_many_compilers_at_once(lists):
    """Each compiles what it finds; the last word is the last writing."""
    write(lists, 0)
    lists.compile()
    started = []
    for n in range(1, 13):
        for name, key in (("banned", "192.0.2.1"),
                          ("recipients", "a@example.org")):
            new = lists.source / ".new"
            new.write_text(f'{key} "writing {n}"\n')
            new.rename(lists.source / name)
        started.append(start(lists))
    assert {ended(p) for p in started} == {(0, "")}
    lists.compile()
    assert answer(lists) == 12


def watch(lists, release=None):
    """Compile on a terminal; what it says."""
    master, slave = pty.openpty()
    process = start(lists, stderr=slave)
    os.close(slave)
    if release is not None:
        time.sleep(1.2)
        os.close(release)
    said = b""
    with contextlib.suppress(OSError):  # EIO is the end of a terminal
        while select.select([master], [], [], SECONDS)[0]:
            octets = os.read(master, 4096)
            if not octets:
                break
            said += octets
    os.close(master)
    assert process.wait(SECONDS) == 0, said
    return said.decode()


def test_progress(lists):
    """On a terminal, only of what takes its time, and gone at the end."""
    lists.write_lists(banned="192.0.2.1\n")
    assert watch(lists) == ""
    lists.write_lists(banned="".join(
        f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}\n" for i in range(70000)))
    held = lock(lists)
    into_a_pipe = start(lists, "-f", "banned")
    said = watch(lists, held)
    assert ended(into_a_pipe) == (0, "")
    if said == "":  # the other one came first and left nothing to do
        lists.write_lists(banned="".join(
            f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}\n"
            for i in range(70001)))
        said = watch(lists, lock(lists))
    assert "\rbanned: reading, " in said and " %" in said, said
    assert "\rbanned: writing, " in said, said
    assert said.endswith(" \r") and "\n" not in said, said
