/* The environment is read where the pages say, on the thread that calls, and nowhere else: a host may set it otherwise. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "belongings.h"
#include "calls.h"
#include "clients.h"
#include "harness.h"
#include "sandbox.h"
#include "streaming.h"

extern char **environ;

enum { MOST = 200 };

/* What was asked for since the last look, in this program's own getenv(), which the library calls too. */
static struct {
    char names[MOST][64];
    size_t count;
    bool elsewhere;
    pthread_t caller;
    bool recording;
} reads;
static pthread_mutex_t reads_lock = PTHREAD_MUTEX_INITIALIZER;

static void record(const char *name)
{
    pthread_mutex_lock(&reads_lock);
    if (reads.recording && reads.count < MOST) {
        snprintf(reads.names[reads.count++], sizeof reads.names[0], "%s", name);
        reads.elsewhere |= !pthread_equal(pthread_self(), reads.caller);
    }
    pthread_mutex_unlock(&reads_lock);
}

char *getenv(const char *name)
{
    size_t length = strlen(name);
    record(name);
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
    }
    return NULL;
}

static void start_recording(void)
{
    pthread_mutex_lock(&reads_lock);
    reads.count = 0;
    reads.elsewhere = false;
    reads.caller = pthread_self();
    reads.recording = true;
    pthread_mutex_unlock(&reads_lock);
}

static bool is_among(const char *name, const char *const *allowed)
{
    for (; *allowed != NULL; allowed++) {
        if (strcmp(name, *allowed) == 0)
            return true;
    }
    return false;
}

/* Checks that only these were read, each by the caller: how many reads there were. */
static size_t check_read_only(const char *const *allowed)
{
    pthread_mutex_lock(&reads_lock);
    reads.recording = false;
    pthread_mutex_unlock(&reads_lock);
    for (size_t i = 0; i < reads.count; i++) {
        if (!is_among(reads.names[i], allowed))
            CHECK_TEXT(reads.names[i], "(nothing)");
    }
    CHECK(!reads.elsewhere);
    return reads.count;
}

static const char *const nothing[] = {NULL};
static const char *const of_proxies[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy",
                                         "NO_PROXY",   "no_proxy",   "REQUEST_METHOD", NULL};
/* Of the crate below; unstable, and nothing to set. */
static const char *const of_runtimes[] = {"TOKIO_UNSTABLE_SHARDED_BLOCKING_QUEUE", NULL};
static const char *const of_roots[] = {"SSL_CERT_FILE", "SSL_CERT_DIR", NULL};

static aip_session_options deaf(const char *partition)
{
    aip_session_options options = trusting();
    options.proxy_mode = AIP_PROXY_OFF;
    options.trust = AIP_TRUST_GIVEN_ONLY;
    options.partition = partition;
    options.partition_len = AIP_NUL_TERMINATED;
    return options;
}

/* Where proxies and roots are given, not one variable is read. */
static void a_session_that_is_told_all_reads_nothing(void)
{
    listener listener = fresh_listener();
    const char *url = sandbox_https(), *plain = sandbox_http();
    char name[80], text[4000];
    size_t length;
    snprintf(name, sizeof name, "http://localhost%s", strrchr(plain, ':'));
    aip_session_options options = deaf("deaf");
    aip_client_options client = client_options(&listener);
    client.session = &options;
    aip_call call = call_of("hi", NULL);
    aip_request words = chat("one two three", NULL), echo = get_of("/echo");
    aip_pool_options pool_with = pool_options();
    for (pool_with.threads = 0; pool_with.threads < 3; pool_with.threads += 2) {
        start_recording();
        aip_pool *pool = new_pool_with(&pool_with);
        check_read_only(of_runtimes);
        start_recording();
        aip_session *session = session_with(pool, plain, &options);
        ask(session_with(pool, url, &options), "/echo");
        ask(session_with(pool, name, &options), "/echo");
        CHECK_STATUS(read_all(ask_with(session, &words), text, sizeof text, &length), AIP_END);
        aip_queue *queue = new_queue(pool);
        submit(session, &echo, queue, 1);
        next_of(queue, AIP_COMPLETION_DONE, 1);
        answer_to(new_client(pool, &client), &call);
        metrics_of(pool);
        CHECK_EQ(check_read_only(nothing), 0);
    }
}

static void proxies_are_read_when_a_session_is_made(void)
{
    aip_pool *pool = new_pool();
    aip_session_options options = deaf("proxies");
    const char *key = sandbox_http();
    options.proxy_mode = AIP_PROXY_ENVIRONMENT;
    start_recording();
    aip_session *session = session_with(pool, key, &options);
    CHECK(check_read_only(of_proxies) > 0);
    start_recording();
    for (int i = 0; i < 3; i++)
        ask(session, "/echo");
    CHECK_EQ(check_read_only(nothing), 0);
}

static void where_the_roots_are_is_read_with_them(void)
{
    aip_pool *pool = new_pool();
    const char *key = sandbox_https();
    aip_session_options options = deaf("roots");
    options.trust = AIP_TRUST_SYSTEM_AND_GIVEN;
    start_recording();
    aip_session *session = session_with(pool, key, &options);
    ask(session, "/echo");
    CHECK(check_read_only(of_roots) > 0);
    start_recording();
    ask(session, "/echo");
    CHECK_EQ(check_read_only(nothing), 0);
    start_recording();
    CHECK_STATUS(aip_pool_reload_tls(pool, &error), AIP_OK);
    CHECK(check_read_only(of_roots) > 0);
}

static void over_reqwest_no_more_is_read(void)
{
    aip_pool *pool = new_pool();
    const char *key = sandbox_http();
    aip_session_options options = session_options();
    options.transport = AIP_TRANSPORT_REQWEST;
    start_recording();
    aip_session *session = session_with(pool, key, &options);
    check_read_only(of_runtimes);
    start_recording();
    ask(session, "/echo");
    CHECK_EQ(check_read_only(nothing), 0);
}

static void a_client_reads_its_providers_names(void)
{
    static const char *const of_openai[] = {"OPENAI_API_KEY",      "OPENAI_BASE_URL",   "OPENAI_API_BASE", "OPENAI_ORG_ID",
                                            "OPENAI_ORGANIZATION", "OPENAI_PROJECT_ID", "OPENAI_MODEL",    NULL};
    aip_pool *pool = new_pool();
    aip_client_options options;
    aip_client_options_init(&options, sizeof options);
    options.kind = AIP_CLIENT_OPENAI;
    start_recording();
    new_client(pool, &options);
    CHECK_EQ(check_read_only(nothing), 0);
    options.flags = AIP_CLIENT_FROM_ENVIRONMENT;
    start_recording();
    new_client(pool, &options);
    CHECK(check_read_only(of_openai) > 0);
}

static const test tests[] = {
    {"a_session_that_is_told_all_reads_nothing", a_session_that_is_told_all_reads_nothing},
    {"proxies_are_read_when_a_session_is_made", proxies_are_read_when_a_session_is_made},
    {"where_the_roots_are_is_read_with_them", where_the_roots_are_is_read_with_them},
    {"over_reqwest_no_more_is_read", over_reqwest_no_more_is_read},
    {"a_client_reads_its_providers_names", a_client_reads_its_providers_names},
};

int main(int argc, char **argv)
{
    return run_tests(TESTS_IN(tests), argc, argv);
}
