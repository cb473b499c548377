#!/bin/sh
# Settings of systemd and the kernel for data1, in the control plane cloud.
# Made by `quorate plan systemd`. Read it, then run it on data1 as root; a second run changes nothing.
set -eu

# The check of the database. Only HAProxy asks it, so it listens in the management network only.
install -d /etc/systemd/system/quorate-galera-check.socket.d
cat >/etc/systemd/system/quorate-galera-check.socket.d/plan.conf <<'END'
[Socket]
ListenStream=
ListenStream=192.0.2.21:9200
# This socket may start before the address is there.
FreeBind=yes
END
systemctl daemon-reload
systemctl enable quorate-galera-check.socket
systemctl restart quorate-galera-check.socket

# systemd must not listen in the database's place: its server could not start, and a client that connects would start
# one outside of the cluster.
for unit in mariadb.socket mariadb-extra.socket mysql.socket mysqld.socket; do
    if systemctl cat $unit >/dev/null 2>&1; then
        systemctl disable --now $unit
    fi
done

# Pacemaker starts these services, and systemd must not: a database that starts at boot has not asked the other nodes
# whether it may, and of some services only one may run in the whole cluster. What runs now goes on running.
for unit in mariadb.service rabbitmq-server.service; do
    if systemctl cat $unit >/dev/null 2>&1; then
        systemctl disable $unit
    else
        echo "$unit is not installed here yet; once it is: systemctl disable $unit" >&2
    fi
done
