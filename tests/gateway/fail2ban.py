"""fail2ban itself, in the foreground, with all it touches in one folder."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from conftest import BIN, ROOT, wait_until

SHIPPED = ROOT / "tools" / "fail2ban"

SETTINGS = """\
[Definition]
loglevel = INFO
logtarget = {dir}/log
syslogsocket = auto
socket = {dir}/sock
pidfile = {dir}/pid
dbfile = {dir}/db
dbpurgeage = 1d
dbmaxmatches = 10
"""

JAIL = """\
[INCLUDES]
before = lictor.conf
[DEFAULT]
backend = polling
usedns = no
[lictor]
logpath = {dir}/mail.log
action = lictor[command="{ban} -c {conf}"]
ignoreip =
maxretry = 3
"""


class Fail2ban:
    """With the action, the filter and the jail that ship."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lictor-f2b-"))
        self.seen = 0
        self.process = None
        for part in ("action.d", "filter.d"):
            shutil.copytree(SHIPPED / part, self.dir / part)
        shutil.copy(SHIPPED / "jail.d" / "lictor.conf", self.dir)
        (self.dir / "fail2ban.conf").write_text(SETTINGS.format(dir=self.dir))
        (self.dir / "jail.conf").write_text(JAIL.format(
            dir=self.dir, ban=BIN / "lictor-ban", conf=gateway.conf))
        (self.dir / "mail.log").write_text("")
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        (self.dir / "log").write_text("")
        env = {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"}
        self.process = subprocess.Popen(
            ["fail2ban-server", "-c", self.dir, "-s", self.dir / "sock",
             "-p", self.dir / "pid", "-f", "-x", "start"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=env)
        wait_until(lambda: self.process.poll() is not None
                   or "Jail 'lictor' started" in self.log(), 30, "fail2ban")
        assert self.process.poll() is None, self.log()

    def log(self):
        return (self.dir / "log").read_text()

    def feed(self):
        """Hand over what lictord has logged since, as syslog would."""
        lines = self.gateway.log().splitlines()
        stamp = subprocess.run(["date", "+%b %e %T"], text=True,
                               capture_output=True).stdout.strip()
        with open(self.dir / "mail.log", "a") as out:
            for line in lines[self.seen:]:
                out.write(f"{stamp} mx {line}\n")
        self.seen = len(lines)

    def client(self, *args):
        return subprocess.run(
            ["fail2ban-client", "-c", self.dir, "-s", self.dir / "sock",
             *args], text=True, capture_output=True, timeout=30, check=True)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
