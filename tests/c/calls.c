#include "calls.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "belongings.h"
#include "harness.h"
#include "sandbox.h"

aip_pool_options pool_options(void)
{
    aip_pool_options options;
    aip_pool_options_init(&options, sizeof options);
    const char *threads = getenv("AIPOOL_TEST_THREADS");
    options.threads = threads != NULL ? (uint32_t)atoi(threads) : 0;
    return options;
}

bool over_reqwest(void)
{
    const char *transport = getenv("AIPOOL_TEST_TRANSPORT");
    return transport != NULL && strcmp(transport, "reqwest") == 0;
}

bool lacks_over_reqwest(int32_t status, const char *field)
{
    if (!over_reqwest())
        return false;
    CHECK_STATUS(status, AIP_UNSUPPORTED);
    CHECK_STARTS(error.message, field);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
    return true;
}

aip_session_options session_options(void)
{
    aip_session_options options;
    aip_session_options_init(&options, sizeof options);
    options.transport = over_reqwest() ? AIP_TRANSPORT_REQWEST : AIP_TRANSPORT_ENGINE;
    return options;
}

aip_session_options trusting(void)
{
    aip_session_options options = session_options();
    options.ca_file = sandbox_ca_pem();
    options.ca_file_len = AIP_NUL_TERMINATED;
    return options;
}

aip_request get_of(const char *url)
{
    aip_request request;
    aip_request_init(&request, sizeof request);
    request.url = url;
    request.url_len = url != NULL ? AIP_NUL_TERMINATED : 0;
    return request;
}

aip_pool *new_pool(void)
{
    aip_pool_options options = pool_options();
    return new_pool_with(&options);
}

aip_pool *new_pool_with(const aip_pool_options *options)
{
    aip_pool *pool = NULL;
    CHECK_STATUS(aip_pool_new(options, &pool, &error), AIP_OK);
    return my_pool(pool);
}

aip_session *session_of(aip_pool *pool, const char *key)
{
    aip_session_options options = session_options();
    return session_with(pool, key, over_reqwest() ? &options : NULL);
}

aip_session *session_with(aip_pool *pool, const char *key, const aip_session_options *options)
{
    aip_session *session = NULL;
    CHECK_STATUS(aip_pool_get_session(pool, key, AIP_NUL_TERMINATED, options, &session, &error), AIP_OK);
    return my_session(session);
}

aip_session *lease_of(aip_pool *pool, const char *key)
{
    aip_session *session = NULL;
    aip_session_options options = session_options();
    const aip_session_options *asked = over_reqwest() ? &options : NULL;
    CHECK_STATUS(aip_pool_acquire(pool, key, AIP_NUL_TERMINATED, asked, &session, &error), AIP_OK);
    return my_session(session);
}

aip_cancel *new_cancel(void)
{
    aip_cancel *cancel = NULL;
    CHECK_STATUS(aip_cancel_new(&cancel, &error), AIP_OK);
    return my_cancel(cancel);
}

aip_response *ask(aip_session *session, const char *url)
{
    aip_request request = get_of(url);
    return ask_with(session, &request);
}

aip_response *ask_with(aip_session *session, const aip_request *request)
{
    aip_response *response = NULL;
    CHECK_STATUS(aip_session_request(session, request, &response, &error), AIP_OK);
    return my_response(response);
}

int32_t try_to(aip_session *session, const char *url)
{
    aip_request request = get_of(url);
    return try_with(session, &request);
}

int32_t try_with(aip_session *session, const aip_request *request)
{
    aip_response *response = NULL;
    int32_t status = aip_session_request(session, request, &response, &error);
    aip_response_free(response);
    return status;
}

static void check_said(int32_t status, const char *said)
{
    CHECK_EQ(error.status, status);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
    CHECK_STARTS(error.message, said);
    CHECK(strstr(error.message, "secret") == NULL);
}

void check_pool_refused(const aip_pool_options *options, int32_t status, const char *said)
{
    aip_pool *pool = (aip_pool *)1;
    CHECK_STATUS(aip_pool_new(options, &pool, &error), status);
    CHECK(pool == NULL);
    check_said(status, said);
}

void check_session_refused(const aip_session_options *options, int32_t status, const char *said)
{
    aip_session *session = (aip_session *)1;
    aip_pool *pool = new_pool();
    CHECK_STATUS(aip_pool_get_session(pool, "https://a", AIP_NUL_TERMINATED, options, &session, &error), status);
    CHECK(session == NULL);
    check_said(status, said);
}

void check_request_refused(aip_session *session, const aip_request *request, int32_t status, const char *said)
{
    aip_response *response = (aip_response *)1;
    CHECK_STATUS(aip_session_request(session, request, &response, &error), status);
    CHECK(response == NULL);
    check_said(status, said);
}

const char *body_of(aip_response *response)
{
    size_t length = info_of(response).body_bytes;
    char *text = my_memory(malloc(length + 1));
    CHECK_STATUS(aip_response_body_copy(response, (uint8_t *)text, length, NULL, &error), AIP_OK);
    text[length] = '\0';
    return text;
}

aip_response_info info_of(aip_response *response)
{
    aip_response_info info;
    CHECK_STATUS(aip_response_get_info(response, &info, sizeof info), AIP_OK);
    return info;
}

aip_pool_stats stats_of(aip_pool *pool)
{
    aip_pool_stats stats;
    CHECK_STATUS(aip_pool_get_stats(pool, &stats, sizeof stats, &error), AIP_OK);
    return stats;
}

void wait_unused(aip_pool *pool)
{
    aip_pool_stats stats = stats_of(pool);
    while (stats.leased + stats.in_flight + stats.connections_in_use != 0) {
        sched_yield();
        stats = stats_of(pool);
    }
}

const char *metrics_of(aip_pool *pool)
{
    size_t needed, cap = 64 * 1024;
    char *text = my_memory(malloc(cap));
    CHECK_STATUS(aip_pool_metrics(pool, text, cap - 1, &needed, &error), AIP_OK);
    text[needed] = '\0';
    return text;
}

const char *events_after(uint64_t *after)
{
    size_t cap = 512 * 1024, total = 0, length = 1;
    char *text = my_memory(malloc(cap + 1));
    while (length != 0) {
        CHECK_STATUS(aip_events_read(*after, text + total, cap - total, &length, after, NULL, &error), AIP_OK);
        total += length;
    }
    text[total] = '\0';
    return text;
}

static void *fly(void *argument)
{
    flight *flight = argument;
    flight->tid = gettid();
    aip_response *response = NULL;
    flight->status = aip_session_request(flight->session, &flight->request, &response, &flight->error);
    flight->http_status = aip_response_status(response);
    aip_response_free(response);
    return NULL;
}

void take_off(flight *flight, aip_session *session, const aip_request *request)
{
    memset(flight, 0, sizeof *flight);
    flight->session = session;
    flight->request = *request;
    CHECK_EQ(pthread_create(&flight->thread, NULL, fly, flight), 0);
}

void wait_asleep(flight *flight)
{
    wait_thread_asleep(&flight->tid);
}

void wait_thread_asleep(const _Atomic pid_t *tid)
{
    char path[64], state = 0;
    while (*tid == 0)
        sched_yield();
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", *tid);
    while (state != 'S') {
        sched_yield();
        FILE *file = fopen(path, "r");
        CHECK(file != NULL);
        CHECK_EQ(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
        fclose(file);
    }
}

void land(flight *flight)
{
    CHECK_EQ(pthread_join(flight->thread, NULL), 0);
}

void check_finishes(flight *flight)
{
    land(flight);
    CHECK_STATUS(flight->status, AIP_OK);
    CHECK_EQ(flight->http_status, 200);
}
