# SPDX-License-Identifier: Apache-2.0
"""Warnings about parameters that are valid. Only validate-all spends time on them."""

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
    """Log warnings, and write them to stderr, since pcs shows what validate-all writes there."""
    from quorate.ocf.log import to_stderr
    for warning in warnings:
        context.log.warning(warning)
        if not context.interactive:  # else the log is written to stderr
            to_stderr("WARNING: %s\n" % warning)


def _suggestion(name, known):
    import difflib
    close = difflib.get_close_matches(name, list(known), 1)
    return "; did you mean %s?" % close[0] if close else "."
