# SPDX-License-Identifier: Apache-2.0
"""A Galera cluster made with a configuration, as an operator would make it, and what it then says of itself."""

import subprocess
import tempfile

from lab import LabError, quiet
from lab.configurations.record import configuration_file, names_for
from lab.faults.fault import wait_for
from lab.services import galera

TLS = "/etc/mysql/tls"
WHOLE = 150.0     # seconds in which a cluster must be whole, and an expected text must be seen, on a busy machine
CERTIFICATES = """
set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=lab-authority -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=lab-server -keyout key.pem -out request
openssl x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out cert.pem
"""


def data_nodes(lab, configuration):
    """The names of the nodes that hold data."""
    return list(configuration.data or lab.node_names)


def prepare(lab, configuration):
    """Write every node's files and run what an operator runs before the resource is created."""
    members = ",".join(lab.node_names)
    for node in lab.nodes:
        names = names_for(lab.name, node)
        base = galera.CONFIG % {"address": node.address, "node": node.name, "members": members, "cluster": lab.name,
                                "sst": configuration.sst}
        if configuration.sst.startswith("maria"):
            base += "wsrep_sst_auth = mysql:\n"  # by the socket: no password
        lab.check(node.name, "cat >%s && install -d -o mysql -g adm -m 2750 /var/log/mysql" % galera.CONFIG_PATH,
                  stdin=configuration_file(base, configuration, names))
        for path, content in configuration.files.items():
            text, mode, owner = content if isinstance(content, tuple) else (content, "644", "root")
            lab.check(node.name, 'mkdir -p "$(dirname %s)" && cat >%s && chmod %s %s && chown %s %s' % (
                path, path, mode, path, owner, path), stdin=text % names)
    if configuration.tls:
        _certificates(lab)
    for node in lab.nodes:
        for command in configuration.before:
            lab.check(node.name, command % names_for(lab.name, node))


def _certificates(lab):
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["sh", "-c", CERTIFICATES], cwd=directory, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name in ("ca.pem", "cert.pem", "key.pem"):
            with open("%s/%s" % (directory, name), encoding="ascii") as file:
                text = file.read()
            for node in lab.node_names:
                lab.check(node, "install -d %s && install -m %s -o mysql /dev/stdin %s/%s" % (
                    TLS, "600" if name == "key.pem" else "644", TLS, name), stdin=text)


def create(lab, configuration, say=quiet):
    """Create the resource."""
    names = names_for(lab.name, lab.nodes[0])
    argv = galera.create_command(lab, **{key: value % names for key, value in configuration.parameters.items()})
    if configuration.operations:
        at = argv.index("promotable")
        argv[at:at] = ["op"] + configuration.operations.split()
    say(" ".join(argv))
    lab.check(lab.node_names[0], argv)
    for node in set(lab.node_names) - set(data_nodes(lab, configuration)):
        lab.check(lab.node_names[0], ["pcs", "constraint", "location", "add", "no-data", galera.RESOURCE + "-clone",
                                      node, "-INFINITY", "--force"])


def set_up(lab, configuration, say=quiet, timeout=WHOLE):
    """All of it, until the cluster is whole with the application's user and table; the seconds that the bootstrap took.
    LabError if it does not come up, or if what must hinder it first is not said."""
    prepare(lab, configuration)
    create(lab, configuration, say)
    if configuration.hindrance:
        hindered = configuration.hindrance
        shows(lab, hindered.words)
        if hindered.serving:
            galera.wait_synced(lab, hindered.serving, timeout)
        for node in lab.nodes:
            lab.check(node.name, hindered.remedy % names_for(lab.name, node))
        lab.check(lab.node_names[0], ["pcs", "resource", "cleanup"], WHOLE)
    data = data_nodes(lab, configuration)
    took = galera.wait_synced(lab, data, timeout)
    galera.users(lab, data[0])
    if configuration.statements:
        galera.sql(lab, data[0], configuration.statements)
    if configuration.then:
        lab.check(lab.node_names[0], ["pcs", "resource", "update", galera.RESOURCE]
                  + ["%s=%s" % pair for pair in configuration.then.items()])
        lab.check(lab.node_names[0], ["crm_resource", "--wait", "-T", "120"], 130)
        galera.wait_synced(lab, data, timeout)
    return took


def shown(lab, node):
    """What Pacemaker shows an operator on a node: resources, attributes, failures."""
    return lab.run(node, ["crm_mon", "-1Afr"], 30).out


def shows(lab, words, timeout=WHOLE):
    """Wait until Pacemaker shows all of `words` on a node that is on. LabError if it does not."""
    def there():
        text = "\n".join(shown(lab, node) for node in lab.node_names if lab.is_on(node))
        return all(word in text for word in words)

    if not wait_for(there, timeout):
        text = next(shown(lab, node) for node in lab.node_names if lab.is_on(node))
        raise LabError("Pacemaker does not show %s:\n%s" % (", ".join(words), text))


def warnings(lab, node):
    """The sentences of validate-all at level 10 on a node."""
    done = lab.run(node, ["crm_resource", "--validate=10", "--resource", galera.RESOURCE], 40)
    lines = [line.partition(" ")[2] for line in (done.out + done.err).splitlines() if line.startswith("WARNING: ")]
    if done.rc == 0:
        return lines
    return lines + ["code %s: %s" % (done.rc, " ".join((done.out + done.err).split()))]


def writers(lab):
    """The nodes that answer /writer with 200, each asked once."""
    found = []
    for node in lab.nodes:
        done = subprocess.run(lab.client(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "3",
                                          "http://%s:9200/writer" % node.address]), stdout=subprocess.PIPE, text=True)
        if done.stdout == "200":
            found.append(node.name)
    return found
