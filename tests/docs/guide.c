int main(void)
{
    aip_error error;
    aip_pool *pool = NULL;
    aip_client *client = NULL;
    aip_client_options options;
    aip_client_options_init(&options, sizeof options);
    options.kind = AIP_CLIENT_OPENAI;
    options.flags = AIP_CLIENT_FROM_ENVIRONMENT;
    int failed = configured(&pool) != AIP_OK || told(aip_client_new(pool, &options, &client, &error), &error) != AIP_OK;
    failed = failed || basic() != AIP_OK || scope() != AIP_OK || acquire(pool) != AIP_OK;
    failed = failed || ask(AIP_CLIENT_OPENAI) != AIP_OK || ask(AIP_CLIENT_GIGACHAT) != AIP_OK || ask_aloud(client) != AIP_OK;
    failed = failed || unpooled(client) != AIP_OK || pool_off() != AIP_OK || eviction() != AIP_OK || again(pool) != AIP_OK;
    failed = failed || threads(pool) != AIP_OK || many_requests(pool) != AIP_OK || concurrent(pool) != AIP_OK;
    failed = failed || fetch(pool, "/models") != AIP_OK || show(pool) != AIP_OK || global_pool() != AIP_OK;
    aip_client_free(client);
    aip_pool_free(pool);
    pool = NULL;
    failed = failed || larger(&pool) != AIP_OK;
    aip_pool_free(pool);
    return failed;
}
