/// One part of an AI's answer.
#pragma once

#include <aipool/status.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace aipool {
inline namespace v0 {

/// What a part of an answer is. Since 0.1.
enum class delta_kind : std::uint32_t {
    none = 0,                         ///< Nothing: this delta was not written to.
    text = AIP_DELTA_TEXT,            ///< More of the answer's text.
    replace = AIP_DELTA_REPLACE,      ///< All text so far is withdrawn; `text` stands in its place. A filter did that.
    reasoning = AIP_DELTA_REASONING,  ///< More of what the model thinks aloud.
    tool = AIP_DELTA_TOOL,            ///< More of a call of a tool: `text` is a piece of its arguments.
    usage = AIP_DELTA_USAGE,          ///< The tokens in the reply are new.
    done = AIP_DELTA_DONE,            ///< The answer is complete; the end follows.
};

struct delta_copy;

/// One part of an answer: its texts are borrowed until the stream is next read from, moved or destroyed. Since 0.1.
struct delta {
    /// What it is.
    delta_kind kind = delta_kind::none;
    /// Of tool: which call.
    std::uint32_t index = 0;
    /// UTF-8; whole characters.
    std::string_view text;
    /// Of tool: the call's id; empty where it did not come.
    std::string_view id;
    /// Of tool: the tool's name; empty where it did not come.
    std::string_view name;

    /// The same with texts of its own. Any thread that may read the stream. Since 0.1.
    delta_copy copy() const;
};

/// One part of an answer with texts of its own: a plain value. Since 0.1.
struct delta_copy {
    /// As in delta.
    delta_kind kind = delta_kind::none;
    /// As in delta.
    std::uint32_t index = 0;
    /// As in delta.
    std::string text;
    /// As in delta.
    std::string id;
    /// As in delta.
    std::string name;

    delta_copy() = default;

    /// Copies what a delta borrowed. Since 0.1.
    delta_copy(const delta& from) : kind(from.kind), index(from.index), text(from.text), id(from.id), name(from.name) {}
};

inline delta_copy delta::copy() const { return *this; }

namespace impl {

/// A text as C lends it: NULL and 0 where there is none.
inline std::string_view lent(const char* text, std::size_t size)
{
    return text == nullptr ? std::string_view() : std::string_view(text, size);
}

inline delta to_delta(const aip_delta& from)
{
    delta to;
    to.kind = static_cast<delta_kind>(from.kind);
    to.index = from.index;
    to.text = lent(from.text, from.text_len);
    to.id = lent(from.id, from.id_len);
    to.name = lent(from.name, from.name_len);
    return to;
}

}  // namespace impl

}  // namespace v0
}  // namespace aipool
