#!/bin/sh
# What systemd of data1 has to know in the control plane cloud.
# Made by `quorate plan systemd`. Read it, then run it there as root; a second run changes nothing.
set -eu

# The check of the database, for HAProxy alone: in the management network.
install -d /etc/systemd/system/quorate-galera-check.socket.d
cat >/etc/systemd/system/quorate-galera-check.socket.d/plan.conf <<'END'
[Socket]
ListenStream=
ListenStream=192.0.2.21:9200
# The address may come after this.
FreeBind=yes
END
systemctl daemon-reload
systemctl enable quorate-galera-check.socket
systemctl restart quorate-galera-check.socket

# Pacemaker starts these, and nobody else may: a database that comes up by itself has asked nobody whether it may, and
# of some there is one in the whole cluster. What runs now goes on running.
for unit in mariadb.service rabbitmq-server.service; do
    if systemctl cat $unit >/dev/null 2>&1; then
        systemctl disable $unit
    else
        echo "$unit is not installed here yet; once it is: systemctl disable $unit" >&2
    fi
done
