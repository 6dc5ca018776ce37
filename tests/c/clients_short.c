#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "belongings.h"
#include "calls.h"
#include "clients.h"
#include "harness.h"
#include "streaming.h"

static const char *joined(const char *first, const char *second)
{
    size_t cap = strlen(first) + strlen(second) + 1;
    char *text = my_memory(malloc(cap));
    snprintf(text, cap, "%s%s", first, second);
    return text;
}

aip_client_options openai_at(const char *base_url)
{
    aip_client_options options;
    aip_client_options_init(&options, sizeof options);
    options.kind = AIP_CLIENT_OPENAI;
    SET_TEXT(options, base_url, base_url);
    SET_TEXT(options, api_key, "sk-planted");
    SET_TEXT(options, model, "sandbox-1");
    return options;
}

aip_client_options client_options(const listener *listener)
{
    aip_client_options options = openai_at(joined(listener->http, "/v1"));
    SET_TEXT(options, embedding_model, "sandbox-e");
    return options;
}

aip_client *new_client(aip_pool *pool, const aip_client_options *options)
{
    aip_client *client = NULL;
    CHECK_STATUS(aip_client_new(pool, options, &client, &error), AIP_OK);
    return my_client(client);
}

aip_client *client_of(const listener *listener)
{
    aip_client_options options = client_options(listener);
    return new_client(new_pool(), &options);
}

aip_call call_of(const char *prompt, const char *faults)
{
    aip_call call;
    aip_call_init(&call, sizeof call);
    if (prompt != NULL)
        SET_TEXT(call, prompt, prompt);
    set_faults(&call, faults);
    return call;
}

aip_call stream_call(const char *prompt, const char *faults)
{
    aip_call call = call_of(prompt, faults);
    call.flags = AIP_CALL_STREAM;
    return call;
}

void set_faults(aip_call *call, const char *faults)
{
    if (faults == NULL)
        return;
    char *headers = my_memory(malloc(strlen(faults) + 20));
    size_t at = (size_t)sprintf(headers, "x-sandbox") + 1;
    call->headers = headers;
    call->headers_len = at + (size_t)sprintf(headers + at, "%s", faults) + 1;
}

aip_response *answer_to(aip_client *client, const aip_call *call)
{
    aip_response *response = NULL;
    CHECK_STATUS(aip_client_call(client, call, &response, &error), AIP_OK);
    return my_response(response);
}

aip_response *failure_of(aip_client *client, const aip_call *call, int32_t status)
{
    aip_response *response = (aip_response *)1;
    int32_t got = aip_client_call(client, call, &response, &error);
    my_response(response);
    CHECK_STATUS(got, status);
    CHECK_EQ(error.status, status);
    return response;
}

void check_call_refused(aip_client *client, const aip_call *call, int32_t status, const char *said)
{
    CHECK(failure_of(client, call, status) == NULL);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
    CHECK_STARTS(error.message, said);
    CHECK(strstr(error.message, "planted") == NULL);
}

void check_client_refused(const aip_client_options *options, int32_t status, const char *said)
{
    aip_client *client = (aip_client *)1;
    CHECK_STATUS(aip_client_new(NULL, options, &client, &error), status);
    CHECK(client == NULL);
    CHECK_EQ(error.status, status);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
    CHECK_STARTS(error.message, said);
    CHECK(strstr(error.message, "planted") == NULL);
}

aip_reply reply_of(aip_response *response)
{
    aip_reply reply;
    CHECK_STATUS(aip_response_reply(response, &reply, sizeof reply, &error), AIP_OK);
    return reply;
}

const char *text_of(const char *text, size_t length)
{
    CHECK((text == NULL) == (length == 0));
    char *copy = my_memory(malloc(length + 1));
    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

const char *copy_of(aip_response *response, uint32_t part)
{
    size_t needed = 0;
    aip_response_reply_copy(response, part, NULL, 0, &needed, NULL);
    char *copy = my_memory(malloc(needed + 1));
    CHECK_STATUS(aip_response_reply_copy(response, part, copy, needed, &needed, &error), AIP_OK);
    copy[needed] = '\0';
    return copy;
}

static void add(char *to, size_t cap, const char *text, size_t length)
{
    size_t at = strlen(to);
    snprintf(to + at, cap - at, "%.*s", (int)length, length > 0 ? text : "");
}

void hear_delta(const aip_delta *delta, told *told)
{
    CHECK_EQ(told->dones, 0);
    CHECK(delta->reserved[0] == 0 && delta->reserved[1] == 0);
    switch (delta->kind) {
    case AIP_DELTA_TEXT:
        told->texts++;
        add(told->text, sizeof told->text, delta->text, delta->text_len);
        break;
    case AIP_DELTA_REPLACE:
        told->text[0] = '\0';
        add(told->text, sizeof told->text, delta->text, delta->text_len);
        break;
    case AIP_DELTA_REASONING:
        add(told->reasoning, sizeof told->reasoning, delta->text, delta->text_len);
        break;
    case AIP_DELTA_TOOL:
        CHECK_EQ(delta->index, 0);
        add(told->arguments, sizeof told->arguments, delta->text, delta->text_len);
        add(told->tool, sizeof told->tool, delta->name, delta->name_len);
        break;
    case AIP_DELTA_USAGE:
        told->usages++;
        break;
    default:
        CHECK_EQ(delta->kind, AIP_DELTA_DONE);
        told->dones++;
    }
    if (delta->kind >= AIP_DELTA_USAGE)
        CHECK(delta->text == NULL && delta->text_len == 0);
    if (delta->kind != AIP_DELTA_TOOL)
        CHECK(delta->id_len == 0 && delta->name_len == 0 && delta->index == 0);
}

int32_t hear(aip_response *response, told *told)
{
    int32_t status;
    aip_delta delta;
    memset(told, 0, sizeof *told);
    while ((status = aip_response_next_delta(response, PATIENCE_MS, &delta, &error)) == AIP_OK)
        hear_delta(&delta, told);
    return status;
}
