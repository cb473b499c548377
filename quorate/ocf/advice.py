# SPDX-License-Identifier: Apache-2.0
"""What can be said about parameters and a machine that are not wrong. For validate-all; no other action spends time on it."""

# Set by the cluster or its tools for every agent: they are nobody's parameters.
_NOT_OURS = ("CRM_meta_", "crm_feature_set", "trace_ra", "trace_file", "__")
_PREFIX = "OCF_RESKEY_"


def advice(agent, environ):
    """Sentences about parameters that are set and deprecated, or that this agent does not have."""
    known = {parameter.name: parameter for parameter in agent.parameters}
    for variable in sorted(environ):
        if not variable.startswith(_PREFIX) or variable[len(_PREFIX):].startswith(_NOT_OURS):
            continue
        name = variable[len(_PREFIX):]
        if name not in known:
            yield "Parameter %s is not known to %s and has no effect%s" % (name, agent.name, _meant(name, known))
        elif known[name].deprecated is not None:
            instead = " and ".join(known[name].deprecated)
            yield "Parameter %s is deprecated%s." % (name, "; use %s instead" % instead if instead else "")


def warn(context, sentences):
    """Tell them to whoever validates: the log has them, and pcs shows what an agent writes to stderr."""
    from quorate.ocf.log import to_stderr
    for sentence in sentences:
        context.log.warning(sentence)
        if not context.interactive:  # then the log goes there
            to_stderr("WARNING: %s\n" % sentence)


def _meant(name, known):
    import difflib
    close = difflib.get_close_matches(name, list(known), 1)
    return "; did you mean %s?" % close[0] if close else "."
