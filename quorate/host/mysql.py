# SPDX-License-Identifier: Apache-2.0
"""PyMySQL, imported without the modules that most connections do not need.

Every recurring monitor is a fresh process. Therefore the imports that a local connection does not need are suppressed:
cryptography (RSA for caching_sha2_password without TLS), ssl, and OpenSSL's hashes (Python's own are as good).
"""

import sys

UNNEEDED = ("cryptography", "ssl", "_hashlib", "getpass")


class _Later(type(sys)):
    """A module that is imported at the first access: PyMySQL needs traceback for errors only."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        sys.modules.pop(self.__name__, None)
        module = __import__(self.__name__)
        return getattr(module, name)


def driver(whole=False):
    """The module pymysql. whole: with what TLS and MySQL 8's passwords over TCP need."""
    if whole:
        if getattr(sys.modules.get("pymysql"), "is_whole", False):
            return sys.modules["pymysql"]
        for name in [name for name in sys.modules if name.partition(".")[0] == "pymysql"]:
            del sys.modules[name]  # it remembers which modules it did not find
        import pymysql
        pymysql.is_whole = True  # a resident check connects again and again
        return pymysql
    if "pymysql" in sys.modules:
        return sys.modules["pymysql"]
    kept = {name: None for name in UNNEEDED if name not in sys.modules}
    if "traceback" not in sys.modules:
        kept["traceback"] = _Later("traceback")
    sys.modules.update(kept)
    try:
        import pymysql
    finally:
        for name in kept:
            sys.modules.pop(name, None)
    return pymysql
