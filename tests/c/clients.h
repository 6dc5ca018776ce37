/* Clients of AI providers in short: what they make belongs to the test, and what must work is checked here. */
#ifndef CLIENTS_H
#define CLIENTS_H

#include <aipool.h>
#include <stddef.h>

#include "sandbox.h"

#define CHAT_PATH "/v1/chat/completions"

/* Sets a text and its length: SET_TEXT(call, model, "m"). */
#define SET_TEXT(to, field, text) ((to).field = (text), (to).field##_len = AIP_NUL_TERMINATED)

/* An OpenAI at a base URL, with a model and a key. */
aip_client_options openai_at(const char *base_url);
/* The same at a listener, with a model for embeddings. */
aip_client_options client_options(const listener *listener);
aip_client *new_client(aip_pool *pool, const aip_client_options *options);
/* Over a pool of its own. */
aip_client *client_of(const listener *listener);

/* A chat of one prompt, with faults for the sandbox where there are any. */
aip_call call_of(const char *prompt, const char *faults);
aip_call stream_call(const char *prompt, const char *faults);
void set_faults(aip_call *call, const char *faults);

/* Asks what must be answered. */
aip_response *answer_to(aip_client *client, const aip_call *call);
/* Asks what must fail: the response that came nevertheless, or NULL. */
aip_response *failure_of(aip_client *client, const aip_call *call, int32_t status);
/* Checks that it is refused with nothing sent, that the message starts with `said`, and that it tells no secret. */
void check_call_refused(aip_client *client, const aip_call *call, int32_t status, const char *said);
void check_client_refused(const aip_client_options *options, int32_t status, const char *said);

aip_reply reply_of(aip_response *response);
/* A text of a reply or a delta, with a NUL. */
const char *text_of(const char *text, size_t length);
/* A text of a reply by its number, with a NUL. */
const char *copy_of(aip_response *response, uint32_t part);

/* What deltas came to. */
typedef struct told {
    char text[2000];
    char reasoning[200];
    char arguments[400];
    char tool[100];
    unsigned texts;
    unsigned usages;
    unsigned dones;
} told;

/* Reads deltas to the end or the failure, which is returned: each of them well made. */
int32_t hear(aip_response *response, told *told);
/* One delta into it. */
void hear_delta(const aip_delta *delta, told *told);

#endif
