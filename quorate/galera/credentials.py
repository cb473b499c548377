# SPDX-License-Identifier: Apache-2.0
"""How galera-check gets in: by option, by our own file, by clustercheck's settings, else as the user that it runs as."""

import os

from quorate.galera import sql

FILE = "/etc/quorate/galera-check.cnf"


def clustercheck(options):
    """Settings of an existing clustercheck, parsed and never executed. Raises sql.Unreadable."""
    for path in [options["settings"]] if "settings" in options else sql.CLUSTERCHECK:
        found = sql.shell_settings(path)
        if found:
            return found
    return {}


def settings(options):
    """sql.Settings. Raises sql.Unreadable."""
    found = _credentials(options)
    if options.get("host"):
        found = found._replace(socket=None, host=options["host"], port=int(options.get("port", found.port)))
    return found._replace(extra_port=int(options["extra_port"]) if "extra_port" in options else None)


def _credentials(options):
    where = options.get("socket")
    path = options.get("defaults_file") or (FILE if os.path.exists(FILE) else None)
    if options.get("user") and (options.get("password") or not path):
        # Goes before a file, as in clustercheck, whose last argument usually is /etc/my.cnf.
        return sql.Settings(where or sql.usual_socket(), user=options["user"], password=options.get("password", ""))
    if path:
        return sql.from_options_file(path, where)
    old = clustercheck(options)
    extra = old.get("DEFAULTS_EXTRA_FILE")
    if extra and os.path.exists(extra) and not (old.get("MYSQL_USERNAME") and old.get("MYSQL_PASSWORD")):
        return sql.from_options_file(extra, where)
    if old.get("MYSQL_USERNAME"):
        host = None if where or old.get("MYSQL_HOST") in (None, "", "localhost") else old["MYSQL_HOST"]
        port = old.get("MYSQL_PORT", "")
        return sql.Settings(None if host else where or sql.usual_socket(), host, int(port) if port.isdigit() else 3306,
                            old["MYSQL_USERNAME"], old.get("MYSQL_PASSWORD", ""))
    import pwd
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise sql.Unreadable("The user id %d of this process has no name to log in with; write [client] user and password "
                             "into %s." % (os.geteuid(), FILE)) from None
    return sql.Settings(where or sql.usual_socket(), user=name)
