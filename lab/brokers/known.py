# SPDX-License-Identifier: Apache-2.0
"""The configurations that are tried: where a broker listens, keeps its data and logs, what it is called, and with how
many others it makes a cluster. What is right is known beforehand: where nothing else is written, all that
lab/brokers/trial.py demands, and no warning of validate-all.
"""

from lab import LabError
from lab.brokers.record import PAIR_EVENTS, Configuration, merged
from lab.configurations.record import Trouble

TLS = """\
ssl_options.cacertfile = /etc/rabbitmq/tls/ca.pem
ssl_options.certfile = /etc/rabbitmq/tls/cert.pem
ssl_options.keyfile = /etc/rabbitmq/tls/key.pem
"""
CLIENT = "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n"
CERTIFICATE = "ssl_cert = /etc/rabbitmq/tls/cert.pem\nssl_key = /etc/rabbitmq/tls/key.pem\n"
# Whoever asks there waits for ever: as a proxy has the broker's port on other addresses of the node.
SILENT = ("systemd-run -q --unit=silent-%(node)s python3 -c 'import socket, time; "
          "one = socket.create_server((\"127.0.0.1\", 5672)); one.listen(); time.sleep(1e6)'")
MOVED = "install -d -o rabbitmq -g rabbitmq -m 750 /srv/mq /srv/mq/log"
INTER_NODE = """\
[{server, [{cacertfile, "/etc/rabbitmq/tls/ca.pem"}, {certfile, "/etc/rabbitmq/tls/cert.pem"},
           {keyfile, "/etc/rabbitmq/tls/key.pem"}, {secure_renegotiate, true}, {verify, verify_none}]},
 {client, [{cacertfile, "/etc/rabbitmq/tls/ca.pem"}, {certfile, "/etc/rabbitmq/tls/cert.pem"},
           {keyfile, "/etc/rabbitmq/tls/key.pem"}, {secure_renegotiate, true}, {verify, verify_none}]}].
"""
INTER_NODE_ENV = """\
# as RabbitMQ's guide has it
ERL_SSL_PATH=$(ls -d /usr/lib/erlang/lib/ssl-*/ebin)
SERVER_ADDITIONAL_ERL_ARGS="-pa $ERL_SSL_PATH \\
  -proto_dist inet_tls -ssl_dist_optfile /etc/rabbitmq/inter_node_tls.config"
RABBITMQ_CTL_ERL_ARGS="-pa $ERL_SSL_PATH -proto_dist inet_tls -ssl_dist_optfile /etc/rabbitmq/inter_node_tls.config"
"""
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
SIX_ENV = """\
NODENAME=rabbit@six%(number)s
SERVER_ADDITIONAL_ERL_ARGS="-kernel inetrc '/etc/rabbitmq/erl_inetrc' -proto_dist inet6_tcp"
CTL_ERL_ARGS="-proto_dist inet6_tcp"
"""
DEFINITIONS = """{"vhosts": [{"name": "/"}, {"name": "/defined"}],
 "queues": [{"name": "defined", "vhost": "/defined", "durable": true, "auto_delete": false,
             "arguments": {"x-queue-type": "quorum"}}]}
"""
SLOW = """#!/bin/bash
log=/var/log/rabbitmq/rabbit@$(hostname).log
for second in {1..60}; do
    for turn in {1..20000}; do :; done
    echo "$(date -u '+%%F %%T').000000+00:00 [info] <0.1.0> Recovering queue $second" >>$log
    sleep 1
done
exec /usr/lib/rabbitmq/bin/rabbitmq-server "$@"
"""
MIRRORED = 'ha-all ^(ha\\.|confirmed) {"ha-mode":"all","ha-sync-mode":"automatic"}'
TAKES = ("systemd-run -q --unit=taker python3 -c '\nimport socket, time\none = socket.socket()\n"
         "one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\nwhile True:\n    try:\n"
         "        one.bind((\"0.0.0.0\", 5672)); one.listen(); break\n    except OSError:\n        time.sleep(0.002)\n"
         "time.sleep(1e6)'")

# Where it listens
LISTENERS = (
    Configuration("own-address", "listens on the node's own address only; another program has the port on the loopback",
                  conf="listeners.tcp.1 = %(address)s:5672 # our own\n", before=(SILENT,)),
    Configuration("node-ip-address", "the address by a variable", env="NODE_IP_ADDRESS=%(address)s\n",
                  before=(SILENT,)),
    Configuration("several", "several listeners",
                  conf="listeners.tcp.a = %(address)s:5672\nlisteners.tcp.b = 127.0.0.1:5673\n"),
    Configuration("other-port", "another port by a variable", env="export RABBITMQ_NODE_PORT='5680'\n",
                  client={"port": 5680}),
    Configuration("tls-only", "no listener without TLS", client={"port": 5671, "tls": True},
                  conf="listeners.tcp = none\nlisteners.ssl.default = 5671\n" + TLS),
    Configuration("client-certificate", "TLS only, and a client certificate is demanded",
                  conf="listeners.tcp = none\nlisteners.ssl.1 = %(address)s:5671\n" + TLS + CLIENT,
                  credentials=CERTIFICATE, client={"port": 5671, "tls": True, "certificate": True}),
    Configuration("conf.d", "listeners in conf.d", client={"port": 5691}, files={
        "/etc/rabbitmq/conf.d/10-listeners.conf": "listeners.tcp.1 = 5690\n",
        "/etc/rabbitmq/conf.d/20-listeners.conf": "listeners.tcp.1 = 5691\n"}),
    Configuration("advanced", "listeners and API in advanced.config", client={"port": 5692}, files={
        "/etc/rabbitmq/advanced.config": "%%%% ours\n[{rabbit, [{tcp_listeners, [{\"%(address)s\", 5692}]}]},\n"
                                         " {rabbitmq_management, [{tcp_config, [{port, 15690}]}]}].\n"}),
    Configuration("plugins", "listeners of other protocols beside it", client={"port": 5693},
                  plugins=("rabbitmq_management", "rabbitmq_mqtt", "rabbitmq_stomp", "rabbitmq_prometheus",
                           "rabbitmq_stream"), conf="listeners.tcp.1 = 5693\nstomp.listeners.tcp.1 = 5672\n"),
    Configuration("management", "the API on another port, with a prefix",
                  conf="management.tcp.port = 15680\nmanagement.path_prefix = /mq\n"),
    Configuration("management-tls", "the API with TLS only, on the node's own address",
                  conf="management.ssl.port = 15671\nmanagement.ssl.ip = %(address)s\n" + TLS.replace(
                      "ssl_options", "management.ssl")),
)

# What it is called, and how the brokers reach each other
NAMES = (
    Configuration("long-names", "long names, the value with a comment", env="USE_LONGNAME=yes # as people write it\n"),
    Configuration("long-nodename", "a long name given as a whole",
                  env="RABBITMQ_USE_LONGNAME=1\nNODENAME='rabbit@%(node)s.lab.test'\n"),
    Configuration("shell", "rabbitmq-env.conf is a small script",
                  env="ulimit -n 20000 2>/dev/null\nif [ -d /srv ]; then\n  UNUSED=x\nfi\n"
                      "NODENAME=bunny; export LC_ALL=C\n"),
    Configuration("parameters", "name and data by parameters of the resource",
                  parameters={"nodename": "mq", "datadir": "/srv/mq/base"}, env="MNESIA_DIR=/srv/mq/elsewhere\n",
                  before=(MOVED,), node="mq@%(node)s"),
    Configuration("inter-node-tls", "the brokers talk to each other with TLS", env=INTER_NODE_ENV,
                  files={"/etc/rabbitmq/inter_node_tls.config": INTER_NODE}),
    Configuration("dist-port", "another port between the brokers", env="DIST_PORT=35672\n"),
    Configuration("dist-range", "a range of ports between the brokers",
                  conf="distribution.listener.port_range.min = 35700\ndistribution.listener.port_range.max = 35710\n"),
    Configuration("epmd-port", "another port of epmd", env="export ERL_EPMD_PORT=4370\n"),
    Configuration("ipv6", "the brokers' names have IPv6 addresses only", env=SIX_ENV, client={"six": True},
                  waits="Waits for rabbit@six3",
                  conf="listeners.tcp.1 = %(address6)s:5672\n",
                  files={"/etc/systemd/system/lab-address6.service": ADDRESS6,
                         "/etc/rabbitmq/erl_inetrc": "{inet6, true}.\n"},
                  before=("systemctl enable -q --now lab-address6.service; printf '%s' >>/etc/hosts" % HOSTS6,)),
)

# Where it keeps its data and logs
PLACES = (
    Configuration("base-by-variable", "data and log elsewhere, by a variable of the file",
                  env="DATA=/srv/mq\nMNESIA_BASE=$DATA/mnesia\nexport RABBITMQ_LOG_BASE=\"${DATA}/log\"\n",
                  before=(MOVED,)),
    Configuration("mnesia-dir", "the data directory itself by a variable", env="MNESIA_DIR=/srv/mq/data\n",
                  before=(MOVED,)),
    Configuration("own-disk", "the data on a file system of their own", disk=True),
    Configuration("log-file", "a log of another name", conf="log.file = broker.log\n"),
    Configuration("console", "no log file, and the log printed", conf="log.file = false\nlog.console = true\n"),
    Configuration("logs-dash", "the log to standard output by a variable", env="RABBITMQ_LOGS=-\n"),
    Configuration("syslog", "the log to syslog only", conf="log.file = false\nlog.syslog = true\n"),
    Configuration("quiet", "errors only in the log", conf="log.file.level = error\n"),
    Configuration("json-log", "the log in JSON", conf="log.file.formatter = json\n"),
)

# Who makes a cluster with whom, and what is in it
CLUSTERS = (
    Configuration("plain", "nothing: as README and docs say", events=("watch", "kill of one", "power cut of one",
                                                                      "kill of all", "power cut of all, one off",
                                                                      "stop and start")),
    Configuration("five", "five nodes", count=5),
    Configuration("two-pause-minority", "two nodes with pause_minority", count=2, waits="",
                  warnings=("pcmk_delay_base", "pause_minority")),
    Configuration("two-autoheal", "two nodes with autoheal", handling="autoheal", count=2, waits="",
                  warnings=("pcmk_delay_base",), events=PAIR_EVENTS),
    Configuration("two-ignore", "two nodes with ignore", handling="ignore", count=2, waits="",
                  warnings=("pcmk_delay_base", "is 'ignore'"), events=PAIR_EVENTS),
    Configuration("mirrored", "mirrored classic queues", parameters={"set_policy": MIRRORED},
                  client={"type": "classic"}),
    Configuration("definitions", "definitions are imported at each boot",
                  conf="load_definitions = /etc/rabbitmq/definitions.json\n",
                  files={"/etc/rabbitmq/definitions.json": DEFINITIONS},
                  then=("rabbitmqctl -q list_queues -p /defined name | grep -q defined",)),
    Configuration("slow-boot", "a boot that works for a minute before it waits for others", slow=60.0,
                  parameters={"binary": "/usr/local/sbin/slow"}, files={"/usr/local/sbin/slow": (SLOW, "755")}),
)

# What somebody did wrong: what is shown, and that it ends
WRONG = (
    Configuration("cookie", "one node has another Erlang cookie", events=(), troubles=(Trouble(
        "another cookie on n3", "n3", "cp -p {0} {0}.kept; echo OTHER >{0}".format("/var/lib/rabbitmq/.erlang.cookie"),
        words=("cookie",), serving=("n1", "n2"), mend="mv {0}.kept {0}".format("/var/lib/rabbitmq/.erlang.cookie")),)),
    Configuration("port-taken", "another program takes the port of one broker", events=(), troubles=(Trouble(
        "port taken on n3", "n3", TAKES, words=("5672",), serving=("n1", "n2"), mend="systemctl stop taker"),)),
    Configuration("bad-conf", "a mistake in rabbitmq.conf of one node", events=(), troubles=(Trouble(
        "mistake in rabbitmq.conf of n3", "n3", "echo 'listeners.tcp.9 = nonsense:port' >>/etc/rabbitmq/rabbitmq.conf",
        words=("rabbitmq.conf",), serving=("n1", "n2"), mend="sed -i '$d' /etc/rabbitmq/rabbitmq.conf"),)),
    Configuration("no-key", "the key of TLS cannot be read on one node", client={"port": 5671, "tls": True},
                  conf="listeners.tcp = none\nlisteners.ssl.default = 5671\n" + TLS, events=(), troubles=(Trouble(
                      "the key is gone on n3", "n3", "mv /etc/rabbitmq/tls/key.pem /root/", words=("key.pem",),
                      serving=("n1", "n2"), mend="mv /root/key.pem /etc/rabbitmq/tls/"),)),
    Configuration("no-plugin", "a plugin is enabled that one node lacks", events=(), troubles=(Trouble(
        "a plugin that n3 lacks", "n3", "cd /etc/rabbitmq && cp -p enabled_plugins kept && "
        "echo '[rabbitmq_management,rabbitmq_delayed_message_exchange].' >enabled_plugins",
        words=("plugin",), serving=("n1", "n2"), mend="mv /etc/rabbitmq/kept /etc/rabbitmq/enabled_plugins"),)),
    Configuration("not-mounted", "the data of one node are not mounted", events=(), troubles=(Trouble(
        "not mounted on n3", "n3", "install -d -o rabbitmq -g rabbitmq -m 750 /srv/bare && "
        "mount --bind /srv/bare /var/lib/rabbitmq/mnesia", words=("quorate rabbitmq replace",), serving=("n1", "n2"),
        mend="umount /var/lib/rabbitmq/mnesia"),)),
)

# RabbitMQ 4.0
FOUR = (
    Configuration("plain-4.0", "nothing: as README and docs say (4.0)", suite="trixie"),
    Configuration("khepri", "Khepri instead of Mnesia (4.0)", suite="trixie", goes_on=True,
                  then=("rabbitmqctl -q enable_feature_flag --experimental khepri_db",)),
    Configuration("certificate-4.0", "TLS only, with a client certificate, and between the brokers (4.0)",
                  suite="trixie", credentials=CERTIFICATE, env=INTER_NODE_ENV,
                  conf="listeners.tcp = none\nlisteners.ssl.1 = %(address)s:5671\n" + TLS + CLIENT,
                  files={"/etc/rabbitmq/inter_node_tls.config": INTER_NODE},
                  client={"port": 5671, "tls": True, "certificate": True}),
    Configuration("long-names-4.0", "long names, data and log elsewhere, the API with a prefix (4.0)", suite="trixie",
                  env="USE_LONGNAME=true\nMNESIA_BASE=/srv/mq/mnesia\nLOG_BASE=/srv/mq/log\n", before=(MOVED,),
                  conf="management.tcp.port = 15680\nmanagement.path_prefix = /mq\n"),
    Configuration("khepri-tls", "Khepri, TLS only, listeners in conf.d, definitions at each boot (4.0)", suite="trixie",
                  goes_on=True, client={"port": 5671, "tls": True},
                  files={"/etc/rabbitmq/conf.d/10-tls.conf": "listeners.tcp = none\nlisteners.ssl.1 = 5671\n" + TLS,
                         "/etc/rabbitmq/definitions.json": DEFINITIONS},
                  conf="load_definitions = /etc/rabbitmq/definitions.json\n",
                  then=("rabbitmqctl -q enable_feature_flag --experimental khepri_db",)),
)
ALL = {one.name: one for one in LISTENERS + NAMES + PLACES + CLUSTERS + WRONG + FOUR}
# All of them, several at a time: what tests/deep tries, in an hour. Those that hinder each other are apart.
COMBINED = (
    "plain", "own-address+long-names+mnesia-dir+console", "several+dist-range+log-file+quiet",
    "other-port+epmd-port+syslog+definitions", "node-ip-address+long-nodename+base-by-variable+management+json-log",
    "ipv6+conf.d", "client-certificate+dist-port+own-disk", "tls-only+inter-node-tls+parameters",
    "advanced+shell", "plugins+management-tls", "two-autoheal+mirrored", "two-pause-minority+logs-dash", "two-ignore",
    "five", "slow-boot", "cookie+port-taken+bad-conf+no-plugin+not-mounted", "no-key", "plain-4.0", "khepri",
    "certificate-4.0+long-names-4.0", "khepri-tls")


def named(text):
    """The Configuration of a name, or all of several that are joined with a plus sign. LabError where there is none."""
    unknown = [name for name in text.split("+") if name not in ALL]
    if unknown:
        raise LabError("no configuration is called %s; there are: %s" % (", ".join(unknown), ", ".join(ALL)))
    return ALL[text] if text in ALL else merged(text, *(ALL[name] for name in text.split("+")))
