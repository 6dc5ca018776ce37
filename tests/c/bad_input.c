/* Bad input: each has a status of its own and a message that names the field and the mend; nothing crashes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "belongings.h"
#include "calls.h"
#include "handles.h"
#include "harness.h"
#include "sandbox.h"

static void null_out_pointers(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_request request = get_of("/echo");
    CHECK_STATUS(aip_pool_new(NULL, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "pool: is NULL; pass the address");
    CHECK_STATUS(aip_pool_global(NULL, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "pool: is NULL");
    CHECK_STATUS(aip_pool_get_session(pool, "", 0, NULL, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "session: is NULL; pass the address");
    CHECK_STATUS(aip_pool_acquire(pool, "", 0, NULL, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "session: is NULL");
    CHECK_STATUS(aip_session_request(session, &request, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "response: is NULL; pass the address");
    CHECK_STATUS(aip_pool_request(pool, "", 0, &request, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "response: is NULL");
    CHECK_STATUS(aip_cancel_new(NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "cancel: is NULL");
    CHECK_STATUS(aip_pool_get_stats(pool, NULL, sizeof(aip_pool_stats), &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "out: is NULL");
    CHECK_STATUS(aip_session_get_stats(session, NULL, sizeof(aip_session_stats), &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "out: is NULL");
    CHECK_STATUS(aip_stats(NULL, sizeof(aip_library_stats)), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_pool_metrics(pool, NULL, SIZE_MAX, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "buf: is NULL");
}

/* The line of a kind, counts and all; the report has no other lines than these. */
static void check_reported(const char *report, const char *kind, int live)
{
    char line[128];
    snprintf(line, sizeof line, "{\"kind\":\"%s\",\"live\":%d,\"oldest_ms\":", kind, live);
    CHECK_CONTAINS(report, line);
}

static void live_handles_are_reported_by_kind(void)
{
    char text[2048];
    size_t length;
    CHECK_STATUS(aip_live_handles(text, sizeof text, &length, &error), AIP_OK);
    CHECK_EQ(length, 0);
    aip_pool *pool = new_pool();
    new_cancel();
    aip_session_free(session_of(pool, sandbox_http()));
    ask(session_of(pool, sandbox_http()), "/echo");
    ask(session_of(pool, sandbox_http()), "/echo");
    CHECK_STATUS(aip_live_handles(text, sizeof text - 1, &length, &error), AIP_OK);
    text[length] = '\0';
    check_reported(text, "pool", 1);
    check_reported(text, "session", 2);
    check_reported(text, "response", 2);
    check_reported(text, "cancel", 1);
    CHECK(strstr(text, "queue") == NULL && text[length - 1] == '\n');
}

static void bad_calls_for_live_handles(void)
{
    new_pool();
    char text[1024] = "as it was";
    size_t needed = 0;
    CHECK_STATUS(aip_live_handles(text, 8, &needed, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "cap: is 8");
    CHECK_TEXT(text, "as it was");
    CHECK(needed > 8 && needed < sizeof text);
    CHECK_STATUS(aip_live_handles(NULL, SIZE_MAX, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "buf: is NULL");
    CHECK_STATUS(aip_live_handles(text, sizeof text, NULL, &error), AIP_OK);
}

static void bad_calls_for_events(void)
{
    char lines[1024];
    size_t length = 7;
    uint64_t next = 7;
    CHECK_STATUS(aip_events_read(0, lines, 1023, &length, &next, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "cap: is 1023; give 1024");
    CHECK_STATUS(aip_events_read(0, lines, 1024, NULL, &next, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "len: is NULL");
    CHECK_STATUS(aip_events_read(0, lines, 1024, &length, NULL, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "next: is NULL");
    CHECK(length == 7 && next == 7);
    ask(session_of(new_pool(), sandbox_http()), "/echo");
    CHECK_STATUS(aip_events_read(0, NULL, 1024, &length, &next, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "buf: is NULL");
    /* A number that is yet to come reads from the start. */
    CHECK_STATUS(aip_events_read(UINT64_MAX, lines, 1024, &length, &next, NULL, &error), AIP_OK);
    CHECK(length > 0 && lines[length - 1] == '\n');
}

static void bad_numbers_of_warm_connections(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    static const uint32_t numbers[] = {0, 65, UINT32_MAX};
    uint32_t standing = 7;
    for (size_t i = 0; i < 3; i++) {
        CHECK_STATUS(aip_session_warm(session, numbers[i], 0, &standing, &error), AIP_INVALID_ARGUMENT);
        CHECK_STARTS(error.message, "connections: is ");
        CHECK_CONTAINS(error.message, "use 1 to 64");
    }
    CHECK_EQ(standing, 7);
    CHECK_STATUS(aip_session_warm(session_of(new_pool(), refused_url()), 1, 0, NULL, &error), AIP_CONNECT);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
    CHECK_STATUS(aip_session_warm(session_of(new_pool(), "my service"), 1, 0, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "url: ");
}

static void null_out_pointers_of_a_response(void)
{
    aip_response *response = ask(session_of(new_pool(), sandbox_http()), "/echo");
    const char *text;
    const uint8_t *data;
    size_t length;
    CHECK_STATUS(aip_response_body(response, NULL, &length, &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "data: is NULL");
    CHECK_STATUS(aip_response_body(response, &data, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "len: is NULL");
    CHECK_STATUS(aip_response_body_copy(response, NULL, SIZE_MAX, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "buf: is NULL");
    CHECK_STATUS(aip_response_headers_copy(response, NULL, 1, &length, &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "cap: is 1; ");
    CHECK(length > 1);
    CHECK_STATUS(aip_response_header(response, "x-dup", 5, NULL, &length), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_header(response, "x-dup", 5, &text, NULL), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_header(response, NULL, 5, &text, &length), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_header(response, "no such", 7, &text, &length), AIP_OK);
    CHECK(text == NULL && length == 0);
    CHECK_STATUS(aip_response_header_at(response, 0, NULL, NULL, NULL, NULL), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_header_at(response, 1000, &text, &length, &text, &length), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_get_info(response, NULL, sizeof(aip_response_info)), AIP_INVALID_ARGUMENT);
}

static int32_t get_with_key(aip_pool *pool, const char *key, size_t length)
{
    aip_session *session = NULL;
    int32_t status = aip_pool_get_session(pool, key, length, NULL, &session, &error);
    CHECK_EQ(session == NULL, status != AIP_OK);
    aip_session_free(session);
    return status;
}

static void bad_keys(void)
{
    aip_pool *pool = new_pool();
    CHECK_STATUS(get_with_key(pool, "a\xff", 2), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "key: is not UTF-8 at byte 1");
    CHECK_STATUS(get_with_key(pool, NULL, 3), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "key: is NULL");
    CHECK_STATUS(get_with_key(pool, NULL, AIP_NUL_TERMINATED), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "key: is NULL");
    CHECK_STATUS(get_with_key(pool, "http://me:secret@host", AIP_NUL_TERMINATED), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "key: holds a user name or password");
    CHECK(strstr(error.message, "secret") == NULL);
    CHECK_STATUS(aip_pool_close_session(pool, "\xff", 1, &error), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "key: is not UTF-8");
    CHECK_STATUS(get_with_key(pool, NULL, 0), AIP_OK);
}

static void bad_urls_and_methods(void)
{
    static const struct {
        const char *url, *said;
    } bad[] = {
        {"\xc3(", "url: is not UTF-8"},
        {"http://", "url: is no URL"},
        {"http://h:99999/", "url: is no URL"},
        {"gopher://h/", "url: has scheme gopher; use http or https"},
        {"//h/x", "url: starts with //"},
        {"http://me:secret@h/", "url: holds a user name or password"},
    };
    aip_session *session = session_of(new_pool(), sandbox_http());
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        aip_request request = get_of(bad[i].url);
        check_request_refused(session, &request, AIP_INVALID_ARGUMENT, bad[i].said);
    }
    aip_request request = get_of("/relative");
    check_request_refused(session_of(new_pool(), "opaque"), &request, AIP_INVALID_ARGUMENT, "url: is relative");
    CHECK_CONTAINS(error.message, "use an absolute URL");
    request.method_len = AIP_NUL_TERMINATED;
    static const char *methods[] = {"GE T", "\xff", "CONNECT", NULL};
    for (size_t i = 0; i < 4; i++) {
        request.method = methods[i];
        check_request_refused(session, &request, AIP_INVALID_ARGUMENT, "method: ");
    }
    check_request_refused(session, NULL, AIP_INVALID_ARGUMENT, "request: is NULL");
}

static void bad_headers(void)
{
    static const struct {
        const char *name, *value, *said;
    } bad[] = {
        {"x-a", "secret\r", "control character"},
        {"x-a", "secret\nx-b: 1", "control character"},
        {"x\n", "secret", "is no HTTP token"},
        {"", "secret", "is no HTTP token"},
        {NULL, "secret", "is NULL"},
        {"x-a", NULL, "is NULL"},
    };
    aip_session *session = session_of(new_pool(), sandbox_http());
    aip_header header;
    aip_request request = get_of("/echo");
    request.headers = &header;
    request.header_count = 1;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        header = (aip_header){bad[i].name, AIP_NUL_TERMINATED, bad[i].value, AIP_NUL_TERMINATED, {0, 0}};
        check_request_refused(session, &request, AIP_INVALID_ARGUMENT, "headers[0]: ");
        CHECK_CONTAINS(error.message, bad[i].said);
    }
    header = (aip_header){"x", 1, "a\0b", 3, {0, 0}};
    check_request_refused(session, &request, AIP_INVALID_ARGUMENT, "headers[0]: value of x has a control character");
    header = (aip_header){"x", 1, "a", 1, {0, 7}};
    check_request_refused(session, &request, AIP_INVALID_ARGUMENT, "headers[0]: reserved is not 0");
    request.headers = NULL;
    check_request_refused(session, &request, AIP_INVALID_ARGUMENT, "headers: is NULL");
    request.headers = &header;
    request.header_count = 10001;
    check_request_refused(session, &request, AIP_INVALID_ARGUMENT, "header_count: ");
}

static void bad_packed_headers(void)
{
    static const struct {
        const char *block;
        size_t length;
        const char *said;
    } bad[] = {
        {"x-a\0secret", 10, "packed_headers: does not end with a NUL"},
        {"x-a\0", 4, "packed_headers[0]: has a name but no value"},
        {"x-a\0" "1\0x-b\0", 10, "packed_headers[1]: has a name but no value"},
        {"x-a\0secret\r\0", 12, "packed_headers[0]: value of x-a"},
        {"\0secret\0", 8, "packed_headers[0]: name"},
        {NULL, 8, "packed_headers: is NULL"},
    };
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        aip_request request = get_of("/echo");
        request.packed_headers = bad[i].block;
        request.packed_headers_len = bad[i].length;
        check_request_refused(session, &request, AIP_INVALID_ARGUMENT, bad[i].said);
        aip_session_options options = session_options();
        options.headers = bad[i].block;
        options.headers_len = bad[i].length;
        aip_session *refused = NULL;
        int32_t status = aip_pool_get_session(pool, "http://a", AIP_NUL_TERMINATED, &options, &refused, &error);
        CHECK_STATUS(status, AIP_INVALID_ARGUMENT);
        CHECK_CONTAINS(error.message, bad[i].said + strlen("packed_"));
    }
}

static void null_with_a_length(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    aip_request request = get_of(NULL);
    request.url_len = 5;
    check_request_refused(session, &request, AIP_INVALID_ARGUMENT, "url: is NULL");
    request = get_of("/echo");
    request.body_len = 5;
    check_request_refused(session, &request, AIP_INVALID_ARGUMENT, "body: is NULL");
    request.body = (const uint8_t *)"x";
    request.body_len = SIZE_MAX;
    check_request_refused(session, &request, AIP_INVALID_ARGUMENT, "body: has an impossible length");
}

static void unknown_bits(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    aip_request request = get_of("/echo");
    request.flags = 0x80000001;
    check_request_refused(session, &request, AIP_UNSUPPORTED, "request.flags: bits 0x80000000 are unknown");
    request = get_of("/echo");
    request.reserved = 1;
    check_request_refused(session, &request, AIP_INVALID_ARGUMENT, "request.reserved: is not 0");
}

static void wrong_sizes(void)
{
    static const size_t sizes[] = {0, 1, sizeof(aip_pool_options) - 1, 4097, SIZE_MAX};
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http()), *refused = NULL;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        aip_pool_options for_pool = pool_options();
        for_pool.size = sizes[i];
        check_pool_refused(&for_pool, AIP_INVALID_ARGUMENT, "options.size: is ");
        CHECK_CONTAINS(error.message, "call aip_pool_options_init()");
        aip_session_options for_session = session_options();
        for_session.size = sizes[i];
        CHECK_STATUS(aip_pool_get_session(pool, "", 0, &for_session, &refused, &error), AIP_INVALID_ARGUMENT);
        CHECK_CONTAINS(error.message, "call aip_session_options_init()");
        aip_request request = get_of("/echo");
        request.size = sizes[i];
        check_request_refused(session, &request, AIP_INVALID_ARGUMENT, "request.size: is ");
        CHECK_CONTAINS(error.message, "call aip_request_init()");
    }
    aip_library_stats stats;
    CHECK_STATUS(aip_stats(&stats, 0), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_stats(&stats, SIZE_MAX), AIP_INVALID_ARGUMENT);
}

static void tails_of_newer_callers(void)
{
    struct {
        aip_pool_options known;
        uint64_t more;
    } options = {pool_options(), 0};
    options.known.size = sizeof options;
    aip_pool *pool = new_pool_with(&options.known);
    options.more = 1;
    check_pool_refused(&options.known, AIP_UNSUPPORTED, "options: uses fields that");
    CHECK_CONTAINS(error.message, "load a newer libaipool or leave them 0");
    struct {
        aip_request known;
        uint64_t more;
    } request = {get_of("/echo"), 0};
    request.known.size = sizeof request;
    aip_session *session = session_of(pool, sandbox_http());
    CHECK_EQ(aip_response_status(ask_with(session, &request.known)), 200);
    request.more = 1;
    check_request_refused(session, &request.known, AIP_UNSUPPORTED, "request: uses fields that");
    struct {
        aip_pool_stats known;
        uint64_t more;
    } stats = {.more = 1};
    CHECK_STATUS(aip_pool_get_stats(pool, &stats.known, sizeof stats, &error), AIP_OK);
    CHECK_EQ(stats.more, 0);
    /* An older caller's shorter struct is filled as far as it goes. */
    stats.known.leased = 99;
    CHECK_STATUS(aip_pool_get_stats(pool, &stats.known, sizeof(uint64_t), &error), AIP_OK);
    CHECK_EQ(stats.known.leased, 99);
}

static void absurd_limits(void)
{
    static const int64_t absurd_times[] = {-3, INT64_MIN, 30LL * 24 * 3600 * 1000 + 1, INT64_MAX};
    static const int64_t absurd_sizes[] = {-3, 2000000, INT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        aip_pool_options options = pool_options();
        options.timeout_ms = absurd_times[i];
        check_pool_refused(&options, AIP_INVALID_ARGUMENT, "timeout_ms: is ");
        options = pool_options();
        options.connect_timeout_ms = absurd_times[i];
        check_pool_refused(&options, AIP_INVALID_ARGUMENT, "connect_timeout_ms: is ");
    }
    for (size_t i = 0; i < 3; i++) {
        aip_pool_options options = pool_options();
        options.max_size = absurd_sizes[i];
        check_pool_refused(&options, AIP_INVALID_ARGUMENT, "max_size: is ");
        CHECK_CONTAINS(error.message, "use 1 to 1000000");
    }
    aip_pool_options options = pool_options();
    options.max_body_bytes = -3;
    check_pool_refused(&options, AIP_INVALID_ARGUMENT, "max_body_bytes: is -3");
    options = pool_options();
    options.threads = 1000;
    check_pool_refused(&options, AIP_INVALID_ARGUMENT, "threads: is 1000; use 0 to 256");
    options = pool_options();
    options.eviction = 3;
    check_pool_refused(&options, AIP_INVALID_ARGUMENT, "eviction: is 3");
    aip_request request = get_of("/echo");
    request.timeout_ms = -3;
    check_request_refused(session_of(new_pool(), ""), &request, AIP_INVALID_ARGUMENT, "timeout_ms: is -3");
}

static void bad_session_options(void)
{
    aip_session_options options = session_options();
    options.partition = "\xff";
    options.partition_len = 1;
    check_session_refused(&options, AIP_INVALID_ARGUMENT, "partition: is not UTF-8");
    options = session_options();
    options.ca_file = "/no/such/file.pem";
    options.ca_file_len = AIP_NUL_TERMINATED;
    check_session_refused(&options, AIP_SYSTEM, "ca_file: cannot read");
    CHECK_EQ(error.os_error, ENOENT);
    options.ca_file = "/etc/passwd";
    check_session_refused(&options, AIP_INVALID_ARGUMENT, "ca_file: holds no X.509 certificate");
    options = session_options();
    options.ca_bytes = (const uint8_t *)"junk";
    options.ca_bytes_len = 4;
    check_session_refused(&options, AIP_INVALID_ARGUMENT, "ca_bytes: holds no X.509 certificate");
    static const char broken[] = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    options.ca_bytes = (const uint8_t *)broken;
    options.ca_bytes_len = strlen(broken);
    check_session_refused(&options, AIP_INVALID_ARGUMENT, "ca_bytes: ");
    options = session_options();
    options.ca_bytes_len = 4;
    check_session_refused(&options, AIP_INVALID_ARGUMENT, "ca_bytes: is NULL");
    options = session_options();
    options.http_version = 3;
    check_session_refused(&options, AIP_INVALID_ARGUMENT, "http_version: is 3");
    options = session_options();
    options.reserved = 1;
    check_session_refused(&options, AIP_INVALID_ARGUMENT, "reserved: is not 0");
}

static void unreachable_servers(void)
{
    aip_pool *pool = new_pool();
    CHECK_STATUS(try_to(session_of(pool, refused_url()), "/"), AIP_CONNECT);
    CHECK_EQ(error.os_error, ECONNREFUSED);
    CHECK_CONTAINS(error.message, "check host, port and network");
    CHECK_STATUS(try_to(session_of(pool, sandbox_https()), "/echo"), AIP_TLS);
    CHECK_CONTAINS(error.message, "give its CA in ca_file or ca_bytes");
    CHECK_STATUS(try_to(session_of(pool, "http://nope.invalid"), "/"), AIP_DNS);
    CHECK_CONTAINS(error.message, "check the name");
    aip_session_options options = session_options();
    options.max_body_bytes = 4;
    CHECK_STATUS(try_to(session_with(pool, sandbox_http(), &options), "/bytes/5"), AIP_TOO_LARGE);
    CHECK_CONTAINS(error.message, "max_body_bytes: the body is over 4 bytes; raise it");
}

static void limit_descriptors(rlim_t most)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = most != 0 ? most : limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void check_out_of_descriptors(int32_t status)
{
    CHECK_STATUS(status, AIP_SYSTEM);
    CHECK_EQ(error.os_error, EMFILE);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
}

/* What cannot be had for want of descriptors says so, and comes back with them. */
static void run_out_of_descriptors(void)
{
    aip_pool *pool = new_pool(), *refused = NULL;
    aip_session *session = session_of(pool, sandbox_http()), *other = session_of(pool, fresh_listener().http);
    aip_cancel *cancel = NULL;
    aip_request interruptible = get_of("/echo");
    interruptible.flags = AIP_REQUEST_INTERRUPTIBLE;
    ask(session, "/echo");
    limit_descriptors(3);
    check_out_of_descriptors(try_to(other, "/echo"));
    CHECK_CONTAINS(error.message, "ulimit -n");
    check_out_of_descriptors(try_with(session, &interruptible));
    check_out_of_descriptors(aip_pool_new(NULL, &refused, &error));
    check_out_of_descriptors(aip_cancel_new(&cancel, &error));
    CHECK_EQ(aip_response_status(ask(session, "/echo")), 200);
    limit_descriptors(0);
    CHECK_EQ(aip_response_status(ask(other, "/echo")), 200);
    CHECK_EQ(aip_response_status(ask_with(session, &interruptible)), 200);
    new_pool();
    new_cancel();
}

/* The secure sandbox by its address: a name would need descriptors to look up. */
static const char *secure_address(void)
{
    static char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1%s", strrchr(sandbox_https(), ':'));
    return url;
}

/* The first requests of a process: over TLS there are certificates to load. */
static void run_out_of_descriptors_at_first(void)
{
    aip_pool *pool = new_pool();
    aip_session_options options = trusting();
    options.partition = "trusting";
    options.partition_len = AIP_NUL_TERMINATED;
    aip_session *sessions[] = {
        session_of(pool, sandbox_http()),
        session_of(pool, secure_address()),
        session_with(pool, secure_address(), &options),
    };
    limit_descriptors(3);
    for (size_t i = 0; i < 3; i++)
        check_out_of_descriptors(try_to(sessions[i], "/echo"));
    limit_descriptors(0);
    CHECK_EQ(aip_response_status(ask(sessions[0], "/echo")), 200);
    CHECK_STATUS(try_to(sessions[1], "/echo"), AIP_TLS);
    CHECK_CONTAINS(error.message, "ca_file");
    CHECK_EQ(aip_response_status(ask(sessions[2], "/echo")), 200);
}

/* Certificates of the system that could not be read for want of descriptors are trusted when they can be. */
static void run_without_system_roots_at_first(void)
{
    char other[512];
    aip_session_options options = session_options();
    snprintf(other, sizeof other, "%.*sother.pem", (int)(strrchr(sandbox_ca_pem(), '/') + 1 - sandbox_ca_pem()),
             sandbox_ca_pem());
    options.ca_file = other;
    options.ca_file_len = AIP_NUL_TERMINATED;
    CHECK(setenv("SSL_CERT_FILE", sandbox_ca_pem(), 1) == 0);
    aip_session *session = session_with(new_pool(), secure_address(), &options);
    limit_descriptors(3);
    check_out_of_descriptors(try_to(session, "/echo"));
    limit_descriptors(0);
    CHECK_EQ(aip_response_status(ask(session, "/echo")), 200);
}

static void run_in_child(void (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        body();
        free_belongings();
        _exit(live_handles() != 0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void out_of_descriptors(void)
{
    run_in_child(run_out_of_descriptors);
}

static void out_of_descriptors_at_first(void)
{
    run_in_child(run_out_of_descriptors_at_first);
}

static void out_of_descriptors_for_system_roots(void)
{
    run_in_child(run_without_system_roots_at_first);
}

static void null_and_forged_handles(void)
{
    int mine = 0;
    check_refused_everywhere(NULL);
    check_refused_everywhere(&mine);
    check_refused_everywhere((void *)1);
    check_refused_everywhere((void *)UINTPTR_MAX);
    aip_request request = get_of("/echo");
    request.cancel = (aip_cancel *)&mine;
    check_request_refused(session_of(new_pool(), ""), &request, AIP_INVALID_HANDLE, "cancel: no live cancel handle");
    aip_pool_options_init(NULL, sizeof(aip_pool_options));
    aip_session_options_init(NULL, sizeof(aip_session_options));
    aip_request_init(NULL, sizeof(aip_request));
    CHECK_TEXT(aip_status_name(12345), "AIP_UNKNOWN");
}

/* A handle of one kind is nothing to a function of another, and lives on. */
static void handles_of_another_kind(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_response *response = ask(session, "/echo");
    aip_cancel *cancel = new_cancel();
    CHECK_STATUS(aip_session_free((aip_session *)pool), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_response_free((aip_response *)session), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_cancel_free((aip_cancel *)response), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_pool_free((aip_pool *)cancel), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_pool_close_all((aip_pool *)session, 0, &error), AIP_INVALID_HANDLE);
    CHECK_CONTAINS(error.message, "pool: no live pool handle");
    CHECK_EQ(live_handles(), 4);
    CHECK_STATUS(aip_cancel_fire(cancel), AIP_OK);
    CHECK_EQ(aip_response_status(response), 200);
}

static const test tests[] = {
    {"null_out_pointers", null_out_pointers},
    {"null_out_pointers_of_a_response", null_out_pointers_of_a_response},
    {"live_handles_are_reported_by_kind", live_handles_are_reported_by_kind},
    {"bad_calls_for_live_handles", bad_calls_for_live_handles},
    {"bad_calls_for_events", bad_calls_for_events},
    {"bad_numbers_of_warm_connections", bad_numbers_of_warm_connections},
    {"bad_keys", bad_keys},
    {"bad_urls_and_methods", bad_urls_and_methods},
    {"bad_headers", bad_headers},
    {"bad_packed_headers", bad_packed_headers},
    {"null_with_a_length", null_with_a_length},
    {"unknown_bits", unknown_bits},
    {"wrong_sizes", wrong_sizes},
    {"tails_of_newer_callers", tails_of_newer_callers},
    {"absurd_limits", absurd_limits},
    {"bad_session_options", bad_session_options},
    {"unreachable_servers", unreachable_servers},
    {"out_of_descriptors", out_of_descriptors},
    {"out_of_descriptors_at_first", out_of_descriptors_at_first},
    {"out_of_descriptors_for_system_roots", out_of_descriptors_for_system_roots},
    {"null_and_forged_handles", null_and_forged_handles},
    {"handles_of_another_kind", handles_of_another_kind},
};

int main(int argc, char **argv)
{
    return run_tests(TESTS_IN(tests), argc, argv);
}
