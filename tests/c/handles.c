#include "handles.h"

#include <stddef.h>

#include "calls.h"
#include "harness.h"

static void refused_as_pool(void *handle)
{
    aip_request request = get_of("/echo");
    aip_session *session;
    aip_response *response;
    aip_pool_stats stats;
    CHECK_STATUS(aip_pool_get_session(handle, "", 0, NULL, &session, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_pool_acquire(handle, "", 0, NULL, &session, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_pool_request(handle, "", 0, &request, &response, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_pool_close_session(handle, "", 0, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_pool_close_all(handle, 0, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_pool_get_stats(handle, &stats, sizeof stats, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_pool_metrics(handle, NULL, 0, NULL, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_pool_reload_tls(handle, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(pool_get_session(handle, "", 0, NULL, &session, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(pool_close_all(handle, 0, NULL), AIP_INVALID_HANDLE);
}

static void refused_as_session(void *handle)
{
    aip_request request = get_of("/echo");
    aip_response *response;
    aip_session_stats stats;
    CHECK_STATUS(session_request(handle, &request, &response, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_session_request(handle, &request, &response, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_session_warm(handle, 1, 0, NULL, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_session_close(handle, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_session_get_stats(handle, &stats, sizeof stats, NULL), AIP_INVALID_HANDLE);
    CHECK_EQ(aip_session_id(handle), 0);
    CHECK_EQ(aip_session_is_closed(handle), 1);
}

static void refused_as_response(void *handle)
{
    aip_response_info info;
    const char *text;
    const uint8_t *data;
    size_t length;
    CHECK_EQ(aip_response_status(handle), 0);
    CHECK_EQ(aip_response_header_count(handle), 0);
    CHECK_STATUS(aip_response_header(handle, "a", 1, &text, &length), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_response_header_at(handle, 0, &text, &length, &text, &length), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_response_headers_copy(handle, NULL, 0, &length, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_response_body(handle, &data, &length, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_response_body_copy(handle, NULL, 0, &length, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_response_get_info(handle, &info, sizeof info), AIP_INVALID_HANDLE);
}

static void refused_as_client(void *handle)
{
    aip_call call;
    aip_session *session;
    aip_response *response;
    aip_delta delta;
    aip_reply reply;
    aip_call_init(&call, sizeof call);
    CHECK_STATUS(aip_client_is_configured(handle, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_client_get_session(handle, 1, &session, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_client_generate(handle, "a", 1, NULL, &response, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_client_call(handle, &call, &response, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_client_submit(handle, &call, NULL, 0, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_response_next_delta(handle, 0, &delta, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_response_reply(handle, &reply, sizeof reply, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_response_reply_copy(handle, AIP_REPLY_TEXT, NULL, 0, NULL, NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_response_embedding(handle, 0, NULL, 0, NULL, NULL), AIP_INVALID_HANDLE);
}

void check_refused_everywhere(void *handle)
{
    refused_as_pool(handle);
    refused_as_session(handle);
    refused_as_response(handle);
    refused_as_client(handle);
    int32_t freed = handle != NULL ? AIP_INVALID_HANDLE : AIP_OK;
    CHECK_STATUS(aip_cancel_fire(handle), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_pool_free(handle), freed);
    CHECK_STATUS(aip_session_free(handle), freed);
    CHECK_STATUS(aip_response_free(handle), freed);
    CHECK_STATUS(aip_cancel_free(handle), freed);
    CHECK_STATUS(aip_client_free(handle), freed);
}
