# SPDX-License-Identifier: Apache-2.0
"""Where a running cluster differs from a Plan: a sentence for each difference, with the command that removes it. Pure.

Resources are matched by id; else a virtual address by its address, and another resource by its agent if the cluster has
it once. So a cluster that was made by hand, with other ids, is compared for what it does.
"""

from collections import namedtuple

from quorate.ocf.declaration import seconds
from quorate.pacemaker.tools import is_true
from quorate.plan.facts import ROLES, is_secret
from quorate.plan.render import pcs
from quorate.plan.resources import ROLE_ATTRIBUTE, wanted
from quorate.plan.services import BY_NAME


class Difference(namedtuple("Difference", "text command", defaults=(None,))):
    """text: what differs, a sentence; command: what to type, or None."""
    __slots__ = ()


def differences(plan, cluster, proxies=None, version=None):
    """Tuple of Difference.

    cluster   quorate.pacemaker.cib.Configuration
    proxies   the backends of HAProxy on this node: tuple of what has a `name`, and `servers` with a `name` each; None:
              not asked
    version   of Pacemaker, '2.1' or '3.0', for the commands; else the plan's own
    """
    want = wanted(plan)
    here = _matched(want, cluster)
    found = list(_members(plan, want, cluster)) + list(_settings(want, cluster))
    found += _fencing(want, cluster)
    for one in want.resources:
        found += _resource(one, here.get(one.id), cluster)
    found += _constraints(want, cluster, here, version or plan.pacemaker)
    found += _more_than_wanted(want, cluster, here)
    if proxies is not None:
        found += _haproxy(plan, proxies)
    return tuple(found)


def _matched(want, cluster):
    """dict wanted id -> the Resource of the cluster that is meant."""
    by_id = {one.id: one for one in cluster.resources}
    found = {one.id: by_id[one.id] for one in want.resources if one.id in by_id}
    for one in want.resources:
        if one.id in found:
            continue
        free = [other for other in cluster.resources if other.id not in {seen.id for seen in found.values()}
                and other.id not in {wish.id for wish in want.resources} and other.agent == one.agent]
        address = dict(one.parameters).get("ip")
        if address is not None:
            free = [other for other in free if other.parameters.get("ip") == address]
        if len(free) == 1:
            found[one.id] = free[0]
    return found


# -- the cluster as a whole

def _members(plan, want, cluster):
    for name in want.nodes:
        if name not in cluster.nodes:
            yield Difference("%s is in the plan and not in the cluster." % name,
                             "pcs cluster node add %s addr=%s --start --enable" % (name, plan.address(name)))
    for name in sorted(set(cluster.nodes).difference(want.nodes)):
        yield Difference("%s is in the cluster and not in the plan." % name, None)
    for name, attribute in want.attributes:
        if name in cluster.nodes and cluster.nodes[name].get(attribute) != "true":
            yield Difference("%s does not have the attribute %s, by which rules find its role." % (name, attribute),
                             pcs.line(pcs.attribute_words(name, attribute)))
    ours = {ROLE_ATTRIBUTE % role for role in ROLES}
    for name in want.nodes:
        for attribute in sorted(ours.intersection(cluster.nodes.get(name, ()))):
            if (name, attribute) not in want.attributes and cluster.nodes[name][attribute] == "true":
                yield Difference("%s has the attribute %s, but not that role in the plan." % (name, attribute),
                                 "pcs node attribute %s %s=" % (name, attribute))


def _settings(want, cluster):
    for name, value in want.properties:
        # Not set is the default, which is true; 3.0.2 calls it fencing-enabled.
        now = cluster.properties.get("fencing-enabled", cluster.properties.get(name, "true"))
        if not is_true(now):
            yield Difference("The property %s is %s, the plan has %s." % (name, now, value),
                             "pcs property set %s=%s" % (name, value))
    if cluster.properties.get("maintenance-mode") == "true":
        yield Difference("The cluster is in maintenance mode.", "pcs property set maintenance-mode=false")
    now = cluster.defaults.get("resource-stickiness")
    if now != want.stickiness:
        yield Difference("The default resource-stickiness is %s, the plan has %s." % (
            now or "not set", want.stickiness), pcs.line(pcs.defaults_words(want)))


def _fencing(want, cluster):
    """A node can be fenced by its own device, or by any that names it."""
    found = []
    devices = [one for one in cluster.resources if one.agent.startswith("stonith:")]
    by_id = {one.id: one for one in devices}
    for wish in want.fencing:
        if wish.id in by_id:
            found += (_agent(wish, by_id[wish.id]) + _parameters(wish, by_id[wish.id], "stonith")
                      + _operations(wish, by_id[wish.id], "stonith"))
        elif not _covered(wish.nodes[0], devices):
            found.append(Difference("%s cannot be fenced: %s is missing." % (wish.nodes[0], wish.id),
                                    pcs.line(pcs.create_words(wish))))
    for name in want.unfenced:
        if not _covered(name, devices):
            found.append(Difference("%s cannot be fenced: neither the plan nor the cluster has a device for it." % name,
                                    None))
    return found


def _covered(node, devices):
    for one in devices:
        named = one.parameters.get("pcmk_host_list", "").replace(",", " ").split()
        mapped = [pair.partition(":")[0] for pair in one.parameters.get("pcmk_host_map", "").replace(";", " ").split()]
        # Without either the device itself tells which nodes it can fence.
        if node in named + mapped or not named and not mapped:
            return True
    return False


# -- resources

def _resource(wish, now, cluster):
    if now is None:
        return [Difference("%s (%s) is missing." % (wish.id, wish.agent), pcs.line(pcs.create_words(wish)))]
    found = _agent(wish, now) + _parameters(wish, now, "resource")
    found += _operations(wish, now, "resource") + _around(wish, now, cluster)
    for name, value in wish.meta:
        have = now.meta.get(name, now.parent_meta.get(name))
        if have != value:
            found.append(Difference("%s of %s is %s, the plan has '%s'." % (
                name, now.id, "not set" if have is None else "'%s'" % have, value),
                "pcs resource meta %s %s=%s" % (now.id, name, value)))
    for meta, ordered in ((now.meta, now.id), (now.parent_meta, now.parent)):
        if meta.get("target-role") == "Stopped":
            found.append(Difference("%s is disabled." % ordered, "pcs resource enable " + ordered))
        if meta.get("is-managed") == "false":
            found.append(Difference("%s is unmanaged." % ordered, "pcs resource manage " + ordered))
    return found


def _agent(wish, now):
    if now.agent == wish.agent:
        return []
    return [Difference("%s is %s, the plan has %s." % (now.id, now.agent, wish.agent),
                       "pcs resource delete %s; then %s" % (now.id, pcs.line(pcs.create_words(wish))))]


def _parameters(wish, now, kind):
    found = []
    wishes = dict(wish.parameters)
    for name, value in wish.parameters:
        if name == "pcmk_host_check":
            continue
        have = now.parameters.get(name)
        if have != value:
            found.append(Difference("%s of %s is %s, the plan has %s." % (
                name, now.id, "not set" if have is None else _shown(name, have), _shown(name, value)),
                pcs.line((kind, "update", now.id, "%s=%s" % (name, value)))))
    for name in sorted(set(now.parameters).difference(wishes)):
        if kind == "resource":
            found.append(Difference("%s of %s is %s, the plan does not have it." % (
                name, now.id, _shown(name, now.parameters[name])), pcs.line((kind, "update", now.id, name + "="))))
    return found


def _shown(name, value):
    # Wider than what a plan may not hold: what is shown by mistake cannot be taken back.
    return "(secret)" if is_secret(name) or "pass" in name.lower() else "'%s'" % value


def _operations(wish, now, kind):
    """Timeouts and intervals; a recurring operation is identified by its name, its role and its check level."""
    found = []
    have = [(one.name, seconds(one.interval or "") or 0, one.role, seconds(one.timeout or ""))
            for one in now.operations]
    for one in wish.operations:
        words = " ".join(pcs.operation_words(one))
        command = pcs.line((kind, "update", now.id, "op") + tuple(pcs.operation_words(one)))
        alike = [other for other in have if other[0] == one.name and (other[2] or "Started") == (one.role or "Started")]
        same = [other for other in alike if other[1] == one.interval]
        if same and same[0][3] == one.timeout:
            continue
        if same:
            have_it = "not set (20 s)" if same[0][3] is None else "%g s" % same[0][3]
            found.append(Difference("The timeout of %s of %s is %s, the plan has %d s." % (
                _named(one), now.id, have_it, one.timeout), command))
        elif len(alike) == 1 and one.name == "monitor" and not one.level:
            found.append(Difference("The interval of %s of %s is %g s, the plan has %d s." % (
                _named(one), now.id, alike[0][1], one.interval), command))
        else:
            if one.name == "monitor" and any(other[0] == "monitor" for other in have):
                # `update` would replace another monitor (pcs 0.11.5 and 0.12.0).
                command = pcs.line((kind, "op", "add", now.id) + tuple(pcs.operation_words(one)))
            found.append(Difference("%s has no operation '%s'." % (now.id, words), command))
    return found


def _named(operation):
    return operation.name + (" (%s)" % operation.role if operation.role else "") + (
        " (level %d)" % operation.level if operation.level else "")


def _around(wish, now, cluster):
    """Clone and group."""
    cloned = now.parent in cluster.clones
    group = cluster.groups.get(now.id)
    found = []
    if wish.clone is None and cloned:
        found.append(Difference("%s is a clone, the plan has one instance in the whole cluster." % now.id,
                                "pcs resource unclone " + now.id))
    if wish.clone is not None and not cloned:
        kind = "promotable" if ("promotable", "true") in wish.clone else "clone"
        found.append(Difference("%s is not a clone, so it runs on one node only." % now.id, "pcs resource %s %s %s" % (
            kind, now.id, " ".join("%s=%s" % pair for pair in wish.clone if pair[0] != "promotable"))))
    if wish.clone is not None and cloned:
        for name, value in wish.clone:
            have = now.parent_meta.get(name, now.parent_meta.get({"promoted-max": "master-max"}.get(name)))
            if have != value:
                found.append(Difference("%s of %s is %s, the plan has %s." % (
                    name, now.parent, "not set" if have is None else "'%s'" % have, "'%s'" % value),
                    "pcs resource meta %s %s=%s" % (now.parent, name, value)))
    if wish.group is not None and group is None:
        found.append(Difference("%s is in no group, the plan has it in %s." % (now.id, wish.group),
                                "pcs resource group add %s %s" % (wish.group, now.id)))
    return found


# -- constraints

def _constraints(want, cluster, here, version):
    tops = {one.top: here[one.id].top for one in want.resources if one.id in here}
    have_with, have_order = set(cluster.colocations()), set(cluster.orders())
    for one in want.colocations:
        mine = one._replace(resource=tops.get(one.resource), other=tops.get(one.other))
        if mine.resource and mine.other and (mine.resource, mine.other) not in have_with:
            yield Difference("%s is not colocated with %s. %s" % (mine.resource, mine.other, one.why),
                             pcs.line(pcs.colocation_words(mine)))
    for one in want.orders:
        mine = one._replace(first=tops.get(one.first), then=tops.get(one.then))
        if mine.first and mine.then and (one.first_action, mine.first, one.then_action, mine.then) not in have_order:
            yield Difference("There is no order between %s of %s and %s of %s. %s" % (
                one.first_action, mine.first, one.then_action, mine.then, one.why), pcs.line(pcs.order_words(mine)))
    yield from _places(want, cluster, here, version)


def _places(want, cluster, here, version):
    """Nodes where a resource may run in the cluster and not in the plan, and the other way round."""
    seen = set()
    wishes = {one.resource: one for one in want.locations}
    for wish in want.resources:
        now = here.get(wish.id)
        if now is None or wish.top in seen:
            continue
        seen.add(wish.top)
        top = now.top
        together = [one for one in want.resources if one.top == wish.top]
        for node in want.nodes:
            if node not in cluster.nodes:
                continue
            may = cluster.placement.allowed((now.id, top), node)
            should = all(node in one.nodes for one in together)
            if may is None or may == should:
                continue
            if should:
                text = "%s may not run on %s; in the plan it runs there." % (top, node)
                command = ("pcs resource clear %s" if cluster.was_moved(top)
                           else "pcs constraint location config resources %s") % top
            else:
                text = "%s may run on %s; in the plan it does not run there." % (top, node)
                steps = pcs.location_steps(wishes[wish.top]._replace(resource=top), version)
                command = pcs.line(next(steps).words)
            yield Difference(text, command)


def _more_than_wanted(want, cluster, here):
    meant = {one.id for one in here.values()}
    for one in cluster.resources:
        if one.id not in meant and not one.agent.startswith("stonith:"):
            yield Difference("%s (%s) is in the cluster and not in the plan." % (one.id, one.agent), None)


# -- HAProxy

def _haproxy(plan, proxies):
    """Listeners and their servers; a server is named after its node."""
    have = {one.name: {server.name for server in one.servers} for one in proxies}
    command = "quorate plan haproxy FILE >/etc/haproxy/haproxy.cfg; systemctl reload haproxy"
    for service in plan.services:
        if not BY_NAME[service.name].proxied:
            continue
        if service.name not in have:
            yield Difference("HAProxy on this node has no listener %s." % service.name, command)
            continue
        for node in service.nodes:
            if node not in have[service.name]:
                yield Difference("HAProxy on this node has no server %s behind %s." % (node, service.name), command)
        for node in sorted(have[service.name].difference(service.nodes)):
            yield Difference("HAProxy on this node has %s behind %s, the plan does not." % (node, service.name),
                             command)
