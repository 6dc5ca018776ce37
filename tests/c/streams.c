/* Streams and uploads, blocking: heads first, bodies as they come, and every way in which they end. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"
#include "streaming.h"

static void a_stream_comes_by_its_bytes(void)
{
    listener listener = fresh_listener();
    aip_session *session = session_of(new_pool(), listener.http);
    static char body[300000];
    size_t length;
    for (int round = 0; round < 2; round++) {
        aip_request request = stream_of("/bytes/200000");
        aip_response *response = ask_with(session, &request);
        CHECK_EQ(aip_response_status(response), 200);
        CHECK_STATUS(read_all(response, body, sizeof body, &length), AIP_END);
        CHECK_EQ(length, 200000);
        CHECK_STATUS(aip_response_read(response, (uint8_t *)body, 1, 0, &length, &error), AIP_END);
        CHECK_EQ(info_of(response).body_bytes, 200000);
        aip_response_free(response);
    }
    CHECK_EQ(counter(&listener, "connections_opened"), 1);
}

static void a_chat_comes_by_its_events(void)
{
    aip_session_options options = trusting();
    aip_pool *pool = new_pool();
    const char *bases[] = {sandbox_http(), sandbox_https()};
    for (int i = 0; i < 2; i++) {
        aip_session *session = session_with(pool, bases[i], &options);
        aip_request request = chat("one two three four", NULL);
        request.end_marker = "[DONE]";
        request.end_marker_len = AIP_NUL_TERMINATED;
        aip_response *response = ask_with(session, &request);
        unsigned events;
        char last[100];
        CHECK_STATUS(count_events(response, &events, last), AIP_END);
        CHECK(events > 6);
        CHECK_TEXT(last, "[DONE]");
        response = ask_with(session, &request);
        aip_stream_event event;
        do
            CHECK_STATUS(aip_response_next_event(response, PATIENCE_MS, &event, &error), AIP_OK);
        while (event.data_len != 6);
        /* Empty, and good to copy from. */
        CHECK_EQ(event.name_len + event.id_len, 0);
        CHECK_TEXT(event.name, "");
        CHECK_TEXT(event.id, "");
        size_t needed;
        char copy[8];
        CHECK_STATUS(aip_response_event_copy(response, AIP_PART_DATA, copy, sizeof copy, &needed, &error), AIP_OK);
        CHECK_EQ(needed, 6);
        CHECK(memcmp(copy, "[DONE]", 6) == 0);
        CHECK_STATUS(aip_response_event_copy(response, 9, copy, sizeof copy, &needed, &error), AIP_INVALID_ARGUMENT);
    }
}

static void a_whole_response_is_read_like_a_stream(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    aip_request request = chat("one two", NULL);
    request.flags = 0;
    unsigned events;
    char last[100];
    CHECK_STATUS(count_events(ask_with(session, &request), &events, last), AIP_END);
    CHECK_TEXT(last, "[DONE]");
    char body[100];
    size_t length;
    CHECK_STATUS(read_all(ask(session, "/bytes/7"), body, sizeof body, &length), AIP_END);
    CHECK_EQ(length, 7);
}

static void an_end_without_its_marker_is_truncated(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    aip_request request = chat("one two", "no-done");
    unsigned without, with;
    char last[100];
    CHECK_STATUS(count_events(ask_with(session, &request), &without, last), AIP_END);
    request.end_marker = "[DONE]";
    request.end_marker_len = 6;
    CHECK_STATUS(count_events(ask_with(session, &request), &with, last), AIP_TRUNCATED);
    CHECK_EQ(with, without);
    CHECK_STARTS(error.message, "end_marker: ");
}

static void what_came_is_read_before_how_it_failed(void)
{
    aip_session *session = session_of(new_pool(), fresh_listener().http);
    char body[2000];
    size_t length;
    aip_request request = stream_of("/bytes/1000?sandbox=truncate=300");
    aip_response *response = ask_with(session, &request);
    CHECK_STATUS(read_all(response, body, sizeof body, &length), AIP_TRUNCATED);
    CHECK_EQ(length, 300);
    CHECK_EQ(error.delivery, AIP_RESPONSE_STARTED);
    CHECK_EQ(error.http_status, 200);
}

static void a_read_waits_no_longer_than_it_is_told(void)
{
    aip_session *session = session_of(new_pool(), fresh_listener().http);
    aip_request request = stream_of("/bytes/1000?sandbox=stall=100");
    aip_response *response = ask_with(session, &request);
    uint8_t body[1000];
    size_t count = 7;
    CHECK_STATUS(aip_response_read(response, body, sizeof body, PATIENCE_MS, &count, &error), AIP_OK);
    CHECK_EQ(count, 100);
    CHECK_STATUS(aip_response_read(response, body, sizeof body, 0, &count, &error), AIP_WOULD_BLOCK);
    CHECK_STATUS(aip_response_read(response, body, sizeof body, 20, &count, &error), AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_WAIT_LIMIT);
    CHECK_EQ(count, 100);
    CHECK_STATUS(aip_response_read(response, body, 0, 20, &count, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_read(response, NULL, 5, 20, &count, &error), AIP_INVALID_ARGUMENT);
}

static void limits_of_a_stream(void)
{
    aip_session *session = session_of(new_pool(), fresh_listener().http);
    unsigned events;
    char last[100];
    aip_request request = chat("one two three", "drip=3000");
    request.between_bytes_timeout_ms = 100;
    CHECK_STATUS(count_events(ask_with(session, &request), &events, last), AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_BETWEEN_BYTES_LIMIT);
    request.between_bytes_timeout_ms = 0;
    request.between_events_timeout_ms = 100;
    CHECK_STATUS(count_events(ask_with(session, &request), &events, last), AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_BETWEEN_EVENTS_LIMIT);
    CHECK_EQ(events, 1);
    request = chat("one", "delay=3000");
    request.first_event_timeout_ms = 100;
    CHECK_STATUS(try_with(session, &request), AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_FIRST_EVENT_LIMIT);
    request = chat("one two three", "drip=3000");
    request.timeout_ms = 100;
    CHECK_STATUS(count_events(ask_with(session, &request), &events, last), AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_TOTAL_LIMIT);
    request = stream_of("/bytes/1000");
    request.max_body_bytes = 10;
    char body[100];
    size_t length;
    CHECK_STATUS(read_all(ask_with(session, &request), body, sizeof body, &length), AIP_TOO_LARGE);
    CHECK_EQ(length, 10);
}

static void a_stream_that_is_freed_is_given_up(void)
{
    aip_session_options options = trusting();
    listener listener = fresh_listener();
    aip_pool *pool = new_pool();
    aip_session *plain = session_of(pool, listener.http);
    aip_request request = stream_of("/bytes/1000000?sandbox=stall=100");
    CHECK_STATUS(aip_response_free(ask_with(plain, &request)), AIP_OK);
    wait_disconnected(&listener);
    CHECK_EQ(stats_of(pool).in_flight, 0);
    /* A small rest is read, for the connection's sake. */
    request = stream_of("/bytes/20000");
    CHECK_STATUS(aip_response_free(ask_with(plain, &request)), AIP_OK);
    /* Over HTTP/2 the connection goes on. */
    aip_session *h2 = session_with(pool, listener.https, &options);
    request = stream_of("/bytes/1000000?sandbox=stall=100");
    CHECK_STATUS(aip_response_free(ask_with(h2, &request)), AIP_OK);
    CHECK_EQ(info_of(ask(h2, "/echo")).reused, 1);
}

static void one_response_is_read_one_way_by_one_thread(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    aip_request request = chat("one two", NULL);
    aip_response *response = ask_with(session, &request);
    uint8_t body[10];
    const uint8_t *data;
    size_t count;
    aip_stream_event event;
    CHECK_STATUS(aip_response_body(response, &data, &count, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_body_copy(response, body, sizeof body, &count, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_next_event(response, PATIENCE_MS, &event, &error), AIP_OK);
    CHECK_STATUS(aip_response_read(response, body, sizeof body, 0, &count, &error), AIP_INVALID_ARGUMENT);
    response = ask_with(session, &request);
    CHECK_STATUS(aip_response_read(response, body, sizeof body, PATIENCE_MS, &count, &error), AIP_OK);
    CHECK_STATUS(aip_response_next_event(response, 0, &event, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_event_copy(response, 0, NULL, 0, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_next_event(ask(session, "/echo"), 0, &event, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "response: has a content-type");
}

/* Reads a byte: how that ended. */
static void *reads(void *response)
{
    uint8_t byte;
    size_t count;
    int32_t status;
    /* AIP_BUSY: the other thread's look is under way, and this one has not begun to wait. */
    do
        status = aip_response_read(response, &byte, 1, PATIENCE_MS, &count, NULL);
    while (status == AIP_BUSY);
    return (void *)(intptr_t)status;
}

static void who_reads_while_it_is_freed_is_told(void)
{
    aip_session *session = session_of(new_pool(), fresh_listener().http);
    aip_request request = stream_of("/bytes/1000?sandbox=stall=0");
    aip_response *response = ask_with(session, &request);
    pthread_t thread;
    void *ended;
    CHECK_EQ(pthread_create(&thread, NULL, reads, response), 0);
    uint8_t byte;
    size_t count;
    int32_t status;
    while ((status = aip_response_read(response, &byte, 1, 0, &count, &error)) == AIP_WOULD_BLOCK)
        sched_yield();
    CHECK_STATUS(status, AIP_BUSY);
    CHECK_STATUS(aip_response_free(response), AIP_OK);
    pthread_join(thread, &ended);
    CHECK_STATUS((int32_t)(intptr_t)ended, AIP_CANCELLED);
}

static void a_stream_over_a_warm_connection_counts_as_reused(void)
{
    aip_session *session = session_of(new_pool(), fresh_listener().http);
    aip_request request = chat("one two", NULL);
    char last[100];
    unsigned events;
    for (uint64_t i = 0; i < 3; i++) {
        CHECK_STATUS(count_events(ask_with(session, &request), &events, last), AIP_END);
        aip_session_stats stats;
        do {
            sched_yield();
            CHECK_STATUS(aip_session_get_stats(session, &stats, sizeof stats, &error), AIP_OK);
        } while (stats.in_flight != 0);
        CHECK_EQ(stats.connections_opened, 1);
        CHECK_EQ(stats.requests_reused, i);
    }
}

/* ---- Uploads ---- */

static void an_upload_goes_out_as_it_is_pushed(void)
{
    enum { LENGTH = 3000000 };
    uint8_t *data = my_memory(malloc(LENGTH));
    memset(data, 'u', LENGTH);
    aip_session_options options = trusting();
    aip_pool *pool = new_pool();
    aip_session *sessions[] = {session_of(pool, sandbox_http()), session_with(pool, sandbox_https(), &options)};
    const int64_t lengths[] = {LENGTH, AIP_UNLIMITED};
    for (int i = 0; i < 4; i++) {
        aip_upload *upload = new_upload(lengths[i / 2]);
        aip_request request = upload_to("/echo", upload);
        flight flight;
        take_off(&flight, sessions[i % 2], &request);
        push_all(upload, data, LENGTH);
        CHECK_STATUS(aip_upload_finish(upload, &error), AIP_OK);
        check_finishes(&flight);
        uint64_t taken, sent;
        CHECK_STATUS(aip_upload_progress(upload, &taken, &sent), AIP_OK);
        CHECK_EQ(taken, LENGTH);
        CHECK_EQ(sent, LENGTH);
    }
}

static void a_small_upload_needs_no_second_thread(void)
{
    aip_upload *upload = new_upload(AIP_UNLIMITED);
    push_all(upload, (const uint8_t *)"hello", 5);
    CHECK_STATUS(aip_upload_finish(upload, &error), AIP_OK);
    aip_request request = upload_to("/echo", upload);
    CHECK_CONTAINS(body_of(ask_with(session_of(new_pool(), sandbox_http()), &request)), "\n\nhello");
}

/* One header too many together with the session's: the upload is nobody's yet. */
static void a_refused_request_leaves_its_upload(void)
{
    enum { MOST_HEADERS = 10000 };
    static char headers[MOST_HEADERS * 4];
    for (size_t at = 0; at < sizeof headers; at += 4)
        memcpy(headers + at, "a\0b", 4);
    aip_session_options options = session_options();
    options.headers = "x-one\0more";
    options.headers_len = 11;
    aip_session *session = session_with(new_pool(), sandbox_http(), &options);
    aip_upload *upload = new_upload(AIP_UNLIMITED);
    push_all(upload, (const uint8_t *)"hello", 5);
    CHECK_STATUS(aip_upload_finish(upload, &error), AIP_OK);
    aip_request request = upload_to("/echo", upload), laden = request;
    laden.packed_headers = headers;
    laden.packed_headers_len = sizeof headers;
    check_request_refused(session, &laden, AIP_INVALID_ARGUMENT, "headers: are over 10000");
    CHECK(strstr(body_of(ask_with(session, &request)), "hello") != NULL);
}

static void bad_uploads(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    aip_upload *upload = NULL;
    size_t taken = 77;
    CHECK_STATUS(aip_upload_new(-5, &upload, &error), AIP_INVALID_ARGUMENT);
    CHECK(upload == NULL);
    upload = new_upload(5);
    CHECK_STATUS(aip_upload_write(upload, (const uint8_t *)"too long", 8, 0, &taken, &error), AIP_INVALID_ARGUMENT);
    CHECK_EQ(taken, 77);
    push_all(upload, (const uint8_t *)"four", 4);
    CHECK_STATUS(aip_upload_finish(upload, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "upload: is 1 bytes short");
    push_all(upload, (const uint8_t *)"!", 1);
    CHECK_STATUS(aip_upload_finish(upload, &error), AIP_OK);
    CHECK_STATUS(aip_upload_finish(upload, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_upload_write(upload, (const uint8_t *)"x", 1, 0, &taken, &error), AIP_INVALID_ARGUMENT);
    aip_request request = upload_to("/echo", upload);
    request.body = (const uint8_t *)"x";
    request.body_len = 1;
    CHECK_STATUS(try_with(session, &request), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "upload: stands beside a body");
    request.body_len = 0;
    CHECK_CONTAINS(body_of(ask_with(session, &request)), "\n\nfour!");
    CHECK_STATUS(try_with(session, &request), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "upload: belongs to another request");
}

static void an_upload_that_is_freed_fails_its_request(void)
{
    aip_session_options options = trusting();
    aip_pool *pool = new_pool();
    aip_session *sessions[] = {session_of(pool, sandbox_http()), session_with(pool, sandbox_https(), &options)};
    for (int i = 0; i < 2; i++) {
        aip_upload *upload = new_upload(10);
        push_all(upload, (const uint8_t *)"half", 4);
        aip_request request = upload_to("/echo", upload);
        flight flight;
        take_off(&flight, sessions[i], &request);
        uint64_t sent = 0;
        while (sent < 4)
            CHECK_STATUS(aip_upload_progress(upload, NULL, &sent), AIP_OK);
        CHECK_STATUS(aip_upload_free(upload), AIP_OK);
        land(&flight);
        CHECK_STATUS(flight.status, AIP_CANCELLED);
        CHECK_STARTS(flight.error.message, "upload: was freed");
    }
}

static void what_a_server_does_not_take_is_not_taken(void)
{
    aip_session *session = session_of(new_pool(), fresh_listener().http);
    aip_upload *upload = new_upload(AIP_UNLIMITED);
    static uint8_t data[1 << 16];
    size_t taken, all = 0;
    int32_t status;
    while ((status = aip_upload_write(upload, data, sizeof data, 0, &taken, &error)) == AIP_OK)
        all += taken;
    CHECK_STATUS(status, AIP_WOULD_BLOCK);
    CHECK_EQ(all, 256 << 10);
    CHECK_STATUS(aip_upload_write(upload, data, sizeof data, 10, &taken, &error), AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_WAIT_LIMIT);
    aip_request request = upload_to("/echo?sandbox=close-upload=1000", upload);
    CHECK_STATUS(try_with(session, &request), AIP_RESET);
    CHECK_STATUS(aip_upload_write(upload, data, sizeof data, 0, &taken, &error), AIP_CLOSED);
}

static const test tests[] = {
    {"a_stream_comes_by_its_bytes", a_stream_comes_by_its_bytes},
    {"a_chat_comes_by_its_events", a_chat_comes_by_its_events},
    {"a_whole_response_is_read_like_a_stream", a_whole_response_is_read_like_a_stream},
    {"an_end_without_its_marker_is_truncated", an_end_without_its_marker_is_truncated},
    {"what_came_is_read_before_how_it_failed", what_came_is_read_before_how_it_failed},
    {"a_read_waits_no_longer_than_it_is_told", a_read_waits_no_longer_than_it_is_told},
    {"limits_of_a_stream", limits_of_a_stream},
    {"a_stream_that_is_freed_is_given_up", a_stream_that_is_freed_is_given_up},
    {"one_response_is_read_one_way_by_one_thread", one_response_is_read_one_way_by_one_thread},
    {"who_reads_while_it_is_freed_is_told", who_reads_while_it_is_freed_is_told},
    {"a_stream_over_a_warm_connection_counts_as_reused", a_stream_over_a_warm_connection_counts_as_reused},
    {"an_upload_goes_out_as_it_is_pushed", an_upload_goes_out_as_it_is_pushed},
    {"a_small_upload_needs_no_second_thread", a_small_upload_needs_no_second_thread},
    {"a_refused_request_leaves_its_upload", a_refused_request_leaves_its_upload},
    {"bad_uploads", bad_uploads},
    {"an_upload_that_is_freed_fails_its_request", an_upload_that_is_freed_fails_its_request},
    {"what_a_server_does_not_take_is_not_taken", what_a_server_does_not_take_is_not_taken},
};

int main(int argc, char **argv)
{
    return run_tests(TESTS_IN(tests), argc, argv);
}
