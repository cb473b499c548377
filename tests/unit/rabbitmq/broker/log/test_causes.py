# SPDX-License-Identifier: Apache-2.0
"""The cause of a broker's end, by real logs: which log, which rule, which sentence (logs/README.md says where they come
from)."""

import glob
import json
import os
import random
import re
from types import SimpleNamespace

import pytest

from quorate.rabbitmq.broker.log import causes
from quorate.rabbitmq.broker.log.cause_table import RULES, RUNNING, WEAK
from tests import ROOT

LOGS = os.path.join(os.path.dirname(__file__), "logs")
LAYOUT = SimpleNamespace(user="rabbitmq", base="/var/lib/rabbitmq/mnesia",
                         directory="/var/lib/rabbitmq/mnesia/rabbit@n1",
                         cookie="/var/lib/rabbitmq/.erlang.cookie", config="/etc/rabbitmq/rabbitmq.conf")
STOPPED = ("mq310_sigterm", "mq40_sigterm")
WITHOUT_CAUSE = STOPPED + (
    "mq310_healthy", "mq40_healthy",
    "mq310_latest_log_corrupt",  # Mnesia removes what it cannot read, says so, and goes on
    "mq310_memory_limit",        # Erlang ends by SIGSEGV, without a word
    "mq310_sigkill",
    "mq310_tls_port_taken",      # it serves on the other port all the same
    "mq310_vhost_dir_root",      # it runs without that virtual host
)

TABLE = [
    ("mq310_address_not_local", "address",
     "10.9.9.9 is no address of this node: ip -brief address; grep -rn listeners /etc/rabbitmq"),
    ("mq310_advanced_listener_value", "listener", '"x" is no listener: grep -rn listeners /etc/rabbitmq'),
    ("mq310_advanced_no_list", "terms",
     "advanced.config is no list of Erlang terms: cat /etc/rabbitmq/advanced.config"),
    ("mq310_advanced_syntax", "terms",
     "/etc/rabbitmq/advanced.config is no list of Erlang terms: check brackets, commas, full stop"),
    ("mq310_advanced_unreadable", "conf-read",
     "rabbitmq cannot read /etc/rabbitmq/advanced.config: chown rabbitmq: /etc/rabbitmq/advanced.config"),
    ("mq310_classic_syntax", "terms",
     "/etc/rabbitmq/rabbitmq.config is no list of Erlang terms: check brackets, commas, full stop"),
    ("mq310_cluster_nodes_corrupt", "damaged",
     "cluster_nodes.config is damaged: restore it, or move /var/lib/rabbitmq/mnesia/rabbit@n1 away; quorate explain"),
    ("mq310_conf_d_syntax", "conf-syntax",
     "/etc/rabbitmq/conf.d/10-x.conf line 1 is not understood: sed -n 1p /etc/rabbitmq/conf.d/10-x.conf"),
    ("mq310_conf_syntax", "conf-syntax",
     "/etc/rabbitmq/rabbitmq.conf line 2 is not understood: sed -n 2p /etc/rabbitmq/rabbitmq.conf"),
    ("mq310_conf_unknown_key", "conf-unknown",
     "RabbitMQ knows no setting vm_memory_high_watermrk...: grep -rn vm_memory_high_watermrk.relative /etc/rabbitmq"),
    ("mq310_conf_unreadable", "conf-read",
     "rabbitmq cannot read /etc/rabbitmq/rabbitmq.conf: chown rabbitmq: /etc/rabbitmq/rabbitmq.conf"),
    ("mq310_conf_validation", "conf-invalid",
     "raft.segment_max_entries: number should be greater or equ...: grep -rn raft.segment_max_entries /etc/rabbitmq"),
    ("mq310_conf_value", "conf-value",
     "abc is no value of listeners.tcp.default: grep -rn listeners.tcp.default /etc/rabbitmq"),
    ("mq310_conf_value_enum", "conf-value",
     "pause_minorty is no value of cluster_partition_handling: grep -rn cluster_partition_handling /etc/rabbitmq"),
    ("mq310_cookie_directory", "cookie", "The Erlang cookie cannot be used: ls -l /var/lib/rabbitmq/.erlang.cookie"),
    ("mq310_cookie_empty", "cookie-empty",
     "The Erlang cookie is empty or too short: copy /var/lib/rabbitmq/.erlang.cookie from another node"),
    ("mq310_cookie_home_root", "cookie-make",
     "There is no Erlang cookie: copy it from another node, or: quorate rabbitmq cookie"),
    ("mq310_cookie_mode", "cookie-mode",
     "Others may read the Erlang cookie: chmod 400 /var/lib/rabbitmq/.erlang.cookie"),
    ("mq310_cookie_root", "cookie-read",
     "rabbitmq cannot read /var/lib/rabbitmq/.erlang.cookie: chown rabbitmq: /var/lib/rabbitmq/.erlang.cookie"),
    ("mq310_data_base_root", "owner",
     "rabbitmq may not use /var/lib/rabbitmq/mnesia/rabbit@n1: chown -R rabbitmq: /var/lib/rabbitmq/mnesia"),
    ("mq310_data_file_root", "owner",
     "rabbitmq may not use /var/lib/rabbitmq/mnesia/rabbit@n1/schem...: chown -R rabbitmq: /var/lib/rabbitmq/mnesia"),
    ("mq310_data_root", "owner",
     "rabbitmq may not use /var/lib/rabbitmq/mnesia/rabbit@n1-featu...: chown -R rabbitmq: /var/lib/rabbitmq/mnesia"),
    ("mq310_definitions_missing", "conf-file",
     "load_definitions is no file that rabbitmq can read: grep -rn load_definitions /etc/rabbitmq"),
    ("mq310_definitions_unreadable", "conf-file",
     "load_definitions is no file that rabbitmq can read: grep -rn load_definitions /etc/rabbitmq"),
    ("mq310_disk_full", "disk-full", "A disk is full: df /var/lib/rabbitmq/mnesia/rabbit@n1"),
    ("mq310_distribution_port_taken", "port-taken", "Port 25672 is taken: ss -ltnp sport = :25672"),
    ("mq310_distribution_tls_missing", "distribution-tls",
     "/etc/rabbitmq/none.config (-ssl_dist_optfile) cannot be read: ls -l /etc/rabbitmq/none.config"),
    ("mq310_env_conf_command", "env-conf",
     "/etc/rabbitmq/rabbitmq-env.conf line 1: NODE: not found: sh -n /etc/rabbitmq/rabbitmq-env.conf"),
    ("mq310_env_conf_syntax", "env-conf",
     "/etc/rabbitmq/rabbitmq-env.conf line 2: Syntax error: Unterminated...: sh -n /etc/rabbitmq/rabbitmq-env.conf"),
    ("mq310_env_conf_unreadable", "env-conf",
     "rabbitmq cannot read /etc/rabbitmq/rabbitmq-env.conf: chmod 644 /etc/rabbitmq/rabbitmq-env.conf"),
    ("mq310_epmd_missing", "epmd", "Erlang's port mapper epmd does not answer: epmd -names; ss -ltnp sport = :4369"),
    ("mq310_epmd_port_taken", "epmd", "Erlang's port mapper epmd does not answer: epmd -names; ss -ltnp sport = :4369"),
    ("mq310_erl_args", "erlang-options",
     "Erlang refuses its options: bad number of ports abc: grep -rn ERL_ARGS /etc/rabbitmq"),
    ("mq310_erl_missing", "erlang-missing", "Erlang is missing: apt install erlang-base"),
    ("mq310_erl_module_missing", "erlang-module",
     "Erlang's module mnesia is missing: apt install --reinstall rabbitmq-server"),
    ("mq310_flags_corrupt", "flags-damaged",
     "/var/lib/rabbitmq/mnesia/rabbit@n1-feature_flags is damaged: copy another node's"),
    ("mq310_flags_empty", "flags-damaged",
     "/var/lib/rabbitmq/mnesia/rabbit@n1-feature_flags is empty: copy another node's"),
    ("mq310_host_elsewhere", "names", "The name n9 is unknown: getent hosts n9; cat /etc/hosts"),
    ("mq310_inconsistent_cluster", "excluded", "The cluster does not know this node: quorate explain"),
    ("mq310_listener_name_unknown", "conf-value",
     "nohost.example.org:5672 is no value of listeners.tcp.1: grep -rn listeners.tcp.1 /etc/rabbitmq"),
    ("mq310_log_dir_root", "log-file",
     "rabbitmq cannot write /var/log/rabbitmq/rabbit@n1.log: chown -R rabbitmq: /var/log/rabbitmq"),
    ("mq310_log_file_root", "log-file",
     "rabbitmq cannot write /var/log/rabbitmq/rabbit@n1.log: chown -R rabbitmq: /var/log/rabbitmq"),
    ("mq310_log_level", "conf-value", "loud is no value of log.file.level: grep -rn log.file.level /etc/rabbitmq"),
    ("mq310_management_port_taken", "port-taken", "Port 15672 is taken: ss -ltnp sport = :15672"),
    ("mq310_memory", "memory", "No memory for Erlang (147852528 bytes): free -m; journalctl -k"),
    ("mq310_name_in_use", "name-taken", "Another Erlang node rabbit runs here: epmd -names; ps -fC beam.smp"),
    ("mq310_open_files", "open-files", "Too many open files: raise LimitNOFILE of pacemaker.service"),
    ("mq310_plugins_syntax", "plugins",
     "/etc/rabbitmq/enabled_plugins is no list of Erlang terms: cat /etc/rabbitmq/enabled_plugins"),
    ("mq310_plugins_unreadable", "plugins-read",
     "rabbitmq cannot read /etc/rabbitmq/enabled_plugins: chmod 644 /etc/rabbitmq/enabled_plugins"),
    ("mq310_port_forbidden", "port-forbidden", "rabbitmq may not listen at port 672: use one above 1023"),
    ("mq310_port_taken", "port-taken", "Port 5672 is taken: ss -ltnp sport = :5672"),
    ("mq310_quorum_dir_root", "owner",
     "rabbitmq may not use /var/lib/rabbitmq/mnesia/rabbit@n1/quoru...: chown -R rabbitmq: /var/lib/rabbitmq/mnesia"),
    ("mq310_ra_meta_corrupt", "damaged",
     "names.dets is damaged: restore it, or move /var/lib/rabbitmq/mnesia/rabbit@n1 away; quorate explain"),
    ("mq310_read_only", "read-only",
     "The file system of cluster_nodes.config is read-only: findmnt -T /var/lib/rabbitmq/mnesia/rabbit@n1"),
    ("mq310_renamed_data", "join", "It could not join rabbit@n1: quorate explain; epmd -names there"),
    ("mq310_schema_corrupt", "damaged",
     "schema.DAT is damaged: restore it, or move /var/lib/rabbitmq/mnesia/rabbit@n1 away; quorate explain"),
    ("mq310_schema_newer", "release", "The data are of another release of RabbitMQ: install that release again"),
    ("mq310_schema_truncated", "damaged",
     "schema.DAT is damaged: restore it, or move /var/lib/rabbitmq/mnesia/rabbit@n1 away; quorate explain"),
    ("mq310_schema_version_corrupt", "damaged",
     "schema_version is damaged: restore it, or move /var/lib/rabbitmq/mnesia/rabbit@n1 away; quorate explain"),
    ("mq310_short_name_dot", "names",
     "The name n1.example.org is unknown: getent hosts n1.example.org; cat /etc/hosts"),
    ("mq310_tls_ca_missing", "conf-file",
     "ssl_options.cacertfile is no file that rabbitmq can read: grep -rn ssl_options.cacertfile /etc/rabbitmq"),
    ("mq310_tls_cert_missing", "conf-file",
     "ssl_options.certfile is no file that rabbitmq can read: grep -rn ssl_options.certfile /etc/rabbitmq"),
    ("mq310_tls_key_unreadable", "conf-file",
     "ssl_options.keyfile is no file that rabbitmq can read: grep -rn ssl_options.keyfile /etc/rabbitmq"),
    ("mq310_tls_value", "conf-value",
     "verify_pear is no value of ssl_options.verify: grep -rn ssl_options.verify /etc/rabbitmq"),
    ("mq310_vhost_default_bad", "conf-value",
     "maybe is no value of default_user_tags.administrator: grep -rn default_user_tags.administrator /etc/rabbitmq"),
    ("mq310_waits_gives_up", "alone", "It waited for rabbit2@n1 in vain: quorate explain"),
    ("mq310_wal_corrupt", "damaged",
     "A log of the quorum queues i...: restore it, or move /var/lib/rabbitmq/mnesia/rabbit@n1 away; quorate explain"),
    ("mq40_conf_unreadable", "conf-read",
     "rabbitmq cannot read /etc/rabbitmq/rabbitmq.conf: chown rabbitmq: /etc/rabbitmq/rabbitmq.conf"),
    ("mq40_data_base_root", "owner",
     "rabbitmq may not use /var/lib/rabbitmq/mnesia/rabbit@n1/quoru...: chown -R rabbitmq: /var/lib/rabbitmq/mnesia"),
    ("mq40_definitions_json", "definitions",
     "The file of definitions is no JSON: grep -rn load_definitions /etc/rabbitmq"),
    ("mq40_definitions_wrong", "definitions",
     "The definitions lack the virtual host none: grep -rn load_definitions /etc/rabbitmq"),
    ("mq40_disk_full_seeded", "disk-full", "A disk is full: df /var/lib/rabbitmq/mnesia/rabbit@n1"),
    ("mq40_flags_newer", "release",
     "The data lack classic_mirrored_queue_version: install the former release: quorate rabbitmq upgrade-check"),
    ("mq40_log_level", "conf-value", "loud is no value of log.file.level: grep -rn log.file.level /etc/rabbitmq"),
    ("mq40_name_two_ats", "names", "The name n1@n2 is unknown: getent hosts n1@n2; cat /etc/hosts"),
    ("mq40_open_files", "open-files", "Too many open files: raise LimitNOFILE of pacemaker.service"),
    ("mq40_port_taken", "port-taken", "Port 5672 is taken: ss -ltnp sport = :5672"),
    ("mq40_read_only", "read-only",
     "The file system of names.dets is read-only: findmnt -T /var/lib/rabbitmq/mnesia/rabbit@n1/quorum/rabbit@n1"),
    ("mq40_renamed_data", "join", "It could not join rabbit@n1: quorate explain; epmd -names there"),
    ("mq40_waits_gives_up", "alone", "It waited for rabbit2@n1 in vain: quorate explain"),
]

PATHS = {os.path.basename(path)[:-len(".log")]: path for path in sorted(glob.glob(os.path.join(LOGS, "*", "*.log")))}


def log(name):
    with open(PATHS[name], encoding="utf-8", errors="replace") as file:
        return file.read()


@pytest.mark.parametrize("name, code, sentence", TABLE, ids=[name for name, _, _ in TABLE])
def test_the_cause_in_a_real_log(name, code, sentence):
    assert (code, sentence) == causes.find(log(name), LAYOUT)
    assert len(sentence) <= causes.MOST and sentence.isascii() and not sentence.endswith(".")
    assert causes.sentence(log(name), LAYOUT) == sentence


@pytest.mark.parametrize("name", WITHOUT_CAUSE)
def test_a_log_without_a_cause(name):
    assert causes.find(log(name), LAYOUT) is None


def test_every_log_is_in_the_table():
    assert sorted(PATHS) == sorted([name for name, _, _ in TABLE] + list(WITHOUT_CAUSE))
    assert len(TABLE) >= 60


@pytest.mark.parametrize("number", range(len(RULES)), ids=["%d-%s" % (at, rule.code) for at, rule in enumerate(RULES)])
def test_every_rule_is_known_from_a_real_log(number):
    """A rule that no real log exercises is a guess."""
    for name, _, sentence in TABLE:
        match = RULES[number].pattern.search(causes._flat(log(name)))
        if match and (RULES[number].strength == WEAK
                      or causes._cause(RULES[number], match, LAYOUT).sentence == sentence):
            return
    pytest.fail("No log knows %s" % RULES[number].pattern.pattern)


def test_what_follows_is_within_what_pacemaker_keeps():
    """144 characters of an exit reason survive; boot_error puts the most before the sentence."""
    from quorate.rabbitmq.actions.boot import boot_error
    assert all(len(boot_error("x", None, sentence)) <= 144 for _, _, sentence in TABLE)


# What is older, what is said elsewhere, what stopped it

def test_once_it_served_the_errors_of_its_start_do_not_explain_its_end():
    served = log("mq310_healthy")

    assert causes.find(log("mq310_port_taken") + served, LAYOUT) is None
    assert causes.find(served + log("mq310_port_taken"), LAYOUT).code == "port-taken"  # it started again
    later = '2026-11-29 03:00:00.1+00:00 [error] <0.1.0> {error,{file_error,"/x",enospc}}'
    assert causes.find(served + later, LAYOUT) is None and causes.find(later, LAYOUT).code == "disk-full"


def test_what_ends_a_broker_that_serves_may_stand_before_its_log():
    """Erlang prints it, and what is printed is read first."""
    printed, logged = log("mq310_memory").split("2026-11-29", 1)[0], log("mq310_healthy")

    assert "eheap_alloc" in log("mq310_memory") and causes.find(log("mq310_memory"), LAYOUT).code == "memory"
    crash = next(line for line in log("mq310_memory").splitlines() if "eheap_alloc" in line)
    assert causes.find(printed + crash + "\n" + logged, LAYOUT).code == "memory"
    assert [rule.code for rule in RULES if rule.strength == RUNNING] == ["memory"]


@pytest.mark.parametrize("name", STOPPED)
def test_who_stopped_it(name):
    assert "(SIGTERM): systemctl disable --now rabbitmq-server" in causes.shutdown(log(name))
    assert causes.shutdown(log(name) + log("mq310_healthy")) is None


def test_nobody_stopped_it():
    assert [name for name in PATHS if causes.shutdown(log(name)) and name not in STOPPED] == []


def test_a_log_in_json():
    """log.file.formatter = json"""
    lines = [json.dumps({"time": "x", "level": "error", "msg": causes._message(line), "pid": "<0.1.0>"})
             for line in log("mq310_conf_unknown_key").splitlines()]

    assert causes.find("\n".join(lines), LAYOUT) == causes.find(log("mq310_conf_unknown_key"), LAYOUT)


def test_without_a_layout_the_usual_places():
    assert "chown -R rabbitmq: /var/lib/rabbitmq/mnesia" in causes.sentence(log("mq310_data_root"))
    other = SimpleNamespace(user="mq", base="/srv/mq", directory="/srv/mq/rabbit@n1", cookie="/srv/c", config=None)
    moved = log("mq310_quorum_dir_root").replace("/var/lib/rabbitmq/mnesia", "/srv/mq")
    assert causes.sentence(moved, other).endswith("chown -R mq: /srv/mq/rabbit@n1")
    assert "/srv/c" in causes.sentence(log("mq310_cookie_empty"), other)
    assert causes.sentence(log("mq310_conf_value"), other).endswith("/etc/rabbitmq")


@pytest.mark.parametrize("log_path, remedy", [
    ("/var/log/rabbitmq/rabbit@n1.log", "chown -R rabbitmq: /var/log/rabbitmq"),
    ("/var/log/rabbitmq.log", "chown rabbitmq: /var/log/rabbitmq.log"),
    ("/srv/log/rabbit@n1.log", "chown rabbitmq: /srv/log/rabbit@n1.log"),
    ("/dev/stdout", "set LOGS=- in /etc/rabbitmq/rabbitmq-env.conf")])
def test_no_directory_of_others_is_given_away_with_the_log(log_path, remedy):
    text = log("mq310_log_dir_root").replace("/var/log/rabbitmq/rabbit@n1.log", log_path)
    assert causes.find(text, LAYOUT) == ("log-file", "rabbitmq cannot write %s: %s" % (log_path, remedy))


@pytest.mark.parametrize("base, path, remedy", [
    ("/var/lib/rabbitmq/mnesia", "/var/lib/rabbitmq/mnesia/rabbit@n1/x", "chown -R rabbitmq: /var/lib/rabbitmq/mnesia"),
    ("/srv", "/srv/rabbit@n1/quorum", "chown -R rabbitmq: /srv/rabbit@n1"), ("/srv", "/srv/x", "ls -ld /srv/x"),
    ("/srv", "/var/log", "ls -ld /var/log"), ("/srv", "/etc/rabbitmq/x.pem", "ls -ld /etc/rabbitmq/x.pem"),
    ("/srv", "/srv/rabbit@n10", "ls -ld /srv/rabbit@n10")])
def test_no_directory_of_others_is_given_away_with_the_data(base, path, remedy):
    here = SimpleNamespace(user="rabbitmq", base=base, directory=base + "/rabbit@n1", cookie="/c", config=None)
    assert causes.sentence('{error,{"%s",eacces}}' % path, here) == "rabbitmq may not use %s: %s" % (path, remedy)


def test_a_command_is_whole_or_not_there():
    path = "/srv/" + "very_long_name/" * 9 + "rabbitmq.conf"
    found = causes.find("Syntax error in %s after line 7 column 1, parsing incomplete" % path, LAYOUT)

    assert len(found.sentence) <= causes.MOST and ": sed" not in found.sentence


def test_the_table_of_the_documentation_is_that_of_the_rules():
    with open(os.path.join(ROOT, "docs", "rabbitmq.md"), encoding="utf-8") as file:
        text = file.read()
    begin, end = "<!-- causes: begin -->\n", "<!-- causes: end -->"
    wanted = documented()

    found = text.partition(begin)[2].partition(end)[0]
    assert wanted == found, "docs/rabbitmq.md: between the marks belongs\n" + wanted


def documented():
    """The table of docs/rabbitmq.md: of each code one sentence."""
    seen, lines = set(), ["| cause | exit reason, behind `The broker died: ` and the like |\n", "|---|---|\n"]
    for _, code, sentence in sorted(TABLE, key=lambda row: row[1]):
        if code not in seen:
            lines.append("| `%s` | %s |\n" % (code, sentence.replace("|", "\\|").replace("<", "&lt;")))
        seen.add(code)
    return "".join(lines)


@pytest.mark.parametrize("piece", ["{error,", '{"a', "{listen_error,{acceptor,{", ": 1: /x: ", '"/x",', "a invalid, ",
                                   "{{badmatch,", "\n- ", "- \n", "Error transforming datatype for: x\n", "\n", " ",
                                   "error:{case_clause,", '{failed_to_cluster_with,['])
def test_an_endless_text_costs_little(piece):
    """As much as is read of a log (ending.LOG_MOST); a pattern that tries it again and again would take minutes."""
    causes.find(piece * (262144 // len(piece)), LAYOUT)


# Secrets, and what a broken machine may hold

SECRETS = [
    'Error transforming datatype for: default_pass\n  - "{secret}" cannot be converted to a(n) integer',
    'Error transforming datatype for: ssl_options.password\n  - "{secret}" is not a valid enum value',
    "env.conf: 7: /etc/rabbitmq/rabbitmq-env.conf: Syntax error: password={secret} unexpected",
    "bad argument default_pass {secret}\nUsage: beam.smp [flags]",
    "2026-11-29 02:31:27.7+00:00 [error] <0.1.0> connection to amqp://nova:{secret}@n1 refused",
    '2026-11-29 02:31:27.7+00:00 [error] <0.1.0> {{default_pass,<<"{secret}">>}}',
]


@pytest.mark.parametrize("line", SECRETS)
def test_a_secret_is_never_shown(line):
    line = line.replace("{secret}", "s3cr3tWord")
    found = causes.find(line, LAYOUT)

    assert found is None or "s3cr3tWord" not in found.sentence
    assert "s3cr3tWord" not in causes.shown(line.splitlines()[-1]) or "Error trans" in line or "Usage" in line


def test_any_text_is_survived():
    """Cut at any byte, mixed, with bytes that are no text: no exception, no long sentence, one line of ASCII."""
    seed = random.randrange(10**6)
    print("seed", seed)
    source = random.Random(seed)
    texts = [log(name) for name in PATHS]
    for _ in range(150):
        parts = [source.choice(texts) for _ in range(2)]
        text = "".join(part[source.randrange(len(part) + 1):][:source.randrange(9000)] for part in parts)
        text = re.sub("[aeiou]", lambda match: source.choice((match.group(), "\u00e9", "\udcff", "{", "")), text)
        found = causes.find(text, LAYOUT)
        assert found is None or len(found.sentence) <= causes.MOST and found.sentence.isascii()
        assert found is None or "\n" not in found.sentence
