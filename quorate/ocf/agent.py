# SPDX-License-Identifier: Apache-2.0
"""An agent, and its entry point: run_agent."""

import os
import sys
from collections import namedtuple

from quorate.host.clock import Clock, Deadline
from quorate.ocf import codes
from quorate.ocf.codes import Failed, Outcome
from quorate.ocf.context import Context, action_seconds, instance, is_probe, run_interactively
from quorate.ocf.declaration import Action, read_all
from quorate.ocf.log import Log, to_stderr

# These must succeed even with invalid parameters, for which the default is used.
LENIENT = frozenset(("stop", "demote", "notify"))
# Provided here, so an agent needs no handler for them.
BUILT_IN = (Action("validate-all", 20), Action("meta-data", 5))
REASON_MOST = 500  # characters of an exit reason, which is stored in the cluster's configuration


class Agent(namedtuple("Agent", "name shortdesc longdesc parameters actions handlers")):
    """The declaration of an agent.

    parameters  tuple of Parameter
    actions     tuple of Action; meta-data and validate-all are added when not declared
    handlers    action name -> callable(Context) -> Outcome. validate-all may have one, which is called once all
                parameters are known to be well-formed.
    """

    __slots__ = ()

    def advertised(self):
        """All actions, with those that every agent has."""
        declared = {action.name for action in self.actions}
        return tuple(self.actions) + tuple(action for action in BUILT_IN if action.name not in declared)


class _Terminated(BaseException):
    """SIGTERM has arrived. Not an Exception, so that no handler takes it for an error of the service."""


def run_agent(agent, argv, environ):
    """Run the action that `argv` asks for and return the exit code. Raises nothing."""
    _have_standard_streams()
    name = argv[1] if len(argv) > 1 else ""
    if name == "meta-data":
        from quorate.ocf.metadata import metadata
        return _print(metadata(agent))
    if name in ("usage", "help", "-h", "--help"):
        return _print(usage(agent))
    if name not in {action.name for action in agent.advertised()}:
        to_stderr(usage(agent))
        return _leave(Outcome(codes.ERR_UNIMPLEMENTED, "%s has no action '%s'." % (agent.name, name)), environ, Log())
    log = _log(agent, name, environ)
    try:
        code, reason = _perform(agent, name, environ, log)
        outcome = Outcome(int(code), reason)
    except KeyboardInterrupt:
        outcome = Outcome(codes.ERR_GENERIC, "%s was interrupted; its result is unknown." % name)
    except BaseException as error:  # in any case the operator gets a reason and Pacemaker a code
        outcome = _unexpected(agent, name, error, log)
    return _leave(_as_pacemaker_wants(name, environ, outcome, log), environ, log)


def _perform(agent, name, environ, log):
    """Read the parameters and call the handler."""
    # Pacemaker's umask is 027, and files in /run are read by services that are not root: seen as a drain that the check
    # never noticed.
    os.umask(0o022)
    from quorate.host.command import Commands
    from quorate.host.process import Processes
    clock = Clock()
    values, problems = read_all(agent.parameters, environ)
    for problem in problems:
        (log.warning if name in LENIENT else log.error)(problem)
    if problems and name not in LENIENT:
        more = " (And %d more, see the log.)" % (len(problems) - 1) if len(problems) > 1 else ""
        return Outcome(codes.ERR_CONFIGURED, problems[0] + more)
    if name == "validate-all":
        from quorate.ocf.advice import advice
        for warning in advice(agent, environ):
            log.warning(warning)
    context = Context(
        parameters=values, action=name, environ=environ, log=log,
        commands=Commands(environ, log.debug if log.tracer else None), processes=Processes(), clock=clock,
        deadline=Deadline(clock, action_seconds(environ.get("OCF_RESKEY_CRM_meta_timeout"))),
        interactive=log.interactive)
    if name != "monitor":
        _end_on_sigterm()
    handler = agent.handlers.get(name)
    return Outcome(codes.SUCCESS) if handler is None else handler(context)


def _as_pacemaker_wants(name, environ, outcome, log):
    """Replace codes that Pacemaker must not get from this action."""
    if outcome.code in (codes.ERR_ARGS, codes.ERR_INSTALLED) and is_probe(name, environ):
        # Not usable here, so it does not run here. Pacemaker concludes the same, but not inside a bundle.
        log.say("%s Therefore it does not run here." % (outcome.reason or "Not usable on this machine."))
        return Outcome(codes.NOT_RUNNING)
    if name == "stop" and outcome.code == codes.NOT_RUNNING:
        return Outcome(codes.SUCCESS)
    if name == "notify" and outcome.code != codes.SUCCESS:
        log.warning("notify: %s" % (outcome.reason or "failed"))
        return Outcome(codes.SUCCESS)
    return outcome


def _unexpected(agent, name, error, log):
    """The Outcome of an exception that no handler caught. Some carry a reason for the operator; others are bugs."""
    reason = getattr(error, "reason", None)
    code = getattr(error, "code", codes.ERR_GENERIC)
    if isinstance(error, Failed) or (isinstance(error, Exception) and isinstance(reason, str)
                                     and type(error).__module__.startswith("quorate.")):
        return Outcome(code if isinstance(code, int) else codes.ERR_GENERIC, reason)
    if isinstance(error, _Terminated):
        return Outcome(codes.ERR_GENERIC, "%s was ended by SIGTERM before it was complete; run it again." % name)
    import traceback
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    log.traceback(text)
    last = str(error).strip().splitlines()
    return Outcome(codes.ERR_GENERIC,
                   "%s %s failed unexpectedly (%s%s); the details are in the system log, please report them."
                   % (agent.name, name, type(error).__name__, ": " + last[0] if last else ""))


def _log(agent, name, environ):
    """The Log of this run: where it writes depends on who runs the agent."""
    terminal = _is_terminal(sys.stderr)
    interactive = run_interactively(environ, terminal)
    secrets = [environ.get("OCF_RESKEY_" + parameter.name) for parameter in agent.parameters if parameter.secret]
    tracer, echo = None, True
    if (environ.get("OCF_RESKEY_trace_ra") or environ.get("OCF_TRACE_RA") or "0") not in ("0", "no", "false"):
        from quorate.ocf.trace import on_stderr, tracer_for
        tracer = tracer_for(agent.name, name, environ)
        echo = tracer is not on_stderr
    # pcs shows the stderr of validate-all to the administrator as it is: it gets problems only, no narration.
    narrate = interactive and (terminal or name != "validate-all")
    return Log("%s(%s)" % (agent.name, instance(environ)), environ, interactive=interactive, narrate=narrate,
               secrets=secrets, tracer=tracer, echo=echo)


def _is_terminal(stream):
    try:
        return stream.isatty()
    except ValueError:
        return False  # closed


def _leave(outcome, environ, log):
    """Write the reason to stderr, in the form that Pacemaker expects, and return the code."""
    code, reason = outcome
    if reason:
        reason = " ".join(log.clean(reason).split())
        if len(reason) > REASON_MOST:
            reason = reason[:REASON_MOST - 3] + "..."
        to_stderr("%s%s\n" % (environ.get("OCF_EXIT_REASON_PREFIX") or "ocf-exit-reason:", reason))
    log.say("Result: %d (%s)." % (code, codes.NAMES.get(code, "unknown code")))
    return code


def usage(agent):
    """The text for `usage` and `help`."""
    names = []
    for action in agent.advertised():
        if action.name not in names:
            names.append(action.name)
    return "usage: %s {%s}\n\nAn OCF resource agent, run by the cluster. For its parameters, type: %s meta-data\n" % (
        agent.name, "|".join(names), agent.name)


def _have_standard_streams():
    """Open 0, 1 and 2 where the caller has closed them: a file opened later must not become our stdout."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # opens the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")


def _print(text):
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        sys.stdout = open("/dev/null", "w")  # nobody reads: no reason to fail, now or when Python ends
    return codes.SUCCESS


def _end_on_sigterm():
    """From now on SIGTERM unwinds the stack: running commands are killed, and the exit has a reason.

    Not for a monitor: it has nothing to undo, and the import costs milliseconds.
    """
    import signal

    def end(_number, _frame):
        raise _Terminated()

    try:
        signal.signal(signal.SIGTERM, end)
    except ValueError:
        pass  # not the main thread: a test
