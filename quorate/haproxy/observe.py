# SPDX-License-Identifier: Apache-2.0
"""HAProxy on this node, as a State: its answer on the stats socket, and its processes when it does not answer.

keepalived starts the check every second or two, so nothing expensive is imported: _socket instead of socket saves 4 ms.
"""

import os
from errno import EACCES, EAGAIN, ECONNREFUSED, ENOENT, EPERM
from time import monotonic, sleep

from quorate.haproxy import parse
from quorate.haproxy.facts import ABSENT, BUSY, DENIED, REFUSED, SILENT, Process, State
from quorate.haproxy.health import STOPPED

SOCKETS = ("/run/haproxy/admin.sock", "/var/lib/haproxy/stats",  # Debian, Red Hat, and other usual places
           "/run/haproxy/haproxy.sock", "/var/lib/haproxy/admin.sock", "/var/lib/kolla/haproxy/haproxy.sock",
           "/run/haproxy.sock")
PIDFILE = "/run/haproxy.pid"
QUEUE_SHARE = 0.25    # of the time, to observe the queues of connections when there is no answer
SAMPLES = 5           # of these queues
PATIENCE = 0.1        # seconds without an answer after which its processes are searched for one that is stopped
MOST = 32 * 1024 * 1024  # bytes of an answer
METADATA_PROXY = "-metadata-proxy/"  # neutron starts an HAProxy for each network; those are not the node's
ERRORS = {ENOENT: ABSENT, ECONNREFUSED: REFUSED, EACCES: DENIED, EPERM: DENIED, EAGAIN: BUSY}


class Stats:
    """The stats socket. address: a path, or HOST:PORT."""

    def __init__(self, address):
        self.address = address

    def ask(self, question, seconds, is_pointless=bool):
        """The whole answer as text. Raises OSError; TimeoutError when it takes too long, or when is_pointless() says
        so, which is called once after PATIENCE seconds without a byte."""
        import _socket
        end = monotonic() + seconds
        family, address = self._family_and_address(_socket)
        one = _socket.socket(family, _socket.SOCK_STREAM)
        try:
            one.settimeout(seconds)
            one.connect(address)
            one.send(question.encode("ascii"))
            return self._receive(one, end, is_pointless, _socket.timeout).decode("utf-8", "replace")
        except _socket.timeout:  # a TimeoutError since Python 3.10 only
            raise TimeoutError("no answer within %.1f s" % seconds) from None
        finally:
            one.close()

    def _family_and_address(self, _socket):
        if self.address.startswith("/"):
            return _socket.AF_UNIX, self.address
        host, _, port = self.address.rpartition(":")
        return _socket.AF_INET6 if ":" in host else _socket.AF_INET, (host.strip("[]"), int(port))

    @staticmethod
    def _receive(one, end, is_pointless, timeout):
        data, size, patient = [], 0, False
        while True:
            left = end - monotonic()
            if left <= 0 or size > MOST:
                raise TimeoutError
            one.settimeout(left if patient else min(left, PATIENCE))
            try:
                more = one.recv(262144)
            except timeout:
                if patient or is_pointless():
                    raise
                patient = True
                continue
            if not more:
                return b"".join(data)
            data.append(more)
            size, patient = size + len(more), True


def usual_socket():
    """The first of the usual paths at which a socket exists; else the first of them."""
    return next((path for path in SOCKETS if os.path.exists(path)), SOCKETS[0])


def observe(stats, seconds, processes, pidfile=PIDFILE, waiting=None, sleep=sleep):
    """The State, within so many seconds. stats: Stats. processes: a function that returns a
    quorate.host.process.Processes. waiting: as waiting() of quorate.host.connections, which is the default."""
    found, budget = [], seconds * (1 - QUEUE_SHARE)

    def all_stopped():
        found[:] = find_processes(processes(), pidfile)
        return bool(found[0]) and all(each.state in STOPPED for each in found[0])

    end = monotonic() + budget
    try:
        state = parse.state(stats.ask(parse.QUESTION, budget, all_stopped))
        return _ask_again(stats, state, end) if state.stopping else state
    except TimeoutError:
        error, detail = SILENT, None
    except OSError as failure:
        error = ERRORS.get(failure.errno, "failed")
        detail = _permissions(stats.address) if error == DENIED else failure.strerror or str(failure)
    running, certain = found or (((), False) if error == DENIED else find_processes(processes(), pidfile))
    wait = clients_wait(running, seconds * QUEUE_SHARE, waiting, sleep) if error in (SILENT, BUSY) and certain else None
    return State(error, detail, processes=running, clients_wait=wait)


def clients_wait(running, seconds, waiting=None, sleep=sleep):
    """Whether some connections wait to be accepted all the time: then it hangs. If none does, it accepts connections,
    and only those to its stats socket are all in use (stats maxconn, 10 of them). None: that could not be observed.

    Nothing is sent to its listeners: behind one of them may be a database that blocks hosts which disconnect early.
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


def _ask_again(stats, state, end):
    """The State after HAProxy answered that it is stopping. At a reload our connection had waited at the old process,
    and a new process has taken its place. One that really stops says so again, or is gone: then the first State
    holds."""
    try:
        other = parse.state(stats.ask(parse.QUESTION, max(0.01, end - monotonic()), lambda: True))
    except OSError:
        return state
    return state if other.error else other


def _permissions(path):
    """Who may use a socket, as text."""
    import grp
    import pwd
    try:
        status = os.stat(path)
    except OSError:
        return "its permissions cannot be read"
    try:
        owner, group = pwd.getpwuid(status.st_uid).pw_name, grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        owner, group = status.st_uid, status.st_gid
    return "owner %s, group %s, mode %o" % (owner, group, status.st_mode & 0o777)


def find_processes(processes, pidfile=PIDFILE):
    """(Processes that do HAProxy's work: its workers, or the only process there is; whether the pid file names them).
    Without a valid pid file they are found by name, and may belong to another instance."""
    masters = [each for each in map(processes.get, _pids(pidfile)) if each and _is_haproxy(each)]
    workers = [each for master in masters for each in processes.descendants(master.pid) if _is_haproxy(each)]
    named = masters + workers
    found = named or [each for each in processes.all() if _is_haproxy(each)
                      and not any(METADATA_PROXY in word for word in each.argv)]
    parents = {each.ppid for each in found}
    return tuple(Process(each.pid, each.state) for each in found if each.pid not in parents), bool(named)


def _is_haproxy(process):
    """Whether it is HAProxy, by the name of its program; systemd's wrapper of old versions is not."""
    return bool(process.argv) and os.path.basename(process.argv[0]) == "haproxy"


def _pids(pidfile):
    """The numbers in a pid file, a list; [] when it cannot be read."""
    try:
        with open(pidfile, encoding="ascii", errors="replace") as file:
            return [int(word) for word in file.read(4096).split() if word.isdigit()]
    except OSError:
        return []
