# SPDX-License-Identifier: Apache-2.0
"""The heartbeat that a service writes into its own database, read with its own account and judged by the database's clock.

Tables and columns: cinder/db/sqlalchemy/models.py (Service), heat/db/models.py (Service), nova/db/main/models.py (Service);
times are UTC. Names and ages are all that is read.
"""

from quorate.openstack.facts import ANSWERED, UNKNOWN, UNREACHABLE, Row, Rows

_AGES = ("TIMESTAMPDIFF(SECOND, COALESCE(%s), UTC_TIMESTAMP()), TIMESTAMPDIFF(SECOND, created_at, UTC_TIMESTAMP()), ")
QUESTIONS = {
    "cinder": "SELECT host, " + _AGES % "updated_at, created_at" + "report_count, disabled FROM services WHERE `binary` = "
              "'{service}' AND deleted = 0 AND host IN ({names})",
    "nova": "SELECT host, " + _AGES % "last_seen_up, updated_at, created_at" + "report_count, disabled FROM services WHERE "
            "`binary` = '{service}' AND deleted = 0 AND host IN ({names})",
    "heat": "SELECT engine_id, " + _AGES % "updated_at, created_at" + "NULL, 0 FROM service WHERE `binary` = 'heat-engine' "
            "AND deleted_at IS NULL AND (host IN ({names}) OR hostname IN ({names}))",
}
REFUSED = (1044, 1045, 1049, 1142, 1146, 1698)  # access, no such schema or table: it answers, and not this question


def read(service, address, names, seconds):
    """Rows of these names. Never raises for what the database does, and ends within about `seconds`."""
    from quorate.host.mysql import driver
    try:
        pymysql = driver(address.tls)
    except ImportError:
        return Rows(UNKNOWN, (), "PyMySQL is not installed (apt install python3-pymysql).")
    try:
        rows = _ask(pymysql, service, address, names, seconds)
    except RuntimeError:  # an authentication that needs cryptography
        try:
            rows = _ask(driver(True), service, address, names, seconds)
        except Exception as error:
            return failed(error, address, seconds)
    except Exception as error:  # whatever it is: there is no answer, and the text says which way
        return failed(error, address, seconds)
    return Rows(ANSWERED, tuple(Row(str(row[0]), _whole(row[1]), _whole(row[2]), _whole(row[3]), bool(row[4]))
                                for row in rows))


def _ask(pymysql, service, address, names, seconds):
    from quorate.host.names import lookup
    where = {"unix_socket": address.socket}
    if not address.socket:
        where = {"host": address.host, "port": address.port}
        lookup(address.host, address.port, seconds)  # PyMySQL's own has no limit of time
    if address.tls:
        where["ssl"] = {"check_hostname": False}
    connection = pymysql.connect(user=address.user, password=address.password, database=address.name, autocommit=True,
                                 connect_timeout=max(0.1, seconds), read_timeout=seconds, write_timeout=seconds, **where)
    try:
        with connection.cursor() as cursor:
            marks = ", ".join(["%s"] * len(names))
            question = QUESTIONS[service.row].replace("{names}", marks).replace("{service}", service.name)
            cursor.execute(question, tuple(names) * QUESTIONS[service.row].count("{names}"))
            return cursor.fetchall()
    finally:
        connection.close()


def failed(error, address, seconds):
    """What an exception of PyMySQL says of the database; no password is in its text."""
    number = error.args[0] if getattr(error, "args", None) and isinstance(error.args[0], int) else None
    text = " ".join(str(error.args[-1] if getattr(error, "args", None) else error).split())[:160]
    if number in REFUSED:
        return Rows(UNKNOWN, (), "the database at %s refuses: %s" % (address.shown, text))
    if "timed out" in text:
        text = "no answer within %g s" % seconds
    return Rows(UNREACHABLE, (), "%s: %s" % (address.shown, text))


def _whole(value):
    return None if value is None else int(value)
