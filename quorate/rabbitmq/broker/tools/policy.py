# SPDX-License-Identifier: Apache-2.0
"""The parameter set_policy, parsed. Pure.

ocf:heartbeat:rabbitmq-cluster splits it at blanks and takes quotes literally: `ha-all ^ha {"ha-mode":"all"}` works
there, and a quoted pattern matches nothing. Here both forms work: a word that begins with a quote ends at the next one,
and a definition begins with { and ends with the last }.
"""

from collections import namedtuple

_VALUED = ("-p", "--vhost", "--priority", "--apply-to")


class Policy(namedtuple("Policy", "name pattern definition options", defaults=((),))):
    """definition: JSON text; options: tuple of arguments for rabbitmqctl, such as '-p', '/'."""

    __slots__ = ()

    def arguments(self):
        """The arguments for rabbitmqctl."""
        return ("set_policy",) + self.options + (self.name, self.pattern, self.definition)


class Unclear(Exception):
    """The parameter is no policy; the text is a message for the operator."""


def parse(text):
    """The Policy in the parameter. Raises Unclear."""
    words = split(text)
    options, names = [], []
    while words:
        word = words.pop(0)
        if word in _VALUED and words:
            options += [word, words.pop(0)]
        elif word.startswith("--") and "=" in word and word.partition("=")[0] in _VALUED:
            options.append(word)
        elif word.startswith("-") and not names:
            raise Unclear("set_policy: '%s' is no option of rabbitmqctl set_policy." % word[:40])
        else:
            names.append(word)
    if len(names) != 3:
        raise Unclear("set_policy wants a name, a pattern and a definition, such as: cq-ttl '^notifications' "
                      "'{\"message-ttl\":60000}' (found %d words)." % len(names))
    import json
    import re
    try:
        definition = json.loads(names[2])
    except ValueError as error:
        raise Unclear("set_policy: the definition %s is not JSON (%s)." % (names[2][:60], error)) from None
    if not isinstance(definition, dict) or not definition:
        raise Unclear("set_policy: the definition has to be an object, such as {\"message-ttl\":60000}.")
    try:
        re.compile(names[1])
    except re.error as error:
        raise Unclear("set_policy: the pattern '%s' is no regular expression (%s)." % (names[1][:60], error)) from None
    return Policy(names[0], names[1], names[2], tuple(options))


def split(text):
    """The words of a policy. Raises Unclear for a quote that is not closed."""
    words, rest = [], text.strip()
    while rest:
        if rest[0] in "'\"":
            end = rest.find(rest[0], 1)
            if end < 0:
                raise Unclear("set_policy: a quote is not closed in: %s" % text[:80])
            words.append(rest[1:end])
            rest = rest[end + 1:]
        elif rest[0] == "{":
            end = rest.rfind("}") + 1 or len(rest)
            words.append(rest[:end])
            rest = rest[end:]
        else:
            word = rest.split(None, 1)[0]
            words.append(word)
            rest = rest[len(word):]
        rest = rest.lstrip()
    return words


def unsupported(policy, version):
    """A message when this release of RabbitMQ (a tuple of numbers, () when unknown) does not support the policy, else
    None."""
    if version >= (4,) and '"ha-' in "".join(policy.definition.split()):
        return ("set_policy has ha-mode, which RabbitMQ %d.%d no longer supports: use quorum queues, and type: pcs "
                "resource update RESOURCE set_policy=" % (version + (0,))[:2])
    return None
