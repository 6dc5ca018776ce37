int main()
{
    const auto pool = configured();
    aipool::client_options options;
    options.from_environment = true;
    options.kind = aipool::client_kind::openai;
    const auto client = aipool::client::make(pool, options).value();
    basic();
    scope();
    acquire(pool);
    ask(aipool::client_kind::openai);
    ask(aipool::client_kind::gigachat);
    ask_aloud(client);
    unpooled(client);
    pool_off();
    eviction();
    again(pool);
    threads(pool);
    many_requests(pool);
    concurrent(pool);
    show(pool);
    global_pool();
    static_cast<void>(larger());
    return fetch(pool, "/models") == 200 ? 0 : 1;
}
