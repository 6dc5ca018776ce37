/* Token streams through libcurl's multi interface, from one thread: bytes, which nobody parses. */

#include "loop.h"
#include "streams.h"

#define SET(easy, option, value) check_easy(curl_easy_setopt(easy, option, value), #option)

static bool begun[MOST_STREAMS];

static size_t count_bytes(char *data, size_t size, size_t count, void *argument) {
    (void)data;
    bool *first = argument;
    if (!*first)
        tokens.heads++;
    *first = true;
    tokens.events += size * count;
    return size * count;
}

static void submit(const struct plan *plan, bool *first) {
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        die("curl_easy_init", "no memory");
    SET(easy, CURLOPT_URL, plan->url);
    SET(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    SET(easy, CURLOPT_ACCEPT_ENCODING, "gzip, br, zstd");
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_PROXY, "");
    SET(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    SET(easy, CURLOPT_WRITEFUNCTION, count_bytes);
    SET(easy, CURLOPT_WRITEDATA, first);
    SET(easy, CURLOPT_CLOSESOCKETFUNCTION, socket_closed);
    check_multi(curl_multi_add_handle(loop.multi, easy), "curl_multi_add_handle");
}

int main(int argc, char **argv) {
    const struct plan plan = plan_of(argc, argv);
    loop_start(MOST_STREAMS);
    tokens_start(&plan, EVENT_BYTES);
    for (int i = 0; i < plan.threads; i++)
        submit(&plan, &begun[i]);
    while (!tokens_over()) {
        loop_turn();
        if (loop_ended() != NULL)
            die("stream", "it has ended");
    }
    return 0; /* the streams have no end */
}
