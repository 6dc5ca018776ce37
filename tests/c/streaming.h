/* Streams, uploads and queues in short: what they make belongs to the test, and what must work is checked here. */
#ifndef STREAMING_H
#define STREAMING_H

#include <aipool.h>

/* How long any wait may take before it fails its test. */
enum { PATIENCE_MS = 10000 };

/* A chat of so many words, streamed, with faults for the sandbox where there are any. */
aip_request chat(const char *words, const char *faults);
/* A GET, streamed. */
aip_request stream_of(const char *url);
/* A POST to the echo. */
aip_request post_of(const void *body, size_t length);
/* Reads to the end or the failure: how that is called. */
int32_t read_all(aip_response *response, char *into, size_t cap, size_t *length);
/* Reads all events: how many, and the data of the last. */
int32_t count_events(aip_response *response, unsigned *events, char last[100]);

aip_upload *new_upload(int64_t length);
/* A POST whose body this is. */
aip_request upload_to(const char *url, aip_upload *upload);
void push_all(aip_upload *upload, const uint8_t *data, size_t length);

aip_queue *new_queue(aip_pool *pool);
void submit(aip_session *session, const aip_request *request, aip_queue *queue, uint64_t tag);
/* What comes next. */
aip_completion next(aip_queue *queue);
aip_completion next_of(aip_queue *queue, uint32_t kind, uint64_t tag);
/* Closes the queue, which has nothing left to tell. */
void close_empty(aip_queue *queue);

#endif
