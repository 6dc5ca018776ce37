#include "streaming.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "belongings.h"
#include "calls.h"
#include "harness.h"

aip_request chat(const char *words, const char *faults)
{
    aip_request request = get_of("/v1/chat/completions");
    char *body = my_memory(malloc(strlen(words) + 200));
    char *headers = my_memory(calloc(1, 300));
    sprintf(body, "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}", words);
    request.method = "POST";
    request.method_len = AIP_NUL_TERMINATED;
    request.body = (const uint8_t *)body;
    request.body_len = strlen(body);
    request.flags = AIP_REQUEST_STREAM;
    size_t at = 0;
    const char *pairs[] = {"content-type", "application/json", "x-sandbox", faults};
    for (size_t i = 0; i < (faults != NULL ? 4 : 2); i++)
        at += (size_t)sprintf(headers + at, "%s", pairs[i]) + 1;
    request.packed_headers = headers;
    request.packed_headers_len = at;
    return request;
}

aip_request stream_of(const char *url)
{
    aip_request request = get_of(url);
    request.flags = AIP_REQUEST_STREAM;
    return request;
}

aip_request post_of(const void *body, size_t length)
{
    aip_request request = get_of("/echo");
    request.method = "POST";
    request.method_len = AIP_NUL_TERMINATED;
    request.body = body;
    request.body_len = length;
    return request;
}

int32_t read_all(aip_response *response, char *into, size_t cap, size_t *length)
{
    int32_t status;
    size_t count;
    *length = 0;
    do {
        status = aip_response_read(response, (uint8_t *)into + *length, cap - *length, PATIENCE_MS, &count, &error);
        if (status == AIP_OK)
            *length += count;
    } while (status == AIP_OK && *length < cap);
    return status;
}

int32_t count_events(aip_response *response, unsigned *events, char last[100])
{
    int32_t status;
    aip_stream_event event;
    *events = 0;
    while ((status = aip_response_next_event(response, PATIENCE_MS, &event, &error)) == AIP_OK) {
        ++*events;
        snprintf(last, 100, "%.*s", (int)event.data_len, event.data);
    }
    return status;
}

aip_request upload_to(const char *url, aip_upload *upload)
{
    aip_request request = post_of(NULL, 0);
    request.url = url;
    request.upload = upload;
    return request;
}

aip_upload *new_upload(int64_t length)
{
    aip_upload *upload;
    CHECK_STATUS(aip_upload_new(length, &upload, &error), AIP_OK);
    return my_upload(upload);
}

void push_all(aip_upload *upload, const uint8_t *data, size_t length)
{
    for (size_t taken, at = 0; at < length; at += taken)
        CHECK_STATUS(aip_upload_write(upload, data + at, length - at, PATIENCE_MS, &taken, &error), AIP_OK);
}

aip_queue *new_queue(aip_pool *pool)
{
    aip_queue *queue;
    CHECK_STATUS(aip_queue_new(pool, &queue, &error), AIP_OK);
    return my_queue(queue);
}

void submit(aip_session *session, const aip_request *request, aip_queue *queue, uint64_t tag)
{
    CHECK_STATUS(aip_session_submit(session, request, queue, tag, &error), AIP_OK);
}

aip_completion next(aip_queue *queue)
{
    aip_completion completion;
    size_t count = 0;
    CHECK_STATUS(aip_queue_next(queue, &completion, 1, PATIENCE_MS, &count, &error), AIP_OK);
    CHECK_EQ(count, 1);
    if (completion.response != NULL)
        my_response(completion.response);
    return completion;
}

aip_completion next_of(aip_queue *queue, uint32_t kind, uint64_t tag)
{
    aip_completion completion = next(queue);
    CHECK_EQ(completion.kind, kind);
    CHECK_EQ(completion.tag, tag);
    return completion;
}

void close_empty(aip_queue *queue)
{
    aip_completion none;
    size_t count;
    CHECK_STATUS(aip_queue_close(queue, &error), AIP_OK);
    CHECK_STATUS(aip_queue_next(queue, &none, 1, PATIENCE_MS, &count, &error), AIP_END);
}
