# SPDX-License-Identifier: Apache-2.0
"""The front door of a control plane on a lab, from a plan alone: HAProxy, the VIPs, Galera and stand-ins for the APIs.

    front = Front(lab, plan_text(lab, "pacemaker"))
    front.set_up(say=print)
    with front.clients() as clients: ...
"""

import json
import os
import subprocess
import tempfile
import threading
import time

from lab import PROGRAMS, ROOT, LabError, quiet
from lab.faults import machine
from lab.machines import names
from lab.services import galera
from quorate.plan.parse import read
from quorate.plan.render import pcs
from quorate.plan.services import BY_NAME

PLAN_PATH, TLS_PATH = "/etc/quorate/plan.toml", "/etc/haproxy/tls/public.pem"
PUBLIC = 101  # host part of the second VIP
INTERFACE = "host0"
STANDIN = "standin"
STARTED = 240.0  # most seconds until every API answers; real ones take a minute on a busy machine
SERVICES = [kind.name for kind in BY_NAME.values() if kind.proxied]


def plan_text(lab, vip_manager):
    """A plan for the nodes of `lab`. With keepalived the first two are endpoints, outside the cluster of the others."""
    lines = ["[plan]", 'name = "%s"' % lab.name, 'vip_manager = "%s"' % vip_manager, 'balance = "roundrobin"',
             'pacemaker = "%s"' % ("2.1" if lab.suite == "bookworm" else "3.0"),
             "[networks.management]", 'cidr = "%s"' % lab.record["subnet"], 'interface = "%s"' % INTERFACE,
             "[vips.internal]", 'address = "%s"' % lab.vip,
             "[vips.public]", 'address = "%s"' % names.address(lab.record["subnet"], PUBLIC), 'tls = "%s"' % TLS_PATH,
             "[nodes]"]
    for node in lab.nodes:
        role = "endpoint" if vip_manager == "keepalived" and node.number <= 2 else "controller"
        lines.append('%s = { roles = ["%s"], addresses = { management = "%s" } }' % (node.name, role, node.address))
    return "\n".join(lines + ["[services]"] + ["%s = {}" % name for name in SERVICES]) + "\n"


def documented(where):
    """The commands of the blocks in docs/plan.md that begin with `# WHERE`, in their order."""
    with open(os.path.join(ROOT, "docs", "plan.md"), encoding="utf-8") as file:
        blocks = file.read().split("```")[1::2]
    lines = [[line.strip() for line in block.strip().splitlines()] for block in blocks]
    return [line for block in lines if block[0] == "# " + where for line in block[1:]]


class Part:
    """Some nodes of a lab, as a lab: for functions that work on all nodes."""

    def __init__(self, lab, wanted):
        self._lab, self.node_names = lab, list(wanted)
        self.nodes = [node for node in lab.nodes if node.name in self.node_names]

    def __getattr__(self, name):
        return getattr(self._lab, name)


class Front:
    """The front door that a plan describes, on a lab. rest: most seconds until all is well before the next case;
    returns: whether systemd or Pacemaker restarts an instance that was killed."""

    rest, returns = 120.0, False

    def __init__(self, lab, text):
        self.lab, self.text = lab, text
        self.plan, problems = read(text)
        if problems:
            raise LabError("; ".join(one.sentence("plan.toml") for one in problems))
        self.fronts = [node.name for node in self.plan.front_nodes]
        self.controllers = Part(lab, [node.name for node in self.plan.nodes if "controller" in node.roles])
        self.api_nodes = self.controllers.node_names

    # -- set it up

    def set_up(self, say=quiet):
        """Set up the database first, since HAProxy checks it; then what the plan renders, on each node by the plan's
        own commands."""
        self._database(say)
        certificate = _certificate()
        for node in self.lab.node_names:
            self.lab.check(node, "install -d /etc/quorate && cat >%s && quorate plan check %s" % (PLAN_PATH, PLAN_PATH),
                           stdin=self.text)
            if node in self.fronts:
                self.lab.check(node, "install -d -m 700 %s && cat >%s" % (os.path.dirname(TLS_PATH), TLS_PATH),
                               stdin=certificate)
            for words in self._steps(node):
                say("%s: %s" % (node, words))
                self.lab.check(node, words)
        if self.plan.vip_manager == "pacemaker":
            for words in self.cluster_commands():
                say("pcs " + " ".join(words))
                self.lab.check(self.lab.node_names[0], ["pcs"] + words)
        self.lab.wait(lambda: len(self.holders()) == 2, 60, "the VIPs do not come up: %s" % self.holders())
        say("APIs on %s" % " ".join(self.api_nodes))
        for node in self.api_nodes:
            self.start_instances(node)
        self.lab.wait(self.all_up, STARTED, "HAProxy does not see every server up")
        for node in self.lab.node_names:  # a second run must change nothing
            self.lab.check(node, "sh /root/quorate-systemd.sh")
        self.lab.wait(self.all_up, 30,
                      "HAProxy does not see every server up after the second run of quorate-systemd.sh")

    def cluster_commands(self):
        """The commands of `quorate plan pcs` for what the lab does not have yet: the words after pcs, a list each."""
        return vip_commands(self.plan)

    def _steps(self, node):
        """The commands of docs/plan.md for a node, without those that install packages: the lab's nodes have them."""
        found = [words for words in documented("on each node") if not words.startswith("apt ")]
        if node not in self.fronts:
            found = [words for words in found if "haproxy" not in words]
        if node in self.fronts and self.plan.vip_manager == "keepalived":
            found[-1:-1] = ["install -d /etc/keepalived"] + documented("on each endpoint")
        return found

    def _database(self, say):
        galera.prepare(self.controllers)
        others = [name for name in self.lab.node_names if name not in self.controllers.node_names]
        first = self.controllers.node_names[0]
        words = galera.create_command(self.controllers)
        words[-1] = "promoted-max=%d" % len(self.controllers.node_names)
        if others:  # in one step, so that the database starts on no other node
            self.lab.check(first, "pcs cluster cib /root/cib && pcs -f /root/cib %s && "
                                  "pcs -f /root/cib constraint location db-clone avoids %s && pcs cluster cib-push /root/cib"
                           % (" ".join(words[1:]), " ".join(others)))
        else:
            self.lab.check(first, words)
        say("Galera is synced after %.1f s" % galera.wait_synced(self.controllers))
        galera.users(self.controllers)

    # -- the APIs of one node

    def start_instances(self, node):
        """Start the APIs of one node: stand-ins, in a unit that systemd does not restart."""
        self.start_standin(node, {one.backend_port for one in self.plan.services
                                  if one.backend_port and one.check_port is None})

    def kill_instances(self, node):
        """Send SIGKILL to all of them."""
        machine.kill(self.lab, node, STANDIN)

    def hang_instances(self, node):
        """Send SIGSTOP to all of them, until wake_instances."""
        machine.stop(self.lab, node, STANDIN)

    def wake_instances(self, node):
        """Send SIGCONT to all of them."""
        machine.cont(self.lab, node, STANDIN)

    def start_standin(self, node, ports, *options):
        """Start a stand-in on these ports of the node. options: of systemd-run."""
        with open(os.path.join(PROGRAMS, "standin.py"), encoding="utf-8") as file:
            self.lab.check(node, "cat >/root/standin.py", stdin=file.read())
        self.lab.check(node, ["systemd-run", "--quiet", "--unit=" + STANDIN, "--collect", *options, "/usr/bin/python3",
                              "/root/standin.py", self.plan.address(node)] + [str(port) for port in sorted(ports)])

    # -- ask

    def holders(self):
        """{VIP: the node that has it}, of the nodes with power; if two have it, both with a comma."""
        found = {}
        for node in self.fronts:
            try:
                out = self.lab.run(node, ["ip", "-o", "address", "show", "dev", INTERFACE], 5).out or ""
            except LabError:
                continue
            for vip in self.plan.vips:
                if " %s/" % vip.address in out:
                    found[vip.name] = "%s,%s" % (found[vip.name], node) if vip.name in found else node
        return found

    def places(self):
        """What clients connect to: every listener at the VIP for its clients, those of the public VIP with TLS."""
        found = []
        for service in self.plan.services:
            kind = BY_NAME[service.name]
            for vip in self.plan.vips_of(service) if kind.proxied else ():
                tls = vip.tls and kind.mode == "http"
                port = 443 if tls and service.name == "dashboard" else service.port
                if vip.name == "internal" or service.name in ("keystone_public", "dashboard", "nova_vncproxy",
                                                              "nova_ec2"):
                    found.append("%s%s=%s:%d" % (service.name, "+tls" if tls else "", vip.address, port))
        return found

    def writer(self):
        """The node to which the HAProxy with the internal VIP sends sessions of the database."""
        out = self.lab.check(self.holders()["internal"],
                             "echo 'show table galera_cluster' | socat -t 5 - /run/haproxy/admin.sock")
        return out.rpartition("server_key=")[2].split()[0]

    def all_up(self, nodes=None):
        """Whether every HAProxy (of `nodes`) sees every server up."""
        for node in nodes or self.fronts:
            try:
                out = self.lab.run(node, "echo 'show stat' | socat -t 5 - /run/haproxy/admin.sock", 10).out or ""
            except LabError:  # no power
                return False
            if not servers_up(out):
                return False
        return True

    def requests(self):
        """The requests of clients, for lab/programs/knocker.py; none here, since the stand-ins answer every request."""
        return {}

    def clients(self, rate=10, seconds=5):
        """Clients at work, a context manager: attempts a second at each listener, seconds after which one has
        failed."""
        return Clients(self.lab, self.places(), rate, seconds, self.requests())


def servers(text):
    """The servers in an answer to `show stat`: (proxy, server, status, result of the last check, its code)."""
    rows = [line.split(",") for line in text.splitlines() if "," in line and not line.startswith("#")]
    return [(row[0], row[1], row[17], row[36], row[37]) for row in rows if row[1] not in ("FRONTEND", "BACKEND")]


def servers_up(text):
    """Whether HAProxy has checked every server and all are up: after its start it reports servers as up before the
    first check."""
    found = servers(text)
    return bool(found) and all(status in ("UP", "no check") and not checked.endswith("INI")
                               for _, _, status, checked, _ in found)


def web_commands(plan):
    """The commands of `quorate plan pcs` for Apache, for the lab's cluster, where the database is db and memcached no
    resource."""
    found = [list(step.words) for section in pcs.sections(plan) for step in section.steps]
    found = [[word.replace("galera-clone", "db-clone") for word in words] for words in found
             if "httpd" in words or "httpd-clone" in words]
    return [words for words in found if "memcached-clone" not in words]


def vip_commands(plan):
    """The commands of `quorate plan pcs` for HAProxy and the VIPs: the words after pcs, a list each. The lab has its
    own fencing, and its database is made before."""
    found = [step.words for section in pcs.sections(plan) for step in section.steps]
    return [list(words) for words in found if words[:2] in (("resource", "defaults"), ("node", "attribute"))
            or any(word.startswith(("haproxy", "vip-")) for word in words)]


def _certificate():
    """A new certificate and its key, as one text."""
    with tempfile.TemporaryDirectory() as home:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=front",
                        "-keyout", home + "/key", "-out", home + "/crt"], check=True, stderr=subprocess.DEVNULL)
        return "".join(open(home + name).read() for name in ("/crt", "/key"))


class Clients:
    """Runs lab/programs/knocker.py in the lab's network. attempts: (name, began, took, outcome) of each so far."""

    def __init__(self, lab, places, rate, seconds, requests):
        self._requests, self._window = json.dumps(requests), max(3.0, 3 / rate)
        self._argv = lab.client(["setpriv", "--pdeathsig", "KILL", "/usr/bin/python3",
                                 os.path.join(PROGRAMS, "knocker.py"),
                                 "--rate", str(rate), "--seconds", str(seconds), "--user", galera.USER,
                                 "--password-file", galera.password_file(lab)] + places)
        self.attempts, self._process, self._places = [], None, len(places)

    def __enter__(self):
        self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._process.stdin.write(self._requests)
        self._process.stdin.close()
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def _read(self):
        for line in self._process.stdout:
            name, began, took, outcome = line.split(" ", 3)
            self.attempts.append((name, float(began), float(took), outcome.strip()))

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def well(self):
        """Whether all attempts that ended in the last seconds were ok, and at least one at each listener was begun in
        them: attempts that hang do not count."""
        since = time.monotonic() - self._window
        last = [one for one in self.attempts[-4000:] if one[1] + one[2] > since]
        return all(one[3] == "ok" for one in last) and self._places == len({one[0] for one in last if one[1] > since})

    def between(self, begin, end):
        """The attempts that began in that time."""
        return [one for one in self.attempts if begin <= one[1] <= end]
