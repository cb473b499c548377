# SPDX-License-Identifier: Apache-2.0
"""Debian's own OpenStack APIs behind the front door of a plan: scripts/front-door --real

A Front whose listeners lead to real services on two of three nodes, each bound to its node's own address. It shows
whether the plan's checks ask what these services answer, and what clients notice. The EC2 API and Glance's registry are
not packaged any more; those two listeners have stand-ins.
"""

import base64
import json
import os

from lab import LabError
from lab.front_door.deployment import STANDIN, STARTED, Front, plan_text, servers, web_commands
from lab.front_door.real_configuration import (
    APACHE, DATABASES, PYTHON, SERVICES, STANDINS, SYNCS, WEB, cache_tokens, texts)
from lab.images import openstack
from lab.machines import inside
from lab.services import galera
from lab.services.openstack import configuration, deployment, rest
from lab.services.openstack.broker import put

IMAGE = b"not much of an image " * 1000
VIP = "vip"         # its name in /etc/hosts of every node
KEYS = ("etc/keystone/fernet-keys", "etc/keystone/credential-keys")
# Keystone is one application today. Glance keeps images in files of its node here, so a client has to stay with one
# node. At / Apache answers without the dashboard, whose first page takes seconds in a new process.
MORE = {"dashboard": ', check_path = "/horizon/auth/login/"',
        "keystone_admin": ", backend_port = 5000", "glance_api": ', balance = "source"'}


def real_plan_text(lab):
    """A plan whose APIs are on the last two nodes, and everything else on all."""
    where = ", ".join('"%s"' % name for name in [node.name for node in lab.nodes][-2:])
    lines = []
    for line in plan_text(lab, "pacemaker").splitlines():
        name, equals, tail = line.partition(" = {}")
        if equals and not tail and name != "galera_cluster":
            more = MORE.get(name, "")
            line = "%s = { placement = [%s]%s }" % (name, where, more)
        lines.append(line)
    return "\n".join(lines) + "\n"


class Real(Front):
    """The front door of a plan with the real services behind it."""

    rest, returns = 300.0, True

    def __init__(self, lab, text):
        super().__init__(lab, text)
        self.api_nodes = lab.node_names[-2:]
        self._token = self._project = None

    # -- set it up

    def _database(self, say):
        """Set up database, broker, schemas, users and keys; afterwards only database and broker run."""
        lab, first = self.lab, self.lab.node_names[0]
        deployment.prepare(lab, say)
        self._configure()
        self._schemas(say)
        api = deployment.api_node(lab)
        lab.check(api, ["systemctl", "stop"] + [unit for unit in deployment.API_UNITS if unit != "memcached"], 120)
        keys = base64.b64decode(lab.check(api, "tar -C / -c %s | base64" % " ".join(KEYS)))
        for node in self.api_nodes:
            lab.check(node, ["tar", "-C", "/", "-x"], stdin=keys)
        galera.sql(lab, galera.any_synced(lab),
                   "UPDATE keystone.endpoint SET url = REPLACE(url, '//%s:', '//%s:');\n" % (api, VIP))
        for name in ("vip", "haproxy"):  # needed until here; the plan has its own
            lab.check(first, ["pcs", "resource", "delete", name], 120)

    def _configure(self):
        """Write every file of every service; they are the same on both nodes, except the address that each binds."""
        secret, lab = deployment.secret(self.lab), self.lab
        key = base64.b16encode(os.urandom(16)).decode().lower()
        common = configuration.files(lab.node_names, VIP, secret, key)
        for node in self.api_nodes:
            files = cache_tokens(dict(common, **texts(lab.node_names, VIP, secret, lab.address(node))))
            for path, (text, group) in files.items():
                put(lab, node, path, text, group)
            lab.check(node, "systemctl daemon-reload; chmod 644 /etc/default/* /etc/*/*-uwsgi.ini; "
                            "for one in keystone cinder heat nova neutron glance placement; do "
                            "install -d -o $one -g $one /var/log/$one /var/lib/$one /var/lock/$one; done; "
                            "install -d -o glance -g glance /var/lib/glance/images; cd /etc/apache2/sites-enabled && rm -f * && "
                            "ln -s %s . && echo >/etc/apache2/ports.conf && apache2ctl -t" % APACHE, 60)

    def _schemas(self, say):
        lab, api, secret = self.lab, deployment.api_node(self.lab), deployment.secret(self.lab)
        galera.sql(lab, galera.any_synced(lab), deployment.grants(DATABASES, secret))
        user = deployment.rest(lab)
        for name in DATABASES + ("nova",):
            user.service_user(name)
        for name, command in SYNCS:
            deployment.as_user(lab, api, name, command, 400)
            say("schema of %s: %s" % (name, command.partition(" ")[0]))

    def cluster_commands(self):
        """With Apache, which serves Keystone and the dashboard."""
        return super().cluster_commands() + web_commands(self.plan)

    def start_instances(self, node):
        """Start the services of the node, and the stand-in for those that are not packaged. Pacemaker starts Apache."""
        self.lab.check(node, ["systemctl", "start", "memcached"] + [one.unit for one in SERVICES], 240)
        if self.lab.run(node, ["systemctl", "is-active", "--quiet", STANDIN]).rc != 0:
            self.start_standin(node, {self.plan.service(name).backend_port for name in STANDINS},
                               "--property=Restart=on-failure", "--property=RestartSec=3")

    def _signal(self, node, name):
        units = [one.unit for one in SERVICES + (WEB,)] + [STANDIN]
        self.lab.check(node, ["systemctl", "kill", "--signal=" + name] + units)

    def kill_instances(self, node):
        """Kill every process of every service; systemd restarts those whose unit says so, Pacemaker its own."""
        self._signal(node, "KILL")

    units = tuple(one.unit for one in SERVICES + (WEB,))

    def kill_unit(self, node, unit):
        """Kill every process of one service; return when HAProxy has it down."""
        names = [name for one in SERVICES + (WEB,) if one.unit == unit for name in one.listeners]
        self.lab.check(node, ["systemctl", "kill", "--signal=KILL", unit])
        self.lab.wait(lambda: any(self.states()[name, node].startswith("DOWN") for name in names), 30,
                      "HAProxy does not see that %s was killed on %s" % (unit, node))

    def hang_instances(self, node):
        self._signal(node, "STOP")

    def wake_instances(self, node):
        self._signal(node, "CONT")

    # -- ask

    def states(self):
        """{(listener, node): status and result of the last check}, by the HAProxy of the node with the VIP."""
        out = self.lab.check(self.holders()["internal"], "echo 'show stat' | socat -t 5 - /run/haproxy/admin.sock")
        return {(proxy, server): "%s (%s %s)" % (status, checked.lstrip("* "), code)
                for proxy, server, status, checked, code in servers(out) if "." not in proxy}

    def _log_in(self):
        plain = rest.Rest(self.lab.vip, deployment.secret(self.lab))
        inside.in_network(self.lab, plain.login)
        self._token, self._project = plain.token, plain.project

    def requests(self):
        """A user's requests, with a token; they reach the service's database where one request can."""
        if self._token is None:
            self._log_in()
        again = json.dumps({"auth": {"identity": {"methods": ["token"], "token": {"id": self._token}}}})
        asked = {"keystone_public": [["POST /v3/auth/tokens", again, ["201"]], ["GET /v3/auth/projects", None, ["200"]],
                                     ["GET /v3", None, ["200"]]],
                 "keystone_admin": [["GET /v3/projects", None, ["200"]]],
                 "glance_api": [["GET /v2/images", None, ["200"]]],
                 "placement": [["GET /resource_providers", None, ["200"]]],
                 "nova_compute": [["GET /v2.1/flavors", None, ["200"]]],
                 "nova_metadata": [["GET /", None, ["200"]]],
                 "nova_vncproxy": [["GET /vnc_lite.html", None, ["200"]]],
                 "neutron_api": [["GET /v2.0/networks", None, ["200"]]],
                 "cinder_api": [["GET /v3/%s/volumes" % self._project, None, ["200"]]],
                 "heat_api": [["GET /", None, ["300"]]], "heat_cfn": [["GET /", None, ["300"]]],
                 "dashboard": [["GET /horizon/auth/login/", None, ["200"]]]}
        return {name: {"ask": ask, "token": self._token} for name, ask in asked.items()}

    # -- try it

    def use(self, say):
        """Work as a user through the VIP, from the lab's network. Each step is tried up to three times; failed answers
        are printed."""
        self._log_in()
        say("a token through the VIP")
        made = json.loads(self._ask("POST", 9292, "/v2/images", say, json.dumps(
            {"name": "one", "disk_format": "raw", "container_format": "bare"})))
        where = "/v2/images/%s/file" % made["id"]
        self._ask("PUT", 9292, where, say, IMAGE.decode(), "application/octet-stream")
        if self._ask("GET", 9292, where, say) != IMAGE.decode():
            raise LabError("the image that was read through the VIP is not the one that was stored")
        say("an image of %d bytes stored and read again through the VIP" % len(IMAGE))
        for name, port, path in (("placement", 8778, "/resource_providers"), ("nova", 8774, "/v2.1/flavors"),
                                 ("neutron", 9696, "/v2.0/networks"),
                                 ("cinder", 8776, "/v3/%s/volumes" % self._project)):
            say("%s: %s" % (name, self._ask("GET", port, path, say).strip()[:70]))
        page = self._curl(["-k", "-L", "-o", "/dev/null", "-w", "%{http_code} %{url_effective}", "https://%s/" % (
            self.plan.vip("public").address)])
        say("dashboard: %s" % page)
        if not page.startswith("200 "):
            raise LabError("the dashboard answers %s" % page)

    def _curl(self, words, stdin=None):
        return self.lab.check("n1", ["curl", "-s", "-S", "-m", "30"] + words, 40, stdin=stdin)

    def _ask(self, method, port, path, say, body=None, kind="application/json"):
        words = ["-i", "-X", method, "-H", "X-Auth-Token: " + self._token, "http://%s:%d%s"
                 % (self.lab.vip, port, path)]
        if body is not None:
            words += ["-H", "Content-Type: " + kind, "-H", "Expect:", "--data-binary", "@-"]
        for _ in range(3):
            head, _, found = self._curl(words, body).replace("\r", "").partition("\n\n")
            if head.split(" ")[1][:1] == "2":
                return found
            say("%s %s: %s" % (method, path, " / ".join((head + "\n" + found).splitlines())[:400]))
        raise LabError("%s %s through the VIP failed three times" % (method, path))

    def try_each(self, say):
        """Stop and start, then hang and wake all services of one node; HAProxy must notice each."""
        node = self.api_nodes[-1]
        listeners = {name for one in SERVICES + (WEB,) for name in one.listeners}
        apache = ["--resource", "httpd-clone", "--node", node]

        def wait(word, what):
            def found():
                return {name: text for (name, at), text in self.states().items() if at == node and name in listeners}

            self.lab.wait(lambda: all(text.startswith(word) for text in found().values()), STARTED,
                          "HAProxy does not have all servers %s (%s)" % (word, what))
            for name, text in sorted(found().items()):
                say("%-16s %-10s %s" % (name, what, text))

        wait("UP (L7OK", "runs")
        self.lab.check(node, ["crm_resource", "--ban"] + apache)
        self.lab.check(node, ["systemctl", "stop"] + [one.unit for one in SERVICES], 120)
        wait("DOWN", "is stopped")
        self.lab.check(node, ["crm_resource", "--clear"] + apache)
        self.start_instances(node)
        wait("UP (L7OK", "runs again")
        self.hang_instances(node)
        try:
            wait("DOWN", "hangs")
        finally:
            self.wake_instances(node)
        wait("UP (L7OK", "goes on")


def layers(say):
    """The layers that the lab's nodes need."""
    return openstack.ensure("apis", say)


def versions(lab):
    """The packages of the services with their versions, as one line."""
    node = lab.node_names[-1]
    names = sorted({one.package for one in SERVICES} | {WEB.package, WEB.unit, "keystone"})
    return lab.check(node, ["dpkg-query", "-W", "-f", "${Package} ${Version}, "] + names + [PYTHON]).rstrip(", ")
