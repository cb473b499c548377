# SPDX-License-Identifier: Apache-2.0
"""RABBITMQ_* variables, as the broker has them from its environment and from rabbitmq-env.conf.

The start script sources the file, and the Erlang part of the start does so again (rabbitmq-env; rabbit_env.erl,
load_conf_env_file/1, parse_conf_env_file_output1/2, get_prefixed_env_var/2; 3.10.8 and 4.0.5, which agree):

- a variable counts with the prefix RABBITMQ_ and without it, and the prefixed one goes first; an empty one is not set;
- what the file assigns replaces a variable of the same name in the environment, so a prefixed variable of the file goes
  before what its starter gave; one without the prefix does not;
- the variables of a running broker's environment are those that it started with, so they go before a file that may
  have changed since.
"""

import os

from quorate.errors import Unreadable

ENV = "/etc/rabbitmq/rabbitmq-env.conf"
PREFIX = "RABBITMQ_"
DEFAULTS = {"SYS_PREFIX": "", "MNESIA_BASE": "/var/lib/rabbitmq/mnesia", "CONFIG_FILE": "/etc/rabbitmq/rabbitmq",
            "ADVANCED_CONFIG_FILE": "/etc/rabbitmq/advanced.config",
            "ENABLED_PLUGINS_FILE": "/etc/rabbitmq/enabled_plugins"}  # what the file finds set: do_load_conf_env_file/3


class Variables:
    """Variables by their names without the prefix. environ: dict, the broker's environment; running: it is that of a
    running broker. path: the file that was read. Making one raises Unreadable when the file is there and cannot be
    opened."""

    def __init__(self, environ=(), running=False, path=None):
        self._environ, self._running = dict(environ), running
        self.path = path or self._environ.get(PREFIX + "CONF_ENV_FILE") or self._environ.get("CONF_ENV_FILE") or ENV
        self._file, self._unclear = {}, None
        if os.path.isfile(self.path):
            self._read()

    def _read(self):
        from quorate.host.shell.script import text_of, variables
        known = dict(DEFAULTS, **self._environ)
        try:
            found = variables(self.path, text_of(self.path), known)
        except OSError as error:
            raise Unreadable("The file %s cannot be read: %s." % (self.path, error.strerror)) from None
        except Unreadable as error:
            self._unclear = error
            return
        self._file = {name: value for name, value in found.items() if known.get(name) != value}

    def get(self, name, default=None):
        """The text of a variable; default: it is not set, or empty. Raises Unreadable, with file and line, when it is
        set and only a shell could tell to what."""
        full = PREFIX + name
        value = self._plain(full)
        blocked = value == "" and full in self._environ and name not in self._environ
        if not value and not blocked:
            value = self._plain(name)
        return value or default

    def plain(self, name, default=None):
        """The same of a variable that counts by its full name only (ERL_EPMD_PORT)."""
        return self._plain(name) or default

    def says_yes(self, name):
        """Whether a variable is set to what RabbitMQ takes for yes (rabbit_env.erl, value_is_yes/1)."""
        return (self.get(name) or "").strip().lower() in ("1", "yes", "true")

    def in_file(self, name):
        """The text that the file gives to this very name; None: it does not name it. Raises Unreadable as get()
        does."""
        return self._of_file(name) if name in self._file or self._unclear else None

    def _plain(self, name):
        if name in self._environ and (self._running or self._unclear is None and name not in self._file):
            return self._environ[name]
        return self._of_file(name)

    def _of_file(self, name):
        if self._unclear is not None:
            raise self._unclear
        value = self._file.get(name)
        if value is not None and not isinstance(value, str):
            raise Unreadable("%s, line %d: %s is set, and %s. Write the value itself."
                             % (value.path or self.path, value.line, name, value.reason))
        return value
