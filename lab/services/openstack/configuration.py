# SPDX-License-Identifier: Apache-2.0
"""Configuration of the lab's OpenStack services, as an operator of an active/passive control plane writes it. Pure.

It has host names, not addresses, so that the texts are the same in every lab: n1, n2, ... are the nodes, `vip` is the
database.
"""

REGION = "RegionOne"
HOST = "control"                      # cinder: the same name on every node, or active/passive would not work
BACKENDS = ("fake1", "fake2")
ENGINE_WORKERS = 2
CONSOLE_PORT = 6080
PORTS = {"keystone": 5000, "cinder": 8776, "heat": 8004}
DATABASES = ("keystone", "cinder", "heat", "nova", "nova_api")
OLD_DATABASES = ("nova19", "nova19_api")
VHOSTS = ("cinder", "heat", "nova")
BROKER_USER = "openstack"

_AUTH = """\
www_authenticate_uri = http://%(api)s:5000
auth_url = http://%(api)s:5000
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = %(user)s
password = %(secret)s
"""

# Services without an agent of ours; for lab/services/openstack/control_plane.py and
# lab/front_door/real_configuration.py.
GLANCE = """\
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
PLACEMENT = """\
[placement_database]
connection = %(sql)s
[keystone_authtoken]
%(auth)s"""

_KEYSTONE = """\
[DEFAULT]
log_dir = /var/log/keystone
[database]
connection = %(sql)s
[token]
provider = fernet
"""

_CINDER = """\
[DEFAULT]
host = %(host)s
transport_url = %(rabbit)s
rpc_ping_enabled = true
auth_strategy = keystone
api_paste_config = /etc/cinder/api-paste.ini
state_path = /var/lib/cinder
enabled_backends = %(backends)s
osapi_volume_workers = 1
log_dir = /var/log/cinder
[database]
connection = %(sql)s
[oslo_concurrency]
lock_path = /var/lock/cinder
[keystone_authtoken]
%(auth)s"""

_BACKEND = """\
[%(name)s]
volume_driver = cinder.tests.fake_driver.FakeLoggingVolumeDriver
volume_backend_name = %(name)s
"""

_HEAT = """\
[DEFAULT]
transport_url = %(rabbit)s
rpc_ping_enabled = true
num_engine_workers = %(workers)d
stack_user_domain_name = heat
stack_domain_admin = heat_domain_admin
stack_domain_admin_password = %(secret)s
auth_encryption_key = %(key)s
log_dir = /var/log/heat
[database]
connection = %(sql)s
[keystone_authtoken]
%(auth)s[trustee]
auth_type = password
auth_url = http://%(api)s:5000
username = heat
password = %(secret)s
user_domain_name = Default
[clients_keystone]
auth_uri = http://%(api)s:5000
"""

_NOVA = """\
[DEFAULT]
host = %(host)s
transport_url = %(rabbit)s
rpc_ping_enabled = true
state_path = /var/lib/nova
log_dir = /var/log/nova
report_interval = 10
service_down_time = 60
[api_database]
connection = %(api_sql)s
[database]
connection = %(sql)s
[oslo_concurrency]
lock_path = /var/lock/nova
[vnc]
enabled = true
novncproxy_host = 0.0.0.0
novncproxy_port = %(port)d
"""

# nova 19 asks consoleauth for tokens only with this workaround (nova 19, conf/workarounds.py).
_NOVA19 = _NOVA + """\
[cache]
enabled = true
backend = oslo_cache.memcache_pool
memcache_servers = %(memcached)s
[workarounds]
enable_consoleauth = true
"""

_UWSGI = """\
[uwsgi]
plugins = python3
master = true
lazy-apps = true
processes = %(processes)d
threads = %(threads)d
thunder-lock = true
enable-threads = true
no-orphans = true
die-on-term = true
buffer-size = 65535
http-raw-body = true
wsgi-manage-chunked-input = true
rem-header = Content-Length
add-header = Connection: close
name = %(name)s
logto = /var/log/%(project)s/%(name)s.log
chdir = /var/lib/%(project)s
wsgi-file = %(program)s
"""


def uwsgi(project, name, program, greenlets=True, processes=2):
    """The .ini of an API. greenlets: it uses eventlet; then more than one thread ends in "cannot switch to a different
    thread" and a process that accepts connections and never answers, so it gets processes instead."""
    return _UWSGI % {"project": project, "name": name, "program": program, "processes": processes,
                     "threads": 1 if greenlets else 4}


def auth_text(api, user, secret):
    """The section [keystone_authtoken] for the service of `user`."""
    return _AUTH % {"api": api, "user": user, "secret": secret}


def sql(database, secret):
    """The SQLAlchemy URL of `database`, through the VIP."""
    return "mysql+pymysql://%s:%s@vip/%s?charset=utf8" % (database.partition("_")[0], secret, database)


def rabbit(vhost, secret, brokers):
    """The transport_url that names all `brokers`."""
    return "rabbit://%s/%s" % (",".join("%s:%s@%s:5672" % (BROKER_USER, secret, name) for name in brokers), vhost)


def files(nodes, api, secret, key, nova19=False):
    """{path: (text, group)} of every node. nodes: their names; api: of the one with the APIs; key: 32 characters."""
    def auth(user):
        return auth_text(api, user, secret)

    given = {"secret": secret, "api": api, "host": HOST, "key": key, "workers": ENGINE_WORKERS, "port": CONSOLE_PORT,
             "backends": ",".join(BACKENDS), "memcached": api + ":11211"}
    cinder = dict(given, sql=sql("cinder", secret), rabbit=rabbit("cinder", secret, nodes), auth=auth("cinder"))
    heat = dict(given, sql=sql("heat", secret), rabbit=rabbit("heat", secret, nodes), auth=auth("heat"))
    nova = dict(given, sql=sql("nova", secret), api_sql=sql("nova_api", secret), rabbit=rabbit("nova", secret, nodes))
    found = {
        "/etc/keystone/keystone.conf": (_KEYSTONE % {"sql": sql("keystone", secret)}, "keystone"),
        "/etc/cinder/cinder.conf": (_CINDER % cinder + "".join(_BACKEND % {"name": name} for name in BACKENDS),
                                    "cinder"),
        "/etc/heat/heat.conf": (_HEAT % heat, "heat"),
        "/etc/nova/nova.conf": (_NOVA % nova, "nova"),
        # Without this Debian's unit of nova-novncproxy ends at once, successfully.
        "/etc/default/nova-consoleproxy": ("NOVA_CONSOLE_PROXY_TYPE=novnc\nNOVA_SERIAL_PROXY_START=false\n", "root"),
    }
    for name, text in (("keystone/keystone", uwsgi("keystone", "keystone", "/usr/bin/keystone-wsgi-public", False, 1)),
                       ("cinder/cinder-api", uwsgi("cinder", "cinder-api", "/usr/bin/cinder-wsgi")),
                       ("heat/heat-api", uwsgi("heat", "heat-api", "/usr/bin/heat-wsgi-api"))):
        found["/etc/%s-uwsgi.ini" % name] = (text, "root")
    if nova19:
        old = dict(nova, sql=sql("nova19", secret), api_sql=sql("nova19_api", secret),
                   rabbit=rabbit("nova19", secret, nodes),
                   port=CONSOLE_PORT + 1)
        found["/etc/nova19/nova.conf"] = (_NOVA19 % old, "nova")
    return found
