/* Options out of range or malformed: each message starts with the field's name, and what reqwest lacks is named too. */
#include <errno.h>
#include <string.h>

#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"

/* A field of an options struct, by its place. */
#define FIELD(type, name) {offsetof(type, name), #name ": "}

typedef struct {
    size_t at;
    const char *name;
} field;

/* The time limits that pools, sessions and requests have in common. */
#define TIME_LIMITS(type) \
    FIELD(type, queue_timeout_ms), FIELD(type, dns_timeout_ms), FIELD(type, tls_timeout_ms), \
        FIELD(type, send_timeout_ms), FIELD(type, first_byte_timeout_ms), FIELD(type, between_bytes_timeout_ms)

static void put(void *options, size_t at, int64_t number)
{
    memcpy((char *)options + at, &number, sizeof number);
}

static void absurd_limits_of_pools(void)
{
    static const field times[] = {
        TIME_LIMITS(aip_pool_options),
        FIELD(aip_pool_options, idle_timeout_ms),
        FIELD(aip_pool_options, max_lifetime_ms),
    };
    static const int64_t absurd_times[] = {-3, INT64_MIN, 30LL * 24 * 3600 * 1000 + 1, INT64_MAX};
    static const struct {
        field field;
        int64_t most;
    } counts[] = {
        {FIELD(aip_pool_options, max_connections_per_origin), 100000},
        {FIELD(aip_pool_options, max_connections), 1000000},
        {FIELD(aip_pool_options, max_queue), 1000000},
    };
    aip_pool_options options;
    for (size_t i = 0; i < sizeof times / sizeof times[0] * 4; i++) {
        options = pool_options();
        put(&options, times[i / 4].at, absurd_times[i % 4]);
        check_pool_refused(&options, AIP_INVALID_ARGUMENT, times[i / 4].name);
        CHECK_CONTAINS(error.message, "is ");
    }
    for (size_t i = 0; i < 3; i++) {
        const int64_t absurd[] = {-3, counts[i].most + 1, INT64_MAX};
        for (size_t j = 0; j < 3; j++) {
            options = pool_options();
            put(&options, counts[i].field.at, absurd[j]);
            check_pool_refused(&options, AIP_INVALID_ARGUMENT, counts[i].field.name);
            CHECK_CONTAINS(error.message, "use 1 to ");
        }
        options = pool_options();
        put(&options, counts[i].field.at, counts[i].most);
        new_pool_with(&options);
    }
}

static void absurd_limits_of_requests(void)
{
    static const field fields[] = {
        TIME_LIMITS(aip_request),
        FIELD(aip_request, max_redirects),
        FIELD(aip_request, max_retries),
    };
    aip_session *session = session_of(new_pool(), "");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        aip_request request = get_of("/echo");
        put(&request, fields[i].at, INT64_MAX);
        check_request_refused(session, &request, AIP_INVALID_ARGUMENT, fields[i].name);
        CHECK_CONTAINS(error.message, "is ");
        put(&request, fields[i].at, -3);
        check_request_refused(session, &request, AIP_INVALID_ARGUMENT, fields[i].name);
        CHECK_CONTAINS(error.message, "is -3");
    }
}

static void absurd_numbers_of_sessions(void)
{
    static const struct {
        field field;
        int64_t absurd;
    } bad[] = {
        {FIELD(aip_session_options, queue_timeout_ms), -3},
        {FIELD(aip_session_options, dns_timeout_ms), -3},
        {FIELD(aip_session_options, tls_timeout_ms), -3},
        {FIELD(aip_session_options, send_timeout_ms), -3},
        {FIELD(aip_session_options, first_byte_timeout_ms), -3},
        {FIELD(aip_session_options, between_bytes_timeout_ms), INT64_MAX},
        {FIELD(aip_session_options, keepalive_ms), -3},
        {FIELD(aip_session_options, max_redirects), 31},
        {FIELD(aip_session_options, max_redirects), -3},
        {FIELD(aip_session_options, max_retries), 11},
        {FIELD(aip_session_options, max_retries), INT64_MIN},
        {FIELD(aip_session_options, stream_window_bytes), 1023},
        {FIELD(aip_session_options, stream_window_bytes), 16777217},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        aip_session_options options = session_options();
        put(&options, bad[i].field.at, bad[i].absurd);
        check_session_refused(&options, AIP_INVALID_ARGUMENT, bad[i].field.name);
        CHECK_CONTAINS(error.message, "is ");
    }
    static const field choices[] = {
        FIELD(aip_session_options, transport),
        FIELD(aip_session_options, trust),
        FIELD(aip_session_options, min_tls),
        FIELD(aip_session_options, proxy_mode),
    };
    for (size_t i = 0; i < 4; i++) {
        aip_session_options options = session_options();
        const uint32_t unknown = 3;
        memcpy((char *)&options + choices[i].at, &unknown, sizeof unknown);
        check_session_refused(&options, AIP_INVALID_ARGUMENT, choices[i].name);
        CHECK_CONTAINS(error.message, "is 3; use AIP_");
    }
}

static void bad_texts_of_sessions(void)
{
    /* Each is a pointer with its length behind it; the first nine are text. */
    static const field fields[] = {
        FIELD(aip_session_options, client_cert_file), FIELD(aip_session_options, client_key_file),
        FIELD(aip_session_options, server_name),      FIELD(aip_session_options, key_log_file),
        FIELD(aip_session_options, proxy),            FIELD(aip_session_options, unix_socket),
        FIELD(aip_session_options, resolve),          FIELD(aip_session_options, local_address),
        FIELD(aip_session_options, no_proxy),         FIELD(aip_session_options, client_cert_bytes),
        FIELD(aip_session_options, client_key_bytes), FIELD(aip_session_options, pins),
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        aip_session_options options = session_options();
        put(&options, fields[i].at + sizeof(void *), 3);
        check_session_refused(&options, AIP_INVALID_ARGUMENT, fields[i].name);
        CHECK_CONTAINS(error.message, "is NULL but its length is not 0");
        if (i >= 9)
            continue;
        const char *text = "a\xff";
        memcpy((char *)&options + fields[i].at, &text, sizeof text);
        put(&options, fields[i].at + sizeof(void *), 2);
        check_session_refused(&options, AIP_INVALID_ARGUMENT, fields[i].name);
        CHECK_CONTAINS(error.message, "is not UTF-8 at byte 1");
    }
}

/* Text that is UTF-8 and means nothing. */
static void nonsense_of_sessions(void)
{
    static const struct {
        field field;
        const char *text;
        int32_t status;
    } bad[] = {
        {FIELD(aip_session_options, resolve), "host", AIP_INVALID_ARGUMENT},
        {FIELD(aip_session_options, resolve), "host=secret", AIP_INVALID_ARGUMENT},
        {FIELD(aip_session_options, resolve), "=127.0.0.1", AIP_INVALID_ARGUMENT},
        {FIELD(aip_session_options, local_address), "secret", AIP_INVALID_ARGUMENT},
        {FIELD(aip_session_options, proxy), "ftp://me:secret@host", AIP_INVALID_ARGUMENT},
        {FIELD(aip_session_options, proxy), "http://me:secret@", AIP_INVALID_ARGUMENT},
        {FIELD(aip_session_options, server_name), "no name", AIP_INVALID_ARGUMENT},
        {FIELD(aip_session_options, key_log_file), "/no/such/directory/keys", AIP_SYSTEM},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        aip_session_options options = session_options();
        const char *text = bad[i].text;
        memcpy((char *)&options + bad[i].field.at, &text, sizeof text);
        put(&options, bad[i].field.at + sizeof(void *), (int64_t)strlen(bad[i].text));
        check_session_refused(&options, bad[i].status, bad[i].field.name);
    }
    aip_session_options options = session_options();
    static const uint8_t pins[33] = {0};
    options.pins = pins;
    options.pins_len = sizeof pins;
    check_session_refused(&options, AIP_INVALID_ARGUMENT, "pins_len: is no multiple of 32");
}

static void bad_client_certificates(void)
{
    aip_session_options options = session_options();
    options.client_cert_file = "/no/such/file.pem";
    options.client_cert_file_len = AIP_NUL_TERMINATED;
    options.client_key_bytes = (const uint8_t *)"secret";
    options.client_key_bytes_len = 6;
    check_session_refused(&options, AIP_SYSTEM, "client_cert_file: ");
    CHECK_EQ(error.os_error, ENOENT);
    options.client_cert_file = sandbox_ca_pem();
    check_session_refused(&options, AIP_INVALID_ARGUMENT, "client_key_bytes: ");
    options.client_key_bytes_len = 0;
    check_session_refused(&options, AIP_INVALID_ARGUMENT, "client_key");
    options = session_options();
    options.client_key_bytes = (const uint8_t *)"secret";
    options.client_key_bytes_len = 6;
    check_session_refused(&options, AIP_INVALID_ARGUMENT, "client_cert");
}

static void check_reqwest_lacks(const aip_session_options *options, const char *name)
{
    aip_session *session = NULL;
    int32_t status = aip_pool_get_session(new_pool(), "https://a", AIP_NUL_TERMINATED, options, &session, &error);
    if (status == AIP_OK)
        status = try_to(my_session(session), "/echo");
    CHECK_STATUS(status, AIP_UNSUPPORTED);
    CHECK_STARTS(error.message, name);
    CHECK_CONTAINS(error.message, "AIP_TRANSPORT_ENGINE");
}

/* Nothing that reqwest cannot do is left out in silence. */
static void what_reqwest_lacks_is_named(void)
{
    static const field limits[] = {TIME_LIMITS(aip_session_options), FIELD(aip_session_options, max_redirects),
                                   FIELD(aip_session_options, max_retries)};
    static const field of_requests[] = {TIME_LIMITS(aip_request), FIELD(aip_request, max_redirects),
                                        FIELD(aip_request, max_retries)};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        aip_session_options options = session_options();
        options.transport = AIP_TRANSPORT_REQWEST;
        aip_session *plain = session_with(new_pool(), sandbox_http(), &options);
        aip_request request = get_of("/echo");
        put(&request, of_requests[i].at, 5);
        check_request_refused(plain, &request, AIP_UNSUPPORTED, of_requests[i].name);
        put(&options, limits[i].at, 5);
        check_reqwest_lacks(&options, limits[i].name);
        /* Switched off it asks for nothing. */
        put(&request, of_requests[i].at, AIP_OFF);
        put(&options, limits[i].at, AIP_OFF);
        CHECK_EQ(aip_response_status(ask_with(session_with(new_pool(), sandbox_http(), &options), &request)), 200);
    }
}

static const test tests[] = {
    {"absurd_limits_of_pools", absurd_limits_of_pools},
    {"absurd_limits_of_requests", absurd_limits_of_requests},
    {"absurd_numbers_of_sessions", absurd_numbers_of_sessions},
    {"bad_texts_of_sessions", bad_texts_of_sessions},
    {"nonsense_of_sessions", nonsense_of_sessions},
    {"bad_client_certificates", bad_client_certificates},
    {"what_reqwest_lacks_is_named", what_reqwest_lacks_is_named},
};

int main(int argc, char **argv)
{
    return run_tests(TESTS_IN(tests), argc, argv);
}
