# SPDX-License-Identifier: Apache-2.0
"""validate-all: parameters that are wrong on every node (level 0), and problems to come on this node (level 10)."""

import os

from quorate.errors import Unreadable
from quorate.galera.facts import SOCKET_UNITS
from quorate.ocf.codes import Failed


def errors(context):
    """Sentences about parameters that are wrong on every node. Reads nothing of this machine."""
    from quorate.galera.actions.participant import addresses
    from quorate.galera.server.settings import options
    from quorate.galera.server.settings.address import Misunderstood, cluster_address
    parameters = context.parameters
    try:
        found = addresses(parameters)
        more = options.additional(parameters)
        given = [word.partition("=")[2] for word in more.rest if options.name_of(word) == "wsrep-provider-options"]
        query = cluster_address(parameters.wsrep_cluster_address)[1]
        galera = options.provider(given[-1] if given else None, query, None)
    except Failed as failed:
        return [failed.reason]
    except Misunderstood as error:
        return [error.reason]
    problems = options.proof_problems(galera)
    if parameters.two_node_mode and len(found) != 2:
        problems.append("two_node_mode is for two nodes, but wsrep_cluster_address names %d." % len(found))
    return problems


def warnings(context):
    """Sentences about what works now and will cause problems later, each with its remedy."""
    from quorate.galera.server.settings.layout import find_layout, layout_problems
    found = _unused(context.parameters)
    try:
        layout = find_layout(context)
    except Failed as failed:
        return [failed.reason] + found
    found += layout_problems(layout) + _group(layout)
    if layout.flush != "1":
        found.append("innodb_flush_log_at_trx_commit is %s: a power cut of all nodes loses acknowledged commits. Set "
                     "it to 1." % layout.flush)
    if layout.provider is None:
        found.append("wsrep_provider is not set in the server's configuration, so it would run without Galera.")
    if not layout.galera.recovery:
        found.append("pc.recovery is off: after a loss of all nodes the cluster waits until each of them is back, because "
                     "none knows the last primary component. Remove it.")
    if layout.sst_method in (None, "rsync") and layout.redo not in (None, os.path.normpath(layout.datadir)):
        # The donor's side of wsrep_sst_rsync of MariaDB 10.11.19 does not look for it, and the joiner ends without it.
        found.append("A state transfer by rsync does not send the redo log in %s, so no node could receive its data: set "
                     "wsrep_sst_method=mariabackup, or remove innodb_log_group_home_dir." % layout.redo)
    found += _account(context, layout) + _enabled_units(context) + _cluster(context, layout)
    return found


def _group(layout):
    import grp
    try:
        grp.getgrnam(layout.group)
    except KeyError:
        return ["There is no group %s on this node (parameter group), so files get the group of the user %s."
                % (layout.group, layout.user)]
    return []


def _unused(parameters):
    """What is named beside wsrep_cluster_address and used by no entry of it: probably misspelt."""
    from quorate.galera.server.settings.address import unused
    mapped, without_data = unused(parameters.wsrep_cluster_address, parameters.cluster_host_map, parameters.arbitrators)
    return (["cluster_host_map has %s, but wsrep_cluster_address does not name that host." % entry for entry in mapped]
            + ["arbitrators has %s, but wsrep_cluster_address does not name that host." % host for host in without_data])


def _account(context, layout):
    """Whether the monitor's account may log in, and read who the members are. [] when no server answers."""
    from quorate.galera.server import credentials, health, observe, sql
    from quorate.host.state_files import StateFiles
    try:
        settings = credentials.for_agent(context.parameters, layout.socket)
        status = sql.ask(settings, context.deadline.limit(context.parameters.check_timeout))
    except Unreadable as error:
        return [error.reason]
    if not status.answered:
        found = health.classify(status, health.Policy())
        return [found.sentence] if found.code == "refused" else []
    if observe.members(context, StateFiles("galera", context.instance)) is not None:
        return []
    return ["The account %s of the monitor cannot read mysql.wsrep_cluster_members, so running arbitrators are not "
            "recognised and the election knows less: GRANT SELECT ON mysql.wsrep_cluster_members TO '%s'@'localhost'"
            % (settings.user, settings.user)]


def _enabled_units(context):
    """Units that would start the server outside of the cluster's control."""
    found = []
    for unit in ("mariadb.service", "mysql.service", "mysqld.service"):
        result = context.commands.run(["systemctl", "is-enabled", unit], context.deadline.limit(5))
        if result.out.strip() == "enabled":
            found.append("systemd starts %s at boot, and so does the cluster: systemctl disable %s" % (unit, unit))
            break  # the others are aliases of it
    for unit in SOCKET_UNITS:
        result = context.commands.run(["systemctl", "is-enabled", unit], context.deadline.limit(5))
        if result.out.strip() == "enabled":
            found.append("systemd listens on %s in the database server's place, whose start fails then: systemctl disable "
                         "--now %s" % (unit, unit))
    return found


def _cluster(context, layout):
    """Problems with the cluster's own settings. [] when there is no cluster to ask."""
    from quorate.galera.actions.participant import addresses
    from quorate.pacemaker import cib, crm_mon, fencing
    from quorate.pacemaker.tools import Unavailable, this_node
    found = []
    try:
        fences = cib.stonith_enabled(context.commands, context.deadline)
        if fences is False:
            found.append("Fencing is off, so a node that does not stop can corrupt data: pcs property set "
                         "stonith-enabled=true")
        known = {node.name for node in crm_mon.status(context.commands, context.deadline).nodes}
        configuration = cib.configuration(context.commands, context.deadline)
        me = this_node(context)
    except Unavailable:
        return found
    found += _overlapping(context.instance, configuration)
    if fences:
        found += fencing.advice(configuration, known, "the database")
    nodes = addresses(context.parameters, layout.galera.base_port)
    for name in nodes:
        if name not in known:
            found.append("%s of wsrep_cluster_address is not a node of the cluster, so it would be waited for in vain: "
                         "map it in cluster_host_map, or name it in arbitrators." % name)
    if me in nodes and nodes[me][1] != layout.galera.listen_port:
        found.append("The server of %s listens on port %d for the others, who ask at port %d of wsrep_cluster_address: set "
                     "base_port in wsrep_provider_options, or add the port there."
                     % (me, layout.galera.listen_port, nodes[me][1]))
    wanted = context.meta("promoted_max")
    if wanted and wanted.isdigit() and int(wanted) < len(nodes):
        found.append("promoted-max is %s, so only that many of the %d database nodes will run." % (wanted, len(nodes)))
    return found


def _overlapping(instance, configuration):
    """Monitors of which two apply to one role. Seen with Pacemaker 2.1.5: at a promotion it cancels both, waits for one of
    them that had been confirmed already, and goes on 87 s later."""
    from quorate.pacemaker.cib import find
    from quorate.pacemaker.fencing import is_time
    found = []
    for resource in find(configuration.resources, instance):
        by_role = {}
        for one in resource.operations:
            if one.name == "monitor" and one.enabled and is_time(one.interval):
                # Without a role it is for instances that are not promoted.
                by_role.setdefault("Promoted" if one.role == "Promoted" else "Unpromoted", []).append(one)
        for role, monitors in sorted(by_role.items()):
            if len(monitors) > 1:
                extra = next((one for one in monitors if one.role != role), monitors[-1])
                # By its id: pcs removes by interval only what has no timeout beside it.
                found.append("Two monitors of %s apply to the role %s, and Pacemaker 2.1 was seen to wait for more than a "
                             "minute before a promotion then: pcs resource op remove %s" % (resource.id, role, extra.id))
    return found
