/* What a test has made: the runner frees it however the test ends. Tests may free earlier; twice is harmless. */
#ifndef BELONGINGS_H
#define BELONGINGS_H

#include <aipool.h>
#include <stdint.h>

aip_pool *my_pool(aip_pool *pool);
aip_session *my_session(aip_session *session);
aip_response *my_response(aip_response *response);
aip_cancel *my_cancel(aip_cancel *cancel);
aip_queue *my_queue(aip_queue *queue);
aip_upload *my_upload(aip_upload *upload);
aip_client *my_client(aip_client *client);
/* Memory of malloc(). */
void *my_memory(void *memory);

void free_belongings(void);

/* Handles of every kind that are live in this process. */
uint64_t live_handles(void);

#endif
