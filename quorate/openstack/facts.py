# SPDX-License-Identifier: Apache-2.0
"""What is known of a service, as values. *Unknown is never no*: what could not be found out is None.

What a healthy process tree looks like, which row a service writes and which queue it serves was tried on Debian 12 with
Cinder 21, Heat 19 and Nova 26, and with the last nova-consoleauth (Nova 19).

What an agent writes down on its own node (see quorate.host.state_files). All of it is gone with a reboot, as the processes are.
"""

from collections import namedtuple

# States of a verdict.
STOPPED = "stopped"    # proven: no process of it is left, orphans included
HEALTHY = "healthy"
DEGRADED = "degraded"  # runs, something is wrong, and a restart would not help (yet)
FAILED = "failed"      # something of it is there, and only stop and start can mend it

# Kinds of a symptom: what it may come to.
FATAL = "fatal"        # failed at once
PASSING = "passing"    # the service may get over it; failed when it lasts
OUTAGE = "outage"      # broker or database are away, for everybody here: a restart does not bring them back
NOTICE = "notice"      # an operator has to act; a restart does not help

# Senses: what saw a symptom, so who can say that it is over.
KERNEL = "kernel"      # the tables of processes and sockets
KNOCK = "knock"        # whether a broker answers this node at all
ROWS = "rows"          # the heartbeat in the database
RPC = "rpc"            # a call through the broker
PAGE = "page"          # HTTP

# How an answer was asked for and what came.
ANSWERED = "answered"
SILENT = "silent"            # asked, and nothing came in time
UNREACHABLE = "unreachable"  # the way there (broker, database) does not answer us either
MISSING = "missing"          # there is no such queue, row or page
UNKNOWN = "unknown"          # could not be asked at all (no settings, no driver, refused credentials)
SERVICE_FILE = "service"    # which process was started, and how many workers came up
SYMPTOMS_FILE = "symptoms"  # since when something is wrong
FAILED_FILE = "failed"      # what had lasted too long when a monitor last called it failed


class Call(namedtuple("Call", "method namespace version args", defaults=(None, "1.0", ()))):
    """An RPC method that changes nothing. args: tuple of (name, value)."""

    __slots__ = ()


# oslo.messaging's own (rpc/dispatcher.py, option rpc_ping_enabled). A service that does not offer it answers NoSuchMethod or
# UnsupportedVersion, which proves as much, and writes a traceback into its log.
PING = Call("oslo_rpc_server_ping")
NOVA_PING = Call("ping", "baseapi", "1.1", (("arg", "quorate"),))  # nova/baserpc.py: every Nova service has it
HEAT_LISTENING = Call("listening")                                 # heat/engine/service.py, EngineListener


class Service(namedtuple("Service", (
        "name project units user config workers amqp exchange topic row port page release call"),
        defaults=("one", True, None, None, None, None, None, None, PING))):
    """A service of the control plane; what differs between them.

    name      of the program and of the resource agent
    project   'cinder': section of paths, name of the database account
    units     names that distributions give to its systemd unit, without '.service'
    workers   who has the connections: 'one' (the process itself), 'backends' (one child for each of enabled_backends),
              'engines' (num_engine_workers children), 'any' (whoever is there)
    amqp      whether workers hold connections to RabbitMQ all the time
    exchange, topic   where it takes RPC calls; None: it takes none
    row       'cinder', 'heat' or 'nova': which heartbeat it writes into its database; None: none
    port      the TCP port it listens on, None: none (or none that is its own)
    page      path of a page that it serves when it is well (an HTTP answer of any status proves that it answers)
    release   words about the releases that have it, None: all have
    call      the Call that it answers
    """

    __slots__ = ()


class Address(namedtuple("Address", "host port user password name tls socket", defaults=(None, None, None, None, None, False, None))):
    """Where a broker or database is, and with which account. name: virtual host or schema. repr() shows no password."""

    __slots__ = ()

    def __repr__(self):
        return "Address(%s)" % self.shown

    @property
    def shown(self):
        """For a sentence."""
        return self.socket or "%s:%s" % (self.host, self.port)


class Settings(namedtuple("Settings", (
        "readable brokers database host backends cluster workers exchange ping interval down listen tls web"),
        defaults=(False, (), None, None, (), None, None, None, None, 10.0, 60.0, None, None, None))):
    """What the service's own configuration says; None: it does not say.

    readable   whether there was a configuration to read
    brokers    tuple of Address, from transport_url; () also when it is no rabbit:// URL
    database   Address, from [database] connection; None also when it is no mysql URL
    host       the name it reports under
    backends   Cinder: tuple of (section, host): host@section is the name of a worker
    cluster    Cinder's active/active cluster, if one is set
    workers    how many workers it shall have; None: the service decides by the number of processors
    ping       rpc_ping_enabled
    interval, down   seconds between two heartbeats, and after which silence it counts as down
    listen     (host, port) of a listener, tls: whether it speaks TLS only, web: directory of its pages
    """

    __slots__ = ()


class Tree(namedtuple("Tree", "parent workers orphans copies", defaults=(None, (), (), ()))):
    """The service's processes on this machine (quorate.host.process.Process).

    parent    the one that was started, None: there is none
    workers   those that work: its children, or the parent where it works alone
    orphans   processes of it whose parent is gone
    copies    parents that were started beside the first one
    """

    __slots__ = ()

    @property
    def all(self):
        """Every process, the parent first."""
        found = (self.parent,) if self.parent else ()
        return found + tuple(one for one in self.workers if one != self.parent) + self.orphans + self.copies


class Sockets(namedtuple("Sockets", "amqp sql listening", defaults=(None, None, None))):
    """TCP sockets of one process: connections established to brokers and to the database, ports it listens on (frozenset).
    None: could not be seen."""

    __slots__ = ()


class Row(namedtuple("Row", "name age created count disabled", defaults=(None, None, False))):
    """One heartbeat row. name: as the service writes it; age, created: seconds ago by the database's clock, None: never;
    count: how often it reported, disabled: by the operator."""

    __slots__ = ()


class Rows(namedtuple("Rows", "outcome rows why", defaults=((), ""))):
    """The heartbeat rows of this service's processes. outcome: ANSWERED, UNREACHABLE or UNKNOWN, with why."""

    __slots__ = ()


class Reply(namedtuple("Reply", "target outcome consumers why", defaults=(None, ""))):
    """What an RPC call to one target gave. consumers: of its queue, None: not told."""

    __slots__ = ()


class Page(namedtuple("Page", "outcome status why", defaults=(None, ""))):
    """What an HTTP request gave: ANSWERED with a status, SILENT, MISSING (nobody listens) or UNKNOWN."""

    __slots__ = ()


class Observation(namedtuple("Seen", (
        "tree sockets settings age expected baseline linked broker port_owner rows replies page early"),
        defaults=({}, Settings(), 0.0, None, None, None, None, None, None, (), None, None))):
    """All that one look gave.

    tree       Tree
    sockets    dict of pid to Sockets
    age        seconds since the parent was started
    expected   how many workers there shall be; None: unknown
    baseline   how many there were when the start was done; None: unknown
    linked     how many of them were connected then, or later; None: unknown
    broker     True: a broker of transport_url answers this node, False: none does, None: not asked or unknown
    port_owner 'ours', 'other', 'nobody'; None: unknown, or it has no port
    rows, replies, page   of the deeper levels; None or (): not asked
    early      1: the start was done before the workers were there, since broker or database were away; None: it was not
    """

    __slots__ = ()


class Symptom(namedtuple("Symptom", "key kind sentence limit sense", defaults=(None, KERNEL))):
    """One thing that is wrong. key: stable name, under which its duration is kept; limit: seconds that a PASSING one may
    last, None: the parameter's; sense: what saw it."""

    __slots__ = ()


class Limits(namedtuple("Limits", "tolerance outage", defaults=(60.0, 0.0))):
    """Seconds that a PASSING symptom and an OUTAGE may last; outage 0: for ever."""

    __slots__ = ()


class Verdict(namedtuple("Verdict", "state sentence symptoms", defaults=("", ()))):
    """state: of those above; sentence: for the operator, '' when all is well; symptoms: keys of all that was found."""

    __slots__ = ()
