# SPDX-License-Identifier: Apache-2.0
"""What systemd gives the broker: variables of its unit and of drop-ins, which a broker that the cluster launches does
not have.

Where they say another name or place of the data, a node whose data are there would be taken for one without any. They
matter only where nothing was found: a broker that runs shows its own environment, and data that are used are used.
"""

from quorate.errors import Unreadable
from quorate.host.system.units import Units
from quorate.rabbitmq.broker.settings import variables

UNIT = "rabbitmq-server"
#: Variables that say whose data, and where.
PLACE = ("NODENAME", "USE_LONGNAME", "MNESIA_BASE", "MNESIA_DIR", "CONF_ENV_FILE")
SECONDS = 10  # for systemd to answer
MOST = 262144  # characters of one file


def contradiction(context, layout, units=None):
    """A message where the unit's variables say another name or data directory than those of the Layout; None: they do
    not, or there is no unit. Raises Unreadable where that cannot be found out."""
    from quorate.rabbitmq.broker.settings.places import Wanted, places
    units, parameters = units or Units(context.commands), context.parameters
    unit = units.find([UNIT])
    if unit is None or not units.managed():
        return None
    environ = _environment(context, unit)
    named = [name for name in environ if name.removeprefix(variables.PREFIX) in PLACE]
    if not named:
        return None
    try:
        found = places(Wanted(parameters.nodename, parameters.datadir, parameters.config), environ)
        if (found.nodename, found.directory) == (layout.nodename, layout.directory):
            return None
    except Unreadable:
        pass  # what the unit says cannot be followed, and was not
    return "%s sets %s, for systemd only: write that into %s (systemctl cat %s)" % (
        unit.name, ", ".join(named), variables.ENV, UNIT)


def _environment(context, unit):
    """The variables that systemd gives to a unit, as a dict. Raises Unreadable."""
    result = context.commands.run(("systemctl", "show", "--property=Environment,EnvironmentFiles", "--", unit.name),
                                  context.deadline.limit(SECONDS))
    if not result.ok:
        raise Unreadable("systemd does not say which variables %s has: systemctl show -p Environment %s" % (
            unit.name, unit.name))
    found = {}
    lines = [line.partition("=") for line in result.out.splitlines()]
    for text in [value for name, _, value in lines if name == "Environment"]:
        found.update(_assignments(_words(text, unit)))
    for path in [value.rpartition(" (")[0] for name, _, value in lines if name == "EnvironmentFiles"]:
        found.update(_of_file(path))
    return found


def _words(text, unit):
    """systemctl quotes a word as for a shell where it has to."""
    import shlex
    try:
        return shlex.split(text)
    except ValueError:
        raise Unreadable("What systemd says of %s is not understood: systemctl show -p Environment %s" % (
            unit.name, unit.name)) from None


def _of_file(pattern):
    """The variables of an EnvironmentFile= (systemd.exec(5)), a path that may have wildcards."""
    import glob
    import shlex
    found = {}
    for path in sorted(glob.glob(pattern)):
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read(MOST).replace("\\\n", " ").splitlines()
        except OSError as error:
            raise Unreadable("The file %s of %s.service cannot be read: %s." % (path, UNIT, error.strerror)) from None
        for line in lines:
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith(("#", ";")):
                value = value.strip()
                try:
                    found[name.strip()] = "".join(shlex.split(value)) if value[:1] in ("'", '"') else value
                except ValueError:
                    found[name.strip()] = value
    return found


def _assignments(words):
    return [word.partition("=")[::2] for word in words if "=" in word]
