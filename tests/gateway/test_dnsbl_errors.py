"""DNS lists that answer with an error, or with lies: never a refusal."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import lying_dns as lie
from conftest import SANITIZED, wait_until
from dnsbl import (TXT, Lists, asking, listed, question, refusals, rules,
                   wait_probed, zone, zone_events)
from lying_dns import A, CNAME, address, rcode, silent
from rdns import OURS, code, session
from test_rdns_lies import ALONE, BROKEN

DEADLINE = 300
FLOODS = ("wrong ids only", "1000 times", "flood behind", "flood around")
SLACK = 1500 if SANITIZED else 600  # ms

# ---- replies that are no listing

ERRORS = {
    "typo": "127.255.255.252",
    "public": "127.255.255.254",
    "volume": "127.255.255.255",
    "low": "127.255.255.0",
    "blocked": "127.0.0.1",
    "uribl": "127.0.1.255",
    "parked": "192.0.2.80",
    "any": "0.0.0.0",
    "ones": "255.255.255.255",
    "below": "126.255.255.255",
    "above": "128.0.0.0",
}
GOOD = {"low-edge": "127.0.0.0", "two": "127.0.0.2", "by-one": "127.0.1.254",
        "high": "127.255.254.255", "dbl": "127.0.1.2", "dnswl": "127.0.10.3",
        "quota": "127.0.0.255"}


def client(n):
    return f"127.40.{n // 200}.{n % 200 + 2}"


@pytest.fixture(scope="module")
def dns():
    """Client n hears reply n of the table from a list of its own."""
    names = [f"{k}.test" for k in (*ERRORS, *GOOD)] + ["mixed.test"]
    with Lists(*names) as server:
        for n, (k, reply) in enumerate((ERRORS | GOOD).items()):
            server.about(client(n), f"{k}.test", reply)
        yield server


@pytest.mark.parametrize("unknown", ("pass", "defer"))
@pytest.mark.parametrize("at", ("greeting", "rcpt"))
def test_error_replies(dns, unknown, at):
    zones = [zone(f"{k}.test") for k in (*ERRORS, *GOOD)]
    with asking(dns.address, zones=zones, unknown=unknown, at=at) as g:
        for _ in range(2):
            for n, (k, reply) in enumerate((ERRORS | GOOD).items()):
                got = session(g, client(n))
                heard = got.rcpt[0] if got.rcpt else got.greeting
                if k in GOOD:
                    assert heard[0] == "5", (k, heard)
                elif unknown == "pass":
                    assert heard.startswith("250"), (k, heard)
                    assert not refusals(got) and listed(got) == {}
                else:
                    assert code(heard, "450 4.4.3" if at == "rcpt"
                                else "421 4.4.3"), (k, heard)
                    assert " reason=dnsbl-unknown" in refusals(got)[0]
        for k, reply in ERRORS.items():
            wait_until(lambda: zone_events(g, f"{k}.test"), what=k)
            (line,) = zone_events(g, f"{k}.test")
            assert f" state=error answer={reply} " in line
            assert ' text="' in line
            assert f"lictord[{g.process.pid}]" in line  # from the master
        for k in GOOD:
            assert not zone_events(g, f"{k}.test")


def test_each_error_has_a_meaning_of_its_own(dns):
    """The three of 127.255.255.0/24 that everybody meets are told apart."""
    keys = ("typo", "public", "volume", "blocked", "parked")
    with asking(dns.address, zones=[f"{k}.test" for k in keys]) as g:
        texts = set()
        for n, k in enumerate(ERRORS):
            if k in keys:
                session(g, client(n))
                line = g.wait_event("zone", zone=f"{k}.test")
                texts.add(line.split(" text=")[1])
        assert len(texts) == len(keys), texts


def test_an_error_costs_one_line_and_one_probe(dns):
    dns.forget()
    with asking(dns.address, zones=["public.test"]) as g:
        wait_probed(dns, "public.test")
        dns.forget()
        n = list(ERRORS).index("public")
        for _ in range(5):
            session(g, client(n))
        wait_probed(dns, "public.test")
        assert len(g.events("zone")) == 1
        assert len(dns.probes_asked("public.test")) <= 8
        # The points are as they should be: it stays in service.
        dns.about(client(77), "public.test", "127.0.0.2")
        assert code(session(g, client(77)).rcpt[0], "550 5.7.1")


@pytest.mark.parametrize("filters", ([], ["127.0.0.2"]))
def test_an_error_spoils_the_others(filters):
    mixtures = [("127.0.0.2", "127.255.255.254"),
                ("127.255.255.254", "127.0.0.2"),
                ("127.0.0.2", "192.0.2.1"), ("127.0.0.1", "127.0.0.2")]
    with Lists("bl.test") as dns:
        for n, replies in enumerate(mixtures):
            dns.about(client(n), "bl.test", *replies)
        with asking(dns.address, unknown="defer", zones=[
                zone("bl.test", **({"replies": filters} if filters else {}))
                ]) as g:
            for n in range(len(mixtures)):
                assert code(session(g, client(n)).rcpt[0], "450 4.4.3"), n


def test_errors_in_turn_are_one_line(dns):
    """A zone that answers now this and now that does not fill the log."""
    for n in range(6):
        dns.about(client(80 + n), "mixed.test",
                  f"127.255.255.{252 + 2 * (n % 2)}")
    with asking(dns.address, zones=["mixed.test"]) as g:
        for n in range(6):
            assert session(g, client(80 + n)).rcpt[0].startswith("250")
        g.wait_event("zone", zone="mixed.test", state="error")
        assert len(g.events("zone")) <= 2


def test_a_filter_makes_no_listing_of_an_error(dns):
    """Whoever writes 127.0.0.0/8 does not mean the error replies."""
    zones = [zone(f"{k}.test", replies=["127.0.0.0/8", "&0.0.0.1"])
             for k in ERRORS]
    with asking(dns.address, zones=zones, unknown="defer") as g:
        for n, k in enumerate(ERRORS):
            assert code(session(g, client(n)).rcpt[0], "450 4.4.3"), k


# ---- allow lists

@pytest.mark.parametrize("unknown, want", [("pass", "250"),
                                           ("defer", "450")])
def test_errors_of_an_allow_list(unknown, want):
    """An allow list that fails neither allows nor refuses for good."""
    errors = [*ERRORS.values(), "127.0.0.255"]
    names = [f"a{n}.test" for n in range(len(errors))]
    with Lists("bl.test", "good.test", *names) as dns:
        for n, (name, reply) in enumerate(zip(names, errors)):
            dns.about(client(n), "bl.test", "127.0.0.2")
            dns.about(client(n), name, reply)
        dns.about(client(99), "bl.test", "127.0.0.2")
        dns.about(client(99), "good.test", "127.0.10.3")
        with asking(dns.address, unknown=unknown, zones=[
                "bl.test", *(zone(n, weight=-5)
                             for n in ("good.test", *names))]) as g:
            for n, (name, reply) in enumerate(zip(names, errors)):
                got = session(g, client(n), to=(OURS,
                                                "postmaster@example.org"))
                assert got.rcpt[0].startswith(want), (reply, got.rcpt)
                assert got.rcpt[1].startswith("250")
                line = g.wait_event("zone", zone=name, state="error")
                assert f" answer={reply} " in line
            assert session(g, client(99)).rcpt[0].startswith("250")


def test_a_reply_that_a_filter_leaves_out_allows_nothing():
    with Lists("bl.test", "dnswl.test") as dns:
        dns.about(client(1), "bl.test", "127.0.0.2")
        dns.about(client(1), "dnswl.test", "127.0.10.0")
        with asking(dns.address, zones=["bl.test", zone(
                "dnswl.test", weight=-5, replies=["127.0.10.1-127.0.10.3"])
                ]) as g:
            assert code(session(g, client(1)).rcpt[0], "550 5.7.1")


def test_an_allow_list_may_be_silent_where_nothing_is_refused():
    with Lists("bl.test", "dnswl.test") as dns:
        dns.about(client(1), "dnswl.test", silent)
        with asking(dns.address, deadline=3000, unknown="defer", zones=[
                "bl.test", zone("dnswl.test", weight=-5)]) as g:
            got = session(g, client(1))
            assert got.rcpt[0].startswith("250") and got.data_ms < SLACK


# ---- every other lie: unknown, a listing or none

@pytest.fixture(scope="module")
def liar():
    with Lists("bl.test") as server:
        yield server


@pytest.fixture(scope="module")
def deferring(liar):
    with asking(liar.address, zones=["bl.test"], unknown="defer",
                deadline=DEADLINE) as g:
        yield g


def together(*lies):
    return lambda q: [reply for l in lies for reply in l(q)]


def cname(target, *records, order=1):
    """An alias to the target, and records of it."""
    def tell(q):
        rrs = [lie.rr(lie.POINTER, CNAME, lie.wire(target))]
        rrs += [lie.address_rr(lie.wire(target), a) for a in records]
        return [(0, lie.packet(q, *rrs[::order]))]
    return tell


def chain(length, last="127.0.0.2"):
    """One alias after another, and an address at the end."""
    def tell(q):
        owner, rrs = lie.POINTER, []
        for i in range(length):
            target = lie.wire(f"c{i}.example")
            rrs.append(lie.rr(owner, CNAME, target))
            owner = target
        return [(0, lie.packet(q, *rrs, lie.address_rr(owner, last)))]
    return tell


def other_name(q):
    return [(0, lie.packet(q, lie.address_rr(lie.wire("other.example"),
                                             "127.0.0.2")))]


def length(octets):
    data = (b"\x7f\0\0\2" * 5)[:octets]
    return lambda q: [(0, lie.packet(q, lie.rr(lie.POINTER, A, data)))]


LISTING = address("127.0.0.2")
NEXT, REFUSED, UNKNOWN = "250", "550", "450"
LIES = {
    **{f"spoilt: {k}": (spoil(LISTING), {
        "unknown": {UNKNOWN}, "name": {REFUSED},
        "name unknown": {REFUSED, UNKNOWN}}[states])
       for k, (spoil, states) in BROKEN.items()},
    **{f"nonsense: {k}": (what, {
        "none": {NEXT}, "unknown": {UNKNOWN}}.get(states, {NEXT, UNKNOWN}))
       for k, (what, states, _) in ALONE.items()},
    # An alias with its address is a listing; without, nothing is made up.
    "cname": (cname("x.example", "127.0.0.2"), {REFUSED}),
    "cname, error": (cname("x.example", "127.255.255.254"), {UNKNOWN}),
    "cname, backwards": (cname("x.example", "127.0.0.2", order=-1),
                         {REFUSED, NEXT, UNKNOWN}),
    "cname alone": (cname("x.example"), {NEXT, UNKNOWN}),
    "cname to itself": (lambda q: cname(q.name)(q), {NEXT, UNKNOWN}),
    "chain of 3": (chain(3), {REFUSED}),
    "chain of 3, error": (chain(3, "127.0.0.1"), {UNKNOWN}),
    "chain of 300": (chain(300), {REFUSED, UNKNOWN}),
    "another's record": (other_name, {NEXT, UNKNOWN}),
    "short address": (length(3), {NEXT, UNKNOWN}),
    "no address": (length(0), {NEXT, UNKNOWN}),
    "long address": (length(16), {NEXT, UNKNOWN}),
    "text for an address": (lambda q: [(0, lie.packet(
        q, lie.rr(lie.POINTER, TXT, b"\x03abc")))], {NEXT, UNKNOWN}),
    "AAAA for an address": (lambda q: [(0, lie.packet(
        q, lie.address_rr(lie.POINTER, "::2")))], {NEXT, UNKNOWN}),
    "twice": (address("127.0.0.2", "127.0.0.2"), {REFUSED}),
    "NXDOMAIN with an address": (lambda q: [(0, lie.packet(
        q, lie.address_rr(lie.POINTER, "127.0.0.2"), flags=0x8183))],
        {NEXT, UNKNOWN}),
    "SERVFAIL with an address": (lambda q: [(0, lie.packet(
        q, lie.address_rr(lie.POINTER, "127.0.0.2"), flags=0x8182))],
        {UNKNOWN}),
    "SERVFAIL, then a listing": (together(rcode(2), LISTING),
                                 {UNKNOWN, REFUSED}),
    "delayed": (lie.delayed(100, LISTING), {REFUSED}),
}


def test_lies(deferring, liar):
    """All of them at once, so that their deadlines are one."""
    addresses = {k: client(n) for n, k in enumerate(LIES)}
    for k, (what, _) in LIES.items():
        liar.about(addresses[k], "bl.test", what)
    calm = [k for k in LIES if k.removeprefix("spoilt: ") not in FLOODS]
    with ThreadPoolExecutor(12) as pool:
        done = {k: pool.submit(session, deferring, addresses[k])
                for k in calm}
        results = {k: d.result() for k, d in done.items()}
    for k in LIES:  # the floods would drown the others' answers
        if k not in results:
            results[k] = session(deferring, addresses[k])
    wrong = [(k, got.rcpt) for k, got in results.items()
             if got.rcpt[0][:3] not in LIES[k][1]]
    assert not wrong, wrong
    for k, got in results.items():
        assert got.data_ms < DEADLINE + SLACK, k
        if got.rcpt[0].startswith("550"):
            assert rules(refusals(got)[0]) == [("bl.test", "127.0.0.2")]
        elif got.rcpt[0].startswith("450"):
            assert code(got.rcpt[0], "450 4.4.3")
            assert " reason=dnsbl-unknown" in refusals(got)[0]
        else:
            assert listed(got) == {}
    assert not deferring.events("worker")


def test_random_octets(deferring, liar):
    """Replies with some octets changed: any verdict, and no harm."""
    for seed in range(60):
        liar.about(client(400 + seed), "bl.test",
                   lie.mutated(seed, address("127.0.0.2", "127.0.0.4")))
    with ThreadPoolExecutor(12) as pool:
        for got in pool.map(lambda n: session(deferring, client(400 + n)),
                            range(60)):
            assert got.rcpt[0][:3] in (NEXT, REFUSED, UNKNOWN)
            for name, reply in listed(got).items():
                assert name == "bl.test" and reply.startswith("127.")
    assert not deferring.events("worker")


def test_an_answer_about_another_client(deferring, liar):
    """What one client hears is not taken for another's answer."""
    def others(q):
        about = lie.wire(question(client(399), "bl.test"))
        section = about + q.section[-4:]
        return [(0, lie.packet(q, lie.address_rr(lie.POINTER, "127.0.0.2"),
                               section=section))]
    liar.about(client(398), "bl.test", others)
    assert code(session(deferring, client(398)).rcpt[0], "450 4.4.3")


# ---- unknown: pass or defer

FAILURES = {"SERVFAIL": rcode(lie.SERVFAIL), "REFUSED": rcode(lie.REFUSED),
            "silent": silent, "truncated": lie.truncated(LISTING),
            "wrong id": lie.wrong_id(LISTING)}


@pytest.mark.parametrize("mode", ("on", "warn"))
@pytest.mark.parametrize("unknown", ("pass", "defer"))
@pytest.mark.parametrize("at, want", [("greeting", "421 4.4.3"),
                                      ("rcpt", "450 4.4.3")])
def test_unknown(liar, unknown, at, want, mode):
    for n, what in enumerate(FAILURES.values()):
        liar.about(client(300 + n), "bl.test", what)
    with asking(liar.address, zones=["bl.test"], unknown=unknown, at=at,
                mode=mode, deadline=DEADLINE) as g:
        with ThreadPoolExecutor(8) as pool:
            for got in pool.map(lambda n: session(
                    g, client(300 + n), to=(OURS, "postmaster@example.org")),
                    range(len(FAILURES))):
                if unknown == "pass" or mode == "warn":
                    assert got.rcpt[0].startswith("250"), got.rcpt
                    if unknown == "pass":
                        assert not refusals(got)
                    else:
                        assert refusals(got, would="defer", test="dnsbl",
                                        reason="dnsbl-unknown")
                    continue
                if at == "greeting":
                    assert code(got.greeting, want), got.greeting
                else:
                    assert code(got.rcpt[0], want), got.rcpt
                    assert got.rcpt[1].startswith("250")
                assert refusals(got, test="dnsbl", reason="dnsbl-unknown")


def test_unknown_where_the_sum_is_known_all_the_same():
    """One list fails; the others decide where they can."""
    with Lists("a.test", "b.test", "c.test") as dns:
        for n, (a, b, c) in enumerate([
                ("L", "L", "U"), ("L", "U", "-"), ("-", "U", "-"),
                ("U", "L", "L"), ("U", "U", "-")]):
            for name, what in zip(("a.test", "b.test", "c.test"), (a, b, c)):
                dns.about(client(n), name, {
                    "L": LISTING, "U": rcode(lie.SERVFAIL),
                    "-": rcode(lie.NXDOMAIN)}[what])
        with asking(dns.address, unknown="defer", threshold=2,
                    zones=["a.test", "b.test", "c.test"]) as g:
            want = ["550 5.7.1", "450 4.4.3", "250 2.1.5", "550 5.7.1",
                    "450 4.4.3"]
            for n, reply in enumerate(want):
                assert code(session(g, client(n)).rcpt[0], reply), n


def test_a_trial_zone_that_fails_is_no_unknown(liar):
    liar.about(client(350), "bl.test", rcode(lie.SERVFAIL))
    with asking(liar.address, unknown="defer", zones=[
            zone("bl.test", mode="warn")]) as g:
        assert session(g, client(350)).rcpt[0].startswith("250")
    with asking(liar.address, unknown="defer", zones=[
            zone("bl.test", weight=0)]) as g:
        got = session(g, client(350))
        assert got.rcpt[0].startswith("250") and not refusals(got)


# ---- a resolver that rewrites NXDOMAIN

@pytest.mark.parametrize("rewritten", ("192.0.2.1", "127.0.0.1", "0.0.0.0"))
def test_nxdomain_rewriting(rewritten):
    """Every question is answered with the address of some web server."""
    with Lists(default=address(rewritten)) as dns:
        with asking(dns.address, rdns_mode="on", zones=[
                "bl.test", zone("al.test", weight=-3),
                zone("names.test", of=["helo", "sender"])]) as g:
            for n in range(3):
                assert session(g, client(n)).rcpt[0].startswith("250")
            for name in ("bl.test", "al.test", "names.test"):
                line = g.wait_event("zone", zone=name, state="out")
                assert " reason=error" in line and \
                    f" answer={rewritten}" in line
            dns.forget()
            assert session(g, client(9)).rcpt[0].startswith("250")
            assert not [q for q in dns.sessions_asked()
                        if q.endswith(".test")]
