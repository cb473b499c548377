# SPDX-License-Identifier: Apache-2.0
"""Asking HAProxy on its stats socket, and looking at its processes when it does not answer.

keepalived starts the check every second or two, so nothing is imported that costs: _socket instead of socket saves 4 ms.
"""

import os
from errno import EACCES, EAGAIN, ECONNREFUSED, ENOENT, EPERM
from time import monotonic, sleep

from quorate.haproxy import parse
from quorate.haproxy.facts import ABSENT, BUSY, DENIED, REFUSED, SILENT, Process, State
from quorate.haproxy.health import STOPPED

SOCKETS = ("/run/haproxy/admin.sock", "/var/lib/haproxy/stats", "/run/haproxy/haproxy.sock", "/var/lib/haproxy/admin.sock",
           "/var/lib/kolla/haproxy/haproxy.sock", "/run/haproxy.sock")  # Debian, Red Hat, others' habits
PIDFILE = "/run/haproxy.pid"
WITNESS = 0.25        # of the time goes into a second witness when there is no answer
SAMPLES = 5           # looks at the connections that wait
PATIENCE = 0.1        # seconds without an answer after which we look whether its processes are stopped
MOST = 32 * 1024 * 1024  # bytes of an answer
OF_OTHERS = "-metadata-proxy/"  # neutron starts an HAProxy for each network; those are not the node's
WORDS = {ENOENT: ABSENT, ECONNREFUSED: REFUSED, EACCES: DENIED, EPERM: DENIED, EAGAIN: BUSY}


class Stats:
    """The stats socket. address: a path, or HOST:PORT."""

    def __init__(self, address):
        self.address = address

    def ask(self, question, seconds, doubt=bool):
        """The answer as text, all of it. Raises OSError; TimeoutError when it took too long, or when doubt(), which is
        called once after PATIENCE seconds without a byte, says that waiting is in vain."""
        import _socket
        end = monotonic() + seconds
        family, where = self._where(_socket)
        one = _socket.socket(family, _socket.SOCK_STREAM)
        try:
            one.settimeout(seconds)
            one.connect(where)
            one.send(question.encode("ascii"))
            return self._all(one, end, doubt, _socket.timeout).decode("utf-8", "replace")
        except _socket.timeout:  # a TimeoutError since Python 3.10 only
            raise TimeoutError("no answer within %.1f s" % seconds) from None
        finally:
            one.close()

    def _where(self, _socket):
        if self.address.startswith("/"):
            return _socket.AF_UNIX, self.address
        host, _, port = self.address.rpartition(":")
        return _socket.AF_INET6 if ":" in host else _socket.AF_INET, (host.strip("[]"), int(port))

    @staticmethod
    def _all(one, end, doubt, timeout):
        data, size, patient = [], 0, False
        while True:
            left = end - monotonic()
            if left <= 0 or size > MOST:
                raise TimeoutError
            one.settimeout(left if patient else min(left, PATIENCE))
            try:
                more = one.recv(262144)
            except timeout:
                if patient or doubt():
                    raise
                patient = True
                continue
            if not more:
                return b"".join(data)
            data.append(more)
            size, patient = size + len(more), True


def usual_socket():
    """The first place where there is a socket; else the first of them."""
    return next((path for path in SOCKETS if os.path.exists(path)), SOCKETS[0])


def observe(stats, seconds, processes, pidfile=PIDFILE, waiting=None, sleep=sleep):
    """The State, within so many seconds. processes: a function that makes a quorate.host.process.Processes. waiting:
    quorate.host.connections's."""
    seen, budget = [], seconds * (1 - WITNESS)

    def all_stopped():
        seen[:] = found(processes(), pidfile)
        return bool(seen[0]) and all(each.state in STOPPED for each in seen[0])

    end = monotonic() + budget
    try:
        state = parse.state(stats.ask(parse.QUESTION, budget, all_stopped))
        return _again(stats, state, end) if state.stopping else state
    except TimeoutError:
        error, detail = SILENT, None
    except OSError as failure:
        error = WORDS.get(failure.errno, "failed")
        detail = rights(stats.address) if error == DENIED else failure.strerror or str(failure)
    running, certain = seen or (((), False) if error == DENIED else found(processes(), pidfile))
    wait = clients_wait(running, seconds * WITNESS, waiting, sleep) if error in (SILENT, BUSY) and certain else None
    return State(error, detail, processes=running, clients_wait=wait)


def clients_wait(running, seconds, waiting=None, sleep=sleep):
    """Whether connections wait to be taken all the time: then it hangs. If none does, it is well enough to take them, and only
    its connections for questions are taken (stats maxconn, 10 of them). None: that cannot be seen from here.

    Nothing is sent to its listeners: behind one of them may be a database that locks out hosts which hang up early.
    """
    if not running or all(each.state in STOPPED for each in running):
        return None
    if waiting is None:
        from quorate.host.connections import waiting
    queues = None
    for number in range(SAMPLES):
        if number:
            sleep(seconds / SAMPLES)
        now = [waiting(each.pid) for each in running]
        if None in now:
            return None
        busy = {inode for each in now for inode, count in each.items() if count}
        queues = busy if queues is None else queues & busy
    return bool(queues)


def _again(stats, state, end):
    """A reload: our connection had waited at the old process when it was told to stop, and a new one has its place. What
    really stops says so again, or nobody is there any more."""
    try:
        other = parse.state(stats.ask(parse.QUESTION, max(0.01, end - monotonic()), lambda: True))
    except OSError:
        return state
    return state if other.error else other


def rights(path):
    """Who may use a socket, in words."""
    import grp
    import pwd
    try:
        status = os.stat(path)
    except OSError:
        return "it cannot be looked at"
    try:
        owner, group = pwd.getpwuid(status.st_uid).pw_name, grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        owner, group = status.st_uid, status.st_gid
    return "owner %s, group %s, mode %o" % (owner, group, status.st_mode & 0o777)


def found(processes, pidfile=PIDFILE):
    """(processes that do HAProxy's work: workers, or the only one there is; whether the pid file says that it is this one).
    Without it they are found by name, and may be somebody else's."""
    masters = [each for each in map(processes.get, pids(pidfile)) if each and is_haproxy(each)]
    below = [each for master in masters for each in processes.descendants(master.pid) if is_haproxy(each)]
    ours = masters + below
    every = ours or [each for each in processes.all() if is_haproxy(each)
                                and not any(OF_OTHERS in word for word in each.argv)]
    parents = {each.ppid for each in every}
    return tuple(Process(each.pid, each.state) for each in every if each.pid not in parents), bool(ours)


def is_haproxy(process):
    """By the name of its program; systemd's wrapper of old versions is none."""
    return bool(process.argv) and os.path.basename(process.argv[0]) == "haproxy"


def pids(pidfile):
    """The numbers in a pid file; []."""
    try:
        with open(pidfile, encoding="ascii", errors="replace") as file:
            return [int(word) for word in file.read(4096).split() if word.isdigit()]
    except OSError:
        return []
