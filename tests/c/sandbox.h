/* The sandbox: where it is, and its control calls, made over a plain socket so that no test leans on what it tests. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdint.h>

typedef struct listener {
    unsigned id;
    char http[64];
    char https[64];
} listener;

const char *sandbox_http(void);
const char *sandbox_https(void);
const char *sandbox_ca_pem(void);
const char *sandbox_ca_der(void);

/* A port pair with counters of its own. */
listener fresh_listener(void);
/* A counter of a listener, by its name in the sandbox's help. */
uint64_t counter(const listener *listener, const char *name);
/* A counter of the providers' part, such as "requests:/v1/chat/completions"; 0 where nothing was counted. */
uint64_t provider_counter(const listener *listener, const char *name);
/* The last request to a path: JSON, headers and body. Good until the next control call. */
const char *last_request(const listener *listener, const char *path);
/* The next requests to a path have these faults. */
void arm(const listener *listener, const char *path, const char *faults, unsigned count);
/* Waits until no connection of the listener is open. */
void wait_disconnected(const listener *listener);

void wait_held(const char *hold, unsigned count);
void wait_gone(const char *hold);
void release(const char *hold);

/* A URL on a port of 127.0.0.1 that nobody listens on. */
const char *refused_url(void);

#endif
