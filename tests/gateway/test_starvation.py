"""Nobody outside holds a worker, or the whole gateway, beyond its time."""

import os
import signal
import subprocess
import time

from conftest import BIN, wait_until
from hop import Hop

from test_kill_lists import copy_generation, swing


def test_a_slow_hop_does_not_outlive_the_session(gateway):
    hop = Hop({"RCPT": (6.0, "250 2.1.5 ok")})
    try:
        gateway.write_lists(routes=f"* smtp:127.0.0.1:{hop.port}\n")
        gateway.start("timeouts { session_secs = 2 }")
        begun = time.monotonic()
        with gateway.connect() as c:
            c.helo()
            assert c.say("MAIL FROM:<a@b.example>").startswith("250")
            assert c.say("RCPT TO:<alice@example.org>").startswith("451 4.3.0")
            assert c.reply().startswith("421 4.4.2")
        assert time.monotonic() - begun < 5
    finally:
        hop.close()


def test_a_session_without_time_says_nothing_of_the_hop(gateway):
    """Or a client who asks at its last moment shuts the hop for a minute."""
    hop = Hop({"greeting": (1.0, "220 hop.example ESMTP")}, {})
    try:
        gateway.write_lists(routes=f"* smtp:127.0.0.1:{hop.port}\n")
        gateway.start("timeouts { session_secs = 1 }")
        with gateway.connect() as c:
            c.helo()
            time.sleep(0.5)
            assert c.say("MAIL FROM:<a@b.example>").startswith("250")
            assert c.say("RCPT TO:<alice@example.org>").startswith("451 4.3.0")
        with gateway.connect() as c:
            assert c.helo().message("Subject: x\r\n\r\n").startswith("250 ")
    finally:
        hop.close()


def test_a_log_that_nobody_reads_stops_nothing(gateway):
    """Lines are dropped and counted; sessions and SIGTERM go on."""
    gateway.start()
    gateway.stop()
    daemon = subprocess.Popen([BIN / "lictord", "-d", "-c", gateway.conf],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        assert b"event=start" in daemon.stderr.readline()
        for _ in range(600):  # more than a pipe holds
            with gateway.connect() as c:
                assert c.reply().startswith("220 ")
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(5)
    finally:
        daemon.kill()
        daemon.communicate()


def test_a_list_that_could_not_be_opened_is_tried_again(gateway):
    """Only damage is for ever; a missing right may come back."""
    gateway.start("workers { min = 1 max = 1 spare = 1 }")
    new = copy_generation(gateway, 7000)
    (new / "banned.cdb").chmod(0)
    swing(gateway, "generations/7000")
    with gateway.connect() as c:
        c.helo()
    if os.geteuid() != 0 or gateway.events("list", text='"generations/7000'):
        gateway.wait_event("list")
    (new / "banned.cdb").chmod(0o644)
    with gateway.connect() as c:
        c.helo()
    wait_until(lambda: "generations/7000 is in force" in gateway.log(),
               what="the new lists")
