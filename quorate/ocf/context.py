# SPDX-License-Identifier: Apache-2.0
"""What an action knows about itself: its parameters, who called it, how long it may take, and its access to the
machine.

Pacemaker kills the whole process group with SIGKILL at the timeout, and what the agent had to report is lost. An action
therefore ends a little earlier by itself, with a reason.
"""

DEFAULT_TIMEOUT = 20.0  # seconds; Pacemaker's own default for an operation
RESERVE_SHARE = 0.1     # share of the timeout that is kept for ending and giving a reason ...
RESERVE_MOST = 5.0      # ... but never more seconds than this
META = "OCF_RESKEY_CRM_meta_"
UNDER_CLUSTER = ("pacemaker-execd", "pacemaker-remoted", "pacemaker_remoted", "pacemakerd")


class Context:
    """What the handler of an action receives.

    parameters   typed values, an attribute each
    action       'start', 'monitor', ...
    instance     id of the resource without the ':N' of a clone; 'default' when an operator names none
    interval     seconds; 0.0 for a probe and for everything that does not recur
    is_probe     a monitor that does not recur: is the service active here, although nobody may have started it?
    check_level  0, 10 or 20
    deadline     the Deadline of the action
    node         name of the node that this instance's attributes belong to, as the environment tells it, else None:
                 quorate.pacemaker.tools.this_node(context) then asks the cluster. Never the host name of the machine;
                 in a bundle the host, if the operator said container-attribute-target=host
    interactive  an operator runs this, not the cluster
    log, commands, processes, clock, environ
    """

    def __init__(self, parameters, action, environ, log, commands, processes, clock, deadline, interactive=False):
        self.parameters = parameters
        self.action = action
        self.environ = environ
        self.log = log
        self.commands = commands
        self.processes = processes
        self.clock = clock
        self.deadline = deadline
        self.interactive = interactive
        self.instance = instance(environ)
        self.interval = interval(environ)
        self.is_probe = is_probe(action, environ)
        self.check_level = check_level(environ.get("OCF_CHECK_LEVEL"))
        self.node = node_from_environment(environ)

    def meta(self, name, default=None):
        """A meta attribute of the resource or operation, such as 'notify_type' or 'promoted_max'; None if not sent."""
        return self.environ.get(META + name, default)


def instance(environ):
    """The resource's id without the number of a clone's instance."""
    return (environ.get("OCF_RESOURCE_INSTANCE") or "default").partition(":")[0]


def interval(environ):
    """Seconds between two runs of this operation; 0.0 when it does not recur (Pacemaker then sends none)."""
    return number(environ.get(META + "interval")) / 1000.0


def is_probe(action, environ):
    """Whether this asks if the service is active here, although nobody may have started it."""
    return action == "monitor" and interval(environ) == 0


def number(text):
    """A whole number from the environment; 0 when there is none."""
    return int(text) if text and text.isascii() and text.isdigit() else 0


def check_level(text):
    """The level 0, 10 or 20. A number in between means the next lower one, none means 0 (OCF 1.1, 'Check Levels')."""
    level = number(text)
    return 20 if level >= 20 else 10 if level >= 10 else 0


def node_from_environment(environ):
    """The node's name as the cluster sent it, or None. The order is that of Pacemaker's own tools."""
    return host_of_bundle(environ) or environ.get(META + "on_node") or None


def host_of_bundle(environ):
    """The host that this instance's attributes belong to, in a bundle with container-attribute-target=host; else
    None."""
    if environ.get(META + "container_attribute_target") == "host":
        return environ.get(META + "physical_host") or None
    return None


def run_interactively(environ, terminal):
    """Whether an operator runs the agent: at a terminal, or with crm_resource or pcs.

    Pacemaker names the running program in PCMK_service. Where it does not, only a resource operation of the cluster
    carries the name of the node.
    """
    service = environ.get("PCMK_service")
    if service:
        return service not in UNDER_CLUSTER
    return terminal or not environ.get(META + "on_node")


def action_seconds(timeout_ms):
    """Seconds that an action may use, from OCF_RESKEY_CRM_meta_timeout (milliseconds as text; the default when it is
    missing or invalid)."""
    try:
        timeout = int(timeout_ms) / 1000.0
    except (TypeError, ValueError):
        timeout = 0.0
    if timeout <= 0:
        timeout = DEFAULT_TIMEOUT
    return timeout - min(RESERVE_MOST, timeout * RESERVE_SHARE)
