# SPDX-License-Identifier: Apache-2.0
"""haproxy.cfg from a plan: a listener for each service at its VIPs. For HAProxy 2.2 and later; tested with 2.6 and 3.0.

Where it is not obvious what works, it was measured (docs/front-door.md): with a hash that is not consistent, clients of
a dead server are refused; a stick table of size 1 that may not purge never learns; and a stick table that is asked
without a condition goes on sending new connections to a server that drains.
"""

from quorate.plan.facts import HTTPS
from quorate.plan.render.comments import comment, why
from quorate.plan.services import BALANCED, BY_NAME, FAILOVER, KINDS, WRITER

PEERS_PORT = 1024
# HAProxy's own command socket. The unit of RHEL makes no directory in /run.
SOCKETS = {"debian": "/run/haproxy/admin.sock", "redhat": "/var/lib/haproxy/stats"}

CHECKED = "check inter 1s fastinter 500ms fall 2 rise 2"
NOTICED = 1.5  # seconds until two checks have failed at a server that refuses them: inter and fastinter
# A refused request counts as a failed check, and the next one as the second.
OBSERVED = " observe layer4 error-limit 1 on-error sudden-death"


def render(plan):
    """The text."""
    services = [one for one in plan.services if BY_NAME[one.name].proxied]
    blocks = [_head(plan), _global(plan), _defaults()]
    if _peers(plan):
        blocks.append(_peers_section(plan))
    for service in services:
        blocks.append(_listener(plan, service))
        blocks += _members(plan, service)
    blocks.append(_not_here(plan))
    return "\n\n".join("\n".join(block) for block in _reasons_once(blocks) if block) + "\n"


def _reasons_once(blocks):
    """A reason stands where it is first needed, not in every listener."""
    seen = set()
    for block in blocks:
        yield [line for line in block if not (line.startswith("    #") and line in seen)]
        seen.update(line for line in block if line.startswith("    #"))


def socket(address, port):
    """address:port, with brackets around IPv6."""
    return "%s:%d" % ("[%s]" % address if ":" in address else address, port)


def _head(plan):
    nodes = ", ".join(one.name for one in plan.front_nodes)
    lines = ["# /etc/haproxy/haproxy.cfg of the control plane %s, the same on %s." % (plan.name, nodes),
             "# Made by `quorate plan haproxy`: change the plan and make it anew. Check it with: haproxy -c -f FILE",
             "#",
             "# Every HAProxy binds the VIPs, also where its node does not carry them, so that it is ready for them:",
             "#     echo net.ipv4.ip_nonlocal_bind=1 >/etc/sysctl.d/60-quorate.conf && sysctl --system"]
    if any(":" in vip.address for vip in plan.vips):
        lines.append("#     echo net.ipv6.ip_nonlocal_bind=1 >>/etc/sysctl.d/60-quorate.conf && sysctl --system")
    return lines + comment("The services themselves have to bind their node's own address: one that binds all "
                           "addresses also takes the ports of the VIPs.")


def _global(plan):
    lines = ["global", "    log stdout format short daemon", "    chroot /var/lib/haproxy", "    user haproxy",
             "    group haproxy", "    # For haproxy-check and `quorate status`.",
             "    stats socket %s mode 600 level admin" % SOCKETS[plan.system],
             "    # A process that a reload has replaced checks no servers, so its last sessions get a time limit.",
             "    hard-stop-after 15m"]
    if any(vip.tls for vip in plan.vips):
        lines.append("    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets")
    return lines


def _defaults():
    return """defaults
    log global
    mode http
    option httplog
    option dontlognull
    # A client of a server that refuses is sent to another one at once; the default is to try the same one three times.
    option redispatch 1
    retries 3
    # A client of a dead server is sent elsewhere only if the hash is consistent; with the default it gets 503 until the
    # checks have failed.
    hash-type consistent
    # A connection for each request: a request that is sent on a kept connection just as the server dies would be lost.
    option http-server-close
    timeout connect 2s
    timeout http-request 10s
    timeout http-keep-alive 10s
    timeout queue 30s
    timeout client 5m
    timeout server 5m
    # An API whose workers are all busy answers late, and taking it out would not help; one that hangs has to go.
    timeout check 3s""".splitlines()


def _peers(plan):
    """Whether the HAProxys have something to share."""
    return any(_sticks(service) for service in plan.services)


def _sticks(service):
    """Whether one node serves until it is lost."""
    kind = BY_NAME[service.name]
    return len(service.nodes) > 1 and (kind.spread == FAILOVER or service.writer == "stick-table")


def _peers_section(plan):
    return comment("Where one node serves, all HAProxys know which one, also after a reload. The names are those of "
                   "`uname -n`.") + ["peers quorate"] + [
        "    peer %s %s" % (one.name, socket(plan.address(one.name), PEERS_PORT)) for one in plan.front_nodes]


def _listener(plan, service):
    kind = BY_NAME[service.name]
    lines = ["# " + kind.title] + comment(kind.note) + ["listen " + service.name]
    lines += _binds(plan, service)
    if kind.mode == "tcp":
        lines += _tcp()
    else:
        lines += _http(plan, service)
    lines += _check(plan, service)
    lines += _spread(plan, service)
    return lines + _servers(plan, service)


def _binds(plan, service):
    lines = []
    for vip in plan.vips_of(service):
        tls = " ssl crt %s alpn %s" % (vip.tls, "http/1.1" if service.name == "nova_vncproxy" else "h2,http/1.1")
        if vip.tls and service.redirects:
            lines += ["    bind " + socket(vip.address, service.port), "    bind " + socket(vip.address, HTTPS) + tls]
        else:
            lines.append("    bind " + socket(vip.address, service.port) + (tls if vip.tls and service.tls else ""))
    return lines


def _tcp():
    return ["    mode tcp", "    option tcplog",
            "    # Longer than connection_recycle_time of oslo.db (1 h), so that the clients' pool closes first.",
            "    timeout client 90m", "    timeout server 90m", "    timeout check 2s",
            "    # Ends the sessions of machines that are gone.", "    option tcpka"]


def _http(plan, service):
    lines = ["    option forwardfor", "    http-request del-header X-Forwarded-For"]
    secured = [vip for vip in plan.vips_of(service) if vip.tls] if service.tls else []
    if secured:
        lines += ["    # For this the service needs enable_proxy_headers_parsing = true ([oslo_middleware]).",
                  "    http-request set-header X-Forwarded-Proto https if { ssl_fc }",
                  "    http-request set-header X-Forwarded-Proto http if !{ ssl_fc }"]
    if service.redirects:
        lines += ["    http-request redirect scheme https code 301 if !{ ssl_fc } { dst %s }" % vip.address
                  for vip in secured]
    lines += why("A read that failed with its server is sent to another one. A write may have happened, so the client "
                 "has to decide.")
    lines += ["    retry-on conn-failure empty-response",
              "    http-request disable-l7-retry if !{ method GET HEAD OPTIONS }"]
    if service.name == "nova_vncproxy":
        lines.append("    timeout tunnel 12h")
    return lines


def _check(plan, service):
    check = BY_NAME[service.name].check
    if service.check_port is not None:
        return why("galera-check sees what an open port does not show: a donor, a joiner, a node outside the "
                   "cluster.") + [
            "    option httpchk GET " + service.check_path] + why(
            "A node that will be stopped answers 404: it gets no new connections and keeps the open ones.") + [
            "    http-check disable-on-404"] + why(
            "The sessions of a node that is down are ended: clients would wait in them until their own timeout.") + [
            "    default-server %s port %d on-marked-down shutdown-sessions" % (CHECKED, service.check_port)]
    own = service.check_path != check.path
    host = service.check_host or plan.vips_of(service)[0].address
    lines = ["    option httpchk",
             "    http-check send meth GET uri %s ver HTTP/1.1 hdr Host %s" % (
                 service.check_path, "[%s]" % host if ":" in host else host),
             # A version document that offers several versions answers 300.
             "    http-check expect status " + ("200-399" if own else check.statuses)]
    if check.contains and not own:
        lines.append("    http-check expect string " + check.contains)
    if len(service.nodes) < 2:  # three attempts at the only server, a second apart, serve its clients better
        return lines + ["    default-server " + CHECKED]
    return lines + why(
        "A server that refuses two connections is taken out before its checks fail: one that is started again at once "
        "opens its port long before it answers, and clients would wait there.") + [
        "    default-server " + CHECKED + OBSERVED]


def _spread(plan, service):
    kind = BY_NAME[service.name]
    if kind.spread == BALANCED:
        return ["    balance " + service.balance]
    if not _sticks(service):
        return ["    # The first node serves whenever it can: when it returns, it gets all new sessions again."]
    lines = why("The table records which node serves, so that no client is moved a second time when the former one "
                "returns. It is larger than its one entry: a full table that may not purge takes no new one.") + [
             "    stick-table type integer size 10 peers quorate", "    stick store-request int(1)"]
    if kind.spread != WRITER:
        return lines + ["    stick match int(1)"]
    lines += why("After a start the table is filled by the other HAProxys, after a reload by the process that ends. A "
                 "client that comes earlier waits a second: it could choose a second writer. (A process whose peers do "
                 "not answer passes its table on to nobody in its first ten seconds: do not reload it then.)")
    lines += ["    tcp-request inspect-delay 1s",
              "    tcp-request content accept if { int(1),in_table(%s) }" % service.name,
              "    tcp-request content accept if WAIT_END"]
    lines += why("The table counts only while that node takes connections: by itself it would send new ones to a node "
                 "that drains.")
    return lines + ["    stick match int(1) if { int(1),table_server_id(%s) %d } { nbsrv(%s) gt 0 }" % (
        service.name, number, member(service, name)) for number, name in enumerate(service.nodes, 1)]


def member(service, node):
    """Name of the backend that shows whether one node takes connections."""
    return "%s.%s" % (service.name, node)


def _servers(plan, service):
    one_at_a_time = BY_NAME[service.name].spread != BALANCED
    return ["    server %s %s%s%s" % (name, socket(plan.address(name), service.backend_port),
                                      " id %d" % number if _sticks(service) else "",
                                      " backup" if one_at_a_time and number > 1 else "")
            for number, name in enumerate(service.nodes, 1)]


def _members(plan, service):
    if not _sticks(service) or BY_NAME[service.name].spread != WRITER:
        return []
    blocks = []
    for number, name in enumerate(service.nodes):
        blocks.append((["# Whether a node takes connections, for the conditions above: the state of the server there."]
                       if not number else []) + [
            "backend " + member(service, name), "    mode tcp", "    option httpchk", "    http-check disable-on-404",
            "    server %s %s track %s/%s" % (name, socket(plan.address(name), service.backend_port), service.name,
                                              name)])
    return blocks


def _not_here(plan):
    lines = []
    for kind in KINDS:
        service = plan.service(kind.name)
        if service is None or not kind.note or kind.proxied:
            continue
        lines += ["# " + kind.title] + comment(kind.note)
        where = [socket(plan.address(name), service.port) for name in service.nodes]
        if kind.name == "rabbitmq":
            lines += ["#     transport_url = rabbit://" + ",".join("USER:PASSWORD@" + one for one in where)]
        else:
            lines += ["#     memcached_servers = " + ",".join(where)]
    return lines
