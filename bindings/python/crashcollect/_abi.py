# SPDX-License-Identifier: MIT
"""The C declarations, and nothing else: structs, constants, callbacks, functions.

tests/abi/layout.py compares every line here with the headers, so that neither side can drift from the other."""
import ctypes
import enum
from ctypes import (CFUNCTYPE, POINTER, c_bool, c_char, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint,
                    c_uint16, c_uint64, c_void_p)
from typing import Any, Dict, List, Tuple

VERSION = (0, 1, 0)
SONAME = "libcrashcollect.so.0"


# Constants

class Ack(enum.IntEnum):
    """When a report counts as accepted, and so when its submitter is answered."""
    SPOOLED = 0  # it is durable in the spool
    STORED = 1  # the storage has it
    QUEUED = 2  # it is in memory: fast, and lost if this process is killed


class Verdict(enum.IntEnum):
    ACCEPT = 0  # save and publish
    DEFER = 1  # save, do not publish
    REJECT = 2  # tell the client which rule refused it; keep nothing
    FAKEACCEPT = 3  # answer like ACCEPT; keep nothing
    CONTINUE = 4  # only from rules and callbacks: go on with the next rule


class Level(enum.IntEnum):
    ERROR = 3
    WARNING = 4
    INFO = 6
    DEBUG = 7


class Program(enum.IntEnum):
    """Whose settings they are."""
    COLLECTOR = 0  # crashcollectd
    MONITOR = 1  # crashcollect-run


class Capture(enum.IntEnum):
    """How a program's crashes are caught."""
    AUTO = 0  # the first of these that works here
    PTRACE = 1  # traced from outside
    ATTACH = 2  # a handler that the program installs itself
    WAIT = 3  # exit status, output and evidence of a kill for lack of memory only


RULE_NAME_MAX = 63
ERROR_CODES: Dict[str, Tuple[int, bool]] = {  # name: (code, permanent)
    "EREJECTED": (-2001, True),
    "EFULL": (-2002, False),
    "EABI": (-2003, True),
    "EFORMAT": (-2004, True),
    "EREMOTE": (-2005, False),
    "ETOOLARGE": (-2006, True),
    "ECLOSED": (-2007, False),
}
# C's prefix of each enum's constants
ENUMS: Dict[str, type] = {"CCOL_ACK_": Ack, "CCOL_": Verdict, "CCOL_LOG_": Level, "CCOL_PROGRAM_": Program,
                          "CCOL_CAPTURE_": Capture}


# Structs

class Error(ctypes.Structure):
    _fields_ = [("code", c_int), ("retry_after_s", c_uint), ("text", c_char * 248)]


class Annotation(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("name", c_void_p), ("name_length", c_size_t), ("value", c_void_p),
                ("value_length", c_size_t), ("is_json", c_bool)]


class File(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("name", c_char_p), ("data", c_void_p), ("length", c_size_t), ("sha256", c_void_p)]


class Header(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("value", c_char_p)]


class Incident(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("code", c_int), ("type", c_char_p), ("text", c_char_p), ("part", c_char_p),
                ("crash_id", c_char_p), ("method", c_char_p), ("path", c_char_p), ("headers", POINTER(Header)),
                ("header_count", c_size_t)]


# Callbacks

IncidentFn = CFUNCTYPE(c_bool, c_void_p, POINTER(Incident))
LogFn = CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_char_p, c_char_p)
MetricFn = CFUNCTYPE(None, c_void_p, c_char, c_char_p, c_double, c_char_p)
SubmitFn = CFUNCTYPE(None, c_void_p, c_int, c_void_p, c_char_p)
UploadFn = CFUNCTYPE(None, c_void_p, c_void_p)
ThrottleFn = CFUNCTYPE(c_int, c_void_p, c_void_p)
ProbeFn = CFUNCTYPE(c_int, c_void_p, POINTER(Error))
TextFn = CFUNCTYPE(None, c_void_p, c_char_p)
ExplainFn = CFUNCTYPE(None, c_void_p, c_char_p, c_bool, c_char_p)
EachIdFn = CFUNCTYPE(c_int, c_void_p, c_char_p)
EachSpooledFn = CFUNCTYPE(c_int, c_void_p, c_void_p)
EachSettingFn = CFUNCTYPE(None, c_void_p, c_void_p)
SaveFn = CFUNCTYPE(c_int, c_void_p, c_void_p, POINTER(Error))
AskFn = CFUNCTYPE(c_int, c_void_p, POINTER(Error))
LoadFn = CFUNCTYPE(c_int, c_void_p, c_char_p, POINTER(c_void_p), POINTER(Error))
ListFn = CFUNCTYPE(c_int, c_void_p, EachIdFn, c_void_p, POINTER(Error))
PublishFn = CFUNCTYPE(c_int, c_void_p, c_char_p, POINTER(Error))
DestroyFn = CFUNCTYPE(None, c_void_p)


# Structs that hold callbacks

class StorageOps(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("name", c_char_p), ("save", SaveFn), ("sync", AskFn), ("verify", AskFn),
                ("check", AskFn), ("load", LoadFn), ("list", ListFn), ("destroy", DestroyFn)]


class FsOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("root", c_char_p), ("dir_mode", c_uint), ("file_mode", c_uint),
                ("no_sync", c_bool)]


class SentryOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("dsn", c_char_p), ("release", c_char_p), ("environment", c_char_p),
                ("dist", c_char_p), ("server_name", c_char_p), ("hidden_fields", POINTER(c_char_p)),
                ("ca_file", c_char_p), ("ca_folder", c_char_p), ("proxy", c_char_p), ("timeout_ms", c_uint),
                ("max_envelope", c_uint64), ("no_gzip", c_bool), ("plain_dump", c_bool),
                ("dump_endpoint", c_bool)]


class S3Options(ctypes.Structure):
    _fields_ = [("size", c_size_t)] + [(name, c_char_p) for name in (
        "bucket", "region", "endpoint_url", "access_key_id", "secret_access_key", "session_token", "layout",
        "addressing", "payload_signing", "server_side_encryption", "kms_key_id", "storage_class", "headers", "ca_file",
        "proxy")] + [("connect_timeout_ms", c_uint), ("timeout_ms", c_uint), ("log", LogFn), ("log_user", c_void_p)]


class UpstreamOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("url", c_char_p), ("token", c_char_p), ("ca_file", c_char_p), ("proxy", c_char_p),
                ("connect_timeout_ms", c_uint), ("timeout_ms", c_uint), ("gzip", c_bool)]


class PublisherOps(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("name", c_char_p), ("publish", PublishFn), ("verify", AskFn), ("check", AskFn),
                ("destroy", DestroyFn)]


class WebhookOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("url", c_char_p), ("secret", c_char_p), ("ca_file", c_char_p),
                ("proxy", c_char_p), ("timeout_ms", c_uint)]


class PubsubOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("topic", c_char_p), ("project", c_char_p), ("key_file", c_char_p),
                ("emulator_host", c_char_p), ("endpoint_url", c_char_p), ("ca_file", c_char_p), ("proxy", c_char_p),
                ("timeout_ms", c_uint)]


class SqsOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("queue", c_char_p), ("region", c_char_p), ("endpoint_url", c_char_p),
                ("access_key_id", c_char_p), ("secret_access_key", c_char_p), ("ca_file", c_char_p),
                ("proxy", c_char_p), ("timeout_ms", c_uint)]


class AmqpOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("url", c_char_p), ("queue", c_char_p), ("exchange", c_char_p),
                ("routing_key", c_char_p), ("ca_file", c_char_p), ("timeout_ms", c_uint), ("heartbeat_s", c_uint)]


class Decision(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("verdict", c_int), ("rule", c_char * (RULE_NAME_MAX + 1))]


class CollectorOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t), ("storage", c_void_p), ("publisher", c_void_p), ("throttle", c_void_p), ("ack", c_int),
        ("spool_dir", c_char_p), ("crashmovers", c_uint), ("no_threads", c_bool), ("spool_max_bytes", c_uint64),
        ("spool_max_reports", c_uint64), ("spool_max_age_s", c_uint), ("spool_segment_bytes", c_uint64),
        ("memory_budget", c_uint64), ("max_body", c_uint64), ("max_inflated", c_uint64), ("max_annotation", c_uint64),
        ("max_parts", c_uint), ("max_part_headers", c_uint), ("max_json_depth", c_uint),
        ("discard_fields", POINTER(c_char_p)), ("no_dump_checksums", c_bool), ("submitter_token", c_char_p),
        ("crash_id_prefix", c_char_p), ("save_attempts", c_uint), ("retry_first_ms", c_uint), ("retry_max_ms", c_uint),
        ("check_period_ms", c_uint), ("stall_after_ms", c_uint), ("log", LogFn), ("log_user", c_void_p),
        ("metric", MetricFn), ("metric_user", c_void_p), ("incident", IncidentFn), ("incident_user", c_void_p),
        ("sentry_keys", POINTER(c_char_p))]


class Receipt(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("verdict", c_int), ("crash_id", c_char * 40),
                ("rule", c_char * (RULE_NAME_MAX + 1))]


class CollectorStats(ctypes.Structure):
    _fields_ = [("size", c_size_t)] + [(name, c_uint64) for name in (
        "incoming", "accepted", "rejected", "saved", "published", "quarantined", "queued", "queued_bytes",
        "oldest_age_ms", "memory_bytes", "save_errors", "spool_commits", "recovered")]


class UploadInfo(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("content_type", c_char_p), ("content_encoding", c_char_p),
                ("user_agent", c_char_p), ("authorization", c_char_p), ("content_length", c_int64),
                ("path", c_char_p), ("sentry_auth", c_char_p), ("sentry_key", c_char_p)]


class Reply(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("status", c_uint), ("content_type", c_char_p), ("allow", c_char_p),
                ("retry_after_s", c_uint), ("authenticate", c_bool), ("body", c_void_p), ("body_length", c_size_t)]


class HealthOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("version_file", c_char_p), ("admin_auth", c_char_p)]


class HealthRequest(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("method", c_char_p), ("path", c_char_p), ("authorization", c_char_p),
                ("headers", POINTER(Header)), ("header_count", c_size_t)]


class ServerOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("listen", c_char_p), ("listen_fds", POINTER(c_int)),
                ("listen_fd_count", c_size_t), ("threads", c_uint), ("connections", c_uint), ("tls_cert", c_char_p),
                ("tls_key", c_char_p), ("header_timeout_ms", c_uint), ("body_timeout_ms", c_uint),
                ("body_min_rate", c_uint), ("body_grace_ms", c_uint), ("idle_timeout_ms", c_uint), ("log", LogFn),
                ("log_user", c_void_p)]


class ReporterOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("dsn", c_char_p), ("release", c_char_p), ("environment", c_char_p),
                ("server_name", c_char_p), ("ca_file", c_char_p), ("proxy", c_char_p), ("timeout_ms", c_uint),
                ("per_minute", c_uint), ("before", IncidentFn), ("before_user", c_void_p), ("log", LogFn),
                ("log_user", c_void_p)]


class ReporterStats(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("sent", c_uint64), ("vetoed", c_uint64), ("suppressed", c_uint64),
                ("failed", c_uint64)]


class MonitorOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("argv", POINTER(c_char_p)), ("envp", POINTER(c_char_p)), ("data_dir", c_char_p),
                ("storage", c_void_p), ("publisher", c_void_p), ("annotations", POINTER(c_char_p)), ("capture", c_int),
                ("no_command_line", c_bool), ("exits_are_crashes", c_bool), ("drain_timeout_ms", c_uint),
                ("log", LogFn), ("log_user", c_void_p)]


class Death(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("pid", c_int), ("wait_status", c_int), ("exit_status", c_int), ("signal", c_int)]


class Setting(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("variable", c_char_p), ("option", c_char_p), ("argument", c_char_p),
                ("default_text", c_char_p), ("help", c_char_p), ("value", c_char_p), ("secret", c_bool)]


class Spooled(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("crash_id", c_char_p), ("state", c_char_p), ("reason", c_char_p),
                ("received_at", c_int64), ("bytes", c_uint64)]


# C's name of each struct
STRUCTS: Dict[str, Any] = {
    "ccol_error": Error, "ccol_annotation": Annotation, "ccol_file": File, "ccol_storage_ops": StorageOps,
    "ccol_fs_options": FsOptions, "ccol_publisher_ops": PublisherOps, "ccol_decision": Decision,
    "ccol_collector_options": CollectorOptions, "ccol_receipt": Receipt, "ccol_collector_stats": CollectorStats,
    "ccol_upload_info": UploadInfo, "ccol_reply": Reply, "ccol_health_options": HealthOptions,
    "ccol_health_request": HealthRequest, "ccol_server_options": ServerOptions, "ccol_setting": Setting,
    "ccol_spooled": Spooled, "ccol_sentry_options": SentryOptions, "ccol_upstream_options": UpstreamOptions,
    "ccol_webhook_options": WebhookOptions, "ccol_pubsub_options": PubsubOptions, "ccol_amqp_options": AmqpOptions,
    "ccol_monitor_options": MonitorOptions, "ccol_death": Death, "ccol_s3_options": S3Options, "ccol_sqs_options": SqsOptions, "ccol_header": Header, "ccol_incident": Incident,
    "ccol_reporter_options": ReporterOptions, "ccol_reporter_stats": ReporterStats,
}


# Functions: name, result, arguments. An object is c_void_p, and so is the place that a new one goes to (_OUT).

_ERR = POINTER(Error)
_OUT = POINTER(c_void_p)
FUNCTIONS: List[Tuple[str, Any, Tuple[Any, ...]]] = [
    ("ccol_strerror", c_char_p, (c_int,)),
    ("ccol_error_name", c_char_p, (c_int,)),
    ("ccol_error_is_permanent", c_bool, (c_int,)),
    ("ccol_version_number", c_uint, ()),
    ("ccol_version_text", c_char_p, ()),

    ("ccol_report_new", c_void_p, ()),
    ("ccol_report_ref", c_void_p, (c_void_p,)),
    ("ccol_report_unref", None, (c_void_p,)),
    ("ccol_report_annotate", c_int, (c_void_p, c_char_p, c_char_p)),
    ("ccol_report_annotate_json", c_int, (c_void_p, c_char_p, c_char_p)),
    ("ccol_report_annotate_object", c_int, (c_void_p, c_char_p, c_size_t, _ERR)),
    ("ccol_report_add_file", c_int, (c_void_p, c_char_p, c_void_p, c_size_t)),
    ("ccol_report_id", c_char_p, (c_void_p,)),
    ("ccol_report_received_at", c_int64, (c_void_p,)),
    ("ccol_report_rule", c_char_p, (c_void_p,)),
    ("ccol_report_annotation", c_char_p, (c_void_p, c_char_p)),
    ("ccol_report_annotation_at", c_bool, (c_void_p, c_size_t, POINTER(Annotation))),
    ("ccol_report_file_at", c_bool, (c_void_p, c_size_t, POINTER(File))),
    ("ccol_report_json", c_void_p, (c_void_p, POINTER(c_size_t))),
    ("ccol_report_dump_names_json", c_void_p, (c_void_p, POINTER(c_size_t))),

    ("ccol_storage_new", c_int, (_OUT, POINTER(StorageOps), c_void_p, _ERR)),
    ("ccol_storage_ref", c_void_p, (c_void_p,)),
    ("ccol_storage_unref", None, (c_void_p,)),
    ("ccol_storage_new_fs", c_int, (_OUT, POINTER(FsOptions), _ERR)),
    ("ccol_storage_new_null", c_int, (_OUT, _ERR)),
    ("ccol_storage_new_tee", c_int, (_OUT, POINTER(c_void_p), c_size_t, _ERR)),
    ("ccol_storage_new_s3", c_int, (_OUT, POINTER(S3Options), _ERR)),
    ("ccol_storage_new_sentry", c_int, (_OUT, POINTER(SentryOptions), _ERR)),
    ("ccol_storage_new_upstream", c_int, (_OUT, POINTER(UpstreamOptions), _ERR)),
    ("ccol_storage_name", c_char_p, (c_void_p,)),
    ("ccol_storage_save", c_int, (c_void_p, c_void_p, _ERR)),
    ("ccol_storage_sync", c_int, (c_void_p, _ERR)),
    ("ccol_storage_verify", c_int, (c_void_p, _ERR)),
    ("ccol_storage_check", c_int, (c_void_p, _ERR)),
    ("ccol_storage_load", c_int, (c_void_p, c_char_p, _OUT, _ERR)),
    ("ccol_storage_list", c_int, (c_void_p, EachIdFn, c_void_p, _ERR)),

    ("ccol_publisher_new", c_int, (_OUT, POINTER(PublisherOps), c_void_p, _ERR)),
    ("ccol_publisher_new_log", c_int, (_OUT, LogFn, c_void_p, _ERR)),
    ("ccol_publisher_new_webhook", c_int, (_OUT, POINTER(WebhookOptions), _ERR)),
    ("ccol_publisher_new_pubsub", c_int, (_OUT, POINTER(PubsubOptions), _ERR)),
    ("ccol_publisher_new_sqs", c_int, (_OUT, POINTER(SqsOptions), _ERR)),
    ("ccol_publisher_new_amqp", c_int, (_OUT, POINTER(AmqpOptions), _ERR)),
    ("ccol_publisher_ref", c_void_p, (c_void_p,)),
    ("ccol_publisher_unref", None, (c_void_p,)),
    ("ccol_publisher_name", c_char_p, (c_void_p,)),
    ("ccol_publisher_publish", c_int, (c_void_p, c_char_p, _ERR)),
    ("ccol_publisher_verify", c_int, (c_void_p, _ERR)),
    ("ccol_publisher_check", c_int, (c_void_p, _ERR)),

    ("ccol_throttle_new", c_int, (_OUT, c_char_p, c_size_t, _ERR)),
    ("ccol_throttle_check", c_int, (c_char_p, c_size_t, TextFn, c_void_p)),
    ("ccol_throttle_new_named", c_int, (_OUT, c_char_p, _ERR)),
    ("ccol_throttle_new_callback", c_int, (_OUT, c_char_p, ThrottleFn, c_void_p, DestroyFn, c_void_p, _ERR)),
    ("ccol_throttle_ref", c_void_p, (c_void_p,)),
    ("ccol_throttle_unref", None, (c_void_p,)),
    ("ccol_throttle_seed", None, (c_void_p, c_uint64)),
    ("ccol_throttle_rule_count", c_size_t, (c_void_p,)),
    ("ccol_throttle_decide", None, (c_void_p, c_void_p, POINTER(Decision))),
    ("ccol_throttle_explain", None, (c_void_p, c_void_p, POINTER(Decision), ExplainFn, c_void_p)),

    ("ccol_collector_new", c_int, (_OUT, POINTER(CollectorOptions), _ERR)),
    ("ccol_collector_submit", c_int, (c_void_p, c_void_p, POINTER(Receipt), _ERR)),
    ("ccol_collector_submit_async", c_int, (c_void_p, c_void_p, SubmitFn, c_void_p, _ERR)),
    ("ccol_collector_set_throttle", None, (c_void_p, c_void_p)),
    ("ccol_collector_drain", c_int, (c_void_p, c_uint)),
    ("ccol_collector_fd", c_int, (c_void_p,)),
    ("ccol_collector_pump", c_int, (c_void_p, c_uint)),
    ("ccol_collector_stats_get", None, (c_void_p, POINTER(CollectorStats))),
    ("ccol_collector_free", None, (c_void_p,)),

    ("ccol_reply_clear", None, (POINTER(Reply),)),
    ("ccol_upload_takes", c_bool, (c_void_p, c_char_p)),
    ("ccol_upload_new", c_int, (_OUT, c_void_p, POINTER(UploadInfo), POINTER(c_bool), _ERR)),
    ("ccol_upload_feed", c_int, (c_void_p, c_void_p, c_size_t)),
    ("ccol_upload_finish", None, (c_void_p, POINTER(Reply))),
    ("ccol_upload_finish_async", None, (c_void_p, UploadFn, c_void_p)),
    ("ccol_upload_abort", None, (c_void_p,)),
    ("ccol_upload_free", None, (c_void_p,)),

    ("ccol_health_new", c_int, (_OUT, c_void_p, POINTER(HealthOptions), _ERR)),
    ("ccol_health_add_probe", c_int, (c_void_p, c_char_p, ProbeFn, c_void_p, _ERR)),
    ("ccol_health_answer", c_bool, (c_void_p, POINTER(HealthRequest), POINTER(Reply))),
    ("ccol_health_free", None, (c_void_p,)),

    ("ccol_server_start", c_int, (_OUT, c_void_p, c_void_p, POINTER(ServerOptions), _ERR)),
    ("ccol_server_port", c_uint16, (c_void_p,)),
    ("ccol_server_connections", c_uint, (c_void_p,)),
    ("ccol_server_quiesce", None, (c_void_p,)),
    ("ccol_server_stop", None, (c_void_p, c_uint)),

    ("ccol_reporter_new", c_int, (_OUT, POINTER(ReporterOptions), _ERR)),
    ("ccol_reporter_report", c_bool, (c_void_p, POINTER(Incident))),
    ("ccol_reporter_flush", c_int, (c_void_p, c_uint)),
    ("ccol_reporter_stats_get", None, (c_void_p, POINTER(ReporterStats))),
    ("ccol_reporter_free", None, (c_void_p,)),

    ("ccol_monitor_start", c_int, (_OUT, POINTER(MonitorOptions), _ERR)),
    ("ccol_monitor_pid", c_int, (c_void_p,)),
    ("ccol_monitor_fd", c_int, (c_void_p,)),
    ("ccol_monitor_wait", c_int, (c_void_p, c_int, POINTER(Death))),
    ("ccol_monitor_signal", c_int, (c_void_p, c_int)),
    ("ccol_monitor_free", None, (c_void_p,)),

    ("ccol_settings_new", c_int, (_OUT, _ERR)),
    ("ccol_settings_free", None, (c_void_p,)),
    ("ccol_settings_set_program", None, (c_void_p, c_int)),
    ("ccol_settings_read_environment", c_int, (c_void_p, _ERR)),
    ("ccol_settings_read_file", c_int, (c_void_p, c_char_p, _ERR)),
    ("ccol_settings_read_options", c_int, (c_void_p, c_int, POINTER(c_char_p), POINTER(c_int), _ERR)),
    ("ccol_settings_set", c_int, (c_void_p, c_char_p, c_char_p, _ERR)),
    ("ccol_settings_get", c_char_p, (c_void_p, c_char_p)),
    ("ccol_settings_each", None, (c_void_p, EachSettingFn, c_void_p)),
    ("ccol_settings_check", c_int, (c_void_p, TextFn, c_void_p)),
    ("ccol_settings_open_collector", c_int, (c_void_p, _OUT, _ERR)),
    ("ccol_settings_open_health", c_int, (c_void_p, c_void_p, _OUT, _ERR)),
    ("ccol_settings_start_server", c_int, (c_void_p, c_void_p, c_void_p, _OUT, _ERR)),
    ("ccol_settings_reload", c_int, (c_void_p, c_void_p, _ERR)),
    ("ccol_settings_stop", c_uint64, (c_void_p, c_void_p, c_void_p, c_void_p)),
    ("ccol_settings_report_failure", None, (c_void_p, c_char_p)),
    ("ccol_settings_watch", c_int, (c_void_p, POINTER(c_char_p), POINTER(c_int), _ERR)),
    ("ccol_settings_self_test", c_int, (c_void_p, TextFn, c_void_p)),
    ("ccol_settings_log", None, (c_void_p, c_int, c_char_p)),

    ("ccol_spool_each", c_int, (c_char_p, EachSpooledFn, c_void_p, _ERR)),
    ("ccol_spool_load", c_int, (c_char_p, c_char_p, _OUT, _ERR)),
    ("ccol_spool_retry", c_int, (c_char_p, c_char_p, _ERR)),
]
# Functions of libcrashcollect-capture, which a watched program has
CAPTURE_SONAME = "libcrashcollect-capture.so.0"
CAPTURE_FUNCTIONS: List[Tuple[str, Any, Tuple[Any, ...]]] = [
    ("ccol_capture_install", c_int, (_ERR,)),
    ("ccol_capture_is_watched", c_bool, ()),
    ("ccol_capture_thread", c_int, ()),
    ("ccol_capture_annotate", c_int, (c_char_p, c_char_p)),
    ("ccol_capture_breadcrumb", None, (c_int, c_char_p, c_char_p)),
    ("ccol_capture_log", None, (c_int, c_char_p, c_size_t)),
    ("ccol_capture_message", None, (c_char_p,)),
]
# What Python has no use for: variadic, or for a host that links libmicrohttpd.
LEFT_OUT = ("ccol_fail", "ccol_microhttpd_new", "ccol_microhttpd_answer", "ccol_microhttpd_completed",
            "ccol_microhttpd_pending", "ccol_microhttpd_free")
