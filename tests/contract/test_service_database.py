# SPDX-License-Identifier: Apache-2.0
"""What a real MariaDB says to the question whether it takes writes, from the account of a service."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading

import pymysql
import pytest

from quorate.openstack import catalog, facts
from quorate.openstack.facts import Address
from quorate.openstack.service import heartbeat
from tests.waiting import within

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SETUP = """
CREATE DATABASE cinder
CREATE TABLE cinder.services (`host` varchar(255), `binary` varchar(255), deleted int, report_count int, created_at datetime, \
updated_at datetime) ENGINE=InnoDB
CREATE TABLE cinder.service (host varchar(255))
INSERT INTO cinder.services VALUES ('ha@a', 'cinder-volume', 0, 1, UTC_TIMESTAMP(), UTC_TIMESTAMP())
CREATE USER cinder IDENTIFIED BY 'x'
GRANT ALL ON cinder.* TO cinder
CREATE USER reader IDENTIFIED BY 'x'
GRANT SELECT ON cinder.* TO reader
DELETE FROM mysql.global_priv WHERE user = ''
FLUSH PRIVILEGES
"""
pytestmark = pytest.mark.skipif(
    not all(shutil.which(name, path=PATH) for name in ("mariadbd", "mariadb-install-db")), reason="MariaDB is not installed")


class Server:
    def __init__(self, directory):
        self.directory, self.socket = directory, str(directory / "s")
        with socket.create_server(("127.0.0.1", 0)) as one:
            self.port = one.getsockname()[1]
        as_root = ["--user=root"] if os.getuid() == 0 else []
        subprocess.run(["mariadb-install-db", "--no-defaults", "--datadir=%s" % (directory / "data"), "--skip-test-db",
                        "--auth-root-authentication-method=normal", *as_root], check=True, env={"PATH": PATH},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = subprocess.Popen(
            ["mariadbd", "--no-defaults", *as_root, "--datadir=%s" % (directory / "data"), "--socket=" + self.socket,
             "--port=%d" % self.port, "--bind-address=127.0.0.1", "--pid-file=%s" % (directory / "pid"),
             "--innodb-buffer-pool-size=16M", "--log-error=%s" % (directory / "log")], env={"PATH": PATH},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert within(60, lambda: self.process.poll() is not None or self.answers()), "it does not start"
        self.admin(*SETUP.strip().splitlines())

    def answers(self):
        try:
            self.admin("SELECT 1")
            return True
        except pymysql.Error:
            return False

    def connection(self, **how):
        return pymysql.connect(unix_socket=self.socket, autocommit=True, **dict({"user": "root"}, **how))

    def admin(self, *statements):
        with contextlib.closing(self.connection()) as one, one.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def address(self, user="cinder"):
        return Address("127.0.0.1", self.port, user, "x", "cinder")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("db"))
    yield one
    one.process.terminate()
    one.process.wait(60)


def reason(server, user="cinder", service=catalog.CINDER_VOLUME):
    assert facts.ANSWERED == heartbeat.read(catalog.CINDER_VOLUME, server.address(user), ("ha@a",), 5).outcome
    return heartbeat.refuses_writes(service, server.address(user), 5)


@pytest.mark.parametrize("service", [catalog.CINDER_VOLUME, catalog.HEAT_ENGINE])
def test_one_that_takes_writes_and_is_not_changed_by_the_question(server, service):
    before = server.admin("SELECT * FROM cinder.services")
    assert "" == reason(server, service=service)
    assert before == server.admin("SELECT * FROM cinder.services")


def test_one_that_is_read_only(server):
    server.admin("SET GLOBAL read_only = 1")
    try:
        assert "--read-only" in reason(server)
    finally:
        server.admin("SET GLOBAL read_only = 0")


def test_an_account_that_may_only_read(server):
    assert "UPDATE command denied" in reason(server, "reader")


def test_all_writes_wait(server):
    """A donor of Galera's with rsync, a backup, an administrator."""
    with contextlib.closing(server.connection()) as holder, holder.cursor() as cursor:
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        assert "writes wait" in reason(server)


def test_commits_wait(server, mocker):
    """Nothing is refused then, and a statement that changes nothing does not wait."""
    mocker.patch.object(heartbeat, "WAITS", 0)
    with contextlib.closing(server.connection()) as holder, holder.cursor() as cursor:
        for stage in ("START", "FLUSH", "BLOCK_DDL", "BLOCK_COMMIT"):
            cursor.execute("BACKUP STAGE " + stage)
        writer = threading.Thread(target=lambda: _report(server), daemon=True)
        writer.start()
        assert within(30, lambda: server.admin("SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE "
                                               "'Waiting for backup lock'"))
        assert "a statement has waited" in reason(server)
        cursor.execute("BACKUP STAGE END")
    writer.join(30)
    assert "" == reason(server)


def _report(server):
    with contextlib.closing(pymysql.connect(host="127.0.0.1", port=server.port, user="cinder", password="x",
                                            database="cinder", autocommit=True)) as one, one.cursor() as cursor:
        cursor.execute("UPDATE services SET report_count = report_count + 1")


def test_one_that_is_away_says_nothing_of_writes():
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    assert "" == heartbeat.refuses_writes(catalog.CINDER_VOLUME, Address("127.0.0.1", port, "u", "x", "c"), 1)
