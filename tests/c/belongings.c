#include "belongings.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST = 4096 };

typedef void (*give_up)(void *);

static struct {
    void *thing;
    give_up give_up;
} belongings[MOST];
static size_t count;

static void *mine(void *thing, give_up give_up)
{
    if (count == MOST) {
        fputs("belongings: a test makes too many\n", stderr);
        abort();
    }
    belongings[count].thing = thing;
    belongings[count++].give_up = give_up;
    return thing;
}

static void give_up_pool(void *pool)
{
    aip_pool_free(pool);
}

static void give_up_session(void *session)
{
    aip_session_free(session);
}

static void give_up_response(void *response)
{
    aip_response_free(response);
}

static void give_up_cancel(void *cancel)
{
    aip_cancel_free(cancel);
}

static void give_up_queue(void *queue)
{
    aip_queue_free(queue);
}

static void give_up_upload(void *upload)
{
    aip_upload_free(upload);
}

static void give_up_client(void *client)
{
    aip_client_free(client);
}

aip_pool *my_pool(aip_pool *pool)
{
    return mine(pool, give_up_pool);
}

aip_session *my_session(aip_session *session)
{
    return mine(session, give_up_session);
}

aip_response *my_response(aip_response *response)
{
    return mine(response, give_up_response);
}

aip_cancel *my_cancel(aip_cancel *cancel)
{
    return mine(cancel, give_up_cancel);
}

aip_queue *my_queue(aip_queue *queue)
{
    return mine(queue, give_up_queue);
}

aip_upload *my_upload(aip_upload *upload)
{
    return mine(upload, give_up_upload);
}

aip_client *my_client(aip_client *client)
{
    return mine(client, give_up_client);
}

void *my_memory(void *memory)
{
    return mine(memory, free);
}

void free_belongings(void)
{
    while (count > 0) {
        count--;
        belongings[count].give_up(belongings[count].thing);
    }
}

uint64_t live_handles(void)
{
    aip_library_stats stats;
    aip_stats(&stats, sizeof stats);
    return stats.pools + stats.sessions + stats.responses + stats.cancels + stats.queues + stats.uploads +
           stats.clients;
}
