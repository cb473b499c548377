# SPDX-License-Identifier: Apache-2.0
"""Settings of systemd and the kernel for one node, as a script of commands: to be read, and then run there as root."""

from quorate.galera.facts import SOCKET_UNITS
from quorate.plan.facts import KEEPALIVED
from quorate.plan.render.comments import comment
from quorate.plan.render.haproxy import socket
from quorate.plan.resources import wanted
from quorate.text import wrapped

CHECK = "quorate-galera-check.socket"
RESTART = 3  # seconds: more than HAProxy needs to notice that nobody listens (quorate.plan.render.haproxy.NOTICED)
# The unit that serves a listener, in the packages of Debian and of RDO.
APIS = {
    "keystone_public": ("keystone", "httpd"), "keystone_admin": ("keystone", "httpd"),
    "glance_api": ("glance-api", "openstack-glance-api"), "glance_registry": ("glance-registry",
                                                                              "openstack-glance-registry"),
    "placement": ("placement-api", "httpd"), "nova_compute": ("nova-api", "openstack-nova-api"),
    "nova_metadata": ("nova-api-metadata", "openstack-nova-metadata-api"), "nova_ec2": ("ec2-api", "openstack-ec2-api"),
    "nova_vncproxy": ("nova-novncproxy", "openstack-nova-novncproxy"), "neutron_api": ("neutron-api", "neutron-server"),
    "cinder_api": ("cinder-api", "openstack-cinder-api"), "heat_api": ("heat-api", "openstack-heat-api"),
    "heat_cfn": ("heat-api-cfn", "openstack-heat-api-cfn"), "dashboard": ("apache2", "httpd"),
}
WATCH = "quorate-haproxy-watch.service"
_RESTART_ALWAYS = ["[Unit]", "StartLimitIntervalSec=0", "[Service]", "Restart=always", "RestartSec=100ms"]


def render(plan, node):
    """The commands for the node of that name. Raises ValueError, with a sentence, where there are none."""
    parts = _front(plan, node) + _database(plan, node) + _apis(plan, node) + _cluster(plan, node)
    if not parts:
        raise ValueError("%s runs nothing that is served or checked from outside, so there is nothing to do." % node)
    head = ["#!/bin/sh", "# Settings of systemd and the kernel for %s, in the control plane %s." % (node, plan.name),
            "# Made by `quorate plan systemd`. Read it, then run it on %s as root; a second run changes nothing."
            % node,
            "set -eu"]
    return "\n\n".join("\n".join(part) for part in [head] + parts) + "\n"


def _front(plan, node):
    """Where HAProxy runs."""
    if node not in [one.name for one in plan.front_nodes]:
        return []
    versions = sorted({"6" if ":" in vip.address else "4" for vip in plan.vips})
    parts = [comment("HAProxy binds the VIPs even while another node carries them, so that it serves as soon as they "
                     "move here.")
             + _file("/etc/sysctl.d/60-quorate.conf", ["net.ipv%s.ip_nonlocal_bind = 1" % version
                                                       for version in versions])
             + ["sysctl -q -p /etc/sysctl.d/60-quorate.conf"],
             comment("systemd and Pacemaker see that HAProxy runs, not that it answers. This service ends an HAProxy "
                     "that hangs. "
                     "It starts and stops with HAProxy.") + ["systemctl daemon-reload", "systemctl enable " + WATCH]]
    if plan.vip_manager == KEEPALIVED:
        parts.append(comment("Only systemd can start them again here. An address that a killed keepalived left behind "
                             "is removed by the next one when it starts.")
                     + _file("/etc/systemd/system/haproxy.service.d/quorate.conf", _RESTART_ALWAYS)
                     + _file("/etc/systemd/system/keepalived.service.d/quorate.conf", _RESTART_ALWAYS)
                     + ["systemctl daemon-reload", "systemctl enable --now haproxy.service keepalived.service"])
    return parts


def _database(plan, node):
    """Where the database runs."""
    galera = plan.service("galera_cluster")
    if galera is None or node not in galera.nodes:
        return []
    return [comment("The check of the database. Only HAProxy asks it, so it listens in the management network only.")
            + _file("/etc/systemd/system/%s.d/plan.conf" % CHECK, [
                "[Socket]", "ListenStream=", "ListenStream=" + socket(plan.address(node), galera.check_port),
                "# This socket may start before the address is there.", "FreeBind=yes"])
            + ["systemctl daemon-reload", "systemctl enable %s" % CHECK, "systemctl restart %s" % CHECK]]


def _apis(plan, node):
    """Units behind HAProxy that another node has as well, without those that Pacemaker starts."""
    others = _cluster_units(plan, node) + _keystone(plan, node)
    units = [APIS[one.name][plan.system != "debian"] + ".service" for one in plan.services
             if one.name in APIS and node in one.nodes and len(one.nodes) > 1]
    units = [one for one in dict.fromkeys(units) if one not in others]
    if not units:
        return []
    return [comment("An API that is started again opens its port at once and answers seconds later, when it has "
                    "loaded: clients would wait there. With this delay HAProxy notices first, and sends no client "
                    "before the API answers.")
            + _each(units, [
                "install -d /etc/systemd/system/$unit.d",
                "printf '[Service]\\nRestartSec=%ds\\n' >/etc/systemd/system/$unit.d/quorate.conf" % RESTART])
            + ["systemctl daemon-reload"]]


def _cluster(plan, node):
    """Units that Pacemaker starts must not be started by systemd as well."""
    parts = []
    if _keystone(plan, node):
        parts.append(comment("Pacemaker starts Keystone as a site of Apache (the resource httpd). Debian's package "
                             "also "
                             "starts it as a service of its own, at the same port.") + _each(_keystone(plan, node), [
                                 "if systemctl cat $unit >/dev/null 2>&1; then",
                                 "    systemctl disable $unit",
                                 "    if systemctl is-active --quiet $unit; then",
                                 '        echo "$unit has the port that Apache will need: systemctl stop $unit" >&2',
                                 "    fi",
                                 "fi"]))
    units = _cluster_units(plan, node)
    if "mariadb.service" in units:
        parts.append(comment("systemd must not listen in the database's place: its server could not start, and a client "
                             "that connects would start one outside of the cluster.") + _each(SOCKET_UNITS, [
                                 "if systemctl cat $unit >/dev/null 2>&1; then",
                                 "    systemctl disable --now $unit",
                                 "fi"]))
    if units:
        parts.append(comment("Pacemaker starts these services, and systemd must not: a database that starts at boot "
                             "has not asked the other nodes whether it may, and of some services only one may run in "
                             "the whole cluster. What runs now goes on running.") + _each(units, [
                                 "if systemctl cat $unit >/dev/null 2>&1; then",
                                 "    systemctl disable $unit",
                                 "else",
                                 '    echo "$unit is not installed here yet; once it is: systemctl disable $unit" >&2',
                                 "fi"]))
    return parts


def _keystone(plan, node):
    """The unit that would serve what Apache serves under Pacemaker."""
    keystone = any(node in one.nodes for one in plan.services if one.name in ("keystone_public", "keystone_admin"))
    return ["keystone.service"] if keystone and "apache2.service" in _cluster_units(plan, node) else []


def _cluster_units(plan, node):
    """The units that Pacemaker starts there."""
    if node not in [one.name for one in plan.cluster_nodes]:
        return []
    units = [unit(one.agent, plan.system) for one in wanted(plan).resources if node in one.nodes]
    return [one for one in units if one is not None]


def _file(path, lines):
    return ["install -d %s" % path.rpartition("/")[0], "cat >%s <<'END'" % path] + lines + ["END"]


def _each(units, commands):
    """Commands with $unit in them, for each of the units. For a single one there is no loop."""
    if len(units) == 1:
        return [command.replace("$unit", units[0]) for command in commands]
    return (["for unit in %s; do" % " \\\n        ".join(wrapped(" ".join(units), 95))]
            + ["    " + command for command in commands] + ["done"])


def unit(agent, system):
    """The unit of systemd that starts the same as a resource; None: there is none. system: as in the plan."""
    kind, _, name = agent.partition(":")
    name = name.rpartition(":")[2]
    if kind == "systemd":
        return name + ".service"
    if not agent.startswith("ocf:quorate:"):
        return None
    own = {"galera": "mariadb", "rabbitmq": "rabbitmq-server"}.get(name)
    return (own or (name if system == "debian" else "openstack-" + name)) + ".service"
