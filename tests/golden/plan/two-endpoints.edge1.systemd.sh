#!/bin/sh
# Settings of systemd and the kernel for edge1, in the control plane cloud.
# Made by `quorate plan systemd`. Read it, then run it on edge1 as root; a second run changes nothing.
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

# Only systemd can start them again here. An address that a killed keepalived left behind is removed by the next one
# when it starts.
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
