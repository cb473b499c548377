# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ on the nodes of a lab for its OpenStack services: one cluster, a virtual host for each project."""

import base64
import hashlib
import json
import secrets

from lab.services import rabbitmq
from lab.services.openstack import configuration

DEFINITIONS = "/etc/rabbitmq/definitions.json"


def definitions(secret, vhosts=configuration.VHOSTS):
    """definitions.json: the user and the virtual hosts. Pure but for the salt."""
    salt = secrets.token_bytes(4)
    digest = base64.b64encode(salt + hashlib.sha256(salt + secret.encode()).digest()).decode()
    user = {"name": configuration.BROKER_USER, "password_hash": digest, "tags": "administrator",
            "hashing_algorithm": "rabbit_password_hashing_sha256"}
    every = {"configure": ".*", "write": ".*", "read": ".*", "user": configuration.BROKER_USER}
    return json.dumps({"users": [user], "vhosts": [{"name": name} for name in vhosts],
                       "permissions": [dict(every, vhost=name) for name in vhosts]})


def prepare(lab, secret, vhosts=configuration.VHOSTS):
    """Write configuration and cookie on every node, and the users and virtual hosts, which each broker loads when it
    starts. Nothing where the resource exists: with another cookie its brokers would refuse each other."""
    if lab.run(lab.node_names[0], ["pcs", "resource", "config", rabbitmq.RESOURCE]).rc == 0:
        return
    rabbitmq.prepare(lab)
    text = definitions(secret, vhosts)
    for name in lab.node_names:
        put(lab, name, DEFINITIONS, text, "rabbitmq")
        lab.check(name, "echo load_definitions = %s >>/etc/rabbitmq/rabbitmq.conf" % DEFINITIONS)


def start(lab, say):
    """Start the brokers under our agent, as one cluster."""
    if lab.run(lab.node_names[0], ["pcs", "resource", "config", rabbitmq.RESOURCE]).rc != 0:
        rabbitmq.create(lab, say=say)
    rabbitmq.wait_whole(lab)


def put(lab, node, path, text, group="root"):
    """Write a file on `node` that only root and `group` may read; its directory is made."""
    lab.check(node, ["/bin/sh", "-c", "umask 077; mkdir -p -m 755 \"${1%/*}\"; cat >\"$1\" && chgrp \"$2\" \"$1\" && "
                                      "chmod 640 \"$1\"", "put", path, group], stdin=text)
