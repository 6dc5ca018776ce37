/// One call of an AI provider.
#pragma once

#include <aipool/cancel_source.hpp>
#include <aipool/options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace aipool {
inline namespace v0 {

/// What a client is asked for. Since 0.1.
enum class call_kind : std::uint32_t {
    chat = AIP_CALL_CHAT,      ///< The talk goes on.
    embed = AIP_CALL_EMBED,    ///< Embeddings of call::inputs.
    models = AIP_CALL_MODELS,  ///< The models there are: reply::text, a name a line.
    count = AIP_CALL_COUNT,    ///< Tokens of call::inputs: their sum is token_usage::prompt.
    raw = AIP_CALL_RAW,        ///< Any other request: call::method, url and body; signed, paced and judged as the others.
};

/// Who says a message. Since 0.1.
enum class role : std::uint32_t {
    user = AIP_ROLE_USER,            ///< Who asks.
    system = AIP_ROLE_SYSTEM,        ///< Who set the model its task.
    assistant = AIP_ROLE_ASSISTANT,  ///< What the model answered.
    tool = AIP_ROLE_TOOL,            ///< What a tool gave.
};

/// The form of an answer. Since 0.1.
enum class response_format : std::uint32_t {
    text = AIP_FORMAT_TEXT,  ///< Any text.
    json = AIP_FORMAT_JSON,  ///< JSON; by call::json_schema where that is set.
};

/// One message of a talk: a plain struct. Since 0.1.
struct message {
    /// Who says it.
    aipool::role role = aipool::role::user;
    /// What is said; a tool's result is mostly JSON.
    std::string content;
    /// Of a tool's result: the tool's name.
    std::string name;
    /// Of a tool's result: the id of the call it answers, where the provider has ids.
    std::string call_id;
    /// Of an assistant's message: reply::tool_calls of that answer.
    std::string tool_calls;
    /// Of an assistant's message: reply::state of that answer.
    std::string state;
    /// The whole message as JSON in the provider's own words, in place of all that.
    std::string raw;
};

/// One call: a plain struct, copied before anything is sent. Everything unset is the default. Since 0.1.
///
///     aipool::call call;
///     call.prompt = "Why is the sky blue?";
///     call.temperature = 0.0;
struct call {
    /// A user's message, after all `messages`.
    std::string prompt;
    /// The talk so far.
    std::vector<message> messages;
    /// The system's word, before all `messages`.
    std::string system;
    /// The model; by default the client's.
    std::string model;
    /// Tools, a JSON array: of {"name", "description", "parameters"}, or of OpenAI's {"type": "function", "function": {...}}.
    std::string tools;
    /// "auto", "none", "required", or the name of the tool to call; by default as the provider does.
    std::string tool_choice;
    /// The form of the answer.
    aipool::response_format response_format = aipool::response_format::text;
    /// A JSON Schema that the answer keeps to.
    std::string json_schema;
    /// 0 to 2; by default the model's own.
    std::optional<double> temperature;
    /// 0 to 1; by default the model's own.
    std::optional<double> top_p;
    /// Any number; equal ones make answers alike, where the provider can.
    std::optional<std::int64_t> seed;
    /// Most tokens of the answer. Zero is refused.
    std::optional<std::uint64_t> max_tokens;
    /// Texts at which the answer stops.
    std::vector<std::string> stop;
    /// reply::state of the answer before, where the provider keeps the talk (Naparnik).
    std::string state;
    /// More members of the request's body, a JSON object in the provider's own words; they go over those made here.
    std::string extra;
    /// Names may repeat and keep their order.
    header_list headers;
    /// Sent as Idempotency-Key: then the call may be repeated where its connection broke.
    std::string idempotency_key;
    /// Ends the call from another thread or a signal handler. Borrowed until the call is submitted, which is when it is awaited
    /// where it is; without a queue until the call returns. May be null.
    const cancel_source* cancel = nullptr;
    /// A signal handler of yours that runs on the waiting thread ends the wait with status::interrupted.
    bool interruptible = false;
    /// Yandex: as an operation that is asked about until it is done.
    bool job = false;
    /// For the whole call; by default the client's, which by default has none: what is cut off is billed. Zero is refused.
    std::optional<std::chrono::milliseconds> timeout;
    /// For waiting for a slot and the pace of the provider, and for a connection; by default the client's. Zero is refused.
    std::optional<std::chrono::milliseconds> queue_timeout;
    /// To the head of the answer; by default the client's. Zero is refused.
    std::optional<std::chrono::milliseconds> first_byte_timeout;
    /// For the time without one more byte of it; by default the client's. Zero is refused.
    std::optional<std::chrono::milliseconds> between_bytes_timeout;
    /// To the first event of a stream; by default the client's. Zero is refused.
    std::optional<std::chrono::milliseconds> first_event_timeout;
    /// For the time without one more event of a stream, comments not counted; by default the client's. Zero is refused.
    std::optional<std::chrono::milliseconds> between_events_timeout;
    /// Further attempts, up to 10; by default the client's.
    std::optional<std::uint32_t> max_retries;
    /// What is asked for.
    call_kind kind = call_kind::chat;
    /// Of embed and count: the texts.
    std::vector<std::string> inputs;
    /// Of embed: numbers a text; by default the model's own. Zero is refused.
    std::optional<std::uint64_t> dimensions;
    /// Of raw: by default GET without and POST with a body.
    std::string method;
    /// Of raw: relative to the client's base URL.
    std::string url;
    /// Of raw: any bytes.
    std::string body;
    /// Of raw: by default application/json where there is a body.
    std::string content_type;
};

namespace impl {

/// A call as C reads it; it borrows what it is made of.
class c_call {
public:
    explicit c_call(const call& from, bool as_stream = false)
    {
        aip_call_init(&call_, sizeof call_);
        call_.operation = static_cast<std::uint32_t>(from.kind);
        if (as_stream) call_.flags |= AIP_CALL_STREAM;
        if (from.interruptible) call_.flags |= AIP_CALL_INTERRUPTIBLE;
        if (from.job) call_.flags |= AIP_CALL_JOB;
        set_talk(from);
        set_texts(from);
        set_numbers(from);
        call_.cancel = from.cancel == nullptr ? nullptr : from.cancel->native_handle();
        // C would take the NULL for none at all.
        if (from.cancel != nullptr && call_.cancel == nullptr) {
            error_ = own_error(status::invalid_handle, "cancel: this cancel_source was moved from");
        }
    }

    c_call(const c_call&) = delete;
    c_call& operator=(const c_call&) = delete;

    const aip_call* get() const { return &call_; }

    /// What cannot be said in C.
    const std::optional<error>& refused() const { return error_; }

private:
    static aip_message to_c(const message& from)
    {
        aip_message to{};
        to.role = static_cast<std::uint32_t>(from.role);
        set(to.content, to.content_len, from.content);
        set(to.name, to.name_len, from.name);
        set(to.call_id, to.call_id_len, from.call_id);
        set(to.tool_calls, to.tool_calls_len, from.tool_calls);
        set(to.state, to.state_len, from.state);
        set(to.raw, to.raw_len, from.raw);
        return to;
    }

    static std::vector<aip_text> to_c(const std::vector<std::string>& from)
    {
        std::vector<aip_text> to;
        to.reserve(from.size());
        for (const auto& text : from) to.push_back({text.data(), text.size()});
        return to;
    }

    void set_talk(const call& from)
    {
        messages_.reserve(from.messages.size());
        for (const auto& one : from.messages) messages_.push_back(to_c(one));
        call_.messages = messages_.data();
        call_.message_count = messages_.size();
        stop_ = to_c(from.stop);
        call_.stop = stop_.data();
        call_.stop_count = stop_.size();
        inputs_ = to_c(from.inputs);
        call_.inputs = inputs_.data();
        call_.input_count = inputs_.size();
    }

    void set_texts(const call& from)
    {
        set(call_.prompt, call_.prompt_len, from.prompt);
        set(call_.system, call_.system_len, from.system);
        set(call_.model, call_.model_len, from.model);
        set(call_.tools, call_.tools_len, from.tools);
        set(call_.tool_choice, call_.tool_choice_len, from.tool_choice);
        set(call_.json_schema, call_.json_schema_len, from.json_schema);
        set(call_.state, call_.state_len, from.state);
        set(call_.extra, call_.extra_len, from.extra);
        set(call_.method, call_.method_len, from.method);
        set(call_.url, call_.url_len, from.url);
        set(call_.body, call_.body_len, from.body);
        set(call_.content_type, call_.content_type_len, from.content_type);
        set(call_.idempotency_key, call_.idempotency_key_len, from.idempotency_key);
        error_ = pack(packed_, from.headers);
        set(call_.headers, call_.headers_len, packed_);
    }

    void set_numbers(const call& from)
    {
        call_.response_format = static_cast<std::uint32_t>(from.response_format);
        if (from.temperature) call_.set |= AIP_SET_TEMPERATURE;
        if (from.top_p) call_.set |= AIP_SET_TOP_P;
        if (from.seed) call_.set |= AIP_SET_SEED;
        call_.temperature = from.temperature.value_or(0);
        call_.top_p = from.top_p.value_or(0);
        call_.seed = from.seed.value_or(0);
        call_.max_retries = impl::to_c(from.max_retries);
        limits all;
        all.set(call_.max_tokens, from.max_tokens, "max_tokens");
        all.set(call_.dimensions, from.dimensions, "dimensions");
        all.set(call_.timeout_ms, from.timeout, "timeout");
        all.set(call_.queue_timeout_ms, from.queue_timeout, "queue_timeout");
        all.set(call_.first_byte_timeout_ms, from.first_byte_timeout, "first_byte_timeout");
        all.set(call_.between_bytes_timeout_ms, from.between_bytes_timeout, "between_bytes_timeout");
        all.set(call_.first_event_timeout_ms, from.first_event_timeout, "first_event_timeout");
        all.set(call_.between_events_timeout_ms, from.between_events_timeout, "between_events_timeout");
        if (!error_) error_ = all.refused();
    }

    aip_call call_{};
    std::vector<aip_message> messages_;
    std::vector<aip_text> stop_;
    std::vector<aip_text> inputs_;
    std::string packed_;
    std::optional<error> error_;
};

}  // namespace impl

}  // namespace v0
}  // namespace aipool
