# SPDX-License-Identifier: Apache-2.0
"""A RabbitMQ cluster made with a configuration, as an operator would make it, and what it then says of itself."""

import json
import os
import secrets
import shlex
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

from lab import LabError, quiet, state
from lab.brokers.record import names_for
from lab.configurations.cluster import CERTIFICATES
from lab.faults import machine
from lab.services import rabbitmq
from lab.services.confirming import Client

CONF = "loopback_users = none\ncluster_partition_handling = %s\n"
TLS = "/etc/rabbitmq/tls"
BOOT = " -s rabbit boot"  # in the arguments of each broker, and of no tool
CLIENT6 = "fd00::fe/64"  # of the client's host


# -- set it up

def set_up(lab, configuration, say=quiet, **parameters):
    """Write every node's files and create the resource, with more `parameters` than the configuration has."""
    hosts = "".join("%s %s.lab.test %s\n" % (node.address, node.name, node.name) for node in lab.nodes)
    own = " ".join("-e ' %s$'" % node.name for node in lab.nodes)
    certificates = _certificates(lab)
    cookie = secrets.token_hex(12).upper()
    for node in lab.nodes:
        names = names_for(node)
        lab.check(node.name, "grep -v %s /etc/hosts >/tmp/hosts; cat /tmp/hosts - >/etc/hosts" % own, stdin=hosts)
        for name, text in certificates.items():
            _write(lab, node.name, "%s/%s" % (TLS, name), text, "rabbitmq")
        _write(lab, node.name, "/etc/rabbitmq/rabbitmq.conf",
               CONF % configuration.handling + configuration.conf % names)
        _write(lab, node.name, "/etc/rabbitmq/rabbitmq-env.conf", configuration.env % names)
        _write(lab, node.name, "/etc/rabbitmq/enabled_plugins", "[%s].\n" % ",".join(configuration.plugins))
        _write(lab, node.name, rabbitmq.COOKIE, cookie, "rabbitmq", "400")
        for path, content in configuration.files.items():
            text, mode = content if isinstance(content, tuple) else (content, "644")
            _write(lab, node.name, path, text % names, mode=mode)
        for command in configuration.before:
            lab.check(node.name, command % names)
    rabbitmq.create(lab, say=say, **dict(parameters, **configuration.parameters))


def _write(lab, node, path, text, owner="root", mode="644"):
    lab.check(node, "mkdir -p $(dirname %s) && install -o %s -g %s -m %s /dev/stdin %s" % (
        path, owner, owner, mode, path), stdin=text)


def _certificates(lab):
    """{name: text} of a certificate of an authority of the lab's own; kept for the client."""
    found = {}
    directory = os.path.join(state.directory(lab.name), "tls")
    os.makedirs(directory, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(["sh", "-c", CERTIFICATES], cwd=work, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name in ("ca.pem", "cert.pem", "key.pem"):
            with open(os.path.join(work, name), encoding="ascii") as file:
                found[name] = file.read()
            with open(os.path.join(directory, name), "w", encoding="ascii") as file:
                file.write(found[name])
    return found


def finish(lab, configuration):
    """Run on the first node what a configuration has to be done once it serves."""
    for command in configuration.then:
        command = command.replace("rabbitmqctl", shlex.join(ctl(configuration, "n1")))
        lab.check("n1", command % names_for(lab.nodes[0]), 120)


def accounts(lab, configuration):
    """An account for the monitor, so that the management API is asked as well, and one for the client."""
    password = secrets.token_hex(16)
    with open(rabbitmq.password_file(lab), "w", encoding="ascii") as file:
        file.write(password + "\n")
    users = [{"name": "mon", "password": "secret", "tags": ["monitoring"]},
             {"name": rabbitmq.USER, "password": password, "tags": []}]
    rights = [{"user": user, "vhost": "/", "configure": right, "write": right, "read": right}
              for user, right in (("mon", "^$"), (rabbitmq.USER, ".*"))]
    rabbitmq.import_definitions(lab, "n1", json.dumps({"users": users, "permissions": rights}),
                                ctl(configuration, "n1"))
    for node in lab.node_names:
        lab.check(node, "mkdir -p /etc/quorate && install -m 640 -g rabbitmq /dev/stdin /etc/quorate/rabbitmq.cnf",
                  stdin="[client]\nuser = mon\npassword = secret\n" + configuration.credentials)


def reach(lab, configuration):
    """How its clients connect (lab.services.rabbitmq.Reach)."""
    options, hosts = {"port": 5672, **configuration.client}, {}
    if options.pop("six", False):
        subprocess.run(["ip", "-n", lab.namespace, "-6", "address", "replace", CLIENT6, "dev", "br0", "nodad"],
                       check=True)
        hosts = {node.name: names_for(node)["address6"] for node in lab.nodes}
    directory = os.path.join(state.directory(lab.name), "tls")
    if options.pop("tls", False):
        options["ca"] = os.path.join(directory, "ca.pem")
    if options.pop("certificate", False):
        options.update(cert=os.path.join(directory, "cert.pem"), key=os.path.join(directory, "key.pem"))
    return rabbitmq.Reach(hosts, options)


def client(lab, configuration, directory=None, keep=True):
    """A client that publishes to a queue until it is stopped (lab.services.confirming.Client), and consumes: then, with
    `keep`, or all the time."""
    how = reach(lab, configuration)
    return Client(lab, directory, hosts=list(how.hosts.values()) or None, options=dict(how.options, keep=keep))


# -- what it says

def ctl(configuration, node):
    """The first words of rabbitmqctl on a node."""
    name = name_of(configuration, node)
    return ["rabbitmqctl"] + (["-n", name] if name else [])


def name_of(configuration, node):
    """The Erlang name of a node's broker, where its tools do not know it; else ""."""
    return configuration.node % {"node": node}


def sees(lab, configuration, node):
    """How many brokers run according to that of a node; 0 when it does not answer."""
    try:
        done = lab.run(node, ctl(configuration, node) + ["cluster_status", "--formatter", "json"], 40)
        return len(json.loads(done.out)["running_nodes"])
    except (ValueError, KeyError, LabError):
        return 0


def whole(lab, configuration, nodes):
    """Whether each node's check calls its broker fit, and each broker sees all of them, and no other."""
    with ThreadPoolExecutor(len(nodes)) as pool:
        try:
            if not all(list(pool.map(lambda node: lab.run(node, ["rabbitmq-check"], 30).rc == 0, nodes))):
                return False
        except LabError:  # a node has no power
            return False
        if sees(lab, configuration, nodes[0]) != len(nodes):  # an Erlang machine is started for each answer
            return False
        return all(number == len(nodes) for number in pool.map(lambda node: sees(lab, configuration, node), nodes[1:]))


def verdicts(lab):
    """{node: what its check says}."""
    return {node: lab.run(node, ["rabbitmq-check"], 30).out.strip() if lab.is_on(node) else "off"
            for node in lab.node_names}


def warnings(lab, node):
    """The sentences of validate-all at level 10 on a node."""
    done = lab.run(node, ["crm_resource", "--validate=10", "--resource", rabbitmq.RESOURCE], 60)
    lines = (done.out + done.err).splitlines()
    return [line.partition(" ")[2] for line in lines if line.startswith("WARNING: ")]


def known(lab, node):
    """The facts of the resident check."""
    text = lab.run(node, ["curl", "-s", "http://127.0.0.1:9201/status"], 10).out
    try:
        return json.loads(text[text.index("{"):])["broker"]
    except (ValueError, KeyError):
        return {"said": text[:200]}


def brokers(lab, node):
    """The pids, on this machine, of the brokers that run on a node, a set. A child of a broker looks like it until it
    executes its program."""
    try:
        found = {pid for pid, argv in machine.processes(lab, node, "beam.smp").items() if BOOT in " ".join(argv)}
    except (LabError, OSError):
        return set()
    return {pid for pid in found if _parent(pid) not in found | {None}}


def _parent(pid):
    """The parent of a process; None when it has ended."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return None


class Launches:
    """Watches inside `with` which brokers run. seen: {node: their pids, in the order of their launch}."""

    def __init__(self, lab):
        self._lab, self._end = lab, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.before = {node: brokers(lab, node) for node in lab.node_names}
        self.seen = {node: [] for node in lab.node_names}

    def _watch(self):
        while not self._end.wait(0.4):
            self.look()

    def look(self):
        for node, pids in self.seen.items():
            pids.extend(sorted(brokers(self._lab, node) - self.before[node] - set(pids)))

    def more_than_one(self):
        """{node: pids} of the nodes where more than one broker was launched."""
        return {node: pids for node, pids in self.seen.items() if len(pids) > 1}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        self._end.set()
        self._thread.join()
