/* The library's calls in short: what they make belongs to the test, and what must work is checked here. */
#ifndef CALLS_H
#define CALLS_H

#include <aipool.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

/* Defaults, with as many threads as AIPOOL_TEST_THREADS says. */
aip_pool_options pool_options(void);
/* Defaults, with the transport that AIPOOL_TEST_TRANSPORT says: engine or reqwest. */
aip_session_options session_options(void);
bool over_reqwest(void);
/* Over reqwest: checks that a call was refused, and that the field it lacks is named. False over the engine. */
bool lacks_over_reqwest(int32_t status, const char *field);
/* With the sandbox's CA. */
aip_session_options trusting(void);
/* A GET; `url` NULL is the base. */
aip_request get_of(const char *url);
/* Adds headers, packed, as a literal without its last NUL: "name\0value". */
#define WITH_HEADERS(request, block) \
    ((request)->packed_headers = (block), (request)->packed_headers_len = sizeof(block))

aip_pool *new_pool(void);
aip_pool *new_pool_with(const aip_pool_options *options);
aip_session *session_of(aip_pool *pool, const char *key);
aip_session *session_with(aip_pool *pool, const char *key, const aip_session_options *options);
aip_session *lease_of(aip_pool *pool, const char *key);
aip_cancel *new_cancel(void);

/* Sends what must be answered. */
aip_response *ask(aip_session *session, const char *url);
aip_response *ask_with(aip_session *session, const aip_request *request);
/* Sends what may fail; `error` says how. */
int32_t try_to(aip_session *session, const char *url);
int32_t try_with(aip_session *session, const aip_request *request);

/* Checks that it is refused with nothing sent, that the message starts with `said`, and that it tells no secret. */
void check_pool_refused(const aip_pool_options *options, int32_t status, const char *said);
void check_session_refused(const aip_session_options *options, int32_t status, const char *said);
void check_request_refused(aip_session *session, const aip_request *request, int32_t status, const char *said);

/* The body as text. */
const char *body_of(aip_response *response);
aip_response_info info_of(aip_response *response);
aip_pool_stats stats_of(aip_pool *pool);
/* Waits until no session is leased, no request under way, no connection in use. */
void wait_unused(aip_pool *pool);
/* Prometheus text. */
const char *metrics_of(aip_pool *pool);
/* Lines of JSON, all that came after `*after`, which moves on. */
const char *events_after(uint64_t *after);

/* A request on a thread of its own. */
typedef struct flight {
    pthread_t thread;
    aip_session *session;
    aip_request request;
    int32_t status;
    aip_error error;
    uint32_t http_status;
    /* The system's number of the thread; 0 until it runs. */
    _Atomic pid_t tid;
} flight;

void take_off(flight *flight, aip_session *session, const aip_request *request);
/* Waits until a thread sleeps that has told its number, or is about to. */
void wait_thread_asleep(const _Atomic pid_t *tid);
/* Waits until its thread sleeps, in the call that a held request has reached. */
void wait_asleep(flight *flight);
/* Waits for its end. */
void land(flight *flight);
/* Waits for its end, which must be an answer. */
void check_finishes(flight *flight);

#endif
