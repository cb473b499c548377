# SPDX-License-Identifier: Apache-2.0
"""What is known of an OpenStack service, as values, and the names of the state files. None is unknown, which is never
no.

What a healthy process tree looks like, which heartbeat row a service writes and which queue it serves was tried on
Debian 12 with Cinder 21, Heat 19 and Nova 26, and with the last nova-consoleauth (Nova 19).
"""

from collections import namedtuple

# States of a Diagnosis.
STOPPED = "stopped"    # proven: no process of it is left, orphans included
HEALTHY = "healthy"
DEGRADED = "degraded"  # it runs, something is wrong, and a restart would not help (yet)
FAILED = "failed"      # processes of it are there, and only stop and start can fix it

# Kinds of a Symptom: what it may lead to.
FATAL = "fatal"        # failed at once
PASSING = "passing"    # the service may recover by itself; failed when it lasts too long
OUTAGE = "outage"      # broker or database is away for everybody here: a restart does not bring it back
NOTICE = "notice"      # an operator has to act; a restart does not help

# Sources of a Symptom: where it was observed, so which observation can tell that it is over. The values are in
# SYMPTOMS_FILE.
KERNEL = "kernel"        # the tables of processes and sockets
REACHABILITY = "knock"   # whether a broker answers this node at all
DATABASE = "rows"        # the heartbeat in the database
RPC = "rpc"              # a call through the broker
HTTP = "page"            # an HTTP request

# Outcomes of asking a source.
ANSWERED = "answered"
SILENT = "silent"            # asked, and nothing came in time
UNREACHABLE = "unreachable"  # what the question goes through (broker, database) does not answer either
MISSING = "missing"          # there is no such queue, row or page
UNKNOWN = "unknown"          # could not be asked at all (no settings, no driver, refused credentials)

NO_ANSWER = "no answer within"  # the reason of a Page that did not come in time begins with it
UNSERVED = "queue: "            # the reason of a Reply begins with it where RabbitMQ has the queue and does not serve it

# State files of an agent, in /run: gone with a reboot, as the processes are (quorate.host.state_files).
SERVICE_FILE = "service"    # which process was started, and how many workers came up
SYMPTOMS_FILE = "symptoms"  # when each symptom was first observed
HEARTBEATS_FILE = "heartbeats"  # which report of each worker was observed last, and when it was a new one
FAILED_FILE = "failed"      # the symptom that had lasted too long when a monitor last answered failed


REASON_MOST = 144  # characters that survive of an exit reason in Pacemaker


def short(text, most=REASON_MOST):
    """The text, cut to so many characters: what follows it in a sentence, such as a command, has to survive."""
    return text if len(text) <= most else text[:max(0, most - 3)] + "..."


class Call(namedtuple("Call", "method namespace version args", defaults=(None, "1.0", ()))):
    """An RPC method that changes nothing. args: tuple of (name, value)."""

    __slots__ = ()


# oslo.messaging's own method (rpc/dispatcher.py, option rpc_ping_enabled). A service that does not offer it answers
# NoSuchMethod or UnsupportedVersion, which proves as much, and writes a traceback into its log.
PING = Call("oslo_rpc_server_ping")
NOVA_PING = Call("ping", "baseapi", "1.1", (("arg", "quorate"),))  # nova/baserpc.py: every Nova service has it
HEAT_LISTENING = Call("listening")                                 # heat/engine/service.py, EngineListener


class Service(namedtuple("Service", (
        "name project units user config workers amqp exchange topic row port page release call"),
        defaults=("one", True, None, None, None, None, None, None, PING))):
    """A service of the control plane: what differs between the services.

    name      of the program and of the resource agent
    project   'cinder': section of paths, name of the database account
    units     names that distributions give to its systemd unit, without '.service'
    workers   which processes hold the connections: 'one' (the process itself), 'backends' (one child for each of
              enabled_backends), 'engines' (num_engine_workers children), 'any' (whichever there are)
    amqp      whether workers hold connections to RabbitMQ all the time
    exchange, topic   where it takes RPC calls; None: it takes none
    row       'cinder', 'heat' or 'nova': which heartbeat it writes into its database; None: none
    port      the TCP port it listens on, None: none (or none that is its own)
    page      path of a page that it serves when it is well (an HTTP answer of any status proves that it answers)
    release   which releases have it, as text for an operator; None: all have
    call      the Call that it answers
    """

    __slots__ = ()


class Address(namedtuple("Address", "host port user password name tls socket certificates options",
                         defaults=(None, None, None, None, None, False, None, (), ()))):
    """Where a broker or database is, and the account to use. name: virtual host or schema; certificates: tuple of
    (name, value): paths 'ca', 'cert', 'key', whether to 'check_hostname'; options: further ones of a database URL, as
    (name, value), that are for PyMySQL itself. repr() shows no password."""

    __slots__ = ()

    def __repr__(self):
        return "Address(%s)" % self.shown

    @property
    def shown(self):
        """Path of the socket, or 'host:port', for a message."""
        return self.socket or "%s:%s" % (self.host, self.port)


class Settings(namedtuple("Settings", (
        "readable brokers database host backends cluster workers exchange interval down listen tls logs problems"),
        defaults=(False, (), None, None, (), None, None, None, 10.0, 60.0, None, None, False, ()))):
    """What the service's own configuration says; None: it does not say.

    readable   whether there was a configuration to read
    brokers    tuple of Address, from transport_url; () also when it is no rabbit:// URL
    database   Address, from [database] connection; None also when it is no mysql URL
    host       the name it reports under
    backends   Cinder: tuple of (section, host): host@section is the name of a worker
    cluster    Cinder's active/active cluster, if one is set
    workers    how many workers are configured; None: the service decides by the number of processors
    exchange   the exchange of its RPC calls
    interval   seconds between two heartbeats; None: what is set cannot be understood
    down       seconds without a heartbeat after which it counts as down
    listen     (host, port) of its listener
    tls        whether the listener speaks TLS only
    logs       whether it says where the service logs
    problems   sentences about what is set and cannot be understood, or why it cannot be read
    """

    __slots__ = ()


class Tree(namedtuple("Tree", "parent workers orphans copies", defaults=(None, (), (), ()))):
    """The service's processes on this machine (quorate.host.process.Process).

    parent    the one that was started, None: there is none
    workers   those that do the work: the parent's children, or the parent where it works alone
    orphans   processes of the service whose parent is gone
    copies    further parents, started beside the first one
    """

    __slots__ = ()

    @property
    def all(self):
        """Every process, the parent first."""
        found = (self.parent,) if self.parent else ()
        return found + tuple(one for one in self.workers if one != self.parent) + self.orphans + self.copies


class Sockets(namedtuple("Sockets", "amqp sql listening", defaults=(None, None, None))):
    """TCP sockets of one process. amqp, sql: numbers of connections established to brokers and to the database;
    listening: frozenset of the ports it listens on. None: could not be observed."""

    __slots__ = ()


class Row(namedtuple("Row", "name age created mark unchanged changes", defaults=(None, None, None, 0))):
    """One heartbeat row. name: as the service writes it; age, created: seconds since the last report and since the row
    was made, by the database's clock, which need not be the service's: for a message only; None: never; mark: text that
    is another one after each report; unchanged: seconds for which it is known to have been the same, None: it was not
    looked at before; changes: 0: no report was seen of this process, 1: one was, but perhaps of its first minute only,
    2: one was."""

    __slots__ = ()


class Rows(namedtuple("Rows", "outcome rows reason watched unwritable", defaults=((), "", 0.0, ""))):
    """The heartbeat rows of this service's processes. outcome: ANSWERED, or UNREACHABLE or UNKNOWN with the reason;
    watched: seconds since they were looked at first; unwritable: why the database takes no writes, '': it does, or was
    not asked."""

    __slots__ = ()


class Reply(namedtuple("Reply", "target outcome consumers reason", defaults=(None, ""))):
    """What an RPC call to one target gave. consumers: of its queue, None: unknown."""

    __slots__ = ()


class Page(namedtuple("Page", "outcome status reason", defaults=(None, ""))):
    """What an HTTP request gave: ANSWERED with a status, SILENT, MISSING (nothing listens) or UNKNOWN."""

    __slots__ = ()


class Observation(namedtuple("Observation", (
        "tree sockets settings age expected baseline connected broker port_owner rows replies page early reports refused"),
        defaults=({}, Settings(), 0.0, None, None, None, None, None, None, (), None, None, None, ""))):
    """One reading of a service at one moment.

    tree       Tree
    sockets    dict of pid to Sockets
    settings   Settings
    age        seconds since the parent was started
    expected   how many workers the configuration asks for; None: unknown
    baseline   how many workers there were when the start was done, or later; None: unknown
    connected  how many of them were connected to a broker then, or later; None: unknown
    broker     True: a broker of transport_url answers this node, False: none does, or none takes a connection of the
               service, None: not asked or unknown
    port_owner 'ours', 'other', 'nobody'; None: unknown, or it has no port
    rows, replies, page   of monitor levels 10 and 20; None or (): not asked
    reports    the lines of HEARTBEATS_FILE after this observation; None: the rows were not read
    early      1: the start was done before the workers were there, since broker or database were away; None: it was not
    refused    why no broker takes a connection with the service's account and certificates; '': one does, or not tried
    """

    __slots__ = ()


class Symptom(namedtuple("Symptom", "key kind message limit source", defaults=(None, KERNEL))):
    """One thing that is wrong. key: stable name of its timer; message: for the operator; limit: seconds that a PASSING
    one may last, None: the parameter's; source: where it was observed."""

    __slots__ = ()


class Limits(namedtuple("Limits", "tolerance outage", defaults=(60.0, 0.0))):
    """Seconds that a PASSING symptom and an OUTAGE may last; outage 0: for ever."""

    __slots__ = ()


class Diagnosis(namedtuple("Diagnosis", "state message symptoms", defaults=("", ()))):
    """What symptoms add up to. state: one of those above; message: for the operator, '' when all is well; symptoms:
    keys of all that were found."""

    __slots__ = ()
