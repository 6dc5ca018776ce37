/* Descriptors: each is closed on exec, none is needed below 3, and when there are no more that is said, survived and over. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "belongings.h"
#include "calls.h"
#include "clients.h"
#include "harness.h"
#include "sandbox.h"
#include "streaming.h"

/* ---- Closed on exec ---- */

static char key_log[] = "/tmp/aipool-keys-XXXXXX";

/* A connection of each kind, a poller for each runtime, bells, a file, a look-up, a queue's descriptor: all open. */
static void open_all_kinds(void)
{
    aip_pool_options threaded = pool_options();
    threaded.threads = 2;
    aip_pool *pools[] = {new_pool(), new_pool_with(&threaded)};
    aip_session_options secure = trusting(), reqwest = session_options();
    int file = mkstemp(key_log);
    CHECK(file >= 0);
    close(file);
    secure.key_log_file = key_log;
    secure.key_log_file_len = AIP_NUL_TERMINATED;
    reqwest.transport = AIP_TRANSPORT_REQWEST;
    reqwest.partition = "reqwest";
    reqwest.partition_len = AIP_NUL_TERMINATED;
    for (int i = 0; i < 2; i++) {
        char name[80];
        ask(session_of(pools[i], sandbox_http()), "/echo");
        ask(session_with(pools[i], sandbox_https(), &secure), "/echo");
        ask(session_with(pools[i], sandbox_http(), &reqwest), "/echo");
        snprintf(name, sizeof name, "http://localhost%s", strrchr(sandbox_http(), ':'));
        ask(session_of(pools[i], name), "/echo");
        aip_request interruptible = get_of("/echo");
        interruptible.flags = AIP_REQUEST_INTERRUPTIBLE;
        interruptible.cancel = new_cancel();
        ask_with(session_of(pools[i], sandbox_http()), &interruptible);
    }
    listener listener = fresh_listener();
    aip_client_options options = client_options(&listener);
    aip_call call = call_of("hi", NULL);
    answer_to(new_client(pools[0], &options), &call);
}

/* Calls `look` for each descriptor above 2, with what it is. */
static void each_descriptor(void (*look)(int fd, const char *target))
{
    DIR *open = opendir("/proc/self/fd");
    CHECK(open != NULL);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        char path[300], target[256] = "";
        int fd = atoi(entry->d_name);
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        if (fd > 2 && fd != dirfd(open) && readlink(path, target, sizeof target - 1) > 0)
            look(fd, target);
    }
    closedir(open);
}

static struct {
    unsigned sockets, pollers, bells, logs, inherited;
} seen;

static void check_closes_on_exec(int fd, const char *target)
{
    seen.sockets += strncmp(target, "socket:", 7) == 0;
    seen.pollers += strcmp(target, "anon_inode:[eventpoll]") == 0;
    seen.bells += strcmp(target, "anon_inode:[eventfd]") == 0;
    seen.logs += strcmp(target, key_log) == 0;
    /* What this program was started with is not the library's. */
    if (strncmp(target, "pipe:", 5) != 0 && strncmp(target, "/", 1) != 0)
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    if (strcmp(target, key_log) == 0)
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void count_inherited(int fd, const char *target)
{
    (void)fd;
    bool is_ours = strncmp(target, "socket:", 7) == 0 || strncmp(target, "anon_inode:", 11) == 0;
    seen.inherited += is_ours || strncmp(target, "/tmp/aipool-keys-", 17) == 0;
}

static int list_inherited(void)
{
    each_descriptor(count_inherited);
    return (int)seen.inherited;
}

static void every_kind_closes_on_exec(void)
{
    int status, fd;
    aip_pool *pool = new_pool();
    aip_queue *queue = new_queue(pool);
    open_all_kinds();
    CHECK_STATUS(aip_queue_fd(queue, &fd, &error), AIP_OK);
    memset(&seen, 0, sizeof seen);
    each_descriptor(check_closes_on_exec);
    printf("   %u sockets, %u pollers, %u eventfds, %u logs\n", seen.sockets, seen.pollers, seen.bells, seen.logs);
    CHECK(seen.sockets >= 9 && seen.pollers >= 3 && seen.bells >= 4 && seen.logs == 1);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "descriptors", "--list-inherited", NULL);
        _exit(127);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    close(fd);
    unlink(key_log);
}

/* ---- Without standard descriptors ---- */

/* In a child whose descriptors 0 to 2 are free, so that the library's own land there. */
static void live_without_standard_descriptors(void)
{
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    aip_pool *pool = new_pool();
    aip_queue *queue = new_queue(pool);
    aip_session_options secure = trusting();
    aip_request request = get_of("/echo");
    int fd;
    if (aip_response_status(ask(session_with(pool, sandbox_https(), &secure), "/echo")) != 200 ||
        aip_queue_fd(queue, &fd, NULL) != AIP_OK)
        _exit(1);
    submit(session_of(pool, sandbox_http()), &request, queue, 1);
    if (next(queue).status != AIP_OK)
        _exit(2);
    close(fd);
    free_belongings();
    _exit(live_handles() == 0 ? 0 : 3);
}

static void no_descriptor_below_3_is_needed(void)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        live_without_standard_descriptors();
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

/* ---- None left ---- */

static struct rlimit before;
static int taken[1024];
static size_t taken_count;

/* No descriptor beyond those that are open, and none of the gaps between them. */
static void take_all_descriptors(void)
{
    int fd, highest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 1024; i++)
        highest = fcntl(i, F_GETFD) >= 0 && i > highest ? i : highest;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {(rlim_t)highest + 1, before.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        taken[taken_count++] = fd;
    CHECK_EQ(errno, EMFILE);
}

static void give_descriptors_back(void)
{
    while (taken_count > 0)
        close(taken[--taken_count]);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void check_none_left(int32_t status)
{
    CHECK_STATUS(status, AIP_SYSTEM);
    CHECK_EQ(error.os_error, EMFILE);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
}

/* What was open goes on: warm requests, a stream under way, a queue. */
static void check_goes_on(aip_session *session, aip_response *stream, aip_queue *queue)
{
    char text[4000];
    size_t length;
    aip_request request = get_of("/bytes/10");
    for (int i = 0; i < 20; i++)
        CHECK_STATUS(try_to(session, "/echo"), AIP_OK);
    submit(session, &request, queue, 1);
    CHECK_STATUS(next_of(queue, AIP_COMPLETION_DONE, 1).status, AIP_OK);
    CHECK_STATUS(read_all(stream, text, sizeof text, &length), AIP_END);
}

static void without_descriptors_what_is_open_goes_on(void)
{
    aip_pool *pool = new_pool(), *refused = NULL;
    aip_session *warm = session_of(pool, sandbox_http()), *cold = session_of(pool, fresh_listener().http);
    char name[80];
    snprintf(name, sizeof name, "http://localhost%s", strrchr(sandbox_http(), ':'));
    aip_session *named = session_of(pool, name);
    aip_queue *queue = new_queue(pool), *second = NULL;
    aip_request words = chat("one two three", NULL);
    ask(warm, "/echo");
    aip_response *stream = ask_with(warm, &words);
    ask(warm, "/echo");
    int fd;
    take_all_descriptors();
    check_none_left(try_to(cold, "/echo"));
    CHECK_CONTAINS(error.message, "ulimit -n");
    check_none_left(try_to(named, "/echo"));
    check_none_left(aip_pool_new(NULL, &refused, &error));
    check_none_left(aip_queue_fd(queue, &fd, &error));
    CHECK_STATUS(aip_queue_new(pool, &second, &error), AIP_OK);
    my_queue(second);
    int32_t given = aip_queue_set_notify_fd(second, STDOUT_FILENO, &error);
    give_descriptors_back();
    CHECK_STATUS(given, AIP_SYSTEM);
    CHECK_EQ(error.os_error, EMFILE);
    take_all_descriptors();
    check_goes_on(warm, stream, queue);
    give_descriptors_back();
    CHECK_EQ(aip_response_status(ask(cold, "/echo")), 200);
    CHECK_EQ(aip_response_status(ask(named, "/echo")), 200);
    CHECK_STATUS(aip_queue_fd(queue, &fd, &error), AIP_OK);
    close(fd);
    new_pool();
}

/* Nobody could wait for its head, so it is not sent: a generation nobody hears of would be billed. Who writes its upload is told. */
static void without_descriptors_no_interruptible_request_is_sent(void)
{
    listener listener = fresh_listener();
    aip_pool *pool = new_pool();
    aip_session *warm = session_of(pool, listener.http);
    aip_upload *upload = new_upload(AIP_UNLIMITED);
    aip_request interruptible = get_of("/echo"), held = stream_of("/hold/unheard"), pushed = upload_to("/echo", upload);
    interruptible.flags = AIP_REQUEST_INTERRUPTIBLE;
    held.flags |= AIP_REQUEST_INTERRUPTIBLE;
    pushed.flags |= AIP_REQUEST_INTERRUPTIBLE;
    ask_with(warm, &interruptible);
    take_all_descriptors();
    int32_t status = try_with(warm, &held);
    check_none_left(try_with(warm, &pushed));
    give_descriptors_back();
    check_none_left(status);
    size_t taken;
    CHECK_STATUS(aip_upload_write(upload, (const uint8_t *)"late", 4, 0, &taken, &error), AIP_CLOSED);
    CHECK_EQ(stats_of(pool).in_flight, 0);
    ask(warm, "/echo");
    CHECK_EQ(counter(&listener, "requests"), 2);
}

static uint64_t cpu_ns(void)
{
    struct timespec used;
    CHECK_EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used), 0);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* A wait that lasts while nothing can be opened takes no processor: it is not tried again and again. */
static void without_descriptors_nobody_spins(void)
{
    enum { WAIT_MS = 500, BUSY_NS = 250000000 };
    aip_pool *pool = new_pool();
    aip_session *warm = session_of(pool, sandbox_http()), *cold = session_of(pool, fresh_listener().http);
    aip_request held = get_of("/hold/descriptors");
    aip_error limit;
    ask(warm, "/echo");
    aip_queue *queue = new_queue(pool);
    submit(warm, &held, queue, 1);
    wait_held("descriptors", 1);
    take_all_descriptors();
    uint64_t start = cpu_ns();
    aip_completion completion;
    size_t count = 0;
    check_none_left(try_to(cold, "/echo"));
    int32_t status = aip_queue_next(queue, &completion, 1, WAIT_MS, &count, &limit);
    uint64_t used = cpu_ns() - start;
    give_descriptors_back();
    CHECK_STATUS(status, AIP_TIMEOUT);
    printf("   %llu ms of processor in %d ms\n", (unsigned long long)used / 1000000, WAIT_MS);
    CHECK(used < BUSY_NS);
    release("descriptors");
    CHECK_STATUS(next_of(queue, AIP_COMPLETION_DONE, 1).status, AIP_OK);
}

static const test tests[] = {
    {"every_kind_closes_on_exec", every_kind_closes_on_exec},
    {"no_descriptor_below_3_is_needed", no_descriptor_below_3_is_needed},
    {"without_descriptors_what_is_open_goes_on", without_descriptors_what_is_open_goes_on},
    {"without_descriptors_no_interruptible_request_is_sent", without_descriptors_no_interruptible_request_is_sent},
    {"without_descriptors_nobody_spins", without_descriptors_nobody_spins},
};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--list-inherited") == 0)
        return list_inherited();
    return run_tests(TESTS_IN(tests), argc, argv);
}
