"""The pool: as many workers as are needed, and no client who waits for one."""

import os
import signal
import threading
import time

import pytest

from conftest import SANITIZED, wait_until
from proc import (Strace, alive, busy_workers, greet, idle_workers, kill,
                  leave, listen_on, quiet, sleeps, status, title)


def pool(low, most, spare, sessions=1000):
    return (f"workers {{ min = {low} max = {most} spare = {spare} "
            f"sessions = {sessions} }}")


def settled(gateway, total=None, idle=None):
    """Wait for so many workers, the idle ones asleep."""
    def there():
        every, free = gateway.workers(), idle_workers(gateway)
        return (total is None or len(every) == total) and \
            (idle is None or len(free) == idle) and \
            all(sleeps(p) for p in free) and every
    return wait_until(there, what=f"{total} workers, {idle} idle")


# --------------------------------------------------------------- how many


def test_the_pool_grows_to_max_and_not_beyond(gateway):
    gateway.start(pool(2, 6, 2))
    settled(gateway, total=2, idle=2)
    held = []
    for n in range(1, 7):
        held.append(gateway.connect().helo())
        spare = min(2, 6 - n)
        settled(gateway, total=n + spare, idle=spare)
    assert all(t.startswith("lictord: worker") for t in gateway.titles())
    waiting = gateway.connect(timeout=0.3)
    with pytest.raises(TimeoutError):
        waiting.line()
    assert len(gateway.workers()) == 6
    assert held.pop().say("QUIT").startswith("221")
    waiting.sock.settimeout(5)
    assert waiting.reply().startswith("220 ")
    for c in (*held, waiting):
        assert c.say("NOOP").startswith("250")
        c.close()


def test_a_worker_gives_way(gateway):
    """A flood must not push aside those who serve mail, here or behind us."""
    gateway.start(pool(2, 2, 1))
    for worker in quiet(gateway):
        assert os.sched_getscheduler(worker) == os.SCHED_BATCH
    assert os.sched_getscheduler(gateway.process.pid) == os.SCHED_OTHER
    assert not gateway.events("worker")


def test_workers_are_children_and_say_what_they_do(gateway):
    gateway.start(pool(2, 4, 1))
    settled(gateway, total=2, idle=2)
    master = gateway.process.pid
    assert title(master) == "lictord: master"
    for pid in gateway.workers():
        assert status(pid)["PPid"] == str(master)
        assert title(pid) == "lictord: worker idle"
    with gateway.connect("127.0.0.7") as c:
        c.helo()
        assert [title(p) for p in busy_workers(gateway)] == \
            ["lictord: worker 127.0.0.7"]
    wait_until(lambda: not busy_workers(gateway), what="the title of idleness")


def test_a_worker_leaves_after_its_sessions_and_is_replaced(gateway):
    gateway.start(pool(1, 2, 1, sessions=3))
    (first,) = settled(gateway, total=1, idle=1)
    for n in range(3):
        assert alive(first)
        sock, _ = greet(("127.0.0.1", gateway.port))
        assert busy_workers(gateway) == [first]
        leave(sock)
        if n < 2:
            wait_until(lambda: first in idle_workers(gateway), what="idleness")
    wait_until(lambda: not alive(first), what="the end of the first")
    settled(gateway, idle=1)
    assert first not in gateway.workers()
    assert not gateway.events("worker")


def test_idle_ones_are_retired(gateway):
    """The one test that waits for a tick of 10 s."""
    gateway.start(pool(1, 9, 1))
    held = [gateway.connect().helo() for _ in range(6)]
    settled(gateway, total=7, idle=1)
    for c in held:
        c.close()
    settled(gateway, total=7, idle=7)
    wait_until(lambda: len(gateway.workers()) < 7, 12, "retirement")
    settled(gateway, total=4, idle=4)
    sock, secs = greet(("127.0.0.1", gateway.port))
    assert secs < 1
    leave(sock)


def test_idle_processes_make_no_system_call(gateway):
    gateway.start(pool(3, 6, 1))
    with gateway.connect() as c:
        c.helo()
        assert c.message(b"Subject: x\r\n\r\nx\r\n").startswith("250")
    pids = settled(gateway, total=3, idle=3)
    with Strace([gateway.process.pid, *pids]) as trace:
        time.sleep(0.3)  # waits that the attachment broke off begin anew
        before = trace.text()
        time.sleep(2)
        assert trace.text()[len(before):] == ""


# ------------------------------------ nobody waits while a worker is idle


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_killed_between_wake_up_and_accept(gateway, workers):
    places = listen_on(gateway)
    # spare: as many as there are, so that a dead one must be replaced
    gateway.start(pool(workers, 16, workers))
    for place in places:
        leave(greet(place)[0])  # whoever is woken first has served one
        for pid in quiet(gateway)[workers:]:
            kill(pid, signal.SIGTERM)
        wait_until(lambda: len(quiet(gateway)) == workers, what="the others")
        deaths = len(gateway.events("worker"))
        with Strace(idle_workers(gateway), "-e", "trace=accept4",
                    "-e", "inject=accept4:signal=SIGKILL:when=1"):
            sock, secs = greet(place)
        assert len(gateway.events("worker", signal=9)) == deaths + 1
        assert secs < 1, f"{place}: greeted after {secs:.2f} s"
        leave(sock)


def test_killed_between_wake_up_and_accept_in_a_grown_pool(gateway):
    """More are idle than must be: the replacement comes nonetheless."""
    places = listen_on(gateway)
    gateway.start(pool(1, 16, 1))
    held = [greet(places[0])[0] for _ in range(6)]
    settled(gateway, total=7, idle=1)
    for sock in held:
        leave(sock)
    settled(gateway, total=7, idle=7)
    with Strace(idle_workers(gateway), "-e", "trace=accept4",
                "-e", "inject=accept4:signal=SIGKILL:when=1"):
        sock, secs = greet(places[-1], 3)
    assert gateway.events("worker", signal=9)
    assert secs < 1
    leave(sock)


def test_killed_at_its_accept_while_none_can_be_started(gateway):
    """No successor comes, so the idle ones must look for the client."""
    places = listen_on(gateway)
    gateway.start(pool(4, 16, 1))
    settled(gateway, total=4, idle=4)
    gateway.spool.rename(gateway.dir / "elsewhere")
    gateway.spool.write_text("not a folder\n")
    for left in (3, 2):
        with Strace(idle_workers(gateway)[:1], "-e", "trace=accept4",
                    "-e", "inject=accept4:signal=SIGKILL:when=1"):
            for _ in range(30):
                sock, secs = greet(places[-1], 4)
                leave(sock)
                assert secs < 1.5, f"{secs:.2f} s with {left} idle workers"
                if len(gateway.events("worker", signal=9)) == 4 - left:
                    break


@pytest.mark.parametrize("inject", [
    "accept4:delay_enter=200000", "epoll_pwait:delay_exit=200000"])
@pytest.mark.parametrize("workers", [1, 3])
def test_told_to_leave_between_wake_up_and_accept(gateway, workers, inject):
    places = listen_on(gateway, 2)
    gateway.start(pool(workers, 16, 1))
    for place in places:
        pids = quiet(gateway)
        greeted = []
        with Strace(pids, "-e", f"trace={inject.split(':')[0]}",
                    "-e", f"inject={inject}"):
            time.sleep(0.25)  # delays that the attachment caused are over
            client = threading.Thread(
                target=lambda p=place: greeted.append(greet(p)))
            client.start()
            time.sleep(0.1)
            for pid in pids:
                kill(pid, signal.SIGTERM)
            client.join(6)
        (sock, secs), = greeted
        assert secs < 1.2, f"{place}: greeted after {secs:.2f} s"
        leave(sock)
    assert not gateway.events("worker")


def crowd(places, clients, rounds, pause=0.0):
    """Clients in threads, each greeted again and again; the longest waits."""
    waits, errors = [], []

    def one(n):
        try:
            for i in range(rounds):
                sock, secs = greet(places[(n + i) % len(places)])
                waits.append(secs)
                time.sleep(pause)
                leave(sock)
        except (OSError, AssertionError) as e:
            errors.append(repr(e))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert not errors, errors[:3]
    return sorted(waits)


def test_a_burst_where_each_worker_serves_one_session(gateway):
    places = listen_on(gateway)
    gateway.start(pool(2, 12, 2, sessions=1))
    waits = crowd(places, 24, 8, pause=0.005)
    assert len(waits) == 192 and waits[-1] < 1.5, waits[-5:]
    assert not gateway.events("worker")


def test_a_burst_while_idle_workers_are_told_to_leave(gateway):
    places = listen_on(gateway)
    gateway.start(pool(4, 12, 2))
    over = threading.Event()

    def dismiss():
        while not over.is_set():
            for pid in idle_workers(gateway)[:2]:
                kill(pid, signal.SIGTERM)
            time.sleep(0.01)

    thread = threading.Thread(target=dismiss)
    thread.start()
    try:
        waits = crowd(places, 8, 40, pause=0.003)
    finally:
        over.set()
        thread.join()
    assert len(waits) == 320 and waits[-1] < 1.5, waits[-5:]


# ------------------------------------------------------------------ deaths


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_dies_in_a_session(gateway, number):
    if SANITIZED and number == signal.SIGSEGV:
        pytest.skip("the sanitizer takes SIGSEGV for itself")
    gateway.start(pool(2, 6, 1))
    with gateway.connect("127.0.0.8") as other, \
            gateway.connect("127.0.0.9") as c:
        other.helo()
        c.helo()
        victim, = [p for p in busy_workers(gateway)
                   if title(p).endswith(" 127.0.0.9")]
        settled(gateway, idle=1)
        kill(victim, number)
        assert c.reply() is None
        line = gateway.wait_event("worker", signal=int(number),
                                  client="127.0.0.9", pid=victim)
        assert " ref=" in line
        wait_until(lambda: idle_workers(gateway), 1, "a replacement")
        assert other.message(b"Subject: x\r\n\r\nx\r\n").startswith("250 ")
    quiet(gateway)
    assert len(gateway.mails()) == 1


def test_what_a_dead_worker_held_is_taken_back(gateway):
    gateway.start(pool(2, 6, 1), "limits { per_client = 1 }")
    for _ in range(3):
        with gateway.connect() as c:
            c.helo()
            with gateway.connect() as second:
                assert second.reply().startswith("421 4.7.0 ")
            wait_until(lambda: len(busy_workers(gateway)) == 1, what="one")
            kill(busy_workers(gateway)[0])
            assert c.reply() is None
        wait_until(lambda: not busy_workers(gateway), what="the burial")
        with gateway.connect() as c:
            assert c.reply().startswith("220 ")
            assert c.say("QUIT").startswith("221 ")
            assert c.reply() is None
        wait_until(lambda: not busy_workers(gateway), what="idleness")


def test_workers_that_cannot_start_are_no_fork_bomb(gateway):
    gateway.spool.write_text("not a folder\n")
    gateway.start(pool(1, 8, 1))
    time.sleep(1.5)
    deaths = gateway.events("worker", status=71)
    assert 3 <= len(deaths) <= 8, len(deaths)
    assert gateway.events("worker", text=f'"{gateway.spool}: Not a directory"')
    gateway.spool.unlink()
    gateway.spool.mkdir(mode=0o777)
    gateway.spool.chmod(0o777)
    settled(gateway, total=1, idle=1)  # the pause ends by itself
    leave(greet(("127.0.0.1", gateway.port))[0])
    assert len(gateway.events("worker", status=71)) <= 8


def test_a_worker_that_cannot_start_takes_no_wake_up(gateway):
    """It must not wait for clients before it can serve one."""
    gateway.start(pool(4, 16, 4, sessions=100000))
    settled(gateway, total=4, idle=4)
    gateway.spool.rename(gateway.dir / "elsewhere")
    gateway.spool.write_text("not a folder\n")
    waits = []
    over = time.monotonic() + 1.5
    while time.monotonic() < over:
        sock, secs = greet(("127.0.0.1", gateway.port), 2)
        waits.append(secs)
        leave(sock)
    assert len(gateway.events("worker", status=71)) >= 2
    assert max(waits) < 1, f"a client waited for {max(waits):.2f} s"


def test_workers_that_cannot_start_beside_others_that_serve(gateway):
    """Sessions that end elsewhere do not shorten the pause to nothing."""
    gateway.start(pool(44, 64, 4))
    settled(gateway, total=44, idle=44)
    held = [greet(("127.0.0.1", gateway.port))[0] for _ in range(40)]
    settled(gateway, total=44, idle=4)
    gateway.spool.rename(gateway.dir / "elsewhere")
    gateway.spool.write_text("not a folder\n")
    kill(idle_workers(gateway)[0])
    for sock in held:
        time.sleep(0.03)
        leave(sock)
    deaths = len(gateway.events("worker", status=71))
    assert 2 <= deaths <= 10, deaths


def test_a_pause_ends_with_new_settings(gateway):
    gateway.spool.write_text("not a folder\n")
    gateway.start(pool(8, 16, 4))
    wait_until(lambda: len(gateway.events("worker", status=71)) >= 8,
               what="deaths")
    time.sleep(0.3)
    assert len(gateway.events("worker", status=71)) <= 24
    gateway.spool.unlink()
    gateway.spool.mkdir(mode=0o777)
    gateway.spool.chmod(0o777)
    gateway.signal(signal.SIGHUP)
    settled(gateway, total=8, idle=8)
    leave(greet(("127.0.0.1", gateway.port))[0])


def test_deaths_of_the_past_are_forgotten(gateway):
    """After sessions that ended well a death counts as the first."""
    gateway.start(pool(1, 4, 1))
    for n in range(5):
        (pid,) = settled(gateway, total=1, idle=1)
        kill(pid)
        wait_until(lambda: len(gateway.events("worker", signal=9)) == n + 1,
                   what="the burial")
    settled(gateway, total=1, idle=1)
    for _ in range(5):
        leave(greet(("127.0.0.1", gateway.port))[0])
    with gateway.connect() as c:  # another comes, or two have, and dies
        c.helo()
        for pid in wait_until(lambda: idle_workers(gateway), what="a spare"):
            kill(pid)
        sock, secs = greet(("127.0.0.1", gateway.port), 8)
        leave(sock)
    assert secs < 1, secs
