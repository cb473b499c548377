# SPDX-License-Identifier: Apache-2.0
"""galera-check: what it asks the server, and which role gets which answer. quorate.web serves the answers."""

from time import sleep

from quorate.errors import Unreadable, Usage
from quorate.galera.facts import ServerStatus
from quorate.galera.server import credentials, health, sql
from quorate.galera.server.health import FIT_TO_WRITE
from quorate.health import Health
from quorate.host import drain, mysql
from quorate.web.check import Check, Fact

FLICKER = 0.1      # seconds after which a healthy server that says that it is not ready is asked again
DONOR_WEIGHT = 50  # per cent of its weight that a donor asks for through the agent-check
PORT = 9200        # of the checks, when this one does not know its own
NO_RESIDENT = "Only resident checks agree on the writer, and none answers on port %d of this node."
SILENT = ServerStatus(answered=False)
YES = ("1", "yes", "on", "true")
NO = ("0", "no", "off", "false", "")

ROLES = {
    "/": "fit for clients, as the policy says; clustercheck's answer",
    "/writer": "the one node that takes writes, by agreement of all nodes' checks; it keeps the role while it is fit",
    "/reader": "fit for reads: synced, or a donor that is not blocked",
    "/read-only": "the same as /reader",
    "/ready": "the same as /",
    "/live": "the server answers at all, in whatever state: a reason not to kill it",
}


class GaleraCheck(Check):
    """galera-check: say whether the Galera server on this node is fit for clients"""

    name, room, service = "galera-check", "galera", "The database server"
    arguments = ("user", "password", "donor", "error_file", "readonly", "defaults_file")  # clustercheck's
    roles = ROLES
    options = {
        "defaults-file FILE": "credentials in my.cnf's form, [client] section (default: %s if it exists, then "
                              "clustercheck's settings, then the user this runs as, on the socket)" % credentials.FILE,
        "socket PATH": "the server's socket (default: found)",
        "host HOST": "over TCP instead, with --port",
        "port N": "the server's port (default: 3306)",
        "extra-port N": "the server's extra_port or admin_port, tried when it has no connection left; needs a password",
        "settings FILE": "clustercheck's settings (default: %s, then %s)" % credentials.CLUSTERCHECK,
        "donor yes|no|auto": "is a donor fit? auto: unless the state transfer blocks it (default: no)",
        "readonly yes|no": "is a read-only node fit? (default: yes)",
        "checks-port N": "port on which all nodes' checks ask each other for the writer (default: the one served)",
    }
    description = """Answers HAProxy on port 9200, and keepalived, Prometheus and people. Without a listening socket \
it asks the server once, prints a sentence and exits.

As a server it keeps one connection to the database server, asks it again and again, and answers all clients with the \
last result, which is never older than a second: when the database server hangs it answers 503 and does not wait. \
systemd starts it with

    systemctl enable --now quorate-galera-check.socket

and xinetd with /etc/xinetd.d/quorate-galera-check, where disable has to be set to no. Arguments by position and the \
settings files are those of clustercheck; a settings file is read, never executed."""
    files = (
        (credentials.FILE, "Credentials, in the [client] section. Owner root, group mysql, mode 0640. Not needed where "
                           "the user mysql may log in on the socket (unix_socket), as in MariaDB."),
        ("/etc/default/clustercheck /etc/sysconfig/clustercheck",
         "Settings of clustercheck, used when that file is missing."))
    see_also = ("ocf_quorate_galera(7)", "quorate(8)", "haproxy(1)")

    def __init__(self, options):
        Check.__init__(self, options)
        self._session = self._poller = self._election = None
        self._port = PORT
        for name in ("port", "extra_port", "checks_port"):
            if not options.get(name, "1").isdecimal():
                raise Usage("--%s must be a number" % name.replace("_", "-"))
        if "password" in options:
            self._warn("every user can read a password on the command line; put it into %s" % credentials.FILE)
        try:
            self.policy = policy_of(options)
        except Unreadable as error:
            self._warn(error.reason)
            # The strict one. If the credentials are in that file, every answer gives this reason as well.
            self.policy = health.Policy()

    def _warn(self, text):
        import sys
        sys.stderr.write("%s: %s\n" % (self.name, text))

    @classmethod
    def drain_directory(cls):
        return drain.DIRECTORY

    def prepare(self):
        mysql.driver()

    def resident(self, poller, port):
        self._poller, self._port = poller, port or PORT

    def cache_key(self):
        return self._election and (self._election.rounds, self._election.holds)

    def _writer(self, fact):
        """(ok, sentence): whether this node is the writer. The first question starts a thread that asks the others."""
        port = int(self.options.get("checks_port", self._port))
        if self._poller is None:
            return _ask_resident(port)
        if self._election is None:
            from time import monotonic
            from quorate.galera.writer import WriterElection
            poller = self._poller
            self._election = WriterElection(lambda: poller.fact, lambda: monotonic() - poller.asked <= self.max_age,
                                            port)
            self._election.start()
        if self._election.holds or (fact.draining and self._election.drains):
            return True, self._election.writer_text()
        return False, self._election.reason() if fact.health.code in FIT_TO_WRITE else fact.health.sentence

    def observe(self, seconds, last):
        try:
            if self._session is None:
                self._session = self.session()  # read anew after a failure: a password may have changed
            status = self._session.status(seconds)
            if last.health.ok and _flickers(status):
                sleep(FLICKER)
                status = self._session.status(seconds)
        except Unreadable as error:
            status, found = SILENT._replace(error=error.reason), Health("refused", False, error.reason)
        else:
            found = health.classify(status, self.policy)
        if not status.answered:
            self._session = None
        return Fact(status, found)

    def session(self):
        """The connection to the server. Raises Unreadable."""
        return sql.Session(credentials.for_check(self.options))

    def close(self, last):
        if self._session is not None:
            self._session.close(goodbye=last.status.answered)

    def role_health(self, fact, path):
        status, found = fact.status or SILENT, fact.health
        if path == "/live":
            return health.is_alive(status) or found.code in ("out-of-connections", "refused"), found.sentence
        if path in ("/reader", "/read-only") and fact.status:
            found = health.classify(status, health.Policy("auto", True))
        elif path == "/writer":
            return self._writer(fact)
        return found.ok, found.sentence

    def fact_cache_key(self, fact):
        return fact.status.answered, fact.status.local_index, fact.status.cluster_size, fact.status.local_state

    def answered(self, fact):
        return bool(fact.status and fact.status.answered)

    def weight(self, fact):
        return 100 if fact.health.code == "synced" else DONOR_WEIGHT

    def metrics(self, fact):
        found = ((name, getattr(fact.status, name, None))
                 for name in ("local_state", "local_index", "cluster_size", "last_committed", "threads_connected"))
        return [(name, value) for name, value in found if value is not None]

    def known(self, fact):
        found = {"server": dict((fact.status or SILENT)._asdict())}
        return dict(found, writer=self._election.published()) if self._election else found


def policy_of(options):
    """The Policy by options, else by clustercheck's settings. Raises Usage and Unreadable."""
    old = credentials.clustercheck_settings(options)
    donor = options.get("donor", old.get("AVAILABLE_WHEN_DONOR", "no")).lower()
    readonly = options.get("readonly", old.get("AVAILABLE_WHEN_READONLY", "yes")).lower()
    for value, allowed in ((donor, YES + NO + ("auto",)), (readonly, YES + NO)):
        if value not in allowed:
            raise Usage("'%s' is not yes, no or auto" % value)
    return health.Policy("auto" if donor == "auto" else "yes" if donor in YES else "no", readonly in YES)


def _flickers(status):
    """Whether only wsrep_ready is off, which mariabackup does for an instant (puppet-galera#199)."""
    return (status.answered and status.ready is False and status.cluster_status == "Primary"
            and status.local_state in (2, 4))


def _ask_resident(port):
    """(ok, sentence) of the writer's role for a single observation: only resident checks agree, so ask this node's."""
    from quorate.web.client import ask
    answer = ask([("127.0.0.1", port)], "/writer", 1.0)["127.0.0.1", port]
    if answer.body is None:
        return False, NO_RESIDENT % port
    return answer.status == 200, answer.body.decode("utf-8", "replace").strip()
