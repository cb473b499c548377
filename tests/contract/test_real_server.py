# SPDX-License-Identifier: Apache-2.0
"""What a real MariaDB with Galera says to the monitor's questions, whatever its accounts and global settings are.

One server of one node, on the loopback, in a directory of its own. Whatever it says, it lives: the monitor never takes
it for one that hangs or is down.
"""

import contextlib
import getpass
import importlib.util
import os
import shutil
import socket
import subprocess
from types import SimpleNamespace

import pymysql
import pytest

from quorate.galera import facts, validation
from quorate.galera.actions import monitor
from quorate.galera.check import GaleraCheck
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server import credentials, health, observe, sql
from quorate.galera.server.account.tls_options import Tls
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.web.check import Fact
from tests import fakes
from tests.waiting import within

PROVIDER = next((path for path in ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so")
                 if os.path.exists(path)), None)
NEEDED = ("mariadbd", "mariadb-install-db", "mariadb", "openssl")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SECRET = "pässwört \"x\" \\"
ACCOUNTS = """
INSTALL SONAME 'auth_ed25519'
CREATE USER plain IDENTIFIED BY 'pässwört "x" \\\\'
CREATE USER tls IDENTIFIED BY 'x' REQUIRE SSL
CREATE USER x509 IDENTIFIED BY 'x' REQUIRE X509
CREATE USER locked IDENTIFIED BY 'x' ACCOUNT LOCK
CREATE USER expired IDENTIFIED BY 'x' PASSWORD EXPIRE
CREATE USER empty IDENTIFIED BY ''
CREATE USER edwards IDENTIFIED VIA ed25519 USING PASSWORD('x')
CREATE USER someone IDENTIFIED VIA unix_socket
CREATE USER limited IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 1
GRANT SELECT ON mysql.wsrep_cluster_members TO plain
DELETE FROM mysql.global_priv WHERE user = ''
FLUSH PRIVILEGES
"""

pytestmark = pytest.mark.skipif(
    PROVIDER is None or not all(shutil.which(name, path=PATH) for name in NEEDED),
    reason="MariaDB's server and client, Galera's provider and openssl are not installed")


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def _certificates(directory):
    """An authority, and certificates of server and client."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=directory, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-keyout", name + ".key", "-out",
                name + ".pem", "-subj", "/CN=" + name)
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out", name + ".csr", "-subj",
                "/CN=" + name)
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                "30", "-out", name + ".pem")


class Server:
    """address, provider: more of wsrep_cluster_address, wsrep_provider_options. options: more for the server."""

    def __init__(self, directory, address="", provider="", options=()):
        self.directory = directory
        self.socket, self.port = str(directory / "s"), _free_port()
        _certificates(directory)
        as_root = ["--user=root"] if os.getuid() == 0 else []
        subprocess.run(["mariadb-install-db", "--no-defaults", "--datadir=%s" % (directory / "data"), "--skip-test-db",
                        "--auth-root-authentication-method=normal", *as_root],
                       check=True, env={"PATH": PATH}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.group = _free_port()
        self.process = subprocess.Popen(
            ["mariadbd", "--no-defaults", *as_root, "--datadir=%s" % (directory / "data"), "--socket=" + self.socket,
             "--port=%d" % self.port, "--bind-address=127.0.0.1", "--pid-file=%s" % (directory / "pid"),
             "--log-error=%s" % (directory / "log"), "--innodb-buffer-pool-size=32M", "--binlog-format=ROW",
             "--ssl-ca=%s" % (directory / "ca.pem"), "--ssl-cert=%s" % (directory / "server.pem"),
             "--ssl-key=%s" % (directory / "server.key"), "--max-user-connections=100", "--wsrep-on=ON",
             "--wsrep-provider=" + PROVIDER,
             "--wsrep-cluster-address=gcomm://" + address, "--wsrep-node-address=127.0.0.1",
             "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:%d;ist.recv_addr=127.0.0.1:%d;%s"
             % (self.group, _free_port(), provider), *options],
            env={"PATH": PATH}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ready(self):
        root = credentials.Settings(self.socket)
        assert within(60, lambda: self.process.poll() is not None or sql.ask(root, 1).local_state == 4)
        assert self.process.poll() is None, (self.directory / "log").read_text()[-2000:]
        own = getpass.getuser()
        self.admin(*ACCOUNTS.strip().splitlines(), *([] if own == "root" else [
            "CREATE USER '%s' IDENTIFIED VIA unix_socket" % own]))
        return self

    def connection(self, **options):
        return pymysql.connect(unix_socket=self.socket, **dict({"user": "root", "charset": "utf8mb4"}, **options))

    def admin(self, *statements):
        with contextlib.closing(self.connection(autocommit=True)) as one, one.cursor() as cursor:
            cursor.execute("SET sql_select_limit = DEFAULT")
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def settings(self, user, password="x", tcp=False, **more):
        where = {"host": "127.0.0.1", "port": self.port} if tcp else {"socket": self.socket}
        return credentials.Settings(user=user, password=password, **where, **more)

    def status(self):
        return sql.ask(self.settings("plain", SECRET), 5)

    def health(self, *account, **more):
        return health.classify(sql.ask(self.settings(*account, **more), 5), health.Policy("no", False))

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("db"))
    try:
        yield one.ready()
    finally:
        one.end()


@pytest.fixture(params=[False, True], ids=["socket", "tcp"])
def tcp(request):
    return request.param


# Accounts

REFUSED = [("locked", "x", "ACCOUNT UNLOCK"), ("expired", "x", "ALTER USER"), ("x509", "x", "ssl-cert"),
           ("plain", "wrong", "correct them"), ("nobody", "x", "correct them"), ("someone", "x", "correct them")]


@pytest.mark.parametrize("user, password", [("plain", SECRET), ("empty", ""), ("limited", "x"), ("tls", "x")])
def test_accounts_that_may_ask(server, user, password, tcp):
    assert "synced" == server.health(user, password, tcp=tcp).code


@pytest.mark.parametrize("user, password, remedy", REFUSED)
def test_accounts_that_may_not(server, user, password, remedy, tcp):
    found = server.health(user, password, tcp=tcp)

    assert ("refused", True) == (found.code, remedy in found.sentence), found


def test_the_user_that_it_runs_as_needs_no_password(server):
    assert "synced" == server.health(getpass.getuser(), "").code


def test_a_method_that_needs_a_package(server, tcp):
    """ed25519 needs PyNaCl; where that is installed the account may ask."""
    found = server.health("edwards", tcp=tcp)

    if importlib.util.find_spec("nacl"):
        assert "synced" == found.code
    else:
        assert ("refused", True) == (found.code, "pynacl" in found.sentence)


@pytest.mark.parametrize("user, password, _remedy", REFUSED)
def test_no_refusal_restarts_the_server(server, tmp_path, user, password, _remedy):
    """By the agent: it is degraded at the third monitor, with a reason that fits and holds no password."""
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", socket=server.socket,
                            check_user=user, check_passwd=password)
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    process = context.processes.add("mariadbd")

    observed = observe.observe_process(context, state_files, process)
    outcomes = [monitor.outcome_of(context, state_files, observed) for _ in range(3)]

    assert facts.UNKNOWN == observed.state
    assert [codes.RUNNING_PROMOTED] * 2 + [codes.DEGRADED_PROMOTED] == [one.code for one in outcomes]
    assert len(outcomes[2].reason) <= 144
    assert "wrong" not in outcomes[2].reason


@pytest.mark.parametrize("user, password, words", [
    ("locked", "x", "ACCOUNT UNLOCK"), ("empty", "", "GRANT SELECT"), ("plain", SECRET, None)])
def test_validate_all_says_what_the_monitor_would(server, user, password, words):
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", socket=server.socket,
                            check_user=user, check_passwd=password)

    found = validation._account(context, SimpleNamespace(socket=server.socket))

    assert (words is None) == (found == [])
    assert not found or words in found[0]


@pytest.mark.parametrize("given, state", [({}, facts.UNKNOWN), ({"check_passwd_use_empty": "true"}, facts.SYNCED)])
def test_an_empty_password_can_be_asked_for(server, tmp_path, given, state):
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", socket=server.socket,
                            check_user="empty", check_passwd="of an earlier account", **given)
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))

    assert state == observe.observe_process(context, state_files, context.processes.add("mariadbd")).state


# Options files

@pytest.mark.parametrize("text", [
    "[client] # of the check\nuser=plain # a comment\npassword='pässwört \\\"x\\\" \\\\'\n",
    "[client-server]\nuser = plain\nloose-nonsense\n[client]\npassword=\"pässwört \"x\" \\\\\"\r\n",
    "[client]\nuser=empty\n[client-mariadb]\nskip-password\n",
    "!include {0}/more\n", "!includedir {0}/d\n",
])
def test_the_client_logs_in_with_the_same_files(server, tmp_path, text):
    (tmp_path / "d").mkdir()
    for path, content in ((tmp_path / "more", "[client]\nuser=tls\npassword=x\nssl\n"),
                          (tmp_path / "d" / "a.cnf", "[client]\nuser=tls\npassword=y\nssl\n"),
                          (tmp_path / "d" / "b.cnf", "[client]\npassword=x\n"),
                          (tmp_path / "my.cnf", text.format(tmp_path))):
        path.write_text(content)
        path.chmod(0o600)
    done = subprocess.run(["mariadb", "--defaults-file=%s" % (tmp_path / "my.cnf"), "--socket=" + server.socket, "-e",
                           "SELECT 1"], env={"PATH": PATH}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert 0 == done.returncode, done.stderr

    assert sql.ask(credentials.from_options_file(str(tmp_path / "my.cnf"), server.socket), 5).answered


@pytest.mark.parametrize("lines, code", [
    ("ssl-cert={0}/client.pem\nssl-key={0}/client.key", "synced"),
    ("ssl-cert={0}/client.pem\nssl-key={0}/client.key\nssl-ca={0}/ca.pem", "synced"),
    ("ssl-ca={0}/ca.pem", "refused"),       # no certificate of its own
    ("skip-ssl\nssl-cipher=x\nskip-ssl", "refused"),
])
def test_tls_by_the_options_file(server, tmp_path, tcp, lines, code):
    path = tmp_path / "my.cnf"
    path.write_text("[client]\nuser=x509\npassword=x\n%s\n" % lines.format(server.directory)
                    + ("host=127.0.0.1\nport=%d\n" % server.port if tcp else "socket=%s\n" % server.socket))
    path.chmod(0o600)

    settings = credentials.for_check({"defaults_file": str(path), "settings": "/nonexistent"})
    found = health.classify(sql.ask(settings, 5), health.Policy())

    assert (tcp, code) == (settings.socket is None, found.code), found


@pytest.mark.parametrize("tls, words", [
    (Tls(ca="other.pem"), "self-signed"), (Tls(verify="chain"), "self-signed"),
    (Tls(ca="ca.pem", verify="name"), "not valid for '127.0.0.1'"), (Tls(versions="TLSv1.0"), "PROTOCOL_VERSION")])
def test_a_server_that_is_not_the_right_one_is_refused_over_tcp(server, tls, words):
    """Over the socket nothing is verified: both ends are on this machine."""
    if tls.ca:
        tls = tls._replace(ca=str(server.directory / tls.ca))

    found = server.health("tls", tcp=True, tls=tls)

    assert ("refused", True) == (found.code, words in found.sentence), found
    if not tls.versions:
        assert "synced" == server.health("tls", tls=tls).code


@pytest.mark.parametrize("tls", [Tls(cipher="nonsense"), Tls(versions="TLSv9"), Tls(cert="/dev/null", key="/dev/null")])
def test_tls_that_openssl_does_not_accept_is_unreadable(server, tmp_path, tls, monkeypatch):
    """The agent's Observation is unknown then, and the check says why."""
    monkeypatch.setattr(credentials, "for_agent", lambda *_: server.settings("tls", tls=tls))
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1")
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))

    observed = observe.observe_process(context, state_files, context.processes.add("mariadbd"))

    assert (facts.UNKNOWN, True) == (observed.state, "file of credentials" in observed.sentence)


def test_the_check_says_which_file_is_wrong_and_that_the_server_may_live(server, tmp_path):
    path = tmp_path / "my.cnf"
    path.write_text("[client]\nuser=tls\npassword=x\nssl-cipher=nonsense\nsocket=%s\n" % server.socket)
    path.chmod(0o600)
    check = GaleraCheck({"defaults_file": str(path), "settings": "/nonexistent"})

    fact = check.observe(5, Fact(None, health.Health("unknown", False, "")))

    assert ("refused", True) == (fact.health.code, "file of credentials" in fact.health.sentence)
    assert check.role_health(fact, "/live")[0]


# The server's settings

RESET = {"wsrep_reject_queries": "'NONE'", "init_connect": "''", "tx_isolation": "'REPEATABLE-READ'"}


@pytest.fixture
def globally(server):
    """Set variables for all sessions to come, and their defaults again at the end."""
    changed = []

    def change(**values):
        changed.extend(values)
        server.admin(*("SET GLOBAL %s = %s" % item for item in values.items()))

    yield change
    server.admin(*("SET GLOBAL %s = %s" % (name, RESET.get(name, "DEFAULT")) for name in changed))
    assert within(10, lambda: sql.ask(credentials.Settings(server.socket), 5).local_state == 4)


@pytest.mark.parametrize("values, code", [
    ({"require_secure_transport": "ON"}, "synced"),
    ({"autocommit": 0, "tx_isolation": "'SERIALIZABLE'", "wsrep_sync_wait": 15, "completion_type": 2}, "synced"),
    ({"autocommit": 0, "wsrep_reject_queries": "'ALL'"}, "rejecting"),
    ({"init_connect": "'nonsense'"}, "unknown"),
    ({"init_connect": "'SET NAMES latin1, autocommit = 0, sql_select_limit = 2'"}, "synced"),
    ({"sql_select_limit": 3, "max_join_size": 1}, "synced"),
    ({"max_statement_time": 0.00001}, "synced"),
    ({"sql_mode": "'ORACLE,ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"}, "synced"),
    ({"lc_messages": "'de_DE'"}, "synced"),
    ({"tmp_memory_table_size": 1024}, "synced"),
    ({"read_only": "ON"}, "read-only"),
])
def test_settings_for_all_do_not_change_the_answer(server, globally, values, code, tcp):
    globally(**values)

    # read_only takes the global read lock, for which the server desyncs itself for a moment.
    assert within(10, lambda: server.health("plain", SECRET, tcp=tcp).code != "donor")
    found = server.health("plain", SECRET, tcp=tcp)

    assert code == found.code, found
    assert len(found.sentence) <= 144


def test_require_secure_transport_with_tls_forbidden(server, globally):
    globally(require_secure_transport="ON")

    assert "refused" == server.health("plain", SECRET, tcp=True, tls=False).code  # MariaDB says 'access denied'
    assert "synced" == server.health("plain", SECRET, tls=False).code


def test_no_connection_left(server):
    with contextlib.closing(server.connection(user="limited", password="x")):
        assert "out-of-connections" == server.health("limited").code


def test_names_are_utf_8(server, globally):
    globally(init_connect="'SET NAMES latin1'")

    assert [("ö",)] == sql.rows(server.settings("plain", SECRET), "SELECT CHAR(0xC3B6 USING utf8mb4)", 3)


def test_members_are_read_while_somebody_locks_them(server, globally):
    globally(autocommit=0, tx_isolation="'SERIALIZABLE'")
    with contextlib.closing(server.connection()) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM mysql.wsrep_cluster_members FOR UPDATE")

        question = "SELECT node_uuid FROM mysql.wsrep_cluster_members"
        assert 1 == len(sql.rows(server.settings("plain", SECRET), question, 3))


def test_a_question_that_nobody_waits_for_ends_in_the_server(server):
    """lock_wait_timeout is a day by default: each monitor would leave a session behind."""
    question = "SELECT node_uuid FROM mysql.wsrep_cluster_members"

    def waiting():
        return server.admin("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO = '%s'" % question)[0][0]

    with contextlib.closing(server.connection()) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLES mysql.wsrep_cluster_members WRITE")
        assert [] == sql.rows(server.settings("plain", SECRET), question, 0.3)
        assert 1 == waiting()

        assert within(20, lambda: not waiting())


def test_one_statement_prepares_a_session(server, mocker):
    """The server knows all of it: what is set one by one is for those that do not."""
    executed = mocker.spy(sql.Session, "_execute")

    assert sql.ask(server.settings("plain", SECRET), 5).answered

    assert ["SET", "SELECT"] == [call.args[1].split()[0] for call in executed.call_args_list]


FAST = ("evs.suspect_timeout=PT1S;evs.inactive_timeout=PT2S;evs.keepalive_period=PT0.3S;"
        "evs.inactive_check_period=PT0.3S;evs.join_retrans_period=PT0.3S")


def test_a_server_that_lost_its_primary_component_answers(tmp_path):
    """With autocommit off for all, the session turns it on, which is no COMMIT: that would be refused (1047)."""
    with contextlib.ExitStack() as stack:
        first, second = tmp_path / "1", tmp_path / "2"
        first.mkdir()
        second.mkdir()
        one = Server(first, provider=FAST, options=["--autocommit=0", "--wsrep-sst-method=skip"])
        stack.callback(one.end)
        one.ready()
        two = Server(second, "127.0.0.1:%d" % one.group, FAST, ["--wsrep-sst-method=skip"])
        stack.callback(two.end)
        assert within(60, lambda: one.status().cluster_size == 2)

        two.process.kill()

        assert within(60, lambda: one.status().cluster_status != "Primary")
        status = one.status()
        assert (True, "non-Primary", 1) == (status.answered, status.cluster_status, status.cluster_size)
        assert "non-primary" == one.health("plain", SECRET).code
