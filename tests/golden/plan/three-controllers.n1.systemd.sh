#!/bin/sh
# What systemd of n1 has to know in the control plane cloud.
# Made by `quorate plan systemd`. Read it, then run it there as root; a second run changes nothing.
set -eu

# HAProxy binds the VIPs also while another node carries them, so that it serves the moment they come.
install -d /etc/sysctl.d
cat >/etc/sysctl.d/60-quorate.conf <<'END'
net.ipv4.ip_nonlocal_bind = 1
END
sysctl -q -p /etc/sysctl.d/60-quorate.conf

# systemd and Pacemaker see whether HAProxy runs, not whether it answers. This ends one that hangs. It starts and stops
# with HAProxy.
systemctl daemon-reload
systemctl enable quorate-haproxy-watch.service

# The check of the database, for HAProxy alone: in the management network.
install -d /etc/systemd/system/quorate-galera-check.socket.d
cat >/etc/systemd/system/quorate-galera-check.socket.d/plan.conf <<'END'
[Socket]
ListenStream=
ListenStream=192.0.2.11:9200
# The address may come after this.
FreeBind=yes
END
systemctl daemon-reload
systemctl enable quorate-galera-check.socket
systemctl restart quorate-galera-check.socket

# An API that died opens its port again at once and answers seconds later, when it has loaded: clients would wait there.
# After this time HAProxy has noticed, and sends nobody before it answers.
for unit in glance-api.service placement-api.service nova-api.service nova-api-metadata.service \
        neutron-api.service cinder-api.service heat-api.service heat-api-cfn.service; do
    install -d /etc/systemd/system/$unit.d
    printf '[Service]\nRestartSec=3s\n' >/etc/systemd/system/$unit.d/quorate.conf
done
systemctl daemon-reload

# Pacemaker starts Keystone as a site of Apache (the resource httpd). Debian's package starts it as a service of its own
# as well, at the same port.
for unit in keystone.service; do
    if systemctl cat $unit >/dev/null 2>&1; then
        systemctl disable $unit
        if systemctl is-active --quiet $unit; then
            echo "$unit has the port that Apache will need: systemctl stop $unit" >&2
        fi
    fi
done

# Pacemaker starts these, and nobody else may: a database that comes up by itself has asked nobody whether it may, and
# of some there is one in the whole cluster. What runs now goes on running.
for unit in haproxy.service mariadb.service rabbitmq-server.service memcached.service apache2.service \
        cinder-volume.service heat-engine.service nova-novncproxy.service; do
    if systemctl cat $unit >/dev/null 2>&1; then
        systemctl disable $unit
    else
        echo "$unit is not installed here yet; once it is: systemctl disable $unit" >&2
    fi
done
