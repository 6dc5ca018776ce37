/// What an AI answered.
#pragma once

#include <aipool/delta.hpp>
#include <aipool/handle.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace aipool {
inline namespace v0 {

/// Why an answer ended. Since 0.1.
enum class finish_reason : std::uint32_t {
    none = AIP_FINISH_NONE,      ///< It has not ended, or nobody said why it did.
    stop = AIP_FINISH_STOP,      ///< It was complete.
    length = AIP_FINISH_LENGTH,  ///< call::max_tokens, or the model's own bound.
    tool = AIP_FINISH_TOOL,      ///< It wants tools called.
    filter = AIP_FINISH_FILTER,  ///< The provider's filter.
    error = AIP_FINISH_ERROR,    ///< The provider failed midway.
    other = AIP_FINISH_OTHER,    ///< A word this library does not know: reply::finish.
};

/// Tokens, each as far as the provider said. Since 0.1.
struct token_usage {
    std::optional<std::int64_t> prompt;      ///< Of what was sent.
    std::optional<std::int64_t> completion;  ///< Of the answer.
    std::optional<std::int64_t> total;       ///< Of both.
    std::optional<std::int64_t> cached;      ///< Of the prompt, those that the provider had at hand.
    std::optional<std::int64_t> reasoning;   ///< Of the completion, those that were thought and not said.
    std::optional<std::int64_t> context;     ///< There may be in all.
};

/// What an answer came to; of a stream, what has been read of it: a copyable value without ties to the library. Since 0.1.
struct reply {
    std::string text;                             ///< The answer's text; of call_kind::models a name a line.
    std::string reasoning;                        ///< What the model thought aloud.
    std::string tool_calls;                       ///< A JSON array in OpenAI's form, as message::tool_calls takes it; or empty.
    std::uint32_t tool_call_count = 0;            ///< How many there are.
    finish_reason reason = finish_reason::none;   ///< Why it ended.
    std::string finish;                           ///< The provider's word for that.
    token_usage usage;                            ///< Tokens.
    std::string model;                            ///< The model, with its version where the provider says one.
    std::string id;                               ///< The provider's name of the answer.
    std::string state;                            ///< What the next call has to bring along: message::state, or call::state.
    std::string error_code;                       ///< Of a failure: the provider's code.
    std::string error_text;                       ///< Of a failure: the provider's words, 4 kB at most.
    std::vector<std::vector<float>> embeddings;   ///< Of call_kind::embed: one for each input.
    std::chrono::microseconds first_token{0};     ///< Of a stream: from the call to the first part read; 0 before.
    std::chrono::microseconds longest_gap{0};     ///< Of a stream: the longest time between two parts.
    std::uint64_t parts = 0;                      ///< Of a stream: parts read.
};

namespace impl {

inline std::optional<std::int64_t> to_tokens(std::int64_t from)
{
    if (from < 0) return std::nullopt;
    return from;
}

/// Copies as much as there is: `copy` is told where to and how much fits, and says how much is needed.
template <class Many, class Copy>
result<void> copy_all(Many& to, Copy copy)
{
    for (;;) {
        std::size_t needed = 0;
        auto copied = run([&](auto error) { return copy(to.data(), to.size(), &needed, error); });
        const bool fits = needed <= to.size();
        if (!copied && fits) return copied;
        to.resize(needed);
        if (fits) return {};
    }
}

/// Copies a text of a reply that has about so many bytes; empty where it cannot be had.
inline result<void> copy_text(std::string& to, aip_response* from, std::uint32_t part, std::size_t size)
{
    to.resize(size);
    auto copied = copy_all(to, [&](auto data, auto cap, auto needed, auto error) {
        return aip_response_reply_copy(from, part, data, cap, needed, error);
    });
    if (!copied) to.clear();
    return copied;
}

/// The numbers of a reply. The texts that C lends with them are not looked at: another thread may read on.
inline reply to_reply(const aip_reply& from)
{
    reply to;
    to.tool_call_count = from.tool_call_count;
    to.reason = static_cast<finish_reason>(from.finish_reason);
    to.usage.prompt = to_tokens(from.prompt_tokens);
    to.usage.completion = to_tokens(from.completion_tokens);
    to.usage.total = to_tokens(from.total_tokens);
    to.usage.cached = to_tokens(from.cached_tokens);
    to.usage.reasoning = to_tokens(from.reasoning_tokens);
    to.usage.context = to_tokens(from.context_tokens);
    to.first_token = std::chrono::microseconds(from.first_token_us);
    to.longest_gap = std::chrono::microseconds(from.longest_gap_us);
    to.parts = from.parts;
    return to;
}

/// The texts of a reply.
inline result<void> copy_texts(reply& to, aip_response* response, const aip_reply& from)
{
    const struct {
        std::string& to;
        std::uint32_t part;
        std::size_t size;
    } texts[] = {
        {to.text, AIP_REPLY_TEXT, from.text_len},
        {to.reasoning, AIP_REPLY_REASONING, from.reasoning_len},
        {to.tool_calls, AIP_REPLY_TOOL_CALLS, from.tool_call_count},  // At least.
        {to.finish, AIP_REPLY_FINISH, from.finish_len},
        {to.model, AIP_REPLY_MODEL, from.model_len},
        {to.id, AIP_REPLY_ID, from.id_len},
        {to.state, AIP_REPLY_STATE, from.state_len},
        {to.error_code, AIP_REPLY_ERROR_CODE, from.error_code_len},
        {to.error_text, AIP_REPLY_ERROR_TEXT, from.error_text_len},
    };
    for (const auto& text : texts) {
        if (text.size == 0) continue;
        auto copied = copy_text(text.to, response, text.part, text.size);
        if (!copied) return copied;
    }
    return {};
}

inline result<reply> reply_of(aip_response* response)
{
    const auto read_it = [&](auto out, auto size, auto error) { return aip_response_reply(response, out, size, error); };
    auto numbers = read<aip_reply>(read_it);
    if (!numbers) return std::move(numbers).error();
    const aip_reply& from = numbers.value();
    reply to = to_reply(from);
    if (auto copied = copy_texts(to, response, from); !copied) return std::move(copied).error();
    to.embeddings.resize(from.embedding_count);
    for (std::uint32_t index = 0; index < to.embeddings.size(); ++index) {
        auto copied = copy_all(to.embeddings[index], [&](auto data, auto cap, auto needed, auto error) {
            return aip_response_embedding(response, index, data, cap, needed, error);
        });
        if (!copied) return std::move(copied).error();
    }
    return to;
}

/// Adds the provider's words to a failure, where the response is a client's and has any.
inline void add_words(error& to, aip_response* response)
{
    aip_reply from{};
    if (aip_response_reply(response, &from, sizeof from, nullptr) != AIP_OK) return;
    if (from.error_code_len > 0) (void)copy_text(to.provider_code, response, AIP_REPLY_ERROR_CODE, from.error_code_len);
    if (from.error_text_len > 0) (void)copy_text(to.provider_text, response, AIP_REPLY_ERROR_TEXT, from.error_text_len);
}

}  // namespace impl

}  // namespace v0
}  // namespace aipool
