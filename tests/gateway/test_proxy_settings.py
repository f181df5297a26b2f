"""Whom the settings may take for a proxy, held against list relay."""

import re

import pytest

from proc import reload
from proxied import PROXY, STRANGER, begin, listener, named, taking, v1


def overlap(g, listed, *proxies):
    """Compile by force, and check the settings: the message, if any."""
    g.write_lists(relay=listed)
    g.sections = [listener(*proxies)]
    g.write_conf()
    plain = g.compile(check=False)
    forced = g.compile("-f", check=False)
    assert forced.returncode == 0, forced.stderr
    checked = g.run("lictord", "-n", check=False)
    assert (plain.returncode, checked.returncode) in ((65, 1), (0, 0)), \
        plain.stderr + checked.stderr
    return plain.stderr, checked.stderr


@pytest.mark.parametrize("listed,proxy,meets", [
    ("10.0.0.0/8\n", "10.1.2.3", True),
    ("10.1.2.3\n", "10.0.0.0/8", True),
    ("10.0.0.0/8\n", "10.0.0.0/8", True),
    ("x.example.org\n192.0.2.1\n2001:db8::/32 relay\n", "2001:db8::5", True),
    ("11.0.0.0/8\n192.0.2.1\n", "10.0.0.0/8", False),
    ("10.0.0.0/8 deny\n", "10.1.2.3", False),
    ("10.0.0.0/8 until=2020-01-01\n", "10.1.2.3", False),
])
def test_a_proxy_may_not_be_a_relay(gateway, listed, proxy, meets):
    compiled, checked = overlap(gateway, listed, "203.0.113.1", proxy)
    if not meets:
        assert "proxy_from" not in compiled + checked
        return
    assert re.match(rf"\S+/relay:\d: relay \S+ meets proxy_from {proxy} "
                    r"\(-f overrides\)\n$", compiled), compiled
    assert re.match(
        rf'{gateway.conf}:\d+: listener "127.0.0.1:{gateway.port}": '
        rf"proxy_from: {proxy} meets relay \S+ \(relay:\d\)\n$",
        checked), checked
    started = gateway.run("lictord", "-d", check=False)
    assert started.returncode == 1 and started.stderr == checked


def test_a_reload_with_such_settings_changes_nothing():
    with taking(lists={"relay": "192.0.2.7\n"}) as g:
        good = g.conf.read_text()
        g.conf.write_text(good.replace(f'{{"{PROXY}"}}',
                                       f'{{"{STRANGER}", "192.0.2.0/24"}}'))
        reload(g, "the old settings stay in force")
        assert "192.0.2.0/24 meets relay 192.0.2.7 (relay:1)" in g.log()
        with named(g) as c:
            c.in_step()
        with begin(g, v1(), STRANGER) as c:
            c.expect("closed")
        g.conf.write_text(good.replace(f'{{"{PROXY}"}}', f'{{"{STRANGER}"}}'))
        reload(g)
        with named(g, source=STRANGER) as c:
            c.in_step()
        with begin(g, v1()) as c:
            c.expect("closed")
