"""The connection tests as the design tells them: a model to compare with.

Facts about a client (what the lists and DNS say of it) and settings go in,
what it hears and what is logged comes out. Nothing here knows how the gateway
does it: answers have come in or will never come, and time does not exist.
"""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

OFF, WARN, ON = "off", "warn", "on"
GREETING, RCPT = "greeting", "rcpt"
PASS, DEFER = "pass", "defer"

# What is not found out is neither yes nor no.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Name:
    """One PTR name: where it leads, and its entries in names and relay."""
    leads: str  # "here", "elsewhere", "nowhere", UNKNOWN
    names: str = None  # reject, defer, allow
    relay: str = None  # relay, deny


@dataclass(frozen=True)
class Facts:
    ban: str = None  # reject, defer, drop, allow
    ptr: str = "known"  # or UNKNOWN
    names: tuple = ()
    relay: str = None  # the entry of the address: relay, deny
    zones: dict = field(default_factory=dict)  # zone: True, False, UNKNOWN


@dataclass(frozen=True)
class Settings:
    banned: str = ON
    banned_at: str = GREETING
    rdns: str = ON
    rdns_at: str = RCPT
    rdns_unknown: str = PASS
    require: str = "none"
    relay: str = ON
    relay_unknown: str = DEFER
    dnsbl: str = ON
    dnsbl_at: str = RCPT
    dnsbl_unknown: str = PASS
    threshold: int = 1
    soft: bool = False


@dataclass(frozen=True)
class Refusal:
    """test, verdict, status; reason is the word in the log."""
    test: str
    verdict: str  # reject, defer, drop
    status: str
    reason: str


def banned(f):
    if f.ban in (None, "allow"):
        return None
    return Refusal("banned", f.ban, {"defer": "4.7.1"}.get(f.ban, "5.7.1"),
                   "banned")


def rdns_unknown(s):
    return Refusal("rdns", "defer", "4.4.3", "rdns-unknown") \
        if s.rdns_unknown == DEFER else None


def rdns(f, s):
    """A Refusal, "allow" or None."""
    if f.ptr == UNKNOWN:
        return rdns_unknown(s)
    if any(n.names == "allow" and n.leads == "here" for n in f.names):
        return "allow"
    may_allow = any(n.names == "allow" and n.leads == UNKNOWN
                    for n in f.names)
    for action, status in (("reject", "5.7.1"), ("defer", "4.7.1")):
        if any(n.names == action for n in f.names):
            return rdns_unknown(s) if may_allow else \
                Refusal("rdns", action, status, "rdns-list")
    good = {"none": {"here", "elsewhere", "nowhere", UNKNOWN},
            "name": {"here", "elsewhere", "nowhere", UNKNOWN},
            "resolves": {"here", "elsewhere"}, "matches": {"here"}}
    if s.require == "none" or any(n.leads in good[s.require]
                                  for n in f.names):
        return None
    if any(n.leads == UNKNOWN for n in f.names):
        return rdns_unknown(s)
    return Refusal("rdns", "reject", "5.7.25", {
        "name": "rdns-none", "resolves": "rdns-unresolved",
        "matches": "rdns-mismatch"}[s.require])


def relay(f):
    """True, False or UNKNOWN: may it send anywhere?"""
    if f.relay is not None:
        return f.relay == "relay"  # an address entry is final
    if f.ptr == UNKNOWN:
        return UNKNOWN
    entries = [n.relay for n in f.names if n.leads == "here" and n.relay]
    if entries:
        return entries[0] == "relay"
    return UNKNOWN if any(n.leads == UNKNOWN for n in f.names) else False


def dnsbl(f, s, weights):
    """A Refusal or None, and what lists it."""
    low = high = 0
    for zone, weight in weights.items():
        if f.zones[zone] is True:
            low, high = low + weight, high + weight
        elif f.zones[zone] == UNKNOWN:
            low, high = low + min(weight, 0), high + max(weight, 0)
    if low >= s.threshold:
        return Refusal("dnsbl", "reject", "5.7.1", "dnsbl")
    if high < s.threshold or s.dnsbl_unknown == PASS:
        return None
    return Refusal("dnsbl", "defer", "4.4.3", "dnsbl-unknown")


def softened(r, granted, s):
    """Who may be a relay client is not refused for good."""
    if isinstance(r, Refusal) and r.verdict == "reject" and \
            granted == UNKNOWN and s.relay_unknown == DEFER:
        return replace(r, verdict="defer", status="4.4.3")
    return r


def decide(f, s, weights):
    """
    What the gateway does: .greeting, .rcpt (the refusals that speak there, or
    None), .relay (True, False, UNKNOWN), .would [(test, verdict)], and .maybe:
    lines that may be there.
    """
    out = SimpleNamespace(greeting=None, rcpt=None, would=[], maybe=[],
                          relay=False)
    ban = banned(f) if s.banned != OFF else None
    if s.banned == WARN and ban:
        out.would.append(("banned", ban.verdict))
    stops = ban if s.banned == ON else None

    # A client that a ban stops is not asked about; its name stays unknown.
    if stops:
        f = Facts(f.ban, UNKNOWN, (), f.relay, dict.fromkeys(f.zones, False))
    granted = relay(f) if s.relay != OFF else False
    if s.relay == WARN:
        if granted is True:
            # By name it is known only when the name was asked for.
            out.would.append(("relay", "relay"))
        granted = False
    out.relay = granted

    name = listing = None
    if not stops and granted is not True:
        name = softened(rdns(f, s), granted, s) if s.rdns != OFF else None
        if s.rdns == WARN and name is not None:
            out.would.append(("rdns", getattr(name, "verdict", name)))
        cleared = s.rdns == ON and name == "allow"
        if s.dnsbl != OFF and not cleared:
            listing = softened(dnsbl(f, s, weights), granted, s)
            if s.dnsbl == WARN and listing:
                out.would.append(("dnsbl", listing.verdict))

    refusals = [(r, at) for r, mode, at in (
        (ban, s.banned, s.banned_at), (name, s.rdns, s.rdns_at),
        (listing, s.dnsbl, s.dnsbl_at))
        if mode == ON and isinstance(r, Refusal)]
    out.greeting = next((r for r, at in refusals if at == GREETING), None)
    out.rcpt = next((r for r, at in refusals), None)
    return out


# ---- replies

def soften(code, status, soft):
    if soft and code[0] == "5":
        return "4" + code[1:], "4" + status[1:]
    return code, status


def said_at_greeting(r, s):
    """(code, status), or None for a drop."""
    if r.verdict == "drop":
        return None
    if r.verdict == "reject" and not s.soft:
        return "554", r.status
    status = r.status
    return "421", "4.7.1" if status[0] == "5" else status


def said_at_rcpt(r, s):
    if r.verdict == "drop":
        return None
    return soften("550" if r.verdict == "reject" else "450", r.status, s.soft)


def expected(f, s, weights, recipients):
    """
    The whole session: .greeting, .rcpt: a list of sets of (code, status) or
    None where the connection is closed without a word; .lines: a list of
    (test, "reply" or "would", value, recipient).
    """
    d = decide(f, s, weights)
    out = SimpleNamespace(greeting=("220", ""), rcpt=[], lines=[
        (test, "would", verdict, None) for test, verdict in d.would])
    out.may_miss = []
    if d.greeting:
        out.greeting = said_at_greeting(d.greeting, s)
        out.lines.append((d.greeting.test, "reply", " ".join(
            out.greeting) if out.greeting else "drop", None))
        # Tests that wait for nobody may not have come to an end.
        out.may_miss = [l for l in out.lines if l[1] == "would"
                        and l[0] in ("rdns", "dnsbl", "relay")]
        return out
    for address, kind in recipients:
        reply, test = ("250", "2.1.5"), None
        if kind == "foreign" and d.relay is not True:
            test = "destination"
            reply = ("451", "4.4.3") if d.relay == UNKNOWN else \
                soften("550", "5.7.1", s.soft)
        elif d.rcpt and kind != "open":
            test, reply = d.rcpt.test, said_at_rcpt(d.rcpt, s)
        out.rcpt.append(reply)
        if test:
            out.lines.append((test, "reply", " ".join(reply) if reply
                              else "drop", address))
        if reply is None:
            break
    return out
