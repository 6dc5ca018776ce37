/* libcurl's multi interface, from one thread: a handle for each request in flight, their connections shared. */

#include "flight.h"
#include "loop.h"

struct transfer {
    CURL *easy;
    size_t reply_len;
    uint8_t reply[2 * REPLY_BYTES];
};

static struct transfer transfers[MOST_IN_FLIGHT];
static struct curl_slist *headers;
static long version; /* that has to come */

#define SET(easy, option, value) check_easy(curl_easy_setopt(easy, option, value), #option)

static size_t collect(char *data, size_t size, size_t count, void *argument) {
    struct transfer *transfer = argument;
    size_t bytes = size * count;
    if (bytes > sizeof transfer->reply - transfer->reply_len)
        return 0;
    memcpy(transfer->reply + transfer->reply_len, data, bytes);
    transfer->reply_len += bytes;
    return bytes;
}

static CURL *open_easy(const struct plan *plan, struct transfer *transfer) {
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        die("curl_easy_init", "no memory");
    SET(easy, CURLOPT_URL, plan->url);
    SET(easy, CURLOPT_CAINFO, plan->ca_file);
    SET(easy, CURLOPT_HTTP_VERSION, version);
    SET(easy, CURLOPT_HTTPHEADER, headers);
    SET(easy, CURLOPT_POSTFIELDS, post_body);
    SET(easy, CURLOPT_POSTFIELDSIZE, (long)POST_BYTES);
    SET(easy, CURLOPT_ACCEPT_ENCODING, "gzip, br, zstd");
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_PROXY, "");
    SET(easy, CURLOPT_TIMEOUT_MS, 60000L);
    SET(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    SET(easy, CURLOPT_PIPEWAIT, 1L);
    SET(easy, CURLOPT_WRITEFUNCTION, collect);
    SET(easy, CURLOPT_WRITEDATA, transfer);
    SET(easy, CURLOPT_PRIVATE, transfer);
    SET(easy, CURLOPT_CLOSESOCKETFUNCTION, socket_closed);
    return easy;
}

static void submit(struct transfer *transfer) {
    transfer->reply_len = 0;
    meter_begin((int)(transfer - transfers));
    check_multi(curl_multi_add_handle(loop.multi, transfer->easy), "curl_multi_add_handle");
}

static struct transfer *take(CURL *easy) {
    struct transfer *transfer;
    long status = 0, came = 0;
    check_easy(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer), "CURLINFO_PRIVATE");
    check_easy(curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status), "CURLINFO_RESPONSE_CODE");
    check_easy(curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &came), "CURLINFO_HTTP_VERSION");
    if (status != 200 || came != version || transfer->reply_len != REPLY_BYTES)
        die("curl_multi", "not the expected reply");
    check_multi(curl_multi_remove_handle(loop.multi, easy), "curl_multi_remove_handle");
    return transfer;
}

int main(int argc, char **argv) {
    const struct plan plan = plan_of(argc, argv);
    meter_start(&plan);
    loop_start(MOST_CONNECTIONS);
    version = plan.http == 1 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2;
    headers = curl_slist_append(NULL, "Content-Type: application/json");
    int in_flight = 0;
    for (; in_flight < plan.threads; in_flight++) {
        transfers[in_flight].easy = open_easy(&plan, &transfers[in_flight]);
        submit(&transfers[in_flight]);
    }
    while (in_flight > 0) {
        loop_turn();
        for (CURL *easy; (easy = loop_ended()) != NULL;) {
            struct transfer *transfer = take(easy);
            if (meter_done((int)(transfer - transfers)))
                submit(transfer);
            else
                in_flight--;
        }
    }
    meter_print();
    for (int i = 0; i < plan.threads; i++)
        curl_easy_cleanup(transfers[i].easy);
    curl_multi_cleanup(loop.multi);
    curl_slist_free_all(headers);
    curl_global_cleanup();
    return 0;
}
