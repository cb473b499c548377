# SPDX-License-Identifier: Apache-2.0
"""A RabbitMQ cluster on the nodes of a lab, set up as an operator would, for tests, faults and benchmarks.

    rabbitmq.prepare(lab)                  # configuration and Erlang cookie of every node
    rabbitmq.create(lab, say=print)        # one pcs command
    rabbitmq.wait_serving(lab)
    rabbitmq.furnish(lab)                  # users, vhosts, exchanges, bindings, policies, queues with messages
    rabbitmq.missing(lab)                  # what of that is gone
"""

import json
import os
import secrets
import shlex
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Dict, NamedTuple

from lab import PROGRAMS, LabError, quiet, state

RESOURCE = "mq"
USER = "app"
BASE = "/var/lib/rabbitmq/mnesia"
KEPT = "/var/lib/quorate/rabbitmq-" + RESOURCE  # what the agent keeps there over a reboot
COOKIE = "/var/lib/rabbitmq/.erlang.cookie"
LIMIT = 120.0  # seconds
MESSAGES = 1000
FURNITURE = os.path.join(PROGRAMS, "furniture.py")

OTHERS = ("nova", "cinder", "heat", "neutron")
VHOSTS = ("/one", "/two")
POLICIES = (("/one", "ttl", "^ttl\\.", {"message-ttl": 86400000}),
            ("/", "limit", "^limited\\.", {"max-length": 1000000}))

CONFIG = """\
loopback_users = none
listeners.tcp.default = 5672
cluster_partition_handling = pause_minority
"""


# -- set it up

def prepare(lab, cookie=None):
    """Write configuration and Erlang cookie on every node, as an operator's deployment tool would."""
    cookie = cookie or secrets.token_hex(20)
    for node in lab.nodes:
        lab.check(node.name, "cat >/etc/rabbitmq/rabbitmq.conf && echo NODENAME=rabbit@%s >/etc/rabbitmq/rabbitmq-env.conf"
                  % node.name, stdin=CONFIG)
        lab.check(node.name, "umask 077; cat >%s && chown rabbitmq:rabbitmq %s && chmod 400 %s" % ((COOKIE,) * 3),
                  stdin=cookie)


def create_command(lab, agent="ocf:quorate:rabbitmq", **parameters):
    """The pcs command that creates the resource, a list. The peer's agent needs ordered=true, or each of its instances
    makes a cluster of its own, and notify=true, to learn of the others' stop."""
    peer = ["ordered=true", "notify=true"] if "heartbeat" in agent else []
    return (["pcs", "resource", "create", RESOURCE, agent] + ["%s=%s" % pair for pair in parameters.items()]
            + ["clone", "interleave=true"] + peer)


def create(lab, agent="ocf:quorate:rabbitmq", say=quiet, **parameters):
    """Create the resource `mq` with `parameters`."""
    argv = create_command(lab, agent, **parameters)
    say(shlex.join(argv))
    lab.check(lab.node_names[0], argv, 60)


def password_file(lab):
    """The file with the application's password, on this machine; only root may read it."""
    return os.path.join(state.directory(lab.name), "rabbitmq.password")


# -- ask

_GREET = """
import json, socket, ssl, sys
given = json.loads(sys.argv[1])
context = None
if "ca" in given:
    context = ssl.create_default_context(cafile=given["ca"])
    context.check_hostname = False
    if "cert" in given:
        context.load_cert_chain(given["cert"], given["key"])
for word in sys.argv[2:]:
    name, _, host = word.partition("=")
    try:
        with socket.create_connection((host, given["port"]), 0.5) as one:
            one.settimeout(1.0)
            with context.wrap_socket(one) if context else one as one:
                one.sendall(b"AMQP\\0\\0\\x09\\x01")
                if one.recv(8):
                    print(name)
    except OSError:
        pass
"""


class Reach(NamedTuple):
    """How clients in the lab's network reach its brokers. hosts: {node: address}, the lab's own addresses when empty;
    options: port, and for TLS ca, cert and key, as for lab/programs/confirming.py."""

    hosts: Dict[str, str] = {}
    options: Dict[str, object] = {}


def serving(lab, reach=Reach()):
    """Names of the nodes whose broker answers the AMQP header of a client in the lab's network."""
    targets = ["%s=%s" % (node.name, reach.hosts.get(node.name, node.address)) for node in lab.nodes]
    given = json.dumps(dict({"port": 5672}, **reach.options))
    done = subprocess.run(lab.client(["/usr/bin/python3", "-I", "-S", "-c", _GREET, given] + targets),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    return done.stdout.split()


def ctl(lab, node, *words, timeout=60.0):
    """The output of rabbitmqctl (or another of its tools, by its name) on `node`. LabError if it fails."""
    argv = list(words) if words[0].startswith("rabbitmq-") else ["rabbitmqctl"] + list(words)
    return lab.check(node, argv, timeout)


def running(lab, node):
    """The nodes that run according to the broker of `node`, by the lab's names; [] when it does not answer."""
    try:
        found = json.loads(lab.run(node, ["rabbitmqctl", "cluster_status", "--formatter", "json"],
                                   30).out)["running_nodes"]
    except (ValueError, KeyError, LabError):  # LabError: the node has no power
        return []
    return sorted(name.partition("@")[2] for name in found)


def one_cluster(lab, nodes=None):
    """Whether all of `nodes` (default: all) run according to each of them. They are asked at the same time: an answer
    takes a second of CPU."""
    wanted = set(nodes or lab.node_names)
    with ThreadPoolExecutor(len(wanted)) as pool:
        return all(wanted <= set(found) for found in pool.map(lambda node: running(lab, node), sorted(wanted)))


def wait_serving(lab, nodes=None, timeout=LIMIT, every=0.1):
    """Wait until the brokers of `nodes` (default: all) serve; the seconds it took. LabError after `timeout` seconds."""
    wanted, began = set(nodes or lab.node_names), time.monotonic()
    while not wanted <= set(serving(lab)):
        if time.monotonic() - began > timeout:
            raise LabError("not serving after %.0f s: only %s; `lab run --name %s %s quorate explain` says why" % (
                timeout, " ".join(serving(lab)) or "none", lab.name, lab.node_names[0]))
        time.sleep(every)
    return time.monotonic() - began


def wait_whole(lab, nodes=None, timeout=LIMIT):
    """The same, and they form one cluster."""
    wanted, began = list(nodes or lab.node_names), time.monotonic()
    wait_serving(lab, wanted, timeout)
    while not one_cluster(lab, wanted):
        if time.monotonic() - began > timeout:
            raise LabError("not one cluster after %.0f s: %s"
                           % (timeout, {node: running(lab, node) for node in wanted}))
        time.sleep(0.5)
    return time.monotonic() - began


def wait_silent(lab, timeout=LIMIT):
    """Wait until no broker serves."""
    lab.wait(lambda: not serving(lab), timeout, "brokers still serve")


# -- the furniture: what an operator and an application put into a broker

def furnish(lab, node=None):
    """Five users with permissions, three vhosts, exchanges, bindings, policies; a durable classic and a quorum queue
    with 1,000 persistent messages each, all confirmed. Into the cluster of `node`."""
    node = node or lab.node_names[0]
    if not os.path.exists(password_file(lab)):
        with os.fdopen(os.open(password_file(lab), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_hex(16) + "\n")
    with open(password_file(lab), encoding="ascii") as file:
        password = file.read().strip()
    users = (USER,) + OTHERS
    text = json.dumps({
        "vhosts": [{"name": name} for name in ("/",) + VHOSTS],
        "users": [{"name": name, "password": password, "tags": []} for name in users],
        "permissions": [{"user": user, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
                        for user in users for vhost in ("/", "/one")],
        "policies": [{"vhost": vhost, "name": name, "pattern": pattern, "apply-to": "queues", "priority": 0,
                      "definition": definition} for vhost, name, pattern, definition in POLICIES]})
    import_definitions(lab, node, text)
    _furniture(lab, "put", lab.address(node))


def import_definitions(lab, node, text, ctl=("rabbitmqctl",)):
    """Import definitions, a JSON text. ctl: the first words of rabbitmqctl. From a file: rabbitmqctl of 4.0.5 did not
    end within a minute when it was given them through a pipe."""
    lab.check(node, "umask 077; cat >/root/definitions.json && chmod 644 /root/definitions.json && chmod 711 /root && "
                    "%s -q import_definitions /root/definitions.json; code=$?; rm /root/definitions.json; exit $code"
              % shlex.join(ctl), 120, stdin=text)


def missing(lab, node=None):
    """What of the furniture is gone: a list of texts, empty when all is there."""
    node = node or lab.node_names[0]
    found = []
    exported = json.loads(lab.check(node, "rabbitmqctl -q export_definitions /tmp/now.json >&2 && cat /tmp/now.json && "
                                       "rm /tmp/now.json", 120))
    have = {
        "user": {one["name"] for one in exported["users"]}, "vhost": {one["name"] for one in exported["vhosts"]},
        "permission": {"%s in %s" % (one["user"], one["vhost"]) for one in exported["permissions"]},
        "policy": {one["name"] for one in exported["policies"]},
        "exchange": {one["name"] for one in exported["exchanges"]},
        "binding": {"%s to %s" % (one["source"], one["destination"]) for one in exported["bindings"]}}
    users = (USER,) + OTHERS
    wanted = {"user": users, "vhost": VHOSTS, "permission": ["%s in %s" % (user, vhost) for user in users
                                                             for vhost in ("/", "/one")],
              "policy": [name for _vhost, name, _pattern, _definition in POLICIES], "exchange": ("topic", "fanout"),
              "binding": ["%s to %s" % (one, queue) for one in ("topic", "fanout") for queue in ("classic", "quorum")]}
    for kind, names in wanted.items():
        found += ["%s %s" % (kind, name) for name in names if name not in have[kind]]
    if not found:
        counts = json.loads(_furniture(lab, "count", lab.address(node)))
        found = ["%s: %s of %d messages" % (name, count, MESSAGES) for name, count in counts.items()
                 if count != MESSAGES]
    return found


def quorum_members(lab, node, queue="quorum", name=""):
    """How many members the quorum queue has that are leader or follower. name: of the broker, where its tools do not
    know it."""
    out = ctl(lab, node, "rabbitmq-queues", *(("-n", name) if name else ()), "quorum_status", queue, "--formatter",
              "json")
    return len([one for one in json.loads(out) if one["Raft State"] in ("leader", "follower")])


def declare_quorum(lab, node, name, size):
    """Make a quorum queue with so many members, one of them on `node`."""
    ctl(lab, node, "eval", 'rabbit_amqqueue:declare(rabbit_misc:r(<<"/">>, queue, <<"%s">>), true, false, '
        '[{<<"x-queue-type">>, longstr, <<"quorum">>}, {<<"x-quorum-initial-group-size">>, long, %d}], none, '
        '<<"lab">>).' % (name, size))


def _furniture(lab, verb, host):
    argv = ["/usr/bin/python3", FURNITURE, verb, host, USER, password_file(lab), str(MESSAGES)]
    try:
        done = subprocess.run(lab.client(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE,
                              text=True, timeout=120)
    except subprocess.TimeoutExpired:
        raise LabError("furniture.py %s at %s took more than 120 s" % (verb, host)) from None
    if done.returncode != 0:
        raise LabError("furniture.py %s at %s failed: %s" % (verb, host,
                                                             " ".join(done.stderr.strip().splitlines()[-1:])))
    return done.stdout
