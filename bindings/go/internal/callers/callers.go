// Package callers asks an AI from threads that know nothing of Go, for tests of what a process has in common.
package callers

/*
#cgo CFLAGS: -I${SRCDIR}/../..
#cgo LDFLAGS: -lpthread
#include "aipool.h"
#include <pthread.h>
#include <stdlib.h>

typedef struct {
    aip_client *client;
    int calls;
    int answered;
    int32_t status;
} caller;

static void *call(void *arg) {
    caller *me = arg;
    aip_call how;
    aip_call_init(&how, sizeof how);
    how.queue_timeout_ms = 60000;
    for (int i = 0; i < me->calls; i++) {
        aip_response *response = NULL;
        int32_t status = aip_client_generate(me->client, "hi", 2, &how, &response, NULL);
        if (status == AIP_OK) me->answered++;
        else me->status = status;
        aip_response_free(response);
    }
    return NULL;
}

// How many calls were answered, over the global pool; `*status` is the last failure's.
static int run(const char *base_url, size_t base_url_len, const char *key, size_t key_len, int threads, int calls,
               int64_t retries, int paced, int32_t *status) {
    aip_client_options options;
    aip_client_options_init(&options, sizeof options);
    options.kind = AIP_CLIENT_OPENAI;
    options.base_url = base_url;
    options.base_url_len = base_url_len;
    options.api_key = key;
    options.api_key_len = key_len;
    options.model = "sandbox-1";
    options.model_len = AIP_NUL_TERMINATED;
    options.max_retries = retries;
    options.pacing = paced ? 0 : AIP_OFF;
    aip_client *client = NULL;
    *status = aip_client_new(NULL, &options, &client, NULL);
    if (*status != AIP_OK) return 0;
    caller *all = calloc(threads, sizeof *all);
    pthread_t *ids = calloc(threads, sizeof *ids);
    int begun = 0, answered = 0;
    for (; all && ids && begun < threads; begun++) {
        all[begun] = (caller){.client = client, .calls = calls};
        if (pthread_create(&ids[begun], NULL, call, &all[begun]) != 0) break;
    }
    for (int i = 0; i < begun; i++) {
        pthread_join(ids[i], NULL);
        answered += all[i].answered;
        if (all[i].status != AIP_OK) *status = all[i].status;
    }
    aip_client_free(client);
    free(all);
    free(ids);
    return answered;
}
#cgo noescape run
#cgo nocallback run
*/
import "C"

import "unsafe"

// Run asks so many times from each of so many threads, and returns how many were answered and the last failure's status.
func Run(baseURL, key string, threads, calls, retries int, paced bool) (answered int, status int32) {
	asPaced := C.int(0)
	if paced {
		asPaced = 1
	}
	var failed C.int32_t
	count := C.run((*C.char)(unsafe.Pointer(unsafe.StringData(baseURL))), C.size_t(len(baseURL)),
		(*C.char)(unsafe.Pointer(unsafe.StringData(key))), C.size_t(len(key)), C.int(threads), C.int(calls), C.int64_t(retries),
		asPaced, &failed)
	return int(count), int32(failed)
}
