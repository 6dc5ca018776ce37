/* The library by dlopen(): opened, used, closed and opened again, in every way a host may: loading HOW. */
#include <aipool.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 200, HANGS_AFTER_SECONDS = 150 };

/* What is used of it, found by name each time: this program is not linked to it. */
typedef struct library {
    void *opened;
    int32_t (*pool_new)(const aip_pool_options *, aip_pool **, aip_error *);
    int32_t (*pool_get_session)(aip_pool *, const char *, size_t, const aip_session_options *, aip_session **,
                                aip_error *);
    int32_t (*session_request)(aip_session *, const aip_request *, aip_response **, aip_error *);
    void (*request_init)(aip_request *, size_t);
    uint32_t (*response_status)(aip_response *);
    int32_t (*response_free)(aip_response *);
    int32_t (*session_free)(aip_session *);
    int32_t (*pool_free)(aip_pool *);
} library;

static void fail(const char *what, const char *why)
{
    printf("loading: %s: %s\n", what, why);
    exit(1);
}

static void find(void *opened, const char *name, void *function)
{
    void *found = dlsym(opened, name);
    if (found == NULL)
        fail(name, dlerror());
    /* POSIX lets a function's address be an object's; C does not say it in a cast. */
    memcpy(function, &found, sizeof found);
}

static library load(int flags)
{
    library it;
    it.opened = dlopen(getenv("AIPOOL_LIBRARY"), flags);
    if (it.opened == NULL)
        fail("dlopen", dlerror());
    find(it.opened, "aip_pool_new", &it.pool_new);
    find(it.opened, "aip_pool_get_session", &it.pool_get_session);
    find(it.opened, "aip_session_request", &it.session_request);
    find(it.opened, "aip_request_init", &it.request_init);
    find(it.opened, "aip_response_status", &it.response_status);
    find(it.opened, "aip_response_free", &it.response_free);
    find(it.opened, "aip_session_free", &it.session_free);
    find(it.opened, "aip_pool_free", &it.pool_free);
    return it;
}

static void unload(library *it)
{
    if (dlclose(it->opened) != 0)
        fail("dlclose", dlerror());
}

static void ask(library *it, aip_session *session, const char *url)
{
    aip_error error = {.status = 0};
    aip_request request;
    aip_response *response = NULL;
    it->request_init(&request, sizeof request);
    request.url = url;
    request.url_len = AIP_NUL_TERMINATED;
    if (it->session_request(session, &request, &response, &error) != AIP_OK || it->response_status(response) != 200)
        fail(url, error.message);
    it->response_free(response);
}

typedef struct user {
    aip_pool *pool;
    aip_session *session;
} user;

static user begin(library *it)
{
    user user;
    aip_error error;
    const char *key = getenv("AIPOOL_SANDBOX_HTTP");
    if (it->pool_new(NULL, &user.pool, &error) != AIP_OK ||
        it->pool_get_session(user.pool, key, AIP_NUL_TERMINATED, NULL, &user.session, &error) != AIP_OK)
        fail("pool", error.message);
    return user;
}

static void end(library *it, user *user)
{
    it->session_free(user->session);
    it->pool_free(user->pool);
}

static void *open_use_and_close(void *unused)
{
    library it = load(RTLD_LOCAL | RTLD_NOW);
    user user = begin(&it);
    ask(&it, user.session, "/echo");
    end(&it, &user);
    unload(&it);
    return unused;
}

static void again_and_again(void)
{
    for (int i = 0; i < ROUNDS; i++)
        open_use_and_close(NULL);
}

/* Neither freed nor closed by the thread: its own state goes with it, the library's threads stay. */
static void *open_and_use(void *into)
{
    library it = load(RTLD_LOCAL | RTLD_LAZY);
    *(user *)into = begin(&it);
    ask(&it, ((user *)into)->session, "/echo");
    unload(&it);
    return NULL;
}

static void run(pthread_t *thread, void *(*body)(void *), void *with)
{
    if (pthread_create(thread, NULL, body, with) != 0)
        fail("pthread_create", strerror(errno));
}

static void by_threads_that_end(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t thread;
        user user;
        run(&thread, open_and_use, &user);
        pthread_join(thread, NULL);
        library it = load(RTLD_LOCAL | RTLD_NOW);
        ask(&it, user.session, "/echo");
        end(&it, &user);
        unload(&it);
    }
}

static void *many_times(void *unused)
{
    again_and_again();
    return unused;
}

static void by_two_threads(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        run(&threads[i], many_times, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static library shared;

static void *wait_for_the_answer(void *with)
{
    user *user = with;
    ask(&shared, user->session, "/hold/unloaded");
    return NULL;
}

/* The last dlclose() comes while a request is under way and the library's threads live. */
static void closed_in_use(void)
{
    pthread_t thread;
    shared = load(RTLD_LOCAL | RTLD_NOW);
    user user = begin(&shared), threaded = begin(&shared);
    run(&thread, wait_for_the_answer, &user);
    ask(&shared, threaded.session, "/control/wait-held/unloaded?count=1");
    unload(&shared);
    /* What was found stays where it is: the library is never unmapped. */
    aip_request post;
    shared.request_init(&post, sizeof post);
    post.method = "POST";
    post.url = "/control/release/unloaded";
    post.method_len = post.url_len = AIP_NUL_TERMINATED;
    aip_response *response = NULL;
    if (shared.session_request(threaded.session, &post, &response, NULL) != AIP_OK)
        fail("after dlclose", "no answer");
    shared.response_free(response);
    pthread_join(thread, NULL);
    end(&shared, &user);
    end(&shared, &threaded);
}

/* Nothing of the library's own may stay behind but the code: its threads end with its pools. */
static const struct {
    const char *name;
    void (*run)(void);
} ways[] = {
    {"again_and_again", again_and_again},
    {"by_threads_that_end", by_threads_that_end},
    {"by_two_threads", by_two_threads},
    {"closed_in_use", closed_in_use},
};

int main(int argc, char **argv)
{
    alarm(HANGS_AFTER_SECONDS);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (argc > 1 && strcmp(argv[1], ways[i].name) == 0) {
            ways[i].run();
            return 0;
        }
    }
    return 1;
}
