# SPDX-License-Identifier: Apache-2.0
"""The services that a control plane can have: one declaration for each.

The reader, the schema document, HAProxy's listeners and the cluster's resources all come from here.
"""

from collections import namedtuple

from quorate.plan.facts import ADMIN, CONTROLLER, DATABASE, INTERNAL, MESSAGING, PUBLIC

# How HAProxy spreads clients over the nodes.
BALANCED = "balanced"    # source affinity or round robin, as the plan says
FAILOVER = "fail-over"   # the first node that is well
WRITER = "writer"        # one node, the same until it is lost

API = (INTERNAL, PUBLIC, ADMIN)


class Check(namedtuple("Check", "path statuses contains port", defaults=("200", None, None))):
    """What HAProxy asks a service, and what it expects.

    path: of a GET; statuses: codes and ranges of codes as HAProxy writes them; contains: text that the answer's body
    must have; port: another one than the service's own.
    """
    __slots__ = ()


class Kind(namedtuple("Kind", "name title port roles endpoints spread mode check note", defaults=(
        (), None, None, None, ""))):
    """A service as it is in every plan.

    name:      as in the plan
    title:     for people
    port:      its usual one; None for a service that nothing connects to
    roles:     the nodes that run it are those that have the first of these roles that any node has
    endpoints: those for which it is bound at the VIPs; (): it is not proxied
    spread:    BALANCED, FAILOVER or WRITER; None: not proxied
    mode:      HAProxy's: 'tcp' or 'http'
    check:     a Check
    note:      a sentence for the reader of the rendered file; of a service that is not proxied, why, and what clients
               do instead
    """
    __slots__ = ()

    @property
    def proxied(self):
        """Whether it has a listener."""
        return self.spread is not None


def _api(name, title, port, check, note="", endpoints=API):
    return Kind(name, title, port, (CONTROLLER,), endpoints, BALANCED, "http", check, note)


def _inside(name, title, port=None, roles=(CONTROLLER,), note=""):
    return Kind(name, title, port, roles, note=note)


HEALTH = Check("/healthcheck")
#: Every service there is, in the order in which all texts have them.
KINDS = (
    Kind("galera_cluster", "Galera: the database", 3306, (DATABASE, CONTROLLER), (INTERNAL,), WRITER, "tcp",
         Check("/", "200", None, 9200),
         "One node takes all writes: writes at two nodes can fail with certification conflicts."),
    _api("keystone_public", "Keystone: identity, public and internal", 5000, HEALTH),
    _api("keystone_admin", "Keystone: identity, admin", 35357, HEALTH, endpoints=(ADMIN,),
         note="Keystone has been one application at port 5000 since Queens; this port is for clients that still use "
              "the old one. With 'backend_port = 5000' both lead to the same processes."),
    _api("glance_api", "Glance: images", 9292, HEALTH),
    _api("glance_registry", "Glance: registry", 9191, HEALTH, endpoints=(INTERNAL,),
         note="Only Glance itself uses it, and only up to Victoria: later releases have none."),
    _api("placement", "Placement: inventory", 8778, Check("/", "200", "versions")),
    _api("nova_compute", "Nova: compute API", 8774, Check("/", "200", "versions")),
    _api("nova_metadata", "Nova: metadata for instances", 8775, Check("/", "200", "latest"), endpoints=(INTERNAL,),
         note="The agents of Neutron ask it on behalf of the instances."),
    _api("nova_ec2", "EC2 API", 8773, Check("/", "200,400"), endpoints=(INTERNAL, PUBLIC),
         note="A request without an Action is answered with 400, by the application itself."),
    _api("nova_vncproxy", "Nova: consoles", 6080, Check("/vnc_lite.html", "200"), endpoints=(PUBLIC,),
         note="A console is one WebSocket that stays open for hours, and ends with the node that carries it."),
    _api("neutron_api", "Neutron: networks", 9696, Check("/", "200", "versions")),
    _api("cinder_api", "Cinder: volumes", 8776, HEALTH),
    _api("heat_api", "Heat: orchestration", 8004, HEALTH),
    _api("heat_cfn", "Heat: CloudFormation, called by instances", 8000, HEALTH),
    Kind("dashboard", "Horizon: the dashboard", 80, (CONTROLLER,), (PUBLIC,), FAILOVER, "http", Check("/", "200-399"),
         "Fail-over instead of balancing: a session that is kept in one node's memory or files stays with that node."),
    _inside("rabbitmq", "RabbitMQ: messages", 5672, (MESSAGING, CONTROLLER),
            "Not proxied: a client of AMQP keeps its connection for days and fails over by itself; a proxy would hide "
            "a dead broker and cut idle connections. Clients name all nodes in transport_url."),
    _inside("memcached", "memcached: tokens and sessions", 11211, note=(
        "Not proxied: each key lives on one node, chosen by the client from the list of all nodes; behind a proxy two "
        "clients would look for it in two places. Clients name all nodes in memcached_servers.")),
    _inside("cinder_volume", "Cinder: volume manager, one at a time"),
    _inside("heat_engine", "Heat: engine"),
    _inside("nova_consoleauth", "Nova: console tokens (up to Stein)"),
    _inside("nova_novncproxy", "Nova: console proxy", 6080),
)
BY_NAME = {kind.name: kind for kind in KINDS}
