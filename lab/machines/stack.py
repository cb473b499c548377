# SPDX-License-Identifier: Apache-2.0
"""The configuration that makes the nodes a cluster: corosync, Pacemaker, pcs, fencing. From the members to the text of
the files.

The files are there before the first boot, so a node joins the cluster by itself, also at its first start.
"""

import json
import os
from typing import Dict, Iterable, Optional, Tuple

from lab import PROGRAMS
from lab.machines import names

Files = Dict[str, Tuple[object, int, Optional[str]]]  # path -> text or bytes, mode, user (None: root)

DC_DEADTIME = 2  # seconds; Pacemaker's default of 20 s would pass at each start of the whole cluster

_CIB = """<cib crm_feature_set="3.16.0" validate-with="pacemaker-3.7" admin_epoch="0" epoch="1" num_updates="0">
  <configuration>
    <crm_config>
      <cluster_property_set id="cib-bootstrap-options">
        <nvpair id="lab-dc-deadtime" name="dc-deadtime" value="%(deadtime)ds"/>
        <nvpair id="lab-load-threshold" name="load-threshold" value="0%%"/>
        <nvpair id="lab-stonith-enabled" name="stonith-enabled" value="true"/>
        <nvpair id="lab-cluster-name" name="cluster-name" value="%(name)s"/>
      </cluster_property_set>
    </crm_config>
    <nodes/>
    <resources>
      <primitive id="fence" class="stonith" type="fence_lab">
        <instance_attributes id="fence-instance_attributes">
          <nvpair id="fence-hosts" name="pcmk_host_list" value="%(hosts)s"/>
          <nvpair id="fence-check" name="pcmk_host_check" value="static-list"/>
        </instance_attributes>
        <operations><op id="fence-monitor" name="monitor" interval="60s" timeout="20s"/></operations>
      </primitive>
    </resources>
    <constraints/>
  </configuration>
  <status/>
</cib>
"""

_NETWORK_UNIT = """[Unit]
Description=Address of this node of the lab
DefaultDependencies=no
Before=network-pre.target network.target sysinit.target
Wants=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/ip link set lo up
ExecStart=/sbin/ip address replace %(address)s/24 dev host0
ExecStart=/sbin/ip link set host0 up
ExecStart=/sbin/ip route replace default via %(gateway)s
[Install]
WantedBy=sysinit.target
"""


def corosync_conf(name: str, members: Iterable[names.Node]) -> str:
    """corosync.conf as `pcs cluster setup` writes it."""
    members = list(members)
    nodes = "".join("    node {\n        ring0_addr: %s\n        name: %s\n        nodeid: %d\n    }\n"
                    % (node.address, node.name, node.number) for node in members)
    two = "    two_node: 1\n" if len(members) == 2 else ""
    return ("totem {\n    version: 2\n    cluster_name: %s\n    transport: knet\n    crypto_cipher: aes256\n"
            "    crypto_hash: sha256\n}\n\nnodelist {\n%s}\n\nquorum {\n    provider: corosync_votequorum\n%s}\n\n"
            "logging {\n    to_syslog: yes\n    timestamp: on\n}\n" % (name, nodes, two))


def cib(name: str, members: Iterable[names.Node], fencing: bool = True) -> str:
    """The first CIB: dc-deadtime, load-threshold, fencing and its device."""
    text = _CIB % {"deadtime": DC_DEADTIME, "name": name, "hosts": " ".join(node.name for node in members)}
    return text if fencing else text.replace('"stonith-enabled" value="true"', '"stonith-enabled" value="false"')


def files_for_all(name: str, subnet: str, members: Iterable[names.Node]) -> Files:
    """The files of every node of lab `name`; keys and tokens are made anew for each lab."""
    members = list(members)
    wants = "etc/systemd/system/multi-user.target.wants/"
    token = os.urandom(32).hex()
    known = {node.name: {"dest_list": [{"addr": node.address, "port": 2224}], "token": token} for node in members}
    with open(os.path.join(PROGRAMS, "fence_lab"), encoding="utf-8") as file:
        fence_agent = file.read()
    return {
        "etc/hosts": (names.hosts_file(subnet, members), 0o644, None),
        "etc/resolv.conf": ("# the lab has no name server; see /etc/hosts\n", 0o644, None),
        "etc/corosync/corosync.conf": (corosync_conf(name, members), 0o644, None),
        "etc/corosync/authkey": (os.urandom(256), 0o400, None),
        "etc/pacemaker/authkey": (os.urandom(256), 0o640, "root:haclient"),
        "var/lib/pacemaker/cib/cib.xml": (cib(name, members), 0o600, "hacluster"),
        "var/lib/pcsd/known-hosts": (json.dumps({"format_version": 1, "data_version": 1, "known_hosts": known}),
                                     0o600, None),
        "var/lib/pcsd/pcs_users.conf": (json.dumps([{"creation_date": "Thu Jan 01 00:00:00 +0000 1970",
                                                     "username": "hacluster", "token": token}]), 0o600, None),
        "usr/sbin/fence_lab": (fence_agent, 0o755, None),
        "etc/systemd/journald.conf.d/lab.conf": ("[Journal]\nStorage=persistent\nSystemMaxUse=200M\n"
                                                 "RateLimitBurst=0\n", 0o644, None),
        wants + "corosync.service": ("-> /lib/systemd/system/corosync.service", 0o777, None),
        wants + "pacemaker.service": ("-> /lib/systemd/system/pacemaker.service", 0o777, None),
    }


def files_for(node: names.Node, subnet: str) -> Files:
    """The files of `node` alone."""
    unit = _NETWORK_UNIT % {"address": node.address, "gateway": names.address(subnet, names.CLIENT)}
    return {
        "etc/systemd/system/lab-network.service": (unit, 0o644, None),
        "etc/systemd/system/sysinit.target.wants/lab-network.service": ("-> ../lab-network.service", 0o777, None),
    }
