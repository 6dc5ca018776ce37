/*
 * libaipool: a warm, bounded, observable pool of HTTP sessions for AI clients.
 * Generated from src/ffi by cbindgen; edit there, then: make header
 *
 * The contract
 *
 * Handles (aip_pool, aip_session, aip_response, aip_cancel, aip_upload, aip_queue, aip_client) look like pointers and are tokens: a freed, forged, foreign or
 *   fork-inherited one is AIP_INVALID_HANDLE, never undefined. You free handles, never memory; any order is legal, NULL is
 *   fine, and free does no I/O.
 * Status is the result of every call that can fail, alone: if (status == AIP_TIMEOUT). An aip_error of yours (or NULL) says
 *   more, and is written on failure only. On failure an out-handle is NULL unless said otherwise; other outputs stay.
 * Inputs are copied before the call returns. Text is UTF-8 as (pointer, length); AIP_NUL_TERMINATED as length for C strings;
 *   (NULL, 0) is empty. Outputs are copied to you, or borrowed until a named point and then have a copying twin.
 * Zero is the default in every option struct; AIP_OFF switches off, AIP_UNLIMITED lifts a bound. Start structs with their
 *   _init function. drain_ms and timeout_ms arguments are literal: 0 waits not at all.
 * Threads: any function from any thread, many at once. The thread that waits drives the I/O. No signal is raised on it,
 *   its cancellation waits until the call returns, and library threads take no signals. Nothing but aip_cancel_fire() and
 *   aip_queue_wake() may be called in a signal handler; never longjmp out of a call. 128 KiB of stack are enough for any call,
 *   and exit handlers and destructors of threads may make them. docs/process.md tells more.
 * Fork: the child starts afresh; handles from before are AIP_INVALID_HANDLE there, new pools work, inherited sockets stay
 *   open until exec or exit.
 * Every wait has a bound unless you switch it off. No panic leaves the library (AIP_PANIC).
 */
