# SPDX-License-Identifier: Apache-2.0
"""What to request of each OpenStack service. Ports are those of its registration; paths are tried in order until one
exists.

/healthcheck is oslo.middleware's, where the service has it in its pipeline: Keystone, Glance, Cinder, Heat and newer
Neutrons do by default; Nova and Placement have none, and answer their root with a list of versions without a token.
"""

from collections import namedtuple

from quorate.openstack.api.facts import ANY, HTML, JSON, TEXT, VERSIONS


class Preset(namedtuple("Preset", "title port paths deep headers", defaults=(None, {}))):
    """title: for messages. paths: tuple of (path, kind of the body), to request without a token. deep: path to request
    with a token; {project} in it is the id of the token's project. headers: that the deep path needs."""

    __slots__ = ()


PROJECT = "{project}"
HEALTH = ("/healthcheck", ANY)
ROOT = ("/", VERSIONS)
PRESETS = {
    "keystone": Preset("Keystone", 5000, (HEALTH, ("/v3", JSON)), "/v3/auth/tokens"),
    "glance": Preset("Glance", 9292, (HEALTH, ROOT), "/v2/images?limit=1"),
    "nova": Preset("Nova", 8774, (ROOT,), "/v2.1/flavors?limit=1"),
    "nova-metadata": Preset("Nova's metadata service", 8775, (("/", TEXT),)),
    "placement": Preset("Placement", 8778, (ROOT,), "/traits", {"OpenStack-API-Version": "placement 1.6"}),
    "cinder": Preset("Cinder", 8776, (HEALTH, ROOT), "/v3/{project}/types"),
    "neutron": Preset("Neutron", 9696, (HEALTH, ROOT), "/v2.0/networks?limit=1&fields=id"),
    "heat": Preset("Heat", 8004, (HEALTH, ROOT), "/v1/{project}/build_info"),
    "heat-cfn": Preset("Heat's CloudFormation service", 8000, (HEALTH, ROOT)),
    "horizon": Preset("Horizon", 80, (("/", HTML),)),
}


def preset(name):
    """The Preset of a name, also of its forms in units and plans (nova_metadata, cinder-api); None when there is
    none."""
    name = name.replace("_", "-")
    return PRESETS.get(name) or PRESETS.get(name[:-4] if name.endswith("-api") else name)
