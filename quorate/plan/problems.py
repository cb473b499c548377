# SPDX-License-Identifier: Apache-2.0
"""The problems of a plan, collected while it is read: an operator gets all of them at once."""

from quorate.plan.facts import Problem, is_secret

_SECRET_FINE = ("_script", "_file")  # ends of the names of parameters that hold a path


class Problems:
    """The problems so far.

    lines   dict: path of keys (tuple) -> line, from quorate.plan.toml_lines
    found   list of Problem
    """

    def __init__(self, lines):
        self.lines, self.found = lines, []

    def add(self, path, text, remedy):
        """A problem at the key `path`, or at the nearest table above it that is in the file."""
        known = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self.lines), None)
        self.found.append(Problem(self.lines.get(known), dotted(path), text, remedy))

    def under(self, *path):
        """Whether there is a problem at or below the key `path`."""
        name = dotted(path)
        return any(one.key == name or one.key.startswith((name + ".", name + "[")) for one in self.found)

    def add_secrets(self, path, parameters, remedy):
        """A problem for each of the parameters below `path` whose value nobody should find in a file that is passed
        around. remedy: with %(name)s where it needs the parameter's name."""
        for name in sorted(parameters):
            if is_secret(name) and not name.endswith(_SECRET_FINE):
                self.add(path + (name,), "A password does not belong in a file that is passed around.", remedy
                         % {"name": name})


def dotted(path):
    """A path of keys as people write it: nodes.n1.roles[0]."""
    text = ""
    for part in path:
        text += "[%d]" % part if isinstance(part, int) else ("." if text else "") + part
    return text
