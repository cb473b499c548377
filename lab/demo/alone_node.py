# SPDX-License-Identifier: Apache-2.0
"""A real MariaDB with Galera on this machine, and the real agent called directly: no cluster, no namespaces."""

import os
import shutil
import signal
import subprocess
import time

from lab import ROOT

TOOLS = os.path.join(ROOT, "lab", "demo", "stand_ins")
SERVER = next((path for path in ("/usr/sbin/mariadbd", "/usr/sbin/mysqld") if os.path.exists(path)), None)
PROVIDER = next((path for path in ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so")
                 if os.path.exists(path)), None)

CONFIG = """\
[mysqld]
datadir={home}/data
socket={home}/run/my.sock
pid-file={home}/run/my.pid
log-error={home}/log/error.log
skip-networking=OFF
port={port}
bind-address=127.0.0.1
innodb_buffer_pool_size=32M
innodb_log_file_size=16M
innodb_flush_log_at_trx_commit=1
binlog_format=ROW
max_connections=10
wsrep_on=ON
wsrep_provider={provider}
wsrep_provider_options="base_port={base};ist.recv_addr=127.0.0.1:{ist};gmcast.listen_addr=tcp://127.0.0.1:{base};gcache.size=8M"
wsrep_node_address=127.0.0.1
wsrep_cluster_name=alone{port}
"""


class Alone:
    """One node, `n1`, with the agent's files and the server's data in the directory `home`."""

    def __init__(self, home, port=23306):
        self.home, self.port, self.instance = str(home), port, "alone%d" % port
        os.chmod(self.home, 0o755)
        for name in ("data", "run", "log", "attributes"):
            os.mkdir(os.path.join(self.home, name))
            if name != "attributes":
                shutil.chown(os.path.join(self.home, name), "mysql", "mysql")
        self.config = os.path.join(self.home, "my.cnf")
        with open(self.config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(home=self.home, port=port, base=port + 10, ist=port + 11, provider=PROVIDER))
        self.parameters = {"wsrep_cluster_address": "gcomm://n1", "config": self.config, "enable_creation": "true"}

    def path(self, *names):
        return os.path.join(self.home, *names)

    def environment(self, timeout=60, **parameters):
        environ = {name: value for name, value in os.environ.items()
                   if not name.startswith(("OCF_", "PCMK_", "PYTHON"))}
        environ.update(
            PATH=TOOLS + ":/usr/sbin:/usr/bin:/sbin:/bin", QUORATE_ALONE=self.path("attributes"),
            QUORATE_ALONE_NODE="n1",
            OCF_ROOT="/usr/lib/ocf", OCF_RESOURCE_INSTANCE=self.instance, OCF_RESKEY_CRM_meta_on_node="n1",
            OCF_RESKEY_CRM_meta_timeout=str(timeout * 1000), PCMK_service="pacemaker-execd", HA_LOGFACILITY="none")
        for name, value in dict(self.parameters, **parameters).items():
            environ["OCF_RESKEY_" + name] = value
        return environ

    def act(self, action, timeout=60, recurring=False, interactive=False, **parameters):
        """(exit code, exit reason or '', stderr) of one action. recurring: as a recurring monitor; interactive: by an
        operator."""
        environ = self.environment(timeout, **parameters)
        if recurring:
            environ["OCF_RESKEY_CRM_meta_interval"] = "10000"
        if interactive:
            environ["PCMK_service"] = "crm_resource"
        done = subprocess.run([os.path.join(ROOT, "agents", "galera"), action], env=environ, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout + 30)
        assert done.stdout == "" or action == "meta-data", done.stdout
        reasons = [line.partition(":")[2] for line in done.stderr.splitlines() if line.startswith("ocf-exit-reason:")]
        return done.returncode, reasons[-1] if reasons else "", done.stderr

    def up(self):
        """Start and promote, until the server serves."""
        assert self.act("start")[0] == 0
        code, reason, text = self.act("promote")
        assert code == 0, reason + text
        assert self.act("monitor", recurring=True)[0] == 8

    def pid(self):
        """The server's pid, None when it does not run."""
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    if os.readlink("/proc/%s/cwd" % name) == self.path("data") and os.readlink(
                            "/proc/%s/exe" % name) == os.path.realpath(SERVER):
                        with open("/proc/%s/stat" % name, encoding="ascii") as file:
                            if file.read().rpartition(")")[2].split()[0] != "Z":
                                return int(name)
                except OSError:
                    pass
        return None

    def kill(self, number=signal.SIGKILL):
        """Send a signal to the server; after SIGKILL wait until it is gone. Its pid."""
        pid = self.pid()
        os.kill(pid, number)
        if number == signal.SIGKILL:
            until(lambda: self.pid() is None)
        return pid

    def log(self):
        with open(self.path("log", "error.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def end(self):
        """Kill the server and remove its state files, whatever a test has done."""
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGKILL)
            until(lambda: self.pid() is None)
        for base in ("/run/quorate", "/var/lib/quorate"):
            shutil.rmtree(os.path.join(base, "galera-" + self.instance), ignore_errors=True)


def until(condition, seconds=30):
    """Wait until condition() is true; AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen within %d s" % seconds
        time.sleep(0.02)
