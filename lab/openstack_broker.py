# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ on the nodes of a lab for its OpenStack services: one cluster, a virtual host a project."""

import base64
import hashlib
import json
import secrets
import threading

from lab import LabError, openstack_config

UNIT = "rabbitmq-server"

_CONF = """\
loopback_users = none
listeners.tcp.default = 5672
cluster_formation.peer_discovery_backend = classic_config
%s
load_definitions = /etc/rabbitmq/definitions.json
"""


def definitions(secret, vhosts=openstack_config.VHOSTS):
    """definitions.json: the user and the virtual hosts. Pure but for the salt."""
    salt = secrets.token_bytes(4)
    digest = base64.b64encode(salt + hashlib.sha256(salt + secret.encode()).digest()).decode()
    user = {"name": openstack_config.BROKER_USER, "password_hash": digest, "tags": "administrator",
            "hashing_algorithm": "rabbit_password_hashing_sha256"}
    every = {"configure": ".*", "write": ".*", "read": ".*", "user": openstack_config.BROKER_USER}
    return json.dumps({"users": [user], "vhosts": [{"name": name} for name in vhosts],
                       "permissions": [dict(every, vhost=name) for name in vhosts]})


def prepare(lab, secret, vhosts=openstack_config.VHOSTS):
    """Configuration and cookie on every node."""
    cookie = secrets.token_hex(20)
    peers = "\n".join("cluster_formation.classic_config.nodes.%d = rabbit@%s" % (node.number, node.name) for node in lab.nodes)
    known = definitions(secret, vhosts)
    for name in lab.node_names:
        put(lab, name, "/etc/rabbitmq/rabbitmq.conf", _CONF % peers, "rabbitmq")
        put(lab, name, "/etc/rabbitmq/definitions.json", known, "rabbitmq")
        put(lab, name, "/etc/rabbitmq/rabbitmq-env.conf", "NODENAME=rabbit@%s\n" % name, "rabbitmq")
        put(lab, name, "/var/lib/rabbitmq/.erlang.cookie", cookie, "rabbitmq")
        lab.check(name, "chown rabbitmq: /var/lib/rabbitmq/.erlang.cookie; chmod 400 /var/lib/rabbitmq/.erlang.cookie")


def put(lab, node, path, text, group="root"):
    """Write a file on `node` that root and `group` may read, nobody else; its directory is made."""
    lab.check(node, ["/bin/sh", "-c", "umask 077; mkdir -p -m 755 \"${1%/*}\"; cat >\"$1\" && chgrp \"$2\" \"$1\" && "
                                      "chmod 640 \"$1\"", "put", path, group], stdin=text)


def start(lab, timeout=120.0):
    """Start the brokers of all nodes at once and wait until they are one cluster."""
    run_on_all(lab, lambda name: lab.check(name, ["systemctl", "start", UNIT], timeout))
    lab.wait(lambda: members(lab, lab.node_names[0]) == len(lab.nodes), timeout,
             "the brokers of lab %s are not one cluster; see `lab run n1 rabbitmqctl cluster_status`" % lab.name, every=2)


def members(lab, node):
    """How many brokers run in the cluster of `node`; 0 if it does not say."""
    done = lab.run(node, ["rabbitmqctl", "--quiet", "cluster_status", "--formatter", "json"], 30)
    try:
        return len(json.loads(done.out)["running_nodes"])
    except (ValueError, KeyError):
        return 0


def run_on_all(lab, function):
    """Call `function(node name)` for every node at once; the first error is raised when all have ended."""
    errors = []

    def one(name):
        try:
            function(name)
        except LabError as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(name,)) for name in lab.node_names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
