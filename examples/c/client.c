/* A client of an AI provider, here an OpenAI-compatible server at AIPOOL_SANDBOX_HTTP, whose answer is shown as it comes. */
#include <aipool.h>
#include <stdio.h>
#include <stdlib.h>

/* Every failure of this program ends here. */
static void must(int32_t status, const aip_error *error, const char *what)
{
    if (status == AIP_OK)
        return;
    fprintf(stderr, "client: %s: %s: %s\n", what, aip_status_name(status), error->message);
    exit(1);
}

static void chat(aip_client *client)
{
    aip_error error = {0};
    aip_response *response = NULL;
    aip_call call;
    aip_call_init(&call, sizeof call);
    call.flags = AIP_CALL_STREAM;
    call.prompt = "a word at a time";
    call.prompt_len = AIP_NUL_TERMINATED;
    call.set = AIP_SET_TEMPERATURE; /* 0 is a temperature too. */
    must(aip_client_call(client, &call, &response, &error), &error, "call");
    aip_delta delta;
    int32_t status;
    while ((status = aip_response_next_delta(response, 30000, &delta, &error)) == AIP_OK) {
        if (delta.kind == AIP_DELTA_TEXT)
            printf("%.*s", (int)delta.text_len, delta.text);
        fflush(stdout);
    }
    must(status == AIP_END ? AIP_OK : status, &error, "the answer");
    aip_reply reply;
    must(aip_response_reply(response, &reply, sizeof reply, &error), &error, "reply");
    printf("\nclient lang=C tokens=%lld finish=%.*s\n", (long long)reply.completion_tokens, (int)reply.finish_len,
           reply.finish);
    aip_response_free(response);
}

int main(void)
{
    const char *server = getenv("AIPOOL_SANDBOX_HTTP");
    if (server == NULL) {
        fputs("client: AIPOOL_SANDBOX_HTTP is not set; run this by scripts/with-sandbox\n", stderr);
        return 1;
    }
    char base[256];
    snprintf(base, sizeof base, "%s/v1", server);
    aip_error error = {0};
    aip_client *client = NULL;
    aip_client_options options;
    aip_client_options_init(&options, sizeof options);
    options.kind = AIP_CLIENT_OPENAI;
    options.flags = AIP_CLIENT_FROM_ENVIRONMENT; /* OPENAI_API_KEY, where the server wants one. */
    options.base_url = base;
    options.base_url_len = AIP_NUL_TERMINATED;
    options.model = "sandbox";
    options.model_len = AIP_NUL_TERMINATED;
    must(aip_client_new(NULL, &options, &client, &error), &error, "client_new");
    chat(client);
    aip_client_free(client);
    return 0;
}
