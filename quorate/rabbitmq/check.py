# SPDX-License-Identifier: Apache-2.0
"""rabbitmq-check: what it asks the broker, and which role gets which answer. quorate.web serves it.

With credentials it keeps one AMQP connection and asks on that, and the management API every other second. Without
credentials it can only do a handshake, and the broker logs each one: so between two handshakes it only connects, which
is not logged.
"""

from time import monotonic

from quorate.errors import Unreadable, Usage
from quorate.health import Health
from quorate.host import amqp
from quorate.rabbitmq.broker import health
from quorate.rabbitmq.broker.credentials import CREDENTIALS, configured_endpoint, running_endpoint, with_file
from quorate.rabbitmq.broker.settings.variables import ENV
from quorate.rabbitmq.broker.observe import (
    boot_stage, known_to_epmd, observe_broker, tls_refused, with_answers)
from quorate.rabbitmq.broker.process import find_by_pid_file, only_broker
from quorate.rabbitmq.facts import Broker
from quorate.web.check import Check, Fact

HANDSHAKES = 5.0   # seconds between two of them without credentials, while the broker answers
API = 2.0          # seconds between two questions to the management API
QUEUES = 15.0      # seconds between two lists of all queues
AMQP_SHARE = 0.8   # of the time of an observation, for AMQP and epmd: the rest is for the management API
ALARM_WEIGHT = 50  # per cent of its weight that a node with an alarm asks for by the agent-check
YES, NO = ("1", "yes", "on", "true"), ("0", "no", "off", "false", "")

ROLES = {
    "/": "fit for clients, as the options say",
    "/publisher": "fit, and no alarm of this node blocks publishers",
    "/ready": "the same as /",
    "/live": "the broker answers at all, in whatever state: a reason not to kill it",
}


class RabbitmqCheck(Check):
    """rabbitmq-check: say whether the RabbitMQ broker on this node is fit for clients"""

    name, room, service = "rabbitmq-check", "rabbitmq", "RabbitMQ"
    roles = ROLES
    interval, timeout, once_timeout = 0.5, 1.0, 2.0
    options = {
        "credentials FILE": "user and password of a monitoring user, [client] section (default: %s if it exists; "
                            "without it only what needs none is asked)" % CREDENTIALS,
        "host HOST": "of the broker (default: where it listens)",
        "port N": "AMQP (default: where it listens)",
        "management-port N": "of the management API (default: where it listens); asked only with credentials",
        "node NAME": "Erlang name (default: that of rabbitmq-env.conf, else rabbit@ and the short host name)",
        "log FILE": "the broker's log, read while it does not listen (default: found)",
        "pid-file FILE": "written by the broker (default: found)",
        "epmd-port N": "of the port mapper (default: 4369)",
        "queues": "with credentials: also look for queues without a majority or with a mirror behind",
        "alarms yes|no": "is a node with an alarm fit? An alarm blocks publishers on all nodes (default: yes)",
        "minority yes|no": "is a node fit that sees less than half of its cluster? (default: no)",
    }
    description = """Answers a load balancer on port 9201, and keepalived, Prometheus and operators. Without a \
listening socket it observes once, prints a sentence and exits.

As a server it asks the broker again and again, and answers every request from the last fact, which is never \
older than two seconds: a broker that hangs makes it answer 503, never wait. No Erlang machine is started. systemd \
starts it with

    systemctl enable --now quorate-rabbitmq-check.socket

and xinetd with /etc/xinetd.d/quorate-rabbitmq-check, where disable has to be set to no.

With a user for it (rabbitmqctl add_user NAME, which asks for its password; rabbitmqctl set_user_tags NAME monitoring; \
rabbitmqctl set_permissions NAME '^$' '^$' '^$') it keeps one AMQP connection, and asks the management API for alarms, \
partitions and members. Without one it does a handshake every five seconds, which RabbitMQ logs as a client that \
closed its connection."""
    files = (
        (CREDENTIALS, "Names and values in the [client] section: user, password; vhost, host, port, ssl, ssl_ca, "
                      "management_host, management_port, management_ssl, epmd_port where they differ from the default; "
                      "ssl_cert, ssl_key (files) for a broker that demands a client certificate. "
                      "Owner root, group rabbitmq, mode 0640; one that every user can read is not used."),
        (ENV + ", /etc/rabbitmq/rabbitmq.conf, conf.d/*.conf, advanced.config, rabbitmq.config",
         "Say where the broker is and listens; what only a shell could tell is named."))
    see_also = ("ocf_quorate_rabbitmq(7)", "rabbitmq-diagnostics(8)", "haproxy(1)")

    def __init__(self, options):
        Check.__init__(self, options)
        for name in ("port", "management_port", "epmd_port"):
            if not 0 < int(options.get(name, "1") if options.get(name, "1").isdecimal() else 0) < 65536:
                raise Usage("--%s is a number from 1 to 65535" % name.replace("_", "-"))
        self.alarms, self.minority = self._yes_or_no("alarms", "yes"), self._yes_or_no("minority", "no")
        self._session, self._endpoint, self._process, self._resident = None, None, None, False
        self._unclear = None  # what RabbitMQ's own configuration sets, and cannot be understood
        self._handshake = self._asked = self._listed = -1e9  # when, in seconds of the monotonic clock
        self._management = {}  # what the management API answered last, as fields of Broker

    def _yes_or_no(self, name, default):
        value = self.options.get(name, default).lower()
        if value not in YES + NO:
            raise Usage("--%s is yes or no" % name)
        return value in YES

    def prepare(self):
        from quorate.host import amqp_session  # of no use to a single run
        self._resident = bool(amqp_session.driver())

    def observe(self, seconds, last):
        from quorate.host.process import Processes
        processes, problem = Processes(), None
        try:
            self._endpoint = self._endpoint or self.endpoint()
        except Unreadable as error:
            self._endpoint, problem = self.endpoint(with_credentials=False), error.reason
        broker = self._broker(processes, seconds, last)
        if problem or not broker.answered:
            self._endpoint = None  # read again next time: a file may have changed
        errors = [text for text in (problem, self._unclear, broker.error) if text]
        if errors:
            broker = broker._replace(error=" ".join(dict.fromkeys(errors)))
        return Fact(broker, self.policy(health.classify(broker), broker))

    def endpoint(self, with_credentials=True, base=None):
        """The Endpoint by options, file of credentials and RabbitMQ's configuration. base: what goes before the latter.
        Raises Unreadable."""
        options, found = self.options, base
        if found is None:
            found, self._unclear = configured_endpoint(options.get("node"))
        if with_credentials:
            path = options.get("credentials")
            found = with_file(found, path or CREDENTIALS, bool(path))
        for option, field in (("host", "host"), ("log", "log"), ("pid_file", "pid_file")):
            if option in options:
                found = found._replace(**{field: options[option]})
        for name in ("port", "management_port", "epmd_port"):
            if name in options:
                found = found._replace(**{name: int(options[name])})
        return found._replace(management_host=options["host"]) if "host" in options else found

    def _broker(self, processes, seconds, last):
        """The Broker by this observation, and by what the management API said a moment ago."""
        endpoint, now = self._endpoint, monotonic()
        kept = last.status is not None and last.status.answered
        if self._process is None or processes.gone(self._process):
            self._process = None if kept else find_by_pid_file(processes, endpoint.node, endpoint.pid_file)
        process = processes.get(self._process.pid) if self._process else None
        if process is not None and process.state in "Tt":
            return Broker(process)
        if endpoint.user and self._resident:  # a single observation does a handshake: pika costs more than all the rest
            from quorate.host import amqp_session
            self._session = self._session or amqp_session.Session(endpoint)
        elif self._resident and kept and now - self._handshake < HANDSHAKES and amqp.connects(
                endpoint.host, endpoint.port, seconds):
            return last.status
        broker = observe_broker(endpoint._replace(user=None), process, 0, seconds * AMQP_SHARE, self._session)
        if broker.answered and process is None and "node" not in self.options:
            endpoint, broker = self._other_name(endpoint, broker, only_broker(processes))
        if not broker.answered and process is not None:
            endpoint, broker = self._elsewhere(endpoint, broker, max(0.1, seconds - (monotonic() - now)))
        if not broker.answered:
            self._session, self._management, self._asked = self._dropped(), {}, -1e9
            self._process = process or find_by_pid_file(processes, endpoint.node, endpoint.pid_file)
            return broker
        self._handshake = now
        if not endpoint.user or broker.full or broker.refused and not tls_refused(broker):
            return broker
        return with_answers(broker, self._ask_management(endpoint, now, max(0.05, seconds - (monotonic() - now))))

    def _other_name(self, endpoint, broker, process):
        """(Endpoint, Broker) when the only broker of this machine, which listens there, has another name than its
        configuration says: the agent's parameter nodename gave it."""
        found = running_endpoint(endpoint, process) if process is not None else None
        if not found or found[:3] != endpoint[:3]:
            return endpoint, broker
        self._endpoint, self._process = endpoint._replace(node=found.node, log=found.log), process
        return self._endpoint, broker._replace(process=process, epmd=known_to_epmd(self._endpoint, process, 0.5))

    def _elsewhere(self, endpoint, broker, seconds):
        """(Endpoint, Broker) of a broker that gave no answer where it is configured to listen: where it does listen."""
        if "host" in self.options or "port" in self.options:
            return endpoint, broker
        found = running_endpoint(endpoint, broker.process)
        if not found:
            closed = Broker(broker.process, False, stage=boot_stage(endpoint.log, broker.process),
                            epmd=known_to_epmd(endpoint, broker.process, min(seconds, 0.5)))
            return endpoint, broker._replace(listening=broker.listening or None) if found is None else closed
        try:
            found = self.endpoint(base=found)
        except Unreadable:  # it is said already
            pass
        if found[:3] == endpoint[:3]:
            return endpoint, broker
        self._endpoint, self._session = found, self._dropped()
        return found, observe_broker(found._replace(user=None), broker.process, 0, seconds)

    def _ask_management(self, endpoint, now, seconds):
        """What the management API answered last; asked again when that is old."""
        if now - self._asked >= API:
            from quorate.rabbitmq.broker.tools import management
            lists = bool(self.options.get("queues")) and now - self._listed >= QUEUES
            kept = {} if lists else {name: self._management[name]
                                     for name in ("leaderless", "unsynchronised", "quorum_critical")
                                     if name in self._management}
            self._management = dict(kept, **management.ask(endpoint, 10 if lists else 0, seconds))
            self._asked, self._listed = now, now if lists else self._listed
        return self._management

    def _dropped(self):
        """None, for a session whose connection is dropped."""
        if self._session is not None:
            self._session.close()

    def policy(self, found, broker):
        """The Health as the operator wants it."""
        if found.code == health.ALARM and not self.alarms:
            return Health(found.code, False, found.sentence)
        if found.code == health.MINORITY and self.minority:
            return Health(found.code, True, found.sentence)
        return found

    def close(self, last):
        if self._session is not None:
            self._session.close(goodbye=bool(last.status.answered))

    def role_health(self, fact, path):
        if path == "/publisher" and fact.health.ok and fact.status is not None and fact.status.alarms:
            return False, fact.health.sentence
        return Check.role_health(self, fact, path)

    def fact_cache_key(self, fact):
        return fact.status.answered, fact.status.alarms

    def answered(self, fact):
        return bool(fact.status is not None and fact.status.answered)

    def weight(self, fact):
        return ALARM_WEIGHT if fact.health.code == health.ALARM else 100

    def metrics(self, fact):
        broker = fact.status or Broker()
        found = [(name, len(value)) for name, value in (
            ("members", broker.all_nodes), ("members_running", broker.running_nodes),
            ("members_parted", broker.partitions), ("queues_leaderless", broker.leaderless),
            ("queues_unsynchronised", broker.unsynchronised)) if value is not None]
        if broker.alarms is not None:
            found += [("alarm", {"resource": word}, int(word in broker.alarms))
                      for word in sorted({"memory", "disk"} | set(broker.alarms))]
        return found

    def known(self, fact):
        broker = fact.status or Broker()
        shown = {name: sorted(value) if isinstance(value, frozenset) else value
                 for name, value in broker._asdict().items()}
        # under_pause: always null, for programs that read it; `stage` says whether the broker paused itself.
        return {"broker": dict(shown, process=broker.process.pid if broker.process else None, under_pause=None)}
