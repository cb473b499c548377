# SPDX-License-Identifier: Apache-2.0
"""What an agent declares: its parameters and its actions; and the values of the parameters, read from the environment.

Pacemaker hands parameters over as OCF_RESKEY_<name> and exports no defaults: what is not set is not there.
A value that is set but empty counts as not set.
"""

from collections import namedtuple

KINDS = ("string", "integer", "boolean", "seconds", "select")

# TRUE is what ocf_is_true of resource-agents accepts, FALSE the opposites. Anything else is refused and not guessed.
TRUE = frozenset(("yes", "true", "1", "on", "ja", "YES", "TRUE", "True", "ON", "Yes", "On"))
FALSE = frozenset(("no", "false", "0", "off", "nein", "NO", "FALSE", "False", "OFF", "No", "Off"))

_UNITS = {
    "": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "msec": 0.001, "us": 0.000001, "usec": 0.000001,
    "m": 60.0, "min": 60.0, "h": 3600.0, "hr": 3600.0,
}  # the units of Pacemaker's own time values


class Invalid(Exception):
    """A value that is invalid on every machine. The text is a sentence for the operator."""


class Parameter(namedtuple(
        "Parameter",
        "name kind default shortdesc longdesc required unique_group reloadable options secret minimum deprecated",
        defaults=("", None, False, None, False, (), False, None, None))):
    """One <parameter> element of the meta-data.

    kind          'string', 'integer', 'boolean', 'seconds' (30, 30s, 5min, 500ms) or 'select' (one of `options`)
    default       as text, the way an operator would write it; None: no default
    required      must be set by the operator; then there is no default
    unique_group  two resources of this agent may not have the same values for all parameters of the group
    reloadable    a change takes effect by reload-agent, without a restart
    secret        never shown in a log, an exit reason or a trace
    minimum       the smallest valid integer or number of seconds
    deprecated    None, or a tuple of the names that replace it (may be empty)
    """

    __slots__ = ()

    def read(self, text):
        """The typed value of `text`: str, int, bool, or float for seconds. Raises Invalid."""
        return _READERS[self.kind](self, text)

    def default_value(self):
        """The typed default, None when there is none."""
        return None if self.default is None else self.read(self.default)

    def shown(self, text):
        """The value as a message may show it: no secret, at most 60 characters."""
        if self.secret:
            return "(secret)"
        return "'%s'" % (text if len(text) <= 60 else text[:57] + "...")


class Action(namedtuple("Action", "name timeout interval depth role", defaults=(None, None, None))):
    """One <action> element of the meta-data.

    name      'start', 'stop', 'monitor', ...; several monitors may be declared, one for each role or depth.
    timeout   seconds, advised. pcs copies it into the cluster configuration, where it becomes the real timeout.
    interval  seconds, or None. Two monitors need different ones: an operation is identified by name and interval.
    depth     check level: 0, 10 or 20, or None.
    role      'Promoted', 'Unpromoted' or 'Started' (OCF 1.1 names), or None.
    """

    __slots__ = ()


class Values:
    """The typed value of each parameter, as an attribute of its name. None: not set, and there is no default."""

    def __init__(self, values):
        self.__dict__.update(values)

    def __repr__(self):
        return "Values(%s)" % ", ".join(sorted(self.__dict__))  # names only: a value may be a secret


def read_all(parameters, environ):
    """Read every parameter from the environment.

    Returns (Values, problems): `problems` is a list of sentences, one for each invalid or missing value, in the order
    of declaration. A parameter with a problem has its default in Values, so that a stop can continue.
    """
    values, problems = {}, []
    for parameter in parameters:
        text = environ.get("OCF_RESKEY_" + parameter.name)
        value = None
        if text:
            try:
                value = parameter.read(text)
            except Invalid as invalid:
                problems.append(str(invalid))
        elif parameter.required:
            problems.append("Parameter %s is not set and has no default; set it with 'pcs resource update %s %s=...'."
                            % (parameter.name, environ.get("OCF_RESOURCE_INSTANCE") or "RESOURCE", parameter.name))
        values[parameter.name] = parameter.default_value() if value is None else value
    return Values(values), problems


# The reader of each kind: (parameter, text) to the typed value. Raises Invalid.

def _string(parameter, text):
    if "\0" in text or "\n" in text:
        raise Invalid("Parameter %s: the value must be a single line." % parameter.name)
    return text


def _integer(parameter, text):
    digits = text.strip()
    number = digits[1:] if digits[:1] in ("-", "+") else digits
    if not (number.isdigit() and number.isascii()):
        raise Invalid("Parameter %s: %s is not a whole number." % (parameter.name, parameter.shown(text)))
    return _at_least(parameter, int(digits), text)


def _boolean(parameter, text):
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise Invalid("Parameter %s: %s is neither true nor false; write 'true' or 'false'."
                  % (parameter.name, parameter.shown(text)))


def _seconds(parameter, text):
    value = seconds(text)
    if value is None:
        raise Invalid("Parameter %s: %s is not a time; write for example '30s', '5min' or '500ms'."
                      % (parameter.name, parameter.shown(text)))
    return _at_least(parameter, value, text)


def seconds(text):
    """A time as an operator or the cluster's configuration writes it ('30s', '5min', '500ms', '100'), in seconds; None
    for what is none."""
    value = text.strip()
    unit = value.lstrip("0123456789.")
    number = value[:len(value) - len(unit)]
    factor = _UNITS.get(unit.strip().lower())
    return float(number) * factor if factor is not None and number.replace(".", "", 1).isdigit() else None


def _select(parameter, text):
    if text not in parameter.options:
        raise Invalid("Parameter %s: %s is not one of %s."
                      % (parameter.name, parameter.shown(text), ", ".join(parameter.options)))
    return text


def _at_least(parameter, value, text):
    if parameter.minimum is not None and value < parameter.minimum:
        unit = " seconds" if parameter.kind == "seconds" else ""
        raise Invalid("Parameter %s: %s is too small; at least %g%s is needed."
                      % (parameter.name, parameter.shown(text), parameter.minimum, unit))
    return value


_READERS = {"string": _string, "integer": _integer, "boolean": _boolean, "seconds": _seconds, "select": _select}
