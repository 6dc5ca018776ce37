/* A process may end in any way and at any moment: promptly, with its own status, and without a word. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"
#include "streaming.h"

enum { STATUS = 7, ENDS_WITHIN_SECONDS = 30 };

/* ---- What the ending programs do ---- */

static aip_pool *pool;
static aip_session *session;

static void *wait_for_an_answer(void *hold)
{
    try_to(session, hold);
    return NULL;
}

static void *wait_for_a_completion(void *queue)
{
    aip_completion completion;
    size_t count;
    aip_queue_next(queue, &completion, 1, 600000, &count, NULL);
    return NULL;
}

/* A call that waits, a stream half read, a submit, a thread in a queue and a pool with threads of its own: all under way. */
static void be_busy(void)
{
    pthread_t thread;
    uint8_t piece[1];
    size_t length;
    aip_pool_options threaded = pool_options();
    threaded.threads = 2;
    pool = new_pool();
    session = session_of(pool, sandbox_http());
    aip_request held = get_of("/hold/ending"), stream = chat("one two three", NULL);
    aip_queue *queue = new_queue(pool);
    submit(session, &held, queue, 1);
    aip_pool *driven = new_pool_with(&threaded);
    submit(session_of(driven, sandbox_http()), &held, new_queue(driven), 2);
    CHECK_STATUS(aip_response_read(ask_with(session, &stream), piece, 1, PATIENCE_MS, &length, &error), AIP_OK);
    CHECK_EQ(pthread_create(&thread, NULL, wait_for_an_answer, "/hold/ending"), 0);
    CHECK_EQ(pthread_create(&thread, NULL, wait_for_a_completion, queue), 0);
    wait_held("ending", 3);
}

/* Every way to wait, over what there was, and a pool of its own; then the end of it all. */
static void ask_at_the_end(void)
{
    char text[2000];
    static const uint8_t bytes[1 << 20];
    size_t length;
    aip_request interruptible = get_of("/echo"), words = chat("one two three", NULL);
    interruptible.flags = AIP_REQUEST_INTERRUPTIBLE;
    CHECK_STATUS(try_to(session, "/echo"), AIP_OK);
    CHECK_STATUS(try_with(session, &interruptible), AIP_OK);
    CHECK_STATUS(read_all(ask_with(session, &words), text, sizeof text, &length), AIP_END);
    aip_queue *queue = new_queue(pool);
    submit(session, &interruptible, queue, 3);
    next_of(queue, AIP_COMPLETION_DONE, 3);
    aip_upload *upload = new_upload(AIP_UNLIMITED);
    while (aip_upload_write(upload, bytes, sizeof bytes, 1, &length, &error) == AIP_OK)
        ;
    CHECK_STATUS(error.status, AIP_TIMEOUT);
    new_pool();
    aip_pool_close_all(pool, 1, NULL);
    CHECK_STATUS(aip_pool_free(pool), AIP_OK);
}

static void exit_busy(void)
{
    be_busy();
    exit(STATUS);
}

static void exit_at_once_busy(void)
{
    be_busy();
    _exit(STATUS);
}

static void *exit_from_here(void *unused)
{
    exit(STATUS);
    return unused;
}

/* Main waits in a call meanwhile. */
static void exit_on_another_thread(void)
{
    pthread_t thread;
    be_busy();
    pthread_create(&thread, NULL, exit_from_here, NULL);
    try_to(session, "/hold/never");
}

static void exit_with_a_handler_that_asks(void)
{
    atexit(ask_at_the_end);
    be_busy();
    exit(STATUS);
}

/* The first call of all is made by the handler. */
static void begin_at_the_end(void)
{
    session = session_of(pool = new_pool(), sandbox_http());
    ask_at_the_end();
}

static void exit_with_a_handler_that_begins(void)
{
    atexit(begin_at_the_end);
    exit(STATUS);
}

static pthread_t main_thread;

static void *outlive_main(void *unused)
{
    pthread_join(main_thread, NULL);
    if (try_to(session, "/echo") != AIP_OK)
        _exit(1);
    exit(STATUS);
    return unused;
}

/* Others go on after main's thread is gone, and one of them ends the process. */
static void leave_main(void)
{
    pthread_t thread;
    be_busy();
    main_thread = pthread_self();
    pthread_create(&thread, NULL, outlive_main, NULL);
    pthread_exit(NULL);
}

static void *free_what_main_left(void *unused)
{
    pthread_join(main_thread, NULL);
    if (try_to(session, "/echo") != AIP_OK)
        _exit(1);
    free_belongings();
    return unused;
}

/* Nobody calls exit(): without pools there are no threads of the library that would keep the process. */
static void leave_main_and_free(void)
{
    pthread_t thread;
    session = session_of(pool = new_pool(), sandbox_http());
    main_thread = pthread_self();
    pthread_create(&thread, NULL, free_what_main_left, NULL);
    pthread_exit(NULL);
}

/* ---- Destructors of threads ---- */

static pthread_key_t key;
static int rounds;

/* Called again as long as it sets its key: then every other destructor of the thread has run. */
static void ask_in_a_destructor(void *value)
{
    ask_at_the_end();
    session = session_of(pool = new_pool(), sandbox_http());
    if (++rounds < 3)
        pthread_setspecific(key, value);
}

static void *ask_and_end(void *unused)
{
    pthread_setspecific(key, &key);
    try_to(session, "/echo");
    return unused;
}

static void ask_in_destructors_of_a_thread(void)
{
    pthread_t thread;
    session = session_of(pool = new_pool(), sandbox_http());
    pthread_key_create(&key, ask_in_a_destructor);
    pthread_create(&thread, NULL, ask_and_end, NULL);
    pthread_join(thread, NULL);
    _exit(rounds == 3 ? STATUS : 1);
}

static const struct {
    const char *name;
    void (*run)(void);
} programs[] = {
    {"return", be_busy},
    {"exit", exit_busy},
    {"_exit", exit_at_once_busy},
    {"other", exit_on_another_thread},
    {"handler", exit_with_a_handler_that_asks},
    {"begin", exit_with_a_handler_that_begins},
    {"leave", leave_main},
    {"free", leave_main_and_free},
    {"destructors", ask_in_destructors_of_a_thread},
};

static int run_program(const char *name)
{
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        if (strcmp(programs[i].name, name) == 0)
            programs[i].run();
    }
    return STATUS;
}

/* ---- The tests ---- */

/* Runs the program and checks how it ended and that it said nothing. */
static void check_ends(const char *name, int status)
{
    char said[2000];
    size_t length = 0;
    ssize_t more;
    int out[2], ended;
    CHECK_EQ(pipe(out), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(out[1], STDERR_FILENO);
        close(out[0]);
        close(out[1]);
        alarm(ENDS_WITHIN_SECONDS);
        execl("/proc/self/exe", "endings", "--program", name, NULL);
        _exit(127);
    }
    close(out[1]);
    while ((more = read(out[0], said + length, sizeof said - 1 - length)) > 0)
        length += (size_t)more;
    said[length] = '\0';
    close(out[0]);
    CHECK(waitpid(child, &ended, 0) == child);
    CHECK_TEXT(said, "");
    CHECK(WIFEXITED(ended));
    CHECK_EQ(WEXITSTATUS(ended), status);
    release("ending");
    release("never");
}

static void return_from_main_with_requests_under_way(void)
{
    check_ends("return", STATUS);
}

static void exit_with_requests_under_way(void)
{
    check_ends("exit", STATUS);
    check_ends("_exit", STATUS);
}

static void exit_while_main_is_in_a_call(void)
{
    check_ends("other", STATUS);
}

static void handlers_of_exit_may_call(void)
{
    check_ends("handler", STATUS);
    check_ends("begin", STATUS);
}

static void main_may_leave_others_behind(void)
{
    check_ends("leave", STATUS);
    check_ends("free", 0);
}

static void destructors_of_a_thread_may_call(void)
{
    check_ends("destructors", STATUS);
}

static const test tests[] = {
    {"return_from_main_with_requests_under_way", return_from_main_with_requests_under_way},
    {"exit_with_requests_under_way", exit_with_requests_under_way},
    {"exit_while_main_is_in_a_call", exit_while_main_is_in_a_call},
    {"handlers_of_exit_may_call", handlers_of_exit_may_call},
    {"main_may_leave_others_behind", main_may_leave_others_behind},
    {"destructors_of_a_thread_may_call", destructors_of_a_thread_may_call},
};

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "--program") == 0)
        return run_program(argv[2]);
    return run_tests(TESTS_IN(tests), argc, argv);
}
