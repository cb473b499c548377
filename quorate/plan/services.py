# SPDX-License-Identifier: Apache-2.0
"""What a control plane can consist of: one declaration a service.

Reader, schema document, HAProxy's listeners and the cluster's resources all come from here.
"""

from collections import namedtuple

from quorate.plan.facts import ADMIN, CONTROLLER, DATABASE, INTERNAL, MESSAGING, PUBLIC

# How HAProxy spreads clients over the nodes.
BALANCED = "balanced"    # source affinity or round robin, as the operator says
FAILOVER = "fail-over"   # the first node that is well
WRITER = "writer"        # one node, which stays the one until it is lost

API = (INTERNAL, PUBLIC, ADMIN)


class Check(namedtuple("Check", "path statuses contains port", defaults=("200", None, None))):
    """What HAProxy asks a service, and what it expects.

    path: of a GET; statuses: codes and ranges of codes as HAProxy writes them; contains: text that the answer's body
    must have; port: another one than the service's own.
    """
    __slots__ = ()


class Kind(namedtuple("Kind", "name title port roles endpoints spread mode check note", defaults=(
        (), None, None, None, ""))):
    """A service as it always is.

    name:      as in the plan
    title:     for people
    port:      the one it is known by; None for a service that nobody connects to
    roles:     the nodes that run it are those that have the first of these roles that any node has
    endpoints: for whom it is bound at the VIPs; (): it is not proxied
    spread:    BALANCED, FAILOVER or WRITER; None: not proxied
    mode:      HAProxy's: 'tcp' or 'http'
    check:     a Check
    note:      a sentence for the reader of the rendered file; for a service that is not proxied, why and what instead
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
         "One node takes all writes, since two writers meet in certification conflicts."),
    _api("keystone_public", "Keystone: identity, public and internal", 5000, HEALTH),
    _api("keystone_admin", "Keystone: identity, admin", 35357, HEALTH, endpoints=(ADMIN,),
         note="Keystone has been one application at port 5000 since Queens; this port is for clients that still know the "
              "other one. With 'backend_port = 5000' both lead to the same processes."),
    _api("glance_api", "Glance: images", 9292, HEALTH),
    _api("glance_registry", "Glance: registry", 9191, HEALTH, endpoints=(INTERNAL,),
         note="Only Glance itself speaks to it, and only up to Victoria: later releases have none."),
    _api("placement", "Placement: inventory", 8778, Check("/", "200", "versions")),
    _api("nova_compute", "Nova: compute API", 8774, Check("/", "200", "versions")),
    _api("nova_metadata", "Nova: metadata for instances", 8775, Check("/", "200", "latest"), endpoints=(INTERNAL,),
         note="The agents of Neutron ask it on behalf of the instances."),
    _api("nova_ec2", "EC2 API", 8773, Check("/", "200,400"), endpoints=(INTERNAL, PUBLIC),
         note="Without an Action it answers 400, which only the application itself can say."),
    _api("nova_vncproxy", "Nova: consoles", 6080, Check("/vnc_lite.html", "200"), endpoints=(PUBLIC,),
         note="A console is one WebSocket that stays open for hours, and dies with the node that carries it."),
    _api("neutron_api", "Neutron: networks", 9696, Check("/", "200", "versions")),
    _api("cinder_api", "Cinder: volumes", 8776, HEALTH),
    _api("heat_api", "Heat: orchestration", 8004, HEALTH),
    _api("heat_cfn", "Heat: CloudFormation, called by instances", 8000, HEALTH),
    Kind("dashboard", "Horizon: the dashboard", 80, (CONTROLLER,), (PUBLIC,), FAILOVER, "http", Check("/", "200-399"),
         "Fail-over instead of balancing: a session that is kept in one node's memory or files stays with that node."),
    _inside("rabbitmq", "RabbitMQ: messages", 5672, (MESSAGING, CONTROLLER),
            "Not proxied: a client of AMQP keeps its connection for days and knows how to fail over itself, while a proxy "
            "adds a hop that hides a dead broker and cuts idle connections. Clients name all nodes in transport_url."),
    _inside("memcached", "memcached: tokens and sessions", 11211, note=(
        "Not proxied: each key lives on one node, chosen by the client from the list of all nodes; behind a proxy two "
        "clients would look for it in two places. Clients name all nodes in memcached_servers.")),
    _inside("cinder_volume", "Cinder: volume manager, one at a time"),
    _inside("heat_engine", "Heat: engine"),
    _inside("nova_consoleauth", "Nova: console tokens (up to Stein)"),
    _inside("nova_novncproxy", "Nova: console proxy", 6080),
)
BY_NAME = {kind.name: kind for kind in KINDS}
