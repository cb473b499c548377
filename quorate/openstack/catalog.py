# SPDX-License-Identifier: Apache-2.0
"""The services that the engine knows, as data. Names of units are Debian's and Red Hat's."""

from quorate.openstack.facts import Service

CINDER_VOLUME = Service(
    "cinder-volume", "cinder", ("cinder-volume", "openstack-cinder-volume"), "cinder", "/etc/cinder/cinder.conf",
    workers="backends", exchange="openstack", topic="cinder-volume", row="cinder")
HEAT_ENGINE = Service(
    "heat-engine", "heat", ("heat-engine", "openstack-heat-engine"), "heat", "/etc/heat/heat.conf",
    workers="engines", exchange="heat", topic="engine", row="heat")
NOVA_CONSOLEAUTH = Service(
    "nova-consoleauth", "nova", ("nova-consoleauth", "openstack-nova-consoleauth"), "nova", "/etc/nova/nova.conf",
    exchange="nova", topic="consoleauth", row="nova",
    release="nova-consoleauth ended with the Stein release (nova 19): from Train on the cells' databases hold the tokens and "
            "nova-novncproxy reads them itself, so delete this resource")
NOVA_NOVNCPROXY = Service(
    "nova-novncproxy", "nova", ("nova-novncproxy", "openstack-nova-novncproxy"), "nova", "/etc/nova/nova.conf",
    amqp=False, port=6080, page="/vnc_lite.html")
