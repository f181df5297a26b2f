"""DNS lists from the real rbldnsd: who is listed, and what it counts."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import free_port
from dnsbl import PAUSE, asking, listed, refusals, rules, section, zone
from nsd import Nsd, zones_of
from proc import has_ipv6
from rbldnsd import Rbldnsd
from rbldnsd import zone as data
from rdns import FOREIGN, MESSAGE, OURS, code, listen_both, session

POSTMASTER = "postmaster@example.org"
KEY = "k7h2mq9x4t3bzd6v8w5r"
WEIGHTS = {"one.test": 1, "two.test": 2, "three.test": 3, "allow.test": -2,
           "null.test": 0}


def grid():
    """127.20.A.B is listed with 127.0.A.B."""
    pairs = [(a, b) for a in range(3) for b in range(2, 33)]
    return data(ip4set="".join(f"127.20.{a}.{b} :127.0.{a}.{b}:grid $\n"
                               for a, b in pairs))


def weighted(bit):
    """127.21.0.N is in the lists whose bit N has."""
    return data(ip4set="".join(f"127.21.0.{n}\n" for n in range(1, 32)
                               if n >> bit & 1))


FILTERS = {
    "all": None,
    "one": ("127.0.0.2",),
    "rng": ("127.0.0.4-127.0.0.11",),
    "net": ("127.0.1.0/24",),
    "n30": ("127.0.0.8/30",),
    "bit": ("&0.0.0.6",),
    "b16": ("&0.0.0.16", "127.0.2.2"),
    "bab": ("&0.0.1.1",),
    "mix": ("127.0.0.2-127.0.0.3", "127.0.0.20", "127.0.2.0/28"),
}


def passes(name, a, b):
    """Does the reply 127.0.A.B count by this filter?"""
    return {
        "all": True,
        "one": (a, b) == (0, 2),
        "rng": a == 0 and 4 <= b <= 11,
        "net": a == 1,
        "n30": a == 0 and 8 <= b <= 11,
        "bit": b & 6 == 6,
        "b16": b & 16 == 16 or (a, b) == (2, 2),
        "bab": a & 1 == 1 and b & 1 == 1,
        "mix": (a == 0 and b in (2, 3, 20)) or (a == 2 and b < 16),
    }[name]


@pytest.fixture(scope="module")
def lists():
    """All the lists of this module."""
    zones = {
        "bl.test": data(ip4set="127.22.0.1 :127.0.0.2:spam from $\n"
                               "127.22.0.2 :127.0.0.4:bad $\n"
                               "127.22.0.3 :127.0.0.2:one\n"
                               "127.22.0.3 :127.0.0.4:two\n"
                               "127.22.0.5 :127.0.0.2:\n",
                        ip6trie="::1 :127.0.0.3:six $\n"),
        "other.test": data(ip4set="127.22.0.4 :127.0.0.9:other $\n"
                                  "127.22.0.2 :127.0.0.9:other $\n",
                           ip6trie=""),
        "allowed.test": data(points=False, ip4set="127.22.0.2 :127.0.9.1:\n",
                             ip6trie="::1 :127.0.9.1:\n"),
        "six.test": data(ip6trie="::1 :127.0.0.6:six\n"),
        f"{KEY}.dq.test": data(ip4set="127.22.0.1 :127.0.0.2:spam from $\n"),
        f"{KEY}.ill.test": data(points=False, ip4set="127.22.0.1\n"),
        **{f"{name}.t": grid() for name in FILTERS},
        **{name: weighted(i) for i, name in enumerate(WEIGHTS)},
    }
    with Rbldnsd(zones) as server:
        yield server


@pytest.fixture(scope="module")
def hosts():
    """A listed client has a name."""
    n = Nsd(zones_of({"127.22.0.1": ["listed.example"],
                      "listed.example": ["127.22.0.1"]}))
    yield n
    n.close()


def sessions(g, sources, **kw):
    with ThreadPoolExecutor(16) as pool:
        done = {s: pool.submit(session, g, s, **kw) for s in sources}
        return {s: d.result() for s, d in done.items()}


# ---- one list

@pytest.fixture(scope="module")
def plain(lists):
    with asking(lists.address, zones=["bl.test", zone("other.test")]) as g:
        yield g


def test_listed(plain):
    got = session(plain, "127.22.0.1", to=(OURS, FOREIGN))
    assert got.greeting.startswith("220")
    assert code(got.rcpt[0], "550 5.7.1"), got.rcpt
    assert "your address is listed by bl.test" in got.rcpt[0]
    assert code(got.rcpt[1], "550 5.7.1")  # a foreign domain is no other
    assert listed(got) == {"bl.test": "127.0.0.2"}
    (line,) = refusals(got, test="dnsbl")
    assert " reason=dnsbl " in line and ' reply="550 5.7.1"' in line
    assert rules(line) == [("bl.test", "127.0.0.2")]
    assert " score=1" in line and "to=<alice@example.org>" in line


def test_not_listed(plain):
    got = session(plain, "127.22.0.77", data=MESSAGE)
    assert got.data.startswith("250")
    assert listed(got) == {} and not refusals(got)


def test_several_lists(plain):
    got = session(plain, "127.22.0.2", pause=PAUSE)
    (line,) = refusals(got, test="dnsbl")
    assert rules(line) == [("bl.test", "127.0.0.4"),
                           ("other.test", "127.0.0.9")]
    assert " score=2" in line
    assert "bl.test" in got.rcpt[0]  # the first in the file among equals
    assert listed(got) == {"bl.test": "127.0.0.4", "other.test": "127.0.0.9"}
    got = session(plain, "127.22.0.4")
    assert code(got.rcpt[0], "550 5.7.1") and "other.test" in got.rcpt[0]


def test_several_answers_count_once(plain):
    (line,) = refusals(session(plain, "127.22.0.3"), test="dnsbl")
    assert " score=1" in line and len(rules(line)) == 1


def test_open_recipients_are_spared(plain):
    got = session(plain, "127.22.0.1", to=(POSTMASTER, OURS, "postmaster"),
                  data=MESSAGE)
    assert [r[:3] for r in got.rcpt] == ["250", "550", "250"]
    assert got.data.startswith("250")


def test_no_zone_asks_nobody(lists):
    with asking(lists.address, zones=[]) as g:
        assert session(g, "127.22.0.1").rcpt[0].startswith("250")
        assert "lictord: probe" not in g.titles()


@pytest.mark.parametrize("switch", ("test", "zone"))
def test_off(lists, switch):
    off = {"mode": "off"}
    with asking(lists.address, zones=[
            zone("bl.test", **(off if switch == "zone" else {}))],
            **(off if switch == "test" else {})) as g:
        got = session(g, "127.22.0.1")
        assert got.rcpt[0].startswith("250") and listed(got) == {}
        assert not refusals(got)


# ---- places, soft, warn

def test_at_the_greeting(lists):
    with asking(lists.address, zones=["bl.test"], at="greeting") as g:
        got = session(g, "127.22.0.1")
        assert code(got.greeting, "554 5.7.1"), got.greeting
        assert "listed by bl.test" in got.greeting
        (line,) = refusals(got, test="dnsbl")
        assert rules(line) == [("bl.test", "127.0.0.2")]
        assert ' reply="554 5.7.1"' in line
        assert session(g, "127.22.0.77").rcpt[0].startswith("250")


@pytest.mark.parametrize("at, want", [("greeting", "421 4.7.1"),
                                      ("rcpt", "450 4.7.1")])
def test_soft(lists, at, want):
    with asking(lists.address, zones=["bl.test"], at=at,
                settings={"soft": "true"}) as g:
        got = session(g, "127.22.0.1")
        assert code(got.rcpt[0] if got.rcpt else got.greeting, want)


@pytest.mark.parametrize("at", ("greeting", "rcpt"))
def test_warn(lists, at):
    with asking(lists.address, zones=["bl.test", "other.test"], mode="warn",
                at=at) as g:
        got = session(g, "127.22.0.2", data=MESSAGE)
        assert got.rcpt[0].startswith("250") and got.data.startswith("250")
        (line,) = refusals(got)
        assert " would=reject" in line and " test=dnsbl" in line
        assert rules(line) == [("bl.test", "127.0.0.4"),
                               ("other.test", "127.0.0.9")]
        assert " score=2" in line and " reply=" not in line
        assert listed(got) == {"bl.test": "127.0.0.4",
                               "other.test": "127.0.0.9"}
        got = session(g, "127.22.0.77")
        assert not refusals(got)


def test_a_zone_on_trial(lists):
    """Its verdict is told, and counts nothing."""
    with asking(lists.address, zones=[zone("bl.test", mode="warn"),
                                      "other.test"]) as g:
        got = session(g, "127.22.0.1")
        assert got.rcpt[0].startswith("250")
        (line,) = refusals(got)
        assert " would=reject" in line and " test=dnsbl" in line
        assert rules(line) == [("bl.test", "127.0.0.2")]
        assert listed(got) == {"bl.test": "127.0.0.2"}
        # It turns nothing into a refusal that is one without it.
        got = session(g, "127.22.0.2", pause=PAUSE)
        assert code(got.rcpt[0], "550 5.7.1")
        (line,) = refusals(got)
        assert " reply=" in line and " score=1" in line
        assert ("other.test", "127.0.0.9") in rules(line)
        assert not refusals(session(g, "127.22.0.77"))


def test_an_allow_list_on_trial_allows_nothing(lists):
    with asking(lists.address, zones=[
            "bl.test", zone("allowed.test", mode="warn", weight=-5)]) as g:
        assert code(session(g, "127.22.0.2").rcpt[0], "550 5.7.1")


# ---- filters, weights, threshold

def test_filters(lists):
    """A list of weight nought tells what it saw, and counts nothing; nobody
    waits for it, so that time is given."""
    zones = [zone(f"{name}.t", weight=0,
                  **({"replies": f} if f else {}))
             for name, f in FILTERS.items()]
    clients = {f"127.20.{a}.{b}": (a, b)
               for a in range(3) for b in (*range(2, 13), 16, 20, 24, 31, 32)}
    with asking(lists.address, zones=zones) as g:
        for client, got in sessions(g, clients,
                                    pause=PAUSE).items():
            a, b = clients[client]
            assert got.rcpt[0].startswith("250")
            assert listed(got) == {
                f"{name}.t": f"127.0.{a}.{b}" for name in FILTERS
                if passes(name, a, b)}, client


def test_a_filter_picks_among_the_answers(lists):
    with asking(lists.address, zones=[
            zone("bl.test", replies=["127.0.0.4"])]) as g:
        assert listed(session(g, "127.22.0.3")) == {"bl.test": "127.0.0.4"}
        assert code(session(g, "127.22.0.3").rcpt[0], "550 5.7.1")
        assert session(g, "127.22.0.1").rcpt[0].startswith("250")
        assert not g.events("zone", family="ipv4")


@pytest.mark.parametrize("threshold", (1, 3))
def test_weights(lists, threshold):
    zones = [zone(n, weight=w) for n, w in WEIGHTS.items()]
    with asking(lists.address, zones=zones, threshold=threshold) as g:
        got = sessions(g, [f"127.21.0.{n}" for n in range(32)], pause=PAUSE)
    for n in range(32):
        inside = [z for i, z in enumerate(WEIGHTS) if n >> i & 1]
        score = sum(WEIGHTS[z] for z in inside)
        one = got[f"127.21.0.{n}"]
        assert listed(one) == dict.fromkeys(inside, "127.0.0.2")
        if score < threshold:
            assert one.rcpt[0].startswith("250"), (n, one.rcpt)
            assert not refusals(one)
            continue
        assert code(one.rcpt[0], "550 5.7.1"), (n, one.rcpt)
        (line,) = refusals(one, test="dnsbl")
        assert f" score={score}" in line
        named = [z for z, _ in rules(line)]
        assert {z for z in inside if WEIGHTS[z] > 0} <= set(named) <= \
            set(inside)
        assert named == [z for z in WEIGHTS if z in named]
        most = max(inside, key=WEIGHTS.get)
        assert f"listed by {most}" in one.rcpt[0]


def test_the_threshold_can_be_out_of_reach(lists):
    with asking(lists.address, zones=["bl.test"], threshold=5) as g:
        got = session(g, "127.22.0.1", pause=PAUSE)
        assert got.rcpt[0].startswith("250") and not refusals(got)
        assert listed(got) == {"bl.test": "127.0.0.2"}


@pytest.mark.parametrize("at", ("greeting", "rcpt"))
def test_allow_list(lists, at):
    with asking(lists.address, zones=[
            "bl.test", "other.test", zone("allowed.test", weight=-2)],
            at=at) as g:
        got = session(g, "127.22.0.2", data=MESSAGE, pause=PAUSE)
        assert got.data.startswith("250") and not refusals(got)
        assert listed(got)["allowed.test"] == "127.0.9.1"
        # It spares the DNS lists, and nothing else.
        assert code(session(g, "127.22.0.2", to=(FOREIGN,)).rcpt[0],
                    "550 5.7.1")
        got = session(g, "127.22.0.1")
        assert code(got.rcpt[0] if got.rcpt else got.greeting,
                    "550 5.7.1" if at == "rcpt" else "554 5.7.1")


# ---- IPv6

@pytest.fixture(scope="module")
def six(lists):
    if not has_ipv6():
        pytest.skip("there is no IPv6")
    port = free_port()
    with asking(lists.address, zones=[
            "bl.test", "six.test", zone("one.t", weight=5)],
            settings={"listen": listen_both(port)}) as g:
        g.port = port
        yield g


def test_ipv6(six):
    got = session(six, "::1", pause=PAUSE)
    assert code(got.rcpt[0], "550 5.7.1")
    assert listed(got) == {"bl.test": "127.0.0.3", "six.test": "127.0.0.6"}
    (line,) = refusals(got, test="dnsbl")
    assert rules(line) == [("bl.test", "127.0.0.3"),
                           ("six.test", "127.0.0.6")]


def test_ipv4_beside_ipv6(six):
    got = session(six, "127.22.0.1", pause=PAUSE)
    assert listed(got) == {"bl.test": "127.0.0.2"}
    assert session(six, "127.22.0.77").rcpt[0].startswith("250")


def test_ipv6_allowed(lists):
    if not has_ipv6():
        pytest.skip("there is no IPv6")
    port = free_port()
    with asking(lists.address, zones=[
            "bl.test", zone("allowed.test", weight=-1)],
            settings={"listen": listen_both(port)}) as g:
        g.port = port
        assert session(g, "::1").rcpt[0].startswith("250")


def test_ipv6_text(lists):
    if not has_ipv6():
        pytest.skip("there is no IPv6")
    port = free_port()
    with asking(lists.address, zones=[zone("bl.test", text="$ip: $txt")],
                settings={"listen": listen_both(port)}) as g:
        g.port = port
        assert "550 5.7.1 ::1: six ::1;" in session(g, "::1").rcpt[0]


# ---- keys

@pytest.mark.parametrize("at, shown, text", [
    ("rcpt", None, None), ("rcpt", "dq.example.net", None),
    ("rcpt", None, "listed by $zone: $txt"),
    ("greeting", "dq.example.net", "listed by $zone: $txt")])
def test_keys_are_never_shown(lists, at, shown, text):
    kw = {k: v for k, v in {"show_as": shown, "text": text}.items() if v}
    with asking(lists.address, zones=[zone(f"{KEY}.dq.test", **kw)],
                at=at) as g:
        got = session(g, "127.22.0.1")
        reply = got.rcpt[0] if got.rcpt else got.greeting
        assert reply[0] == "5"
        name = shown or "dq.test"
        assert f"listed by {name}" in reply
        (line,) = refusals(got)
        assert rules(line) == [(name, "127.0.0.2")]
        if got.rcpt:
            assert listed(got) == {name: "127.0.0.2"}
        assert KEY not in reply.lower() and KEY not in g.log().lower()


def test_keys_are_not_shown_of_zones_that_are_ill(lists):
    """Nor by the lines about the zone."""
    with asking(lists.address, zones=[f"{KEY}.ill.test",
                                      f"{KEY}.gone.test"]) as g:
        g.wait_event("zone", zone="ill.test", family="ipv4",
                     reason="lists-nothing")
        g.wait_event("zone", zone="gone.test", family="ipv4",
                     reason="no-answer")
        session(g, "127.22.0.1")
        g.wait_event("zone", zone="ill.test", family="ipv6")
        assert KEY not in g.log().lower()


# ---- what clears, and what costs no question

RELAY = "127.22.0.1\n"


def test_relay_by_address_is_not_asked_about(lists):
    with asking(lists.address, zones=["bl.test"], lists={"relay": RELAY},
                at="greeting") as g:
        got = session(g, "127.22.0.1", to=(OURS, FOREIGN), data=MESSAGE)
        assert got.data.startswith("250")
        assert listed(got) == {} and not refusals(got)


@pytest.mark.parametrize("at", ("greeting", "rcpt"))
def test_relay_by_name_clears(lists, hosts, at):
    with asking(hosts.address, lists.address, zones=["bl.test"], at=at,
                lists={"relay": "listed.example\n"}) as g:
        got = session(g, "127.22.0.1", to=(OURS, FOREIGN), data=MESSAGE)
        assert got.greeting.startswith("220"), got.greeting
        assert [r[:3] for r in got.rcpt] == ["250", "250"]
        assert not refusals(got)
        refused = session(g, "127.22.0.2")
        assert refused.rcpt == [] or refused.rcpt[0][0] == "5"


@pytest.mark.parametrize("at", ("greeting", "rcpt"))
@pytest.mark.parametrize("mode", ("on", "warn"))
def test_an_allow_of_list_names_clears(lists, hosts, at, mode):
    with asking(hosts.address, lists.address, zones=["bl.test"], at=at,
                rdns_mode=mode,
                lists={"names": "listed.example allow\n"}) as g:
        got = session(g, "127.22.0.1")
        if mode == "on":
            assert got.rcpt[0].startswith("250") and not refusals(got)
        else:
            assert (got.rcpt[0] if got.rcpt else got.greeting)[0] == "5"


def test_neither_clears_a_ban(lists, hosts):
    with asking(hosts.address, lists.address, zones=["bl.test"],
                rdns_mode="on", sections=[section("test", "banned",
                                                  at="rcpt")],
                lists={"names": "listed.example allow\n",
                       "banned": "127.22.0.1\n"}) as g:
        got = session(g, "127.22.0.1")
        assert code(got.rcpt[0], "550 5.7.1") and "banned" in got.rcpt[0]
        assert not refusals(got, test="dnsbl") and listed(got) == {}


def test_relay_warn_clears_nothing(lists):
    with asking(lists.address, zones=["bl.test"], lists={"relay": RELAY},
                sections=[section("test", "relay", mode="warn")]) as g:
        got = session(g, "127.22.0.1")
        assert code(got.rcpt[0], "550 5.7.1")
        assert refusals(got, would="relay")


def test_rdns_speaks_first(lists, hosts):
    """Of several refusals the first in the order of tests."""
    with asking(hosts.address, lists.address, zones=["bl.test"],
                rdns_mode="on",
                lists={"names": "listed.example reject\n"}) as g:
        (line,) = refusals(session(g, "127.22.0.1"))
        assert " test=rdns" in line
    # ... of those that speak at the same place.
    with asking(hosts.address, lists.address, zones=["bl.test"],
                rdns_mode="on", at="greeting",
                lists={"names": "listed.example reject\n"}) as g:
        got = session(g, "127.22.0.1")
        assert code(got.greeting, "554 5.7.1")
        assert " test=dnsbl" in refusals(got)[-1]


# ---- data that change

def test_new_data_count_at_once(lists):
    with Rbldnsd({"live.test": data(ip4set="127.22.0.90\n")}) as live:
        with asking(live.address, zones=["live.test"]) as g:
            assert code(session(g, "127.22.0.90").rcpt[0], "550 5.7.1")
            assert session(g, "127.22.0.91").rcpt[0].startswith("250")
            live.change("live.test", **data(ip4set="127.22.0.91\n"))
            assert session(g, "127.22.0.90").rcpt[0].startswith("250")
            assert code(session(g, "127.22.0.91").rcpt[0], "550 5.7.1")
