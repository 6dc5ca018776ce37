"""libaipool for asyncio: a warm, bounded pool of HTTP sessions for AI clients. One file, no dependency, Python 3.9.

    async with ConnectionPool(max_size=10, timeout=60) as pool:
        session = await pool.get_session("http://api.example.com")
        async with session.post("/chat", json={...}, stream=True) as response:
            async for event in response.events():
                ...

Loops and threads. No request takes a thread: the library drives the sockets, the running loop watches one descriptor a
pool. Pools, sessions and the global pool may be shared by any loops in any threads. A response belongs to the loop it
came in. Cancelling a task gives its request up at once.

Errors. What fails raises `Error` or a subclass, with numbers to decide by: `status`, `detail`, `phase`, `delivery`,
`retryable`. An HTTP status of 400 or more is a response; `response.raise_for_status()` makes it an error. An argument of
a wrong name or type is a TypeError before anything is sent.

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
from ctypes import POINTER, byref, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

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
        *_all(c_uint32, "elapsed_ms flags"),
        ("reserved", c_uint32 * 8),
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
        c_uint64, "pools sessions responses cancels guards hand_offs guard_drives guard_looks queues uploads"
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


for _structure, _size in (
    (_Failure, 256),
    (_PoolOptions, 152),
    (_SessionOptions, 408),
    (_Request, 248),
    (_Completion, 320),
    (_StreamEvent, 64),
    (_ResponseInfo, 152),
    (_LibraryStats, 80),
    (_PoolStats, 304),
    (_SessionStats, 48),
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
}
_HEAD, _DONE = 1, 4
_MAY_REPEAT, _STREAM = 2, 4
_TRUST_ANYBODY = 2
_EVENT_RETRY, _EVENT_INCOMPLETE = 1, 2


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
    message: what happened, and the mend; never a header, body, key or token. http_status, os_error: 0 where there is none.
    response: with BodyError what came of the body, where something did.
    """

    response = None

    def __init__(self, message, status, detail=0, phase=0, delivery=0, http_status=0, os_error=0, elapsed_ms=0, flags=0):
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


def _packed(headers):
    """name NUL value NUL ...; the library checks them, but what would shift them is refused here."""
    pairs = headers.items() if hasattr(headers, "items") else headers
    words = [word if isinstance(word, bytes) else str(word).encode() for pair in pairs for word in pair]
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
            value = value if isinstance(value, bytes) else os.fspath(value).encode()
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

    def submit(self, session, request, call):
        tag = next(self._tags)
        _call(_lib.session_submit, session, byref(request), self.queue, tag)
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
                call.take(completion)
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
    """A request under way: what its completions become."""

    def __init__(self, channel, session, url):
        self.loop = channel.loop
        self.session = session
        self.url = url
        self.answer = self.loop.create_future()
        self.pushing = None
        self._waiting = []

    def take(self, completion):
        handle = completion.response
        wanted = self.answer is not None and not self.answer.done()
        if completion.kind == _DONE and self.pushing is not None:
            self.pushing.cancel()
        if completion.kind == _HEAD and wanted:
            self.answer.set_result(Response(self, handle, stream=True))
        elif completion.kind == _DONE and wanted:
            answer = Response(self, handle) if handle else None
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
        self.headers = Headers(_copied_headers(handle))
        self.info = _ResponseInfo()
        _lib.response_get_info(handle, byref(self.info), ctypes.sizeof(self.info))
        if not stream:
            data, length = c_void_p(), c_size_t()
            _call(_lib.response_body, handle, byref(data), byref(length))
            self._body = ctypes.string_at(data, length.value) if length.value else b""
            self._free()

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


def _copied_headers(handle):
    needed, cap = c_size_t(), 4096
    while True:
        buffer = ctypes.create_string_buffer(cap)
        if _lib.response_headers_copy(handle, buffer, cap, byref(needed), None) == Status.OK:
            return ctypes.string_at(buffer, needed.value)
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
        channel = self._pool._channel()
        call = _Call(channel, self, request.url.decode())
        request.cancel = _made(_lib.cancel_new)
        try:
            if body is not None:
                request.upload = _made(_lib.upload_new, UNLIMITED)
            try:
                channel.submit(self._handle, request, call)
            except Error:
                _lib.upload_free(request.upload)
                raise
            if body is not None:
                call.pushing = asyncio.ensure_future(_push(body, request.upload, call))
            return await call.answer
        except asyncio.CancelledError:
            _lib.cancel_fire(request.cancel)
            if not call.answer.cancelled() and call.answer.exception() is None:
                call.answer.result().close()  # it came in the same turn
            raise
        finally:
            _lib.cancel_free(request.cancel)
            call.answer = None  # which refers to the response, which refers to the call

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
        data = data.encode()
    elif data is not None and not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data: bytes, str, a dict or an async iterable, not {type(data).__name__}")
    packed = _packed(headers or ())
    if default_type and not any(name.lower() == b"content-type" for name in packed.split(b"\0")[::2]):
        packed += b"content-type\0" + default_type.encode() + b"\0"
    for name, value in (("method", method.encode()), ("url", url.encode()), ("packed_headers", packed), ("body", data)):
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
        key = str(key).encode()
        return _made(function, self._handle, key, len(key), byref(structure) if structure else None)

    async def close_session(self, key):
        """Closes the session of `key` and forgets it. Requests under way finish."""
        key = str(key).encode()
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

    def _channel(self):
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
        if _global_pool is None:
            _global_pool = ConnectionPool.__new__(ConnectionPool)
            _global_pool._own(handle)
        else:
            _lib.pool_free(handle)
        return _global_pool


async def close_global_pool(drain=5.0):
    """Ends the global pool as ConnectionPool.close(); the next get_global_pool() makes a new one."""
    global _global_pool
    with _global_lock:
        pool, _global_pool = _global_pool, None
    whole = await _drained(_lib.pool_close_global, round(drain * 1000))
    if pool is not None:
        pool._free()
    return whole


def _after_fork():
    """The child's handles are void, and a lock may be held by a thread it does not have."""
    global _global_pool, _global_lock
    _global_pool, _global_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
