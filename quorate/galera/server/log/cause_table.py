# SPDX-License-Identifier: Apache-2.0
"""What MariaDB, Percona XtraDB Cluster, Galera and their state transfer scripts log when they cannot start, or end, and
what an operator does about it. Pure: a table, which causes.py applies.

Sources: real logs of MariaDB 10.11 and 11.8 with Galera 4 (26.4) and of MySQL and Percona 8.0, in
tests/unit/galera/server/log/logs; the scripts /usr/bin/wsrep_sst_* of mariadb-server. A pattern is tried at a line without
its time, thread and level, followed by the next lines.
"""

import re
from collections import namedtuple


class Rule(namedtuple("Rule", "code strength pattern what remedy explains following")):
    """strength: STRONG, WEAK or HINT. pattern: compiled; its named groups are put into `what` and `remedy`, as are
    {datadir}, {user} and {gcomm_port}, {directory} and {file} of a {path}, {bare}, a name as a pattern for grep, and
    {afresh}, how to receive all data. what: what is wrong. remedy: what to type, or where to look; what would lose data
    where no other node has them says so. explains: of a HINT, the codes of the rules
    whose cause it is. following: whether the pattern reads the next lines as well."""

    __slots__ = ()

    def __new__(cls, code, strength, pattern, what, remedy, explains=()):
        return super().__new__(cls, code, strength, re.compile(pattern), what, remedy, explains, "(?s:" in pattern)


# STRONG: it alone keeps the server from running. WEAK: an earlier error explains it, where there is one.
# HINT: logged by healthy servers as well, but the cause where one of the rules that it explains follows.
STRONG, WEAK, HINT = 2, 1, 0

_OWN = "chown -R {user}: {datadir}"
_GREP = "grep -rn {bare} /etc/my*"
_AFRESH = "restore it; {afresh}"
_TAKEN = "ss -ltnp sport = :{port}"
_PROGRAM = r"(?:\S*(?:mariadbd|mysqld)(?:-debug)?: )?"  # as it was started: by the agent with its whole path
_SSL = r"WSREP: Bad value '(?P<path>[^'\n]+)' for SSL parameter '(?P<name>[\w.]+)'"
_GALERA_FILE = r"WSREP: (?:Could not open state file for writing:|Failed to open file) '(?P<path>[^'\n]+)'"

RULES = (
    # What the server cannot read: its configuration.
    Rule("unknown-setting", STRONG, _PROGRAM + r"unknown (?:variable|option) '(?P<name>-*[\w.-]+)",
         "The server knows no setting {name}", _GREP),
    Rule("wrong-setting", STRONG, _PROGRAM + r"Error while setting value '(?P<value>[^'\n]*)' to '(?P<name>[\w-]+)'",
         "{value} is no value of {name}", _GREP),
    Rule("config-line", STRONG, r"error: Found option without preceding group in config file: (?P<path>\S+) at line: "
         r"(?P<line>\d+)(?s:\s+)Fatal error in defaults", "{path} line {line} is in no section", "put [mysqld] above it"),
    Rule("include-missing", STRONG, _PROGRAM + r"Can't read dir of '(?P<path>[^'\n]+)'(?s:.{0,80}?)Fatal error in "
         r"defaults", "The server's configuration includes {path}", "install -d {path}"),
    Rule("config-missing", STRONG, r"Could not open required defaults file: (?P<path>\S+)",
         "{path} cannot be read (parameter config)", "ls -l {path}"),
    Rule("user", STRONG, _PROGRAM + r"(?:Fatal error: )?Can't change to run as user '(?P<name>[^'\n]+)'",
         "There is no user {name} (parameter user)", "id {name}"),
    Rule("as-root", STRONG, _PROGRAM + r"(?:Fatal error: )?Please (?:consult|read) .*run \w+ as root",
         "The server refuses to run as root", "set the parameter user, or user in my.cnf"),
    Rule("plugin-missing", HINT, _PROGRAM + r"Can't open shared library '(?:[^'\n]*/)?(?P<name>[^'/\n]+)'",
         "my.cnf loads {name}, which is missing", "install it, or take it out of my.cnf",
         ("engine", "unknown-setting", "encryption")),
    Rule("binlog-format", STRONG, r"WSREP: Only binlog_format\s*=\s*'ROW' is currently supported",
         "Galera needs binlog_format=ROW", "grep -rn binlog.format /etc/my*"),
    Rule("recovery-mode", HINT, r"InnoDB: !!! innodb_force_recovery is set to (?P<value>\d+)",
         "innodb_force_recovery is {value}", "save the data, then take it out of my.cnf", ("schema",)),
    Rule("schema", WEAK, r"WSREP: Failed to init wsrep schema", "Galera's own tables cannot be made",
         "mariadb-upgrade; see the error log"),
    Rule("engine", WEAK, r"Unknown/unsupported storage engine: (?P<name>(?!InnoDB)\w+)",
         "There is no storage engine {name}", "install its plugin, or correct default_storage_engine"),

    # Galera's provider and its options.
    Rule("provider-missing", STRONG, r"WSREP: wsrep_load\(\): dlopen\(\): (?P<path>[^:\n]+): cannot open",
         "{path} is missing", "apt install galera-4, or correct wsrep_provider"),
    Rule("provider-option", STRONG, r"(?:WSREP: )?Unrecognized parameter '(?P<name>[^'\n]+)'",
         "Galera knows no option {name}", "correct wsrep_provider_options"),
    Rule("provider-value", STRONG, r"WSREP: failed to open gcomm backend connection: 22: Bad value "
         r"'(?P<value>[^'\n]*)' for parameter '(?P<name>[^'\n]+)'", "{value} is no value of {name}",
         "correct wsrep_provider_options"),
    Rule("provider-value", STRONG, r"WSREP: Invalid value '(?P<value>[^'\n]*)' for \w+ type(?s:.{0,300}?with options "
         r"'(?:[^'\n]*?;)?\s*(?P<name>[\w.]+)\s*=\s*(?P=value)[;'])",
         "{value} is no value of {name}", "correct wsrep_provider_options"),
    Rule("tls-mismatch", STRONG, _SSL + r".*key values mismatch",
         "{path} is not the certificate's key", "correct socket.ssl_key or socket.ssl_cert"),
    Rule("tls-unreadable", STRONG, _SSL + r".*Permission denied", "{user} cannot read {name} {path}",
         "chown {user} {path}"),
    Rule("tls-missing", STRONG, _SSL + r".*No such file", "{name} {path} is missing",
         "correct wsrep_provider_options"),
    Rule("tls-file", STRONG, _SSL, "{path} is no {name}", "openssl x509 -text -in {path}"),
    Rule("tls-pair", STRONG, r"WSREP: To enable SSL at least both of", "TLS needs socket.ssl_key and socket.ssl_cert",
         "correct wsrep_provider_options"),
    Rule("tls-server", STRONG, r"SSL error: Unable to get (?P<name>certificate|private key) from '(?P<path>[^'\n]+)'",
         "The TLS {name} is missing, unreadable or a wrong one", "ls -l {path}"),
    Rule("tls-server-ca", WEAK, r"SSL error: SSL_CTX_set_default_verify_paths failed",
         "The file of ssl_ca cannot be read", "my_print_defaults mysqld | grep ssl"),

    # Files: owner, disk, directories.
    Rule("disk-full", STRONG, r"WSREP: (?:Cannot create new cache page: )?Requested size \d+ for "
         r"'(?P<path>[^'\n]+)' exceeds available",
         "No room on the disk for Galera's gcache.size", "df {path}"),
    Rule("disk-full", STRONG, _PROGRAM + r"Disk is full writing '(?P<path>[^'\n]+)'", "The disk is full", "df {path}"),
    Rule("disk-full", STRONG, r".*\b(?:Errcode|errno|error):? 28\b", "A disk is full", "df -h; tmpdir and {datadir}"),
    Rule("read-only", STRONG, _GALERA_FILE + r".*System error: 30", "The file system of {path} is read-only",
         "dmesg -T"),
    Rule("read-only", WEAK, r".*\b(?:Errcode|errno|error):? 30\b", "A file system is read-only", "dmesg -T"),
    Rule("galera-file", STRONG, _GALERA_FILE, "{user} cannot write {path}", "chown {user}: {path}"),
    Rule("innodb-file", STRONG, r"InnoDB: The (?:innodb_system )?data file '(?P<path>[^'\n]+)' must be writable",
         "{user} cannot write {path}", _OWN),
    Rule("aria-file", STRONG, _PROGRAM + r"File '(?P<path>[^'\n]*aria_log[^'\n]*)' not found \(Errcode: 13",
         "{user} cannot read {path}", _OWN),
    Rule("datadir", STRONG, _PROGRAM + r"Can't change dir to '(?P<path>[^'\n]+)' \((?:Errcode|OS errno):? 2\b",
         "{path} is missing", "is its file system not mounted? findmnt --verify"),
    Rule("pid-file", STRONG, _PROGRAM + r"Can't create/write to file '(?P<path>[^'\n]+\.pid)' \(",
         "{user} cannot write {path}", "ls -ld {directory}"),
    Rule("temporary-files", STRONG, _PROGRAM + r"Can't create/write to file '(?P<path>[^'\n]+/ib\w{6})' \(",
         "{user} cannot write to tmpdir {directory}", "ls -ld {directory}"),
    Rule("log-file", STRONG, r"Could not open file '(?P<path>[^'\n]+)' for error logging", "{user} cannot write {path}",
         "ls -ld {directory} {path}"),
    Rule("binlog", STRONG, _PROGRAM + r"File '(?P<path>[^'\n]+\.(?:index|\d{6}))' not found \(Errcode: 13",
         "{user} cannot read {path}", "chown {user}: {path}"),
    Rule("binlog", STRONG, _PROGRAM + r"File '(?P<path>[^'\n]+\.index)' not found",
         "log_bin: there is no {directory}", "install -d -o {user} {directory}"),
    Rule("binlog", STRONG, _PROGRAM + r"File '(?P<path>[^'\n]+\.\d{6})' not found",
         "The binary log {path} is missing", "restore it, or correct the .index file"),
    Rule("open-files", STRONG, r".*(?:\berrno:? 24\b|Errcode: 24\b|Too many open files)",
         "Too many open files", "raise open_files_limit, and LimitNOFILE of pacemaker"),

    # Ports, sockets, addresses, names.
    Rule("port-taken", STRONG, r"Can't start server: Bind on TCP/IP port.*(?:in use|98)(?s:.{0,160}?)running on port: "
         r"(?P<port>\d+)", "Port {port} is taken", _TAKEN),
    Rule("port-taken", STRONG, r"WSREP: failed to open gcomm backend connection: 98:",
         "Galera's port {gcomm_port} is taken", "ss -ltnp sport = :{gcomm_port}"),
    Rule("port-taken", STRONG, r"Can't start server: Bind on TCP/IP port.*(?:in use|98)",
         "The server's port is taken", "ss -ltnp"),
    Rule("sst-port-taken", HINT, r".*socat\[\d+\] E bind\(.*:(?P<port>\d+)\}?, \d+\): Address already in use",
         "The state transfer's port {port} is taken", _TAKEN, ("sst-received", "sst-error")),
    Rule("ist-port-taken", HINT, r"WSREP: Failed to prepare for incremental state transfer: Failed to open IST "
         r"listener at \w+://\S+?:(?P<port>\d+)'.*in use", "The incremental state transfer's port {port} is taken",
         _TAKEN, ("sst-donor",)),
    Rule("address", STRONG, r"WSREP: failed to open gcomm backend connection: 99:",
         "gmcast.listen_addr is no address of this node", "ip -brief address"),
    Rule("address", STRONG, r"Can't create IP socket: .*(?:resolution|not known|nodename)",
         "The name in bind-address cannot be resolved", "correct it, or /etc/hosts"),
    Rule("socket", STRONG, r"Can't start server ?: Bind on unix socket: No such file(?s:.{0,160}?)"
         r"socket: (?P<path>\S+)",
         "There is no {directory} for the socket", "install -d -o {user} {directory}"),
    Rule("socket", STRONG, r"Can't start server ?: Bind on unix socket: Permission(?s:.{0,160}?)socket: (?P<path>\S+)",
         "{user} cannot write to {directory}", "chown {user} {directory}"),
    Rule("socket", STRONG, r"Error checking socket file '(?P<path>[^'\n]+)': 13", "{user} cannot use {path}",
         "rm it if fuser {path} is silent"),
    Rule("cluster-address", STRONG, r"WSREP: \S+gcs_backend_init\(\):\d+: Backend not supported: (?P<value>\S+)",
         "wsrep_cluster_address must begin with gcomm://, but is {value}", "correct it"),
    Rule("names", HINT, r"WSREP: Failed to resolve \w+://(?P<name>[^\s:]+)",
         "The name {name} is unknown", "getent hosts {name}; cat /etc/hosts",
         ("no-primary", "gcomm-ended")),
    Rule("tls-peer", HINT, r"WSREP: Failed to establish connection: wrong version number",
         "Only one side of Galera's connections uses TLS", "compare wsrep_provider_options of the nodes",
         ("no-primary",)),
    Rule("tls-peer", HINT, r"WSREP: Failed to establish connection: certificate verify failed: (?P<name>.*)",
         "The others' TLS is refused ({name})", "compare socket.ssl_ca, ssl_cert", ("no-primary",)),
    Rule("no-primary", WEAK, r"WSREP: failed to open gcomm backend connection: 110:",
         "No primary component found", "quorate status; compare wsrep_cluster_name; port {gcomm_port}"),
    Rule("gcomm-ended", WEAK, r"WSREP: failed to open gcomm backend connection: 3: Failed to \w+ thread schedparams",
         "Galera ended at once", "check wsrep_provider_options, addresses; ss -ltnp sport = :{gcomm_port}"),
    # garbd's own protocol version: alone it has lost what the data nodes speak (garb_gcs.cpp, REPL_PROTO_VER).
    Rule("arbitrator-alone", STRONG, r"WSREP: \S*group_check_proto_ver\(\):\d+: Group requested \w+_proto_ver: 127,",
         "An arbitrator alone keeps the old primary component", "systemctl restart garb on its node"),
    Rule("two-components", STRONG, r"WSREP: (?:exception from gcomm, backend must be restarted|failed to open gcomm backend "
         r"connection: \d+): \S+ (?:aborting due to conflicting prims|last prims not consistent)",
         "Two primary components met", "is garbd left from the older one? systemctl restart garb there"),
    Rule("not-safe", STRONG, r"(?:WSREP: )?It may not be safe to bootstrap the cluster from this node",
         "This node is not marked safe_to_bootstrap", "quorate explain"),

    # Data: locked, damaged, of another version, encrypted.
    Rule("locked", STRONG, r"InnoDB: Unable to lock (?P<path>\S+?),? error: (?:11|35)",
         "Another server uses {datadir}", "fuser -v {path}"),
    Rule("locked", STRONG, _PROGRAM + r"Can't lock aria control file '(?P<path>[^'\n]+)'",
         "Another server uses {datadir}", "fuser -v {path}"),
    Rule("page-size", STRONG, r"InnoDB: Data file '(?P<path>[^'\n]+)' uses page size (?P<name>\d+), but .* is "
         r"(?P<value>\d+)",
         "innodb_page_size is {value}, but the data have {name}", "set innodb_page_size={name}"),
    Rule("downgrade", STRONG, r"(?:InnoDB: )?(?:Cannot boot server version \d+ on data directory built by version|"
         r"Invalid MySQL server downgrade: Cannot downgrade from) (?P<name>\d+)",
         "The data are of version {name}", "install that version again"),
    Rule("downgrade", STRONG, r"InnoDB: (?:Unsupported redo log format|(?:Up|Down)grade after a crash is not supported)"
         r"[^\n]*?created with (?P<name>[^\n;,]*?\d)[.;,]?(?:\s|$)",
         "The redo log is of {name}", "start and stop that version once, cleanly"),
    Rule("downgrade", STRONG, r"InnoDB: The change buffer is corrupted or has been removed on upgrade to "
         r"(?P<name>MariaDB [\d.]+)",
         "The data are of {name} or later", "install that version again"),
    Rule("case", STRONG, r"Different lower_case_table_names settings for server \('(?P<value>\d)'\) and data "
         r"dictionary \('(?P<name>\d)'\)", "lower_case_table_names is {value}, but the data have {name}",
         "set lower_case_table_names={name}"),
    Rule("data-file-path", STRONG, r"InnoDB: The (?:Auto-extending )?data file '(?P<path>[^'\n]+)' is of a different "
         r"size",
         "{file} is not as innodb_data_file_path says", "was it cut? else correct my.cnf"),
    Rule("encryption-key", HINT, _PROGRAM + r"File '(?P<path>[^'\n]+)' not found(?s:.{0,120}?)Plugin "
         r"'file_key_management' init", "The keys {path} cannot be read", "restore them for {user}",
         ("encryption",)),
    Rule("encryption", STRONG, r"InnoDB: cannot enable encryption, encryption plugin is not available",
         "The encryption plugin is not loaded", "set it up in my.cnf"),
    Rule("encryption", STRONG, r"InnoDB: Obtaining redo log encryption key version \d+ failed",
         "The redo log is encrypted, and its key is missing", "set up its plugin in my.cnf"),
    Rule("undo-missing", STRONG, r"InnoDB: Failed to open the undo tablespace (?P<name>\S+)",
         "The undo tablespace {name} is missing", _AFRESH),
    Rule("redo-missing", STRONG, r"InnoDB: File (?P<path>\S*ib_logfile0) was not found", "{path} is missing", _AFRESH),
    Rule("ibdata1-missing", STRONG, r"InnoDB: redo log file '[^'\n]+' exists\. Creating system tablespace",
         "ibdata1 is missing, its redo log is not", "is a file system not mounted? findmnt --verify"),
    Rule("corrupt", STRONG, r"InnoDB: (?:Inconsistent tablespace ID in|The data file '\S+' has the wrong space ID|Space "
         r"id and page no stored in the page|Database page corruption|Malformed log record|Missing FILE_|Corrupt)",
         "InnoDB's files are damaged", "{afresh} to receive theirs"),
    Rule("aria-corrupt", STRONG, _PROGRAM + r"Got error '[^'\n]*control file[^'\n]*' when trying to use aria",
         "aria_log_control is damaged", "move {datadir}/aria_log* aside"),
    Rule("tc-log", STRONG, r"Bad magic header in tc log", "tc.log is damaged", "move {datadir}/tc.log aside"),
    Rule("no-tables", WEAK, r"(?:Fatal error: )?Can't open and lock privilege tables",
         "System tables are missing or old", "mariadb-upgrade; of a new database mariadb-install-db"),
    Rule("innodb-permission", WEAK, r"InnoDB: Operating system error number 13 in a file operation",
         "{user} may not use a file of InnoDB", _OWN),

    # Memory and crashes.
    Rule("memory", STRONG, r"InnoDB: Cannot (?:allocate memory for the buffer pool|map innodb_buffer_pool_size)",
         "No memory for innodb_buffer_pool_size", "free -m; make it smaller"),
    Rule("crash", WEAK, r".*(?P<name>InnoDB: (?:Assertion failure in file|Failing assertion:) .*)",
         "The server crashed: {name}", "see its error log"),
    Rule("crash", WEAK, r".*got (?:signal|exception) (?P<name>\d+|0x\w+)",
         "The server crashed (signal {name})", "see the stack trace in its error log"),

    # State transfers, and a node that differs from the others.
    Rule("inconsistent", STRONG, r"(?:WSREP: )?(?:\S+ )?(?:Node consistency compromised|Inconsistency detected)",
         # Galera has marked them in grastate.dat (saved_state.cpp, mark_corrupt): nothing is to be typed.
         "This node's data differ from the others'", "it receives theirs at its next start"),
    Rule("donor-name", STRONG, r"WSREP: Requesting state transfer failed: Requested donor is not available",
         "No donor that wsrep_sst_donor names", "correct it (names, and a comma at its end)"),
    Rule("sst-method", STRONG, r"sh: (?:\d+: |line \d+: )?wsrep_sst_(?P<name>[\w-]+): (?:command )?not found",
         "There is no wsrep_sst_method {name}", "ls /usr/bin/wsrep_sst_*"),
    Rule("sst-program", STRONG, r"WSREP_SST: \[ERROR\] (?:.* the )?'?(?P<name>[\w.-]+)'?(?: binary)? "
         r"(?:was )?not (?:found )?in (?:the )?path",
         "{name} for state transfers is missing", "install it on this node"),
    Rule("sst-rsync", STRONG, r"WSREP_SST: \[ERROR\] the rsync or stunnel daemon .* terminated unexpectedly",
         "The state transfer's rsync ended at once", "is its port taken? ss -ltnp sport = :4444"),
    Rule("sst-error", WEAK, r"WSREP_SST: \[ERROR\] (?!Cleanup after|Removing |\*+$|\*+ |Parent mysqld)(?P<name>.*?)"
         r"(?: \(\d{8} [\d:.]+\))?$", "State transfer: {name}", "see the donor's log"),
    Rule("sst-syslog", HINT, r"WSREP_SST: \[INFO\] Logging all stderr of SST/\S+ to syslog",
         "The state transfer failed", "journalctl -t -wsrep-sst-joiner says why", ("sst-received",)),
    Rule("sst-received", WEAK, r"WSREP: Failed to read (?:uuid:seqno|'ready <addr>')",
         "The state transfer failed", "see the error log here and on the donor"),
    Rule("sst-donor", WEAK, r"WSREP: .*Will never receive state",
         "The donor could not send its data", "grep WSREP_SST in the donor's error log"),
)

# Errors that only follow from an earlier one, which says more.
CONSEQUENCES = (
    "Aborting", "init function returned error", "registration as a ", "Unknown/unsupported storage engine: InnoDB",
    "Failed to initialize plugins", "Failed to initialize builtin plugins", "Failed to initialize DD Storage Engine",
    "Data Dictionary initialization failed", "wsrep::connect(", "gcs connect failed", "Shutdown complete",
    "Plugin initialization aborted", "State wait was interrupted", "View callback failed", "Failed to load provider",
    "Failed to create a new provider", "gcs_core_open()", "gcs_open()", "Some plugins may be not loaded",
    "The error means ", "InnoDB: Error number ", "Database creation was aborted", "Process completed with error",
    "SST request callback failed", "Application received wrong state", "Application state transfer failed",
    "not JOINING when", "provider.sst_received() failed", "Failed to setup SSL", "Parsing options for plugin",
    "Operating system error number", "Cannot open datafile for read-only",
    "Do you already have another", "can't create PID file", "Unable to create temporary file",
    "WSREP_SST: [ERROR] ***", "WSREP_SST: [ERROR] Cleanup after", "WSREP_SST: [ERROR] Removing ",
    "caught exception in PC", "exception caused by message", "SST script aborted", "for 'SST'",
    "Couldn't load plugins from", "Could not find a valid tablespace file",
)
