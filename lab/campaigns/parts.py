# SPDX-License-Identifier: Apache-2.0
"""A campaign in parts: after a number of faults the lab is made anew and the cluster gets the next configuration, so
that one campaign meets what several sites have.
"""

import os

from lab.campaigns import campaign


class Campaign(campaign.Campaign):
    """A campaign whose subclasses make the cluster of each part. A subclass sets `usual`, the name of the configuration
    that is not worth a word, and `each`, how many faults a part has."""

    usual, each = "plain", 25

    def __init__(self, lab, seed, say, output):
        campaign.Campaign.__init__(self, lab, seed, say, output)
        self._part, self._chosen = None, None

    # What subclasses implement

    @staticmethod
    def configurations(words, seed, count, suite):
        """The configurations of `count` parts, a list. words: of --configuration. LabError if one is not known."""
        raise NotImplementedError

    def make(self, configuration):
        """Make the cluster in a lab that is up, and wait until it is whole."""
        raise NotImplementedError

    def begin_part(self, place):
        """Start the clients, and what watches the cluster. place: a directory for what they write."""
        raise NotImplementedError

    def end_part(self):
        """End them, and count what they did."""
        raise NotImplementedError

    # What they share

    @classmethod
    def add_options(cls, parser):
        parser.add_argument("--configuration", default=cls.usual, help="names with '+' between them, or 'seed': the "
                            "seed chooses (default: %s)" % cls.usual)
        parser.add_argument("--each", type=int, default=cls.each, help="faults, after which a cluster with the next "
                            "configuration is made, when the seed chooses them")

    @staticmethod
    def set_up(lab, say):
        """Nothing: each part of the campaign makes its cluster."""

    def start(self):
        """Nothing: as above."""

    @property
    def configuration(self):
        """That of the part that runs; None on a cluster that was there before."""
        return self._chosen[self._part] if self._chosen else None

    def before(self, number, options):
        part = (number - 1) // options.each if options.configuration.startswith("seed") else 0
        if part == self._part:
            return
        if self._chosen is None and not options.here:
            self._chosen = self.configurations(options.configuration, options.seed, -(-options.faults // options.each),
                                               options.suite)
        if self._part is not None:
            self.end_part()
            self.lab.destroy()
            self.lab.up(options.suite, deb=options.deb, say=self.say)
        self._part = part
        if self.configuration is not None:
            self.say("configuration %s" % self.configuration.name)
            self.make(self.configuration)
        place = os.path.join(self.output, "part-%d" % (part + 1))
        os.makedirs(place, exist_ok=True)
        self.begin_part(place)

    def named(self, what):
        """What was done to whom, with the configuration that it was done to."""
        name = self.configuration.name if self.configuration else self.usual
        return what if name == self.usual else "%s [%s]" % (what, name)
