// What the files that take a session's options have in common.

#include "aipool.h"

// The next text of a block.
static inline const char *aipgo_next(const char **block, size_t length) {
    const char *text = *block;
    *block += length;
    return length == 0 ? NULL : text;
}

// A session's options come as a struct of numbers and lengths; their texts stand in `block` one after the other, in the order of
// their fields.
static inline void aipgo_fill_options(aip_session_options *options, const char *block) {
    options->partition = aipgo_next(&block, options->partition_len);
    options->ca_file = aipgo_next(&block, options->ca_file_len);
    options->ca_bytes = (const uint8_t *)aipgo_next(&block, options->ca_bytes_len);
    options->headers = aipgo_next(&block, options->headers_len);
    options->client_cert_file = aipgo_next(&block, options->client_cert_file_len);
    options->client_cert_bytes = (const uint8_t *)aipgo_next(&block, options->client_cert_bytes_len);
    options->client_key_file = aipgo_next(&block, options->client_key_file_len);
    options->client_key_bytes = (const uint8_t *)aipgo_next(&block, options->client_key_bytes_len);
    options->server_name = aipgo_next(&block, options->server_name_len);
    options->pins = (const uint8_t *)aipgo_next(&block, options->pins_len);
    options->key_log_file = aipgo_next(&block, options->key_log_file_len);
    options->proxy = aipgo_next(&block, options->proxy_len);
    options->no_proxy = aipgo_next(&block, options->no_proxy_len);
    options->unix_socket = aipgo_next(&block, options->unix_socket_len);
    options->resolve = aipgo_next(&block, options->resolve_len);
    options->local_address = aipgo_next(&block, options->local_address_len);
}
