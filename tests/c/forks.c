/* Forks at any moment, while other threads are inside the library: forks [COUNT]. */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "belongings.h"
#include "calls.h"
#include "clients.h"
#include "handles.h"
#include "harness.h"
#include "sandbox.h"
#include "streaming.h"

/* However many there are, each has so long. */
enum { CHILD_SECONDS = 60 };

static int forks = 200;
static atomic_bool stop;
static atomic_ulong answered, failed;

/* A session, a request with a cancel handle, and all freed again. */
static void use(aip_pool *pool, const char *key, const aip_session_options *options)
{
    aip_session *session = NULL;
    aip_response *response = NULL;
    aip_request request = get_of("/echo");
    aip_pool_get_session(pool, key, AIP_NUL_TERMINATED, options, &session, NULL);
    aip_cancel_new(&request.cancel, NULL);
    int32_t status = aip_session_request(session, &request, &response, NULL);
    atomic_fetch_add(status == AIP_OK ? &answered : &failed, 1);
    aip_response_free(response);
    aip_session_free(session);
    aip_cancel_free(request.cancel);
}

static void *hammer_a_shared_pool(void *pool)
{
    while (!stop)
        use(pool, sandbox_http(), NULL);
    return NULL;
}

/* Threads, name look-ups and handshakes come and go. */
static void *hammer_new_pools(void *unused)
{
    aip_session_options trusted = trusting();
    aip_pool_options threaded = pool_options();
    threaded.threads = 2;
    while (!stop) {
        aip_pool *pool = NULL;
        aip_pool_new(&threaded, &pool, NULL);
        use(pool, sandbox_https(), &trusted);
        aip_pool_free(pool);
    }
    return unused;
}

static void count_answer(int32_t status, int32_t wanted)
{
    atomic_fetch_add(status == wanted ? &answered : &failed, 1);
}

static void *hammer_streams(void *pool)
{
    aip_request words = chat("one two three", NULL);
    aip_session *session = NULL;
    aip_pool_get_session(pool, sandbox_http(), AIP_NUL_TERMINATED, NULL, &session, NULL);
    while (!stop) {
        aip_response *stream = NULL;
        char text[4000];
        size_t length;
        int32_t status = aip_session_request(session, &words, &stream, NULL);
        count_answer(status == AIP_OK ? read_all(stream, text, sizeof text, &length) : status, AIP_END);
        aip_response_free(stream);
    }
    aip_session_free(session);
    return NULL;
}

static void *hammer_a_queue(void *pool)
{
    enum { AT_ONCE = 8 };
    aip_queue *queue = NULL;
    aip_session *session = NULL;
    aip_request request = get_of("/bytes/100");
    aip_queue_new(pool, &queue, NULL);
    aip_pool_get_session(pool, sandbox_http(), AIP_NUL_TERMINATED, NULL, &session, NULL);
    while (!stop) {
        for (uint64_t tag = 1; tag <= AT_ONCE; tag++)
            aip_session_submit(session, &request, queue, tag, NULL);
        for (int i = 0; i < AT_ONCE; i++) {
            aip_completion completion = {.status = -1};
            size_t count = 0;
            int32_t status = aip_queue_next(queue, &completion, 1, PATIENCE_MS, &count, NULL);
            count_answer(status == AIP_OK ? completion.status : status, AIP_OK);
            aip_response_free(completion.response);
        }
    }
    aip_session_free(session);
    aip_queue_free(queue);
    return NULL;
}

static listener provider;
static char provider_url[80];

static void *hammer_clients(void *pool)
{
    while (!stop) {
        aip_client *client = NULL;
        aip_response *response = NULL;
        aip_client_options options = openai_at(provider_url);
        aip_client_new(pool, &options, &client, NULL);
        count_answer(aip_client_generate(client, "hi", 2, NULL, &response, NULL), AIP_OK);
        aip_response_free(response);
        aip_client_free(client);
    }
    return NULL;
}

/* The system's roots are read again all the time. */
static void *hammer_roots(void *unused)
{
    while (!stop) {
        aip_pool *pool = NULL;
        aip_pool_new(NULL, &pool, NULL);
        use(pool, sandbox_https(), NULL);
        count_answer(aip_pool_reload_tls(pool, NULL), AIP_OK);
        aip_pool_free(pool);
    }
    return unused;
}

static void *(*const hammers[])(void *) = {
    hammer_new_pools, hammer_a_shared_pool, hammer_a_shared_pool, hammer_streams, hammer_a_queue, hammer_clients,
    hammer_roots,
};
enum { HAMMERS = sizeof hammers / sizeof hammers[0] };

/* What the parent holds while it forks. */
static struct {
    aip_pool *pool;
    aip_session *session;
    aip_response *response;
    aip_cancel *cancel;
} held;

static void hold_one_of_each(void)
{
    held.pool = new_pool();
    held.session = session_of(held.pool, sandbox_http());
    held.response = ask(held.session, "/echo");
    held.cancel = new_cancel();
}

static void check_inherited_are_refused(void)
{
    check_refused_everywhere(held.pool);
    check_refused_everywhere(held.session);
    check_refused_everywhere(held.response);
    check_refused_everywhere(held.cancel);
}

/* Names, streams, queues and clients. */
static void check_talks(void)
{
    char name[80], text[4000];
    size_t length;
    aip_request words = chat("one two three", NULL), echo = get_of("/echo");
    snprintf(name, sizeof name, "http://localhost%s", strrchr(sandbox_http(), ':'));
    CHECK_EQ(aip_response_status(ask(session_of(held.pool, name), "/echo")), 200);
    CHECK_STATUS(read_all(ask_with(held.session, &words), text, sizeof text, &length), AIP_END);
    aip_queue *queue = new_queue(held.pool);
    submit(held.session, &echo, queue, 1);
    CHECK_STATUS(next_of(queue, AIP_COMPLETION_DONE, 1).status, AIP_OK);
    aip_client_options options = client_options(&provider);
    aip_call call = call_of("hi", NULL);
    answer_to(new_client(held.pool, &options), &call);
    CHECK_EQ(aip_response_status(ask(session_of(held.pool, sandbox_https()), "/echo")), 200);
}

/* A child's life: nothing inherited works, everything new does. */
static void live_as_child(void)
{
    alarm(CHILD_SECONDS);
    CHECK_EQ(live_handles(), 0);
    check_inherited_are_refused();
    hold_one_of_each();
    CHECK_EQ(aip_response_status(held.response), 200);
    CHECK_EQ(live_handles(), 4);
    check_talks();
    aip_session_options trusted = trusting();
    trusted.partition = "trusted";
    trusted.partition_len = AIP_NUL_TERMINATED;
    CHECK_EQ(aip_response_status(ask(session_with(held.pool, sandbox_https(), &trusted), "/echo")), 200);
    free_belongings();
    CHECK_EQ(live_handles(), 0);
}

static void check_ended_well(pid_t child)
{
    int status;
    CHECK(child > 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

static void one_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        live_as_child();
        _exit(0);
    }
    check_ended_well(child);
}

/* The grandchild refuses what the child made, as the child refuses what the parent made. */
static void child_with_grandchild(void)
{
    pid_t child = fork();
    if (child == 0) {
        live_as_child();
        hold_one_of_each();
        one_child();
        CHECK_EQ(aip_response_status(ask(held.session, "/echo")), 200);
        _exit(0);
    }
    check_ended_well(child);
}

static void child_that_runs_another_program(void)
{
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "forks", "--list-descriptors", NULL);
        _exit(127);
    }
    check_ended_well(child);
}

/* Runs `body` `times` times beside threads that are inside the library, and these must not notice. */
static void beside_hammers(void (*body)(void), int times)
{
    pthread_t threads[HAMMERS];
    hold_one_of_each();
    aip_pool *pool = new_pool();
    stop = false;
    answered = failed = 0;
    for (int i = 0; i < HAMMERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, hammers[i], pool), 0);
    for (int i = 0; i < times; i++) {
        alarm(CHILD_SECONDS);
        body();
    }
    unsigned long before = answered;
    while (answered < before + 10)
        sched_yield();
    stop = true;
    for (int i = 0; i < HAMMERS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(failed, 0);
    CHECK_EQ(aip_response_status(ask(held.session, "/echo")), 200);
}

/* In a child, whose first request to https is under way while it forks: the roots are read once a process, just then. */
static void *ask_for_the_first_time(void *pool)
{
    use(pool, sandbox_https(), NULL);
    return NULL;
}

static void fork_in_the_first_request(void)
{
    enum { AT_ONCE = 2, GRANDCHILDREN = 3 };
    pthread_t threads[AT_ONCE];
    aip_pool *pool = new_pool();
    answered = failed = 0;
    for (int i = 0; i < AT_ONCE; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, ask_for_the_first_time, pool), 0);
    for (int i = 0; i < GRANDCHILDREN; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(CHILD_SECONDS);
            CHECK_EQ(aip_response_status(ask(session_of(new_pool(), sandbox_https()), "/echo")), 200);
            _exit(0);
        }
        check_ended_well(child);
    }
    for (int i = 0; i < AT_ONCE; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(answered, AT_ONCE);
}

static void children_start_afresh_in_their_parents_first_request(void)
{
    for (int i = 0; i < forks / 5; i++) {
        alarm(CHILD_SECONDS);
        pid_t child = fork();
        if (child == 0) {
            alarm(CHILD_SECONDS);
            fork_in_the_first_request();
            _exit(0);
        }
        check_ended_well(child);
    }
}

static void children_start_afresh(void)
{
    beside_hammers(one_child, forks);
}

static void grandchildren_start_afresh(void)
{
    beside_hammers(child_with_grandchild, 10);
}

static void other_programs_inherit_no_descriptors(void)
{
    beside_hammers(child_that_runs_another_program, 10);
}

/* The program that a child runs: fails when it sees a descriptor of the library's. */
static int list_descriptors(void)
{
    int found = 0;
    DIR *open = opendir("/proc/self/fd");
    for (struct dirent *entry; open != NULL && (entry = readdir(open)) != NULL;) {
        char path[300], target[256] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        if (atoi(entry->d_name) > 2 && readlink(path, target, sizeof target - 1) > 0)
            found |= strncmp(target, "socket:", 7) == 0 || strncmp(target, "anon_inode:", 11) == 0;
    }
    return found;
}

static char roots[] = "/tmp/aipool-roots-XXXXXX";

static void append(FILE *to, const char *path)
{
    int byte;
    FILE *from = fopen(path, "r");
    while (from != NULL && (byte = getc(from)) != EOF)
        putc(byte, to);
    if (from != NULL)
        fclose(from);
}

/* The system trusts the sandbox's CA too, beside all that it has: reading takes a while, in which there are forks. */
static void trust_the_sandbox(void)
{
    FILE *file = fdopen(mkstemp(roots), "w");
    if (file == NULL)
        exit(2);
    append(file, sandbox_ca_pem());
    append(file, "/etc/ssl/certs/ca-certificates.crt");
    fclose(file);
    setenv("SSL_CERT_FILE", roots, 1);
}

static const test tests[] = {
    {"children_start_afresh", children_start_afresh},
    {"children_start_afresh_in_their_parents_first_request", children_start_afresh_in_their_parents_first_request},
    {"grandchildren_start_afresh", grandchildren_start_afresh},
    {"other_programs_inherit_no_descriptors", other_programs_inherit_no_descriptors},
};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--list-descriptors") == 0)
        return list_descriptors();
    if (argc > 1)
        forks = atoi(argv[1]);
    trust_the_sandbox();
    provider = fresh_listener();
    snprintf(provider_url, sizeof provider_url, "%s/v1", provider.http);
    int ended = run_tests(TESTS_IN(tests), 1, argv);
    unlink(roots);
    return ended;
}
