# SPDX-License-Identifier: Apache-2.0
"""The configurations that are tried: where a broker listens, keeps its data and logs, and what it is called."""

from lab.brokers.record import Configuration

TLS = """\
ssl_options.cacertfile = /etc/rabbitmq/tls/ca.pem
ssl_options.certfile = /etc/rabbitmq/tls/cert.pem
ssl_options.keyfile = /etc/rabbitmq/tls/key.pem
"""
CLIENT = "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n"
# Whoever asks there waits for ever: as a proxy has the broker's port on other addresses of the node.
SILENT = ("systemd-run -q --unit=silent-%(node)s python3 -c 'import socket, time; "
          "one = socket.create_server((\"127.0.0.1\", 5672)); one.listen(); time.sleep(1e6)'")
MOVED = "install -d -o rabbitmq -g rabbitmq -m 750 /srv/mq /srv/mq/log"

_ALL = (
    Configuration("own-address", "listens on the node's own address only; another program has the port on the loopback",
                  conf="listeners.tcp.1 = %(address)s:5672 # our own\n", before=(SILENT,)),
    Configuration("node-ip-address", "the address by a variable", env="NODE_IP_ADDRESS=%(address)s\n",
                  before=(SILENT,)),
    Configuration("several", "several listeners",
                  conf="listeners.tcp.a = %(address)s:5672\nlisteners.tcp.b = 127.0.0.1:5673\n"),
    Configuration("other-port", "another port by a variable", env="export RABBITMQ_NODE_PORT='5680'\n"),
    Configuration("tls-only", "no listener without TLS",
                  conf="listeners.tcp = none\nlisteners.ssl.default = 5671\n" + TLS),
    Configuration("client-certificate", "TLS only, and a client certificate is demanded",
                  conf="listeners.tcp = none\nlisteners.ssl.1 = %(address)s:5671\n" + TLS + CLIENT,
                  credentials="ssl_cert = /etc/rabbitmq/tls/cert.pem\nssl_key = /etc/rabbitmq/tls/key.pem\n"),
    Configuration("base-by-variable", "data and log elsewhere, by a variable of the file",
                  env="DATA=/srv/mq\nMNESIA_BASE=$DATA/mnesia\nexport RABBITMQ_LOG_BASE=\"${DATA}/log\"\n",
                  before=(MOVED,)),
    Configuration("mnesia-dir", "the data directory itself by a variable", env="MNESIA_DIR=/srv/mq/data\n",
                  before=(MOVED,)),
    Configuration("long-names", "long names, the value with a comment", env="USE_LONGNAME=yes # as people write it\n"),
    Configuration("long-nodename", "a long name given as a whole",
                  env="RABBITMQ_USE_LONGNAME=1\nNODENAME='rabbit@%(node)s.lab.test'\n"),
    Configuration("shell", "rabbitmq-env.conf is a small script",
                  env="ulimit -n 20000 2>/dev/null\nif [ -d /srv ]; then\n  UNUSED=x\nfi\n"
                      "NODENAME=bunny; export LC_ALL=C\n"),
    Configuration("management", "the API on another port, with a prefix",
                  conf="management.tcp.port = 15680\nmanagement.path_prefix = /mq\n"),
    Configuration("management-tls", "the API with TLS only, on the node's own address",
                  conf="management.ssl.port = 15671\nmanagement.ssl.ip = %(address)s\n" + TLS.replace(
                      "ssl_options", "management.ssl")),
    Configuration("conf.d", "listeners in conf.d", files={
        "/etc/rabbitmq/conf.d/10-listeners.conf": "listeners.tcp.1 = 5690\n",
        "/etc/rabbitmq/conf.d/20-listeners.conf": "listeners.tcp.1 = 5691\n"}),
    Configuration("advanced", "listeners and API in advanced.config", files={
        "/etc/rabbitmq/advanced.config": "%%%% ours\n[{rabbit, [{tcp_listeners, [{\"%(address)s\", 5692}]}]},\n"
                                         " {rabbitmq_management, [{tcp_config, [{port, 15690}]}]}].\n"}),
    Configuration("log-file", "a log of another name", conf="log.file = broker.log\n"),
    Configuration("console", "no log file, and the log printed", conf="log.file = false\nlog.console = true\n"),
    Configuration("plugins", "listeners of other protocols beside it",
                  plugins=("rabbitmq_management", "rabbitmq_mqtt", "rabbitmq_stomp", "rabbitmq_prometheus",
                           "rabbitmq_stream"), conf="listeners.tcp.1 = 5693\nstomp.listeners.tcp.1 = 5672\n"),
    Configuration("parameters", "name and data by parameters of the resource",
                  parameters={"nodename": "mq", "datadir": "/srv/mq/base"}, env="MNESIA_DIR=/srv/mq/elsewhere\n",
                  before=(MOVED,), node="mq@%(node)s"),
)
ALL = {one.name: one for one in _ALL}
