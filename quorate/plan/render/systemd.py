# SPDX-License-Identifier: Apache-2.0
"""What systemd of one node has to know: commands, to be read and then run on it as root."""

from quorate.plan.facts import KEEPALIVED
from quorate.plan.render.haproxy import socket, wrapped
from quorate.plan.resources import wanted

CHECK = "quorate-galera-check.socket"
RESTART = 3  # seconds: more than HAProxy needs to notice that nobody listens (quorate.plan.render.haproxy.NOTICED)
# Who serves a listener, by the packages of Debian and of RDO; services that Pacemaker starts are not for systemd to restart.
APIS = {
    "keystone_public": ("keystone", "httpd"), "keystone_admin": ("keystone", "httpd"),
    "glance_api": ("glance-api", "openstack-glance-api"), "glance_registry": ("glance-registry", "openstack-glance-registry"),
    "placement": ("placement-api", "httpd"), "nova_compute": ("nova-api", "openstack-nova-api"),
    "nova_metadata": ("nova-api-metadata", "openstack-nova-metadata-api"), "nova_ec2": ("ec2-api", "openstack-ec2-api"),
    "nova_vncproxy": ("nova-novncproxy", "openstack-nova-novncproxy"), "neutron_api": ("neutron-api", "neutron-server"),
    "cinder_api": ("cinder-api", "openstack-cinder-api"), "heat_api": ("heat-api", "openstack-heat-api"),
    "heat_cfn": ("heat-api-cfn", "openstack-heat-api-cfn"), "dashboard": ("apache2", "httpd"),
}
WATCH = "quorate-haproxy-watch.service"


def render(plan, node):
    """The commands for the node of that name. ValueError with a sentence where there are none."""
    parts = _front(plan, node) + _database(plan, node) + _apis(plan, node) + _cluster(plan, node)
    if not parts:
        raise ValueError("%s runs nothing that is served or checked from outside, so there is nothing to do." % node)
    head = ["#!/bin/sh", "# What systemd of %s has to know in the control plane %s." % (node, plan.name),
            "# Made by `quorate plan systemd`. Read it, then run it there as root; a second run changes nothing.", "set -eu"]
    return "\n\n".join("\n".join(part) for part in [head] + parts) + "\n"


def _comment(text):
    return ["# " + line for line in wrapped(text)]


def _file(path, lines):
    return ["install -d %s" % path.rpartition("/")[0], "cat >%s <<'END'" % path] + lines + ["END"]


def _front(plan, node):
    if node not in [one.name for one in plan.front_nodes]:
        return []
    versions = sorted({"6" if ":" in vip.address else "4" for vip in plan.vips})
    parts = [_comment("HAProxy binds the VIPs also while another node carries them, so that it serves the moment they come.")
             + _file("/etc/sysctl.d/60-quorate.conf", ["net.ipv%s.ip_nonlocal_bind = 1" % version for version in versions])
             + ["sysctl -q -p /etc/sysctl.d/60-quorate.conf"],
             _comment("systemd and Pacemaker see whether HAProxy runs, not whether it answers. This ends one that hangs. It "
                      "starts and stops with HAProxy.") + ["systemctl daemon-reload", "systemctl enable " + WATCH]]
    if plan.vip_manager == KEEPALIVED:
        parts.append(_comment("Nobody but systemd is there to start them again. An address that a killed keepalived left "
                              "behind is taken away by the next one as it starts.")
                     + _file("/etc/systemd/system/haproxy.service.d/quorate.conf",
                             ["[Unit]", "StartLimitIntervalSec=0", "[Service]", "Restart=always", "RestartSec=100ms"])
                     + _file("/etc/systemd/system/keepalived.service.d/quorate.conf",
                             ["[Unit]", "StartLimitIntervalSec=0", "[Service]", "Restart=always", "RestartSec=100ms"])
                     + ["systemctl daemon-reload", "systemctl enable --now haproxy.service keepalived.service"])
    return parts


def _database(plan, node):
    galera = plan.service("galera_cluster")
    if galera is None or node not in galera.nodes:
        return []
    return [_comment("The check of the database, for HAProxy alone: in the management network.")
            + _file("/etc/systemd/system/%s.d/plan.conf" % CHECK, [
                "[Socket]", "ListenStream=", "ListenStream=" + socket(plan.address(node), galera.check_port),
                "# The address may come after this.", "FreeBind=yes"])
            + ["systemctl daemon-reload", "systemctl enable %s" % CHECK, "systemctl restart %s" % CHECK]]


def _apis(plan, node):
    """Units behind HAProxy of which another node has one as well."""
    units = [APIS[one.name][plan.system != "debian"] + ".service" for one in plan.services
             if one.name in APIS and node in one.nodes and len(one.nodes) > 1]
    others = _of_cluster(plan, node) + _instead(plan, node)
    units = [one for one in dict.fromkeys(units) if one not in others]
    if not units:
        return []
    return [_comment("An API that died opens its port again at once and answers seconds later, when it has loaded: clients "
                     "would wait there. After this time HAProxy has noticed, and sends nobody before it answers.") + [
        "for unit in %s; do" % " \\\n        ".join(wrapped(" ".join(units), 95)),
        "    install -d /etc/systemd/system/$unit.d",
        "    printf '[Service]\\nRestartSec=%ds\\n' >/etc/systemd/system/$unit.d/quorate.conf" % RESTART,
        "done", "systemctl daemon-reload"]]


_INSTEAD = ("Pacemaker starts Keystone as a site of Apache (the resource httpd). Debian's package starts it as a service of its own "
            "as well, at the same port.")


def _instead(plan, node):
    """The units that would serve what Apache serves under Pacemaker."""
    keystone = any(node in one.nodes for one in plan.services if one.name in ("keystone_public", "keystone_admin"))
    return ["keystone.service"] if keystone and "apache2.service" in _of_cluster(plan, node) else []


def _of_cluster(plan, node):
    """The units that Pacemaker starts there."""
    if node not in [one.name for one in plan.cluster_nodes]:
        return []
    units = [unit(one.agent, plan.system) for one in wanted(plan).resources if node in one.nodes]
    return [one for one in units if one is not None]


def _cluster(plan, node):
    """Units that Pacemaker starts must not be started by systemd as well."""
    units = _of_cluster(plan, node)
    if not units:
        return []
    parts = [_comment(_INSTEAD) + [
        "for unit in %s; do" % " ".join(_instead(plan, node)),
        "    if systemctl cat $unit >/dev/null 2>&1; then",
        "        systemctl disable $unit",
        "        if systemctl is-active --quiet $unit; then",
        '            echo "$unit has the port that Apache will need: systemctl stop $unit" >&2',
        "        fi",
        "    fi",
        "done"]] if _instead(plan, node) else []
    return parts + [_comment("Pacemaker starts these, and nobody else may: a database that comes up by itself has asked nobody "
                     "whether it may, and of some there is one in the whole cluster. What runs now goes on running.") + [
        "for unit in %s; do" % " \\\n        ".join(wrapped(" ".join(units), 95)),
        "    if systemctl cat $unit >/dev/null 2>&1; then",
        "        systemctl disable $unit",
        "    else",
        '        echo "$unit is not installed here yet; once it is: systemctl disable $unit" >&2',
        "    fi",
        "done"]]


def unit(agent, system):
    """The unit of systemd that would start what a resource runs; None: none would. Names as Debian and Red Hat have them."""
    kind, _, name = agent.partition(":")
    name = name.rpartition(":")[2]
    if kind == "systemd":
        return name + ".service"
    if not agent.startswith("ocf:quorate:"):
        return None
    own = {"galera": "mariadb", "rabbitmq": "rabbitmq-server"}.get(name)
    return (own or (name if system == "debian" else "openstack-" + name)) + ".service"
