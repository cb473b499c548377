# SPDX-License-Identifier: Apache-2.0
"""The configurations. Each says what is unusual in it. What is right is known beforehand: where nothing else is
written, all that lab/configurations/trial.py demands, and no warning of validate-all.
"""

from lab.configurations.record import EVENTS, Configuration, Hindrance, Trouble

TLS = "/etc/mysql/tls/"
SSL_PROVIDER = "socket.ssl_key=%skey.pem;socket.ssl_cert=%scert.pem;socket.ssl_ca=%sca.pem" % (TLS, TLS, TLS)
CONF_D = "/etc/mysql/mariadb.conf.d/"
SSL_SETTINGS = {"ssl_ca": TLS + "ca.pem", "ssl_cert": TLS + "cert.pem", "ssl_key": TLS + "key.pem"}
PLAIN_TRANSFER = {CONF_D + "98-sst.cnf": "[sst]\nssl-mode = DISABLED\n"}  # with ssl_ca, rsync would need stunnel
# After an update of a parameter Pacemaker promotes all at once; those that may not start yet say so by a monitor.
RESTARTED = ("returned 'ok'",)
ALTER = "mariadb -e \"ALTER USER 'monitor'@'localhost' %s\""
CREDENTIALS = "/etc/quorate/monitor.cnf"
GRANT = "GRANT SELECT ON mysql.wsrep_cluster_members TO 'monitor'@'localhost';"
HOSTS6 = "".join("fd00::%d six%d\\n" % (number, number) for number in (1, 2, 3))
ADDRESS6 = """[Unit]
DefaultDependencies=no
After=lab-network.service
Before=network.target
[Service]
Type=oneshot
ExecStart=/sbin/ip -6 address replace %(address6)s/64 dev host0 nodad
[Install]
WantedBy=sysinit.target
"""
IPV6 = {"files": {"/etc/systemd/system/lab-address6.service": ADDRESS6},
        "before": ("systemctl enable -q --now lab-address6.service; printf '%s' >>/etc/hosts" % HOSTS6,),
        "settings": {"bind-address": "::", "wsrep_node_address": "[%(address6)s]"},
        "provider": "gmcast.listen_addr=tcp://[::]:4567;ist.recv_addr=[%(address6)s]:4568"}
READ_ONLY = "mount --bind /var/lib/quorate /var/lib/quorate && mount -o remount,bind,ro /var/lib/quorate"
SLOW = """#!/bin/sh
case "$*" in *wsrep-recover*|*wsrep_recover*) sleep 45 ;; esac
exec /usr/sbin/mariadbd "$@"
"""
GARBD = "GALERA_NODES=\"%(prefix)s.11:4567 %(prefix)s.12:4567\"\nGALERA_GROUP=\"%(cluster)s\"\n"


def in_file(password, user="monitor"):
    """An options file for the monitor's account."""
    return {CREDENTIALS: ('[client]\nuser = %s\npassword = "%s"\n' % (user, password), "600", "root")}


def moved(path):
    """A directory for the database outside of /var/lib/mysql."""
    return ("install -d -o mysql -g mysql -m 750 %s" % path,)


PLAIN = Configuration("plain", "nothing: as README and docs say", troubles=(
    Trouble("joiner killed during the transfer (rsync)", "n3", hit="joiner"),))

# How the nodes reach each other
NETWORK = (
    Configuration("base-port", "base_port in wsrep_provider_options",
                  provider="base_port=5567",
                  settings={"wsrep_cluster_address": "gcomm://n1:5567,n2:5567,n3:5567"},
                  parameters={"wsrep_cluster_address": "gcomm://n1:5567,n2:5567,n3:5567"}),
    Configuration("listen-port", "gmcast.listen_addr with a port of its own",
                  provider="gmcast.listen_addr=tcp://%(address)s:14567",
                  parameters={"wsrep_cluster_address": "gcomm://n1:14567,n2:14567,n3:14567"}),
    Configuration("gcomm-options", "options in the cluster address, and segments",
                  provider="gmcast.segment=%(number)s",
                  parameters={"wsrep_cluster_address": "gcomm://n1,n2,n3?pc.wait_prim=no&gmcast.time_wait=PT6S"}),
    Configuration("fqdn", "FQDN names and cluster_host_map",
                  before=("sed -i 's/ n\\([123]\\)$/ n\\1 db\\1.example.com/' /etc/hosts",),
                  parameters={"wsrep_cluster_address": "gcomm://db1.example.com,db2.example.com,db3.example.com",
                              "cluster_host_map": "n1:db1.example.com;n2:db2.example.com;n3:db3.example.com"}),
    Configuration("addresses", "addresses instead of names, and cluster_host_map",
                  parameters={"wsrep_cluster_address": "gcomm://%(prefix)s.11,%(prefix)s.12,%(prefix)s.13",
                              "cluster_host_map": "n1:%(prefix)s.11;n2:%(prefix)s.12;n3:%(prefix)s.13"}),
    Configuration("ipv6-names", "names with an IPv6 address only", campaign=False,
                  parameters={"wsrep_cluster_address": "gcomm://six1,six2,six3",
                              "cluster_host_map": "n1:six1;n2:six2;n3:six3"}, **IPV6),
    Configuration("ipv6-addresses", "IPv6 addresses in brackets", campaign=False,
                  parameters={"wsrep_cluster_address": "gcomm://[fd00::1],[fd00::2],[fd00::3]",
                              "cluster_host_map": "n1:[fd00::1];n2:[fd00::2];n3:[fd00::3]"}, **IPV6),
    Configuration("tls-replication", "TLS for replication (socket.ssl_*)", tls=True,
                  provider=SSL_PROVIDER),
    Configuration("garbd", "two nodes with data and an arbitrator", data=("n1", "n2"), campaign=False,
                  files={"/etc/default/garb": GARBD}, parameters={"arbitrators": "n3"},
                  before=("test %(node)s != n3 || systemctl enable -q --now garb.service",), events=EVENTS[:2],
                  troubles=(Trouble("stop and start, garbd restarted between", "n3", "systemctl restart garb.service",
                                    hit="stop", serving=("n1", "n2")),
                            Trouble("stop and start, garbd left alone", "n3", hit="stop",
                                    words=("the arbitrator on n3 alone keeps", "on n3: systemctl restart garb"),
                                    mend="systemctl restart garb.service"))),
    Configuration("two-nodes", "two nodes, without two_node_mode", campaign=False, count=2, waits="",
                  warnings=("pcmk_delay_base",)),
    Configuration("two-node-mode", "two nodes and two_node_mode", campaign=False, count=2, waits="",
                  warnings=("pcmk_delay_base",),
                  parameters={"two_node_mode": "true"}),
    Configuration("bind-loopback", "bind-address=127.0.0.1, so that no member has an address of its own",
                  campaign=False, settings={"bind-address": "127.0.0.1"}),
    Configuration("skip-networking", "skip-networking: clients by the socket only", campaign=False,
                  settings={"skip-networking": ""}),
)

# Where the files are
FILES = (
    Configuration("datadir-moved", "datadir in my.cnf", campaign=False,
                  settings={"datadir": "/srv/mysql"}, before=moved("/srv/mysql"),
                  parameters={"enable_creation": "true"}),
    Configuration("datadir-parameter", "the parameter datadir", campaign=False, before=moved("/srv/mysql"),
                  parameters={"enable_creation": "true", "datadir": "/srv/mysql"}),
    Configuration("binlog-moved", "log_bin in another directory, with GTIDs", before=moved("/srv/binlog"),
                  settings={"log_bin": "/srv/binlog/bin", "log_slave_updates": "ON", "server_id": "7",
                            "wsrep_gtid_mode": "ON", "wsrep_gtid_domain_id": "7", "gtid_domain_id": "1%(number)s"}),
    Configuration("redo-moved", "innodb_log_group_home_dir in my.cnf", campaign=False, sst="mariabackup",
                  before=moved("/srv/redo") + moved("/srv/mysql"), parameters={"enable_creation": "true"},
                  settings={"innodb_log_group_home_dir": "/srv/redo", "datadir": "/srv/mysql"}),
    Configuration("redo-parameter", "innodb_log_group_home_dir in additional_parameters", campaign=False,
                  sst="mariabackup",
                  before=moved("/srv/redo") + moved("/srv/mysql"), settings={"datadir": "/srv/mysql"},
                  parameters={"enable_creation": "true",
                              "additional_parameters": "--innodb-log-group-home-dir=/srv/redo"}),
    Configuration("wsrep-parameters", "wsrep_on, provider and its options in additional_parameters only",
                  settings={"wsrep_on": None, "wsrep_provider": None},
                  parameters={"additional_parameters":
                              "--wsrep_on=ON --wsrep_provider=/usr/lib/galera/libgalera_smm.so "
                              "--wsrep_provider_options='gcache.size=64M; gcs.fc_limit=64'"}),
    Configuration("socket-moved", "socket, pid file and port elsewhere, in my.cnf",
                  settings={"socket": "/run/database/db.sock", "pid_file": "/run/database/db.pid", "port": "3316"},
                  files={CONF_D + "99-socket.cnf": "[client-server]\nsocket = /run/database/db.sock\n"},
                  campaign=False, fit=False, writers=0),
    Configuration("config-parameter", "the parameter config with a file of one's own",
                  before=("install -d /srv/db && mv /etc/mysql/mariadb.conf.d/60-galera.cnf /srv/db/my.cnf && "
                          "sed -i '1a character-set-server = utf8mb4' /srv/db/my.cnf",),
                  parameters={"config": "/srv/db/my.cnf", "socket": "/run/mysqld/mysqld.sock",
                              "datadir": "/var/lib/mysql"}),
)

# What the server logs, and where
LOGS = (
    Configuration("log-none", "no log_error anywhere", settings={"log_error": None}),
    Configuration("log-elsewhere", "the parameter log, in a directory of its own", settings={"log_error": None},
                  before=moved("/srv/log"), parameters={"log": "/srv/log/galera.log"}),
    Configuration("log-stderr", "log_error=/dev/stderr in my.cnf", settings={"log_error": "/dev/stderr"}),
    Configuration("log-syslog", "mysqld_safe's syslog, and no log_error", settings={"log_error": None},
                  files={CONF_D + "99-syslog.cnf": "[mysqld_safe]\nskip_log_error\nsyslog\n"}),
    Configuration("quiet", "silent-startup and log_warnings=0", settings={"silent-startup": "", "log_warnings": "0"}),
)

# How the server answers
ANSWERS = (
    Configuration("read-only", "read_only=1: no node is the writer", campaign=False, writers=0,
                  settings={"read_only": "1"}),
    Configuration("globals", "autocommit=0, wsrep_sync_wait=7, SERIALIZABLE, ANSI, init_connect, utf16",
                  settings={"autocommit": "0", "wsrep_sync_wait": "7", "transaction_isolation": "SERIALIZABLE",
                            "sql_mode": "ANSI", "init_connect": "'SET @x = 1'", "character_set_server": "utf16",
                            "collation_server": "utf16_general_ci"},
                  campaign=False),
    Configuration("tls-clients", "require_secure_transport=ON", tls=True, campaign=False,
                  settings=dict(SSL_SETTINGS, require_secure_transport="ON"), files=PLAIN_TRANSFER),
    Configuration("account-in-utf8", "a password that is not ASCII, in an options file", files=in_file("pässwört"),
                  statements="SET NAMES utf8mb4; CREATE USER 'monitor'@'localhost' IDENTIFIED BY 'pässwört'; " + GRANT,
                  then={"credentials": CREDENTIALS}, failures=RESTARTED),
    Configuration("account-without-password", "check_user with an empty password",
                  statements="CREATE USER 'monitor'@'localhost' IDENTIFIED BY ''; " + GRANT,
                  then={"check_user": "monitor", "check_passwd_use_empty": "true"}, failures=RESTARTED),
    Configuration("account-requires-ssl", "an account with REQUIRE SSL", tls=True,
                  files=dict(in_file("secret"), **PLAIN_TRANSFER), settings=SSL_SETTINGS,
                  statements="CREATE USER 'monitor'@'localhost' IDENTIFIED BY 'secret' REQUIRE SSL; " + GRANT,
                  then={"credentials": CREDENTIALS}, failures=RESTARTED),
    Configuration("account-changes", "an account that is locked, and one that expires, while the database serves",
                  events=(), files=in_file("secret"), then={"credentials": CREDENTIALS}, failures=RESTARTED,
                  statements="CREATE USER 'monitor'@'localhost' IDENTIFIED BY 'secret'; " + GRANT, troubles=(
                      Trouble("account locked", "n1", ALTER % "ACCOUNT LOCK",
                              hit="", words=("is locked",), serving=("n1", "n2", "n3"),
                              mend=ALTER % "ACCOUNT UNLOCK"),
                      Trouble("account expired", "n1", ALTER % "PASSWORD EXPIRE",
                              hit="", words=("expired",), serving=("n1", "n2", "n3"),
                              mend=ALTER % "IDENTIFIED BY 'secret'"))),
)

# State transfers
TRANSFERS = (
    Configuration("mariabackup", "SST by mariabackup", sst="mariabackup", troubles=(
        Trouble("joiner killed during the transfer (mariabackup)", "n3", hit="joiner"),)),
    Configuration("no-transfer-program", "SST by mariabackup, which is not installed", sst="mariabackup",
                  events=(),
                  before=("mv /usr/bin/mariabackup /usr/bin/mariabackup.away; "
                          "mv /usr/bin/mariadb-backup /usr/bin/mariadb-backup.away || true",),
                  hindrance=Hindrance(("backup",), "mv /usr/bin/mariabackup.away /usr/bin/mariabackup; "
                                                   "mv /usr/bin/mariadb-backup.away /usr/bin/mariadb-backup || true")),
    # The donor's side of wsrep_sst_rsync does not look for it (MariaDB 10.11.19: create_dirs is called by the joiner's
    # side only).
    Configuration("redo-moved-rsync", "SST by rsync with innodb_log_group_home_dir, which its script does not transfer",
                  before=moved("/srv/redo") + moved("/srv/mysql"), parameters={"enable_creation": "true"}, events=(),
                  settings={"innodb_log_group_home_dir": "/srv/redo", "datadir": "/srv/mysql"},
                  hindrance=Hindrance(("ib_logfile0",), "printf '[mysqld]\\nwsrep_sst_method = mariabackup\\n"
                                      "wsrep_sst_auth = \"mysql:\"\\n' >%s98-sst.cnf; "
                                      "mariadb -e \"SET GLOBAL wsrep_sst_auth = 'mysql:'\" || true" % CONF_D)),
    Configuration("no-stunnel", "SST by rsync with ssl_ca: its script wants stunnel, which is not installed",
                  tls=True, settings=SSL_SETTINGS, events=(),
                  hindrance=Hindrance(("stunnel",), "printf '[sst]\\nssl-mode = DISABLED\\n' >%s98-sst.cnf" % CONF_D)),
    Configuration("wrong-transfer-account", "SST by mariabackup with an account that the donor refuses",
                  sst="mariabackup", settings={"wsrep_sst_auth": "nobody:wrong"}, events=(),
                  hindrance=Hindrance(("The donor could not send its data",),
                                      "sed -i 's/^wsrep_sst_auth.*/wsrep_sst_auth = mysql:/' %s60-galera.cnf; " % CONF_D
                                      + "mariadb -e \"SET GLOBAL wsrep_sst_auth = 'mysql:'\" || true")),
)

# What else starts the server, or asks for it
UNITS = (
    Configuration("socket-unit", "mariadb.socket is enabled and listens",
                  before=("systemctl enable -q --now mariadb.socket",),
                  hindrance=Hindrance(("systemctl disable --now mariadb.socket",),
                                      "systemctl disable -q --now mariadb.socket")),
    Configuration("units-enabled", "mariadb.service is enabled", campaign=False,
                  before=("systemctl enable -q mariadb.service",),
                  warnings=("systemctl disable mariadb.service",)),
    Configuration("old-monitors", "the three monitors that pcs makes for ocf:heartbeat:galera",
                  operations="monitor interval=20s timeout=30s monitor interval=10s role=Promoted timeout=30s "
                             "monitor interval=30s role=Unpromoted timeout=30s",
                  warnings=("pcs resource op remove",)),
    Configuration("slow-recovery", "a recovery of 45 s with a start timeout of 30 s", campaign=False,
                  files={"/usr/local/slow/mariadbd": (SLOW, "755", "root")},
                  parameters={"binary": "/usr/local/slow/mariadbd"}, operations="start timeout=30s",
                  failures=("InnoDB still applies its log",)),
)

# What breaks on one node
BROKEN = (
    Configuration("full-disk", "the data directory's file system of one node is full", campaign=False, events=(),
                  troubles=(
        Trouble("full disk", "n2", "fallocate -l $(($(stat -f -c '%a * %S' /var/lib/mysql))) "
                "/var/lib/mysql/fill; cat /dev/zero >/var/lib/mysql/fill2 || true",
                words=("The file system of /var/lib/mysql is full",), serving=("n1", "n3"),
                mend="rm -f /var/lib/mysql/fill /var/lib/mysql/fill2"),)),
    Configuration("state-read-only", "/var/lib/quorate of one node is read-only", campaign=False, events=(),
                  troubles=(
        Trouble("/var/lib/quorate of n2 read-only, n3 killed", "n2", READ_ONLY, hit="n3", serving=("n1", "n2", "n3"),
                mend="umount /var/lib/quorate"),
        Trouble("/var/lib/quorate of n2 read-only, n2 killed", "n2", READ_ONLY, words=("/var/lib/quorate",),
                serving=("n1", "n3"), mend="umount /var/lib/quorate"))),
    Configuration("view-garbled", "gvwstate.dat of one node is garbage after a loss of all", campaign=False, events=(),
                  troubles=(
        Trouble("garbled gvwstate.dat, all killed", "n2", "printf 'rubbish' >/var/lib/mysql/gvwstate.dat", hit="all",
                words=("gvwstate.dat is damaged",), mend="rm /var/lib/mysql/gvwstate.dat"),)),
    Configuration("owned-by-root", "a file of one node belongs to root when all start", campaign=False, events=(),
                  troubles=(
        Trouble("ibdata1 belongs to root, all start", "n1", "chown root /var/lib/mysql/ibdata1; chmod 600 "
                "/var/lib/mysql/ibdata1", hit="stop", words=("ibdata1",), serving=("n2", "n3"),
                mend="chown mysql /var/lib/mysql/ibdata1"),)),
)

# MariaDB 11.8 of Debian 13
NEW = tuple(one._replace(name=one.name + "-11.8", suite="trixie") for one in (
    PLAIN._replace(troubles=()),
    Configuration("mariadb-backup", "SST by mariadb-backup, TLS for replication and clients, read_only, quiet logs",
                  sst="mariabackup", tls=True, campaign=False, writers=0,
                  provider=SSL_PROVIDER,
                  settings=dict(SSL_SETTINGS, require_secure_transport="ON", read_only="1", log_warnings="0")),
))

ALL = {one.name: one for one in (PLAIN,) + NETWORK + FILES + LOGS + ANSWERS + TRANSFERS + UNITS + BROKEN + NEW}
