# SPDX-License-Identifier: Apache-2.0
"""The services that agents and checks know, as data. Names of units are Debian's and Red Hat's."""

from quorate.openstack.facts import NOVA_PING, PING, Service

CINDER_VOLUME = Service(
    "cinder-volume", "cinder", ("cinder-volume", "openstack-cinder-volume"), "cinder", "/etc/cinder/cinder.conf",
    workers="backends", exchange="openstack", topic="cinder-volume", row="cinder")
HEAT_ENGINE = Service(
    "heat-engine", "heat", ("heat-engine", "openstack-heat-engine"), "heat", "/etc/heat/heat.conf",
    workers="engines", exchange="heat", topic="engine", row="heat")
NOVA_CONSOLEAUTH = Service(
    "nova-consoleauth", "nova", ("nova-consoleauth", "openstack-nova-consoleauth"), "nova", "/etc/nova/nova.conf",
    exchange="nova", topic="consoleauth", row="nova", call=NOVA_PING,
    release="it ended with Stein (nova 19), so delete this resource")
NOVA_NOVNCPROXY = Service(
    "nova-novncproxy", "nova", ("nova-novncproxy", "openstack-nova-novncproxy"), "nova", "/etc/nova/nova.conf",
    amqp=False, port=6080, page="/vnc_lite.html")


def _api(name, project, port, units=(), page="/", config=None):
    return Service(name, project, (name, "openstack-" + name) + tuple(units), project,
                   config or "/etc/%s/%s.conf" % (project, project), workers="any", amqp=False, port=port, page=page)


def _caller(name, project, exchange, topic, row):
    return Service(name, project, (name, "openstack-" + name), project, "/etc/%s/%s.conf" % (project, project),
                   workers="any",
                   exchange=exchange, topic=topic, row=row, call=NOVA_PING if project == "nova" else PING)


# Services that systemd runs on every node. Ports are those of the OpenStack Installation Guide (firewalls and ports).
OTHERS = (
    _api("keystone", "keystone", 5000, ("apache2", "httpd"), "/v3"),
    _api("glance-api", "glance", 9292, config="/etc/glance/glance-api.conf"),
    _api("placement-api", "placement", 8778),
    _api("nova-api", "nova", 8774),
    _api("neutron-server", "neutron", 9696, ("neutron-api",)),
    _api("cinder-api", "cinder", 8776),
    _api("heat-api", "heat", 8004),
    _api("heat-api-cfn", "heat", 8000),
    _caller("nova-scheduler", "nova", "nova", "scheduler", "nova"),
    _caller("nova-conductor", "nova", "nova", "conductor", "nova"),
    _caller("cinder-scheduler", "cinder", "openstack", "cinder-scheduler", "cinder"),
    _caller("neutron-rpc-server", "neutron", "neutron", "q-plugin", None),  # Debian's other half of neutron-server
)
SHORT = {"glance": "glance-api", "nova": "nova-api", "cinder": "cinder-api", "heat": "heat-api",
         "heat-cfn": "heat-api-cfn",
         "placement": "placement-api", "neutron": "neutron-server",
         "neutron-api": "neutron-server"}  # names of api-check
ALL = {one.name: one for one in (CINDER_VOLUME, HEAT_ENGINE, NOVA_CONSOLEAUTH, NOVA_NOVNCPROXY) + OTHERS}
