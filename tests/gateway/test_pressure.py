"""When nearly all workers are busy, and who may hold how many of them."""

import time

from conftest import wait_until
from raw import CLOSED, DATA, HELLO, RawClient, serving

POOL = "workers { min = 3  max = 3  spare = 1 }"
LATE = f"421 4.4.2 | {CLOSED}"


def test_deadlines_shrink_for_those_who_wait_already():
    with serving(POOL, "timeouts { command_secs = 60  data_secs = 60"
                 "  busy_secs = 1 }") as g:
        first, second = g.open("127.0.0.5"), g.open("127.0.0.6")
        first.steps(*HELLO)
        second.steps(*DATA)
        time.sleep(1.3)  # one worker is free: nobody is hurried
        first.steps((b"NOOP\r\n", "250"))
        assert not g.events("load")
        third = g.open("127.0.0.7")
        begun = time.monotonic()
        for c in (first, second, third):
            c.expect(LATE)
        assert time.monotonic() - begun < 20, "they had a minute"
        g.wait_event("load", state="pressed", busy="3")
        g.wait_event("load", state="eased")
        g.wait_event("session", end="timeout-data")
        for c in (first, second, third):
            c.close()
        g.play(*HELLO)


def test_answers_are_not_kept_back_under_pressure():
    with serving(POOL, "limits { slow_after = 0  slow_ms = 10000 }",
                 'test "early_talker" { mode = "on"  greet_pause = 30000 }',
                 lists={"relay": "127.0.0.2\n"}) as g:
        clients = [g.open("127.0.0.2") for _ in range(3)]
        g.wait_event("load", state="pressed")
        clients[0].in_step()
        clients[0].close()
        wait_until(lambda: g.events("session"), what="a free worker")
        with g.open("127.0.0.5") as c:
            c.steps(*HELLO, (b"BLAH\r\n", "500"), (b"NOOP\r\n", "250"))
            c.in_step()
        for c in clients[1:]:
            c.close()


def test_one_client_cannot_take_all_workers():
    with serving(POOL, "limits { per_client = 50 }",
                 lists={"relay": "127.0.0.2\n"}) as g:
        held = [g.open("127.0.0.5") for _ in range(2)]
        for _ in range(2):
            with RawClient(g.port, "127.0.0.5") as c:
                c.expect(f"421 4.7.0 | {CLOSED}")
        with g.open("127.0.0.6") as c:
            c.steps(*HELLO)
            c.in_step()
        for c in held:
            c.in_step()
            c.close()
        wait_until(lambda: len(g.events("session")) == 3)
        relays = [g.open("127.0.0.2") for _ in range(3)]
        for c in relays:
            c.in_step()
            c.close()


def test_unless_there_is_no_limit():
    with serving(POOL, "limits { per_client = 0 }") as g:
        held = [g.open("127.0.0.5") for _ in range(3)]
        for c in held:
            c.in_step()
            c.close()
