# SPDX-License-Identifier: Apache-2.0
"""HAProxy in front of the lab's Galera cluster: on every node, with our check on port 9200 where the package brings it,
and a VIP where one of them runs.
"""

import os
import shlex
import subprocess

from lab import quiet
from lab.services import galera

CONFIG_PATH = "/etc/haproxy/haproxy.cfg"
CHECK_SOCKET = "quorate-galera-check.socket"

# One node takes the writes; the stick table keeps them there when the first node comes back, so that a recovery
# interrupts clients only once. The table has room for a new entry beside the old one (with 'size 1 nopurge' it never
# learns), and is not used for a node that drains: without the condition HAProxy would go on sending new sessions there.
CONFIG = """\
global
    log /dev/log local0
    user haproxy
    group haproxy
    stats socket /run/haproxy/admin.sock mode 600 level admin

defaults
    log global
    mode tcp
    option tcplog
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    retries 3
    option redispatch 1

listen galera
    bind %(vip)s:3306
    stick-table type integer size 10
    stick store-request int(1)
%(matches)s
%(check)s
    default-server check inter 1s fastinter 250ms fall 2 rise 2 on-marked-down shutdown-sessions%(port)s
%(servers)s
%(members)s"""
# Tells the condition above whether a node takes connections: it follows the state of the server above and asks nothing
# itself.
_MEMBER = """
backend galera.%(name)s
    option httpchk
    http-check disable-on-404
    server %(name)s %(address)s:3306 track galera/%(name)s
"""
_HTTP_CHECK = "    option httpchk OPTIONS /\n    http-check disable-on-404"
_TCP_CHECK = "    option tcp-check"


def has_check(lab):
    """Whether our package is installed, with its check on port 9200."""
    return lab.run(lab.node_names[0], ["systemctl", "cat", CHECK_SOCKET]).rc == 0


def config(lab):
    """haproxy.cfg, the same on every node."""
    http = has_check(lab)
    servers = "\n".join("    server %s %s:3306 id %d%s" % (node.name, node.address, number, " backup" if number > 1
                                                           else "")
                        for number, node in enumerate(lab.nodes, 1))
    matches = ["    stick match int(1) if { int(1),table_server_id(galera) %d } { nbsrv(galera.%s) gt 0 }"
               % (number, node.name) for number, node in enumerate(lab.nodes, 1)]
    members = "".join(_MEMBER % node._asdict() for node in lab.nodes)
    return CONFIG % {"vip": lab.vip, "servers": servers, "check": _HTTP_CHECK if http else _TCP_CHECK,
                     "port": " port 9200" if http else "", "members": members if http else "",
                     "matches": "\n".join(matches) if http else "    stick match int(1)"}


def commands(lab):
    """The pcs commands for HAProxy on every node and the VIP where one of them runs."""
    words = """resource create haproxy systemd:haproxy op monitor interval=10s clone interleave=true
resource create vip ocf:heartbeat:IPaddr2 ip=%s cidr_netmask=24 op monitor interval=5s
constraint colocation add vip with haproxy-clone
constraint order haproxy-clone then vip""" % lab.vip
    return [["pcs"] + line.split() for line in words.splitlines()]


def set_up(lab, say=quiet, timeout=60.0):
    """HAProxy on all nodes, each listening on the VIP whether the node has it or not; the check on port 9200; the
    VIP."""
    text, http = config(lab), has_check(lab)
    for name in lab.node_names:
        lab.check(name, "cat >%s && echo net.ipv4.ip_nonlocal_bind=1 >/etc/sysctl.d/60-haproxy.conf && "
                        "sysctl -q -p /etc/sysctl.d/60-haproxy.conf && haproxy -c -q -f %s"
                  % (CONFIG_PATH, CONFIG_PATH), stdin=text)
        if http:
            lab.check(name, ["systemctl", "enable", "-q", "--now", CHECK_SOCKET])
    for argv in commands(lab):
        say(shlex.join(argv))
        lab.check(lab.node_names[0], argv)
    if os.path.exists(galera.password_file(lab)):
        lab.wait(lambda: answers(lab), timeout, "nothing answers on the VIP %s:3306 after %.0f s; see `lab status` and "
                 "HAProxy's journal" % (lab.vip, timeout))


def answers(lab):
    """Whether the application reaches a database through the VIP."""
    script = ("import sys,pymysql; pymysql.connect(host=sys.argv[1], user=sys.argv[2], "
              "password=open(sys.argv[3]).read().strip(), connect_timeout=2, read_timeout=2).query('SELECT 1')")
    done = subprocess.run(lab.client(["/usr/bin/python3", "-c", script, lab.vip, galera.USER,
                                      galera.password_file(lab)]),
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode == 0
