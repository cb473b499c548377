# SPDX-License-Identifier: Apache-2.0
"""The meta-data of an agent, as XML after the OCF 1.1 schema.

No DOCTYPE: the only DTD describes OCF 1.0 and rejects what 1.1 added. The text depends on the declaration alone, never
on the machine or the environment. The agent's version is that of the package; <version> is OCF's.
"""

from quorate import __version__

_TYPES = {"string": "string", "integer": "integer", "boolean": "boolean", "select": "select",
          "seconds": "string"}  # the schema has no type for a time
_TEXT = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_ATTRIBUTE = dict(_TEXT)
_ATTRIBUTE.update({ord('"'): "&quot;", ord("\n"): "&#10;", ord("\t"): "&#9;"})


def metadata(agent):
    """The document as text."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>',
             '<resource-agent%s>' % _attributes(name=agent.name, version=__version__),
             '  <version>1.1</version>',
             _described("longdesc", agent.longdesc, "  "),
             _described("shortdesc", agent.shortdesc, "  "),
             '  <parameters>']
    for parameter in agent.parameters:
        lines.extend(_parameter(parameter))
    lines.append('  </parameters>')
    lines.append('  <actions>')
    lines.extend(_action(action) for action in agent.advertised())
    lines.append('  </actions>')
    lines.append('</resource-agent>')
    return "\n".join(lines) + "\n"


def _parameter(parameter):
    yield '    <parameter%s>' % _attributes(**{
        "name": parameter.name,
        "unique-group": parameter.unique_group,
        "required": "1" if parameter.required else None,
        "reloadable": "1" if parameter.reloadable else None,
    })
    if parameter.deprecated is not None:
        yield '      <deprecated>'
        for name in parameter.deprecated:
            yield '        <replaced-with%s/>' % _attributes(name=name)
        yield '      </deprecated>'
    yield _described("longdesc", parameter.longdesc, "      ")
    yield _described("shortdesc", parameter.shortdesc, "      ")
    content = _attributes(type=_TYPES[parameter.kind], default=parameter.default)
    if parameter.kind == "select":
        yield '      <content%s>' % content
        for option in parameter.options:
            yield '        <option%s/>' % _attributes(value=option)
        yield '      </content>'
    else:
        yield '      <content%s/>' % content
    yield '    </parameter>'


def _action(action):
    return '    <action%s/>' % _attributes(
        name=action.name, timeout=duration(action.timeout), interval=duration(action.interval),
        depth=None if action.depth is None else "%d" % action.depth, role=action.role)


def duration(seconds):
    """Seconds as the tools read them ('20s'; bare numbers are deprecated); None stays None."""
    return None if seconds is None else "%gs" % seconds


def _described(element, text, indent):
    return '%s<%s lang="en">%s</%s>' % (indent, element, text.strip().translate(_TEXT), element)


def _attributes(**attributes):
    """Attributes in the given order, without those that are None."""
    return "".join(' %s="%s"' % (name, str(value).translate(_ATTRIBUTE))
                   for name, value in attributes.items() if value is not None)
