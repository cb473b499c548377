#!/bin/sh
# What systemd of edge1 has to know in the control plane cloud.
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

# Nobody but systemd is there to start them again. An address that a killed keepalived left behind is taken away by the
# next one as it starts.
install -d /etc/systemd/system/haproxy.service.d
cat >/etc/systemd/system/haproxy.service.d/quorate.conf <<'END'
[Unit]
StartLimitIntervalSec=0
[Service]
Restart=always
RestartSec=100ms
END
install -d /etc/systemd/system/keepalived.service.d
cat >/etc/systemd/system/keepalived.service.d/quorate.conf <<'END'
[Unit]
StartLimitIntervalSec=0
[Service]
Restart=always
RestartSec=100ms
END
systemctl daemon-reload
systemctl enable --now haproxy.service keepalived.service
