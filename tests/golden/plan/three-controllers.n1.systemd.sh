#!/bin/sh
# Settings of systemd and the kernel for n1, in the control plane cloud.
# Made by `quorate plan systemd`. Read it, then run it on n1 as root; a second run changes nothing.
set -eu

# HAProxy binds the VIPs even while another node carries them, so that it serves as soon as they move here.
install -d /etc/sysctl.d
cat >/etc/sysctl.d/60-quorate.conf <<'END'
net.ipv4.ip_nonlocal_bind = 1
END
sysctl -q -p /etc/sysctl.d/60-quorate.conf

# systemd and Pacemaker see that HAProxy runs, not that it answers. This service ends an HAProxy that hangs. It starts
# and stops with HAProxy.
systemctl daemon-reload
systemctl enable quorate-haproxy-watch.service

# The check of the database. Only HAProxy asks it, so it listens in the management network only.
install -d /etc/systemd/system/quorate-galera-check.socket.d
cat >/etc/systemd/system/quorate-galera-check.socket.d/plan.conf <<'END'
[Socket]
ListenStream=
ListenStream=192.0.2.11:9200
# This socket may start before the address is there.
FreeBind=yes
END
systemctl daemon-reload
systemctl enable quorate-galera-check.socket
systemctl restart quorate-galera-check.socket

# An API that is started again opens its port at once and answers seconds later, when it has loaded: clients would wait
# there. With this delay HAProxy notices first, and sends no client before the API answers.
for unit in glance-api.service placement-api.service nova-api.service nova-api-metadata.service \
        neutron-api.service cinder-api.service heat-api.service heat-api-cfn.service; do
    install -d /etc/systemd/system/$unit.d
    printf '[Service]\nRestartSec=3s\n' >/etc/systemd/system/$unit.d/quorate.conf
done
systemctl daemon-reload

# Pacemaker starts Keystone as a site of Apache (the resource httpd). Debian's package also starts it as a service of
# its own, at the same port.
if systemctl cat keystone.service >/dev/null 2>&1; then
    systemctl disable keystone.service
    if systemctl is-active --quiet keystone.service; then
        echo "keystone.service has the port that Apache will need: systemctl stop keystone.service" >&2
    fi
fi

# systemd must not listen in the database's place: its server could not start, and a client that connects would start
# one outside of the cluster.
for unit in mariadb.socket mariadb-extra.socket mysql.socket mysqld.socket; do
    if systemctl cat $unit >/dev/null 2>&1; then
        systemctl disable --now $unit
    fi
done

# Pacemaker starts these services, and systemd must not: a database that starts at boot has not asked the other nodes
# whether it may, and of some services only one may run in the whole cluster. What runs now goes on running.
for unit in haproxy.service mariadb.service rabbitmq-server.service memcached.service apache2.service \
        cinder-volume.service heat-engine.service nova-novncproxy.service; do
    if systemctl cat $unit >/dev/null 2>&1; then
        systemctl disable $unit
    else
        echo "$unit is not installed here yet; once it is: systemctl disable $unit" >&2
    fi
done
