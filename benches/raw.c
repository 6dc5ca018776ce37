/* The floor: a blocking socket a thread, one write, as many reads as it takes, the least parsing. Plain http only. */

#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    int socket;
    char request[1024];
    size_t request_len;
};

static struct sockaddr_in server = {.sin_family = AF_INET};

static void peer_start(const struct plan *plan) {
    unsigned port;
    if (sscanf(plan->url, "http://127.0.0.1:%u", &port) != 1)
        die(plan->url, "the raw peer knows http://127.0.0.1:PORT only");
    server.sin_port = htons((uint16_t)port);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static void *peer_open(const struct plan *plan, int index) {
    (void)plan, (void)index;
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        die("raw", "no memory");
    connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(connection->socket, (struct sockaddr *)&server, sizeof server) != 0)
        die("connect", strerror(errno));
    int head = snprintf(connection->request, sizeof connection->request,
                        "POST / HTTP/1.1\r\nhost: 127.0.0.1:%u\r\naccept: */*\r\ncontent-type: application/json\r\n"
                        "content-length: %d\r\n\r\n",
                        ntohs(server.sin_port), POST_BYTES);
    memcpy(connection->request + head, post_body, POST_BYTES);
    connection->request_len = (size_t)head + POST_BYTES;
    return connection;
}

/* Bytes of head and body, or 0 while the head is not whole. `reply` ends with a NUL. */
static size_t reply_length(const char *reply) {
    const char *end = strstr(reply, "\r\n\r\n");
    const char *length = strstr(reply, "content-length: ");
    if (end == NULL || length == NULL)
        return 0;
    return (size_t)(end + 4 - reply) + strtoul(length + strlen("content-length: "), NULL, 10);
}

static void peer_request(void *thread_state) {
    struct connection *connection = thread_state;
    if (write(connection->socket, connection->request, connection->request_len) != (ssize_t)connection->request_len)
        die("write", strerror(errno));
    char reply[4096];
    size_t length = 0, whole = 0;
    while (whole == 0 || length < whole) {
        ssize_t got = read(connection->socket, reply + length, sizeof reply - 1 - length);
        if (got <= 0)
            die("read", got == 0 ? "the server closed" : strerror(errno));
        length += (size_t)got;
        reply[length] = 0;
        whole = reply_length(reply);
    }
    if (memcmp(reply, "HTTP/1.1 200", 12) != 0 || whole < REPLY_BYTES)
        die("raw", "not the expected reply");
}

static void peer_close(void *thread_state) {
    struct connection *connection = thread_state;
    close(connection->socket);
    free(connection);
}

static void peer_stop(void) {}
