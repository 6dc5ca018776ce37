/* A host whose own functions have the library's short names and other likely ones: each side calls its own. */
#define pool_new header_pool_new
#define pool_get_session header_pool_get_session
#define session_request header_session_request
#define pool_close_all header_pool_close_all
#include <aipool.h>
#undef pool_new
#undef pool_get_session
#undef session_request
#undef pool_close_all

#include <stdio.h>
#include <stdlib.h>

static int calls;

#define OWN(name) \
    int name(void); \
    int name(void) \
    { \
        return ++calls; \
    }

OWN(pool_new)
OWN(pool_get_session)
OWN(session_request)
OWN(pool_close_all)
OWN(queue_new)
OWN(client_free)

/* One request by the library's long names: the HTTP status. */
static uint32_t request(void)
{
    aip_pool *pool = NULL;
    aip_session *session = NULL;
    aip_response *response = NULL;
    aip_request echo;
    aip_request_init(&echo, sizeof echo);
    echo.url = "/echo";
    echo.url_len = AIP_NUL_TERMINATED;
    aip_pool_new(NULL, &pool, NULL);
    aip_pool_get_session(pool, getenv("AIPOOL_SANDBOX_HTTP"), AIP_NUL_TERMINATED, NULL, &session, NULL);
    aip_session_request(session, &echo, &response, NULL);
    uint32_t status = aip_response_status(response);
    aip_response_free(response);
    aip_session_free(session);
    aip_pool_close_all(pool, 0, NULL);
    aip_pool_free(pool);
    return status;
}

int main(void)
{
    uint32_t status = request();
    int calls_of_the_library = calls;
    pool_new(), pool_get_session(), session_request(), pool_close_all(), queue_new(), client_free();
    if (status == 200 && calls_of_the_library == 0 && calls == 6)
        return 0;
    printf("owns_names: HTTP %u, %d calls by the library, %d in all\n", status, calls_of_the_library, calls);
    return 1;
}
