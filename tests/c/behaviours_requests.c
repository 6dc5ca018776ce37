/* Behaviours of requests and responses. */
#include <stdio.h>
#include <string.h>

#include "behaviours.h"
#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"

void request_answers_over_http1(void)
{
    aip_request request = get_of("/echo?q=1");
    request.method = "POST";
    request.method_len = 4;
    request.body = (const uint8_t *)"hello";
    request.body_len = 5;
    aip_response *response = ask_with(session_of(new_pool(), sandbox_http()), &request);
    CHECK_EQ(aip_response_status(response), 200);
    CHECK_EQ(info_of(response).http_version, 11);
    CHECK(strncmp(body_of(response), "POST /echo?q=1 HTTP/1.1\n", 24) == 0);
    CHECK_CONTAINS(body_of(response), "\n\nhello");
}

void request_answers_over_http2_tls(void)
{
    aip_session_options options = trusting();
    aip_response *response = ask(session_with(new_pool(), sandbox_https(), &options), "/echo");
    CHECK_EQ(aip_response_status(response), 200);
    CHECK_EQ(info_of(response).http_version, 20);
    CHECK_CONTAINS(body_of(response), "GET /echo HTTP/2");
}

void warm_connection_is_reused(void)
{
    listener server = fresh_listener();
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, server.http);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(info_of(ask(session, "/echo")).reused, i > 0);
    CHECK_EQ(stats_of(pool).connections_opened, 1);
    CHECK_EQ(stats_of(pool).requests_reused, 2);
    CHECK_EQ(counter(&server, "connections_opened"), 1);
    aip_session_stats stats;
    CHECK_STATUS(aip_session_get_stats(session, &stats, sizeof stats, &error), AIP_OK);
    CHECK(stats.requests == 3 && stats.connections_opened == 1 && stats.requests_reused == 2 && stats.failures == 0);
}

void headers_keep_duplicates_and_order(void)
{
    aip_header headers[] = {
        {.name = "x-two", .name_len = 5, .value = "a", .value_len = 1},
        {.name = "X-One", .name_len = AIP_NUL_TERMINATED, .value = "b", .value_len = AIP_NUL_TERMINATED},
        {.name = "x-two", .name_len = 5, .value = "c", .value_len = 1},
    };
    aip_request request = get_of("/echo");
    request.headers = headers;
    request.header_count = 3;
    aip_response *response = ask_with(session_of(new_pool(), sandbox_http()), &request);
    CHECK_CONTAINS(body_of(response), "\nx-two: a\nx-two: c\n");
    CHECK_CONTAINS(body_of(response), "\nx-one: b\n");
    char seen[8] = "";
    for (size_t i = 0; i < aip_response_header_count(response); i++) {
        const char *name, *value;
        size_t name_len, value_len;
        CHECK_STATUS(aip_response_header_at(response, i, &name, &name_len, &value, &value_len), AIP_OK);
        if (name_len == 5 && memcmp(name, "x-dup", 5) == 0)
            strncat(seen, value, value_len);
    }
    CHECK_TEXT(seen, "onetwo");
    const char *first;
    size_t length;
    CHECK_STATUS(aip_response_header(response, "X-Dup", AIP_NUL_TERMINATED, &first, &length), AIP_OK);
    CHECK(length == 3 && memcmp(first, "one", 3) == 0);
}

void body_round_trips_binary(void)
{
    uint8_t sent[4096];
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)(i * 7);
    aip_request request = get_of("/echo");
    request.method = "PUT";
    request.method_len = 3;
    request.body = sent;
    request.body_len = sizeof sent;
    aip_response *response = ask_with(session_of(new_pool(), sandbox_http()), &request);
    const uint8_t *body;
    size_t length;
    CHECK_STATUS(aip_response_body(response, &body, &length, &error), AIP_OK);
    CHECK(length > sizeof sent);
    CHECK(memcmp(body + length - sizeof sent, sent, sizeof sent) == 0);
}

void relative_url_is_appended_to_base(void)
{
    aip_pool *pool = new_pool();
    char key[96];
    snprintf(key, sizeof key, "%s/bytes/", sandbox_http());
    aip_session *bytes = session_of(pool, key);
    CHECK_TEXT(body_of(ask(bytes, "3")), "aaa");
    CHECK_TEXT(body_of(ask(bytes, "/2?chunked=1")), "aa");
    snprintf(key, sizeof key, "%s/echo", sandbox_http());
    aip_session *echo = session_of(pool, key);
    CHECK_CONTAINS(body_of(ask(echo, NULL)), "GET /echo HTTP/1.1\n");
    CHECK_CONTAINS(body_of(ask(echo, "?q=1")), "GET /echo?q=1 HTTP/1.1\n");
}

void absolute_url_goes_to_another_host(void)
{
    listener here = fresh_listener(), there = fresh_listener();
    char url[96];
    snprintf(url, sizeof url, "%s/echo", there.http);
    CHECK_EQ(aip_response_status(ask(session_of(new_pool(), here.http), url)), 200);
    CHECK_EQ(counter(&here, "requests"), 0);
    CHECK_EQ(counter(&there, "requests"), 1);
}

void opaque_key_takes_absolute_urls_only(void)
{
    aip_session *session = session_of(new_pool(), "my service");
    char url[96];
    snprintf(url, sizeof url, "%s/echo", sandbox_http());
    CHECK_EQ(aip_response_status(ask(session, url)), 200);
    CHECK_STATUS(try_to(session, "/echo"), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "url: ");
    CHECK_CONTAINS(error.message, "absolute URL");
}

void status_400_is_a_response(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    error.status = 1234;
    CHECK_EQ(aip_response_status(ask(session, "/status/400")), 400);
    CHECK_EQ(aip_response_status(ask(session, "/status/503")), 503);
    CHECK_EQ(error.status, 1234);
}

void gzip_br_zstd_are_decoded(void)
{
    static const char *urls[] = {"/encoded/gzip", "/encoded/br", "/encoded/zstd"};
    static const char line[] = "hello from the sandbox\n";
    aip_session *session = session_of(new_pool(), sandbox_http());
    for (size_t i = 0; i < 3; i++) {
        aip_response *response = ask(session, urls[i]);
        const char *body = body_of(response);
        CHECK_EQ(info_of(response).body_bytes, 1000 * strlen(line));
        CHECK_EQ(strlen(body), 1000 * strlen(line));
        for (size_t at = 0; at < 1000; at++)
            CHECK(memcmp(body + at * strlen(line), line, strlen(line)) == 0);
    }
}

void body_over_cap_is_too_large_with_what_fitted(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    aip_request request = get_of("/bytes/100");
    request.max_body_bytes = 10;
    aip_response *response = NULL;
    CHECK_STATUS(aip_session_request(session, &request, &response, &error), AIP_TOO_LARGE);
    CHECK_TEXT(body_of(my_response(response)), "aaaaaaaaaa");
    CHECK_EQ(aip_response_status(response), 200);
    CHECK_EQ(error.http_status, 200);
    CHECK_EQ(error.phase, AIP_PHASE_BODY);
    CHECK_EQ(error.delivery, AIP_RESPONSE_STARTED);
    CHECK_CONTAINS(error.message, "max_body_bytes: ");
}

void cut_body_is_truncated_with_what_came(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    aip_request request = get_of("/bytes/1000");
    WITH_HEADERS(&request, "x-sandbox\0truncate=5");
    aip_response *response = NULL;
    CHECK_STATUS(aip_session_request(session, &request, &response, &error), AIP_TRUNCATED);
    CHECK_TEXT(body_of(my_response(response)), "aaaaa");
    CHECK_EQ(aip_response_status(response), 200);
    CHECK_EQ(error.delivery, AIP_RESPONSE_STARTED);
}

void reset_before_response_is_reset_maybe_sent(void)
{
    listener server = fresh_listener();
    aip_request request = get_of("/echo");
    request.method = "POST";
    request.method_len = 4;
    WITH_HEADERS(&request, "x-sandbox\0reset");
    CHECK_STATUS(try_with(session_of(new_pool(), server.http), &request), AIP_RESET);
    CHECK_EQ(error.status, AIP_RESET);
    CHECK_EQ(error.delivery, AIP_MAYBE_SENT);
    CHECK_EQ(counter(&server, "requests"), 1);
}

void refused_connection_is_connect_not_sent(void)
{
    CHECK_STATUS(try_to(session_of(new_pool(), refused_url()), "/"), AIP_CONNECT);
    CHECK_EQ(error.phase, AIP_PHASE_CONNECT);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
    CHECK(error.os_error != 0);
    CHECK_EQ(error.flags & AIP_ERROR_RETRYABLE, AIP_ERROR_RETRYABLE);
}

void unresolvable_host_is_dns_not_sent(void)
{
    CHECK_STATUS(try_to(session_of(new_pool(), "http://nope.invalid"), "/"), AIP_DNS);
    CHECK_EQ(error.phase, AIP_PHASE_DNS);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
}

void untrusted_certificate_is_tls_not_sent(void)
{
    CHECK_STATUS(try_to(session_of(new_pool(), sandbox_https()), "/echo"), AIP_TLS);
    CHECK_EQ(error.phase, AIP_PHASE_TLS);
    CHECK_EQ(error.detail, AIP_DETAIL_UNTRUSTED_ISSUER);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
    CHECK_CONTAINS(error.message, "ca_file");
}

void extra_ca_is_trusted(void)
{
    aip_pool *pool = new_pool();
    aip_session_options pem = trusting();
    CHECK_EQ(aip_response_status(ask(session_with(pool, sandbox_https(), &pem), "/echo")), 200);
    static uint8_t der[8192];
    FILE *file = fopen(sandbox_ca_der(), "rb");
    CHECK(file != NULL);
    aip_session_options bytes = session_options();
    bytes.partition = "der";
    bytes.partition_len = 3;
    bytes.ca_bytes = der;
    bytes.ca_bytes_len = fread(der, 1, sizeof der, file);
    fclose(file);
    CHECK_EQ(aip_response_status(ask(session_with(pool, sandbox_https(), &bytes), "/echo")), 200);
}

void total_limit_is_timeout(void)
{
    aip_request request = get_of("/echo");
    request.timeout_ms = 300;
    WITH_HEADERS(&request, "x-sandbox\0stall-head");
    CHECK_STATUS(try_with(session_of(new_pool(), sandbox_http()), &request), AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_TOTAL_LIMIT);
    CHECK_EQ(error.phase, AIP_PHASE_FIRST_BYTE);
    CHECK_EQ(error.delivery, AIP_MAYBE_SENT);
    CHECK_CONTAINS(error.message, "timeout_ms: ");
}

void first_byte_limit_is_timeout(void)
{
    aip_request request = get_of("/echo");
    request.first_byte_timeout_ms = 100;
    WITH_HEADERS(&request, "x-sandbox\0stall-head");
    int32_t status = try_with(session_of(new_pool(), sandbox_http()), &request);
    if (lacks_over_reqwest(status, "first_byte_timeout_ms: "))
        return;
    CHECK_STATUS(status, AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_FIRST_BYTE_LIMIT);
    CHECK_EQ(error.phase, AIP_PHASE_FIRST_BYTE);
    CHECK_EQ(error.delivery, AIP_MAYBE_SENT);
    CHECK_STARTS(error.message, "first_byte_timeout_ms: ");
}

void between_bytes_limit_is_timeout(void)
{
    aip_request request = get_of("/bytes/100");
    request.between_bytes_timeout_ms = 100;
    WITH_HEADERS(&request, "x-sandbox\0stall=10");
    int32_t status = try_with(session_of(new_pool(), sandbox_http()), &request);
    if (lacks_over_reqwest(status, "between_bytes_timeout_ms: "))
        return;
    CHECK_STATUS(status, AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_BETWEEN_BYTES_LIMIT);
    CHECK_EQ(error.phase, AIP_PHASE_BODY);
    CHECK_EQ(error.delivery, AIP_RESPONSE_STARTED);
    CHECK_EQ(error.http_status, 200);
    CHECK_STARTS(error.message, "between_bytes_timeout_ms: ");
}

void redirects_are_followed_on_request(void)
{
    listener here = fresh_listener(), there = fresh_listener();
    aip_session *session = session_of(new_pool(), here.http);
    char url[256];
    snprintf(url, sizeof url, "/redirect?to=%s/redirect?to=/echo", there.http);
    aip_request request = get_of(url);
    WITH_HEADERS(&request, "authorization\0Bearer secret\0x-mine\0yes");
    request.max_redirects = 2;
    aip_response *response = NULL;
    int32_t status = aip_session_request(session, &request, &response, &error);
    if (lacks_over_reqwest(status, "max_redirects: "))
        return;
    CHECK_STATUS(status, AIP_OK);
    CHECK_EQ(aip_response_status(my_response(response)), 200);
    CHECK_EQ(info_of(response).redirects, 2);
    CHECK_CONTAINS(body_of(response), "x-mine: yes\n");
    CHECK(strstr(body_of(response), "secret") == NULL);
    CHECK_EQ(counter(&here, "requests"), 1);
    CHECK_EQ(counter(&there, "requests"), 2);
    request.max_redirects = 1;
    CHECK_STATUS(try_with(session, &request), AIP_PROTOCOL);
    CHECK_EQ(error.detail, AIP_DETAIL_REDIRECT);
    CHECK_CONTAINS(error.message, "max_redirects");
}

void redirects_are_not_followed_unasked(void)
{
    listener server = fresh_listener();
    aip_response *response = ask(session_of(new_pool(), server.http), "/redirect?to=/echo");
    const char *location;
    size_t length;
    CHECK_EQ(aip_response_status(response), 302);
    CHECK_STATUS(aip_response_header(response, "location", AIP_NUL_TERMINATED, &location, &length), AIP_OK);
    CHECK(length == 5 && memcmp(location, "/echo", 5) == 0);
    CHECK_EQ(info_of(response).redirects, 0);
    CHECK_EQ(counter(&server, "requests"), 1);
}

void retries_follow_retry_after(void)
{
    listener server = fresh_listener();
    aip_session *session = session_of(new_pool(), server.http);
    aip_request request = get_of("/echo");
    WITH_HEADERS(&request, "x-sandbox\0status=503, retry-after=1");
    CHECK_EQ(info_of(ask_with(session, &request)).attempts, 1);
    request.max_retries = 1;
    aip_response *response = NULL;
    int32_t status = aip_session_request(session, &request, &response, &error);
    if (lacks_over_reqwest(status, "max_retries: "))
        return;
    CHECK_STATUS(status, AIP_OK);
    CHECK_EQ(aip_response_status(my_response(response)), 503);
    CHECK_EQ(info_of(response).attempts, 2);
    CHECK(info_of(response).total_us >= 1000000);
    CHECK_EQ(counter(&server, "requests"), 3);
}

void cancel_from_another_thread_ends_the_call(void)
{
    aip_request request = get_of("/hold/cancelled");
    request.cancel = new_cancel();
    flight held;
    take_off(&held, session_of(new_pool(), sandbox_http()), &request);
    wait_held("cancelled", 1);
    CHECK_STATUS(aip_cancel_fire(request.cancel), AIP_OK);
    land(&held);
    CHECK_STATUS(held.status, AIP_CANCELLED);
    CHECK_EQ(held.error.delivery, AIP_MAYBE_SENT);
    wait_gone("cancelled");
}

void fired_cancel_is_sticky(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    aip_request request = get_of("/echo");
    request.cancel = new_cancel();
    CHECK_STATUS(aip_cancel_fire(request.cancel), AIP_OK);
    CHECK_STATUS(aip_cancel_fire(request.cancel), AIP_OK);
    CHECK_STATUS(try_with(session, &request), AIP_CANCELLED);
    CHECK_STATUS(try_with(session, &request), AIP_CANCELLED);
    CHECK_EQ(aip_response_status(ask(session, "/echo")), 200);
}

void default_headers_and_limits_belong_to_the_handle(void)
{
    static const char headers[] = "x-team\0red\0x-extra\0yes";
    aip_pool *pool = new_pool();
    aip_session_options options = session_options();
    options.headers = headers;
    options.headers_len = sizeof headers;
    options.max_body_bytes = 2000;
    aip_session *red = session_with(pool, sandbox_http(), &options);
    aip_session *plain = session_of(pool, sandbox_http());
    CHECK_EQ(aip_session_id(red), aip_session_id(plain));
    aip_request request = get_of("/echo");
    WITH_HEADERS(&request, "X-Team\0blue");
    const char *overridden = body_of(ask_with(red, &request));
    CHECK_CONTAINS(overridden, "x-team: blue\n");
    CHECK_CONTAINS(overridden, "x-extra: yes\n");
    CHECK(strstr(overridden, "red") == NULL);
    CHECK_CONTAINS(body_of(ask(red, "/echo")), "x-team: red\n");
    CHECK(strstr(body_of(ask(plain, "/echo")), "x-team") == NULL);
    CHECK_STATUS(try_to(red, "/bytes/2001"), AIP_TOO_LARGE);
    CHECK_EQ(info_of(ask(plain, "/bytes/2001")).body_bytes, 2001);
}

void bad_url_names_the_field(void)
{
    static const char *urls[] = {"http://", "http://[::1", "ftp://host/", "//host/x", "http://user:secret@host/"};
    aip_session *session = session_of(new_pool(), sandbox_http());
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        CHECK_STATUS(try_to(session, urls[i]), AIP_INVALID_ARGUMENT);
        CHECK_CONTAINS(error.message, "url: ");
        CHECK(strstr(error.message, "secret") == NULL);
    }
}

void bad_header_names_the_field(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    aip_header header = {.name = "x-key", .name_len = 5, .value = "secret\r\n", .value_len = 8};
    aip_request request = get_of("/echo");
    request.headers = &header;
    request.header_count = 1;
    CHECK_STATUS(try_with(session, &request), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "headers[0]: ");
    CHECK_CONTAINS(error.message, "x-key");
    CHECK(strstr(error.message, "secret") == NULL);
    header.name = "x key";
    CHECK_STATUS(try_with(session, &request), AIP_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, "headers[0]: ");
}
