"""libaipool for asyncio: a warm, bounded pool of HTTP sessions for AI clients. One file, no dependency, Python 3.9.

    async with ConnectionPool(max_size=10, timeout=60) as pool:
        session = await pool.get_session("http://api.example.com")
        async with session.post("/chat", json={...}, stream=True) as response:
            async for event in response.events():
                ...

    client = GigaChatClient()  # as the environment says, over the global pool
    print((await client.generate("Hello", max_tokens=100))["text"])

Loops and threads. No request takes a thread: the library drives the sockets, the running loop watches one descriptor a
pool. Pools, sessions, clients and the global pool may be shared by any loops in any threads. A response belongs to the loop it
came in. Cancelling a task gives its request up at once.

Errors. What fails raises `Error` or a subclass, with numbers to decide by: `status`, `detail`, `phase`, `delivery`,
`retryable`. An HTTP status of 400 or more is a response; `response.raise_for_status()` makes it an error. What a
client's call fails with is an `LLMCallError`, or an `LLMNotConfiguredError`. An argument of a wrong name or type is a TypeError
before anything is sent.

The library is looked for in AIPOOL_LIBRARY (a path), then where the system keeps its libraries. Loops have to know
add_reader(): not on Windows.
"""

import asyncio
import builtins
import collections
import collections.abc
import contextlib
import ctypes
import ctypes.util
import enum
import itertools
import json as jsons
import os
import threading
import urllib.parse
import weakref
from ctypes import POINTER, byref, c_char, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

ABI_VERSION = 1
OFF, UNLIMITED = -1, -2


class Status(enum.IntEnum):
    """The class of an outcome."""

    OK = 0
    END = 1
    WOULD_BLOCK = 2
    INVALID_ARGUMENT = 10
    INVALID_HANDLE = 11
    BUSY = 12
    CLOSED = 13
    TIMEOUT = 20
    CANCELLED = 21
    INTERRUPTED = 22
    LIMIT = 23
    DNS = 30
    CONNECT = 31
    TLS = 32
    PROTOCOL = 33
    RESET = 34
    BODY = 35
    TOO_LARGE = 36
    TRUNCATED = 37
    UNSUPPORTED = 40
    NOT_CONFIGURED = 41
    AUTH = 50
    RATE_LIMITED = 51
    QUOTA = 52
    PROVIDER = 53
    SYSTEM = 60
    PANIC = 61


class Detail(enum.IntEnum):
    """What within the class: which limit, how closed, what about the certificate."""

    NONE = 0
    EVICTED = 1
    SESSION_CLOSED = 2
    POOL_CLOSED = 3
    QUEUE_CLOSED = 4
    TOTAL_LIMIT = 10
    CONNECT_LIMIT = 11
    DRAIN_LIMIT = 12
    QUEUE_LIMIT = 13
    DNS_LIMIT = 14
    TLS_LIMIT = 15
    SEND_LIMIT = 16
    FIRST_BYTE_LIMIT = 17
    BETWEEN_BYTES_LIMIT = 18
    FIRST_EVENT_LIMIT = 19
    QUEUE_FULL = 20
    BETWEEN_EVENTS_LIMIT = 21
    WAIT_LIMIT = 22
    PROXY = 30
    UNTRUSTED_ISSUER = 40
    WRONG_HOST = 41
    EXPIRED = 42
    WRONG_PIN = 43
    CLIENT_CERTIFICATE = 44
    BOMB = 50
    REDIRECT = 51
    BAD_REQUEST = 60
    PERMISSION = 61
    NOT_FOUND = 62
    CONTEXT_OVERFLOW = 63
    CONTENT_FILTER = 64
    SERVER_ERROR = 65
    OVERLOADED = 66
    CONCURRENCY = 67
    CIRCUIT_OPEN = 68
    NOT_JSON = 69
    TOOL_LOOP = 70


class Phase(enum.IntEnum):
    """Where in the life of a request it happened."""

    NONE = 0
    QUEUE = 1
    DNS = 2
    CONNECT = 3
    TLS = 4
    SEND = 5
    FIRST_BYTE = 6
    BODY = 7


class Delivery(enum.IntEnum):
    """Whether the server can have seen the request: it may have been billed."""

    NOT_SENT = 0
    MAYBE_SENT = 1
    RESPONSE_STARTED = 2


# The structures of aipool.h. Their sizes are part of the ABI.


def _texts(*names):
    """Pointer and length each."""
    return [field for name in names for field in ((name, c_char_p), (name + "_len", c_size_t))]


def _all(kind, names):
    return [(name, kind) for name in names.split()]


class _Failure(ctypes.Structure):
    _fields_ = [
        *_all(c_int32, "status detail phase delivery http_status os_error"),
        *_all(c_uint32, "elapsed_ms flags retry_after_ms"),
        ("reserved", c_uint32 * 7),
        ("message", c_char * 192),
    ]


class _PoolOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        *_all(c_int64, "max_size timeout_ms connect_timeout_ms max_body_bytes"),
        *_all(c_uint32, "eviction threads"),
        *_all(c_int64, "queue_timeout_ms dns_timeout_ms tls_timeout_ms send_timeout_ms first_byte_timeout_ms"),
        *_all(c_int64, "between_bytes_timeout_ms max_connections_per_origin max_connections max_queue"),
        *_all(c_int64, "idle_timeout_ms max_lifetime_ms first_event_timeout_ms between_events_timeout_ms"),
    ]


class _SessionOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        *_texts("partition", "ca_file", "ca_bytes", "headers"),
        *_all(c_int64, "timeout_ms connect_timeout_ms max_body_bytes"),
        *_all(c_uint32, "http_version transport"),
        *_all(c_int64, "queue_timeout_ms dns_timeout_ms tls_timeout_ms send_timeout_ms first_byte_timeout_ms"),
        *_all(c_int64, "between_bytes_timeout_ms max_redirects max_retries"),
        *_all(c_uint32, "trust min_tls"),
        *_texts("client_cert_file", "client_cert_bytes", "client_key_file", "client_key_bytes", "server_name", "pins"),
        *_texts("key_log_file", "proxy", "no_proxy", "unix_socket", "resolve", "local_address"),
        *_all(c_int64, "keepalive_ms stream_window_bytes"),
        *_all(c_uint32, "proxy_mode reserved"),
        *_all(c_int64, "first_event_timeout_ms between_events_timeout_ms"),
    ]


class _Request(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        *_texts("method", "url"),
        ("headers", c_void_p),
        ("header_count", c_size_t),
        *_texts("packed_headers", "body"),
        ("cancel", c_void_p),
        *_all(c_int64, "timeout_ms connect_timeout_ms max_body_bytes"),
        *_all(c_uint32, "flags reserved"),
        *_all(c_int64, "queue_timeout_ms dns_timeout_ms tls_timeout_ms send_timeout_ms first_byte_timeout_ms"),
        *_all(c_int64, "between_bytes_timeout_ms max_redirects max_retries"),
        *_all(c_int64, "first_event_timeout_ms between_events_timeout_ms"),
        ("upload", c_void_p),
        *_all(c_uint32, "event_format reserved2"),
        ("max_event_bytes", c_int64),
        *_texts("end_marker"),
    ]


class _Completion(ctypes.Structure):
    _fields_ = [
        ("tag", c_uint64),
        ("kind", c_uint32),
        ("status", c_int32),
        ("response", c_void_p),
        ("reserved", c_uint64 * 5),
        ("error", _Failure),
    ]


class _StreamEvent(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("data_len", c_size_t),
        ("name", c_void_p),
        ("name_len", c_size_t),
        ("id", c_void_p),
        ("id_len", c_size_t),
        ("retry_ms", c_uint64),
        *_all(c_uint32, "flags reserved"),
    ]


class _ResponseInfo(ctypes.Structure):
    _fields_ = [
        *_all(c_uint32, "http_version reused"),
        *_all(c_uint64, "body_bytes first_byte_us total_us"),
        ("remote_address", c_char * 64),
        ("connection_id", c_uint64),
        *_all(c_uint32, "attempts redirects tls insecure"),
        *_all(c_uint64, "queue_us dns_us connect_us tls_us"),
    ]


class _LibraryStats(ctypes.Structure):
    _fields_ = _all(
        c_uint64, "pools sessions responses cancels guards hand_offs guard_drives guard_looks queues uploads clients"
    )


class _PoolStats(ctypes.Structure):
    _fields_ = [
        *_all(c_uint64, "sessions leased over_limit in_flight sessions_created evictions requests failures"),
        *_all(c_uint64, "connections_opened requests_reused connections_open connections_idle connections_in_use"),
        *_all(c_uint64, "connections_insecure connections_dialing waiting connects_failed handshakes_full"),
        *_all(c_uint64, "handshakes_resumed connections_reused waits waits_us"),
        ("closed", c_uint64 * 16),
    ]


class _SessionStats(ctypes.Structure):
    _fields_ = _all(c_uint64, "in_flight leases requests failures connections_opened requests_reused")


class _ClientOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        *_all(c_uint32, "kind flags"),
        *_texts("base_url", "auth_url", "api_key", "access_token", "user", "password", "client_id", "client_secret"),
        *_texts("oauth_token", "scope", "folder", "organization", "model", "embedding_model", "affinity"),
        ("session", POINTER(_SessionOptions)),
        *_all(c_int64, "max_concurrency max_retries breaker_failures pacing"),
        *_texts("operations_url"),
        ("poll_interval_ms", c_int64),
        *_all(c_uint32, "api_version reserved"),
    ]


class _Message(ctypes.Structure):
    _fields_ = [
        *_all(c_uint32, "role reserved"),
        *_texts("content", "name", "call_id", "tool_calls", "state", "raw"),
        ("reserved2", c_uint64 * 3),
    ]


class _Text(ctypes.Structure):
    _fields_ = [("data", c_char_p), ("len", c_size_t)]


class _ClientCall(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        *_all(c_uint32, "operation flags"),
        *_texts("system"),
        ("messages", POINTER(_Message)),
        ("message_count", c_size_t),
        *_texts("prompt", "model", "tools", "tool_choice", "json_schema", "state", "extra"),
        ("stop", POINTER(_Text)),
        ("stop_count", c_size_t),
        ("inputs", POINTER(_Text)),
        ("input_count", c_size_t),
        *_texts("method", "url", "body", "content_type", "headers", "idempotency_key"),
        ("cancel", c_void_p),
        *_all(c_double, "temperature top_p"),
        *_all(c_int64, "seed max_tokens dimensions"),
        *_all(c_uint32, "set response_format"),
        *_all(c_int64, "timeout_ms queue_timeout_ms first_byte_timeout_ms between_bytes_timeout_ms"),
        *_all(c_int64, "first_event_timeout_ms between_events_timeout_ms max_retries"),
    ]


def _borrowed(*names):
    """As _texts(), of what the library shows."""
    return [(name, c_size_t if name.endswith("_len") else c_void_p) for one in names for name in (one, one + "_len")]


class _Delta(ctypes.Structure):
    _fields_ = [*_all(c_uint32, "kind index"), *_borrowed("text", "id", "name"), ("reserved", c_uint64 * 2)]


class _Reply(ctypes.Structure):
    _fields_ = [
        *_borrowed("text", "reasoning", "finish", "model", "id", "state", "error_code", "error_text"),
        *_all(c_int64, "prompt_tokens completion_tokens total_tokens cached_tokens reasoning_tokens context_tokens"),
        *_all(c_uint32, "finish_reason tool_call_count embedding_count reserved"),
        *_all(c_uint64, "first_token_us longest_gap_us parts"),
    ]


for _structure, _size in (
    (_Failure, 256),
    (_PoolOptions, 152),
    (_SessionOptions, 408),
    (_Request, 248),
    (_Completion, 320),
    (_StreamEvent, 64),
    (_ResponseInfo, 152),
    (_LibraryStats, 88),
    (_PoolStats, 304),
    (_SessionStats, 48),
    (_ClientOptions, 328),
    (_Message, 128),
    (_ClientCall, 400),
    (_Delta, 72),
    (_Reply, 216),
):
    assert ctypes.sizeof(_structure) == _size, _structure

# Name: arguments, without the aip_error at the end of those that start with a +. The result is an aip_status.
_HANDLE, _OUT, _COUNT = c_void_p, POINTER(c_void_p), POINTER(c_size_t)
_FUNCTIONS = {
    "stats": (POINTER(_LibraryStats), c_size_t),
    "pool_options_init": (POINTER(_PoolOptions), c_size_t),
    "+pool_new": (POINTER(_PoolOptions), _OUT),
    "+pool_global": (POINTER(_PoolOptions), _OUT),
    "+pool_close_global": (c_uint32,),
    "+pool_get_session": (_HANDLE, c_char_p, c_size_t, POINTER(_SessionOptions), _OUT),
    "+pool_acquire": (_HANDLE, c_char_p, c_size_t, POINTER(_SessionOptions), _OUT),
    "+pool_close_session": (_HANDLE, c_char_p, c_size_t),
    "+pool_close_all": (_HANDLE, c_uint32),
    "pool_free": (_HANDLE,),
    "+pool_get_stats": (_HANDLE, POINTER(_PoolStats), c_size_t),
    "+pool_metrics": (_HANDLE, c_char_p, c_size_t, _COUNT),
    "session_options_init": (POINTER(_SessionOptions), c_size_t),
    "+session_submit": (_HANDLE, POINTER(_Request), _HANDLE, c_uint64),
    "session_id": (_HANDLE,),
    "session_is_closed": (_HANDLE,),
    "+session_close": (_HANDLE,),
    "+session_get_stats": (_HANDLE, POINTER(_SessionStats), c_size_t),
    "session_free": (_HANDLE,),
    "request_init": (POINTER(_Request), c_size_t),
    "response_status": (_HANDLE,),
    "+response_headers_copy": (_HANDLE, c_char_p, c_size_t, _COUNT),
    "+response_body": (_HANDLE, _OUT, _COUNT),
    "response_get_info": (_HANDLE, POINTER(_ResponseInfo), c_size_t),
    "+response_read": (_HANDLE, c_char_p, c_size_t, c_uint32, _COUNT),
    "+response_next_event": (_HANDLE, c_uint32, POINTER(_StreamEvent)),
    "response_free": (_HANDLE,),
    "+cancel_new": (_OUT,),
    "cancel_fire": (_HANDLE,),
    "cancel_free": (_HANDLE,),
    "+upload_new": (c_int64, _OUT),
    "+upload_write": (_HANDLE, c_char_p, c_size_t, c_uint32, _COUNT),
    "+upload_finish": (_HANDLE,),
    "upload_free": (_HANDLE,),
    "+queue_new": (_HANDLE, _OUT),
    "+queue_next": (_HANDLE, POINTER(_Completion), c_size_t, c_uint32, _COUNT),
    "+queue_fd": (_HANDLE, POINTER(c_int32)),
    "queue_free": (_HANDLE,),
    "client_options_init": (POINTER(_ClientOptions), c_size_t),
    "call_init": (POINTER(_ClientCall), c_size_t),
    "+client_new": (_HANDLE, POINTER(_ClientOptions), _OUT),
    "+client_is_configured": (_HANDLE,),
    "+client_get_session": (_HANDLE, c_int32, _OUT),
    "+client_submit": (_HANDLE, POINTER(_ClientCall), _HANDLE, c_uint64),
    "client_free": (_HANDLE,),
    "+response_next_delta": (_HANDLE, c_uint32, POINTER(_Delta)),
    "+response_reply": (_HANDLE, POINTER(_Reply), c_size_t),
    "+response_reply_copy": (_HANDLE, c_uint32, c_char_p, c_size_t, _COUNT),
    "+response_embedding": (_HANDLE, c_uint32, POINTER(c_float), c_size_t, _COUNT),
}
_HEAD, _DONE = 1, 4
_MAY_REPEAT, _STREAM = 2, 4
_TRUST_ANYBODY = 2
_EVENT_RETRY, _EVENT_INCOMPLETE = 1, 2
_FROM_ENVIRONMENT, _UNPOOLED = 1, 2
_CALL_EMBED, _CALL_MODELS, _CALL_STREAM = 1, 2, 1
_SET = {"temperature": 1, "top_p": 2, "seed": 4}
_ROLES = {"user": 0, "system": 1, "assistant": 2, "tool": 3}
_DELTAS = dict(enumerate(("text", "replace", "reasoning", "tool", "usage", "done"), 1))
_FINISHES = (None, "stop", "length", "tool", "filter", "error", "other")
_REPLY_TOOL_CALLS = 2


class _Library:
    """The functions without their aip_, typed."""

    def __init__(self):
        path = os.environ.get("AIPOOL_LIBRARY") or ctypes.util.find_library("aipool") or "libaipool.so.0.1"
        try:
            library = ctypes.CDLL(path)
            abi = library.aip_abi_version()
        except (OSError, AttributeError) as cause:
            raise ImportError(f"no libaipool: {cause}; set AIPOOL_LIBRARY to the path of libaipool.so") from None
        if abi != ABI_VERSION:
            raise ImportError(f"{path} has ABI {abi}, and this file needs {ABI_VERSION}: they are of different releases")
        for name, arguments in _FUNCTIONS.items():
            function = library["aip_" + name.lstrip("+")]
            function.argtypes = arguments + ((POINTER(_Failure),) if name.startswith("+") else ())
            function.restype = {"session_id": c_uint64, "response_status": c_uint32}.get(name, c_int32)
            setattr(self, name.lstrip("+"), function)


_lib = _Library()


class Error(Exception):
    """What went wrong.

    status, detail, phase, delivery: of the enumerations above. retryable: sending the same request again is safe.
    retry_after: seconds the server wants to be left alone, or None.
    message: what happened, and the mend; never a header, body, key or token. http_status, os_error: 0 where there is none.
    response: with BodyError what came of the body, where something did.
    """

    response = None

    def __init__(
        self, message, status, detail=0, phase=0, delivery=0, http_status=0, os_error=0, elapsed_ms=0, flags=0, retry_after_ms=0
    ):
        super().__init__(message)
        self.message = message
        self.status = _known(Status, status)
        self.detail = _known(Detail, detail)
        self.phase = _known(Phase, phase)
        self.delivery = _known(Delivery, delivery)
        self.http_status = http_status
        self.os_error = os_error
        self.elapsed_ms = elapsed_ms
        self.retryable = bool(flags & 1)
        self.retry_after = retry_after_ms / 1000 if retry_after_ms else None

    def __str__(self):
        return f"{getattr(self.status, 'name', self.status)}: {self.message}"


class InvalidArgument(Error, ValueError):
    """An argument is wrong; the message names it and says what to write instead."""


class ClosedError(Error):
    """The session or pool is closed. Nothing was sent, unless detail is DRAIN_LIMIT: get the session again."""


class TimeoutError(Error, asyncio.TimeoutError):  # noqa: A001
    """A time limit ran out: detail says which, phase where. Also an asyncio.TimeoutError."""


class ConnectionError(Error, builtins.ConnectionError):  # noqa: A001
    """No name, no connection, or it broke before a response. Also Python's ConnectionError."""


class TLSError(ConnectionError):
    """No secure connection: an untrusted, expired or wrong certificate."""


class BodyError(Error):
    """The body cannot be decoded, is larger than allowed, or ended early. response: what came of it, or None."""


class ResponseError(Error):
    """By raise_for_status(): the HTTP status, in http_status, is 400 or more."""


class LLMCallError(Error, RuntimeError):
    """A client's call failed, whatever the reason: `status` and `detail` say which, and __cause__ is what a session would raise.

    code, text: the provider's own, "" where it said nothing; the text may quote what was sent. response: what came, or None.
    """

    code = text = ""


class LLMNotConfiguredError(LLMCallError):
    """The client lacks an option; the message names it and its environment variable. Nothing was sent."""


_CLASSES = {
    Status.INVALID_ARGUMENT: InvalidArgument,
    Status.CLOSED: ClosedError,
    Status.TIMEOUT: TimeoutError,
    Status.DNS: ConnectionError,
    Status.CONNECT: ConnectionError,
    Status.RESET: ConnectionError,
    Status.TLS: TLSError,
    Status.BODY: BodyError,
    Status.TOO_LARGE: BodyError,
    Status.TRUNCATED: BodyError,
}


def _known(enumeration, number):
    """A newer library may have numbers that this file does not know: they stay numbers."""
    try:
        return enumeration(number)
    except ValueError:
        return number


def _error_of(failure):
    numbers = [getattr(failure, name) for name, kind in _Failure._fields_ if kind in (c_int32, c_uint32)]
    return _CLASSES.get(failure.status, Error)(failure.message.decode(errors="replace"), *numbers)


def _call(function, *arguments):
    """A status below 10; every other is raised."""
    failure = _Failure()
    status = function(*arguments, byref(failure))
    if status >= 10:
        raise _error_of(failure)
    return status


def _made(function, *arguments):
    """A handle."""
    handle = c_void_p()
    _call(function, *arguments, byref(handle))
    return handle.value


def _dict_of(stats):
    values = {name: getattr(stats, name) for name, _ in stats._fields_}
    return {name: list(value) if isinstance(value, ctypes.Array) else value for name, value in values.items()}


def _milliseconds(seconds):
    if seconds is None:
        return OFF
    if not seconds > 0:
        raise ValueError(f"timeout: {seconds!r} is no time; give seconds, or None for no limit")
    return max(1, round(seconds * 1000))


def _utf8(name, text):
    """Not text.encode(), whose error holds the text: that may be a key, and is not to be the context of another either."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        position = error.start
    raise ValueError(f"{name}: is not UTF-8 at character {position}")


def _packed(headers):
    """name NUL value NUL ...; the library checks them, but what would shift them is refused here."""
    pairs = headers.items() if hasattr(headers, "items") else headers
    words = [word if isinstance(word, bytes) else _utf8("headers", str(word)) for pair in pairs for word in pair]
    if any(b"\0" in word for word in words):
        raise ValueError("headers: a NUL in a header")
    return b"".join(word + b"\0" for word in words)


def _fill(structure, call, options, not_offered=()):
    """Sets fields of an option struct by name. Lengths are set along."""
    kinds = dict(structure._fields_)
    for name, value in options.items():
        if name not in kinds or name in not_offered or name == "size" or name.startswith("reserved") or "_len" in name:
            raise TypeError(f"{call}() has no argument {name!r}")
        if kinds[name] is c_char_p:
            value = value if isinstance(value, bytes) else _utf8(name, os.fspath(value))
            setattr(structure, name + "_len", len(value))
        setattr(structure, name, value)
        if kinds[name] is not c_char_p and getattr(structure, name) != value:
            raise OverflowError(f"{name}: {value} is out of range")
    return structure


def _options(kind, init):
    structure = kind()
    init(byref(structure), ctypes.sizeof(structure))
    return structure


def stats():
    """The library's counters for this process: live handles by kind, and how I/O was driven."""
    counters = _LibraryStats()
    _lib.stats(byref(counters), ctypes.sizeof(counters))
    return _dict_of(counters)


class _Channel:
    """A pool's queue as one loop watches it. Used in that loop's thread alone, but for let_go()."""

    def __init__(self, pool, loop):
        self.loop = loop
        self.calls = {}
        self._tags = itertools.count()
        self._completions = (_Completion * 64)()
        self._count = c_size_t()
        self.queue = _made(_lib.queue_new, pool)
        fd = c_int32(-1)
        # However the loop ends: when nobody has this any more the queue is freed, and its requests end.
        self._free = weakref.finalize(self, _free_queue, self.queue, fd)
        _call(_lib.queue_fd, self.queue, byref(fd))
        self._fd = fd.value
        loop.add_reader(self._fd, self._drain)

    def submit(self, function, handle, request, call):
        tag = next(self._tags)
        request.cancel = call.cancel
        _call(function, handle, byref(request), self.queue, tag)
        self.calls[tag] = call

    def _drain(self):
        """How many completions there were."""
        try:
            if _call(_lib.queue_next, self.queue, self._completions, 64, 0, byref(self._count)) == Status.END:
                raise ClosedError("the pool was closed", Status.CLOSED, Detail.POOL_CLOSED)
        except Error as error:
            self._close(error)
            return 0
        for completion in self._completions[: self._count.value]:
            tag = completion.tag
            call = self.calls.pop(tag, None) if completion.kind == _DONE else self.calls.get(tag)
            if call is None:
                _lib.response_free(completion.response)
            else:
                try:
                    call.take(completion)
                except Exception as error:  # this call's, while the others' completions are taken already
                    call.fail(error)
        return self._count.value

    def _finish(self):
        """Hands out what there is, and closes."""
        while self._free.alive and self._drain():
            pass
        self._close(ClosedError("the pool was closed", Status.CLOSED, Detail.POOL_CLOSED))

    def _close(self, error):
        if not self._free.alive:
            return
        self.loop.remove_reader(self._fd)
        self._free()
        error.delivery = Delivery.MAYBE_SENT  # nobody can tell any more
        calls, self.calls = self.calls, {}
        for call in calls.values():
            call.fail(error)

    def let_go(self):
        """Any thread."""
        if asyncio._get_running_loop() is self.loop:
            self._finish()
            return
        with contextlib.suppress(RuntimeError):  # its loop is closed
            self.loop.call_soon_threadsafe(self._finish)


def _free_queue(queue, fd):
    _lib.queue_free(queue)
    if fd.value >= 0:
        os.close(fd.value)


class _Call:
    """A request under way: what its completions become. `with` it: a task that is cancelled inside gives the request up.

    asker: the session, or the client and its pool, named here to live. kind: the class of the response.
    """

    def __init__(self, channel, asker, url, kind):
        self.loop = channel.loop
        self.asker = asker
        self.url = url
        self.kind = kind
        self.answer = self.loop.create_future()
        self.cancel = _made(_lib.cancel_new)
        self.pushing = None
        self._waiting = []

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        if error is not None and issubclass(error, asyncio.CancelledError):
            _lib.cancel_fire(self.cancel)
            if not self.answer.cancelled() and self.answer.exception() is None:
                self.answer.result().close()  # it came in the same turn
        _lib.cancel_free(self.cancel)
        self.answer = None  # which refers to the response, which refers to the call

    def take(self, completion):
        handle = completion.response
        wanted = self.answer is not None and not self.answer.done()
        if completion.kind == _DONE and self.pushing is not None:
            self.pushing.cancel()
        if completion.kind == _HEAD and wanted:
            self.answer.set_result(self.kind(self, handle, stream=True))
        elif completion.kind == _DONE and wanted:
            answer = self.kind(self, handle) if handle else None
            if completion.status == Status.OK:
                self.answer.set_result(answer)
            else:
                error = _error_of(completion.error)
                error.response = answer
                self.answer.set_exception(error)
        elif handle:
            _lib.response_free(handle)
        self._wake(lambda waiting: waiting.set_result(None))

    def fail(self, error):
        if self.pushing is not None:
            self.pushing.cancel()
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error)
        self._wake(lambda waiting: waiting.set_exception(error))

    async def change(self):
        """Until something new is said of the request."""
        waiting = self.loop.create_future()
        self._waiting.append(waiting)
        await waiting

    def _wake(self, how):
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                how(one)


class Headers(collections.abc.Mapping):
    """A response's headers by name in any case; [] gives the first value of a name, getall() all."""

    def __init__(self, packed):
        words = packed.decode("latin-1").split("\0")
        self._values = {}
        for name, value in zip(words[::2], words[1::2]):
            self._values.setdefault(name.lower(), []).append(value)

    def __getitem__(self, name):
        return self._values[name.lower()][0]

    def __iter__(self):
        return iter(self._values)

    def __len__(self):
        return len(self._values)

    def getall(self, name):
        return list(self._values.get(name.lower(), ()))

    def __repr__(self):
        return f"<Headers {self._values}>"


Event = collections.namedtuple("Event", "data name id retry_ms incomplete")
Event.__doc__ = """An event of a stream. data: the text, for NDJSON the line. name: "message" where none was given. id: the last
event ID. retry_ms: the reconnection time it sets, or None. incomplete: the stream ended before the event did."""


class Response:
    """A response: whole, or with stream=True a head whose body is read while it comes.

    status, headers, url; info: the fields of aip_response_info (reused, http_version, first_byte_us, ...).
    A stream holds its connection until it is read to the end or closed; `async with` closes it.
    """

    def __init__(self, call, handle, stream=False):
        self._call = call if stream else None
        self._body = None
        self._free = weakref.finalize(self, _lib.response_free, handle)
        self._handle = handle
        self.url = call.url
        self.status = _lib.response_status(handle)
        self.headers = Headers(_copied(_lib.response_headers_copy, handle))
        self.info = _ResponseInfo()
        _lib.response_get_info(handle, byref(self.info), ctypes.sizeof(self.info))
        if not stream:
            self._keep()
            self._free()

    def _keep(self):
        """Copies what is wanted when the handle is free."""
        data, length = c_void_p(), c_size_t()
        _call(_lib.response_body, self._handle, byref(data), byref(length))
        self._body = ctypes.string_at(data, length.value) if length.value else b""

    @property
    def ok(self):
        return self.status < 400

    @property
    def content(self):
        return Content(self)

    def raise_for_status(self):
        if not self.ok:
            raise ResponseError(
                f"HTTP {self.status}", Status.OK, 0, Phase.BODY, Delivery.RESPONSE_STARTED, http_status=self.status
            )

    async def read(self):
        """The whole body; of a stream, what was not read yet, to its end."""
        if self._body is None:
            self._body = b"".join([chunk async for chunk in self.content])
        return self._body

    async def text(self, encoding=None):
        """The body as text, in the charset its content-type names, else UTF-8."""
        _, _, charset = self.headers.get("content-type", "").lower().partition("charset=")
        return (await self.read()).decode(encoding or charset.partition(";")[0].strip("\"' ") or "utf-8")

    async def json(self):
        """The body as JSON, whatever its content-type."""
        return jsons.loads(await self.read())

    async def events(self):
        """The events of a stream (stream=True): server-sent events or NDJSON, by the content-type or event_format=."""
        event = _StreamEvent()
        while await self._next(_lib.response_next_event, 0, byref(event)):
            yield Event(
                _text(event.data, event.data_len),
                _text(event.name, event.name_len) or "message",
                _text(event.id, event.id_len),
                event.retry_ms if event.flags & _EVENT_RETRY else None,
                bool(event.flags & _EVENT_INCOMPLETE),
            )

    async def tokens(self):
        """The pieces of text of an OpenAI-compatible chat, up to [DONE]. Post it with end_marker="[DONE]" to have a stream
        that breaks off before it raise BodyError."""
        async for event in self.events():
            if event.data == "[DONE]":
                return
            for choice in jsons.loads(event.data).get("choices", ()):
                piece = choice.get("delta", {}).get("content")
                if piece:
                    yield piece

    async def _next(self, function, *arguments):
        """Waits for the next piece; False at the end. One task at a time."""
        while self._free.alive:
            status = _call(function, self._handle, *arguments)
            if status != Status.WOULD_BLOCK:
                return status == Status.OK
            await self._call.change()
        raise ClosedError("the response was closed, or not asked for with stream=True", Status.CLOSED)

    async def _chunks(self, size):
        if self._body is not None:
            for start in range(0, len(self._body), size):
                yield self._body[start : start + size]
            return
        buffer, count = ctypes.create_string_buffer(size), c_size_t()
        while await self._next(_lib.response_read, buffer, size, 0, byref(count)):
            yield ctypes.string_at(buffer, count.value)

    def close(self):
        """Gives up what was not read. Never blocks."""
        self._free()

    release = close

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.close()


class Content:
    """A response's body in pieces: as they come (`async for`), or of so many bytes at most. Not by lines."""

    def __init__(self, response):
        self._response = response

    def iter_chunked(self, size):
        return self._response._chunks(size)

    def iter_any(self):
        return self.iter_chunked(65536)

    __aiter__ = iter_any


def _text(data, length):
    return ctypes.string_at(data, length).decode() if length else ""


def _copied(function, *arguments):
    """The bytes that the library copies. That the buffer is too small is all that more room mends."""
    failure, needed, cap = _Failure(), c_size_t(), 4096
    while True:
        buffer = ctypes.create_string_buffer(cap)
        status = function(*arguments, buffer, cap, byref(needed), byref(failure))
        if status == Status.OK:
            return ctypes.string_at(buffer, needed.value)
        if status != Status.INVALID_ARGUMENT or needed.value <= cap:
            raise _error_of(failure)
        cap = needed.value


class _Asked(collections.abc.Coroutine):
    """What get(), post() and request() give: `async with` it, or await it and close the response yourself."""

    def __init__(self, sending):
        self._sending = sending

    def __await__(self):
        return self._sending.__await__()

    def send(self, value):
        return self._sending.send(value)

    def throw(self, *error):
        return self._sending.throw(*error)

    def close(self):
        self._sending.close()

    async def __aenter__(self):
        self._response = await self._sending
        return self._response

    async def __aexit__(self, *_):
        self._response.close()


class Session:
    """A base URL and its warm connections, from ConnectionPool.get_session(). Any loop, any thread.

    Sessions are equal when they are handles of one shared session.
    """

    def __init__(self, pool, handle):
        self._pool = pool
        self._handle = handle
        self._free = weakref.finalize(self, _lib.session_free, handle)
        self._id = _lib.session_id(handle)

    def __eq__(self, other):
        return isinstance(other, Session) and self._id == other._id

    def __hash__(self):
        return hash(self._id)

    def get(self, url, **arguments):
        return self.request("GET", url, **arguments)

    def post(self, url, **arguments):
        return self.request("POST", url, **arguments)

    def request(self, method, url, **arguments):
        """Sends a request: `async with session.request(...) as response`.

        url: absolute, or a path appended to the session's base URL.
        params: a dict or pairs for the query. headers: a dict or pairs.
        json: an object, sent as application/json. data: bytes, text, a dict sent as a form, or an async iterable of bytes,
        sent while it gives them.
        timeout: seconds from start to the body's end, None for no limit. stream: the response comes with its head; then
        only a timeout given here counts, and there are limits for its silences (first_event_timeout_ms, ...).
        may_repeat: the server may get it twice, so that a broken connection is tried again.
        Further arguments are fields of aip_request by their names and units: max_retries, end_marker,
        first_event_timeout_ms, ... Any other name is a TypeError.
        """
        return _Asked(self._send(*_request(method, url, **arguments)))

    async def _send(self, request, body):
        try:
            return await self._sent(request, body)
        except InvalidArgument as error:
            if not _is_over(error):
                raise
        # A client's, of the global pool that came after the one that was known here.
        _forget_global_pool(self._pool)
        self._pool = get_global_pool()
        return await self._sent(request, body)

    async def _sent(self, request, body):
        channel = self._pool._channel()
        with _Call(channel, self, request.url.decode(), Response) as call:
            if body is not None:
                request.upload = _made(_lib.upload_new, UNLIMITED)
            try:
                channel.submit(_lib.session_submit, self._handle, request, call)
            except Error:
                _lib.upload_free(request.upload)
                raise
            if body is not None:
                call.pushing = asyncio.ensure_future(_push(body, request.upload, call))
                # One that is cancelled before its first step frees nothing itself.
                weakref.finalize(call.pushing, _lib.upload_free, request.upload)
            return await call.answer

    @property
    def closed(self):
        return bool(_lib.session_is_closed(self._handle))

    async def close(self):
        """Closes the shared session for everybody; requests under way finish, the next get_session() makes a fresh one."""
        _call(_lib.session_close, self._handle)

    def stats(self):
        counters = _SessionStats()
        _call(_lib.session_get_stats, self._handle, byref(counters), ctypes.sizeof(counters))
        return _dict_of(counters)


_NOT_OFFERED = "method url headers header_count packed_headers body cancel timeout_ms flags upload".split()
_UNSET = object()


def _request(
    method, url, *, params=None, headers=None, json=_UNSET, data=None, timeout=_UNSET, stream=False, may_repeat=False, **options
):
    """The aip_request, and the body where it is an async iterable."""
    if "ssl" in options:
        raise TypeError("ssl: is no argument of a request; get the session with it: get_session(key, ssl=False)")
    request = _fill(_options(_Request, _lib.request_init), "request", options, _NOT_OFFERED)
    url, pushed, default_type = str(url), None, None
    if params:
        url, mark, fragment = url.partition("#")
        url += ("&" if "?" in url else "?") + urllib.parse.urlencode(params, doseq=True) + mark + fragment
    if json is not _UNSET:
        if data is not None:
            raise ValueError("json and data: give one")
        data, default_type = jsons.dumps(json), "application/json"
    elif isinstance(data, collections.abc.Mapping):
        data, default_type = urllib.parse.urlencode(data, doseq=True), "application/x-www-form-urlencoded"
    if hasattr(data, "__aiter__"):
        data, pushed = None, data
    if isinstance(data, str):
        data = _utf8("data", data)
    elif data is not None and not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data: bytes, str, a dict or an async iterable, not {type(data).__name__}")
    packed = _packed(headers or ())
    if default_type and not any(name.lower() == b"content-type" for name in packed.split(b"\0")[::2]):
        packed += b"content-type\0" + default_type.encode() + b"\0"
    method, url = _utf8("method", method), _utf8("url", url)
    for name, value in (("method", method), ("url", url), ("packed_headers", packed), ("body", data)):
        if value:
            setattr(request, name, bytes(value))
            setattr(request, name + "_len", len(bytes(value)))
    if timeout is not _UNSET:
        request.timeout_ms = _milliseconds(timeout)
    request.flags = (_STREAM if stream else 0) | (_MAY_REPEAT if may_repeat else 0)
    return request, pushed


async def _push(body, upload, call):
    """Gives the upload what the iterable gives, as fast as the wire takes it."""
    taken = c_size_t()
    try:
        async for piece in body:
            piece = bytes(piece)
            while piece:
                if _call(_lib.upload_write, upload, piece, len(piece), 0, byref(taken)) == Status.WOULD_BLOCK:
                    await call.change()
                else:
                    piece = piece[taken.value :]
        _call(_lib.upload_finish, upload)
    except ClosedError:
        pass  # the request has ended, and says how itself
    except Exception as error:
        call.fail(error)
    finally:
        _lib.upload_free(upload)


class ConnectionPool:
    """At most max_size sessions by base URL, the least recently used given up for a new one. Any loop, any thread.

    timeout: seconds a request may take, None for no limit. Further options are fields of aip_pool_options by their names
    and units (max_connections_per_origin, idle_timeout_ms, threads, ...).
    `async with` closes it. One that is not closed is freed when nobody has it or its sessions any more.
    """

    def __init__(self, max_size=10, timeout=60, **options):
        options = dict(options, max_size=max_size, timeout_ms=_milliseconds(timeout))
        structure = _fill(_options(_PoolOptions, _lib.pool_options_init), "ConnectionPool", options)
        self._own(_made(_lib.pool_new, byref(structure)))

    def _own(self, handle):
        _pools.add(self)
        self._handle = handle
        self._channels = weakref.WeakValueDictionary()  # by id of their loops, which alone keep them
        self._sessions = weakref.WeakValueDictionary()
        self._lock = threading.Lock()
        self._free = weakref.finalize(self, _free_pool, handle, self._channels)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def get_session(self, key, **options):
        """The session of a base URL, made when there is none or it is closed: the same for all who ask.

        ssl=False: take any certificate. headers: a dict sent with every request. timeout: seconds. Further options are
        fields of aip_session_options by their names and units (ca_file, proxy, partition, max_retries, ...). Options that
        make another connection than the one there is need another partition, else InvalidArgument.
        """
        handle = self._session(_lib.pool_get_session, key, options)
        if options:
            return Session(self, handle)
        with self._lock:
            session = self._sessions.get(_lib.session_id(handle))
            if session is None:
                session = self._sessions[_lib.session_id(handle)] = Session(self, handle)
            else:
                _lib.session_free(handle)
            return session

    @contextlib.asynccontextmanager
    async def acquire(self, key, **options):
        """As get_session(), and a lease: inside the `async with` the session is not evicted."""
        session = Session(self, self._session(_lib.pool_acquire, key, options))
        try:
            yield session
        finally:
            session._free()

    def _session(self, function, key, options):
        structure = _session_options(**options) if options else None
        key = _utf8("key", str(key))
        try:
            return _made(function, self._handle, key, len(key), byref(structure) if structure else None)
        except ClosedError:
            _forget_global_pool(self)
            raise

    async def close_session(self, key):
        """Closes the session of `key` and forgets it. Requests under way finish."""
        key = _utf8("key", str(key))
        _call(_lib.pool_close_session, self._handle, key, len(key))

    async def close_all(self, drain=5.0):
        """Closes every session and waits `drain` seconds at most for requests under way: False when some had to be cut
        off. The pool stays usable."""
        return await _drained(_lib.pool_close_all, self._handle, round(drain * 1000))

    async def close(self, drain=5.0):
        """close_all(), and the end of the pool: get_session() raises an Error from then on. Closing twice is fine."""
        if not self._free.alive:
            return True
        try:
            return await self.close_all(drain)
        finally:
            self._free()

    def stats(self):
        """The pool's counters since it was made, by the names in aip_pool_stats."""
        counters = _PoolStats()
        _call(_lib.pool_get_stats, self._handle, byref(counters), ctypes.sizeof(counters))
        return _dict_of(counters)

    def metrics(self):
        """The pool's numbers as Prometheus text."""
        return _copied(_lib.pool_metrics, self._handle).decode()

    def _channel(self):
        if not self._free.alive:
            raise ClosedError("the pool was closed", Status.CLOSED, Detail.POOL_CLOSED)
        loop = asyncio.get_running_loop()
        with self._lock:
            channel = self._channels.get(id(loop))
            if channel is None or not channel._free.alive:
                channel = self._channels[id(loop)] = _Channel(self._handle, loop)
            return channel


def _session_options(*, ssl=None, headers=None, timeout=_UNSET, **options):
    if ssl not in (None, True, False):
        raise TypeError("ssl: True or False; certificates are ca_file, ca_bytes and client_cert_file")
    if ssl is False:
        options["trust"] = _TRUST_ANYBODY
    if headers:
        options["headers"] = _packed(headers)
    if timeout is not _UNSET:
        options["timeout_ms"] = _milliseconds(timeout)
    return _fill(_options(_SessionOptions, _lib.session_options_init), "get_session", options)


async def _drained(function, *arguments):
    """A call that waits, in a thread: whether nothing had to be cut off."""
    try:
        await asyncio.get_running_loop().run_in_executor(None, _call, function, *arguments)
        return True
    except TimeoutError:
        return False


def _free_pool(handle, channels):
    _lib.pool_free(handle)
    for channel in list(channels.values()):
        channel.let_go()


_pools = weakref.WeakSet()
_global_pool = None
_global_lock = threading.Lock()


def get_global_pool(**options):
    """The process's one pool, made on first use with these options: max_size, timeout and what ConnectionPool() takes. Later
    calls give the same object; options that differ from the first are InvalidArgument."""
    global _global_pool
    structure = None
    if options:
        options.setdefault("timeout", 60)
        options["timeout_ms"] = _milliseconds(options.pop("timeout"))
        structure = _fill(_options(_PoolOptions, _lib.pool_options_init), "get_global_pool", options)
    handle = _made(_lib.pool_global, byref(structure) if structure else None)
    with _global_lock:
        if _global_pool is None or not _global_pool._free.alive:
            _global_pool = ConnectionPool.__new__(ConnectionPool)
            _global_pool._own(handle)
        else:
            _lib.pool_free(handle)
        return _global_pool


def _forget_global_pool(pool):
    """Where it is the one that is known here, and was ended elsewhere: in another language, or while it was asked for. Calls under
    way over it have it still."""
    global _global_pool
    with _global_lock:
        if _global_pool is pool:
            _global_pool = None


def _is_over(error):
    """Whether nothing was sent because the pool that was known here is over, or is not the global one any more."""
    if error.status == Status.CLOSED:
        return error.detail in (Detail.POOL_CLOSED, Detail.QUEUE_CLOSED) and error.delivery == Delivery.NOT_SENT
    return error.status == Status.INVALID_ARGUMENT and error.message.startswith("queue: ")


async def close_global_pool(drain=5.0):
    """Ends the global pool as ConnectionPool.close(); the next get_global_pool() makes a new one."""
    global _global_pool
    with _global_lock:
        pool, _global_pool = _global_pool, None
    whole = await _drained(_lib.pool_close_global, round(drain * 1000))
    if pool is not None:
        pool._free()
    return whole


class _Answer(Response):
    """A response to a client's call. reply: what it came to; of a stream, what has been read of it."""

    _reply = None

    def _keep(self):
        super()._keep()
        self._reply = _reply_of(self._handle)

    @property
    def reply(self):
        return self._reply or _reply_of(self._handle)

    def close(self):
        if self._free.alive:
            self._reply = self.reply
        self._free()

    async def delta(self):
        """The next, or None at the end."""
        delta = _Delta()
        if not await self._next(_lib.response_next_delta, 0, byref(delta)):
            return None
        texts = (_text(getattr(delta, name), getattr(delta, name + "_len")) for name in ("text", "id", "name"))
        return Delta(_DELTAS.get(delta.kind, delta.kind), *texts, delta.index)


def _reply_of(handle):
    """An aip_reply as a dict, with the calls of tools and the embeddings."""
    reply = _Reply()
    _call(_lib.response_reply, handle, byref(reply), ctypes.sizeof(reply))
    values = {
        name: _text(getattr(reply, name), getattr(reply, name + "_len")) if kind is c_void_p else getattr(reply, name)
        for name, kind in _Reply._fields_
        if kind is not c_size_t and name != "reserved"
    }
    if reply.tool_call_count:
        values["tool_calls"] = jsons.loads(_copied(_lib.response_reply_copy, handle, _REPLY_TOOL_CALLS))
    values["embeddings"] = [_embedding(handle, index) for index in range(reply.embedding_count)]
    return values


def _embedding(handle, index):
    needed = c_size_t()
    _lib.response_embedding(handle, index, None, 0, byref(needed), None)
    numbers = (c_float * needed.value)()
    _call(_lib.response_embedding, handle, index, numbers, needed.value, byref(needed))
    return list(numbers)


Delta = collections.namedtuple("Delta", "kind text id name index")
Delta.__doc__ = """A part of an answer. kind: "text"; "replace": all text so far is withdrawn, this stands in its place;
"reasoning"; "tool": `text` is a piece of the arguments of call number `index`, `id` and `name` where they came; "usage": its
tokens are known; "done": it is complete."""


class AnswerStream:
    """An answer part by part, from AIClient.stream(): `async for delta in stream`. `async with` it where the loop may end early.

    Nothing is sent before the first part is asked for. One task at a time.
    """

    def __init__(self, client, call):
        self._client = client
        self._call = call
        self._response = None
        self._ended = False

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self._ended:
            raise StopAsyncIteration
        delta = None
        try:
            if self._response is None:
                self._response = await self._client._answer(self._call)
            delta = await self._response.delta()
        except InvalidArgument:
            raise
        except Error as error:
            raise _llm_error(error, self._response) from error
        finally:
            if delta is None:
                self.close()
        if delta is None:
            raise StopAsyncIteration
        return delta

    @property
    def reply(self):
        """What has been read so far, as AIClient.chat() gives it, without `raw`; None before the first part."""
        return None if self._response is None else _told(self._response.reply)

    def close(self):
        """Gives up what was not read. Never blocks."""
        self._ended = True
        if self._response is not None:
            self._response.close()

    async def aclose(self):
        self.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.close()


class AIClient:
    """A client of an AI provider: of one of the classes below. Any loop, any thread.

    pool: a ConnectionPool; None is the global pool, whichever that is when it asks. use_pool=False: over a session of its own.
    environment: texts that are not given are taken from the provider's usual environment variables, which are read here alone.
    Further options are fields of aip_client_options by their names and units (base_url, api_key, model, max_concurrency, ...), and
    those of get_session(): ca_file, ssl, headers, timeout, first_event_timeout_ms, ... A credential never stands in an error.
    """

    _kind = 0

    def __init__(self, *, pool=None, use_pool=True, environment=True, **options):
        own = {name for name, _ in _ClientOptions._fields_} - {"kind", "flags", "session"}
        given = {name: value for name, value in options.items() if value is not None}
        session = {name: given.pop(name) for name in list(given) if name not in own}
        structure = _fill(_options(_ClientOptions, _lib.client_options_init), type(self).__name__, given)
        structure.kind = self._kind
        structure.flags = (_FROM_ENVIRONMENT if environment else 0) | (0 if use_pool else _UNPOOLED)
        if session:
            structure.session = ctypes.pointer(_session_options(**session))
        self._pool = pool
        self._handle = _made(_lib.client_new, pool and pool._handle, byref(structure))
        self._free = weakref.finalize(self, _lib.client_free, self._handle)

    @property
    def is_configured(self):
        """Whether it has all it needs to ask."""
        return _lib.client_is_configured(self._handle, None) == Status.OK

    async def generate(self, prompt, *, temperature=None, max_tokens=None, system_prompt=None, response_format="text", **options):
        """Answers one prompt: {"text", "usage", "raw"}. Otherwise as chat()."""
        options.update(prompt=prompt, temperature=temperature, max_tokens=max_tokens)
        answer = await self.chat((), system_prompt=system_prompt, response_format=response_format, **options)
        return {name: answer[name] for name in ("text", "usage", "raw")}

    async def chat(self, messages, *, tools=None, **options):
        """The next turn of a talk: a dict. text; usage: tokens by name, those that were said; raw: the provider's JSON.

        message: to be appended to `messages`; tool_calls: of the model, in OpenAI's form; finish_reason: "stop", "length", "tool",
        "filter", "error", "other" or None; finish: the provider's word; reasoning, model, id, state: "" where there is none.

        messages: dicts of role ("system", "user", "assistant", "tool") and content, of a tool's result further name and
        tool_call_id; {"raw": {...}} is a message in the provider's own words. tools: a list of {"name", "description",
        "parameters"}, or in OpenAI's form. response_format: "text", "json", or a JSON Schema. timeout: seconds, None for no limit.
        state: of the answer before, where the provider keeps the talk (Naparnik); others need it not.
        Further options are fields of aip_call by their names and units: temperature, max_tokens, top_p, seed, stop, model, extra,
        first_byte_timeout_ms, max_retries, ... Any other name is a TypeError.
        """
        call = _client_call(messages=messages, tools=tools, **options)
        response = await self._answered(call)
        return dict(_told(response.reply), raw=_raw(await response.read()))

    def stream(self, messages, *, tools=None, **options):
        """As chat(), part by part: `async for delta in client.stream(...)`. messages: a list, or one prompt as text."""
        said = {"prompt": messages} if isinstance(messages, str) else {"messages": messages}
        return AnswerStream(self, _client_call(stream=True, tools=tools, **said, **options))

    async def embed(self, texts, **options):
        """The embedding of each text: a list of lists of numbers. Options: model, dimensions, timeout, ..."""
        response = await self._answered(_client_call(operation=_CALL_EMBED, inputs=texts, **options))
        return response.reply["embeddings"]

    async def models(self, **options):
        """The names of the provider's models."""
        return (await self._answered(_client_call(operation=_CALL_MODELS, **options))).reply["text"].splitlines()

    async def get_session(self, use_pool=True):
        """The Session it asks over: the pool's, or with use_pool=False one of its own, which closes with its last handle. What you
        send over it is not signed."""
        return Session(self._home(), _made(_lib.client_get_session, self._handle, bool(use_pool)))

    _get_session = get_session

    async def close(self):
        """Gives the client up. The pool's sessions stay, and calls under way go on."""
        self._free()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    def _home(self):
        return self._pool or get_global_pool()

    async def _answer(self, call):
        if not self._free.alive:
            raise ClosedError("the client was closed", Status.CLOSED)
        for tries_left in (2, 1, 0):
            home = self._home()
            try:
                channel = home._channel()
                with _Call(channel, (self, home), "", _Answer) as under_way:
                    channel.submit(_lib.client_submit, self._handle, call, under_way)
                    return await under_way.answer
            except Error as error:
                if self._pool is not None or not tries_left or not _is_over(error):
                    raise
            _forget_global_pool(home)

    async def _answered(self, call):
        try:
            return await self._answer(call)
        except InvalidArgument:
            raise
        except Error as error:
            raise _llm_error(error) from error


class OpenAIClient(AIClient):
    """OpenAI and all that speak its chat completions: vLLM, llama.cpp, OpenRouter, DeepSeek, LiteLLM. OPENAI_API_KEY, ..."""

    _kind = 1


class OllamaClient(AIClient):
    """Ollama's own API. OLLAMA_HOST, OLLAMA_MODEL, ..."""

    _kind = 2


class GigaChatClient(AIClient):
    """GigaChat. GIGACHAT_CREDENTIALS, GIGACHAT_SCOPE, ... Its servers' certificates want the Russian root: ca_file=."""

    _kind = 3


class YandexGPTClient(AIClient):
    """YandexGPT's own API. YC_API_KEY, YC_FOLDER_ID, ..."""

    _kind = 4


class YandexOpenAIClient(AIClient):
    """YandexGPT as OpenAI speaks."""

    _kind = 5


class NaparnikClient(AIClient):
    """1C:Naparnik at code.1c.ai, whose API nobody documents. NAPARNIK_TOKEN, ..."""

    _kind = 6


class NaparnikCompatClient(AIClient):
    """The form that a guide gives for Naparnik: OpenAI's words at another host, which nobody is known to serve. NAPARNIK_API_KEY, ..."""

    _kind = 7


def _llm_error(error, response=None):
    """What a client raises for it, where it is no InvalidArgument."""
    made = (LLMNotConfiguredError if error.status == Status.NOT_CONFIGURED else LLMCallError)(error.message, error.status)
    made.__dict__.update(error.__dict__)
    made.response = error.response or response
    if made.response is not None:
        made.code, made.text = made.response.reply["error_code"], made.response.reply["error_text"]
    return made


_TOKENS = "prompt_tokens completion_tokens total_tokens cached_tokens reasoning_tokens context_tokens".split()


def _told(reply):
    """What chat() says of a reply."""
    message = {"role": "assistant", "content": reply["text"]}
    calls = reply.get("tool_calls", [])
    message.update({name: value for name, value in (("tool_calls", calls), ("state", reply["state"])) if value})
    finish = reply["finish_reason"]
    return {
        "text": reply["text"],
        "usage": {name: reply[name] for name in _TOKENS if reply[name] >= 0},
        "message": message,
        "tool_calls": calls,
        "finish_reason": _FINISHES[finish] if finish < len(_FINISHES) else finish,
        **{name: reply[name] for name in ("finish", "reasoning", "model", "id", "state")},
    }


def _raw(body):
    try:
        return jsons.loads(body)
    except ValueError:
        return body.decode(errors="replace")


_CALL_NOT_OFFERED = "operation flags set message_count stop_count inputs input_count method url body content_type cancel".split()
_JSON = ("tools", "extra", "json_schema")


def _client_call(
    *, operation=0, stream=False, messages=(), inputs=(), stop=(), system_prompt=None, response_format="text", headers=None,
    timeout=_UNSET, **options
):
    """The aip_call."""
    fields = {name: value for name, value in dict(options, system=system_prompt).items() if value is not None}
    if isinstance(response_format, collections.abc.Mapping):
        fields["json_schema"] = response_format
    elif response_format not in ("text", "json"):
        raise ValueError(f"response_format: {response_format!r}; give 'text', 'json' or a JSON Schema as a dict")
    fields["response_format"] = int(response_format != "text")
    fields.update({name: jsons.dumps(fields[name]) for name in _JSON if not isinstance(fields.get(name, ""), (str, bytes))})
    if headers:
        fields["headers"] = _packed(headers)
    if timeout is not _UNSET:
        fields["timeout_ms"] = _milliseconds(timeout)
    call = _fill(_options(_ClientCall, _lib.call_init), "a call", fields, _CALL_NOT_OFFERED)
    call.operation, call.flags = operation, _CALL_STREAM if stream else 0
    call.set = sum(bit for name, bit in _SET.items() if name in fields)
    messages = [_message(one) for one in messages]
    call.messages, call.message_count = (_Message * len(messages))(*messages), len(messages)
    stop, inputs = _text_list("stop", stop), _text_list("inputs", inputs)
    call.stop, call.stop_count, call.inputs, call.input_count = stop, len(stop), inputs, len(inputs)
    return call


def _message(message):
    unknown = set(message) - {"role", "content", "name", "tool_call_id", "tool_calls", "state", "raw"}
    if unknown:
        names = ", ".join(map(repr, sorted(unknown)))
        raise ValueError(f"message: no place for {names}; give a message of that as {{'raw': message}}")
    fields = {name: value for name, value in message.items() if value is not None}
    role = fields.pop("role", "user")
    if role not in _ROLES:
        raise ValueError(f"message: the role {role!r} is none of {', '.join(_ROLES)}")
    if not isinstance(fields.get("content", ""), str):
        raise TypeError("message: content is text; give parts as {'raw': message}")
    if "tool_call_id" in fields:
        fields["call_id"] = fields.pop("tool_call_id")
    fields.update({name: jsons.dumps(fields[name]) for name in ("tool_calls", "raw") if name in fields})
    return _fill(_Message(role=_ROLES[role]), "message", fields)


def _text_list(name, texts):
    if isinstance(texts, str):
        raise TypeError(f"{name}: a list of texts, not one")
    encoded = [_utf8(name, text) for text in texts]
    return (_Text * len(encoded))(*((text, len(text)) for text in encoded))


def _after_fork():
    """The child's handles are void, and a lock may be held by a thread it does not have."""
    global _global_pool, _global_lock
    _global_pool, _global_lock = None, threading.Lock()
    for pool in list(_pools):
        pool._lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
