/* SPDX-License-Identifier: MIT */
/* The one table of settings: --help, the man page and the checks are made from it or checked against it.
 * SETTING(id, option, argument, default, type, least, most, secret, help). The variable is CRASHCOLLECT_ and the id. A
 * default in parentheses tells what the program finds out for itself; a default of "none" or "off" is a value too, the
 * one that leaves the thing out. For types CHOICE and CHOICES the argument lists the words. Least and most are bytes,
 * milliseconds or a plain number. */
/* clang-format off */
#define KIB     UINT64_C(1024)
#define MIB     (1024 * KIB)
#define TIB     (1024 * 1024 * MIB)
#define SECOND  UINT64_C(1000)
#define HOUR    (3600 * SECOND)
#define YEAR    (365 * 24 * HOUR)
SETTING(LISTEN, "listen", "ADDRESS", "127.0.0.1:8000", ADDRESS, 0, 0, false, "Where to answer: HOST:PORT, [V6]:PORT, unix:PATH, or fd:N for a socket that listens already; port 0 takes any free one")
SETTING(DATA_DIR, "data-dir", "FOLDER", "(STATE_DIRECTORY, else ./crashcollect-data)", PATH, 0, 0, false, "Parent of the two folders below")
SETTING(FS_ROOT, "fs-root", "FOLDER", "(DATA_DIR/crashes)", PATH, 0, 0, false, "Where storage fs keeps crashes")
SETTING(SPOOL_DIR, "spool-dir", "FOLDER", "(DATA_DIR/spool)", PATH, 0, 0, false, "Where ack spooled makes reports durable before they are acknowledged")
SETTING(STORAGE, "storage", "fs|null", "fs", CHOICES, 0, 0, false, "Where crashes end up; several with commas between them each get every crash")
SETTING(ACK, "ack", "spooled|stored|queued", "spooled", CHOICE, 0, 0, false, "When a client is answered: the report is durable in the spool, the storage has it, or it is in memory only and may be lost")
SETTING(CONCURRENT_CRASHMOVERS, "concurrent-crashmovers", "NUMBER", "4", NUMBER, 1, 256, false, "Threads that may be at one storage, or publish, at the same time")
SETTING(SPOOL_MAX_BYTES, "spool-max-bytes", "SIZE", "10GiB", SIZE, MIB, 1024 * TIB, false, "Unsaved reports beyond this size are refused with 503")
SETTING(SPOOL_MAX_REPORTS, "spool-max-reports", "NUMBER", "none", NUMBER, 1, UINT64_C(1000000000), false, "Unsaved reports beyond this number are refused with 503")
SETTING(SPOOL_MAX_AGE, "spool-max-age", "TIME", "none", TIME, SECOND, 100 * YEAR, false, "Reports that could not be saved for so long go into quarantine")
SETTING(SPOOL_SEGMENT_BYTES, "spool-segment-bytes", "SIZE", "64MiB", SIZE, MIB, 64 * 1024 * MIB, false, "Size of the spool's files")
SETTING(MAX_BODY, "max-body", "SIZE", "25MiB", SIZE, KIB, TIB, false, "Longest body of a request as it is sent; beyond it 413")
SETTING(MAX_INFLATED, "max-inflated", "SIZE", "200MiB", SIZE, KIB, TIB, false, "Longest body after inflation; beyond it 413")
SETTING(MAX_ANNOTATION, "max-annotation", "SIZE", "20MiB", SIZE, 1, TIB, false, "Longest text annotation; a longer one is dropped with a note")
SETTING(MAX_PARTS, "max-parts", "NUMBER", "100000", NUMBER, 1, UINT64_C(100000000), false, "Most parts of one upload")
SETTING(MAX_PART_HEADERS, "max-part-headers", "SIZE", "8KiB", SIZE, 64, MIB, false, "Longest headers of one part")
SETTING(MAX_JSON_DEPTH, "max-json-depth", "NUMBER", "1000", NUMBER, 1, 100000, false, "Deepest nesting of JSON annotations")
SETTING(MEMORY_BUDGET, "memory-budget", "SIZE", "512MiB", SIZE, MIB, 1024 * TIB, false, "Memory for uploads and queued reports together; beyond it 503")
SETTING(THROTTLE_RULES, "throttle-rules", "RULES", "accept-all", RULES, 0, 0, false, "accept-all, mozilla, or the name of a rules file")
SETTING(DISCARD_FIELDS, "discard-fields", "NAME,NAME,...", "Email,TelemetryClientId,TelemetryServerURL,TelemetrySessionId", LIST, 0, 0, false, "Annotations removed before saving")
SETTING(DUMP_CHECKSUMS, "dump-checksums", "on|off", "on", SWITCH, 0, 0, false, "Put the SHA-256 of every dump into the raw crash")
SETTING(SUBMITTER_TOKEN, "submitter-token", "TOKEN", "", TEXT, 0, 0, true, "Bearer token that lets a client choose the crash id; without one nobody may")
SETTING(ADMIN_AUTH, "admin-auth", "USER:PASSWORD", "", CREDENTIALS, 0, 0, true, "Wanted for /__broken__; without it that page is open")
SETTING(CRASH_ID_PREFIX, "crash-id-prefix", "TEXT", "bp-", PREFIX, 0, 0, false, "Put before the crash id in answers")
SETTING(SAVE_ATTEMPTS, "save-attempts", "NUMBER", "5", NUMBER, 1, 1000000, false, "With ack stored: failed saves after which the client is refused")
SETTING(RETRY_FIRST, "retry-first", "TIME", "1s", TIME, 1, HOUR, false, "Pause after the first failed save or publish, doubled each time")
SETTING(RETRY_MAX, "retry-max", "TIME", "60s", TIME, 1, 24 * HOUR, false, "Longest such pause")
SETTING(CHECK_PERIOD, "check-period", "TIME", "5s", TIME, 10, HOUR, false, "How often storage, spool and publisher are asked for /__heartbeat__")
SETTING(STALL_AFTER, "stall-after", "TIME", "30s", TIME, 10, 24 * HOUR, false, "A save or check that takes longer is an error in /__heartbeat__")
SETTING(PUBLISH, "publish", "none|log", "none", CHOICE, 0, 0, false, "Who is told about saved crashes")
SETTING(STATSD_HOST, "statsd-host", "HOST", "off", HOST, 0, 0, false, "DogStatsD daemon that gets the metrics")
SETTING(STATSD_PORT, "statsd-port", "PORT", "8125", NUMBER, 1, 65535, false, "Its UDP port")
SETTING(STATSD_PREFIX, "statsd-prefix", "TEXT", "socorro.collector", PREFIX, 0, 0, false, "Put before the names of metrics")
SETTING(LOG_FORMAT, "log-format", "json|text", "(json, on a terminal text)", CHOICE, 0, 0, false, "Form of the log lines on stderr")
SETTING(LOG_LEVEL, "log-level", "error|warning|info|debug", "info", CHOICE, 0, 0, false, "Least level that is logged")
SETTING(HOSTNAME, "hostname", "NAME", "(the host's name)", TEXT, 0, 0, false, "Name of this host in log lines and metrics")
SETTING(VERSION_FILE, "version-file", "FILE", "version.json", PATH, 0, 0, false, "What /__version__ answers, read at each request")
SETTING(TLS_CERT, "tls-cert", "FILE", "", FILE, 0, 0, false, "PEM certificate chain; with tls-key the port speaks HTTPS")
SETTING(TLS_KEY, "tls-key", "FILE", "", FILE, 0, 0, false, "PEM private key of that certificate")
SETTING(THREADS, "threads", "NUMBER", "(one per CPU, at most 64)", NUMBER, 1, 64, false, "Network loops")
SETTING(CONNECTIONS, "connections", "NUMBER", "10000", NUMBER, 1, 1000000, false, "Most connections at once; others wait")
SETTING(LOAD_HEADER_TIMEOUT, "load-header-timeout", "TIME", "10s", TIME, 10, HOUR, false, "From the first byte of a request to the end of its headers; beyond it 408")
SETTING(LOAD_BODY_TIMEOUT, "load-body-timeout", "TIME", "30s", TIME, 10, HOUR, false, "Longest silence inside a body; beyond it 408")
SETTING(LOAD_MIN_RATE, "load-min-rate", "SIZE", "1000", SIZE, 1, 1024 * MIB, false, "Slowest average of a body in bytes per second; below it 408")
SETTING(LOAD_GRACE, "load-grace", "TIME", "10s", TIME, 10, HOUR, false, "How long a body may be slower than that at its start")
SETTING(LOAD_IDLE_TIMEOUT, "load-idle-timeout", "TIME", "10s", TIME, 10, 24 * HOUR, false, "Longest pause between the requests of a connection")
SETTING(DRAIN_TIMEOUT, "drain-timeout", "TIME", "20s", TIME, 1, HOUR, false, "How long a stop waits for running requests and for the save queue")
#undef KIB
#undef MIB
#undef TIB
#undef SECOND
#undef HOUR
#undef YEAR
