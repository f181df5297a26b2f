"""Visits of the probe helper to next hops."""

import os
import socket

import pytest

from conftest import is_free, wait_until
from hop import Hop
from test_hop_client import LOCAL

BOTH = ("DSN", "SMTPUTF8")


@pytest.fixture
def hop():
    h = Hop(keywords=BOTH)
    yield h
    h.close()


def serve(gateway, *ports, rules="probe_secs = 1"):
    gateway.keep = True
    route(gateway, *ports)
    gateway.start("workers { min = 1 max = 1 spare = 1 }",
                  *[f'next_hop "127.0.0.1:{p}" {{ {rules} }}' for p in ports])


def route(gateway, *ports):
    gateway.write_lists(routes="".join(
        f"{name} smtp:127.0.0.1:{port}\n"
        for name, port in zip("*ab", ports)))


def offered(gateway):
    with gateway.connect() as c:
        assert c.reply().startswith("220")
        return c.say("EHLO client.example").split("\n")


def offers_both(gateway):
    return {"250-DSN", "250-SMTPUTF8"} <= set(offered(gateway))


def start_again(gateway):
    wait_until(lambda: is_free(gateway.port), what="the end of the old one")
    gateway.launch()
    wait_until(lambda: not is_free(gateway.port), what="the listener")


def test_what_a_hop_can_do_is_known_before_the_first_mail(gateway, hop):
    serve(gateway, hop.port, rules="probe_secs = 300")
    wait_until(lambda: offers_both(gateway), what="DSN and SMTPUTF8")
    assert [line.split()[0] for _, line in hop.lines] == ["EHLO", "QUIT"]
    assert not gateway.events("hop")


def test_it_is_known_after_a_restart_without_the_hop(gateway, hop):
    serve(gateway, hop.port)
    wait_until(lambda: offers_both(gateway), what="DSN and SMTPUTF8")
    gateway.stop()
    hop.close()
    start_again(gateway)
    assert offers_both(gateway)
    wait_until(lambda: gateway.events("hop", state="out"), what="the outage")
    assert offers_both(gateway)  # kept over the outage
    gateway.kill()
    start_again(gateway)
    assert offers_both(gateway)


def test_an_outage_and_its_end_are_logged_once(gateway, hop):
    serve(gateway, hop.port)
    wait_until(lambda: len(hop.said("QUIT")) > 1, what="two visits")
    hop.close()
    wait_until(lambda: gateway.events("hop", state="out"), what="the outage")
    (line,) = gateway.events("hop")
    assert f"next_hop=127.0.0.1:{hop.port} " in line
    assert "Connection refused" in line
    again = Hop(port=hop.port)
    try:
        wait_until(lambda: gateway.events("hop", state="back"), what="its end")
        wait_until(lambda: len(again.said("QUIT")) > 1, what="two visits")
        assert len(gateway.events("hop")) == 2
        assert not {"250-DSN"} & set(offered(gateway))  # it has changed
    finally:
        again.close()


def test_new_routes_lead_to_new_visits(gateway, hop):
    other = Hop(keywords=BOTH)
    try:
        serve(gateway, hop.port)
        wait_until(lambda: hop.said("QUIT"), what="a visit")
        route(gateway, hop.port, other.port)
        gateway.compile()
        offered(gateway)  # a session sees the new lists
        wait_until(lambda: other.said("QUIT"), what="a visit to the other")
    finally:
        other.close()


def test_nobody_is_visited_who_does_not_want_it(gateway, hop):
    serve(gateway, hop.port, rules="probe_secs = 0")
    assert not offers_both(gateway)
    assert not any("probe" in title for title in gateway.titles())
    assert not hop.connections


def test_what_visits_have_seen_is_over_with_them(gateway, hop):
    """Else one that was down then is passed over for ever."""
    other = Hop()
    first = hop.port
    try:
        hop.close()
        gateway.keep = True
        gateway.write_lists(
            routes=f"* smtp:127.0.0.1:{first},127.0.0.1:{other.port}\n")
        for rules in "probe_secs = 1", "probe_secs = 0":
            gateway.start("workers { min = 1 max = 1 spare = 1 }",
                          *[f'next_hop "127.0.0.1:{port}" {{ {rules} }}'
                            for port in (first, other.port)])
            if rules == "probe_secs = 1":
                gateway.wait_event("hop", state="out")
                gateway.stop()
                hop = Hop(port=first)
        wait_until(lambda: not is_free(gateway.port), what="the listener")
        with gateway.connect() as c:
            assert c.helo().message("Subject: x\r\n\r\n").startswith("250 ")
        assert hop.taken and not other.taken
    finally:
        other.close()
        hop.close()


def test_a_pipe_in_place_of_the_old_state_holds_nobody_up(gateway, hop):
    serve(gateway, hop.port)
    wait_until(lambda: offers_both(gateway), what="DSN and SMTPUTF8")
    gateway.stop()
    (gateway.dir / "run/state").unlink()
    os.mkfifo(gateway.dir / "run/state")
    start_again(gateway)
    wait_until(lambda: offers_both(gateway), what="DSN and SMTPUTF8")


def test_a_visit_has_a_proxy_header_of_its_own(gateway):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        serve(gateway, listener.getsockname()[1],
              rules='probe_secs = 60 client = "proxy"')
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(10)
            assert sock.recv(100) == LOCAL
