/// A host that happens to own the names a pool library might want: libaipool must neither call these nor clash with
/// them. They stand in a file of their own because aipool.h declares some of them.
extern "C" {
int host_calls = 0;
int pool_new(int a) { return ++host_calls, a + 1; }
int queue_new(int a) { return ++host_calls, a + 2; }
int client_free(int a) { return ++host_calls, a + 3; }
int pool_get_session(int a) { return ++host_calls, a + 4; }
}

/// Calls all four, through the names as the linker resolved them.
int call_host_names();
int call_host_names() { return pool_new(0) + queue_new(0) + client_free(0) + pool_get_session(0); }
