/* What operations there are, over which sessions, and what became of them. */
#ifndef LOAD_H
#define LOAD_H

#include <aipool.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef enum kind { WHOLE, STREAM, UPLOAD, SHORT, CANCELLED, GIVEN_UP } kind;

/* One operation from its submission to its end. */
typedef struct operation {
    /* 0 where none is under way; read by who watches. */
    _Atomic int64_t begun_ms;
    kind kind;
    aip_request request;
    char url[320];
    char body[320];
    /* Bytes of the whole answer, or pushed. */
    size_t length;
    aip_response *stream;
    unsigned events;
    bool marked;
    /* How reading failed, where it did. */
    int32_t broken;
    aip_upload *upload;
    size_t pushed;
    bool pushed_all;
    _Atomic(aip_cancel *) cancel;
    int64_t cancel_at_ms;
} operation;

extern aip_pool *pool;
extern atomic_ullong accepted, ended, refused, retries;
extern atomic_bool stopping, failed;

/* Says what is wrong; the run goes on, and fails. */
void fail(const char *form, ...) __attribute__((format(printf, 1, 2)));

void load_begin(void);
/* A session by chance; NULL when it was closed at that moment. */
aip_session *any_session(unsigned *chance);
void close_any_session(unsigned *chance);
/* Something to ask for, by chance, an upload so long; what it takes is in the operation. */
void prepare(operation *operation, size_t upload_length, unsigned *chance);
/* Frees all it has, after its end or where it was refused. */
void release(operation *operation);

/* Takes the events that are there: AIP_WOULD_BLOCK, or how it ended. Waits for each for `wait_ms`. */
int32_t read_events(operation *operation, uint32_t wait_ms);
/* Gives the upload what it takes just now. */
void push(operation *operation);
/* Counts the one end. `response` is NULL, or whole and freed here. */
void count_end(operation *operation, int32_t status, aip_response *response);

/* Outcomes by name, for the last line. */
void print_outcomes(void);

#endif
