
func main() {
	ctx := context.Background()
	pool, err := configured()
	if err != nil {
		panic(err)
	}
	client, err := aipool.NewClient(aipool.ClientOpenAI, aipool.ClientOptions{Pool: pool, FromEnv: true})
	if err != nil {
		panic(err)
	}
	status, failed := fetch(ctx, pool, "/models")
	bigger, unmade := larger()
	err = errors.Join(failed, unmade, basic(ctx), scope(ctx), acquire(ctx, pool), ask(ctx, aipool.ClientOpenAI),
		ask(ctx, aipool.ClientGigaChat), askAloud(ctx, client), unpooled(ctx, client), poolOff(ctx), eviction(), again(ctx, pool),
		threads(ctx, pool), manyRequests(ctx, pool), concurrent(ctx, pool), show(pool), globalPool(ctx))
	if err != nil || status != 200 {
		panic(fmt.Sprint(status, err))
	}
	bigger.Close()
	client.Close()
	pool.Close()
}
