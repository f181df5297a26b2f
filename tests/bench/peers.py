"""The servers that tests/bench/run measures lictor beside, and CPU accounts.

HAProxy in TCP mode only moves octets: what a program that opens one
connection to the next hop a session can reach. Postfix is there twice: as a
proxy before the same next hop, without a queue, and with its queue.
"""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

MASTER_BIN = "/usr/lib/postfix/sbin/master"

HAPROXY = """\
global
    maxconn 4000
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen smtp
    bind 127.0.0.1:{port} backlog 1024
    server sink 127.0.0.1:{hop}
"""

# Its processes live on between measurements, and as long as lictor's; what it
# is asked for is what lictor's lists answer: clients, domains, recipients.
MAIN = """\
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
mail_owner = postfix
setgid_group = postdrop
default_privs = nobody
myhostname = postfix.bench.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.255.0/24
relay_domains = example.org
{recipients} = {known}
smtpd_client_restrictions = check_client_access cidr:{dir}/banned
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
message_size_limit = 104857600
virtual_mailbox_limit = 0
default_process_limit = 200
max_use = 1000
max_idle = 1000s
virtual_mailbox_base = {dir}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_transport = virtual
"""

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd{more}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


def haproxy(folder, port, hop):
    """Its command, to serve on a port before the next hop on another."""
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, hop=hop))
    return ["/usr/sbin/haproxy", "-db", "-f", config]


def postmap(folder, name, keys):
    """A table of these keys; what main.cf calls it."""
    table = folder / name
    with open(table, "w", encoding="ascii") as out:
        out.writelines(f"{key} all/\n" for key in keys)
    subprocess.run(
        ["/usr/sbin/postmap", "-c", folder, f"cdb:{table}"], check=True
    )
    return f"cdb:{table}"


def postfix(folder, port, banned, recipients, hop=None):
    """Its master's command; with no next hop it queues, for a Maildir."""
    who = pwd.getpwnam("nobody")
    for part in ("spool", "data", "mail"):
        (folder / part).mkdir(parents=True)
    shutil.chown(folder / "data", "postfix")
    shutil.chown(folder / "mail", "nobody")
    (folder / "banned").write_text(f"{banned} REJECT no mail from here\n")
    (folder / "main.cf").write_text("compatibility_level = 3.6\n")
    values = {
        "dir": folder,
        "port": port,
        "uid": who.pw_uid,
        "gid": who.pw_gid,
        "known": postmap(folder, "recipients", recipients),
        "recipients": "relay_recipient_maps",
        "more": f"\n  -o smtpd_proxy_filter=127.0.0.1:{hop}",
    }
    main = MAIN
    if hop is None:
        values["recipients"] = "virtual_mailbox_maps"
        values["more"] = ""
        main = main.replace("relay_domains", "virtual_mailbox_domains")
    (folder / "main.cf").write_text(main.format(**values))
    (folder / "master.cf").write_text(MASTER.format(**values))
    done = subprocess.run(
        ["/usr/sbin/postfix", "-c", folder, "check"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OSError(f"postfix check: {done.stdout}{done.stderr}")
    return [MASTER_BIN, "-c", folder, "-d"]


# ------------------------------------------------------------------- CPU


class Account:
    """The CPU time of a server and all that it starts, also what is gone.

    A control group knows it to the microsecond; where none can be made, it
    is what /proc tells of the living and of those they have reaped; so it is
    for an account without a name.
    """

    def __init__(self, name):
        self.group = self.pid = None
        if name is None:
            return
        for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
            group = Path(root, f"lictor-bench-{os.getpid()}-{name}")
            try:
                group.mkdir()
            except OSError:
                continue
            if (group / "cpu.stat").exists():
                self.group = group
                return
            group.rmdir()

    def command(self, argv):
        """The command that puts itself into the account first."""
        if self.group is None:
            return argv
        enter = 'echo $$ >"$0" && exec "$@"'
        return ["/bin/sh", "-c", enter, self.group / "cgroup.procs", *argv]

    def seconds(self):
        if self.group is not None:
            stat = (self.group / "cpu.stat").read_text().split()
            return int(stat[stat.index("usage_usec") + 1]) / 1e6
        ticks = sum(sum(p[1:]) for p in self.processes())
        return ticks / os.sysconf("SC_CLK_TCK")

    def pids(self):
        if self.group is None:
            return [p[0] for p in self.processes()]
        return [int(p) for p in (self.group / "cgroup.procs").open()]

    def processes(self):
        """The server and what descends from it, with four times each."""
        parents, found = {}, {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                words = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            pid = int(stat.parent.name)
            parents[pid] = int(words[1])
            found[pid] = (pid, *map(int, words[11:15]))
        for pid in found:
            above = pid
            while above not in (0, self.pid):
                above = parents.get(above, 0)
            if above == self.pid:
                yield found[pid]

    def close(self):
        if self.group is not None:
            self.group.rmdir()


def machine_seconds():
    """The CPU time of everybody; what a hypervisor took away is in it."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, *rest = map(int, stat.readline().split()[1:])
    return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK")
