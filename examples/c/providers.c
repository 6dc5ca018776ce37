/* Four AI providers, asked through one pool: a hundred cold requests that need one token, then a stream of each.
 * The sandbox at AIPOOL_SANDBOX_HTTP plays the providers. client.c is shorter: one provider, one answer. */
#include <aipool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPENAI, GIGACHAT, YANDEX, NAPARNIK, PROVIDERS };
enum { COLD = 100, AT_A_TIME = 16 };

struct provider {
    const char *name, *base, *auth, *key, *scope, *folder, *model;
    uint32_t kind;
};

/* As the sandbox has them. For the real ones leave out both URLs, and let AIP_CLIENT_FROM_ENVIRONMENT in options.flags
 * find the credentials; GigaChat's certificate wants the Russian root, in ca_file of options.session. */
static const struct provider providers[PROVIDERS] = {
    [OPENAI] = {.name = "OpenAI", .kind = AIP_CLIENT_OPENAI, .base = "/v1", .key = "any", .model = "sandbox-small"},
    [GIGACHAT] = {.name = "GigaChat", .kind = AIP_CLIENT_GIGACHAT, .base = "/gigachat/api/v1",
                  .auth = "/gigachat/oauth", .key = "Y2xpZW50OnNlY3JldA==", .scope = "GIGACHAT_API_CORP"},
    [YANDEX] = {.name = "YandexGPT", .kind = AIP_CLIENT_YANDEX, .base = "/yandex/foundationModels/v1",
                .key = "sandbox-key", .folder = "b1gsandbox"},
    [NAPARNIK] = {.name = "Naparnik", .kind = AIP_CLIENT_NAPARNIK, .base = "/naparnik", .key = "sandbox-token"},
};

/* Every failure of this program ends here. */
static void must(int32_t status, const aip_error *error, const char *what)
{
    if (status == AIP_OK)
        return;
    fprintf(stderr, "providers: %s: %s: %s\n", what, aip_status_name(status), error->message);
    exit(1);
}

static void set(const char **text, size_t *length, const char *value)
{
    *text = value;
    *length = value == NULL ? 0 : AIP_NUL_TERMINATED;
}

static aip_client *new_client(aip_pool *pool, const char *server, const struct provider *provider)
{
    char base[256], auth[256];
    aip_error error = {0};
    aip_client *client = NULL;
    aip_client_options options;
    snprintf(base, sizeof base, "%s%s", server, provider->base);
    snprintf(auth, sizeof auth, "%s%s", server, provider->auth == NULL ? "" : provider->auth);
    aip_client_options_init(&options, sizeof options);
    options.kind = provider->kind;
    set(&options.base_url, &options.base_url_len, base);
    set(&options.auth_url, &options.auth_url_len, provider->auth == NULL ? NULL : auth);
    set(&options.api_key, &options.api_key_len, provider->key);
    set(&options.scope, &options.scope_len, provider->scope);
    set(&options.folder, &options.folder_len, provider->folder);
    set(&options.model, &options.model_len, provider->model);
    must(aip_client_new(pool, &options, &client, &error), &error, provider->name);
    return client;
}

/* A hundred requests at once from this one thread, none of them with a token: how many got their answer. */
static unsigned ask_cold(aip_pool *pool, aip_client *client)
{
    aip_error error = {0};
    aip_queue *queue = NULL;
    aip_completion done[AT_A_TIME];
    aip_call call;
    size_t count = 0;
    unsigned answered = 0;
    int32_t status;
    must(aip_queue_new(pool, &queue, &error), &error, "queue");
    aip_call_init(&call, sizeof call);
    set(&call.prompt, &call.prompt_len, "cold");
    for (uint64_t tag = 0; tag < COLD; tag++)
        must(aip_client_submit(client, &call, queue, tag, &error), &error, "submit");
    must(aip_queue_close(queue, &error), &error, "close"); /* No more of them: AIP_END comes after the last. */
    while ((status = aip_queue_next(queue, done, AT_A_TIME, 30000, &count, &error)) == AIP_OK) {
        for (size_t i = 0; i < count; i++) {
            must(done[i].status, &done[i].error, "a cold request");
            aip_response_free(done[i].response);
            answered++;
        }
    }
    must(status == AIP_END ? AIP_OK : status, &error, "the cold requests");
    aip_queue_free(queue);
    return answered;
}

/* One answer, part by part, as a row of the table. */
static void stream(aip_client *client, const char *name)
{
    aip_error error = {0};
    aip_response *response = NULL;
    aip_call call;
    aip_delta delta;
    aip_reply reply;
    int32_t status;
    unsigned words = 0;
    aip_call_init(&call, sizeof call);
    call.flags = AIP_CALL_STREAM;
    set(&call.prompt, &call.prompt_len, "one two three");
    must(aip_client_call(client, &call, &response, &error), &error, name);
    while ((status = aip_response_next_delta(response, 30000, &delta, &error)) == AIP_OK)
        words += delta.kind == AIP_DELTA_TEXT; /* A program would show delta.text here; a row has to wait. */
    must(status == AIP_END ? AIP_OK : status, &error, name);
    must(aip_response_reply(response, &reply, sizeof reply, &error), &error, name);
    printf("%-10s %8llu us %6u  %-24.*s  %.*s\n", name, (unsigned long long)reply.first_token_us, words,
           (int)reply.finish_len, reply.finish, (int)reply.text_len, reply.text);
    aip_response_free(response);
}

/* How often the sandbox was asked for a GigaChat token. A pool takes plain requests too. */
static unsigned token_calls(aip_pool *pool, const char *server)
{
    aip_error error = {0};
    aip_session *session = NULL;
    aip_response *response = NULL;
    aip_request request;
    const uint8_t *body = NULL;
    size_t length = 0;
    char text[64];
    must(aip_pool_get_session(pool, server, AIP_NUL_TERMINATED, NULL, &session, &error), &error, "session");
    aip_request_init(&request, sizeof request);
    set(&request.url, &request.url_len, "/control/counters?name=gigachat.token_calls");
    must(aip_session_request(session, &request, &response, &error), &error, "counters");
    must(aip_response_body(response, &body, &length, &error), &error, "counters");
    snprintf(text, sizeof text, "%.*s", (int)length, (const char *)body);
    aip_response_free(response);
    aip_session_free(session);
    return (unsigned)strtoul(text + strcspn(text, "0123456789"), NULL, 10);
}

int main(void)
{
    const char *server = getenv("AIPOOL_SANDBOX_HTTP");
    aip_error error = {0};
    aip_pool *pool = NULL;
    aip_client *clients[PROVIDERS];
    aip_pool_stats stats;
    if (server == NULL) {
        fputs("providers: AIPOOL_SANDBOX_HTTP is not set; run this by scripts/with-sandbox\n", stderr);
        return 1;
    }
    must(aip_pool_global(NULL, &pool, &error), &error, "pool");
    /* Made once and kept: a provider's token is kept as long as a client of it lives. */
    for (int i = 0; i < PROVIDERS; i++)
        clients[i] = new_client(pool, server, &providers[i]);
    const unsigned before = token_calls(pool, server);
    const unsigned cold = ask_cold(pool, clients[GIGACHAT]);
    printf("%-10s %11s %6s  %-24s  %s\n", "provider", "first part", "words", "finish", "answer");
    for (int i = 0; i < PROVIDERS; i++)
        stream(clients[i], providers[i].name);
    const unsigned tokens = token_calls(pool, server) - before;
    must(aip_pool_get_stats(pool, &stats, sizeof stats, &error), &error, "stats");
    printf("clients lang=C streams=%d cold=%u token_calls=%u requests=%llu connections=%llu reused=%llu\n", PROVIDERS,
           cold, tokens, (unsigned long long)stats.requests, (unsigned long long)stats.connections_opened,
           (unsigned long long)stats.requests_reused);
    for (int i = 0; i < PROVIDERS; i++)
        aip_client_free(clients[i]);
    aip_pool_free(pool);
    return 0;
}
