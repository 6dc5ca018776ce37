/* What the fragments in the pages speak of; scripts/check-docs puts one in the place of the line below. */
#include <aipool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    aip_error error;
    aip_pool *pool = NULL;
    aip_session *session = NULL;
    aip_queue *queue = NULL;
    aip_response *response = NULL;
    aip_request request;
    aip_client_options options;
    int32_t status = AIP_OK;
    aip_request_init(&request, sizeof request);
    aip_client_options_init(&options, sizeof options);
    {
        BLOCK
    }
    return status;
}
