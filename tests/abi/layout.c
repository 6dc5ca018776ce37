/* Layout and numbers of the ABI as released for 64-bit: compiling this is the check. A change here breaks callers. */
#include <aipool.h>

#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)
#define FIELD(type, field, at, bytes) \
    _Static_assert(offsetof(type, field) == (at) && sizeof(((type *)0)->field) == (bytes), #type "." #field)
#define VALUE(name, value) _Static_assert((name) == (value), #name)

SIZE(aip_library_stats, 64);
FIELD(aip_library_stats, pools, 0, 8);
FIELD(aip_library_stats, sessions, 8, 8);
FIELD(aip_library_stats, responses, 16, 8);
FIELD(aip_library_stats, cancels, 24, 8);
FIELD(aip_library_stats, guards, 32, 8);
FIELD(aip_library_stats, hand_offs, 40, 8);
FIELD(aip_library_stats, guard_drives, 48, 8);
FIELD(aip_library_stats, guard_looks, 56, 8);

SIZE(aip_pool_options, 48);
FIELD(aip_pool_options, size, 0, 8);
FIELD(aip_pool_options, max_size, 8, 8);
FIELD(aip_pool_options, timeout_ms, 16, 8);
FIELD(aip_pool_options, connect_timeout_ms, 24, 8);
FIELD(aip_pool_options, max_body_bytes, 32, 8);
FIELD(aip_pool_options, eviction, 40, 4);
FIELD(aip_pool_options, threads, 44, 4);

SIZE(aip_error, 256);
FIELD(aip_error, status, 0, 4);
FIELD(aip_error, detail, 4, 4);
FIELD(aip_error, phase, 8, 4);
FIELD(aip_error, delivery, 12, 4);
FIELD(aip_error, http_status, 16, 4);
FIELD(aip_error, os_error, 20, 4);
FIELD(aip_error, elapsed_ms, 24, 4);
FIELD(aip_error, flags, 28, 4);
FIELD(aip_error, reserved, 32, 32);
FIELD(aip_error, message, 64, 192);

SIZE(aip_session_options, 104);
FIELD(aip_session_options, size, 0, 8);
FIELD(aip_session_options, partition, 8, 8);
FIELD(aip_session_options, partition_len, 16, 8);
FIELD(aip_session_options, ca_file, 24, 8);
FIELD(aip_session_options, ca_file_len, 32, 8);
FIELD(aip_session_options, ca_bytes, 40, 8);
FIELD(aip_session_options, ca_bytes_len, 48, 8);
FIELD(aip_session_options, headers, 56, 8);
FIELD(aip_session_options, headers_len, 64, 8);
FIELD(aip_session_options, timeout_ms, 72, 8);
FIELD(aip_session_options, connect_timeout_ms, 80, 8);
FIELD(aip_session_options, max_body_bytes, 88, 8);
FIELD(aip_session_options, http_version, 96, 4);
FIELD(aip_session_options, reserved, 100, 4);

SIZE(aip_header, 48);
FIELD(aip_header, name, 0, 8);
FIELD(aip_header, name_len, 8, 8);
FIELD(aip_header, value, 16, 8);
FIELD(aip_header, value_len, 24, 8);
FIELD(aip_header, reserved, 32, 16);

SIZE(aip_request, 128);
FIELD(aip_request, size, 0, 8);
FIELD(aip_request, method, 8, 8);
FIELD(aip_request, method_len, 16, 8);
FIELD(aip_request, url, 24, 8);
FIELD(aip_request, url_len, 32, 8);
FIELD(aip_request, headers, 40, 8);
FIELD(aip_request, header_count, 48, 8);
FIELD(aip_request, packed_headers, 56, 8);
FIELD(aip_request, packed_headers_len, 64, 8);
FIELD(aip_request, body, 72, 8);
FIELD(aip_request, body_len, 80, 8);
FIELD(aip_request, cancel, 88, 8);
FIELD(aip_request, timeout_ms, 96, 8);
FIELD(aip_request, connect_timeout_ms, 104, 8);
FIELD(aip_request, max_body_bytes, 112, 8);
FIELD(aip_request, flags, 120, 4);
FIELD(aip_request, reserved, 124, 4);

SIZE(aip_pool_stats, 80);
FIELD(aip_pool_stats, sessions, 0, 8);
FIELD(aip_pool_stats, leased, 8, 8);
FIELD(aip_pool_stats, over_limit, 16, 8);
FIELD(aip_pool_stats, in_flight, 24, 8);
FIELD(aip_pool_stats, sessions_created, 32, 8);
FIELD(aip_pool_stats, evictions, 40, 8);
FIELD(aip_pool_stats, requests, 48, 8);
FIELD(aip_pool_stats, failures, 56, 8);
FIELD(aip_pool_stats, connections_opened, 64, 8);
FIELD(aip_pool_stats, requests_reused, 72, 8);

SIZE(aip_session_stats, 48);
FIELD(aip_session_stats, in_flight, 0, 8);
FIELD(aip_session_stats, leases, 8, 8);
FIELD(aip_session_stats, requests, 16, 8);
FIELD(aip_session_stats, failures, 24, 8);
FIELD(aip_session_stats, connections_opened, 32, 8);
FIELD(aip_session_stats, requests_reused, 40, 8);

SIZE(aip_response_info, 96);
FIELD(aip_response_info, http_version, 0, 4);
FIELD(aip_response_info, reused, 4, 4);
FIELD(aip_response_info, body_bytes, 8, 8);
FIELD(aip_response_info, first_byte_us, 16, 8);
FIELD(aip_response_info, total_us, 24, 8);
FIELD(aip_response_info, remote_address, 32, 64);

VALUE(AIP_OK, 0);
VALUE(AIP_INVALID_ARGUMENT, 10);
VALUE(AIP_INVALID_HANDLE, 11);
VALUE(AIP_CLOSED, 13);
VALUE(AIP_TIMEOUT, 20);
VALUE(AIP_CANCELLED, 21);
VALUE(AIP_INTERRUPTED, 22);
VALUE(AIP_LIMIT, 23);
VALUE(AIP_DNS, 30);
VALUE(AIP_CONNECT, 31);
VALUE(AIP_TLS, 32);
VALUE(AIP_PROTOCOL, 33);
VALUE(AIP_RESET, 34);
VALUE(AIP_BODY, 35);
VALUE(AIP_TOO_LARGE, 36);
VALUE(AIP_TRUNCATED, 37);
VALUE(AIP_UNSUPPORTED, 40);
VALUE(AIP_SYSTEM, 60);
VALUE(AIP_PANIC, 61);

VALUE(AIP_DETAIL_NONE, 0);
VALUE(AIP_DETAIL_EVICTED, 1);
VALUE(AIP_DETAIL_SESSION_CLOSED, 2);
VALUE(AIP_DETAIL_POOL_CLOSED, 3);
VALUE(AIP_DETAIL_TOTAL_LIMIT, 10);
VALUE(AIP_DETAIL_CONNECT_LIMIT, 11);
VALUE(AIP_DETAIL_DRAIN_LIMIT, 12);

VALUE(AIP_PHASE_NONE, 0);
VALUE(AIP_PHASE_DNS, 1);
VALUE(AIP_PHASE_CONNECT, 2);
VALUE(AIP_PHASE_FIRST_BYTE, 3);
VALUE(AIP_PHASE_BODY, 4);

VALUE(AIP_NOT_SENT, 0);
VALUE(AIP_MAYBE_SENT, 1);
VALUE(AIP_RESPONSE_STARTED, 2);

VALUE(AIP_ABI_VERSION, 1);
VALUE(AIP_ERROR_RETRYABLE, 1);
VALUE(AIP_OFF, -1);
VALUE(AIP_UNLIMITED, -2);
VALUE(AIP_EVICT_LRU, 1);
VALUE(AIP_EVICT_FIFO, 2);
VALUE(AIP_HTTP_AUTO, 0);
VALUE(AIP_HTTP_1, 1);
VALUE(AIP_HTTP_2, 2);
VALUE(AIP_REQUEST_INTERRUPTIBLE, 1);
VALUE(AIP_NUL_TERMINATED, SIZE_MAX);

_Static_assert(sizeof(aip_status) == 4, "aip_status");
_Static_assert(sizeof(aip_detail) == 4, "aip_detail");
_Static_assert(sizeof(aip_phase) == 4, "aip_phase");
_Static_assert(sizeof(aip_delivery) == 4, "aip_delivery");
