/* Host threads are guests: their signals, masks, cancellation and errno are theirs, before and after every call. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"

static sigset_t only(int signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    return set;
}

static sigset_t mask(void)
{
    sigset_t now;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    return now;
}

static bool is_pending(int signal)
{
    sigset_t pending;
    CHECK_EQ(sigpending(&pending), 0);
    return sigismember(&pending, signal) == 1;
}

static bool equal(const sigset_t *one, const sigset_t *other)
{
    for (int signal = 1; signal < NSIG; signal++) {
        if (sigismember(one, signal) != sigismember(other, signal))
            return false;
    }
    return true;
}

/* Bodies of some MiB to a server that hangs up after the first bytes, over plain and secure connections. */
static void upload_into_the_void(void)
{
    enum { BYTES = 8 << 20, TIMES = 10 };
    aip_pool *pool = new_pool();
    aip_session_options one = trusting(), two = trusting();
    one.http_version = AIP_HTTP_1;
    two.partition = "h2";
    two.partition_len = AIP_NUL_TERMINATED;
    aip_session *sessions[] = {
        session_of(pool, sandbox_http()),
        session_with(pool, sandbox_https(), &one),
        session_with(pool, sandbox_https(), &two),
    };
    aip_request request = get_of("/echo");
    request.method = "POST";
    request.method_len = 4;
    request.body = my_memory(calloc(1, BYTES));
    request.body_len = BYTES;
    WITH_HEADERS(&request, "x-sandbox\0close-upload=1000");
    for (int i = 0; i < 3 * TIMES; i++) {
        CHECK_STATUS(try_with(sessions[i % 3], &request), AIP_RESET);
        CHECK_EQ(error.delivery, AIP_MAYBE_SENT);
    }
}

/* A server that answers a GET and, when told to, hangs up in both directions: then the next write raises SIGPIPE. */
static struct {
    int listening;
    sem_t hang_up, hung_up;
} server;

static void *answer_then_hang_up(void *unused)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    char head[4096];
    int fd;
    while ((fd = accept(server.listening, NULL, NULL)) >= 0) {
        if (recv(fd, head, sizeof head, 0) > 3 && memcmp(head, "GET", 3) == 0) {
            send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
            sem_wait(&server.hang_up);
            shutdown(fd, SHUT_WR);
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            close(fd);
            sem_post(&server.hung_up);
        } else {
            close(fd);
        }
    }
    return unused;
}

/* Sends over a warm connection that has just ended, which nobody was driving to notice. */
static void write_to_the_dead(void)
{
    enum { TIMES = 50 };
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char url[64];
    pthread_t thread;
    server.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(server.listening, (struct sockaddr *)&address, size) == 0 && listen(server.listening, 16) == 0);
    CHECK(getsockname(server.listening, (struct sockaddr *)&address, &size) == 0);
    CHECK(sem_init(&server.hang_up, 0, 0) == 0 && sem_init(&server.hung_up, 0, 0) == 0);
    CHECK_EQ(pthread_create(&thread, NULL, answer_then_hang_up, NULL), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(address.sin_port));
    aip_session *session = session_of(new_pool(), url);
    aip_request post = get_of("/");
    post.method = "POST";
    post.method_len = 4;
    post.body = (const uint8_t *)"body";
    post.body_len = 4;
    for (int i = 0; i < TIMES; i++) {
        CHECK_STATUS(try_to(session, "/"), AIP_OK);
        sem_post(&server.hang_up);
        sem_wait(&server.hung_up);
        CHECK_STATUS(try_with(session, &post), AIP_RESET);
    }
    shutdown(server.listening, SHUT_RDWR);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    close(server.listening);
}

/* With the default disposition a delivered SIGPIPE would end this process. */
static void sigpipe_is_neither_delivered_nor_left(void)
{
    signal(SIGPIPE, SIG_DFL);
    sigset_t before = mask();
    upload_into_the_void();
    write_to_the_dead();
    CHECK(!is_pending(SIGPIPE));
    sigset_t after = mask();
    CHECK(equal(&before, &after));
}

static void hosts_own_sigpipe_stays_pending(void)
{
    sigset_t pipe = only(SIGPIPE);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &pipe, NULL), 0);
    upload_into_the_void();
    CHECK(!is_pending(SIGPIPE));
    CHECK_EQ(pthread_kill(pthread_self(), SIGPIPE), 0);
    CHECK(is_pending(SIGPIPE));
    sigset_t before = mask();
    upload_into_the_void();
    write_to_the_dead();
    sigset_t after = mask();
    CHECK(equal(&before, &after));
    CHECK(is_pending(SIGPIPE));
    struct timespec at_once = {0, 0};
    CHECK_EQ(sigtimedwait(&pipe, NULL, &at_once), SIGPIPE);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &pipe, NULL), 0);
}

static struct {
    aip_session *session;
    int32_t status;
    uint32_t http_status;
    int cancel_state, cancel_type;
    bool outlived_its_cancellation;
} guest;

static void *request_then_reach_a_cancellation_point(void *unused)
{
    aip_request request = get_of("/hold/uncancellable");
    aip_response *response = NULL;
    guest.status = aip_session_request(guest.session, &request, &response, NULL);
    guest.http_status = aip_response_status(response);
    aip_response_free(response);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &guest.cancel_state);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &guest.cancel_type);
    pthread_testcancel();
    guest.outlived_its_cancellation = true;
    return unused;
}

static void thread_cancellation_waits_for_the_call(void)
{
    pthread_t thread;
    void *result = NULL;
    memset(&guest, 0, sizeof guest);
    guest.session = session_of(new_pool(), sandbox_http());
    CHECK_EQ(pthread_create(&thread, NULL, request_then_reach_a_cancellation_point, NULL), 0);
    wait_held("uncancellable", 1);
    CHECK_EQ(pthread_cancel(thread), 0);
    release("uncancellable");
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK(!guest.outlived_its_cancellation);
    CHECK_STATUS(guest.status, AIP_OK);
    CHECK_EQ(guest.http_status, 200);
    CHECK_EQ(guest.cancel_state, PTHREAD_CANCEL_ENABLE);
    CHECK_EQ(guest.cancel_type, PTHREAD_CANCEL_DEFERRED);
}

static volatile sig_atomic_t handled, errno_after;
static aip_cancel *fired_by_handler;
static volatile pid_t handled_by;

static void fire(int signal)
{
    (void)signal;
    errno = 4711;
    aip_cancel_fire(fired_by_handler);
    aip_cancel_fire(NULL);
    errno_after = errno;
    handled_by = gettid();
    handled++;
}

static void count(int signal)
{
    (void)signal;
    handled++;
}

static void handle(int signal, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK_EQ(sigaction(signal, &action, NULL), 0);
    handled = 0;
}

static void *press_ctrl_c(void *unused)
{
    sigset_t interrupt = only(SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupt, NULL);
    wait_held("ctrl-c", 1);
    kill(getpid(), SIGINT);
    return unused;
}

static void ctrl_c_handler_cancels_the_call(void)
{
    pthread_t presser;
    aip_request request = get_of("/hold/ctrl-c");
    request.cancel = fired_by_handler = new_cancel();
    aip_session *session = session_of(new_pool(), sandbox_http());
    handle(SIGINT, fire, 0);
    CHECK_EQ(pthread_create(&presser, NULL, press_ctrl_c, NULL), 0);
    CHECK_STATUS(try_with(session, &request), AIP_CANCELLED);
    CHECK_EQ(pthread_join(presser, NULL), 0);
    CHECK_EQ(handled, 1);
    CHECK_EQ(handled_by, gettid());
    wait_gone("ctrl-c");
    signal(SIGINT, SIG_DFL);
}

static void firing_in_a_handler_keeps_errno(void)
{
    fired_by_handler = new_cancel();
    handle(SIGUSR1, fire, 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(errno_after, 4711);
    CHECK_STATUS(aip_cancel_free(fired_by_handler), AIP_OK);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(errno_after, 4711);
    signal(SIGUSR1, SIG_DFL);
}

static void interrupt_with(int flags)
{
    aip_request request = get_of("/hold/interrupted");
    request.flags = AIP_REQUEST_INTERRUPTIBLE;
    flight held;
    handle(SIGUSR1, count, flags);
    take_off(&held, session_of(new_pool(), sandbox_http()), &request);
    wait_held("interrupted", 1);
    wait_asleep(&held);
    CHECK_EQ(pthread_kill(held.thread, SIGUSR1), 0);
    land(&held);
    CHECK_EQ(handled, 1);
    CHECK_STATUS(held.status, AIP_INTERRUPTED);
    CHECK_EQ(held.error.delivery, AIP_MAYBE_SENT);
    wait_gone("interrupted");
}

static void interruptible_request_ends_by_a_handler(void)
{
    interrupt_with(0);
    interrupt_with(SA_RESTART);
}

static void interruptible_request_is_answered(void)
{
    aip_request request = get_of("/echo");
    request.flags = AIP_REQUEST_INTERRUPTIBLE;
    aip_session *session = session_of(new_pool(), sandbox_http());
    for (int i = 0; i < 100; i++)
        CHECK_STATUS(try_with(session, &request), AIP_OK);
}

static void other_requests_outlast_a_handler(void)
{
    aip_request request = get_of("/hold/undisturbed");
    flight held;
    handle(SIGUSR1, count, 0);
    take_off(&held, session_of(new_pool(), sandbox_http()), &request);
    wait_held("undisturbed", 1);
    for (int i = 1; i <= 20; i++) {
        wait_asleep(&held);
        CHECK_EQ(pthread_kill(held.thread, SIGUSR1), 0);
        while (handled < i)
            sched_yield();
    }
    release("undisturbed");
    land(&held);
    CHECK_STATUS(held.status, AIP_OK);
    CHECK_EQ(held.http_status, 200);
    signal(SIGUSR1, SIG_DFL);
}

static void ctrl_c_ends_a_process_that_waits(void)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGINT, SIG_DFL);
        try_to(session_of(new_pool(), sandbox_http()), "/hold/killed");
        _exit(1);
    }
    wait_held("killed", 1);
    int status;
    CHECK_EQ(kill(child, SIGINT), 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    wait_gone("killed");
}

/* All but those that cannot be blocked: KILL, STOP and the two that the C library keeps to itself. */
static const unsigned long long blockable = ~(1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1) | 1ULL << 31 | 1ULL << 32);

/* Looks at one thread: whether it is the library's; then it must take no signal. */
static bool is_deaf_if_ours(const char *tid, const char *wanted)
{
    char path[300], line[256], name[32] = "";
    unsigned long long blocked = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", tid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL) {
        sscanf(line, "Name: %31s", name);
        sscanf(line, "SigBlk: %llx", &blocked);
    }
    fclose(file);
    if (strncmp(name, "aipool", 6) == 0)
        CHECK_EQ(blocked & blockable, blockable);
    return strcmp(name, wanted) == 0;
}

static unsigned deaf_threads(const char *wanted)
{
    unsigned found = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;)
        found += is_deaf_if_ours(task->d_name, wanted);
    closedir(tasks);
    return found;
}

static void library_threads_take_no_signals(void)
{
    sigset_t before = mask();
    aip_pool_options threaded = pool_options();
    threaded.threads = 2;
    aip_pool *pools[] = {new_pool(), new_pool_with(&threaded)};
    aip_session_options options = trusting();
    for (size_t i = 0; i < 2; i++)
        CHECK_EQ(aip_response_status(ask(session_with(pools[i], sandbox_https(), &options), "/echo")), 200);
    CHECK(deaf_threads("aipool-guard") >= 2);
    CHECK(deaf_threads("aipool-driver") >= 2);
    CHECK(deaf_threads("aipool-worker") >= 1);
    sigset_t after = mask();
    CHECK(equal(&before, &after));
}

static const test tests[] = {
    {"sigpipe_is_neither_delivered_nor_left", sigpipe_is_neither_delivered_nor_left},
    {"hosts_own_sigpipe_stays_pending", hosts_own_sigpipe_stays_pending},
    {"thread_cancellation_waits_for_the_call", thread_cancellation_waits_for_the_call},
    {"ctrl_c_handler_cancels_the_call", ctrl_c_handler_cancels_the_call},
    {"firing_in_a_handler_keeps_errno", firing_in_a_handler_keeps_errno},
    {"interruptible_request_ends_by_a_handler", interruptible_request_ends_by_a_handler},
    {"interruptible_request_is_answered", interruptible_request_is_answered},
    {"other_requests_outlast_a_handler", other_requests_outlast_a_handler},
    {"ctrl_c_ends_a_process_that_waits", ctrl_c_ends_a_process_that_waits},
    {"library_threads_take_no_signals", library_threads_take_no_signals},
};

int main(int argc, char **argv)
{
    return run_tests(TESTS_IN(tests), argc, argv);
}
