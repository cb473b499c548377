# SPDX-License-Identifier: Apache-2.0
"""The cause of a server's end, by real logs: which log, which rule, which sentence (logs/README.md says where they come
from)."""

import glob
import os
import random
import re
from types import SimpleNamespace

import pytest

from quorate.galera.server.log import causes
from quorate.galera.server.log.cause_table import CONSEQUENCES, HINT, RULES
from tests import ROOT

LOGS = os.path.join(os.path.dirname(__file__), "logs")
HEALTHY = ("mariadb10_healthy", "mariadb10_healthy_join", "mariadb10_healthy_join_mariabackup", "mariadb11_healthy",
           "mariadb11_healthy_join")
WITHOUT_CAUSE = HEALTHY + (
    "mariadb10_killed",                 # SIGKILL leaves nothing
    "mariadb10_stopped_before",         # two of three that stopped one after the other
    "mariadb10_stopped_last",
    "mariadb10_log_directory_missing",  # it runs all the same, and logs to where it prints
)

TABLE = [
    ("galera_assertion", "crash",
     "The server crashed: InnoDB: Failing assertion: xid_seqno > trx_sys_cur_xid_seqno: see its error log"),
    ("mariadb10_2_sst_journal", "sst-received", "The state transfer failed: see the error log here and on the donor"),
    ("mariadb10_5_no_primary", "no-primary",
     "No primary component found: quorate status; compare wsrep_cluster_name; port 4567"),
    ("mariadb10_5_upgrade_after_crash", "downgrade",
     "The redo log is of MariaDB 10.3.27: start and stop that version once, cleanly"),
    ("mariadb10_aria_log_corrupt", "aria-corrupt", "aria_log_control is damaged: move /var/lib/mysql/aria_log* aside"),
    ("mariadb10_aria_log_root", "aria-file",
     "mysql cannot read /var/lib/mysql/aria_log_control: chown -R mysql: /var/lib/mysql"),
    ("mariadb10_arbitrator_alone", "arbitrator-alone",
     "An arbitrator alone keeps the old primary component: systemctl restart garb on its node"),
    ("mariadb10_bind_address_unknown", "address",
     "The name in bind-address cannot be resolved: correct it, or /etc/hosts"),
    ("mariadb10_binlog_file_missing", "binlog",
     "The binary log /srv/b/bin.000001 is missing: restore it, or correct the .index file"),
    ("mariadb10_binlog_format", "binlog-format", "Galera needs binlog_format=ROW: grep -rn binlog.format /etc/my*"),
    ("mariadb10_binlog_index_missing", "binlog", "log_bin: there is no /srv/none: install -d -o mysql /srv/none"),
    ("mariadb10_binlog_index_root", "binlog", "mysql cannot read /srv/b/bin.index: chown mysql: /srv/b/bin.index"),
    ("mariadb10_buffer_pool_memory", "memory", "No memory for innodb_buffer_pool_size: free -m; make it smaller"),
    ("mariadb10_cluster_address_unresolvable", "names",
     "The name db1.example.org is unknown: getent hosts db1.example.org; cat /etc/hosts"),
    ("mariadb10_cluster_address_wrong", "cluster-address",
     "wsrep_cluster_address must begin with gcomm://, but is gcom://n1,n2: correct it"),
    ("mariadb10_config_line", "config-line", "/etc/mysql/x.cnf line 1 is in no section: put [mysqld] above it"),
    ("mariadb10_config_unreadable", "config-missing",
     "/etc/none.cnf cannot be read (parameter config): ls -l /etc/none.cnf"),
    ("mariadb10_datadir_empty", "no-tables",
     "System tables are missing or old: mariadb-upgrade; of a new database mariadb-install-db"),
    ("mariadb10_datadir_missing", "datadir",
     "/var/lib/mysql is missing: is its file system not mounted? findmnt --verify"),
    ("mariadb10_datadir_readonly", "read-only",
     "The file system of /var/lib/mysql/grastate.dat is read-only: dmesg -T"),
    ("mariadb10_default_engine", "engine",
     "There is no storage engine rocksdb: install its plugin, or correct default_storage_engine"),
    ("mariadb10_disk_full_binlog", "disk-full", "The disk is full: df /srv/b/bin.~rec~"),
    ("mariadb10_disk_full_gcache", "disk-full",
     "No room on the disk for Galera's gcache.size: df /var/lib/mysql/galera.cache"),
    ("mariadb10_encryption_key_gone", "encryption-key",
     "The keys /etc/mysql/keys cannot be read: restore them for mysql"),
    ("mariadb10_encryption_missing", "encryption",
     "The redo log is encrypted, and its key is missing: set up its plugin in my.cnf"),
    ("mariadb10_force_recovery", "recovery-mode",
     "innodb_force_recovery is 6: save the data, then take it out of my.cnf"),
    ("mariadb10_galera_cache_root", "galera-file",
     "mysql cannot write /var/lib/mysql/galera.cache: chown mysql: /var/lib/mysql/galera.cache"),
    ("mariadb10_galera_port_taken", "port-taken", "Galera's port 4567 is taken: ss -ltnp sport = :4567"),
    ("mariadb10_gcache_size_abc", "provider-value", "abc is no value of gcache.size: correct wsrep_provider_options"),
    ("mariadb10_grastate_root", "galera-file",
     "mysql cannot write /var/lib/mysql/grastate.dat: chown mysql: /var/lib/mysql/grastate.dat"),
    ("mariadb10_ib_logfile_missing", "redo-missing",
     "/var/lib/mysql/ib_logfile0 is missing: restore it; if others serve, move all out of /var/lib/mysql"),
    ("mariadb10_ib_logfile_root", "innodb-permission",
     "mysql may not use a file of InnoDB: chown -R mysql: /var/lib/mysql"),
    ("mariadb10_ibdata1_corrupt", "corrupt",
     "InnoDB's files are damaged: if others serve, move all out of /var/lib/mysql to receive theirs"),
    ("mariadb10_ibdata1_locked", "locked",
     "Another server uses /var/lib/mysql: fuser -v /var/lib/mysql/aria_log_control"),
    ("mariadb10_ibdata1_missing", "ibdata1-missing",
     "ibdata1 is missing, its redo log is not: is a file system not mounted? findmnt --verify"),
    ("mariadb10_ibdata1_root", "innodb-file",
     "mysql cannot write /var/lib/mysql/ibdata1: chown -R mysql: /var/lib/mysql"),
    ("mariadb10_ibdata1_truncated", "data-file-path",
     "ibdata1 is not as innodb_data_file_path says: was it cut? else correct my.cnf"),
    ("mariadb10_include_missing", "include-missing",
     "The server's configuration includes /etc/mysql/none.d: install -d /etc/mysql/none.d"),
    ("mariadb10_inconsistent", "inconsistent",
     "This node's data differ from the others': it receives theirs at its next start"),
    ("mariadb10_ist_port_taken", "ist-port-taken",
     "The incremental state transfer's port 4568 is taken: ss -ltnp sport = :4568"),
    ("mariadb10_libgalera_missing", "provider-missing",
     "/usr/lib/galera/libgalera.so is missing: apt install galera-4, or correct wsrep_provider"),
    ("mariadb10_listen_addr_not_local", "address", "gmcast.listen_addr is no address of this node: ip -brief address"),
    ("mariadb10_mysql_tables_missing", "no-tables",
     "System tables are missing or old: mariadb-upgrade; of a new database mariadb-install-db"),
    ("mariadb10_no_primary", "no-primary",
     "No primary component found: quorate status; compare wsrep_cluster_name; port 4567"),
    ("mariadb10_not_safe", "not-safe", "This node is not marked safe_to_bootstrap: quorate explain"),
    ("mariadb10_open_files", "open-files", "Too many open files: raise open_files_limit, and LimitNOFILE of pacemaker"),
    ("mariadb10_other_version", "downgrade", "The data are of MariaDB 11.0 or later: install that version again"),
    ("mariadb10_page_size", "page-size",
     "innodb_page_size is 8192, but the data have 16384: set innodb_page_size=16384"),
    ("mariadb10_pid_not_writable", "pid-file", "mysql cannot write /srv/p/mysqld.pid: ls -ld /srv/p"),
    ("mariadb10_plugin_engine", "plugin-missing",
     "my.cnf loads ha_rocksdb.so, which is missing: install it, or take it out of my.cnf"),
    ("mariadb10_port_taken", "port-taken", "Port 3306 is taken: ss -ltnp sport = :3306"),
    ("mariadb10_provider_option_unknown", "provider-option",
     "Galera knows no option gcache.sise: correct wsrep_provider_options"),
    ("mariadb10_provider_option_value", "provider-value",
     "abc is no value of pc.weight: correct wsrep_provider_options"),
    ("mariadb10_root_refused", "as-root",
     "The server refuses to run as root: set the parameter user, or user in my.cnf"),
    ("mariadb10_signal_11", "crash", "The server crashed (signal 11): see the stack trace in its error log"),
    ("mariadb10_socket_directory_missing", "socket",
     "There is no /run/mysqld for the socket: install -d -o mysql /run/mysqld"),
    ("mariadb10_socket_directory_root", "socket", "mysql cannot write to /run/mysqld: chown mysql /run/mysqld"),
    ("mariadb10_socket_in_use", "socket",
     "mysql cannot use /run/mysqld/mysqld.sock: rm it if fuser /run/mysqld/mysqld.sock is silent"),
    ("mariadb10_ssl_partial", "tls-pair",
     "TLS needs socket.ssl_key and socket.ssl_cert: correct wsrep_provider_options"),
    ("mariadb10_sst_auth_wrong", "sst-donor",
     "The donor could not send its data: grep WSREP_SST in the donor's error log"),
    ("mariadb10_sst_disk_full", "disk-full", "A disk is full: df -h; tmpdir and /var/lib/mysql"),
    ("mariadb10_sst_disk_full_mariabackup", "disk-full",
     "No room on the disk for Galera's gcache.size: df /var/lib/mysql/gcache.page.000000"),
    ("mariadb10_sst_donor_name", "donor-name",
     "No donor that wsrep_sst_donor names: correct it (names, and a comma at its end)"),
    ("mariadb10_sst_no_mariabackup", "sst-program",
     "mariadb-backup for state transfers is missing: install it on this node"),
    ("mariadb10_sst_no_rsync", "sst-program", "rsync for state transfers is missing: install it on this node"),
    ("mariadb10_sst_no_stunnel", "sst-program", "stunnel for state transfers is missing: install it on this node"),
    ("mariadb10_sst_no_socat", "sst-program", "socat for state transfers is missing: install it on this node"),
    ("mariadb10_sst_port_taken", "sst-rsync",
     "The state transfer's rsync ended at once: is its port taken? ss -ltnp sport = :4444"),
    ("mariadb10_sst_port_taken_mariabackup", "sst-port-taken",
     "The state transfer's port 4444 is taken: ss -ltnp sport = :4444"),
    ("mariadb10_sst_port_taken_syslog", "sst-syslog",
     "The state transfer failed: journalctl -t -wsrep-sst-joiner says why"),
    ("mariadb10_tc_log", "tc-log", "tc.log is damaged: move /var/lib/mysql/tc.log aside"),
    ("mariadb10_tls_ca_missing", "tls-server-ca",
     "The file of ssl_ca cannot be read: my_print_defaults mysqld | grep ssl"),
    ("mariadb10_tls_expired", "tls-peer",
     "The others' TLS is refused (certificate has expired): compare socket.ssl_ca, ssl_cert"),
    ("mariadb10_tls_garbage", "tls-file",
     "/etc/mysql/ssl/a.pem is no socket.ssl_cert: openssl x509 -text -in /etc/mysql/ssl/a.pem"),
    ("mariadb10_tls_one_side", "tls-peer",
     "Only one side of Galera's connections uses TLS: compare wsrep_provider_options of the nodes"),
    ("mariadb10_tls_peer_untrusted", "tls-peer",
     "The others' TLS is refused (self-signed certificate): compare socket.ssl_ca, ssl_cert"),
    ("mariadb10_tls_provider_mismatch", "tls-mismatch",
     "/etc/mysql/ssl/a.key is not the certificate's key: correct socket.ssl_key or socket.ssl_cert"),
    ("mariadb10_tls_provider_missing", "tls-missing",
     "socket.ssl_cert /etc/mysql/ssl/cert.pem is missing: correct wsrep_provider_options"),
    ("mariadb10_tls_provider_unreadable", "tls-unreadable",
     "mysql cannot read socket.ssl_key /etc/mysql/ssl/a.key: chown mysql /etc/mysql/ssl/a.key"),
    ("mariadb10_tls_server_mismatch", "tls-server",
     "The TLS private key is missing, unreadable or a wrong one: ls -l /etc/mysql/ssl/b.key"),
    ("mariadb10_tls_server_missing", "tls-server",
     "The TLS certificate is missing, unreadable or a wrong one: ls -l /etc/mysql/ssl/cert.pem"),
    ("mariadb10_tmpdir_missing", "temporary-files", "mysql cannot write to tmpdir /srv/none: ls -ld /srv/none"),
    ("mariadb10_two_components_joined", "two-components",
     "Two primary components met: is garbd left from the older one? systemctl restart garb there"),
    ("mariadb10_two_components_met", "two-components",
     "Two primary components met: is garbd left from the older one? systemctl restart garb there"),
    ("mariadb10_two_components_met_early", "two-components",
     "Two primary components met: is garbd left from the older one? systemctl restart garb there"),
    ("mariadb10_undo_missing", "undo-missing",
     "The undo tablespace undo002 is missing: restore it; if others serve, move all out of /var/lib/mysql"),
    ("mariadb10_unknown_value", "wrong-setting", "ROWS is no value of binlog_format: grep -rn binlog.format /etc/my*"),
    ("mariadb10_unknown_variable", "unknown-setting",
     "The server knows no setting innodb_bufer_pool_size: grep -rn innodb.bufer.pool.size /etc/my*"),
    ("mariadb10_user_missing", "user", "There is no user nobody2 (parameter user): id nobody2"),
    ("mariadb10_wsrep_sst_method_unknown", "sst-method",
     "There is no wsrep_sst_method xtrabackup-v3: ls /usr/bin/wsrep_sst_*"),
    ("mariadb11_buffer_pool_memory", "memory", "No memory for innodb_buffer_pool_size: free -m; make it smaller"),
    ("mariadb11_galera_port_taken", "gcomm-ended",
     "Galera ended at once: check wsrep_provider_options, addresses; ss -ltnp sport = :4567"),
    ("mariadb11_gcache_size_abc", "provider-value", "abc is no value of gcache.size: correct wsrep_provider_options"),
    ("mariadb11_grastate_root", "galera-file",
     "mysql cannot write /var/lib/mysql/grastate.dat: chown mysql: /var/lib/mysql/grastate.dat"),
    ("mariadb11_ibdata1_corrupt", "corrupt",
     "InnoDB's files are damaged: if others serve, move all out of /var/lib/mysql to receive theirs"),
    ("mariadb11_ibdata1_root", "innodb-file",
     "mysql cannot write /var/lib/mysql/ibdata1: chown -R mysql: /var/lib/mysql"),
    ("mariadb11_no_primary", "no-primary",
     "No primary component found: quorate status; compare wsrep_cluster_name; port 4567"),
    ("mariadb11_page_size", "page-size",
     "innodb_page_size is 8192, but the data have 16384: set innodb_page_size=16384"),
    ("mariadb11_port_taken", "port-taken", "Port 3306 is taken: ss -ltnp sport = :3306"),
    ("mariadb11_provider_option_value", "gcomm-ended",
     "Galera ended at once: check wsrep_provider_options, addresses; ss -ltnp sport = :4567"),
    ("mariadb11_sst_no_socat", "sst-program", "socat for state transfers is missing: install it on this node"),
    ("mariadb11_unknown_variable", "unknown-setting",
     "The server knows no setting innodb_bufer_pool_size: grep -rn innodb.bufer.pool.size /etc/my*"),
    ("mariadb_innobackupex_missing", "sst-program",
     "innobackupex for state transfers is missing: install it on this node"),
    ("mysql57_ibdata1_locked", "locked", "Another server uses /var/lib/mysql: fuser -v /var/lib/mysql/ibdata1"),
    ("mysql57_log_file", "log-file",
     "mysql cannot write /var/log/mysql/mysql_err...: ls -ld /var/log/mysql /var/log/mysql/mysql_error.log"),
    ("mysql8_downgrade", "downgrade", "The data are of version 80100: install that version again"),
    ("mysql8_downgrade_minor", "downgrade", "The data are of version 80200: install that version again"),
    ("mysql8_lower_case", "case", "lower_case_table_names is 0, but the data have 2: set lower_case_table_names=2"),
    ("mysql8_port_taken", "port-taken", "The server's port is taken: ss -ltnp"),
    ("mysql8_unknown_variable", "unknown-setting",
     "The server knows no setting query_cache_size: grep -rn query.cache.size /etc/my*"),
    ("mysql_wsrep_donor_failed", "sst-error",
     "State transfer: xtrabackup_checkpoints missing, failed innobackupex/SST on d...: see the donor's log"),
    ("percona57_user_crashed", "unknown", "mysqld: Table './mysql/user' is marked as crashed and should be repaired"),
    ("pxc8_sst_failed", "sst-received", "The state transfer failed: see the error log here and on the donor"),
]


PATHS = {os.path.basename(path)[:-len(".log")]: path for path in sorted(glob.glob(os.path.join(LOGS, "*", "*.log")))}


def log(name):
    with open(PATHS[name], encoding="utf-8") as file:
        return file.read()


def find(text):
    return causes.find(text, "/var/lib/mysql", "mysql")


@pytest.mark.parametrize("name, code, sentence", TABLE, ids=[name for name, _, _ in TABLE])
def test_the_cause_in_a_real_log(name, code, sentence):
    assert (code, sentence) == find(log(name))[:2]
    assert len(sentence) <= causes.MOST


@pytest.mark.parametrize("path", ["/usr/sbin/", "/usr/libexec/"])
@pytest.mark.parametrize("name, code, sentence", TABLE, ids=[name for name, _, _ in TABLE])
def test_the_server_names_itself_as_it_was_started(name, code, sentence, path):
    """The agent starts it with its whole path, and an error then begins with that."""
    text = re.sub(r"(?<=\] )(mariadbd|mysqld):", path + r"\1:", log(name))

    assert (code, sentence.replace("mysqld: Table", path + "mysqld: Table")) == find(text)[:2]


@pytest.mark.parametrize("name", WITHOUT_CAUSE)
def test_a_log_without_a_cause(name):
    assert find(log(name)) is None


def test_every_log_is_in_the_table():
    assert sorted(PATHS) == sorted([name for name, _, _ in TABLE] + list(WITHOUT_CAUSE))
    assert len(TABLE) >= 45


@pytest.mark.parametrize("number", range(len(RULES)), ids=["%d-%s" % (at, rule.code) for at, rule in enumerate(RULES)])
def test_every_rule_is_known_from_a_real_log(number):
    """A rule that no real log exercises is a guess."""
    rule = RULES[number]
    for name, _, _ in TABLE:
        entries = [causes._entry(line) for line in log(name).splitlines()]
        if any((causes._rule(entries, at) or (None,))[0] is rule for at in range(len(entries))):
            return
    pytest.fail("No log knows %s" % rule.pattern.pattern)


def test_what_a_hint_explains_exists():
    codes = {rule.code for rule in RULES}

    assert [] == [rule.code for rule in RULES if not set(rule.explains) <= codes]
    assert [] == [rule.code for rule in RULES if bool(rule.explains) != (rule.strength == HINT)]
    assert [] == [rule.pattern.pattern for rule in RULES if any(rule.pattern.fullmatch(one) for one in CONSEQUENCES)]


# What is older, what is repeated, what is cut

def test_once_it_was_ready_the_errors_of_its_start_do_not_explain_its_end():
    ran = log("mariadb10_killed")

    assert find(log("mariadb10_port_taken") + ran) is None
    assert find(ran + "2026-11-28 20:00:00 9 [ERROR] mariadbd: Table './d/t' is marked as crashed\n") is None
    assert find(ran + log("mariadb10_signal_11")).code == "crash"


@pytest.mark.parametrize("line", [
    "WSREP_SST: [ERROR] mariabackup finished with error: 1 (20261128 19:46:22.1)",
    "WSREP_SST: [ERROR] 'socat' not found in path",
    "2026-11-28T00:00:00.000000Z 0 [ERROR] [MY-000000] [WSREP-SST] xtrabackup finished with error: 1"])
def test_a_state_transfer_to_another_node_that_fails_ends_no_donor(line):
    """It serves, and is killed some time later."""
    assert find(line).code.startswith("sst-")
    assert find(log("mariadb10_killed") + line + "\n") is None


def test_a_headline_of_percona_s_scripts_is_no_cause():
    begin = "2026-11-28T00:00:00.000000Z 0 [ERROR] [MY-000000] [WSREP-SST] "
    text = begin + "*" * 19 + " FATAL ERROR " + "*" * 22 + "\n" + begin + "xtrabackup finished with error: 1\n"

    assert find(text).sentence == "State transfer: xtrabackup finished with error: 1: see the donor's log"


@pytest.mark.parametrize("sign", [
    "Version: '10.11.19-MariaDB-0+deb12u1'  socket: '/run/mysqld/mysqld.sock'  port: 3306  Debian 12",
    "2023-01-01T00:00:00.000000Z 0 [System] [MY-010931] [Server] /usr/sbin/mysqld: ready for connections. Version: "
    "'8.0.34'  socket: '/var/lib/mysql/mysql.sock'  port: 3306  Percona XtraDB Cluster."])
def test_it_was_ready_also_with_silent_startup(sign):
    early = "2026-11-28 19:00:00 0 [ERROR] Bad magic header in tc log\n"

    assert find(early).code == "tc-log"
    assert find(early + sign + "\n") is None


def test_what_was_long_ago_does_not_explain_the_end_of_a_server_that_ran():
    full = "2026-11-28 20:00:00 9 [Warning] mariadbd: Disk is full writing '/var/lib/mysql/bin.000007' (Errcode: 28)\n"
    later = "2026-11-28 21:00:00 9 [Warning] Aborted connection 9 to db: 'd'\n"

    assert find(log("mariadb10_killed") + full + later).code == "disk-full"
    assert find(log("mariadb10_killed") + full + later * causes.ENDING) is None


def test_who_stopped_it():
    assert "SIGTERM" in causes.shutdown(log("mariadb10_healthy"))
    assert "root[root] @ localhost" in causes.shutdown(
        "2026-11-28 19:38:23 9 [Note] mariadbd (initiated by: root[root] @ localhost []): Normal shutdown\n")
    assert causes.shutdown(log("mariadb10_killed")) is None
    assert causes.shutdown(log("mariadb10_healthy") + log("mariadb10_killed")) is None


def test_the_first_unknown_error_counts_and_what_only_follows_does_not():
    text = ("x 0 [ERROR] Plugin 'Q' init function returned error.\nx 0 [ERROR] Nothing works since Tuesday\n"
            "x 0 [ERROR] Nor does this\nx 0 [ERROR] Aborting\n")

    assert find(text) == (causes.UNKNOWN, "Nothing works since Tuesday", None)
    assert find("x 0 [ERROR] Aborting\n") == (causes.UNKNOWN, "Aborting", None)
    assert find("x 0 [Warning] nothing\n") is None
    assert len(find("[ERROR] " + "long " * 100).sentence) <= causes.MOST


def test_the_port_of_group_communication_is_that_of_the_log():
    text = log("mariadb10_galera_port_taken").replace("base_port = 4567", "base_port = 5500")

    assert find(text).port == 5500 and "5500" in find(text).sentence
    assert find(log("mariadb10_port_taken")).port == 3306


def test_the_remedy_is_for_this_data_directory_and_user():
    text = log("mariadb10_ibdata1_root")

    assert causes.find(text, "/srv/db", "mariadb").sentence == (
        "mariadb cannot write /srv/db/ibdata1: chown -R mariadb: /srv/db")
    assert causes.find(text).sentence == "mysql cannot write ./ibdata1: chown -R mysql: the data directory"
    layout = SimpleNamespace(datadir="/srv/db", user="mariadb")
    assert causes.sentence(text, layout).startswith("mariadb cannot write") and causes.sentence("", layout) is None


def test_a_long_path_leaves_the_remedy_whole():
    path = "/srv/" + "very_long_name/" * 3 + "grastate.dat"
    found = find("[ERROR] WSREP: Could not open state file for writing: '%s'. System error: 13 (Permission)" % path)

    assert len(found.sentence) <= causes.MOST and ("chown mysql: " + path in found.sentence
                                                   or found.sentence.startswith("mysql cannot write"))


# Secrets, and what a broken machine may hold

SECRETS = [
    "2026-11-28 19:39:45 0 [ERROR] mariadbd: unknown variable 'wsrep_sst_aut=sst:{secret}'",
    "2026-11-28 19:39:45 0 [ERROR] mariadbd: unknown option '--wsrep-sst-auht=sst:{secret}'",
    "2026-11-28 19:39:45 0 [ERROR] mariadbd: Error while setting value 'sst:{secret}' to 'wsrep_sst_auth'",
    "2026-11-28 19:39:45 0 [ERROR] mariadbd: Error while setting value '{secret}' to 'file-key-management-filekey'",
    "[ERROR] WSREP: failed to open gcomm backend connection: 22: Bad value '{secret}' for parameter 'socket.password'",
    "[ERROR] WSREP: Failed to create a new provider 'x' with options 'socket.ssl_password={secret};gcache.size=1G': no",
    "[ERROR] WSREP: Process failed: wsrep_sst_mysqldump --role 'donor' --auth 'root:{secret}' --socket '/x'",
    "[ERROR] Strange: wsrep_sst_auth=sst:{secret}",
    "[ERROR] Strange: wsrep_sst_auth = 'sst:{secret} with blanks'",
    "[ERROR] Strange: connect to mysql://repl:{secret}@db1/ failed",
    "[ERROR] Strange: password '{secret}' is refused",
    "[ERROR] Strange: CREATE USER x IDENTIFIED BY '{secret}'",
    "[ERROR] [MY-000000] [WSREP] Strange --wsrep_sst_auth=sst:{secret}",
    "WSREP_SST: [ERROR] mariadb-backup --password={secret} finished with error: 1",
    "WSREP_SST: [ERROR] encrypt-key: {secret} is too short",
    "261128 19:50:13 [ERROR] InnoDB: Failing assertion: wsrep_sst_auth: {secret}",
]


@pytest.mark.parametrize("line", SECRETS)
def test_a_secret_is_never_shown(line):
    secret = "s3cr3tWord"
    line = line.format(secret=secret)

    for text in (line, line + "\n[ERROR] Aborting\n", log("mariadb10_no_primary") + line,
                 line + log("mariadb10_healthy")):
        found = find(text)
        assert found is None or secret not in found.sentence
    assert secret not in causes.shown(line)


def test_any_text_is_survived():
    """Cut at any byte, mixed, with bytes that are no text: no exception, no long sentence, one line of ASCII."""
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    names = [name for name, _, _ in TABLE] + list(WITHOUT_CAUSE)
    for _ in range(120):
        text = log(chance.choice(names)).encode()
        begin, end = sorted((chance.randrange(len(text)), chance.randrange(len(text) + 1)))
        text = text[begin:end]
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + bytes(chance.randrange(256) for _ in range(chance.randrange(30))) + text[at:]
        found = find(text.decode("utf-8", "replace"))
        if found is not None:
            assert len(found.sentence) <= causes.MOST, found
            assert re.fullmatch("[ -~]+", found.sentence), found
        causes.shutdown(text.decode("utf-8", "replace"))
    assert find("") is None and find("[ERROR]") is None and find("\0" * 5000) is None


def test_a_log_of_one_endless_line_costs_little():
    """Patterns look at the beginning of a line only: a line of a mebibyte is not searched again and again."""
    found = find("x 0 [ERROR] InnoDB: " + "Errcode: " * 120000)

    assert found.code == causes.UNKNOWN and len(found.sentence) <= causes.MOST


# The documentation

def test_the_table_of_the_documentation_is_that_of_the_rules():
    with open(os.path.join(ROOT, "docs", "operating.md"), encoding="utf-8") as file:
        text = file.read()
    begin, end = "<!-- causes: begin -->\n", "<!-- causes: end -->"
    wanted = documented()

    assert wanted == text.partition(begin)[2].partition(end)[0], "docs/operating.md: between the marks belongs\n" + wanted


def documented():
    """The table of docs/operating.md: of each code one sentence."""
    seen, lines = set(), ["| cause | exit reason, behind `The database server died: ` and the like |\n", "|---|---|\n"]
    for _, code, sentence in sorted(TABLE, key=lambda row: row[1]):
        if code != causes.UNKNOWN and code not in seen:
            lines.append("| `%s` | %s |\n" % (code, sentence.replace("|", "\\|").replace("<", "&lt;")))
        seen.add(code)
    return "".join(lines)
