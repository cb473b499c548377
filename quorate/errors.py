# SPDX-License-Identifier: Apache-2.0
"""Exceptions that several packages raise and catch. Their text is for the operator: what is wrong, and what to type."""


class Usage(Exception):
    """The command line cannot be understood."""


class Refused(Exception):
    """What was asked for was not done."""


class NoSuchResource(Refused):
    """The cluster has no such resource."""


class NotLaunched(Exception):
    """A daemon cannot be started (no memory, no permission). `reason` is the text."""

    def __init__(self, reason):
        Exception.__init__(self, reason)
        self.reason = reason


class Unreadable(Exception):
    """A file of credentials cannot be used. `reason` is the text."""

    def __init__(self, reason):
        Exception.__init__(self, reason)
        self.reason = reason
