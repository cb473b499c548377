# SPDX-License-Identifier: Apache-2.0
"""A real HAProxy of the tests' own: this machine's, or that of a lab image (another Debian, in a mount namespace)."""

import os
import shutil
import socket
import subprocess

from bench.one_server import free_port, until
from lab import LabError
from lab.images import base
from lab.machines import requirements

_IN_IMAGE = """
set -e
mount -t tmpfs tmpfs "$3"
mkdir "$3/upper" "$3/work" "$3/root"
mount -t overlay test-haproxy -o "lowerdir=$1,upperdir=$3/upper,workdir=$3/work" "$3/root"
mkdir -p "$3/root$2"
mount --bind "$2" "$3/root$2"
mount --rbind /proc "$3/root/proc"
exec chroot "$3/root" /usr/sbin/haproxy -W -db -f "$2/haproxy.cfg" -p "$2/haproxy.pid"
"""
HERE = shutil.which("haproxy", path="/usr/sbin:/usr/bin")


def missing(where):
    """Why there is no HAProxy of this Debian ('here', 'trixie'), in a sentence; None when there is."""
    if where == "here":
        return None if HERE else "HAProxy is not installed: apt-get install haproxy"
    try:
        requirements.check_able()
    except LabError as reason:
        return str(reason)
    if not base.exists(where):
        return "there is no image of %s; make it with: lab/lab build --suite %s" % (where, where)
    return None


class Proxy:
    """HAProxy with the proxies of a text; {name} in it is a free port, the same for the same name. Master and
    worker."""

    def __init__(self, home, proxies, where="here", **ports):
        self.home, self.ports = str(home), ports
        self.socket, self.pidfile = os.path.join(self.home, "admin.sock"), os.path.join(self.home, "haproxy.pid")
        self.config = os.path.join(self.home, "haproxy.cfg")
        with open(self.config, "w", encoding="ascii") as file:
            file.write("global\n    stats socket %s mode 600 level admin\n    maxconn 200\n    stats timeout 30s\ndefaults\n"
                       "    timeout connect 1s\n    timeout client 5s\n    timeout server 5s\n"
                       % self.socket + proxies.format_map(self))
        argv = [HERE, "-W", "-db", "-f", self.config, "-p", self.pidfile]
        if where != "here":
            empty = os.path.join(self.home, "empty")
            os.mkdir(empty)
            os.chmod(self.home, 0o755)
            argv = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", _IN_IMAGE, "inside",
                    base.path(where), self.home, empty]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        until(self._ready, 20, "HAProxy")

    def _ready(self):
        try:
            return os.path.exists(self.socket) and self.workers()
        except (OSError, ValueError):  # the socket is there before the pid file
            return False

    def __getitem__(self, name):
        return self.ports.setdefault(name, free_port())

    def pid(self):
        """The master's."""
        with open(self.pidfile, encoding="ascii") as file:
            return int(file.read())

    def workers(self):
        """Pids of the master's children."""
        with open("/proc/%d/task/%d/children" % (self.pid(), self.pid()), encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def signal(self, number):
        """Signal the workers."""
        for pid in self.workers():
            os.kill(pid, number)

    def tell(self, command):
        """The answer to a command on the stats socket."""
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(5)
            one.connect(self.socket)
            one.sendall(command.encode() + b"\n")
            data = b""
            while True:
                more = one.recv(65536)
                if not more:
                    return data.decode()
                data += more

    def end(self):
        """Kill master and workers, also stopped ones."""
        try:
            workers = self.workers()
        except (OSError, ValueError):
            workers = []
        self.process.kill()
        self.process.wait()
        for pid in workers:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
