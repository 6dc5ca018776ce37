/* Signals that come in storms, without SA_RESTART, and a process that is stopped: every wait goes on and keeps its limit. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "belongings.h"
#include "calls.h"
#include "clients.h"
#include "harness.h"
#include "sandbox.h"
#include "streaming.h"

enum { ROUNDS = 30, TICK_US = 300 };

static void run_in_child(void (*body)(void))
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        body();
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

/* ---- A storm ---- */

static volatile sig_atomic_t ticks;

static void tick(int signal)
{
    (void)signal;
    ticks++;
}

static void begin_storm(void)
{
    struct sigaction action = {.sa_handler = tick};
    struct itimerval often = {{0, TICK_US}, {0, TICK_US}};
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
}

static void end_storm(void)
{
    struct itimerval never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &never, NULL);
}

/* Waits that last: the storm is what they have for company. */
static void wait_through_it(aip_session *session, aip_queue *queue)
{
    int before = ticks;
    aip_completion completion;
    size_t count;
    aip_request held = get_of("/hold/stormy");
    held.timeout_ms = 50;
    CHECK_STATUS(try_with(session, &held), AIP_TIMEOUT);
    CHECK(error.elapsed_ms >= 50);
    CHECK_STATUS(aip_queue_next(queue, &completion, 1, 50, &count, &error), AIP_TIMEOUT);
    CHECK(ticks > before);
}

/* Everything that blocks: cold and warm, with files, names and TLS, bytes both ways, queues, clients and the end. */
static void use_all(const listener *listener)
{
    char name[80], text[4000];
    static uint8_t body[1 << 20];
    size_t length;
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, listener->http);
    aip_session_options secure = trusting();
    snprintf(name, sizeof name, "http://localhost%s", strrchr(listener->http, ':'));
    CHECK_EQ(aip_response_status(ask(session_of(pool, name), "/echo")), 200);
    CHECK_EQ(aip_response_status(ask(session_with(pool, listener->https, &secure), "/echo")), 200);
    CHECK_STATUS(aip_pool_reload_tls(pool, &error), AIP_OK);
    CHECK_EQ(aip_response_status(ask(session_with(pool, listener->https, &secure), "/echo")), 200);
    aip_request post = post_of(body, sizeof body), words = chat("one two three", NULL), echo = get_of("/echo");
    CHECK_EQ(aip_response_status(ask_with(session, &post)), 200);
    CHECK_STATUS(read_all(ask_with(session, &words), text, sizeof text, &length), AIP_END);
    aip_queue *queue = new_queue(pool);
    submit(session, &echo, queue, 1);
    CHECK_STATUS(next_of(queue, AIP_COMPLETION_DONE, 1).status, AIP_OK);
    aip_client_options options = client_options(listener);
    aip_call call = call_of("hi", NULL);
    answer_to(new_client(pool, &options), &call);
    wait_through_it(session, queue);
    CHECK_STATUS(aip_pool_close_all(pool, 5000, &error), AIP_OK);
}

static listener sandbox;

static void live_in_a_storm(void)
{
    begin_storm();
    for (int i = 0; i < ROUNDS; i++) {
        use_all(&sandbox);
        free_belongings();
    }
    end_storm();
    CHECK_EQ(live_handles(), 0);
}

static void every_wait_outlasts_a_storm_of_signals(void)
{
    sandbox = fresh_listener();
    run_in_child(live_in_a_storm);
}

/* ---- Stopped and continued ---- */

static void stop_and_continue(pid_t child)
{
    int status;
    CHECK_EQ(kill(child, SIGSTOP), 0);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    CHECK_EQ(kill(child, SIGCONT), 0);
    CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
}

static pid_t start(void (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        body();
        _exit(0);
    }
    return child;
}

static void check_ended_well(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

static void wait_for_two_answers(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_queue *queue = new_queue(pool);
    aip_request held = get_of("/hold/stopped"), interruptible = held;
    interruptible.flags = AIP_REQUEST_INTERRUPTIBLE;
    submit(session, &held, queue, 1);
    CHECK_STATUS(try_with(session, &interruptible), AIP_OK);
    CHECK_STATUS(next_of(queue, AIP_COMPLETION_DONE, 1).status, AIP_OK);
}

/* No handler ran: nothing is interrupted. */
static void a_stop_ends_no_wait(void)
{
    pid_t child = start(wait_for_two_answers);
    wait_held("stopped", 2);
    for (int i = 0; i < 20; i++)
        stop_and_continue(child);
    release("stopped");
    check_ended_well(child);
}

static void run_out_of_time(void)
{
    aip_request held = get_of("/hold/late");
    held.timeout_ms = 300;
    CHECK_STATUS(try_with(session_of(new_pool(), sandbox_http()), &held), AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_TOTAL_LIMIT);
    CHECK_EQ(error.delivery, AIP_MAYBE_SENT);
    CHECK(error.elapsed_ms >= 300);
}

/* The clock of a limit runs on while the process stands still. */
static void a_limit_counts_the_time_of_a_stop(void)
{
    int status;
    pid_t child = start(run_out_of_time);
    wait_held("late", 1);
    CHECK_EQ(kill(child, SIGSTOP), 0);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    /* A longer limit, begun later, by the same clock: with it the child's has run out. */
    aip_request longer = get_of("/hold/longer");
    longer.timeout_ms = 400;
    CHECK_STATUS(try_with(session_of(new_pool(), sandbox_http()), &longer), AIP_TIMEOUT);
    CHECK_EQ(kill(child, SIGCONT), 0);
    check_ended_well(child);
    wait_gone("late");
}

static const test tests[] = {
    {"every_wait_outlasts_a_storm_of_signals", every_wait_outlasts_a_storm_of_signals},
    {"a_stop_ends_no_wait", a_stop_ends_no_wait},
    {"a_limit_counts_the_time_of_a_stop", a_limit_counts_the_time_of_a_stop},
};

int main(int argc, char **argv)
{
    return run_tests(TESTS_IN(tests), argc, argv);
}
