# SPDX-License-Identifier: Apache-2.0
"""What can be said about parameters and a machine that are not wrong. For validate-all; no other action spends time on
it."""

# Set by the cluster or its tools for every agent: these are no parameters of an agent.
_NOT_OURS = ("CRM_meta_", "crm_feature_set", "trace_ra", "trace_file", "__")
_PREFIX = "OCF_RESKEY_"


def advice(agent, environ):
    """Yields a warning for each parameter that is set and deprecated, or that this agent does not have."""
    known = {parameter.name: parameter for parameter in agent.parameters}
    for variable in sorted(environ):
        if not variable.startswith(_PREFIX) or variable[len(_PREFIX):].startswith(_NOT_OURS):
            continue
        name = variable[len(_PREFIX):]
        if name not in known:
            yield "Parameter %s is unknown to %s and has no effect%s" % (name, agent.name, _suggestion(name, known))
        elif known[name].deprecated is not None:
            instead = " and ".join(known[name].deprecated)
            yield "Parameter %s is deprecated%s." % (name, "; use %s instead" % instead if instead else "")


def warn(context, warnings):
    """Tell them to whoever validates: the log has them, and pcs shows what an agent writes to stderr."""
    from quorate.ocf.log import to_stderr
    for warning in warnings:
        context.log.warning(warning)
        if not context.interactive:  # then the log goes there
            to_stderr("WARNING: %s\n" % warning)


def _suggestion(name, known):
    import difflib
    close = difflib.get_close_matches(name, list(known), 1)
    return "; did you mean %s?" % close[0] if close else "."
