# SPDX-License-Identifier: Apache-2.0
"""What an agent writes down on its own node, as small files of `name value` lines in /run: gone with a reboot, as the
processes are. Each is written under another name and renamed, so an agent that is killed at any point leaves the old or the
new."""

import os

RUN = "/run/quorate"
SERVICE = "service"    # which process was started, and how many workers came up
SYMPTOMS = "symptoms"  # since when something is wrong


class Memory:
    """Notes of one resource."""

    __slots__ = ("directory",)

    def __init__(self, service, instance, run=RUN):
        name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in "%s-%s" % (service, instance))
        self.directory = os.path.join(run, name)

    def path(self, name):
        return os.path.join(self.directory, name)

    def read(self, name):
        """The lines of a note as a dict; {} when there is none."""
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                return dict(line.rstrip("\n").partition(" ")[::2] for line in file if line.strip())
        except OSError:
            return {}

    def write(self, name, values):
        """Write a note (a dict of str to str or number)."""
        os.makedirs(self.directory, 0o755, exist_ok=True)
        path = self.path(name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write("".join("%s %s\n" % item for item in sorted(values.items())))
        os.rename(path + ".new", path)

    def forget(self, name):
        try:
            os.unlink(self.path(name))
        except OSError:
            pass

    def number(self, name, key):
        """A number of a note, None when it is not there."""
        try:
            return float(self.read(name)[key])
        except (KeyError, ValueError):
            return None
