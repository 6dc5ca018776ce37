/* A host that uses the library's four short names. */
#include <aipool.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    aip_error error = {0};
    aip_pool *pool = NULL;
    aip_session *session = NULL;
    aip_response *response = NULL;
    aip_request echo;
    aip_request_init(&echo, sizeof echo);
    echo.url = "/echo";
    echo.url_len = AIP_NUL_TERMINATED;
    int32_t status = pool_new(NULL, &pool, &error);
    if (status == AIP_OK)
        status = pool_get_session(pool, getenv("AIPOOL_SANDBOX_HTTP"), AIP_NUL_TERMINATED, NULL, &session, &error);
    if (status == AIP_OK)
        status = session_request(session, &echo, &response, &error);
    uint32_t http_status = aip_response_status(response);
    if (status == AIP_OK)
        status = pool_close_all(pool, 0, &error);
    aip_response_free(response);
    aip_session_free(session);
    aip_pool_free(pool);
    if (status == AIP_OK && http_status == 200)
        return 0;
    printf("short_names: %s, HTTP %u: %s\n", aip_status_name(status), http_status, error.message);
    return 1;
}
