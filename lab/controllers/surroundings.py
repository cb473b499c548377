# SPDX-License-Identifier: Apache-2.0
"""What configurations need beside the usual deployment: TLS for broker and database, a way to the database by IPv6;
and how a configuration is written on the nodes and taken away again, so that the next one can be tried there.

    before(lab)             # certificates and listeners, before lab.services.openstack.deployment.prepare
    after(lab)              # what can only be done after it
    write(lab, configuration) ... restore(lab)
"""

import subprocess
import tempfile

from lab.controllers.record import SERVICES, edited, names_for
from lab.faults import machine
from lab.services import galera
from lab.services.openstack import deployment

TLS = "/etc/controllers"
KEPT = "/root/controllers.tar"
# What a configuration may change.
PLACES = ("etc/cinder", "etc/heat", "etc/nova", "etc/nova19", "etc/default", "etc/init.d", "etc/systemd/system",
          "etc/localtime", "lib/systemd/system", "usr/local/lib")
CERTIFICATES = """
set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=lab-authority -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=lab-server -keyout key.pem -out request
printf 'subjectAltName=%s' >extensions
openssl x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile extensions -out cert.pem
"""
BROKER = """\
listeners.ssl.default = 5671
ssl_options.cacertfile = /etc/controllers/ca.pem
ssl_options.certfile = /etc/controllers/cert.pem
ssl_options.keyfile = /etc/controllers/key.pem
"""
# Replication and transfer stay as they are.
DATABASE = """\
[mysqld]
ssl_cert = /etc/controllers/cert.pem
ssl_key = /etc/controllers/key.pem
[sst]
ssl-mode = DISABLED
"""
SIX = """\
[Unit]
After=network.target
[Service]
ExecStartPre=/sbin/ip -6 address replace %(address6)s/64 dev host0 nodad
ExecStart=/usr/bin/socat TCP6-LISTEN:3307,bind=[%(address6)s],fork,reuseaddr TCP4:vip:3306
Restart=always
[Install]
WantedBy=multi-user.target
"""
CLOCK = """\
[Service]
Environment=LD_PRELOAD=%s FAKETIME=%+d
"""


def before(lab):
    """Certificates on every node, and listeners with TLS."""
    with tempfile.TemporaryDirectory() as directory:
        names = ",".join("DNS:" + name for name in lab.node_names + ["vip"])
        subprocess.run(["sh", "-c", CERTIFICATES % names], cwd=directory, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for node in lab.nodes:
            for name in ("ca.pem", "cert.pem", "key.pem"):
                with open("%s/%s" % (directory, name), encoding="ascii") as file:
                    put(lab, node.name, "%s/%s" % (TLS, name), file.read())
    for node in lab.nodes:
        put(lab, node.name, "/etc/rabbitmq/conf.d/50-tls.conf", BROKER)
        put(lab, node.name, "/etc/mysql/mariadb.conf.d/70-tls.cnf", DATABASE)
        put(lab, node.name, "/etc/systemd/system/lab-six.service", SIX % names_for(node, ""))


def after(lab):
    """Keep what a configuration may change."""
    for node in lab.node_names:
        lab.check(node, "systemctl -q enable --now lab-six.service; cd / && tar -cpf %s %s" % (KEPT, " ".join(
            "$(ls -d %s 2>/dev/null)" % place for place in PLACES)), 120)


def put(lab, node, path, content):
    """Write a file; content: text, or (text, mode, owner)."""
    text, mode, owner = content if isinstance(content, tuple) else (content, "644", "root")
    lab.check(node, 'mkdir -p "$(dirname %s)" && install -m %s -o %s /dev/stdin %s' % (path, mode, owner, path),
              stdin=text)


def hosts(lab):
    """The nodes that may run the services."""
    return lab.nodes[:-1]


def write(lab, configuration):
    """Write a configuration on the nodes that may run the services, and run its commands."""
    secret = deployment.secret(lab)
    if configuration.statements:
        galera.sql(lab, galera.any_synced(lab), configuration.statements % names_for(lab.nodes[0], secret))
    for command in configuration.once:
        lab.check(lab.node_names[0], command % names_for(lab.nodes[0], secret), 60)
    for node in hosts(lab):
        names = names_for(node, secret)
        for path, options in configuration.options.items():
            text = edited(lab.check(node.name, ["cat", path]), options, names)
            lab.check(node.name, ["tee", path], stdin=text)
        for path, content in configuration.files.items():
            text, *rest = content if isinstance(content, tuple) else (content,)
            put(lab, node.name, path, (text % names, *rest) if rest else text % names)
        if node.name in configuration.seconds:
            library = lab.check(node.name, "find /usr/lib -name " + machine.FAKETIME).split()[0]
            for service in SERVICES:
                put(lab, node.name, "/etc/systemd/system/%s.service.d/clock.conf" % service,
                    CLOCK % (library, configuration.seconds[node.name]))
        lab.check(node.name, "systemctl daemon-reload", 60)
        for command in configuration.before:
            lab.check(node.name, command % names, 60)


def restore(lab):
    """The nodes as they were after after()."""
    for node in hosts(lab):
        lab.check(node.name, "cd / && rm -rf %s && tar -xpf %s && for one in %s; do "
                             "rm -rf /run/systemd/system/$one.service.d; done; systemctl daemon-reload; "
                             "systemctl reset-failed" % (" ".join(PLACES[:-2]), KEPT, " ".join(SERVICES)), 120)
