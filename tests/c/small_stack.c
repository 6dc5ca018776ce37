/* Requests on threads with little stack, and how little is enough. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "belongings.h"
#include "calls.h"
#include "clients.h"
#include "harness.h"
#include "sandbox.h"

enum { PROMISED_KIB = 128, STEP_KIB = 4 };

static listener provider;
static char base_url[80];

static int32_t request(aip_pool *pool, const char *key, const char *url)
{
    aip_session_options options = trusting();
    aip_request request = get_of(url);
    aip_session *session = NULL;
    aip_response *response = NULL;
    int32_t status = aip_pool_get_session(pool, key, AIP_NUL_TERMINATED, &options, &session, &error);
    if (status == AIP_OK)
        status = aip_session_request(session, &request, &response, &error);
    aip_response_free(response);
    aip_session_free(session);
    return status;
}

/* All deltas of a stream: the first failure. */
static int32_t hear_all(aip_response *response)
{
    aip_delta delta;
    int32_t status;
    while ((status = aip_response_next_delta(response, 10000, &delta, &error)) == AIP_OK)
        ;
    return status == AIP_END ? AIP_OK : status;
}

/* One call of a client's, whole or streamed, and what it says. */
static int32_t talk(aip_client *client, uint32_t flags)
{
    aip_call call;
    aip_reply reply;
    aip_response *response = NULL;
    aip_call_init(&call, sizeof call);
    SET_TEXT(call, prompt, "one two three");
    call.flags = flags;
    int32_t status = aip_client_call(client, &call, &response, &error);
    if (status == AIP_OK)
        status = flags == AIP_CALL_STREAM ? hear_all(response)
                                          : aip_response_reply(response, &reply, sizeof reply, &error);
    aip_response_free(response);
    return status;
}

static int32_t clients(aip_pool *pool)
{
    aip_client *client = NULL;
    aip_client_options options = openai_at(base_url);
    int32_t status = aip_client_new(pool, &options, &client, &error);
    if (status == AIP_OK)
        status = talk(client, 0);
    if (status == AIP_OK)
        status = talk(client, AIP_CALL_STREAM);
    aip_client_free(client);
    return status;
}

/* Plain, secure and compressed, and a client's calls, each from cold, all on this thread: the first failure. */
static void *requests(void *result)
{
    static const struct {
        const char *(*key)(void);
        const char *url;
    } all[] = {
        {sandbox_http, "/echo"},       {sandbox_https, "/echo"},       {sandbox_http, "/encoded/gzip"},
        {sandbox_https, "/encoded/br"}, {sandbox_http, "/encoded/zstd"},
    };
    aip_pool *pool = NULL;
    int32_t status = aip_pool_new(NULL, &pool, &error);
    for (size_t i = 0; i < sizeof all / sizeof all[0] && status == AIP_OK; i++)
        status = request(pool, all[i].key(), all[i].url);
    if (status == AIP_OK)
        status = clients(pool);
    aip_pool_free(pool);
    *(int32_t *)result = status;
    return NULL;
}

static void run_on_a_stack_of(size_t kib)
{
    pthread_t thread;
    pthread_attr_t attributes;
    int32_t status = -1;
    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, kib << 10), 0);
    CHECK_EQ(pthread_create(&thread, &attributes, requests, &status), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    CHECK_STATUS(status, AIP_OK);
}

/* A process of its own, since too small a stack kills it. */
static int works_on_a_stack_of(size_t kib)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        run_on_a_stack_of(kib);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void requests_and_clients_work_on_128_kib(void)
{
    run_on_a_stack_of(PROMISED_KIB);
}

static void floor_is_below_the_promise(void)
{
    size_t kib = PROMISED_KIB;
    while (kib > STEP_KIB && (kib - STEP_KIB) << 10 >= (size_t)PTHREAD_STACK_MIN && works_on_a_stack_of(kib - STEP_KIB))
        kib -= STEP_KIB;
    printf("   smallest stack that works: %zu KiB\n", kib);
    CHECK(kib < PROMISED_KIB);
}

static const test tests[] = {
    {"requests_and_clients_work_on_128_kib", requests_and_clients_work_on_128_kib},
    {"floor_is_below_the_promise", floor_is_below_the_promise},
};

int main(int argc, char **argv)
{
    provider = fresh_listener();
    snprintf(base_url, sizeof base_url, "%s/v1", provider.http);
    return run_tests(TESTS_IN(tests), argc, argv);
}
