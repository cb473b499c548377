# SPDX-License-Identifier: Apache-2.0
"""A plan that describes the lab it is for."""

FENCE = 'fence = { agent = "fence_lab" }'


def plan_text(lab):
    """The plan of the lab itself."""
    text = '[plan]\nname = "%s"\npacemaker = "%s"\n[networks.management]\ncidr = "%s.0/24"\n[vips.internal]\naddress = "%s"\n' % (
        lab.name, "2.1" if lab.suite == "bookworm" else "3.0", lab.vip.rpartition(".")[0], lab.vip)
    for node in lab.nodes:
        text += '[nodes.%s]\nroles = ["controller"]\naddresses = { management = "%s" }\n%s\n' % (
            node.name, node.address, FENCE)
    return text + "[services]\ngalera_cluster = {}\nrabbitmq = {}\nmemcached = {}\n"
