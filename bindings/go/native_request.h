// What the files that send requests have in common.

#include "aipool.h"

// A request comes as a struct of numbers and lengths; here its texts and handles are put in.
static inline void aipgo_fill(aip_request *request, const char *method, const char *url, const char *headers,
                              const uint8_t *body, const char *end_marker, uintptr_t cancel, uintptr_t upload) {
    request->method = method;
    request->url = url;
    request->packed_headers = headers;
    request->body = body;
    request->end_marker = end_marker;
    request->cancel = (aip_cancel *)cancel;
    request->upload = (aip_upload *)upload;
}
