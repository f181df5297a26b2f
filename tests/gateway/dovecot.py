"""Dovecot's LMTP as the next hop: accounts in files, mail in Maildirs.

It runs as root or as an ordinary user, in a folder of its own, and listens on
a port and on a socket.
"""

import grp
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

from conftest import USER, free_port, is_free, wait_until

CONF = """protocols = lmtp
base_dir = {dir}/run
state_dir = {dir}/run
log_path = {dir}/log
ssl = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_client_limit = 200
default_process_limit = 50
first_valid_uid = 1
first_valid_gid = 1
hostname = gw.example.org
auth_username_format = %Ln
mail_home = {dir}/home/%n
mail_location = maildir:{dir}/home/%n/Maildir
mail_plugins = quota
quota_full_tempfail = {tempfail}
lmtp_rcpt_check_quota = {rcpt_check}
postmaster_address = postmaster@example.org
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = dict
  args = {dir}/userdb.conf
}}
plugin {{
  quota = {quota}:User quota
  quota_grace = 0
  quota_vsizes = yes
}}
service lmtp {{
  unix_listener {dir}/lmtp.sock {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""


# A file for each account, read whenever it is asked for.
USERDB = """uri = fs:posix:prefix={dir}/users/
iterate_disable = yes
key user {{
  key = %n
  format = json
}}
userdb_objects = user
"""


class Dovecot:
    """Started in the foreground, with accounts alice, bob and carol."""

    def __init__(self, quota="count", tempfail=True, rcpt_check=False):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lictor-dovecot-"))
        self.dir.chmod(0o755)
        self.port, self.path = free_port(), self.dir / "lmtp.sock"
        root = os.geteuid() == 0
        user = pwd.getpwnam("dovecot" if root else USER)
        self.owner = pwd.getpwnam(USER)
        for name in ("run", "home", "users"):
            (self.dir / name).mkdir()
        if root:
            shutil.chown(self.dir / "home", USER)
        self.accounts()
        (self.dir / "userdb.conf").write_text(USERDB.format(dir=self.dir))
        conf = self.dir / "dovecot.conf"
        conf.write_text(CONF.format(
            dir=self.dir, port=self.port, user=user.pw_name, quota=quota,
            group=grp.getgrgid(user.pw_gid).gr_name,
            tempfail="yes" if tempfail else "no",
            rcpt_check="yes" if rcpt_check else "no"))
        self.process = subprocess.Popen(
            ["/usr/sbin/dovecot", "-F", "-c", conf],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=(self.dir / "stderr").open("wb"))
        try:
            wait_until(self.listens, what="Dovecot")
        except AssertionError:
            print(self.log())
            self.close()
            raise

    def listens(self):
        return self.path.exists() and not is_free(self.port)

    def accounts(self, **limits):
        """Set the accounts; limits are octets of mail, name=n."""
        for name in ("alice", "bob", "carol"):
            new = self.dir / "new"
            new.write_text(json.dumps({
                "uid": self.owner.pw_uid, "gid": self.owner.pw_gid,
                "home": f"{self.dir}/home/{name}",
                "quota_rule": f"*:bytes={limits.get(name, 10 ** 9)}"}))
            new.chmod(0o644)
            new.rename(self.dir / "users" / name)

    def mails(self, name):
        """What has arrived, oldest first."""
        new = self.dir / "home" / name / "Maildir/new"
        files = sorted(new.glob("*"), key=lambda f: f.stat().st_mtime_ns)
        return [f.read_bytes() for f in files]

    def log(self):
        return "".join((self.dir / name).read_text(errors="replace")
                       for name in ("log", "stderr")
                       if (self.dir / name).exists())

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)
