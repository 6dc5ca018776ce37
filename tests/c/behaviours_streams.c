/* Behaviours of bodies that are read while they come, and pushed while they go out. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "behaviours.h"
#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"
#include "streaming.h"

/* What reqwest lacks when a stream is asked for. */
static const char streams[] = "flags (AIP_REQUEST_STREAM): ";

/* The request's stream; NULL over reqwest, which refused it by this name. */
static aip_response *opened(aip_session *session, const aip_request *request, const char *lacking)
{
    aip_response *response = NULL;
    int32_t status = aip_session_request(session, request, &response, &error);
    if (lacks_over_reqwest(status, lacking))
        return NULL;
    CHECK_STATUS(status, AIP_OK);
    return my_response(response);
}

/* Checks that `error` is this limit's, of a response that had begun. */
static void check_limit(int32_t status, uint32_t detail, const char *field)
{
    CHECK_STATUS(status, AIP_TIMEOUT);
    CHECK_EQ(error.detail, detail);
    CHECK_EQ(error.delivery, AIP_RESPONSE_STARTED);
    CHECK_STARTS(error.message, field);
}

void stream_head_comes_before_its_body_ends(void)
{
    listener server = fresh_listener();
    aip_request request = stream_of("/bytes/10?sandbox=stall=3");
    aip_response *response = opened(session_of(new_pool(), server.http), &request, streams);
    if (response == NULL)
        return;
    uint8_t part[16];
    size_t count = 0;
    CHECK_EQ(aip_response_status(response), 200);
    CHECK_STATUS(aip_response_read(response, part, sizeof part, PATIENCE_MS, &count, &error), AIP_OK);
    CHECK_EQ(count, 3);
    CHECK_STATUS(aip_response_read(response, part, sizeof part, 0, &count, &error), AIP_WOULD_BLOCK);
    CHECK_EQ(counter(&server, "requests"), 1);
    CHECK_EQ(counter(&server, "responses"), 0);
}

void stream_bytes_are_those_the_server_sent(void)
{
    enum { LENGTH = 300000, ROOM = LENGTH + 10000 };
    unsigned char *body = my_memory(malloc(LENGTH));
    char *all = my_memory(malloc(ROOM));
    for (size_t i = 0; i < LENGTH; i++)
        body[i] = (unsigned char)i;
    aip_request request = post_of(body, LENGTH);
    request.flags = AIP_REQUEST_STREAM;
    aip_response *response = opened(session_of(new_pool(), sandbox_http()), &request, streams);
    if (response == NULL)
        return;
    size_t length;
    CHECK_STATUS(read_all(response, all, ROOM, &length), AIP_END);
    /* Before it stands the echo's head. */
    CHECK(length > LENGTH);
    CHECK(memcmp(all + length - LENGTH, body, LENGTH) == 0);
}

/* Reads one event and checks all it says. */
static void check_event(aip_response *response, const char *name, const char *data, const char *id, uint64_t retry_ms)
{
    aip_stream_event event;
    char said[100], wanted[100];
    CHECK_STATUS(aip_response_next_event(response, PATIENCE_MS, &event, &error), AIP_OK);
    snprintf(said, sizeof said, "%.*s|%.*s|%.*s", (int)event.name_len, event.name, (int)event.data_len, event.data,
             (int)event.id_len, event.id);
    snprintf(wanted, sizeof wanted, "%s|%s|%s", name, data, id);
    CHECK_TEXT(said, wanted);
    CHECK_EQ(event.flags, retry_ms != 0 ? AIP_EVENT_RETRY : 0);
    CHECK_EQ(retry_ms != 0 ? event.retry_ms : 0, retry_ms);
}

void sse_events_come_parsed_in_order(void)
{
    /* The echo's head says nothing to a parser of events: its fields are unknown ones, and a blank line ends it. */
    static const char sent[] = "event: ping\nid: 7\nretry: 1500\ndata: a\ndata: b\n\n: a comment\ndata: last\n\n";
    aip_request request = post_of(sent, sizeof sent - 1);
    request.flags = AIP_REQUEST_STREAM;
    request.event_format = AIP_EVENTS_SSE;
    aip_response *response = opened(session_of(new_pool(), sandbox_http()), &request, streams);
    if (response == NULL)
        return;
    aip_stream_event none;
    check_event(response, "ping", "a\nb", "7", 1500);
    check_event(response, "", "last", "7", 0);
    CHECK_STATUS(aip_response_next_event(response, PATIENCE_MS, &none, &error), AIP_END);
}

void ndjson_lines_come_in_order(void)
{
    static const char sent[] = "{\"n\":1}\n{\"n\":2}\n\n{\"n\":3}";
    aip_request request = post_of(sent, sizeof sent - 1);
    request.flags = AIP_REQUEST_STREAM;
    request.event_format = AIP_EVENTS_NDJSON;
    aip_response *response = opened(session_of(new_pool(), sandbox_http()), &request, streams);
    if (response == NULL)
        return;
    aip_stream_event event;
    int32_t status;
    int wanted = 1;
    while ((status = aip_response_next_event(response, PATIENCE_MS, &event, &error)) == AIP_OK) {
        /* Before them stands the echo's head, a line each too. */
        if (wanted == 1 && event.data[0] != '{')
            continue;
        char line[32];
        snprintf(line, sizeof line, "{\"n\":%d}", wanted++);
        CHECK_EQ(event.data_len, strlen(line));
        CHECK(memcmp(event.data, line, event.data_len) == 0);
    }
    CHECK_STATUS(status, AIP_END);
    CHECK_EQ(wanted, 4);
}

void missing_end_marker_is_truncated_after_what_came(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    const char *faults[] = {NULL, "no-done"};
    const int32_t ends[] = {AIP_END, AIP_TRUNCATED};
    for (unsigned i = 0; i < 2; i++) {
        aip_request request = chat("one two three", faults[i]);
        request.end_marker = "[DONE]";
        request.end_marker_len = AIP_NUL_TERMINATED;
        aip_response *response = opened(session, &request, streams);
        if (response == NULL)
            return;
        unsigned events;
        char last[100];
        CHECK_STATUS(count_events(response, &events, last), ends[i]);
        CHECK_EQ(events, 8 - i);
    }
    CHECK_EQ(error.delivery, AIP_RESPONSE_STARTED);
    CHECK_STARTS(error.message, "end_marker: ");
}

void freed_stream_leaves_nothing_in_use(void)
{
    listener server = fresh_listener();
    aip_session_options options = trusting();
    aip_pool *pool = new_pool();
    aip_session *lease = lease_of(pool, server.http);
    aip_request request = stream_of("/bytes/1000000?sandbox=stall=100");
    aip_response *response = opened(lease, &request, streams);
    if (response == NULL)
        return;
    aip_pool_stats stats = stats_of(pool);
    CHECK(stats.leased == 1 && stats.in_flight == 1 && stats.connections_in_use == 1);
    CHECK_STATUS(aip_response_free(response), AIP_OK);
    /* Over HTTP/1.1 the rest never comes, so the connection closes; over HTTP/2 it goes on. */
    wait_disconnected(&server);
    aip_session *shared = session_with(pool, server.https, &options);
    CHECK_STATUS(aip_response_free(opened(shared, &request, streams)), AIP_OK);
    CHECK_EQ(info_of(ask(shared, "/echo")).reused, 1);
    CHECK_STATUS(aip_session_free(lease), AIP_OK);
    wait_unused(pool);
}

void first_event_limit_is_timeout(void)
{
    aip_request request = chat("one", "stall=10");
    request.first_event_timeout_ms = 500;
    aip_response *response =
        opened(session_of(new_pool(), fresh_listener().http), &request, "first_event_timeout_ms: ");
    if (response == NULL)
        return;
    unsigned events;
    char last[100];
    int32_t status = count_events(response, &events, last);
    check_limit(status, AIP_DETAIL_FIRST_EVENT_LIMIT, "first_event_timeout_ms: ");
    CHECK_EQ(events, 0);
}

void between_events_limit_is_timeout(void)
{
    aip_request request = chat("one two", "drip=20000");
    request.between_events_timeout_ms = 100;
    aip_response *response =
        opened(session_of(new_pool(), fresh_listener().http), &request, "between_events_timeout_ms: ");
    if (response == NULL)
        return;
    unsigned events;
    char last[100];
    int32_t status = count_events(response, &events, last);
    check_limit(status, AIP_DETAIL_BETWEEN_EVENTS_LIMIT, "between_events_timeout_ms: ");
    CHECK_EQ(events, 1);
}

void between_bytes_limit_ends_a_stream_after_what_came(void)
{
    aip_request request = stream_of("/bytes/100?sandbox=stall=10");
    request.between_bytes_timeout_ms = 100;
    aip_response *response =
        opened(session_of(new_pool(), fresh_listener().http), &request, "between_bytes_timeout_ms: ");
    if (response == NULL)
        return;
    char body[100];
    size_t length;
    int32_t status = read_all(response, body, sizeof body, &length);
    check_limit(status, AIP_DETAIL_BETWEEN_BYTES_LIMIT, "between_bytes_timeout_ms: ");
    CHECK_EQ(length, 10);
}

void upload_in_pieces_arrives_whole(void)
{
    enum { PIECE = 70000, PIECES = 10 };
    static uint8_t piece[PIECE];
    const int64_t lengths[] = {AIP_UNLIMITED, PIECE * PIECES};
    listener server = fresh_listener();
    aip_session *session = session_of(new_pool(), server.http);
    for (int i = 0; i < 2; i++) {
        aip_upload *upload = new_upload(lengths[i]);
        aip_request request = upload_to("/echo", upload);
        flight flight;
        push_all(upload, piece, PIECE);
        take_off(&flight, session, &request);
        if (over_reqwest()) {
            land(&flight);
            error = flight.error;
            lacks_over_reqwest(flight.status, "upload: ");
            continue;
        }
        for (int pushed = 1; pushed < PIECES; pushed++)
            push_all(upload, piece, PIECE);
        CHECK_STATUS(aip_upload_finish(upload, &error), AIP_OK);
        check_finishes(&flight);
        uint64_t sent;
        CHECK_STATUS(aip_upload_progress(upload, NULL, &sent), AIP_OK);
        CHECK_EQ(sent, PIECE * PIECES);
    }
    CHECK_EQ(counter(&server, "bytes_in"), over_reqwest() ? 0 : 2 * PIECE * PIECES);
}

void upload_of_another_length_is_refused_by_name(void)
{
    aip_upload *upload = new_upload(5);
    aip_request request = upload_to("/echo", upload);
    size_t taken;
    CHECK_STATUS(aip_upload_write(upload, (const uint8_t *)"beyond", 6, 0, &taken, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "data: goes beyond the upload's length of 5 bytes");
    push_all(upload, (const uint8_t *)"four", 4);
    CHECK_STATUS(aip_upload_finish(upload, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "upload: is 1 bytes short");
    push_all(upload, (const uint8_t *)"!", 1);
    CHECK_STATUS(aip_upload_finish(upload, &error), AIP_OK);
    aip_response *response = opened(session_of(new_pool(), sandbox_http()), &request, "upload: ");
    if (response != NULL)
        CHECK_CONTAINS(body_of(response), "\n\nfour!");
}

void freed_upload_cancels_its_request(void)
{
    listener server = fresh_listener();
    aip_upload *upload = new_upload(AIP_UNLIMITED);
    aip_request request = upload_to("/echo", upload);
    flight flight;
    push_all(upload, (const uint8_t *)"half", 4);
    take_off(&flight, session_of(new_pool(), server.http), &request);
    while (!over_reqwest() && counter(&server, "requests") < 1)
        sched_yield();
    CHECK_STATUS(over_reqwest() ? AIP_OK : aip_upload_free(upload), AIP_OK);
    land(&flight);
    error = flight.error;
    if (lacks_over_reqwest(flight.status, "upload: "))
        return;
    CHECK_STATUS(flight.status, AIP_CANCELLED);
    CHECK_EQ(error.delivery, AIP_MAYBE_SENT);
    CHECK_STARTS(error.message, "upload: was freed");
    wait_disconnected(&server);
}
