/* libcurl's easy interface: one handle a thread, kept alive. */

#include "harness.h"

#include <curl/curl.h>

struct handle {
    CURL *easy;
    struct curl_slist *headers;
    long http_version; /* that has to come */
    uint8_t reply[2 * REPLY_BYTES];
    size_t reply_len;
};

static void check(CURLcode code, const char *what) {
    if (code != CURLE_OK)
        die(what, curl_easy_strerror(code));
}

#define SET(handle, option, value) check(curl_easy_setopt((handle)->easy, option, value), #option)

static void peer_start(const struct plan *plan) {
    (void)plan;
    check(curl_global_init(CURL_GLOBAL_DEFAULT), "curl_global_init");
}

static size_t collect(char *data, size_t size, size_t count, void *argument) {
    struct handle *handle = argument;
    size_t bytes = size * count;
    if (bytes > sizeof handle->reply - handle->reply_len)
        return 0;
    memcpy(handle->reply + handle->reply_len, data, bytes);
    handle->reply_len += bytes;
    return bytes;
}

static void *peer_open(const struct plan *plan, int index) {
    struct handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL || (handle->easy = curl_easy_init()) == NULL)
        die("curl_easy_init", "no memory");
    handle->headers = curl_slist_append(NULL, "Content-Type: application/json");
    char url[MOST_URL];
    url_of(plan, index, url);
    SET(handle, CURLOPT_URL, url);
    SET(handle, CURLOPT_CAINFO, plan->ca_file);
    handle->http_version = plan->http == 1 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2;
    SET(handle, CURLOPT_HTTP_VERSION, handle->http_version);
    SET(handle, CURLOPT_HTTPHEADER, handle->headers);
    SET(handle, CURLOPT_ACCEPT_ENCODING, "gzip, br, zstd");
    SET(handle, CURLOPT_NOSIGNAL, 1L);
    SET(handle, CURLOPT_PROXY, "");
    SET(handle, CURLOPT_TIMEOUT_MS, 60000L);
    SET(handle, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    SET(handle, CURLOPT_WRITEFUNCTION, collect);
    SET(handle, CURLOPT_WRITEDATA, handle);
    return handle;
}

static void peer_request(void *thread_state) {
    struct handle *handle = thread_state;
    handle->reply_len = 0;
    SET(handle, CURLOPT_POSTFIELDS, post_body);
    SET(handle, CURLOPT_POSTFIELDSIZE, (long)POST_BYTES);
    check(curl_easy_perform(handle->easy), "curl_easy_perform");
    long status = 0;
    check(curl_easy_getinfo(handle->easy, CURLINFO_RESPONSE_CODE, &status), "CURLINFO_RESPONSE_CODE");
    if (status != 200 || handle->reply_len != REPLY_BYTES)
        die("curl_easy_perform", "not the expected reply");
}

static void peer_close(void *thread_state) {
    struct handle *handle = thread_state;
    long version = 0;
    check(curl_easy_getinfo(handle->easy, CURLINFO_HTTP_VERSION, &version), "CURLINFO_HTTP_VERSION");
    if (version != handle->http_version)
        die("CURLINFO_HTTP_VERSION", "not the protocol that was asked for");
    curl_easy_cleanup(handle->easy);
    curl_slist_free_all(handle->headers);
    free(handle);
}

static void peer_stop(void) { curl_global_cleanup(); }
