# SPDX-License-Identifier: Apache-2.0
"""validate-all: parameters that are wrong on every node (level 0), and problems to come on this node (level 10)."""

from quorate.errors import Unreadable
from quorate.galera.facts import SOCKET_UNITS
from quorate.ocf.codes import Failed


def errors(context):
    """Sentences about parameters that are wrong on every node. Reads nothing of this machine."""
    from quorate.galera.actions.participant import addresses
    try:
        found = addresses(context.parameters)
    except Failed as failed:
        return [failed.reason]
    problems = []
    if context.parameters.two_node_mode and len(found) != 2:
        problems.append("two_node_mode is for two nodes, but wsrep_cluster_address names %d." % len(found))
    for word in (context.parameters.additional_parameters or "").split():
        if not word.startswith("--"):
            problems.append("additional_parameters: '%s' is not a server option; write --name=value." % word)
    return problems


def warnings(context):
    """Sentences about what works now and will cause problems later, each with its remedy."""
    from quorate.galera.server.layout import find_layout, layout_problems
    try:
        layout = find_layout(context)
    except Failed as failed:
        return [failed.reason]
    found = layout_problems(layout)
    if layout.flush != "1":
        found.append("innodb_flush_log_at_trx_commit is %s: a power cut of all nodes loses acknowledged commits. Set "
                     "it to 1." % layout.flush)
    if layout.wsrep_on not in ("TRUE", "ON", "1") or layout.provider in (None, "none"):
        found.append("wsrep_on or wsrep_provider is not set in the server's configuration, so it would run without "
                     "Galera.")
    found += _account(context, layout) + _enabled_units(context) + _cluster(context)
    return found


def _account(context, layout):
    """Whether the monitor's account may read who the members are. [] when no server answers."""
    from quorate.galera.server import credentials, observe, sql
    from quorate.host.state_files import StateFiles
    try:
        settings = credentials.for_agent(context.parameters, layout.socket)
    except Unreadable as error:
        return [error.reason]
    limit = context.parameters.check_timeout
    if not sql.ask(settings, context.deadline.limit(limit)).answered:
        return []
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


def _cluster(context):
    """Problems with the cluster's own settings. [] when there is no cluster to ask."""
    from quorate.galera.actions.participant import addresses
    from quorate.pacemaker import cib, crm_mon
    from quorate.pacemaker.tools import Unavailable
    found = []
    try:
        if cib.stonith_enabled(context.commands, context.deadline) is False:
            found.append("Fencing is off, so a node that does not stop can corrupt data: pcs property set "
                         "stonith-enabled=true")
        known = {node.name for node in crm_mon.status(context.commands, context.deadline).nodes}
    except Unavailable:
        return found
    for name in addresses(context.parameters):
        if name not in known:
            found.append("%s of wsrep_cluster_address is not a node of the cluster, so it would be waited for in vain: "
                         "map it in cluster_host_map, or name it in arbitrators." % name)
    wanted = context.meta("promoted_max")
    if wanted and wanted.isdigit() and int(wanted) < len(addresses(context.parameters)):
        found.append("promoted-max is %s, so only that many of the %d database nodes will run." % (
            wanted, len(addresses(context.parameters))))
    return found
