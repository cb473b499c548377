# SPDX-License-Identifier: Apache-2.0
"""The rest of a control plane, on the node with the APIs of a lab: glance, placement, nova's API, scheduler and
conductor, and neutron, as Debian packages them, under systemd.

    lab.up(deb=..., layers=openstack.ensure("control", say))    # lab/images/openstack.py
    deployment.prepare(lab, say)
    control_plane.prepare(lab, say)
"""

from concurrent.futures import ThreadPoolExecutor

from lab.services import galera
from lab.services.openstack import configuration, deployment
from lab.services.openstack.broker import put

# What service-check calls it -> Debian's unit.
UNITS = {"keystone": "keystone", "glance-api": "glance-api", "placement-api": "placement-api", "nova-api": "nova-api",
         "nova-scheduler": "nova-scheduler", "nova-conductor": "nova-conductor", "neutron-server": "neutron-api",
         "neutron-rpc-server": "neutron-rpc-server", "cinder-api": "cinder-api", "cinder-scheduler": "cinder-scheduler",
         "heat-api": "heat-api"}
USERS = ("glance", "placement", "nova", "neutron")
DATABASES = ("glance", "placement", "neutron")
NOVA_DATABASES = ("nova", "nova_api", "nova_cell0")  # of one user
SYNC_TIMEOUT = 600.0  # seconds; enough on a busy machine

_NOVA = """\
[api]
auth_strategy = keystone
[glance]
api_servers = http://%(api)s:9292
[keystone_authtoken]
%(auth)s[placement]
endpoint_override = http://%(api)s:8778
region_name = %(region)s
%(placement)s[neutron]
region_name = %(region)s
%(neutron)s"""
_NEUTRON = """\
[DEFAULT]
transport_url = %(rabbit)s
rpc_ping_enabled = true
core_plugin = ml2
service_plugins =
auth_strategy = keystone
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
state_path = /var/lib/neutron
log_dir = /var/log/neutron
[database]
connection = %(sql)s
[oslo_concurrency]
lock_path = /var/lock/neutron
[keystone_authtoken]
%(auth)s"""
_ML2 = """\
[ml2]
type_drivers = local
tenant_network_types = local
mechanism_drivers =
"""


def _own(template, name, api, secret):
    return template % {"sql": configuration.sql(name, secret), "auth": configuration.auth_text(api, name, secret)}


def files(nodes, api, secret, key):
    """{path: (text, group)} of the node with the APIs. Pure."""
    auth = {name: configuration.auth_text(api, name, secret) for name in USERS}
    nova = configuration.files(nodes, api, secret, key)["/etc/nova/nova.conf"][0] + _NOVA % {
        "api": api, "region": configuration.REGION, "auth": auth["nova"], "placement": auth["placement"],
        "neutron": auth["neutron"]}
    neutron = _NEUTRON % {"rabbit": configuration.rabbit("neutron", secret, nodes),
                          "sql": configuration.sql("neutron", secret),
                          "auth": auth["neutron"]}
    found = {"/etc/nova/nova.conf": (nova, "nova"), "/etc/neutron/neutron.conf": (neutron, "neutron"),
             "/etc/neutron/plugins/ml2/ml2_conf.ini": (_ML2, "neutron")}
    for name, path, template in (("glance", "/etc/glance/glance-api.conf", configuration.GLANCE),
                                 ("placement", "/etc/placement/placement.conf", configuration.PLACEMENT)):
        found[path] = (_own(template, name, api, secret), name)
    return found


def sync_commands(secret):
    """Tuples of (user, shell command) that make the schemas. The commands of one tuple run one after the other, the
    tuples in parallel."""
    cell = "nova-manage cell_v2 map_cell0 --database_connection '%s'" % configuration.sql("nova_cell0", secret)
    return ((("nova", "nova-manage api_db sync"), ("nova", cell), ("nova", "nova-manage db sync"),
             ("nova", "nova-manage cell_v2 create_cell --name cell1")),
            (("glance", "glance-manage db_sync"), ("placement", "placement-manage db sync"),
             ("neutron", "neutron-db-manage --config-file /etc/neutron/neutron.conf --config-file "
                         "/etc/neutron/plugins/ml2/ml2_conf.ini upgrade heads")))


def prepare(lab, say):
    """Configure and start all of it. Needs deployment.prepare and the layer `control`."""
    api, secret = deployment.api_node(lab), deployment.secret(lab)
    user = deployment.rest(lab)
    for name in USERS:
        user.service_user(name)
    for names in [NOVA_DATABASES] + [[one] for one in DATABASES]:
        galera.sql(lab, galera.any_synced(lab), deployment.grants(names, secret))
    lab.check(api, "rabbitmqctl -q add_vhost neutron && rabbitmqctl -q set_permissions -p neutron %s '.*' '.*' '.*'"
              % configuration.BROKER_USER, 120)
    for path, (text, group) in files(lab.node_names, api, secret, "").items():
        put(lab, api, path, text, group)
    lab.check(api, "for one in glance placement nova neutron; do for base in /var/log /var/lib /var/lock; do "
                   "install -d -o $one -g $one $base/$one; done; done; install -d -o glance -g glance /var/lib/glance/images; "
                   "sed -i 's/^processes = .*/processes = 2/; s/^threads = .*/threads = 1/' /etc/nova/nova-api-uwsgi.ini "
                   "/etc/neutron/neutron-api-uwsgi.ini /etc/placement/placement-api-uwsgi.ini")
    _sync(lab, api, secret, say)
    lab.check(api, ["systemctl", "start"] + list(UNITS.values()), 240)
    say("the control plane was started on %s" % api)


def _sync(lab, api, secret, say):
    def run(commands):
        for user, command in commands:
            deployment.as_user(lab, api, user, command, SYNC_TIMEOUT)
            say("done: %s" % " ".join(command.split()[:3]))

    with ThreadPoolExecutor() as pool:
        list(pool.map(run, sync_commands(secret)))
