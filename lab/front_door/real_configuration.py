# SPDX-License-Identifier: Apache-2.0
"""Configuration of the real APIs behind the lab's front door, each bound to its node's own address. Pure.

Debian's units start uwsgi on all addresses, so that HAProxy on the same node cannot bind the VIPs' ports. Their scripts
read /etc/default afterwards, which overrides that.
"""

from typing import NamedTuple

from lab.services.openstack import configuration


class Service(NamedTuple):
    """unit, package, project: as Debian names them; listeners: of the plan; port, program: of uwsgi, no program: it is
    not served by uwsgi; script: name of its script, if it is not the unit's; greenlets: it is patched by eventlet (see
    lab/services/openstack/configuration.py, uwsgi)."""

    unit: str
    package: str
    project: str
    listeners: tuple
    port: int = 0
    program: str = ""
    greenlets: bool = True
    script: str = ""


SERVICES = (
    Service("glance-api", "glance-api", "glance", ("glance_api",)),
    Service("placement-api", "placement-api", "placement", ("placement",), 8778, "/usr/bin/placement-api"),
    Service("nova-api", "nova-api", "nova", ("nova_compute",), 8774, "/usr/bin/nova-api-wsgi"),
    Service("nova-api-metadata", "nova-api", "nova", ("nova_metadata",), 8775, "/usr/bin/nova-metadata-wsgi"),
    Service("nova-novncproxy", "nova-consoleproxy", "nova", ("nova_vncproxy",)),
    Service("neutron-api", "neutron-api", "neutron", ("neutron_api",), 9696, "/usr/bin/neutron-api", True,
            "neutron-server"),
    Service("cinder-api", "cinder-api", "cinder", ("cinder_api",), 8776, "/usr/bin/cinder-wsgi"),
    Service("heat-api", "heat-api", "heat", ("heat_api",), 8004, "/usr/bin/heat-wsgi-api"),
    Service("heat-api-cfn", "heat-api-cfn", "heat", ("heat_cfn",), 8000, "/usr/bin/heat-wsgi-api-cfn"),
)
# Sites of Apache, which Pacemaker starts, as the plan says.
WEB = Service("apache2", "openstack-dashboard", "www-data", ("dashboard", "keystone_public", "keystone_admin"))
STANDINS = ("nova_ec2", "glance_registry")  # not packaged any more
PYTHON = "python3"
DATABASES = ("glance", "placement", "neutron")
ML2 = "/etc/neutron/plugins/ml2/ml2_conf.ini"
SYNCS = (("glance", "glance-manage db_sync"), ("placement", "placement-manage db sync"),
         ("nova", "nova-manage api_db sync"),
         ("neutron", "neutron-db-manage --config-file /etc/neutron/neutron.conf --config-file %s upgrade heads" % ML2))
APACHE = "/etc/apache2/control-plane.conf"

_GLANCE = configuration.GLANCE.replace("[DEFAULT]\n", "[DEFAULT]\nbind_host = %(address)s\nworkers = 1\n", 1)
_NOVA = """\
[api]
auth_strategy = keystone
[keystone_authtoken]
%(auth)s"""
_NEUTRON = """\
[DEFAULT]
core_plugin = ml2
auth_strategy = keystone
api_paste_config = /etc/neutron/api-paste.ini
transport_url = %(rabbit)s
log_dir = /var/log/neutron
state_path = /var/lib/neutron
[database]
connection = %(sql)s
[oslo_concurrency]
lock_path = /var/lock/neutron
[keystone_authtoken]
%(auth)s"""
_ML2 = """\
[ml2]
type_drivers = flat,vlan,vxlan
tenant_network_types = vxlan
mechanism_drivers = openvswitch
[ml2_type_vxlan]
vni_ranges = 1:1000
"""

# Debian's own site serves the dashboard only at /, but its settings (WEBROOT) redirect to /horizon, where it has no
# login page.
_SITES = """\
Listen %(address)s:80
Listen %(address)s:5000
<VirtualHost *:80>
    WSGIDaemonProcess horizon user=www-data group=www-data processes=1 threads=4
    Alias /horizon/static /var/lib/openstack-dashboard/static
    WSGIScriptAlias /horizon /usr/share/openstack-dashboard/wsgi.py process-group=horizon application-group=%%{GLOBAL}
    RedirectMatch ^/$ /horizon/
    <Directory /usr/share/openstack-dashboard>
        Require all granted
    </Directory>
    <Directory /var/lib/openstack-dashboard/static>
        Require all granted
    </Directory>
</VirtualHost>
<VirtualHost *:5000>
    WSGIDaemonProcess keystone user=keystone group=keystone processes=2 threads=4
    WSGIScriptAlias / /usr/bin/keystone-wsgi-public process-group=keystone application-group=%%{GLOBAL}
    WSGIPassAuthorization On
    <Directory /usr/bin>
        <Files keystone-wsgi-public>
            Require all granted
        </Files>
    </Directory>
</VirtualHost>
"""
_SETTINGS = """\
ALLOWED_HOSTS = ["*"]
OPENSTACK_KEYSTONE_URL = "http://%s:5000/v3"
"""
# The script of a unit reads this after it has set its own values.
_DEFAULT = """\
DAEMON=/usr/bin/uwsgi_python311
DAEMON_ARGS="--http-socket %(address)s:%(port)d --ini /etc/%(project)s/%(unit)s-uwsgi.ini"
PYARGV=
"""


def cache_tokens(files):
    """The same files, changed so that services cache accepted tokens in the memcached of their node: otherwise every
    request of every service causes another one to Keystone."""
    return {path: (text.replace("[keystone_authtoken]\n",
                                "[keystone_authtoken]\nmemcached_servers = 127.0.0.1:11211\n"), group)
            for path, (text, group) in files.items()}


def texts(nodes, vip, secret, address):
    """{path: (text, group)} of the node with this address, in addition to or instead of
    lab/services/openstack/configuration.py."""
    def given(name, vhost="nova"):
        return {"sql": configuration.sql(name, secret), "auth": configuration.auth_text(vip, name, secret),
                "address": address,
                "rabbit": configuration.rabbit(vhost, secret, nodes)}

    nova = configuration.files(nodes, vip, secret, "")["/etc/nova/nova.conf"][0].replace(
        "novncproxy_host = 0.0.0.0", "novncproxy_host = " + address)
    found = {
        "/etc/glance/glance-api.conf": (_GLANCE % given("glance"), "glance"),
        "/etc/placement/placement.conf": (configuration.PLACEMENT % given("placement"), "placement"),
        "/etc/nova/nova.conf": (nova + _NOVA % given("nova"), "nova"),
        "/etc/neutron/neutron.conf": (_NEUTRON % given("neutron"), "neutron"),
        ML2: (_ML2, "neutron"),
        APACHE: (_SITES % {"address": address}, "root"),
        "/etc/openstack-dashboard/local_settings.d/_9000_lab.py": (_SETTINGS % vip, "www-data"),
    }
    for one in SERVICES:
        if not one.program:
            continue
        text = configuration.uwsgi(one.project, one.unit, one.program, one.greenlets)
        if one.project == "neutron":
            text += "pyargv = --config-file=/etc/neutron/neutron.conf --config-file=%s\n" % ML2
        found["/etc/%s/%s-uwsgi.ini" % (one.project, one.unit)] = (text, "root")
        found["/etc/default/" + (one.script or one.unit)] = (_DEFAULT % dict(one._asdict(), address=address), "root")
    return found
