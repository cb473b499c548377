# SPDX-License-Identifier: Apache-2.0
"""Which configuration files the broker reads, and what they say (rabbit_prelaunch_conf.erl, 3.10.8 and 4.0.5).

The main file is RABBITMQ_CONFIG_FILE, whose ending may be left out: .config (terms) goes before .conf. Where the main
file is one of terms, advanced.config is not read; conf.d is read in any case.
"""

import os

from quorate.errors import Unreadable
from quorate.rabbitmq.broker.settings import conf

MAIN, MORE, ADVANCED = "/etc/rabbitmq/rabbitmq", "/etc/rabbitmq/conf.d/*.conf", "/etc/rabbitmq/advanced.config"


class Files:
    """conf: dict name -> conf.Setting; terms: dict application -> dict key -> term; main: the main file, or where it
    would be; terms_path: the file of the terms, or None; problem: a sentence with file and line about what cannot be
    read, or None."""

    def __init__(self, variables, given=None):
        self.conf, self.terms, self.terms_path, self.problem = {}, {}, None, None
        self.main = MAIN + ".conf"
        try:
            main, is_terms = main_file(given or variables.get("CONFIG_FILE", MAIN))
            self.main = main or self.main
            more = additional_files(variables.get("CONFIG_FILES", MORE))
            advanced = main if is_terms else variables.get("ADVANCED_CONFIG_FILE", ADVANCED)
            if os.path.isfile(advanced):
                from quorate.rabbitmq.broker.settings import terms  # most machines have no such file
                self.terms, self.terms_path = terms.config(advanced, conf.text_of(advanced)), advanced
            self.conf = conf.read(([main] if main and not is_terms else []) + more)
        except Unreadable as error:
            self.problem = error.reason

    def setting(self, name, application="rabbit", default=None):
        """(value, file) of a setting that has the same name in both formats; (default, None): it is not set."""
        if name in self.terms.get(application, {}):
            return self.terms[application][name], self.terms_path
        return (self.conf[name].value, self.conf[name].path) if name in self.conf else (default, None)


def main_file(name):
    """(path, whether it holds terms) of the main configuration file; (None, False) when there is none. Raises
    Unreadable."""
    if os.path.isfile(name):
        return name, name.endswith(".config") or not name.endswith(".conf") and _holds_terms(name)
    if os.path.isfile(name + ".config"):
        return name + ".config", True
    return (name + ".conf", False) if os.path.isfile(name + ".conf") else (None, False)


def _holds_terms(path):
    """determine_config_format/1: a file with neither ending is one of terms when it can be read as such."""
    from quorate.rabbitmq.broker.settings import terms
    try:
        return bool(terms.parse(path, conf.text_of(path)))
    except Unreadable:
        return False


def additional_files(pattern):
    """A sorted list of the files of RABBITMQ_CONFIG_FILES: a directory or a pattern."""
    folder, _, last = (os.path.join(pattern, "*") if os.path.isdir(pattern) else pattern).rpartition("/")
    if last in ("*", "*.conf") and not any(letter in folder for letter in "*?[{"):
        try:
            names = os.listdir(folder)
        except OSError:
            names = ()
        found = [folder + "/" + name for name in names if name.endswith(last[1:]) and not name.startswith(".")]
    else:
        from glob import glob  # imports re
        found = glob(pattern)
    return sorted(path for path in found if os.path.isfile(path))
