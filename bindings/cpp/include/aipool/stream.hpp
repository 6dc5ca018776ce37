/// A response whose body is read while it comes.
#pragma once

#include <aipool/delta.hpp>
#include <aipool/event.hpp>
#include <aipool/event_range.hpp>
#include <aipool/response.hpp>
#include <aipool/span.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace aipool {
inline namespace v0 {

namespace impl {

/// Headers as C packs them: name NUL value NUL.
inline header_list unpacked(std::string_view packed)
{
    header_list all;
    while (!packed.empty()) {
        std::string both[2];
        for (std::string& text : both) {
            const std::size_t size = packed.find('\0');
            text = packed.substr(0, size);
            packed.remove_prefix(size == packed.npos ? packed.size() : size + 1);
        }
        all.emplace_back(std::move(both[0]), std::move(both[1]));
    }
    return all;
}

}  // namespace impl

/// A response whose body is read while it comes, as bytes, as events or as a client's deltas: one of them. Move-only; what it
/// lends lives as long as it does. Its destructor gives up what has not come, without waiting. Reading is for one thread at a
/// time (status::busy); all else for any thread. Since 0.1.
///
///     auto chat = session.stream(request).value();
///     for (const auto& event : chat.events()) show(event.data);
///     if (chat.error()) complain(chat.error()->message);
///
///     auto answer = client.stream(call).value();
///     for (const auto& delta : answer.deltas())
///         if (delta.kind == aipool::delta_kind::text) show(delta.text);
class stream : private response {
public:
    /// The HTTP status. Since 0.1.
    using response::status;

    /// The first value of a header, by name in any case: borrowed, or copied from a temporary stream. Since 0.1.
    using response::header;

    /// All headers, repeated ones each in their order: borrowed. Since 0.1.
    using response::headers;

    /// How it came, so far. Since 0.1.
    using response::info;

    /// What has been read of the answer to a client's call: copied. status::busy while another thread reads, as a read may be
    /// while this copies; where one reads on meanwhile, texts may be newer than numbers. status::invalid_argument for any other
    /// stream. Since 0.1.
    using response::reply;

    /// The C handle, which stays this object's. Since 0.1.
    using response::native_handle;

    /// Copies the next bytes of the decoded body: how many, 0 at its end. Where none have come it blocks for `wait` at most:
    /// then status::would_block where `wait` was 0, else status::timeout (detail::wait_limit), and the stream goes on. Any
    /// other failure is the stream's own end, told after all that came was read; status::invalid_argument where events were
    /// read, or there is no room. Since 0.1.
    result<std::size_t> read(span<char> to, std::chrono::milliseconds wait = std::chrono::milliseconds::max())
    {
        std::size_t count = 0;
        aip_error failure{};
        const auto ended = aip_response_read(native_handle(), reinterpret_cast<std::uint8_t*>(to.data()), to.size(),
                                             impl::to_c32(wait), &count, &failure);
        if (ended == AIP_END) return std::size_t{0};
        if (ended != AIP_OK) return impl::not_done(ended, failure);
        return count;
    }

    /// The next event, lent until the next read; std::nullopt at the end. Waits and fails as read(); further
    /// status::truncated where request::end_marker never came, status::too_large beyond request::max_event_bytes,
    /// status::invalid_argument where bytes were read or the framing is unknown. Since 0.1.
    result<std::optional<event>> next_event(std::chrono::milliseconds wait = std::chrono::milliseconds::max())
    {
        aip_stream_event came{};
        aip_error failure{};
        const auto ended = aip_response_next_event(native_handle(), impl::to_c32(wait), &came, &failure);
        if (ended == AIP_END) return std::optional<event>();
        if (ended != AIP_OK) return impl::not_done(ended, failure);
        return std::optional<event>(impl::to_event(came));
    }

    /// The events that are left, for one loop over them: an input range that ends at the end and at a failure, and error()
    /// says which it was. `wait` bounds the wait for each. Borrows the stream, which must not be moved meanwhile. Since 0.1.
    event_range<stream> events(std::chrono::milliseconds wait = std::chrono::milliseconds::max()) &
    {
        failed_.reset();
        return event_range<stream>(*this, wait);
    }
    event_range<stream> events(std::chrono::milliseconds wait = std::chrono::milliseconds::max()) && = delete;

    /// The next part of the answer to a client's call, lent until the next read; std::nullopt at the end. Waits and fails as
    /// read(); further status::truncated where the answer ended before it was complete; status::provider,
    /// status::rate_limited and the like where the provider broke it off, with its words in the error. Since 0.1.
    result<std::optional<delta>> next_delta(std::chrono::milliseconds wait = std::chrono::milliseconds::max())
    {
        aip_delta came{};
        aip_error failure{};
        const auto ended = aip_response_next_delta(native_handle(), impl::to_c32(wait), &came, &failure);
        if (ended == AIP_END) return std::optional<delta>();
        if (ended == AIP_OK) return std::optional<delta>(impl::to_delta(came));
        auto told = impl::not_done(ended, failure);
        if (ended != AIP_WOULD_BLOCK) impl::add_words(told, native_handle());
        return told;
    }

    /// The deltas that are left, for one loop over them; otherwise as events(). Since 0.1.
    delta_range<stream> deltas(std::chrono::milliseconds wait = std::chrono::milliseconds::max()) &
    {
        failed_.reset();
        return delta_range<stream>(*this, wait);
    }
    delta_range<stream> deltas(std::chrono::milliseconds wait = std::chrono::milliseconds::max()) && = delete;

    /// What ended the last loop over events() or deltas(); nothing where that was the stream's end. For the reading thread.
    /// Since 0.1.
    const std::optional<aipool::error>& error() const noexcept { return failed_; }

    /// The trailers, copied: they come behind the body, so there are none before its end. Since 0.1.
    header_list trailers() const
    {
        std::string packed;
        for (;;) {
            std::size_t needed = 0;
            aip_response_trailers_copy(native_handle(), packed.data(), packed.size(), &needed, nullptr);
            if (needed <= packed.size()) {
                packed.resize(needed);
                return impl::unpacked(packed);
            }
            packed.resize(needed);
        }
    }

private:
    template <class Stream, class Reads>
    friend class read_range;
    friend struct impl::adopt;

    explicit stream(aipool::response&& head) noexcept : aipool::response(std::move(head)) {}

    std::optional<aipool::error> failed_;
};

namespace impl {

/// Makes objects of what C hands out.
struct adopt {
    static response whole(aip_response* owned) noexcept { return response(owned); }
    static stream head(response&& owned) noexcept { return stream(std::move(owned)); }
};

}  // namespace impl

}  // namespace v0
}  // namespace aipool
