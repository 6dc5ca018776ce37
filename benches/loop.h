/* libcurl's multi interface over epoll: libcurl says which sockets to watch (multi_socket), and a socket stays in epoll
 * until it is closed, so that a request costs no change there. */

#ifndef LOOP_H
#define LOOP_H

#include "common.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { MOST_SOCKETS = 20000, EVENTS = 64 };

struct loop {
    CURLM *multi;
    int epoll;
    uint64_t alarm_ns; /* 0: none */
    uint32_t watched[MOST_SOCKETS]; /* by descriptor: what epoll watches */
    uint32_t wanted[MOST_SOCKETS];  /* and what libcurl wants */
};

static struct loop loop;

static void check_easy(CURLcode code, const char *what) {
    if (code != CURLE_OK)
        die(what, curl_easy_strerror(code));
}

static void check_multi(CURLMcode code, const char *what) {
    if (code != CURLM_OK)
        die(what, curl_multi_strerror(code));
}

static void watch(int socket, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = socket};
    int change = loop.watched[socket] == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    if (epoll_ctl(loop.epoll, change, socket, &event) != 0)
        die("epoll_ctl", strerror(errno));
    loop.watched[socket] = events;
}

static int socket_wanted(CURL *easy, curl_socket_t socket, int what, void *argument, void *assigned) {
    (void)easy, (void)argument, (void)assigned;
    if (socket >= MOST_SOCKETS)
        die("socket", "too many");
    uint32_t events = (what & CURL_POLL_IN && what != CURL_POLL_REMOVE ? EPOLLIN : 0) |
                      (what & CURL_POLL_OUT && what != CURL_POLL_REMOVE ? EPOLLOUT : 0);
    loop.wanted[socket] = events;
    if (events != 0 && events != loop.watched[socket])
        watch(socket, events);
    return 0;
}

static int alarm_wanted(CURLM *multi, long timeout_ms, void *argument) {
    (void)multi, (void)argument;
    loop.alarm_ns = timeout_ms < 0 ? 0 : now_ns() + (uint64_t)timeout_ms * 1000000u;
    return 0;
}

static int socket_closed(void *argument, curl_socket_t socket) {
    (void)argument;
    loop.watched[socket] = loop.wanted[socket] = 0;
    return close(socket);
}

static void loop_start(long connections) {
    check_easy(curl_global_init(CURL_GLOBAL_DEFAULT), "curl_global_init");
    loop.multi = curl_multi_init();
    loop.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop.multi == NULL || loop.epoll < 0)
        die("curl_multi_init", "no memory");
    check_multi(curl_multi_setopt(loop.multi, CURLMOPT_SOCKETFUNCTION, socket_wanted), "CURLMOPT_SOCKETFUNCTION");
    check_multi(curl_multi_setopt(loop.multi, CURLMOPT_TIMERFUNCTION, alarm_wanted), "CURLMOPT_TIMERFUNCTION");
    check_multi(curl_multi_setopt(loop.multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections), "MAX_HOST_CONNECTIONS");
    check_multi(curl_multi_setopt(loop.multi, CURLMOPT_MAXCONNECTS, connections), "CURLMOPT_MAXCONNECTS");
}

static void loop_act(curl_socket_t socket, int what) {
    int running;
    check_multi(curl_multi_socket_action(loop.multi, socket, what, &running), "curl_multi_socket_action");
}

static void loop_event(const struct epoll_event *event) {
    int socket = event->data.fd;
    if (loop.wanted[socket] == 0) /* an idle one: libcurl looks at it when it takes it again */
        watch(socket, 0);
    else
        loop_act(socket, (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                             (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? CURL_CSELECT_IN : 0));
}

/* Waits once, a second at most, and does what is due. */
static void loop_turn(void) {
    int timeout_ms = 1000;
    if (loop.alarm_ns != 0) {
        uint64_t now = now_ns();
        uint64_t left_ms = loop.alarm_ns <= now ? 0 : (loop.alarm_ns - now + 999999u) / 1000000u;
        timeout_ms = left_ms < 1000 ? (int)left_ms : 1000;
    }
    struct epoll_event events[EVENTS];
    int count = epoll_wait(loop.epoll, events, EVENTS, timeout_ms);
    for (int i = 0; i < count; i++)
        loop_event(&events[i]);
    if (loop.alarm_ns != 0 && loop.alarm_ns <= now_ns()) {
        loop.alarm_ns = 0;
        loop_act(CURL_SOCKET_TIMEOUT, 0);
    }
}

/* The next transfer that has ended well, or NULL. */
static CURL *loop_ended(void) {
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(loop.multi, &left)) != NULL;) {
        if (message->msg != CURLMSG_DONE)
            continue;
        check_easy(message->data.result, "transfer");
        return message->easy_handle;
    }
    return NULL;
}

#endif
