"""The helper that probes DNS lists, and lists that go out of service."""

import os
import pwd
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import lying_dns as lie
from conftest import SANITIZED, USER, free_port, is_free, wait_until
from dnsbl import (CLEAN, LISTED, Lists, asking, has, listed, question,
                   refusals, wait_probed, zone, zone_events)
from lying_dns import A, NXDOMAIN, address, rcode, silent
from proc import alive, children, has_ipv6, kill, status, title
from rbldnsd import Rbldnsd
from rbldnsd import zone as data
from rdns import code, listen_both, session
from test_pool_confined import descriptors, kinds
from test_rdns_lies import ALONE, BROKEN

ME, BL, AL, NAMES = "127.50.0.1", "bl.test", "al.test", "names.test"
# These drown the answers of others on the same socket.
FLOODS = ("wrong ids only", "1000 times", "flood behind", "flood around")
SOON = {"probe_secs": 10}  # one that is out is probed every second
SIX_LISTED, SIX_CLEAN = "::ffff:7f00:2", "::ffff:7f00:1"
FOUR, SIX, BY_NAME = (LISTED, CLEAN), (SIX_LISTED, SIX_CLEAN), \
    ("test", "invalid")
HEALTHY = {LISTED: address("127.0.0.2"), SIX_LISTED: address("127.0.0.2"),
           "test": address("127.0.0.2")}
NO = rcode(NXDOMAIN)


def helpers(g):
    return [p for p in children(g.process.pid)
            if title(p).startswith("lictord: probe")]


def helper(g):
    (pid,) = wait_until(lambda: helpers(g), what="the helper")
    return pid


def points(dns, name, **answers):
    """Let the list answer so at points; None is as it should be."""
    for point in (LISTED, CLEAN, SIX_LISTED, SIX_CLEAN, "test", "invalid"):
        dns.about(point, name, answers.get(point, HEALTHY.get(point, NO)))


def asked(g, dns, client=ME):
    """The lists that a session asks about its client."""
    dns.forget()
    session(g, client)
    return {n.removeprefix(question(client, "")) for n in
            dns.sessions_asked()}


@pytest.fixture
def dns():
    with Lists(BL, AL, NAMES) as server:
        yield server


# ---- the process

def test_no_list_no_helper(dns):
    off = zone("off.test", mode="off")
    for zones, settings in (([], {}), ([off], {}), ([BL], {"mode": "off"})):
        with asking(dns.address, zones=zones, **settings) as g:
            session(g, ME)
            assert not helpers(g)
    assert not dns.probes_asked("off.test")


def test_the_helper(dns):
    with asking(dns.address, zones=[BL, AL, NAMES]) as g:
        pid = helper(g)
        assert title(pid) == "lictord: probe"
        assert len(helpers(g)) == 1
        wait_probed(dns, BL)
        about, user = status(pid), pwd.getpwnam(USER)
        assert about["PPid"] == str(g.process.pid)
        assert set(about["Uid"].split()) == {str(user.pw_uid)}
        if os.geteuid() == 0:
            assert int(about["CapEff"], 16) == int(about["CapPrm"], 16) == 0
            assert "0" not in about["Groups"].split()
        assert about["NoNewPrivs"] == "1"
        if not SANITIZED:
            assert about["Seccomp"] == "2"
        assert helper(g) == pid  # one for all, and it stays
    assert not alive(pid)


def test_the_helper_holds_what_it_needs(dns):
    """The channel, the log, and a socket while it asks; no list, no
    listener, and nothing of its predecessor's."""
    with asking(dns.address, zones=[BL]) as g:
        for _ in range(2):
            dns.forget()
            wait_until(lambda: len(helpers(g)) == 1, what="one helper")
            held = kinds(g, descriptors(helper(g)))
            assert sorted(set(held) - {"socket", "epoll"}) == ["log", "null"]
            assert held.count("socket") <= 2
            before = helper(g)
            reload(g, BL)
            wait_until(lambda: before not in helpers(g), what="another")


def test_the_helper_goes_with_its_master(dns):
    with asking(dns.address, zones=[BL]) as g:
        g.kills = True
        pid = helper(g)
        wait_probed(dns, BL)
        g.process.kill()
        wait_until(lambda: not alive(pid), what="the end of the helper")
        g.process.wait()
        wait_until(lambda: is_free(g.port), what="the end of the workers")
        g.launch()


@pytest.mark.parametrize("number", (signal.SIGKILL, signal.SIGABRT,
                                    signal.SIGTERM, signal.SIGSTOP))
def test_a_helper_that_dies_is_started_again(dns, number):
    points(dns, BL, **{CLEAN: address("127.0.0.2")})
    with asking(dns.address, zones=[BL], **SOON) as g:
        g.kills = True
        g.wait_event("zone", zone=BL, state="out")
        pid = helper(g)
        if number == signal.SIGSTOP:
            kill(pid, number)  # it is asleep, and then dies
            number = signal.SIGKILL
        kill(pid, number)
        wait_until(lambda: helpers(g) not in ([], [pid]), what="another one")
        # What is out stays so until a probe says else.
        dns.about(ME, BL, "127.0.0.2")
        assert session(g, ME).rcpt[0].startswith("250")
        points(dns, BL)
        g.wait_event("zone", zone=BL, state="back")
        assert code(session(g, ME).rcpt[0], "550 5.7.1")
        assert len(helpers(g)) == 1
        assert len(zone_events(g, BL)) == 2


# ---- the questions

@pytest.mark.parametrize("settings, want", [
    ({}, FOUR + SIX),
    ({"of": ["client"]}, FOUR + SIX),
    ({"of": ["name"]}, BY_NAME),
    ({"of": ["helo"]}, BY_NAME),
    ({"of": ["sender"]}, BY_NAME),
    ({"of": ["client", "name", "helo", "sender"]}, FOUR + SIX + BY_NAME),
    ({"weight": -1}, (CLEAN, SIX_CLEAN)),
    ({"weight": -1, "of": ["helo"]}, ("invalid",)),
    ({"mode": "warn"}, FOUR + SIX),
    ({"weight": 0}, FOUR + SIX),
    ({"probe": ["127.0.0.77", "127.0.0.78"]}, None),
    ({"probe": ["listed.example", "clean.example"], "of": ["sender"]}, None),
    ({"probe": ["2001:db8::2", "2001:db8::1"]}, None),
])
def test_points(dns, settings, want):
    own = settings.get("probe")
    if own:
        dns.about(own[0], BL, "127.0.0.2")
    expected = {question(p, BL) for p in (own or want)}
    with asking(dns.address, zones=[zone(BL, **settings)]) as g:
        wait_until(lambda: expected <= set(dns.names()), what="the points")
        helper(g)
        time.sleep(0.05)
        if not own:
            assert set(dns.names()) == expected
        assert all(q.type == A for q in dns.asked)
        assert not [l for l in g.events("zone")
                    if not own or "family=ipv4" in l and "." in own[0]]


def test_own_points_decide(dns):
    own = ["127.0.0.77", "127.0.0.78"]
    points(dns, BL, **{LISTED: NO, CLEAN: address("127.0.0.2")})
    dns.about(own[0], BL, "127.0.0.9")
    dns.about(ME, BL, "127.0.0.2")
    with asking(dns.address, zones=[zone(BL, probe=own)],
                probe_secs=3600) as g:
        wait_until(lambda: question(own[1], BL) in dns.names(), what="points")
        time.sleep(0.1)
        assert not zone_events(g, BL, family="ipv4")
        assert code(session(g, ME).rcpt[0], "550 5.7.1")
        dns.about(own[1], BL, "127.0.0.9")
        dns.about(ME, BL, "127.255.255.254")
        session(g, ME)  # an error has it probed at once
        g.wait_event("zone", zone=BL, family="ipv4", state="out",
                     reason="lists-everything")


def test_while_all_is_well_nothing_is_said(dns):
    with asking(dns.address, zones=[BL, zone(AL, weight=-1),
                                    zone(NAMES, of=["helo"])],
                probe_secs=10) as g:
        wait_probed(dns, BL, 4)
        wait_probed(dns, AL, 2)
        wait_probed(dns, NAMES, 2)
        session(g, ME)
        assert not g.events("zone")


# ---- lists that are out

REPLY = {"everything": address("127.0.0.2"), "nothing": NO,
         "error": address("127.255.255.254"), "far": address("192.0.2.1"),
         "silent": silent, "servfail": rcode(lie.SERVFAIL)}
OUT = [  # the listed point, the clean one, reason
    ("everything", "everything", "lists-everything"),
    ("nothing", "nothing", "lists-nothing"),
    ("error", "error", "error"),
    ("far", "far", "error"),
    ("everything", "error", "error"),
    ("silent", "silent", "no-answer"),
    ("servfail", "servfail", "no-answer"),
    ("everything", "silent", "no-answer"),
]


def test_out_and_back():
    """Each kind of ill list, all in one gateway."""
    names = [f"z{i}.test" for i in range(len(OUT))]
    with Lists(*names, "good.test") as dns:
        for n, (one, other, _) in zip(names, OUT):
            points(dns, n, **{LISTED: REPLY[one], CLEAN: REPLY[other]})
        for n in names:
            dns.about(ME, n, "127.0.0.2")
        dns.about(ME, "good.test", "127.0.0.2")
        with asking(dns.address, deadline=300, zones=[
                *(zone(n) for n in names), "good.test"], **SOON) as g:
            for n, (_, _, reason) in zip(names, OUT):
                line = g.wait_event("zone", zone=n, state="out")
                assert has(line, family="ipv4")
                assert f" reason={reason}" in line, (n, line)
                if reason == "error":
                    assert " answer=" in line and ' text="' in line
            assert asked(g, dns) == {"good.test"}
            # They are probed again, and nothing new is said.
            for n in names:
                wait_probed(dns, n, 2)
            assert len(g.events("zone")) == len(names)
            dns.healthy(*names)
            for n in names:
                points(dns, n)
            for n in names:
                line = g.wait_event("zone", zone=n, state="back")
                assert has(line, family="ipv4")
            assert asked(g, dns) == {"good.test", *names}
            assert len(g.events("zone")) == 2 * len(names)


@pytest.mark.parametrize("answer, reason", [
    (NO, "lists-nothing"), (address("127.255.255.252"), "error")])
def test_ipv6_out_alone(dns, answer, reason):
    points(dns, BL, **{SIX_LISTED: answer})
    dns.about(ME, BL, "127.0.0.2")
    with asking(dns.address, zones=[BL], **SOON) as g:
        line = g.wait_event("zone", zone=BL, state="out")
        assert has(line, family="ipv6", reason=reason)
        assert code(session(g, ME).rcpt[0], "550 5.7.1")
        assert len(zone_events(g, BL)) == 1
        points(dns, BL)
        if reason == "lists-nothing":
            g.signal(signal.SIGHUP)  # it is not expected to learn IPv6 soon
        assert has(g.wait_event("zone", zone=BL, state="back"),
                   family="ipv6")


@pytest.mark.parametrize("ill", (False, True))
def test_ipv6_clients_and_a_list_of_ipv4(dns, ill):
    if not has_ipv6():
        pytest.skip("there is no IPv6")
    points(dns, BL, **{SIX_LISTED: NO} if ill else {})
    dns.about("::1", BL, "127.0.0.2")
    port = free_port()
    with asking(dns.address, zones=[BL],
                settings={"listen": listen_both(port)}) as g:
        g.port = port
        if ill:
            g.wait_event("zone", zone=BL, state="out", family="ipv6")
        dns.forget()
        got = session(g, "::1")
        assert code(got.rcpt[0], "250 2.1.5" if ill else "550 5.7.1")
        assert dns.sessions_asked() == ([] if ill else
                                        [question("::1", BL)])


def test_ipv4_out_alone(dns):
    """A zone of addresses and names goes on with the names."""
    points(dns, BL, **{CLEAN: address("127.0.0.2")})
    dns.about(ME, BL, "127.0.0.2")
    dns.about("bad.example", BL, "127.0.0.3")
    with asking(dns.address, zones=[zone(BL, of=["client", "helo"])],
                **SOON) as g:
        line = g.wait_event("zone", zone=BL, state="out")
        assert has(line, family="ipv4")
        assert session(g, ME).rcpt[0].startswith("250")
        got = session(g, ME, helo="bad.example")
        assert code(got.rcpt[0], "550 5.7.1")
        assert listed(got) == {BL: "127.0.0.3"}


def test_lists_of_names_out(dns):
    points(dns, NAMES, invalid=address("127.0.1.2"))
    dns.about("bad.example", NAMES, "127.0.0.3")
    with asking(dns.address, zones=[zone(NAMES, of=["helo"])], **SOON) as g:
        line = g.wait_event("zone", zone=NAMES, state="out")
        assert has(line, family="name") and "lists-everything" in line
        assert session(g, ME, helo="bad.example").rcpt[0].startswith("250")
        points(dns, NAMES)
        g.wait_event("zone", zone=NAMES, state="back")
        assert code(session(g, ME, helo="bad.example").rcpt[0], "550 5.7.1")


def test_an_allow_list_that_allows_the_world(dns):
    """Over its quota it says 127.0.10.3 to everything."""
    points(dns, BL)
    dns.about(ME, BL, "127.0.0.2")
    for point in (LISTED, CLEAN, SIX_LISTED, SIX_CLEAN):
        dns.about(point, AL, "127.0.10.3")
    dns.about(ME, AL, "127.0.10.3")
    with asking(dns.address, zones=[BL, zone(AL, weight=-9)], **SOON) as g:
        line = g.wait_event("zone", zone=AL, family="ipv4", state="out")
        assert " reason=lists-everything" in line
        assert code(session(g, ME).rcpt[0], "550 5.7.1")


def test_an_allow_list_needs_no_listed_point(dns):
    points(dns, AL, **{LISTED: NO, SIX_LISTED: NO})
    dns.about(ME, BL, "127.0.0.2")
    dns.about(ME, AL, "127.0.10.3")
    with asking(dns.address, zones=[BL, zone(AL, weight=-9)], **SOON) as g:
        wait_probed(dns, AL, 2)
        assert session(g, ME).rcpt[0].startswith("250")
        assert not g.events("zone")


def test_until_the_first_probe_ends_a_zone_is_asked(dns):
    points(dns, BL, **{LISTED: silent, CLEAN: silent})
    dns.about(ME, BL, "127.0.0.2")
    with asking(dns.address, zones=[BL], deadline=3000) as g:
        assert code(session(g, ME).rcpt[0], "550 5.7.1")
        assert not zone_events(g, BL, family="ipv4")


def test_a_probe_that_is_lost_is_sent_again(dns):
    """One lost packet puts no list out."""
    seen = set()

    def lossy(inner):
        def tell(q):
            if q.name in seen:
                return inner(q)
            seen.add(q.name)
            return []
        return tell

    points(dns, BL, **{LISTED: lossy(HEALTHY[LISTED]), CLEAN: lossy(NO)})
    with asking(dns.address, zones=[BL], deadline=2000) as g:
        wait_until(lambda: dns.names().count(question(CLEAN, BL)) >= 2,
                   what="a second question")
        time.sleep(0.1)
        assert not g.events("zone")


def test_lies_to_the_helper():
    """It outlives them all, and puts out what did not answer."""
    rows = [row for k, row in BROKEN.items()
            if k not in (*FLOODS, "too late")]
    rows += [(lambda inner, what=what: what,
              "unknown" if states == "unknown" else "any")
             for k, (what, states, _) in ALONE.items() if k != "60000 octets"]
    names = {f"b{i}.test": row for i, row in enumerate(rows)}
    with Lists() as dns:
        for n, (spoil, _) in names.items():
            points(dns, n, **{LISTED: spoil(HEALTHY[LISTED]),
                              CLEAN: spoil(NO)})
        with asking(dns.address, zones=names, deadline=2000) as g:
            pid = helper(g)
            silent = {n for n, (_, s) in names.items() if s == "unknown"}
            wait_until(lambda: silent <= {
                n for n in names if zone_events(g, n, family="ipv4")},
                what="a line of each")
            for n in silent:
                (line,) = zone_events(g, n, family="ipv4")
                assert has(line, state="out", reason="no-answer"), line
            assert not [n for n, (_, s) in names.items() if s == "name" and
                        zone_events(g, n, family="ipv4")]
            assert helpers(g) == [pid]
            assert session(g, ME).rcpt[0].startswith("250")


@pytest.mark.parametrize("which", FLOODS)
def test_a_flood_to_the_helper(dns, which):
    spoil = BROKEN[which][0]
    points(dns, BL, **{LISTED: spoil(HEALTHY[LISTED]), CLEAN: spoil(NO)})
    with asking(dns.address, zones=[BL], deadline=400) as g:
        pid = helper(g)
        wait_probed(dns, BL, 4)
        assert session(g, ME).rcpt[0].startswith("250")
        assert helpers(g) == [pid]


def test_a_dead_name_server_before_a_good_one(dns):
    with Lists(default=silent) as dead:
        with asking(dead.address, dns.address, zones=[BL],
                    deadline=1500) as g:
            wait_probed(dns, BL, 4)
            time.sleep(0.1)
            assert not g.events("zone")


# ---- dead DNS, reload

def test_dead_dns_delays_no_start():
    with Lists(default=silent) as dead:
        begun = time.monotonic()
        with asking(dead.address, zones=[f"z{i}.test" for i in range(20)],
                    deadline=400) as g:
            assert time.monotonic() - begun < (5 if SANITIZED else 2)
            got = session(g, ME)
            assert got.rcpt[0].startswith("250")
            # All of them go out; from then on nothing is waited for.
            wait_until(lambda: len(g.events("zone", family="ipv4",
                                            state="out")) == 20,
                       what="twenty lines")
            got = session(g, ME)
            assert got.rcpt[0].startswith("250") and got.data_ms < 300


def test_dead_dns_delays_no_end():
    with Lists(default=silent) as dead:
        with asking(dead.address, zones=[BL], deadline=5000) as g:
            wait_probed(dead, BL, 4)
            begun = time.monotonic()
            g.stop()
            assert time.monotonic() - begun < (3 if SANITIZED else 0.7)
            g.launch()


def test_a_new_master_begins_anew(dns):
    """What one knew of the lists is not what the next one finds."""
    points(dns, BL, **{CLEAN: address("127.0.0.2")})
    dns.about(ME, BL, "127.0.0.2")
    with asking(dns.address, zones=[BL]) as g:
        g.wait_event("zone", zone=BL, state="out")
        assert session(g, ME).rcpt[0].startswith("250")
        points(dns, BL)
        g.stop()
        g.launch()
        wait_until(lambda: not is_free(g.port), what="the new master")
        wait_until(lambda: session(g, ME).rcpt[0].startswith("550"),
                   what="a list that is asked")
        assert len(zone_events(g, BL)) == 1


def test_a_list_server_that_stops_and_comes_back():
    with Rbldnsd({BL: data(ip4set=f"{ME}\n", ip6trie="")}) as server:
        with asking(server.address, zones=[BL], deadline=500, **SOON) as g:
            assert code(session(g, ME).rcpt[0], "550 5.7.1")
            server.stop()
            g.signal(signal.SIGHUP)  # has it probed now
            g.wait_event("zone", zone=BL, family="ipv4", state="out",
                         reason="no-answer")
            got = session(g, ME)
            assert got.rcpt[0].startswith("250") and got.data_ms < 400
            server.start()
            g.wait_event("zone", zone=BL, family="ipv4", state="back")
            assert code(session(g, ME).rcpt[0], "550 5.7.1")


def reload(g, *zones):
    sections = [s for s in g.sections if not s.startswith("dnsbl ")]
    g.sections = sections + [zone(z) if " " not in z else z for z in zones]
    g.write_conf()
    before = len(g.events("reload"))
    g.signal(signal.SIGHUP)
    g.wait_for_more("reload", before)


def test_reload(dns):
    points(dns, AL, **{CLEAN: address("127.0.0.2")})
    with asking(dns.address, zones=[BL], deadline=3000, **SOON) as g:
        wait_probed(dns, BL, 4)
        assert asked(g, dns) == {BL}
        dns.forget()
        reload(g, BL, AL, NAMES)
        for n in (BL, AL, NAMES):
            wait_probed(dns, n, 4)
        g.wait_event("zone", zone=AL, family="ipv4", state="out")
        wait_until(lambda: asked(g, dns) == {BL, NAMES},
                   what="the new lists")
        wait_until(lambda: len(helpers(g)) == 1, what="the old one's end")
        # A reload alone brings none back and puts none out, wherever they
        # stand now: the points tell nothing for a while.
        for n in (AL, NAMES):
            points(dns, n, **dict.fromkeys(FOUR + SIX, silent))
        reload(g, AL, NAMES)
        wait_until(lambda: asked(g, dns) == {NAMES}, what="fewer lists")
        assert not zone_events(g, AL, state="back")
        points(dns, NAMES)
        reload(g)
        wait_until(lambda: not helpers(g), what="no helper")
        wait_until(lambda: not asked(g, dns), what="no lists")
        reload(g, NAMES)
        helper(g)
        wait_until(lambda: asked(g, dns) == {NAMES}, what="a list again")


def test_a_reload_that_fails_changes_nothing(dns):
    dns.about(ME, BL, "127.0.0.2")
    with asking(dns.address, zones=[BL]) as g:
        pid = helper(g)
        g.sections = [*g.sections, zone(BL)]  # twice
        g.write_conf()
        before = len(g.events("reload"))
        g.signal(signal.SIGHUP)
        g.wait_for_more("reload", before)
        assert helper(g) == pid
        assert code(session(g, ME).rcpt[0], "550 5.7.1")


# ---- a list that lists nearly everybody

def wave(g, networks=21, each=5, first=100):
    """Sessions of so many networks, all at once; what they heard."""
    clients = [f"127.{first + n}.0.{h + 7}" for n in range(networks)
               for h in range(each)]
    with ThreadPoolExecutor(16) as pool:
        return [got.rcpt[0][:3] for got in
                pool.map(lambda c: session(g, c), clients)]


WAVE = "".join(f"127.{100 + n}.0.0/16\n" for n in range(22))


def test_a_wave_is_no_fault():
    """All are listed, and the clean point is not: it stays."""
    with Rbldnsd({BL: data(ip4set=WAVE, ip6trie="")}) as server:
        with asking(server.address, zones=[BL]) as g:
            assert set(wave(g)) == {"550"}
            g.wait_event("zone", zone=BL, state="surge")
            time.sleep(0.3)
            assert len(zone_events(g, BL)) == 1
            assert code(session(g, "127.100.0.1").rcpt[0], "550 5.7.1")
            assert session(g, ME).rcpt[0].startswith("250")


def test_a_list_that_lists_the_world():
    """The surge has it probed, long before its time."""
    with Rbldnsd({BL: data(points=False, ip4set=WAVE, ip6trie="")}) as server:
        with asking(server.address, zones=[BL], probe_secs=3600) as g:
            g.wait_event("zone", zone=BL, state="out")
            server.change(BL, **data(ip4set=WAVE, ip6trie=""))
            g.signal(signal.SIGHUP)
            g.wait_event("zone", zone=BL, family="ipv4", state="back")
            server.change(BL, **data(ip4set="127.0.0.0/8\n", ip6trie=""))
            assert "550" in set(wave(g))
            g.wait_event("zone", zone=BL, family="ipv4", state="out",
                         reason="lists-everything")
            assert zone_events(g, BL, state="surge")
            wait_until(lambda: session(g, ME).rcpt[0].startswith("250"),
                       what="a list that is not asked")
            server.change(BL, **data(ip4set=WAVE, ip6trie=""))
            g.signal(signal.SIGHUP)
            g.wait_event("zone", zone=BL, state="back")
            wait_until(lambda: code(session(g, "127.100.0.1").rcpt[0],
                                    "550 5.7.1"), what="a list again")


@pytest.mark.parametrize("networks, each, clean", [
    (5, 21, 0), (21, 4, 0), (25, 5, 35)])
def test_what_is_no_surge(networks, each, clean):
    """Too few networks, too few sessions, too few that are listed."""
    with Rbldnsd({BL: data(ip4set=WAVE + "".join(
            f"127.{100 + n}.0.0/16\n" for n in (22, 23, 24)),
            ip6trie="")}) as server:
        with asking(server.address, zones=[BL]) as g:
            if clean:
                wave(g, 1, clean, first=90)
            wave(g, networks, each)
            session(g, ME)
            assert not zone_events(g, BL)


def test_a_surge_of_an_allow_list():
    """The clean point decides, there as well."""
    allowing = data(points=False, ip4set="127.0.0.0/8\n!127.0.0.1\n",
                    ip6trie="")
    with Rbldnsd({AL: allowing,
                  BL: data(ip4set=WAVE, ip6trie="")}) as server:
        with asking(server.address, zones=[BL, zone(AL, weight=-1)]) as g:
            assert set(wave(g)) == {"250"}
            g.wait_event("zone", zone=AL, state="surge")
            time.sleep(0.2)
            assert not g.events("zone", state="out", family="ipv4")
            got = session(g, "127.100.0.1")
            assert got.rcpt[0].startswith("250") and not refusals(got)
