# SPDX-License-Identifier: Apache-2.0
"""The configurations that are tried: names of hosts and backends, brokers and databases, files and directories, units,
logs, clocks."""

from lab.controllers.record import SERVICES, Configuration
from lab.services.openstack.configuration import BROKER_USER

CINDER, HEAT, NOVA, OLD = ("/etc/cinder/cinder.conf", "/etc/heat/heat.conf", "/etc/nova/nova.conf",
                           "/etc/nova19/nova.conf")
PROJECTS = {CINDER: "cinder", HEAT: "heat", NOVA: "nova"}
DRIVER = "cinder.tests.fake_driver.FakeLoggingVolumeDriver"
TLS = "/etc/controllers/"  # of lab/controllers/surroundings.py
# Each character means something in a URL. No slash: oslo.messaging 14.0 escapes it for kombu as in a path, that is not
# at all, and cinder-volume logs "Port could not be cast to integer value".
ACCOUNT = "p@ss:word?#[1],%;="
IN_URL = "p%%40ss%%3Aword%%3F%%23%%5B1%%5D%%2C%%25%%3B%%3D"
UNITS = tuple(name + ".service" for name in SERVICES)
OTHER_PORT = 6443


def each(function, files=PROJECTS):
    """The options of every project: those that function(project) says."""
    return {path: function(PROJECTS[path]) for path in files}


def rabbit(where, user=BROKER_USER, password="%(secret)s", vhost=None):
    """Options with a transport_url of these brokers, 'host:port' each, for cinder and heat."""
    def of(project):
        account = "%s:%s@" % (user, password)
        return {"DEFAULT/transport_url": "rabbit://%s/%s" % (",".join(account + one for one in where),
                                                            vhost or project)}
    return each(of, (CINDER, HEAT))


def database(rest, suffix=""):
    """Options with a [database] connection: what follows 'mysql+pymysql://ACCOUNT'. suffix: of the account's name."""
    return each(lambda project: {"database/connection": "mysql+pymysql://%s%s:%%(secret)s%s" % (
        project, suffix, rest.replace("DATABASE", project))})


def also(*given):
    """The same options of several origins in one."""
    found = {}
    for options in given:
        for path, values in options.items():
            found.setdefault(path, {}).update(values)
    return found


def backends(names, **options):
    """Options of cinder.conf that enable these backends."""
    found = {"DEFAULT/enabled_backends": ", ".join(names)}
    for name in names:
        found.update({name + "/volume_driver": DRIVER, name + "/volume_backend_name": name})
        found.update({"%s/%s" % (name, option): value for option, value in options.items()})
    return {CINDER: found}


def drop_in(text, name="override"):
    """Files that `systemctl edit` would write for every unit."""
    return {"/etc/systemd/system/%s.d/%s.conf" % (unit, name): text for unit in UNITS}


def unit(program, user, config, before=""):
    """The text of a unit as Red Hat's packages have it."""
    command = before or "/usr/bin/%s --config-file %s --logfile /var/log/%s/%s.log" % (program, config, user, program)
    return ("[Unit]\nDescription=OpenStack service\nAfter=network.target\n[Service]\nType=simple\nUser=%s\n"
            "RuntimeDirectory=%s lock/%s\nExecStart=%s\nRestart=on-failure\n"
            "[Install]\nWantedBy=multi-user.target\n") % (user, user, user, command)


OF = {"cinder-volume": ("cinder", CINDER), "heat-engine": ("heat", HEAT), "nova-novncproxy": ("nova", NOVA)}
SHELL = "/bin/sh -c '/usr/bin/%s --config-file=%s --log-file=/var/log/%s/%s.log; echo it ended with $$?'"
CONF_D = ("for one in cinder heat nova; do install -d -o root -g $one -m 750 %s; "
          "mv /etc/$one/$one.conf %s/10-all.conf; install -m 640 -g $one /dev/null /etc/$one/$one.conf; done")

_ALL = (
    Configuration("plain", "nothing: as docs/openstack.md says"),
    Configuration("backend-host", "three backends with backend_host, and no host", manages=False,
                  options=also(backends(("one", "Two", "three-3"), backend_host="storage"),
                               each(lambda project: {"DEFAULT/host": None}))),
    Configuration("cluster", "cluster is set, with a driver that knows active/active", manages=False,
                  warnings=("which means active/active",),
                  options=also({CINDER: {"DEFAULT/cluster": "lab"}},
                               backends(("fake1", "fake2"), volume_driver="lab_driver.Driver")),
                  files={"/usr/local/lib/python3.11/dist-packages/lab_driver.py":
                         "from cinder.tests.fake_driver import FakeLoggingVolumeDriver\n\n\n"
                         "class Driver(FakeLoggingVolumeDriver):\n    SUPPORTS_ACTIVE_ACTIVE = True\n"}),
    Configuration("password", "an account of the broker whose password needs escapes in a URL",
                  options=rabbit(("n1:5672", "n2:5672", "n3:5672"), "strange", IN_URL),
                  once=("rabbitmqctl -q delete_user strange; rabbitmqctl -q add_user strange '%s' && "
                        "for one in cinder heat; do rabbitmqctl -q set_permissions -p $one strange '.*' '.*' '.*'; done"
                        % ACCOUNT.replace("%", "%%"),)),
    Configuration("broker-tls", "the broker by TLS, with its authority",
                  options=also(rabbit(("n1:5671", "n2:5671", "n3:5671")), each(lambda project: {
                      "oslo_messaging_rabbit/ssl": "true", "oslo_messaging_rabbit/ssl_ca_file": TLS + "ca.pem"},
                                                                               (CINDER, HEAT)))),
    Configuration("quorum-queues", "quorum queues in vhosts of their own, short heartbeats, notifications elsewhere",
                  manages=False,
                  options=also(
                      each(lambda project: {
                          "DEFAULT/transport_url": "rabbit://%s:%%(secret)s@n1:5672,%s:%%(secret)s@n2:5672/own-%s" % (
                              BROKER_USER, BROKER_USER, project),
                          "DEFAULT/rpc_response_timeout": "30", "oslo_messaging_rabbit/rabbit_quorum_queue": "true",
                          "oslo_messaging_rabbit/amqp_durable_queues": "true",
                          "oslo_messaging_rabbit/heartbeat_timeout_threshold": "10",
                          "oslo_messaging_rabbit/heartbeat_rate": "3",
                          "oslo_messaging_rabbit/kombu_failover_strategy": "shuffle",
                          "oslo_messaging_notifications/driver": "messagingv2",
                          "oslo_messaging_notifications/transport_url":
                              "rabbit://nobody:secret@n3:5673/notifications"}, (CINDER, HEAT))),
                  once=("for one in own-cinder own-heat; do rabbitmqctl -q add_vhost $one; rabbitmqctl -q "
                        "set_permissions -p $one %s '.*' '.*' '.*'; done" % BROKER_USER,)),
    Configuration("conf.d", "all options in PROJECT.conf.d, the file itself is empty",
                  before=(CONF_D % (("/etc/$one/$one.conf.d",) * 2),)),
    Configuration("config-dir", "all options in a directory that --config-dir names",
                  before=(CONF_D % (("/etc/$one/own",) * 2),),
                  parameters={name: {"additional_parameters": "--config-dir /etc/%s/own" % OF[name][0]}
                              for name in SERVICES}),
    Configuration("interpolation", "$my_ip, $state_path and other options in values", manages=False,
                  options=also(rabbit(("$my_ip:5672",)), {
                      CINDER: {"DEFAULT/my_ip": "%(address)s", "DEFAULT/host": "control",
                               "DEFAULT/enabled_backends": "$default_volume_type,fake2",
                               "DEFAULT/default_volume_type": "fake1",
                               "fake1/backend_host": "$storage_availability_zone",
                               "DEFAULT/storage_availability_zone": "zone-1",
                               "oslo_concurrency/lock_path": "$state_path/tmp"},
                      HEAT: {"DEFAULT/transport_url": "rabbit://%s:%%(secret)s@%%(address)s:5672/heat" % BROKER_USER},
                      NOVA: {"DEFAULT/my_ip": "%(address)s", "vnc/novncproxy_host": "$my_ip",
                             "vnc/novncproxy_port": "6090"}})),
    Configuration("database-socket", "the database by its socket",
                  options=database("@localhost/DATABASE?unix_socket=/run/mysqld/mysqld.sock&charset=utf8")),
    Configuration("database-tls", "the database by TLS, with its authority, and an account that demands it",
                  options=database("@vip/DATABASE?charset=utf8&ssl_ca=" + TLS + "ca.pem", "_tls"),
                  statements="".join("CREATE OR REPLACE USER '%s_tls'@'%%%%' IDENTIFIED BY '%%(secret)s' REQUIRE SSL; "
                                     "GRANT ALL ON %s.* TO '%s_tls'@'%%%%';\n" % (one, one, one)
                                     for one in PROJECTS.values())),
    Configuration("database-ipv6", "the database at an IPv6 address",
                  options=database("@[%(address6)s]:3307/DATABASE?charset=utf8")),
    Configuration("syslog", "log to syslog, in JSON, no file",
                  options=each(lambda project: {"DEFAULT/log_dir": None, "DEFAULT/use_syslog": "true",
                                                "DEFAULT/use_json": "true"}),
                  files={"/etc/default/" + name: "USE_LOGFILE=no\n" for name in SERVICES}),
    Configuration("no-unit", "started directly, though there are units; a pid file; debug",
                  options=each(lambda project: {"DEFAULT/debug": "true", "DEFAULT/log_file": "own.log"}),
                  parameters={name: {"unit": "none", "pid": "/run/%s.pid" % name} for name in SERVICES}),
    Configuration("renamed", "another host than the rows in the database have", manages=False,
                  options=each(lambda project: {"DEFAULT/host": "other-name.example"})),
    Configuration("slow-reports", "report_interval of 60 s; engines report each 15 s",
                  options={CINDER: {"DEFAULT/report_interval": "60", "DEFAULT/service_down_time": "300"},
                           HEAT: {"DEFAULT/periodic_interval": "15"}}),
    Configuration("one-engine", "num_engine_workers of 1, one backend", manages=False,
                  options=also({HEAT: {"DEFAULT/num_engine_workers": "1"}}, backends(("fake1",)))),
    Configuration("many-engines", "eight engines, eight backends", manages=False,
                  options=also({HEAT: {"DEFAULT/num_engine_workers": "8"}},
                               backends(tuple("fake%d" % number for number in range(1, 9))))),
    Configuration("restart-always", "systemctl edit: Restart=always",
                  files=drop_in("[Service]\nRestart=always\nRestartSec=1\n")),
    Configuration("rdo-units", "units of Red Hat's names",
                  files={"/etc/systemd/system/openstack-%s.service" % name: unit(name, *OF[name]) for name in SERVICES},
                  before=("for one in %s; do rm /etc/init.d/$one /lib/systemd/system/$one.service; done" % " ".join(
                      SERVICES), "systemctl daemon-reload")),
    Configuration("init-scripts", "no units but those that systemd makes of the init scripts, which are enabled",
                  copies=True, warnings=("at boot, and so does the cluster",),
                  before=("for one in %s; do rm /lib/systemd/system/$one.service; done" % " ".join(SERVICES),
                          "systemctl daemon-reload")),
    Configuration("own-units", "units of other names, Debian's are masked",
                  files={"/etc/systemd/system/our-%s.service" % name: unit(name, *OF[name]) for name in SERVICES},
                  before=("systemctl -q mask " + " ".join(UNITS),),
                  parameters={name: {"unit": "our-" + name} for name in SERVICES}),
    Configuration("shell-units", "units whose main process is a shell that stays",
                  files={"/etc/systemd/system/" + one: unit(
                      one[:-len(".service")], *OF[one[:-len(".service")]],
                      before=SHELL % (one[:-len(".service")], OF[one[:-len(".service")]][1],
                                      OF[one[:-len(".service")]][0], one[:-len(".service")])) for one in UNITS}),
    Configuration("enabled", "units that are enabled; systemd has started them on one node before", copies=True,
                  warnings=("at boot, and so does the cluster",),
                  before=("systemctl -q enable " + " ".join(UNITS),
                          "test %(number)d != 1 || systemctl start " + " ".join(UNITS))),
    Configuration("console-tls", "the console with TLS only, on another port and one address",
                  options={NOVA: {"DEFAULT/ssl_only": "true", "DEFAULT/cert": TLS + "cert.pem",
                                  "DEFAULT/key": TLS + "key.pem", "vnc/novncproxy_port": "%d" % OTHER_PORT,
                                  "vnc/novncproxy_host": "%(address)s"}}),
    Configuration("time-zones", "each node in another time zone",
                  before=("ln -sf /usr/share/zoneinfo/$(test %(number)d = 1 && echo Asia/Kolkata || "
                          "echo America/St_Johns) /etc/localtime",)),
    Configuration("clocks", "the services' clocks ten minutes apart, each five from the database's", manages=False,
                  seconds={"n1": 300, "n2": -300}, warnings=("in the future",)),
    Configuration("consoleauth", "nova-consoleauth of nova 19 with the console proxy in a group",
                  services=("nova-consoleauth", "nova-novncproxy"),
                  # PyMySQL takes TLS where it can, and eventlet of that time cannot with this Python.
                  options={OLD: {name + "/connection": "mysql+pymysql://nova19:%%(secret)s@vip/%s?charset=utf8&"
                                 "ssl_disabled=true" % schema
                                 for name, schema in (("database", "nova19"), ("api_database", "nova19_api"))}},
                  parameters={"nova-consoleauth": {"config": OLD, "binary": "/opt/nova19/bin/nova-consoleauth"}}),
)
ALL = {one.name: one for one in _ALL}
