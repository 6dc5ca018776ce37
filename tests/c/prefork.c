/* A prefork server: the parent warms a pool, then forks workers that serve by pools of their own. */
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "belongings.h"
#include "calls.h"
#include "handles.h"
#include "harness.h"
#include "sandbox.h"

enum { WORKERS = 4, SERVED_EACH = 25, WORKER_SECONDS = 60, WARM = 3 };

static listener upstream;

/* What a worker has of its own. */
static aip_pool *own_pool;
static aip_session *own_session;

/* Takes one connection, asks upstream and says which status came. */
static void serve(int listening)
{
    char asked[64], answer[16];
    int fd = accept(listening, NULL, NULL);
    CHECK(fd >= 0);
    CHECK(recv(fd, asked, sizeof asked, 0) > 0);
    int length = snprintf(answer, sizeof answer, "%u", aip_response_status(ask(own_session, "/echo")));
    CHECK_EQ(send(fd, answer, (size_t)length, MSG_NOSIGNAL), length);
    close(fd);
    free_belongings();
}

static void pool_of_its_own(void)
{
    CHECK_STATUS(aip_pool_new(NULL, &own_pool, &error), AIP_OK);
}

static aip_pool *global_pool(void)
{
    aip_pool *pool = NULL;
    CHECK_STATUS(aip_pool_global(NULL, &pool, &error), AIP_OK);
    return pool;
}

/* The global pool is made anew: the parent's had sessions, this one has none. */
static void global_pool_anew(void)
{
    own_pool = global_pool();
    CHECK_EQ(stats_of(own_pool).sessions, 0);
    CHECK_EQ(stats_of(own_pool).connections_opened, 0);
}

/* Serves its share; what the parent holds is void here. */
static void work(int listening, void (*take_pool)(void), aip_pool *parents, aip_session *parents_session)
{
    alarm(WORKER_SECONDS);
    check_refused_everywhere(parents);
    check_refused_everywhere(parents_session);
    take_pool();
    CHECK_STATUS(aip_pool_get_session(own_pool, upstream.http, AIP_NUL_TERMINATED, NULL, &own_session, &error), AIP_OK);
    for (int i = 0; i < SERVED_EACH; i++)
        serve(listening);
    CHECK_EQ(stats_of(own_pool).connections_opened, 1);
    CHECK_STATUS(aip_session_free(own_session), AIP_OK);
    CHECK_STATUS(aip_pool_free(own_pool), AIP_OK);
    CHECK_EQ(live_handles(), 0);
    _exit(0);
}

static int listening_socket(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)address, size) == 0 && listen(fd, WORKERS * SERVED_EACH) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)address, &size) == 0);
    return fd;
}

static void be_served(const struct sockaddr_in *address)
{
    char answer[16] = "";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(fd, (const struct sockaddr *)address, sizeof *address), 0);
    CHECK_EQ(send(fd, "please", 6, MSG_NOSIGNAL), 6);
    CHECK(recv(fd, answer, sizeof answer - 1, MSG_WAITALL) > 0);
    CHECK_TEXT(answer, "200");
    close(fd);
}

/* The parent goes on by its own connections throughout, and all of each process's requests go over its own. */
static void serve_with_workers(aip_pool *pool, void (*take_pool)(void))
{
    struct sockaddr_in address;
    pid_t workers[WORKERS];
    int status;
    uint32_t standing;
    upstream = fresh_listener();
    aip_session *session = session_of(pool, upstream.http);
    CHECK_STATUS(aip_session_warm(session, WARM, 5000, &standing, &error), AIP_OK);
    ask(session, "/echo");
    CHECK_EQ(counter(&upstream, "connections_opened"), WARM);
    int listening = listening_socket(&address);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        if (workers[i] == 0)
            work(listening, take_pool, pool, session);
    }
    for (int i = 0; i < WORKERS * SERVED_EACH; i++) {
        be_served(&address);
        CHECK_EQ(aip_response_status(ask(session, "/echo")), 200);
    }
    for (int i = 0; i < WORKERS; i++) {
        CHECK(waitpid(workers[i], &status, 0) == workers[i]);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 0);
    }
    close(listening);
    CHECK_EQ(stats_of(pool).connections_opened, WARM);
    CHECK_EQ(counter(&upstream, "connections_opened"), WARM + WORKERS);
}

static void workers_serve_by_pools_of_their_own(void)
{
    serve_with_workers(new_pool(), pool_of_its_own);
}

static void workers_serve_by_the_global_pool_made_anew(void)
{
    serve_with_workers(my_pool(global_pool()), global_pool_anew);
    CHECK_STATUS(aip_pool_close_global(0, &error), AIP_OK);
}

static const test tests[] = {
    {"workers_serve_by_pools_of_their_own", workers_serve_by_pools_of_their_own},
    {"workers_serve_by_the_global_pool_made_anew", workers_serve_by_the_global_pool_made_anew},
};

int main(int argc, char **argv)
{
    return run_tests(TESTS_IN(tests), argc, argv);
}
