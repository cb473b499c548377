# SPDX-License-Identifier: Apache-2.0
"""What RabbitMQ, the Erlang machine and the start script say when a broker cannot start, or ends, and what an operator
does about it. Pure: a table, which causes.py applies.

Sources: real logs of RabbitMQ 3.10.8 (Erlang 25.2) and 4.0.5 (Erlang 27.3) in tests/unit/rabbitmq/broker/log/logs. A
pattern is searched in the text without time, level and process, each line without the blanks around it. Erlang breaks
a term wherever its line is full: between the parts of a term a pattern has \\s*.
"""

import re
from collections import namedtuple


class Rule(namedtuple("Rule", "code strength pattern what remedy")):
    """strength: STRONG, WEAK or RUNNING. pattern: compiled; its named groups are put into `what` and `remedy`, as are
    {user}, {base} (the directory of all nodes' data), {data} (that of this node's), {cookie}, {conf} (the directory of
    the configuration), {directory} and {file} of a {path}, {give_file} and {give}, which give the user a file, and the
    directory that it is in where that is the broker's own, and {bare}, a name as a pattern for grep. what: what is
    wrong. remedy: what to type, or where to look; what would lose data where no other node has them says so."""

    __slots__ = ()

    def __new__(cls, code, strength, pattern, what, remedy):
        return super().__new__(cls, code, strength, re.compile(pattern, re.MULTILINE), what, remedy)


# STRONG: it alone keeps the broker from running. WEAK: it follows from something, which is said where it is known.
# RUNNING: it ends a broker that served, or one that starts.
RUNNING, STRONG, WEAK = 3, 2, 1

_GREP = "grep -rn {bare} {conf}"
_TAKEN = "ss -ltnp sport = :{port}"
_AFRESH = "restore it, or move {data} away; quorate explain"
_TERMS = "no list of Erlang terms"
_ACCEPTOR = r"\{listen_error,\s*\{acceptor,\s*(?P<address>\{[\d,\s]+\}),\s*(?P<port>\d+)\},\s*"

RULES = (
    # The start script, and Erlang itself.
    Rule("env-conf", STRONG, r": (?P<line>\d+): (?P<path>/\S+): (?P<what>Syntax error: .*|\S+: not found)$",
         "{path} line {line}: {what}", "sh -n {path}"),
    Rule("env-conf", STRONG, r": cannot open (?P<path>/\S+): Permission denied$", "{user} cannot read {path}",
         "chmod 644 {path}"),
    Rule("erlang-missing", STRONG, r": exec: (?P<path>\S*erl): not found$", "Erlang is missing",
         "apt install erlang-base"),
    Rule("erlang-options", STRONG, r"^(?P<what>.*)\nUsage: beam\S* \[flags\]", "Erlang refuses its options: {what}",
         "grep -rn ERL_ARGS {conf}"),
    Rule("erlang-module", STRONG, r"\{undef,\s*\[\{(?P<name>mnesia|ssl|crypto|public_key|os_mon|xmerl|asn1|inets|eldap|"
         r"tools|runtime_tools|syntax_tools|parsetools),", "Erlang's module {name} is missing",
         "apt install --reinstall rabbitmq-server"),
    Rule("memory", RUNNING, r"(?:eheap|binary|ets|ll|driver|sl|std|temp|literal|exec|fix)_alloc: Cannot "
         r"(?:re)?allocate (?P<value>\d+) bytes", "No memory for Erlang ({value} bytes)", "free -m; journalctl -k"),

    # The Erlang cookie.
    Rule("cookie-mode", STRONG, r"Cookie file (?P<path>\S+) must be accessible by owner only",
         "Others may read the Erlang cookie", "chmod 400 {path}"),
    Rule("cookie-read", STRONG, r"Error when reading (?P<path>\S+): eacces", "{user} cannot read {path}",
         "chown {user}: {path}"),
    Rule("cookie-make", STRONG, r"Failed to create cookie file '(?P<path>[^']+)'", "There is no Erlang cookie",
         "copy it from another node, or: quorate rabbitmq cookie"),
    Rule("cookie-empty", STRONG, r"Too short cookie string", "The Erlang cookie is empty or too short",
         "copy {cookie} from another node"),
    Rule("cookie", WEAK, r"\{auth,init_no_setcookie,", "The Erlang cookie cannot be used", "ls -l {cookie}"),

    # Names, and the port mapper.
    Rule("port-taken", STRONG, r"ERROR: could not bind to distribution port (?P<port>\d+)", "Port {port} is taken",
         _TAKEN),
    Rule("name-taken", STRONG, r"ERROR: node with name \"(?P<name>[^\"\n]+)\" is already running",
         "Another Erlang node {name} runs here", "epmd -names; ps -fC beam.smp"),
    Rule("names", STRONG, r"ERROR: epmd error for host (?P<name>\S+): ", "The name {name} is unknown",
         "getent hosts {name}; cat /etc/hosts"),
    Rule("epmd", STRONG, r"register/listen error: \S+",
         "Erlang's port mapper epmd does not answer", "epmd -names; ss -ltnp sport = :4369"),
    Rule("distribution-tls", STRONG, r"\{bad_ssl_dist_optfile,\s*\[\"(?P<path>[^\"\n]+)\"",
         "{path} (-ssl_dist_optfile) cannot be read", "ls -l {path}"),
    Rule("distribution", WEAK, r"\{'EXIT',\s*nodistribution\}", "Erlang nodes cannot be reached",
         "epmd -names; getent hosts $(hostname -s)"),

    # The configuration.
    Rule("conf-read", STRONG, r"File operation error: eacces\. Target: (?P<path>\S+)\. Function: get_file\. Process: "
         r"rabbit_prelaunch", "{user} cannot read {path}", "chown {user}: {path}"),
    Rule("conf-syntax", STRONG, r"Syntax error in (?P<path>\S+) after line (?P<line>\d+)",
         "{path} line {line} is not understood", "sed -n {line}p {path}"),
    Rule("conf-unknown", STRONG, r"Conf file attempted to set unknown variable: (?P<name>\S+)",
         "RabbitMQ knows no setting {name}", _GREP),
    Rule("conf-value", STRONG, r"Error transforming datatype for: (?P<name>\S+)\n(?:.*\n){0,6}?"
         r"- \"(?P<value>[^\"\n]*)\" "
         r"(?:is not a valid|cannot be converted)", "{value} is no value of {name}", _GREP),
    Rule("conf-file", STRONG, r"(?P<name>[\w.$]+) invalid, file does not exist or cannot be read by the node",
         "{name} is no file that {user} can read", _GREP),
    Rule("conf-invalid", STRONG, r"^(?:- )?(?P<name>[\w.$]+) invalid, (?!file does not exist)(?P<what>.+)",
         "{name}: {what}", _GREP),
    Rule("terms", WEAK, r"Failed to load advanced configuration file \"(?P<path>[^\"\n]+)\"",
         "{path} is " + _TERMS, "check brackets, commas, full stop"),
    Rule("terms", STRONG, r"error:\{case_clause,.*\}\s+lists:foldl/3.*\nrabbit_prelaunch_conf:load_cuttlefish",
         "advanced.config is " + _TERMS, "cat {conf}/advanced.config"),
    Rule("listener", STRONG, r"rabbit_networking:tcp_listener_addresses/1.*\nargs: \[(?P<value>.*)\]",
         "{value} is no listener", "grep -rn listeners {conf}"),
    Rule("plugins-read", STRONG, r"\{cannot_read_enabled_plugins_file,\s*\"(?P<path>[^\"\n]+)\",\s*eacces\}",
         "{user} cannot read {path}", "chmod 644 {path}"),
    Rule("plugins", STRONG, r"\{cannot_read_enabled_plugins_file,\s*\"(?P<path>[^\"\n]+)\",",
         "{path} is " + _TERMS, "cat {path}"),

    Rule("definitions", STRONG, r"Error during startup: \{error,\s*not_json\}", "The file of definitions is no JSON",
         "grep -rn load_definitions {conf}"),
    Rule("definitions", STRONG, r"Please create virtual host \\?\"(?P<name>[^\"\n]*?)\\?\" prior to importing",
         "The definitions lack the virtual host {name}", "grep -rn load_definitions {conf}"),

    # Listeners.
    Rule("port-taken", STRONG, _ACCEPTOR + r"eaddrinuse\}", "Port {port} is taken", _TAKEN),
    Rule("address", STRONG, _ACCEPTOR + r"eaddrnotavail\}", "{address} is no address of this node",
         "ip -brief address; grep -rn listeners {conf}"),
    Rule("port-forbidden", STRONG, _ACCEPTOR + r"eacces\}", "{user} may not listen at port {port}",
         "use one above 1023"),

    # Files.
    Rule("disk-full", STRONG, r"\"(?P<path>/[^\"\n]+)\",\s*enospc\}", "A disk is full", "df {directory}"),
    Rule("read-only", STRONG, r"\"(?P<path>/[^\"\n]+)\",\s*erofs\}", "The file system of {file} is read-only",
         "findmnt -T {directory}"),
    Rule("disk-full", WEAK, r"\{error,\s*enospc\}", "A disk is full", "df {data}"),
    Rule("open-files", STRONG, r"\{emfile,|operation error: emfile\b", "Too many open files",
         "raise LimitNOFILE of pacemaker.service"),
    Rule("log-file", STRONG, r"failed to open log file at '(?P<path>[^'\n]+)', reason: permission denied",
         "{user} cannot write {path}", "{give_file}"),
    Rule("owner", STRONG, r"Failed to create Ra data directory at '(?P<path>[^'\n]+)', file system operation error: "
         r"(?:eacces|enoent)", "{user} may not use {path}", "{give}"),
    Rule("owner", STRONG, r"\"(?P<path>/[^\"\n]+?)/?\",\s*eacces\}", "{user} may not use {path}", "{give}"),
    Rule("flags-damaged", STRONG, r"\{feature_flags_file_read_error,\s*\"(?P<path>[^\"\n]+)\",\s*\{",
         "{path} is damaged", "copy another node's"),
    Rule("flags-damaged", STRONG, r"\{case_clause,\{ok,\[\]\}\}\s+rabbit_feature_flags:try_to_read",
         "{data}-feature_flags is empty", "copy another node's"),
    Rule("damaged", STRONG, r"\{cannot_read_file,\s*\"(?P<path>[^\"\n]+)\",", "{file} is damaged", _AFRESH),
    Rule("damaged", STRONG, r"\{not_a_dets_file,\s*\"(?P<path>[^\"\n]+)\"\}", "{file} is damaged", _AFRESH),
    Rule("damaged", STRONG, r"\{ra_log_wal,\s*\S*unknown_wal_file_format|unknown_wal_file_format,",
         "A log of the quorum queues is damaged", _AFRESH),
    Rule("damaged", STRONG, r"\nrabbit_version:all_upgrades_required/1", "schema_version is damaged",
         _AFRESH),
    Rule("release", STRONG, r"\nrabbit_upgrade:apply_upgrade/2", "The data are of another release of RabbitMQ",
         "install that release again"),
    Rule("release", STRONG, r"Feature flags: `(?P<name>\S+)`: required feature flag not enabled",
         "The data lack {name}: install the former release", "quorate rabbitmq upgrade-check"),
    Rule("mnesia", WEAK, r"\{mnesia_app,\s*start,\s*\[normal,\s*\[\]\]\}", "Mnesia cannot read its data",
         "ls -l {data}"),

    # The cluster.
    Rule("excluded", STRONG, r"\{inconsistent_cluster,\s*\"|clustered with node \S+, but \S+ disagrees",
         "The cluster does not know this node", "quorate explain"),
    Rule("join", STRONG, r"\{failed_to_cluster_with,\s*\[(?P<name>[^\]]{0,200})\]", "It could not join {name}",
         "quorate explain; epmd -names there"),
    Rule("alone", WEAK, r"Timeout contacting cluster nodes: \[(?P<name>[^\]]{0,200})\]", "It waited for {name} in vain",
         "quorate explain"),
)
