/// One event of a stream.
#pragma once

#include <aipool/status.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace aipool {
inline namespace v0 {

struct event_copy;

/// One event of a stream: its texts are borrowed until the stream is next read from, moved or destroyed. Since 0.1.
struct event {
    /// The data lines, joined by newlines; for NDJSON the line. What is not UTF-8 is replaced by U+FFFD.
    std::string_view data;
    /// The type; empty where none was given, which means "message". Empty for NDJSON.
    std::string_view name;
    /// The last event ID, of this event or an earlier one. Empty for NDJSON.
    std::string_view id;
    /// The reconnection time that this event sets.
    std::optional<std::chrono::milliseconds> retry;
    /// The stream ended before the event did.
    bool incomplete = false;

    /// The same with texts of its own. Any thread that may read the stream. Since 0.1.
    event_copy copy() const;
};

/// An event with texts of its own: a plain value. Since 0.1.
struct event_copy {
    /// As in event.
    std::string data;
    /// As in event.
    std::string name;
    /// As in event.
    std::string id;
    /// As in event.
    std::optional<std::chrono::milliseconds> retry;
    /// As in event.
    bool incomplete = false;

    event_copy() = default;

    /// Copies what an event borrowed. Since 0.1.
    event_copy(const event& from)
        : data(from.data), name(from.name), id(from.id), retry(from.retry), incomplete(from.incomplete)
    {
    }
};

inline event_copy event::copy() const { return *this; }

namespace impl {

inline event to_event(const aip_stream_event& from)
{
    event to;
    to.data = {from.data, from.data_len};
    to.name = {from.name, from.name_len};
    to.id = {from.id, from.id_len};
    if ((from.flags & AIP_EVENT_RETRY) != 0) to.retry = std::chrono::milliseconds(from.retry_ms);
    to.incomplete = (from.flags & AIP_EVENT_INCOMPLETE) != 0;
    return to;
}

}  // namespace impl

}  // namespace v0
}  // namespace aipool
