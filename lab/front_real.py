# SPDX-License-Identifier: Apache-2.0
"""Debian's own OpenStack APIs behind the front door of a plan: do its checks ask what these services answer?

    python3 -m lab.front_real [LAB]        needs build/quorate_*.deb; makes a lab, prints what HAProxy says, removes it

Keystone, glance, placement, cinder and heat run behind uwsgi, the dashboard behind Apache. Each has to be up in HAProxy's
eyes, then down after it was stopped, up again, and down while it hangs; and through the VIP a user gets a token, stores an
image and reads it again.
"""

import json
import sys
import time

from lab import LabError, faults, front_door, names, openstack, openstack_config, openstack_layer
from lab.cluster import Lab
from lab.openstack_broker import put
from quorate.plan import haproxy
from quorate.plan.read import read

# Listener -> (unit, what its processes have in their command lines)
SERVICES = {"glance_api": ("glance-api", "/etc/glance/"), "placement": ("placement-api", "/etc/placement/"),
            "dashboard": ("apache2", "/usr/sbin/apache2"), "keystone_public": ("keystone", "/etc/keystone/"),
            "cinder_api": ("cinder-api", "/etc/cinder/"), "heat_api": ("heat-api", "/etc/heat/")}
CONFIG, SOCKET = "/root/plan.cfg", "/run/plan.sock"
IMAGE = b"not much of an image " * 1000

_GLANCE = """\
[DEFAULT]
log_dir = /var/log/glance
enabled_backends = file:file
[glance_store]
default_backend = file
[file]
filesystem_store_datadir = /var/lib/glance/images
[database]
connection = %(sql)s
[paste_deploy]
flavor = keystone
[keystone_authtoken]
%(auth)s"""
_PLACEMENT = """\
[placement_database]
connection = %(sql)s
[keystone_authtoken]
%(auth)s"""

# Debian's own sites expect a certificate; its settings lead to /horizon.
_DASHBOARD = """\
<VirtualHost *:80>
    WSGIScriptAlias /horizon /usr/share/openstack-dashboard/wsgi.py
    WSGIScriptAlias / /usr/share/openstack-dashboard/wsgi.py
    WSGIDaemonProcess horizon user=www-data group=www-data processes=1 threads=4
    WSGIProcessGroup horizon
    WSGIApplicationGroup %{GLOBAL}
    Alias /static /var/lib/openstack-dashboard/static
    <Directory /usr/share/openstack-dashboard>
        Require all granted
    </Directory>
    <Directory /var/lib/openstack-dashboard/static>
        Require all granted
    </Directory>
</VirtualHost>
"""


def text_of(lab):
    """haproxy.cfg for n1, with a VIP of its own beside the lab's."""
    api = openstack.api_node(lab)
    lines = ["[plan]", 'name = "real"', "[networks.management]", 'cidr = "%s"' % lab.record["subnet"],
             "[vips.internal]", 'address = "%s"' % vip_of(lab), "[nodes]"]
    lines += ['%s = { roles = ["%s"], addresses = { management = "%s" } }' % (
        node.name, "endpoint" if node.name == "n1" else "controller", node.address) for node in lab.nodes]
    lines += ["[services]", 'galera_cluster = { placement = ["%s"] }' % '", "'.join(lab.node_names)]
    lines += ['%s = { placement = ["%s"] }' % (name, api) for name in SERVICES]
    plan, problems = read("\n".join(lines) + "\n")
    if problems:
        raise LabError("; ".join(one.sentence("plan") for one in problems))
    return haproxy.render(plan).replace(haproxy.SOCKETS["debian"], SOCKET)


def vip_of(lab):
    """The VIP of this front door."""
    return names.address(lab.record["subnet"], 101)


def states(lab):
    """dict: (listener, node) -> HAProxy's status and what its last check was."""
    out = lab.run("n1", "echo 'show stat' | socat -t 5 - %s" % SOCKET, 10).out or ""
    rows = [line.split(",") for line in out.splitlines() if "," in line and not line.startswith("#")]
    return {(row[0], row[1]): "%s (%s %s)" % (row[17], row[36], row[37]) for row in rows
            if row[1] not in ("FRONTEND", "BACKEND") and "." not in row[0]}


def start_more(lab, say):
    """Glance, placement and the dashboard on the node with the APIs."""
    api, secret = openstack.api_node(lab), openstack.secret(lab)
    user = openstack.rest(lab)
    for name, path, text, sync in (
            ("glance", "/etc/glance/glance-api.conf", _GLANCE, "glance-manage db_sync"),
            ("placement", "/etc/placement/placement.conf", _PLACEMENT, "placement-manage db sync")):
        openstack.galera.sql(lab, openstack.galera.any_synced(lab), openstack.grants([name], secret))
        user.service_user(name)
        put(lab, api, path, text % {
            "sql": openstack_config.sql(name, secret),
            "auth": openstack_config.auth_text(api, name, secret)}, name)
        lab.check(api, "install -d -o %s -g %s /var/log/%s /var/lib/%s" % (name, name, name, name))
        openstack.as_user(lab, api, name, sync, 300)
        say("schema of %s" % name)
    put(lab, api, "/etc/apache2/dashboard.conf", _DASHBOARD)
    lab.check(api, "cd /etc/apache2/sites-enabled && rm -f * && ln -s ../dashboard.conf . && apache2ctl configtest")
    lab.check(api, "install -d -o glance -g glance /var/lib/glance/images; "
                   "printf \"\\nALLOWED_HOSTS = ['*']\\n\" >>/etc/openstack-dashboard/local_settings.py")
    lab.check(api, ["systemctl", "start", "glance-api", "placement-api", "apache2"], 120)


def try_one(lab, name, say):
    """Up, stopped, up, hung, up, each in the eyes of HAProxy."""
    api, (unit, pattern) = openstack.api_node(lab), SERVICES[name]

    def wait(word, what):
        lab.wait(lambda: states(lab).get((name, api), "").startswith(word), 90,
                 "%s %s and is not %s: %s" % (name, what, word, states(lab).get((name, api))))
        say("%s %s: %s" % (name, what, states(lab)[name, api]))

    wait("UP", "runs")
    lab.check(api, ["systemctl", "stop", unit], 120)
    wait("DOWN", "is stopped")
    lab.check(api, ["systemctl", "start", unit], 120)
    wait("UP", "runs again")
    faults.stop(lab, api, pattern)
    try:
        wait("DOWN", "hangs")
    finally:
        faults.cont(lab, api, pattern)
    wait("UP", "goes on")


def use(lab, say):
    """A user's work through the VIP, from another node."""
    vip = vip_of(lab)

    def curl(words, stdin=None):
        return lab.check("n2", ["curl", "-s", "-S", "-m", "30"] + words, 40, stdin=stdin)

    identity = {"methods": ["password"], "password": {"user": {
        "name": "admin", "domain": {"id": "default"}, "password": openstack.secret(lab)}}}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    out = curl(["-i", "-H", "Content-Type: application/json", "-d", "@-", "http://%s:5000/v3/auth/tokens" % vip],
               json.dumps({"auth": {"identity": identity, "scope": scope}}))
    token = [line.partition(":")[2].strip() for line in out.splitlines() if line.lower().startswith("x-subject-token")]
    if " 201 " not in out.splitlines()[0] or not token:
        raise LabError("no token through the VIP: %s" % out.splitlines()[0])
    say("a token through the VIP: %s" % out.splitlines()[0].strip())
    head = ["-H", "X-Auth-Token: " + token[0]]
    answer = curl(head + ["-i", "-H", "Content-Type: application/json", "-d", json.dumps(
        {"name": "one", "disk_format": "raw", "container_format": "bare"}), "http://%s:9292/v2/images" % vip])
    try:
        made = json.loads(answer.replace("\r", "").partition("\n\n")[2])
    except ValueError:
        raise LabError("glance makes no image: %s" % " / ".join(answer.split("\n")[:12])) from None
    where = "http://%s:9292/v2/images/%s/file" % (vip, made["id"])
    curl(head + ["-X", "PUT", "-H", "Content-Type: application/octet-stream", "--data-binary", "@-", where], IMAGE.decode())
    if curl(head + [where]) != IMAGE.decode():
        raise LabError("the image that came back through the VIP is another one")
    say("an image of %d bytes stored and read again through the VIP" % len(IMAGE))
    say("placement: %s" % curl(head + ["http://%s:8778/resource_providers" % vip]).strip()[:80])
    page = curl(["-L", "-o", "/dev/null", "-w", "%{http_code} %{url_effective}", "http://%s/" % vip])
    say("dashboard: %s" % page)
    if not page.startswith("200 "):
        raise LabError("the dashboard answers %s" % page)


def main(words):
    began = time.monotonic()

    def say(text):
        print("%7.1f  %s" % (time.monotonic() - began, text), flush=True)

    with Lab(words[0] if words else "front") as lab:
        lab.up(deb=front_door.newest_deb(), layers=openstack_layer.ensure("apis", say), say=say)
        openstack.prepare(lab, say)
        start_more(lab, say)
        lab.check("n1", "cat >%s && haproxy -c -q -f %s && ip address add %s/24 dev host0 && "
                        "systemd-run --quiet --unit=plan haproxy -Ws -f %s" % (CONFIG, CONFIG, vip_of(lab), CONFIG),
                  stdin=text_of(lab))
        lab.wait(lambda: all(states(lab).get((name, openstack.api_node(lab)), "").startswith("UP") for name in SERVICES), 120,
                 "not all are up: %s" % states(lab))
        use(lab, say)
        for name in SERVICES:
            try_one(lab, name, say)
        for key, state in sorted(states(lab).items()):
            say("%s on %s: %s" % (key + (state,)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
