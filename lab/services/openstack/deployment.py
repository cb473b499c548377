# SPDX-License-Identifier: Apache-2.0
"""Debian's OpenStack on a lab: keystone, cinder and heat with their databases and queues on our own Galera and
RabbitMQ.

    lab.up(deb=..., layers=openstack.ensure("services", say))   # lab/images/openstack.py
    deployment.prepare(lab, say=print)                  # database, broker, configuration, schemas, users, APIs
    deployment.create(lab, say=print)                   # cinder-volume, heat-engine, nova-novncproxy under Pacemaker
    deployment.rest(lab).create_volume("one")           # as a user, over HTTP

The APIs, cinder-scheduler and memcached run on the last node, under systemd: a fault of another node then hits the
services there and not the APIs that clients call. Schemas and users are made once and kept beside the image as a dump.
"""

import base64
import json
import os
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from lab import LabError, quiet, state
from lab.images import openstack
from lab.machines import inside
from lab.services import galera, haproxy, rabbitmq
from lab.services.openstack import broker, configuration

API_UNITS = ("memcached", "keystone", "cinder-api", "cinder-scheduler", "heat-api")
SYNC_TIMEOUT = 240.0  # seconds; enough on a busy machine
RESOURCES = ("cinder-volume", "heat-engine", "nova-novncproxy")
_PROJECTS = {"keystone": "keystone-manage db_sync", "cinder": "cinder-manage db sync", "heat": "heat-manage db_sync",
             "nova": "nova-manage db sync --local_cell"}
_KEYS = ("etc/keystone/fernet-keys", "etc/keystone/credential-keys")


def has_consoleauth(lab):
    """Whether the lab's nodes have nova 19."""
    return os.path.isdir(openstack.path("consoleauth")) and openstack.path("consoleauth") in lab.record["lower"]


def api_node(lab):
    """The node with the APIs."""
    return lab.node_names[-1]


# -- what is made once

class Seed:
    """Schemas, users and keys as they were made the first time, in a file beside the layer that they belong to."""

    def __init__(self, lab):
        kind = "consoleauth" if has_consoleauth(lab) else "services"
        self.path = "%s-seed-%d.json" % (openstack.path(kind), len(lab.nodes))
        self.databases = configuration.DATABASES + (configuration.OLD_DATABASES if kind == "consoleauth" else ())

    def read(self):
        """Its content, a dict; None if it was not written yet."""
        try:
            with open(self.path, encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def write(self, held):
        """Write the dict `held`; only root may read the file."""
        new = "%s.%d" % (self.path, os.getpid())
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(held, file)
        os.rename(new, self.path)


def secret_file(lab):
    """The file with the password of all users, on this machine; only root may read it."""
    return os.path.join(state.directory(lab.name), "openstack.password")


def secret(lab):
    """The password. LabError before `prepare`."""
    try:
        with open(secret_file(lab), encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        raise LabError("lab %s has no OpenStack; `lab openstack prepare --name %s` sets it up"
                       % (lab.name, lab.name)) from None


# -- set it up

def prepare(lab, say=quiet):
    """Set up what the services need, and start the APIs. Needs a lab with the layer `services` and our package."""
    began = time.monotonic()
    if lab.run(lab.node_names[0], ["test", "-x", "/usr/bin/cinder-volume"]).rc != 0:
        raise LabError("the nodes of lab %s have no OpenStack; make it with `lab up --openstack`" % lab.name)
    seed = Seed(lab)
    held = seed.read()
    given = held or {"secret": secrets.token_hex(16), "key": secrets.token_hex(16)}
    with os.fdopen(os.open(secret_file(lab), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(given["secret"] + "\n")
    _configure(lab, given)
    _database_and_broker(lab, given, say)
    say("database and broker after %.1f s" % (time.monotonic() - began))
    node = galera.any_synced(lab)
    galera.sql(lab, node, grants(seed.databases, given["secret"]))
    if held is None:
        held = _first_time(lab, node, seed, given, say)
        seed.write(held)
    else:
        galera.sql(lab, node, held["dump"], 120)
        _unpack_keys(lab, held["keys"])
        start_apis(lab)
    say("OpenStack is ready after %.1f s" % (time.monotonic() - began))


def _configure(lab, given):
    """Write every file on every node."""
    found = configuration.files(lab.node_names, api_node(lab), given["secret"], given["key"], has_consoleauth(lab))
    for name in lab.node_names:
        for path, (text, group) in found.items():
            broker.put(lab, name, path, text, group)
        lab.check(name, "chmod 644 /etc/default/nova-consoleproxy /etc/*/*-uwsgi.ini; "
                        "for one in keystone cinder heat nova; do "
                        "install -d -o $one -g $one /var/log/$one /var/lib/$one /var/lock/$one; done; "
                        "if [ -d /etc/nova19 ]; then install -d -o nova -g nova /var/lib/nova19; chmod 755 /etc/nova19; fi")


def _database_and_broker(lab, given, say):
    """Start both at the same time: neither needs the other."""
    errors = []

    def brokers():
        try:
            broker.prepare(lab, given["secret"], configuration.VHOSTS + (("nova19",) if has_consoleauth(lab) else ()))
            broker.start(lab, say)
        except LabError as error:
            errors.append(error)

    thread = threading.Thread(target=brokers)
    thread.start()
    try:
        if lab.run(lab.node_names[0], ["pcs", "resource", "config", galera.RESOURCE]).rc != 0:
            galera.prepare(lab)
            galera.create(lab, say=say)
        galera.wait_synced(lab, timeout=SYNC_TIMEOUT, every=1)
        galera.users(lab)
        if lab.run(lab.node_names[0], ["pcs", "resource", "config", "vip"]).rc != 0:
            haproxy.set_up(lab, say=say, timeout=SYNC_TIMEOUT)
    finally:
        thread.join()
    if errors:
        raise errors[0]


def grants(databases, password):
    """SQL that makes the databases and their users."""
    text = ""
    for name in databases:
        user = name.partition("_")[0]
        text += "CREATE DATABASE IF NOT EXISTS %s CHARACTER SET utf8;\n" % name
        text += "CREATE OR REPLACE USER '%s'@'%%' IDENTIFIED BY '%s';\n" % (user, password)
    for name in databases:
        text += "GRANT ALL ON %s.* TO '%s'@'%%';\n" % (name, name.partition("_")[0])
    return text


def _first_time(lab, node, seed, given, say):
    """Make schemas, keys, users and endpoints; the content of a Seed."""
    api = api_node(lab)
    say("schemas of keystone, cinder, heat and nova; only the first time")

    def sync(names):
        for name in names:
            as_user(lab, api, name.rstrip("19"), _command(name), 300)
            say("schema of %s" % name)

    old = ["nova19"] if "nova19" in seed.databases else []
    with ThreadPoolExecutor() as pool:
        list(pool.map(sync, (["keystone", "heat"] + old, ["nova", "cinder"])))
    for step in ("fernet_setup", "credential_setup"):
        lab.check(api, ["keystone-manage", step, "--keystone-user", "keystone", "--keystone-group", "keystone"])
    lab.check(api, ["keystone-manage", "bootstrap", "--bootstrap-region-id", configuration.REGION]
              + [word for one in ("admin", "internal", "public")
                 for word in ("--bootstrap-%s-url" % one, "http://%s:5000/v3/" % api)],
              120, env={"OS_BOOTSTRAP_PASSWORD": given["secret"]})
    start_apis(lab)
    say("users and endpoints; only the first time")
    rest(lab).bootstrap(api)
    dump = lab.check(node, ["mariadb-dump", "--single-transaction", "--skip-add-locks", "--skip-disable-keys",
                            "--databases"] + list(seed.databases), 120)
    keys = lab.check(api, "tar -C / -c %s | base64" % " ".join(_KEYS))
    return dict(given, dump=dump, keys=keys)


def _command(name):
    if name == "nova19":
        return "/opt/nova19/bin/nova-manage --config-file /etc/nova19/nova.conf db sync --local_cell"
    return _PROJECTS[name]


def as_user(lab, node, user, command, timeout=60.0):
    """Run a shell command on `node` as `user`; its output."""
    return lab.check(node, ["runuser", "-u", user, "--", "/bin/sh", "-c", command], timeout)


def _unpack_keys(lab, keys):
    lab.check(api_node(lab), ["tar", "-C", "/", "-x"], stdin=base64.b64decode(keys))


def start_apis(lab, timeout=120.0):
    """Start the services of the node with the APIs and wait until each API answers."""
    api = api_node(lab)
    lab.check(api, ["sed", "-i", "s/^-l .*/-l 0.0.0.0/", "/etc/memcached.conf"])
    lab.check(api, ["systemctl", "start"] + list(API_UNITS), timeout)
    for name, port in configuration.PORTS.items():
        script = "curl -s -o /dev/null -m 20 http://%s:%d/" % (api, port)
        lab.wait(lambda: lab.run(api, script, 30).rc == 0, timeout,
                 "%s does not answer on port %d; see `lab run %s journalctl -u %s*`" % (name, port, api, name))


# -- under Pacemaker

def create_commands(lab, old=None):
    """The pcs commands for the active/passive services, each a list: on the first two nodes, the first one if it can
    be, and they stay where they are; the console pair together. old: whether with nova-consoleauth, None: where the
    nodes have it."""
    old = has_consoleauth(lab) if old is None else old
    words = ["resource defaults update resource-stickiness=1000",  # or all moves a second time when a node comes back
             "resource create cinder-volume ocf:quorate:cinder-volume",
             "resource create heat-engine ocf:quorate:heat-engine"]
    if old:
        words.append("resource create nova-consoleauth ocf:quorate:nova-consoleauth config=/etc/nova19/nova.conf "
                     "binary=/opt/nova19/bin/nova-consoleauth --group console")
    words.append("resource create nova-novncproxy ocf:quorate:nova-novncproxy" + (" --group console" if old else ""))
    for name in RESOURCES[:2] + (("console",) if old else RESOURCES[2:]):
        words.append("constraint location %s prefers %s=200 %s=100" % ((name,) + tuple(lab.node_names[:2])))
        words.append("constraint location %s avoids %s" % (name, api_node(lab)))
    # Not the console proxy: it needs the database only when a token is checked, and would wait for the last one to be
    # promoted.
    for name in RESOURCES[:2] + (("nova-consoleauth",) if old else ()):
        words.append("constraint order promote %s-clone then start %s kind=Optional" % (galera.RESOURCE, name))
        words.append("constraint order %s-clone then %s kind=Optional" % (rabbitmq.RESOURCE, name))
    return [["pcs"] + line.split() for line in words]


def create(lab, say=quiet, timeout=SYNC_TIMEOUT):
    """Put the services under our agents and wait until they run."""
    for argv in create_commands(lab):
        say(" ".join(argv))
        lab.check(lab.node_names[0], argv, 120)
    wanted = RESOURCES + (("nova-consoleauth",) if has_consoleauth(lab) else ())
    lab.wait(lambda: set(wanted) <= set(where(lab)), timeout, "the services do not start; see `lab status` and "
             "`lab run %s quorate explain`" % lab.node_names[0], every=2)


def where(lab):
    """{resource: node} of the services that Pacemaker has started on one node, and not failed."""
    status, found = lab.cluster_xml(), {}
    for one in (status.iter("resource") if status is not None else ()):
        nodes = [at.get("name") for at in one.findall("node")]
        if one.get("role") == "Started" and one.get("failed") != "true" and len(nodes) == 1:
            found[one.get("id")] = nodes[0]
    return found


# -- ask

def rest(lab):
    """A Rest, logged in, whose calls are made in the lab's network."""
    from lab.services.openstack.rest import Rest
    plain = Rest(lab.address(api_node(lab)), secret(lab))
    session = inside.Inside(lab, plain)
    session.login()
    return session


def status(lab):
    """What runs where, as lines for the operator."""
    lines = []
    for name in lab.node_names:
        found = lab.run(name, "systemctl is-active %s rabbitmq-server cinder-volume heat-engine nova-novncproxy"
                        % " ".join(API_UNITS), 20).out.split()
        units = list(API_UNITS) + ["rabbitmq-server"] + list(RESOURCES)
        lines.append("%-3s %s" % (name, " ".join(unit for unit, answer in zip(units, found) if answer == "active")
                                  or "-"))
    for host, answer in sorted(rest(lab).volume_services().items()):
        lines.append("    cinder-volume %-24s %s" % (host, answer))
    return lines
