"""SIGHUP, SIGTERM, SIGINT and SIGKILL of the master."""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import BIN, SANITIZED, Client, free_port, is_free, wait_until
from proc import (alive, busy_workers, children, greet, idle_workers, kill,
                  leave, quiet, reload, title)

MESSAGE = b"Subject: x\r\n\r\nx\r\n"


def pool(low=2, most=8, spare=1):
    return f"workers {{ min = {low} max = {most} spare = {spare} }}"


def again(gateway):
    """A new master with the same configuration; waits until it serves."""
    before = len(gateway.events("start"))
    with open(gateway.log_path, "ab") as log:
        gateway.process = subprocess.Popen(
            [BIN / "lictord", "-d", "-c", gateway.conf],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_until(lambda: gateway.process.poll() is not None
               or len(gateway.events("start")) > before, what="start")
    assert gateway.process.poll() is None, gateway.log()


# ------------------------------------------------------------------ SIGHUP


@pytest.mark.parametrize("wrong", [
    "nonsense = 1", 'hostname = "', "workers { min = 9 max = 3 }",
    'listen = {"127.0.0.1:70000"}', 'user = "nobody-of-that-name"'])
def test_a_broken_configuration_changes_nothing(gateway, wrong):
    if wrong.startswith("user") and os.geteuid() != 0:
        pytest.skip("an ordinary user changes to no other")
    gateway.start(pool())
    workers = quiet(gateway)
    text = gateway.conf.read_text()
    name = wrong.split()[0]
    if f"\n{name} " in "\n" + text and "{ min" not in wrong:
        text = re.sub(rf"(?m)^{name} = .*$", wrong, text)
    else:
        text += wrong + "\n"
    gateway.conf.write_text(text)
    reload(gateway, "the old settings stay in force")
    assert sorted(gateway.workers()) == sorted(workers)
    if not wrong.startswith("user"):
        assert [l for l in gateway.events("reload")
                if re.search(rf"{re.escape(str(gateway.conf))}:\d+: ", l)]
    leave(greet(("127.0.0.1", gateway.port))[0])
    gateway.write_conf()
    reload(gateway)
    leave(greet(("127.0.0.1", gateway.port))[0])


def test_a_running_session_keeps_its_settings(gateway):
    gateway.start(pool())
    with gateway.connect() as old:
        old.helo()
        workers = gateway.workers()
        gateway.settings["hostname"] = '"other.example.org"'
        gateway.write_conf()
        reload(gateway, busy=1)
        assert len(set(gateway.workers()) & set(workers)) == 1
        with gateway.connect() as new:
            assert new.reply().startswith("220 other.example.org ")
        assert old.message(MESSAGE).startswith("250 ")
        assert old.say("QUIT").startswith("221 2.0.0 gw.example.org ")
    assert b"by gw.example.org with" in gateway.mails()[0]
    wait_until(lambda: not set(gateway.workers()) & set(workers),
               what="the end of the old worker")
    assert not gateway.events("worker")


def test_no_connection_is_refused_while_settings_change(gateway):
    gateway.start("workers { min = 3 max = 20 spare = 3 }")
    over, errors, waits = threading.Event(), [], []

    def knock():
        while not over.is_set():
            try:
                sock, secs = greet(("127.0.0.1", gateway.port))
                waits.append(secs)
                leave(sock)
            except (OSError, AssertionError) as e:
                errors.append(repr(e))

    threads = [threading.Thread(target=knock) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        for n in range(20):
            gateway.settings["hostname"] = f'"gw{n}.example.org"'
            gateway.write_conf()
            reload(gateway)
    finally:
        over.set()
        for t in threads:
            t.join()
    assert not errors, errors[:3]
    assert len(waits) > 20 and max(waits) < 1.5, sorted(waits)[-5:]
    assert not gateway.events("worker")


def test_addresses_come_and_go(gateway):
    gateway.start(pool())
    first, second = gateway.port, free_port()
    with Client(first) as old:
        old.helo()
        gateway.settings["listen"] = \
            f'{{"127.0.0.1:{first}", "127.0.0.1:{second}"}}'
        gateway.write_conf()
        reload(gateway, busy=1)
        for port in (first, second):
            leave(greet(("127.0.0.1", port))[0])
        gateway.settings["listen"] = f'{{"127.0.0.1:{second}"}}'
        gateway.write_conf()
        reload(gateway, busy=1)
        wait_until(lambda: is_free(first), 2, "the end of the first address")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", first))
        leave(greet(("127.0.0.1", second))[0])
        assert old.message(MESSAGE).startswith("250 ")
    gateway.settings["listen"] = f'{{"127.0.0.1:{first}"}}'
    gateway.write_conf()
    reload(gateway)
    leave(greet(("127.0.0.1", first))[0])


def test_an_address_that_is_taken_changes_nothing(gateway):
    gateway.start(pool())
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        gateway.settings["listen"] = \
            f'{{"127.0.0.1:{gateway.port}", "127.0.0.1:{port}"}}'
        gateway.write_conf()
        reload(gateway, "the old settings stay in force")
        leave(greet(("127.0.0.1", gateway.port))[0])


# ------------------------------------------------------- SIGTERM and SIGINT


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sessions_finish_before_the_gateway_leaves(gateway, number):
    gateway.start(pool())
    with gateway.connect() as c:
        c.helo()
        gateway.signal(number)
        wait_until(lambda: is_free(gateway.port), 2, "the free port")
        with pytest.raises(ConnectionRefusedError):
            gateway.connect()
        assert c.message(MESSAGE).startswith("250 ")
        assert gateway.process.poll() is None
        assert c.say("QUIT").startswith("221 ")
    assert gateway.process.wait(3) == 0
    assert len(gateway.mails()) == 1
    gateway.wait_event("stop", text="stopped")


def test_ctrl_c_for_the_whole_group(gateway):
    """A terminal sends SIGINT to the workers, too."""
    gateway.start(pool())
    with gateway.connect() as c:
        c.helo()
        for pid in (gateway.process.pid, *gateway.workers()):
            kill(pid, signal.SIGINT)
        assert c.message(MESSAGE).startswith("250 ")
        assert c.say("QUIT").startswith("221 ")
    assert gateway.process.wait(3) == 0
    assert not gateway.events("worker")


@pytest.mark.parametrize("how", ["stop_secs", "twice"])
def test_idle_sessions_are_cut_in_the_end(gateway, how):
    secs = 1 if how == "stop_secs" else 60
    gateway.start(pool(), f"timeouts {{ stop_secs = {secs} }}")
    clients = [gateway.connect() for _ in range(3)]
    for c in clients:
        c.helo()
    assert clients[1].say("MAIL FROM:<s@client.example>").startswith("250")
    assert clients[1].say("RCPT TO:<alice@example.org>").startswith("250")
    assert clients[1].say("DATA").startswith("354")
    clients[1].send(b"Subject: half\r\n")
    gateway.signal(signal.SIGTERM)
    begun = time.monotonic()
    if how == "twice":
        wait_until(lambda: gateway.events("stop"), what="the first signal")
        gateway.signal(signal.SIGTERM)
    for c in clients:
        assert c.reply().startswith("421 4.3.2 gw.example.org ")
        assert c.reply() is None
        c.close()
    assert gateway.process.wait(3) == 0
    assert (how == "twice") == (time.monotonic() - begun < 0.9)
    assert gateway.mails() == []


@pytest.mark.parametrize("times", [1, 2])
def test_nothing_cuts_between_the_dot_and_its_reply(gateway, hop, times):
    h = hop({"end": (1.7, "250 2.0.0 taken")})
    gateway.write_lists(routes=f"* smtp:127.0.0.1:{h.port}\n")
    gateway.start(pool(), "timeouts { stop_secs = 1 }")
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<alice@example.org>").startswith("250")
        assert c.say("DATA").startswith("354")
        c.send(MESSAGE + b".\r\n")
        wait_until(lambda: h.taken or h.unsure, what="the dot")
        for _ in range(times):
            gateway.signal(signal.SIGTERM)
            time.sleep(0.1)
        assert c.reply().startswith("250 2.0.0 ")
        assert c.reply().startswith("421 4.3.2 ")
        assert c.reply() is None
    assert gateway.process.wait(3) == 0
    gateway.wait_event("message")


def test_reload_while_stopping_and_stop_while_reloading(gateway):
    gateway.start(pool())
    with gateway.connect() as c:
        c.helo()
        gateway.signal(signal.SIGHUP)
        gateway.signal(signal.SIGTERM)
        wait_until(lambda: is_free(gateway.port), 2, "the free port")
        gateway.signal(signal.SIGHUP)
        assert c.message(MESSAGE).startswith("250 ")
        c.say("QUIT")
    assert gateway.process.wait(3) == 0


# ------------------------------------------------------------------ SIGKILL


def test_a_new_master_takes_over_while_old_sessions_run(gateway, hop):
    h = hop({"end": (0.3, "250 2.0.0 taken")})
    gateway.write_lists(routes=f"* smtp:127.0.0.1:{h.port}\n")
    gateway.start(pool(3, 8, 2))
    clients = [gateway.connect().helo() for _ in range(3)]
    old_busy = busy_workers(gateway)
    old_idle = idle_workers(gateway)
    assert len(old_busy) == 3
    gateway.process.kill()
    gateway.process.wait()
    begun = time.monotonic()
    wait_until(lambda: is_free(gateway.port), 1, "the free port")
    again(gateway)
    sock, _ = greet(("127.0.0.1", gateway.port))
    assert time.monotonic() - begun < 1
    leave(sock)
    wait_until(lambda: not any(alive(p) for p in old_idle), 2, "the idle ones")
    assert all(alive(p) for p in old_busy)
    for c in clients:
        assert c.message(MESSAGE).startswith("250 ")
        assert c.say("QUIT").startswith("221 ")
        c.close()
    assert len(h.taken) == 3
    wait_until(lambda: not any(alive(p) for p in old_busy), 2, "the old ones")
    leave(greet(("127.0.0.1", gateway.port))[0])


def test_a_master_killed_again_and_again(gateway):
    gateway.start(pool(4, 8, 2))
    for _ in range(8):
        gateway.process.kill()
        gateway.process.wait()
        wait_until(lambda: is_free(gateway.port), 1, "the free port")
        again(gateway)
        leave(greet(("127.0.0.1", gateway.port))[0])


# ------------------------------------------------------------------ pid file


def daemonize(gateway):
    return subprocess.run([BIN / "lictord", "-c", gateway.conf], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=10, check=False)


@pytest.fixture
def in_background(gateway):
    """A gateway without -d, with its pid."""
    gateway.write_conf()
    assert gateway.compile().returncode == 0
    done = daemonize(gateway)
    assert done.returncode == 0, done.stderr
    path = gateway.dir / "pid"
    pid = wait_until(lambda: path.exists() and path.read_text().strip(),
                     what="the pid file")
    yield gateway, int(pid)
    if path.exists():
        pid = int(path.read_text())
        kill(pid, signal.SIGTERM)
        wait_until(lambda: not alive(pid), what="the end of the master")


def test_the_pid_file(in_background):
    gateway, pid = in_background
    sock, _ = greet(("127.0.0.1", gateway.port))
    assert alive(pid)
    second = free_port()
    kill(pid)
    wait_until(lambda: not alive(pid), what="its death")
    wait_until(lambda: is_free(gateway.port), 1, "the free port")
    done = daemonize(gateway)  # what is left of the file does not block
    assert done.returncode == 0, done.stderr
    path = gateway.dir / "pid"
    wait_until(lambda: path.read_text().strip() not in ("", str(pid)),
               what="the new pid")
    leave(greet(("127.0.0.1", gateway.port))[0])
    leave(sock)  # the session of the old master
    gateway.settings["listen"] = f'{{"127.0.0.1:{second}"}}'
    gateway.write_conf()
    done = daemonize(gateway)
    assert done.returncode == 1
    assert f"already running, pid {path.read_text().strip()}" in done.stderr


def test_the_pid_file_goes_with_the_master(in_background):
    gateway, pid = in_background
    leave(greet(("127.0.0.1", gateway.port))[0])
    kill(pid, signal.SIGTERM)
    wait_until(lambda: not alive(pid), what="its end")
    assert not (gateway.dir / "pid").exists()


def test_a_second_instance_is_refused_with_the_pid(in_background):
    gateway, pid = in_background
    done = daemonize(gateway)
    assert done.returncode == 1
    assert f"already running, pid {pid}" in done.stderr


@pytest.mark.parametrize("setting, value, message", [
    ("run_dir", '"/proc/nothing"', "/proc/nothing: No such file"),
    pytest.param("user", '"no-such-user"', "there is no such user",
                 marks=pytest.mark.skipif(os.geteuid() != 0, reason="root")),
    ("listen", '{"192.0.2.1:2525"}', "192.0.2.1:2525: Cannot assign"),
])
def test_it_tells_why_it_cannot_serve(gateway, setting, value, message):
    """At the terminal, before it goes into the background."""
    gateway.settings[setting] = value
    gateway.write_conf()
    done = daemonize(gateway)
    assert done.returncode == 1
    assert message in done.stderr
    assert not (gateway.dir / "pid").exists()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_at_the_start_is_not_its_death(gateway, number):
    """A script may reload or stop it as soon as the pid file is there."""
    if SANITIZED or shutil.which("strace") is None:
        pytest.skip("this needs strace, without sanitizers")
    gateway.write_conf()
    assert gateway.compile().returncode == 0
    with open(gateway.log_path, "ab") as log:
        tracer = subprocess.Popen(
            ["strace", "-qq", "-o", "/dev/null", "-e", "trace=pipe2", "-e",
             "inject=pipe2:delay_enter=300000", BIN / "lictord", "-d", "-c",
             gateway.conf], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        pid = wait_until(lambda: next((p for p in children(tracer.pid)
                                       if title(p) == "lictord: master"), None),
                         what="the master")
        kill(pid, number)
        wait_until(lambda: gateway.events("start") or not alive(pid),
                   what="start or death")
        if number == signal.SIGHUP:
            assert alive(pid)
            gateway.wait_event("reload", seconds=2)
            kill(pid, signal.SIGTERM)
        gateway.wait_event("stop", seconds=2, text="stopped")
    finally:
        tracer.terminate()
        tracer.wait()
        wait_until(lambda: is_free(gateway.port), what="the free port")
