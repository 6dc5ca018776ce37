#include "sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "%s is not set; run this by scripts/with-sandbox\n", name);
        exit(2);
    }
    return value;
}

const char *sandbox_http(void)
{
    return variable("AIPOOL_SANDBOX_HTTP");
}

const char *sandbox_https(void)
{
    return variable("AIPOOL_SANDBOX_HTTPS");
}

const char *sandbox_ca_pem(void)
{
    return variable("AIPOOL_SANDBOX_CA_PEM");
}

const char *sandbox_ca_der(void)
{
    return variable("AIPOOL_SANDBOX_CA_DER");
}

static int connected(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)atoi(strrchr(sandbox_http(), ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

/* One control call; the answer's body, in a buffer of the calling thread's. */
static const char *control(const char *method, const char *path)
{
    static _Thread_local char answer[8192];
    char call[512];
    static const char form[] = "%s %s HTTP/1.1\r\nhost: sandbox\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    int length = snprintf(call, sizeof call, form, method, path);
    int fd = connected();
    CHECK_EQ(send(fd, call, (size_t)length, MSG_NOSIGNAL), length);
    size_t got = 0;
    ssize_t more;
    while ((more = recv(fd, answer + got, sizeof answer - 1 - got, 0)) != 0) {
        CHECK(more > 0 || errno == EINTR);
        got += more > 0 ? (size_t)more : 0;
    }
    close(fd);
    answer[got] = '\0';
    CHECK_CONTAINS(answer, "HTTP/1.1 200 ");
    char *body = strstr(answer, "\r\n\r\n");
    CHECK(body != NULL);
    return body + 4;
}

listener fresh_listener(void)
{
    listener made;
    const char *answer = control("POST", "/control/listeners");
    CHECK_EQ(sscanf(answer, "id=%u http=%63s https=%63s", &made.id, made.http, made.https), 3);
    return made;
}

uint64_t counter(const listener *listener, const char *name)
{
    char path[64], line[64];
    snprintf(path, sizeof path, "/control/stats?id=%u", listener->id);
    int length = snprintf(line, sizeof line, "%s=", name);
    for (const char *at = control("GET", path); at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, line, (size_t)length) == 0)
            return strtoull(at + length, NULL, 10);
    }
    check_failed(__FILE__, __LINE__, name);
}

uint64_t provider_counter(const listener *listener, const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "/control/counters?id=%u&name=%s", listener->id, name);
    const char *answer = control("GET", path);
    CHECK_STARTS(answer, name);
    return strtoull(answer + strlen(name) + 1, NULL, 10);
}

const char *last_request(const listener *listener, const char *path)
{
    char call[160];
    snprintf(call, sizeof call, "/control/last?id=%u&path=%s", listener->id, path);
    return control("GET", call);
}

void arm(const listener *listener, const char *path, const char *faults, unsigned count)
{
    char call[320];
    static const char form[] = "/control/arm?id=%u&path=%s&faults=%s&count=%u";
    snprintf(call, sizeof call, form, listener->id, path, faults, count);
    control("POST", call);
}

void wait_disconnected(const listener *listener)
{
    char path[96];
    snprintf(path, sizeof path, "/control/wait-connections-open?id=%u&max=0", listener->id);
    control("GET", path);
}

void wait_held(const char *hold, unsigned count)
{
    char path[160];
    snprintf(path, sizeof path, "/control/wait-held/%s?count=%u", hold, count);
    control("GET", path);
}

void wait_gone(const char *hold)
{
    char path[160];
    snprintf(path, sizeof path, "/control/wait-gone/%s", hold);
    control("GET", path);
}

void release(const char *hold)
{
    char path[160];
    snprintf(path, sizeof path, "/control/release/%s", hold);
    control("POST", path);
}

const char *refused_url(void)
{
    static char url[64];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, size) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    close(fd);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(address.sin_port));
    return url;
}
