/* include/aipool.h without the preprocessor, by scripts/ffi-header. Left out: AIP_VERSION, a text, AIP_ABI_GUARD, a name,
 * and AIP_NUL_TERMINATED, which no enum holds: give lengths. */
enum {
    AIP_ABI_VERSION = 1,
    AIP_CALL_CHAT = 0,
    AIP_CALL_COUNT = 3,
    AIP_CALL_EMBED = 1,
    AIP_CALL_INTERRUPTIBLE = 2,
    AIP_CALL_JOB = 4,
    AIP_CALL_MODELS = 2,
    AIP_CALL_RAW = 4,
    AIP_CALL_STREAM = 1,
    AIP_CLIENT_FROM_ENVIRONMENT = 1,
    AIP_CLIENT_GIGACHAT = 3,
    AIP_CLIENT_NAPARNIK = 6,
    AIP_CLIENT_NAPARNIK_COMPAT = 7,
    AIP_CLIENT_OLLAMA = 2,
    AIP_CLIENT_OPENAI = 1,
    AIP_CLIENT_UNPOOLED = 2,
    AIP_CLIENT_YANDEX = 4,
    AIP_CLIENT_YANDEX_OPENAI = 5,
    AIP_CLOSED_BY_SERVER = 2,
    AIP_CLOSED_CANCELLED = 5,
    AIP_CLOSED_ERROR = 4,
    AIP_CLOSED_GOAWAY = 3,
    AIP_CLOSED_IDLE = 0,
    AIP_CLOSED_LIFETIME = 1,
    AIP_CLOSED_LIMIT = 9,
    AIP_CLOSED_NOT_REUSABLE = 11,
    AIP_CLOSED_NO_SESSION = 6,
    AIP_CLOSED_POOL = 7,
    AIP_CLOSED_RELOADED = 12,
    AIP_CLOSED_STALE = 8,
    AIP_CLOSED_SUSPECT = 10,
    AIP_COMPLETION_DONE = 4,
    AIP_COMPLETION_HEAD = 1,
    AIP_COMPLETION_READABLE = 2,
    AIP_COMPLETION_WRITABLE = 3,
    AIP_DELTA_DONE = 6,
    AIP_DELTA_REASONING = 3,
    AIP_DELTA_REPLACE = 2,
    AIP_DELTA_TEXT = 1,
    AIP_DELTA_TOOL = 4,
    AIP_DELTA_USAGE = 5,
    AIP_ERROR_RETRYABLE = 1,
    AIP_EVENTS_NDJSON = 2,
    AIP_EVENTS_SSE = 1,
    AIP_EVENT_INCOMPLETE = 2,
    AIP_EVENT_RETRY = 1,
    AIP_EVICT_FIFO = 2,
    AIP_EVICT_LRU = 1,
    AIP_FINISH_ERROR = 5,
    AIP_FINISH_FILTER = 4,
    AIP_FINISH_LENGTH = 2,
    AIP_FINISH_NONE = 0,
    AIP_FINISH_OTHER = 6,
    AIP_FINISH_STOP = 1,
    AIP_FINISH_TOOL = 3,
    AIP_FORMAT_JSON = 1,
    AIP_FORMAT_TEXT = 0,
    AIP_HTTP_1 = 1,
    AIP_HTTP_2 = 2,
    AIP_HTTP_AUTO = 0,
    AIP_OFF = -1,
    AIP_PART_DATA = 0,
    AIP_PART_ID = 2,
    AIP_PART_NAME = 1,
    AIP_PROXY_ENVIRONMENT = 0,
    AIP_PROXY_OFF = 1,
    AIP_REPLY_ERROR_CODE = 7,
    AIP_REPLY_ERROR_TEXT = 8,
    AIP_REPLY_FINISH = 3,
    AIP_REPLY_ID = 5,
    AIP_REPLY_MODEL = 4,
    AIP_REPLY_REASONING = 1,
    AIP_REPLY_STATE = 6,
    AIP_REPLY_TEXT = 0,
    AIP_REPLY_TOOL_CALLS = 2,
    AIP_REQUEST_INTERRUPTIBLE = 1,
    AIP_REQUEST_MAY_REPEAT = 2,
    AIP_REQUEST_STREAM = 4,
    AIP_ROLE_ASSISTANT = 2,
    AIP_ROLE_SYSTEM = 1,
    AIP_ROLE_TOOL = 3,
    AIP_ROLE_USER = 0,
    AIP_SET_SEED = 4,
    AIP_SET_TEMPERATURE = 1,
    AIP_SET_TOP_P = 2,
    AIP_TLS_1_2 = 0,
    AIP_TLS_1_3 = 1,
    AIP_TLS_FULL = 1,
    AIP_TLS_NONE = 0,
    AIP_TLS_RESUMED = 2,
    AIP_TRANSPORT_ENGINE = 0,
    AIP_TRANSPORT_REQWEST = 1,
    AIP_TRUST_ANYBODY = 2,
    AIP_TRUST_GIVEN_ONLY = 1,
    AIP_TRUST_SYSTEM_AND_GIVEN = 0,
    AIP_UNLIMITED = -2,
    AIP_VERSION_MAJOR = 0,
    AIP_VERSION_MINOR = 1,
    AIP_VERSION_PATCH = 0,
};
enum aip_status
 {
    AIP_OK = 0,
    AIP_END = 1,
    AIP_WOULD_BLOCK = 2,
    AIP_INVALID_ARGUMENT = 10,
    AIP_INVALID_HANDLE = 11,
    AIP_BUSY = 12,
    AIP_CLOSED = 13,
    AIP_TIMEOUT = 20,
    AIP_CANCELLED = 21,
    AIP_INTERRUPTED = 22,
    AIP_LIMIT = 23,
    AIP_DNS = 30,
    AIP_CONNECT = 31,
    AIP_TLS = 32,
    AIP_PROTOCOL = 33,
    AIP_RESET = 34,
    AIP_BODY = 35,
    AIP_TOO_LARGE = 36,
    AIP_TRUNCATED = 37,
    AIP_UNSUPPORTED = 40,
    AIP_NOT_CONFIGURED = 41,
    AIP_AUTH = 50,
    AIP_RATE_LIMITED = 51,
    AIP_QUOTA = 52,
    AIP_PROVIDER = 53,
    AIP_SYSTEM = 60,
    AIP_PANIC = 61,
};
typedef int32_t aip_status;
enum aip_detail
 {
    AIP_DETAIL_NONE = 0,
    AIP_DETAIL_EVICTED = 1,
    AIP_DETAIL_SESSION_CLOSED = 2,
    AIP_DETAIL_POOL_CLOSED = 3,
    AIP_DETAIL_QUEUE_CLOSED = 4,
    AIP_DETAIL_TOTAL_LIMIT = 10,
    AIP_DETAIL_CONNECT_LIMIT = 11,
    AIP_DETAIL_DRAIN_LIMIT = 12,
    AIP_DETAIL_QUEUE_LIMIT = 13,
    AIP_DETAIL_DNS_LIMIT = 14,
    AIP_DETAIL_TLS_LIMIT = 15,
    AIP_DETAIL_SEND_LIMIT = 16,
    AIP_DETAIL_FIRST_BYTE_LIMIT = 17,
    AIP_DETAIL_BETWEEN_BYTES_LIMIT = 18,
    AIP_DETAIL_FIRST_EVENT_LIMIT = 19,
    AIP_DETAIL_QUEUE_FULL = 20,
    AIP_DETAIL_BETWEEN_EVENTS_LIMIT = 21,
    AIP_DETAIL_WAIT_LIMIT = 22,
    AIP_DETAIL_PROXY = 30,
    AIP_DETAIL_UNTRUSTED_ISSUER = 40,
    AIP_DETAIL_WRONG_HOST = 41,
    AIP_DETAIL_EXPIRED = 42,
    AIP_DETAIL_WRONG_PIN = 43,
    AIP_DETAIL_CLIENT_CERTIFICATE = 44,
    AIP_DETAIL_BOMB = 50,
    AIP_DETAIL_REDIRECT = 51,
    AIP_DETAIL_BAD_REQUEST = 60,
    AIP_DETAIL_PERMISSION = 61,
    AIP_DETAIL_NOT_FOUND = 62,
    AIP_DETAIL_CONTEXT_OVERFLOW = 63,
    AIP_DETAIL_CONTENT_FILTER = 64,
    AIP_DETAIL_SERVER_ERROR = 65,
    AIP_DETAIL_OVERLOADED = 66,
    AIP_DETAIL_CONCURRENCY = 67,
    AIP_DETAIL_CIRCUIT_OPEN = 68,
    AIP_DETAIL_NOT_JSON = 69,
    AIP_DETAIL_TOOL_LOOP = 70,
};
typedef int32_t aip_detail;
enum aip_phase
 {
    AIP_PHASE_NONE = 0,
    AIP_PHASE_QUEUE = 1,
    AIP_PHASE_DNS = 2,
    AIP_PHASE_CONNECT = 3,
    AIP_PHASE_TLS = 4,
    AIP_PHASE_SEND = 5,
    AIP_PHASE_FIRST_BYTE = 6,
    AIP_PHASE_BODY = 7,
};
typedef int32_t aip_phase;
enum aip_delivery
 {
    AIP_NOT_SENT = 0,
    AIP_MAYBE_SENT = 1,
    AIP_RESPONSE_STARTED = 2,
};
typedef int32_t aip_delivery;
typedef struct aip_cancel aip_cancel;
typedef struct aip_client aip_client;
typedef struct aip_pool aip_pool;
typedef struct aip_queue aip_queue;
typedef struct aip_response aip_response;
typedef struct aip_session aip_session;
typedef struct aip_upload aip_upload;
typedef struct aip_library_stats {
    uint64_t pools;
    uint64_t sessions;
    uint64_t responses;
    uint64_t cancels;
    uint64_t guards;
    uint64_t hand_offs;
    uint64_t guard_drives;
    uint64_t guard_looks;
    uint64_t queues;
    uint64_t uploads;
    uint64_t clients;
} aip_library_stats;
typedef struct aip_pool_options {
    size_t size;
    int64_t max_size;
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    int64_t max_body_bytes;
    uint32_t eviction;
    uint32_t threads;
    int64_t queue_timeout_ms;
    int64_t dns_timeout_ms;
    int64_t tls_timeout_ms;
    int64_t send_timeout_ms;
    int64_t first_byte_timeout_ms;
    int64_t between_bytes_timeout_ms;
    int64_t max_connections_per_origin;
    int64_t max_connections;
    int64_t max_queue;
    int64_t idle_timeout_ms;
    int64_t max_lifetime_ms;
    int64_t first_event_timeout_ms;
    int64_t between_events_timeout_ms;
} aip_pool_options;
typedef struct aip_error {
    int32_t status;
    int32_t detail;
    int32_t phase;
    int32_t delivery;
    int32_t http_status;
    int32_t os_error;
    uint32_t elapsed_ms;
    uint32_t flags;
    uint32_t retry_after_ms;
    uint32_t reserved[7];
    char message[192];
} aip_error;
typedef struct aip_session_options {
    size_t size;
    const char *partition;
    size_t partition_len;
    const char *ca_file;
    size_t ca_file_len;
    const uint8_t *ca_bytes;
    size_t ca_bytes_len;
    const char *headers;
    size_t headers_len;
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    int64_t max_body_bytes;
    uint32_t http_version;
    uint32_t transport;
    int64_t queue_timeout_ms;
    int64_t dns_timeout_ms;
    int64_t tls_timeout_ms;
    int64_t send_timeout_ms;
    int64_t first_byte_timeout_ms;
    int64_t between_bytes_timeout_ms;
    int64_t max_redirects;
    int64_t max_retries;
    uint32_t trust;
    uint32_t min_tls;
    const char *client_cert_file;
    size_t client_cert_file_len;
    const uint8_t *client_cert_bytes;
    size_t client_cert_bytes_len;
    const char *client_key_file;
    size_t client_key_file_len;
    const uint8_t *client_key_bytes;
    size_t client_key_bytes_len;
    const char *server_name;
    size_t server_name_len;
    const uint8_t *pins;
    size_t pins_len;
    const char *key_log_file;
    size_t key_log_file_len;
    const char *proxy;
    size_t proxy_len;
    const char *no_proxy;
    size_t no_proxy_len;
    const char *unix_socket;
    size_t unix_socket_len;
    const char *resolve;
    size_t resolve_len;
    const char *local_address;
    size_t local_address_len;
    int64_t keepalive_ms;
    int64_t stream_window_bytes;
    uint32_t proxy_mode;
    uint32_t reserved;
    int64_t first_event_timeout_ms;
    int64_t between_events_timeout_ms;
} aip_session_options;
typedef struct aip_header {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
    uint64_t reserved[2];
} aip_header;
typedef struct aip_request {
    size_t size;
    const char *method;
    size_t method_len;
    const char *url;
    size_t url_len;
    const struct aip_header *headers;
    size_t header_count;
    const char *packed_headers;
    size_t packed_headers_len;
    const uint8_t *body;
    size_t body_len;
    struct aip_cancel *cancel;
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    int64_t max_body_bytes;
    uint32_t flags;
    uint32_t reserved;
    int64_t queue_timeout_ms;
    int64_t dns_timeout_ms;
    int64_t tls_timeout_ms;
    int64_t send_timeout_ms;
    int64_t first_byte_timeout_ms;
    int64_t between_bytes_timeout_ms;
    int64_t max_redirects;
    int64_t max_retries;
    int64_t first_event_timeout_ms;
    int64_t between_events_timeout_ms;
    struct aip_upload *upload;
    uint32_t event_format;
    uint32_t reserved2;
    int64_t max_event_bytes;
    const char *end_marker;
    size_t end_marker_len;
} aip_request;
typedef struct aip_pool_stats {
    uint64_t sessions;
    uint64_t leased;
    uint64_t over_limit;
    uint64_t in_flight;
    uint64_t sessions_created;
    uint64_t evictions;
    uint64_t requests;
    uint64_t failures;
    uint64_t connections_opened;
    uint64_t requests_reused;
    uint64_t connections_open;
    uint64_t connections_idle;
    uint64_t connections_in_use;
    uint64_t connections_insecure;
    uint64_t connections_dialing;
    uint64_t waiting;
    uint64_t connects_failed;
    uint64_t handshakes_full;
    uint64_t handshakes_resumed;
    uint64_t connections_reused;
    uint64_t waits;
    uint64_t waits_us;
    uint64_t closed[16];
} aip_pool_stats;
typedef struct aip_session_stats {
    uint64_t in_flight;
    uint64_t leases;
    uint64_t requests;
    uint64_t failures;
    uint64_t connections_opened;
    uint64_t requests_reused;
} aip_session_stats;
typedef struct aip_response_info {
    uint32_t http_version;
    uint32_t reused;
    uint64_t body_bytes;
    uint64_t first_byte_us;
    uint64_t total_us;
    char remote_address[64];
    uint64_t connection_id;
    uint32_t attempts;
    uint32_t redirects;
    uint32_t tls;
    uint32_t insecure;
    uint64_t queue_us;
    uint64_t dns_us;
    uint64_t connect_us;
    uint64_t tls_us;
} aip_response_info;
typedef struct aip_stream_event {
    const char *data;
    size_t data_len;
    const char *name;
    size_t name_len;
    const char *id;
    size_t id_len;
    uint64_t retry_ms;
    uint32_t flags;
    uint32_t reserved;
} aip_stream_event;
typedef struct aip_completion {
    uint64_t tag;
    uint32_t kind;
    int32_t status;
    struct aip_response *response;
    uint64_t reserved[5];
    struct aip_error error;
} aip_completion;
typedef struct aip_client_options {
    size_t size;
    uint32_t kind;
    uint32_t flags;
    const char *base_url;
    size_t base_url_len;
    const char *auth_url;
    size_t auth_url_len;
    const char *api_key;
    size_t api_key_len;
    const char *access_token;
    size_t access_token_len;
    const char *user;
    size_t user_len;
    const char *password;
    size_t password_len;
    const char *client_id;
    size_t client_id_len;
    const char *client_secret;
    size_t client_secret_len;
    const char *oauth_token;
    size_t oauth_token_len;
    const char *scope;
    size_t scope_len;
    const char *folder;
    size_t folder_len;
    const char *organization;
    size_t organization_len;
    const char *model;
    size_t model_len;
    const char *embedding_model;
    size_t embedding_model_len;
    const char *affinity;
    size_t affinity_len;
    const struct aip_session_options *session;
    int64_t max_concurrency;
    int64_t max_retries;
    int64_t breaker_failures;
    int64_t pacing;
    const char *operations_url;
    size_t operations_url_len;
    int64_t poll_interval_ms;
    uint32_t api_version;
    uint32_t reserved;
} aip_client_options;
typedef struct aip_message {
    uint32_t role;
    uint32_t reserved;
    const char *content;
    size_t content_len;
    const char *name;
    size_t name_len;
    const char *call_id;
    size_t call_id_len;
    const char *tool_calls;
    size_t tool_calls_len;
    const char *state;
    size_t state_len;
    const char *raw;
    size_t raw_len;
    uint64_t reserved2[3];
} aip_message;
typedef struct aip_text {
    const char *data;
    size_t len;
} aip_text;
typedef struct aip_call {
    size_t size;
    uint32_t operation;
    uint32_t flags;
    const char *system;
    size_t system_len;
    const struct aip_message *messages;
    size_t message_count;
    const char *prompt;
    size_t prompt_len;
    const char *model;
    size_t model_len;
    const char *tools;
    size_t tools_len;
    const char *tool_choice;
    size_t tool_choice_len;
    const char *json_schema;
    size_t json_schema_len;
    const char *state;
    size_t state_len;
    const char *extra;
    size_t extra_len;
    const struct aip_text *stop;
    size_t stop_count;
    const struct aip_text *inputs;
    size_t input_count;
    const char *method;
    size_t method_len;
    const char *url;
    size_t url_len;
    const uint8_t *body;
    size_t body_len;
    const char *content_type;
    size_t content_type_len;
    const char *headers;
    size_t headers_len;
    const char *idempotency_key;
    size_t idempotency_key_len;
    struct aip_cancel *cancel;
    double temperature;
    double top_p;
    int64_t seed;
    int64_t max_tokens;
    int64_t dimensions;
    uint32_t set;
    uint32_t response_format;
    int64_t timeout_ms;
    int64_t queue_timeout_ms;
    int64_t first_byte_timeout_ms;
    int64_t between_bytes_timeout_ms;
    int64_t first_event_timeout_ms;
    int64_t between_events_timeout_ms;
    int64_t max_retries;
} aip_call;
typedef struct aip_delta {
    uint32_t kind;
    uint32_t index;
    const char *text;
    size_t text_len;
    const char *id;
    size_t id_len;
    const char *name;
    size_t name_len;
    uint64_t reserved[2];
} aip_delta;
typedef struct aip_reply {
    const char *text;
    size_t text_len;
    const char *reasoning;
    size_t reasoning_len;
    const char *finish;
    size_t finish_len;
    const char *model;
    size_t model_len;
    const char *id;
    size_t id_len;
    const char *state;
    size_t state_len;
    const char *error_code;
    size_t error_code_len;
    const char *error_text;
    size_t error_text_len;
    int64_t prompt_tokens;
    int64_t completion_tokens;
    int64_t total_tokens;
    int64_t cached_tokens;
    int64_t reasoning_tokens;
    int64_t context_tokens;
    uint32_t finish_reason;
    uint32_t tool_call_count;
    uint32_t embedding_count;
    uint32_t reserved;
    uint64_t first_token_us;
    uint64_t longest_gap_us;
    uint64_t parts;
} aip_reply;
 uint32_t aip_abi_version(void);
uint32_t aip_abi_0_1(void);
 const char *aip_version(void);
const char *aip_status_name(int32_t status);
int32_t aip_stats(struct aip_library_stats *out,
                  size_t out_size);
 void aip_pool_options_init(struct aip_pool_options *options, size_t size);
int32_t aip_pool_new(const struct aip_pool_options *options,
                     struct aip_pool **pool,
                     struct aip_error *error);
int32_t aip_pool_global(const struct aip_pool_options *options,
                        struct aip_pool **pool,
                        struct aip_error *error);
 int32_t aip_pool_close_global(uint32_t drain_ms, struct aip_error *error);
int32_t aip_pool_get_session(struct aip_pool *pool,
                             const char *key,
                             size_t key_len,
                             const struct aip_session_options *options,
                             struct aip_session **session,
                             struct aip_error *error);
int32_t aip_pool_acquire(struct aip_pool *pool,
                         const char *key,
                         size_t key_len,
                         const struct aip_session_options *options,
                         struct aip_session **session,
                         struct aip_error *error);
int32_t aip_pool_request(struct aip_pool *pool,
                         const char *key,
                         size_t key_len,
                         const struct aip_request *request,
                         struct aip_response **response,
                         struct aip_error *error);
int32_t aip_pool_close_session(struct aip_pool *pool,
                               const char *key,
                               size_t key_len,
                               struct aip_error *error);
int32_t aip_pool_close_all(struct aip_pool *pool,
                           uint32_t drain_ms,
                           struct aip_error *error);
int32_t aip_pool_reload_tls(struct aip_pool *pool,
                            struct aip_error *error);
int32_t aip_pool_free(struct aip_pool *pool);
int32_t aip_pool_get_stats(struct aip_pool *pool,
                           struct aip_pool_stats *out,
                           size_t out_size,
                           struct aip_error *error);
int32_t aip_pool_metrics(struct aip_pool *pool,
                         char *buf,
                         size_t cap,
                         size_t *needed,
                         struct aip_error *error);
 void aip_session_options_init(struct aip_session_options *options, size_t size);
int32_t aip_session_request(struct aip_session *session,
                            const struct aip_request *request,
                            struct aip_response **response,
                            struct aip_error *error);
int32_t aip_session_submit(struct aip_session *session,
                           const struct aip_request *request,
                           struct aip_queue *queue,
                           uint64_t tag,
                           struct aip_error *error);
int32_t aip_session_warm(struct aip_session *session,
                         uint32_t connections,
                         uint32_t timeout_ms,
                         uint32_t *standing,
                         struct aip_error *error);
uint64_t aip_session_id(struct aip_session *session);
 int32_t aip_session_is_closed(struct aip_session *session);
int32_t aip_session_close(struct aip_session *session,
                          struct aip_error *error);
int32_t aip_session_get_stats(struct aip_session *session,
                              struct aip_session_stats *out,
                              size_t out_size,
                              struct aip_error *error);
 int32_t aip_session_free(struct aip_session *session);
 void aip_request_init(struct aip_request *request, size_t size);
 uint32_t aip_response_status(struct aip_response *response);
int32_t aip_response_header(struct aip_response *response,
                            const char *name,
                            size_t name_len,
                            const char **value,
                            size_t *value_len);
 size_t aip_response_header_count(struct aip_response *response);
int32_t aip_response_header_at(struct aip_response *response,
                               size_t index,
                               const char **name,
                               size_t *name_len,
                               const char **value,
                               size_t *value_len);
int32_t aip_response_headers_copy(struct aip_response *response,
                                  char *buf,
                                  size_t cap,
                                  size_t *needed,
                                  struct aip_error *error);
int32_t aip_response_body(struct aip_response *response,
                          const uint8_t **data,
                          size_t *len,
                          struct aip_error *error);
int32_t aip_response_body_copy(struct aip_response *response,
                               uint8_t *buf,
                               size_t cap,
                               size_t *needed,
                               struct aip_error *error);
int32_t aip_response_get_info(struct aip_response *response,
                              struct aip_response_info *out,
                              size_t out_size);
int32_t aip_response_read(struct aip_response *response,
                          uint8_t *buf,
                          size_t cap,
                          uint32_t timeout_ms,
                          size_t *count,
                          struct aip_error *error);
int32_t aip_response_next_event(struct aip_response *response,
                                uint32_t timeout_ms,
                                struct aip_stream_event *event,
                                struct aip_error *error);
int32_t aip_response_event_copy(struct aip_response *response,
                                uint32_t part,
                                char *buf,
                                size_t cap,
                                size_t *needed,
                                struct aip_error *error);
int32_t aip_response_trailers_copy(struct aip_response *response,
                                   char *buf,
                                   size_t cap,
                                   size_t *needed,
                                   struct aip_error *error);
int32_t aip_response_free(struct aip_response *response);
int32_t aip_cancel_new(struct aip_cancel **cancel,
                       struct aip_error *error);
 int32_t aip_cancel_fire(struct aip_cancel *cancel);
 int32_t aip_cancel_free(struct aip_cancel *cancel);
int32_t aip_upload_new(int64_t length,
                       struct aip_upload **upload,
                       struct aip_error *error);
int32_t aip_upload_write(struct aip_upload *upload,
                         const uint8_t *data,
                         size_t len,
                         uint32_t timeout_ms,
                         size_t *taken,
                         struct aip_error *error);
int32_t aip_upload_finish(struct aip_upload *upload,
                          struct aip_error *error);
int32_t aip_upload_progress(struct aip_upload *upload,
                            uint64_t *taken,
                            uint64_t *sent);
int32_t aip_upload_free(struct aip_upload *upload);
int32_t aip_queue_new(struct aip_pool *pool,
                      struct aip_queue **queue,
                      struct aip_error *error);
int32_t aip_queue_next(struct aip_queue *queue,
                       struct aip_completion *completions,
                       size_t cap,
                       uint32_t timeout_ms,
                       size_t *count,
                       struct aip_error *error);
int32_t aip_queue_fd(struct aip_queue *queue,
                     int32_t *fd,
                     struct aip_error *error);
int32_t aip_queue_set_notify_fd(struct aip_queue *queue,
                                int32_t fd,
                                struct aip_error *error);
int32_t aip_queue_wake(struct aip_queue *queue);
int32_t aip_queue_close(struct aip_queue *queue,
                        struct aip_error *error);
int32_t aip_queue_free(struct aip_queue *queue);
int32_t aip_events_read(uint64_t after,
                        char *buf,
                        size_t cap,
                        size_t *len,
                        uint64_t *next,
                        uint64_t *lost,
                        struct aip_error *error);
int32_t aip_live_handles(char *buf,
                         size_t cap,
                         size_t *needed,
                         struct aip_error *error);
 void aip_client_options_init(struct aip_client_options *options, size_t size);
 void aip_call_init(struct aip_call *call, size_t size);
int32_t aip_client_new(struct aip_pool *pool,
                       const struct aip_client_options *options,
                       struct aip_client **client,
                       struct aip_error *error);
int32_t aip_client_is_configured(struct aip_client *client,
                                 struct aip_error *error);
int32_t aip_client_get_session(struct aip_client *client,
                               int32_t use_pool,
                               struct aip_session **session,
                               struct aip_error *error);
int32_t aip_client_generate(struct aip_client *client,
                            const char *prompt,
                            size_t prompt_len,
                            const struct aip_call *call,
                            struct aip_response **response,
                            struct aip_error *error);
int32_t aip_client_call(struct aip_client *client,
                        const struct aip_call *call,
                        struct aip_response **response,
                        struct aip_error *error);
int32_t aip_client_submit(struct aip_client *client,
                          const struct aip_call *call,
                          struct aip_queue *queue,
                          uint64_t tag,
                          struct aip_error *error);
int32_t aip_client_free(struct aip_client *client);
int32_t aip_response_next_delta(struct aip_response *response,
                                uint32_t timeout_ms,
                                struct aip_delta *delta,
                                struct aip_error *error);
int32_t aip_response_delta_copy(struct aip_response *response,
                                uint32_t part,
                                char *buf,
                                size_t cap,
                                size_t *needed,
                                struct aip_error *error);
int32_t aip_response_reply(struct aip_response *response,
                           struct aip_reply *out,
                           size_t out_size,
                           struct aip_error *error);
int32_t aip_response_reply_copy(struct aip_response *response,
                                uint32_t part,
                                char *buf,
                                size_t cap,
                                size_t *needed,
                                struct aip_error *error);
int32_t aip_response_embedding(struct aip_response *response,
                               uint32_t index,
                               float *buf,
                               size_t cap,
                               size_t *needed,
                               struct aip_error *error);
