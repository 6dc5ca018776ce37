/// The events and the deltas of a stream as ranges.
#pragma once

#include <aipool/delta.hpp>
#include <aipool/error.hpp>
#include <aipool/event.hpp>

#include <chrono>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

namespace aipool {
inline namespace v0 {

namespace impl {

/// What a range reads: events.
struct reads_events {
    using item = event;
    using copy = event_copy;
    template <class Stream>
    static auto next(Stream& from, std::chrono::milliseconds wait)
    {
        return from.next_event(wait);
    }
};

/// What a range reads: deltas.
struct reads_deltas {
    using item = delta;
    using copy = delta_copy;
    template <class Stream>
    static auto next(Stream& from, std::chrono::milliseconds wait)
    {
        return from.next_delta(wait);
    }
};

}  // namespace impl

/// What is left of a stream, part by part: an input range for one loop, made by stream::events() or stream::deltas(), whose
/// stream it borrows. It ends at the stream's end and at a failure. For one thread at a time. Since 0.1.
template <class Stream, class Reads>
class read_range {
    using item = typename Reads::item;
    using copy = typename Reads::copy;

public:
    /// Reads a part at each step; equal to end() when there is no more. Since 0.1.
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;  ///< One pass.
        using value_type = copy;                            ///< What can be kept.
        using difference_type = std::ptrdiff_t;             ///< Of no use.
        using pointer = const item*;                        ///< Lent until the next step.
        using reference = const item&;                      ///< Lent until the next step.

        /// The end of any range. Since 0.1.
        iterator() = default;

        /// The part, lent until the next step. Since 0.1.
        reference operator*() const noexcept { return now_; }
        /// As `*`. Since 0.1.
        pointer operator->() const noexcept { return &now_; }

        /// Reads the next part, as stream::next_event() or next_delta(). Since 0.1.
        iterator& operator++()
        {
            if (from_ != nullptr) step();
            return *this;
        }

        /// What stood here before the step, copied. Since 0.1.
        class before {
        public:
            /// Copies a part. Since 0.1.
            explicit before(const item& from) : copy_(from) {}
            /// The copy. Since 0.1.
            const copy& operator*() const noexcept { return copy_; }

        private:
            copy copy_;
        };
        /// Reads the next part, and gives a copy of the one before. Since 0.1.
        before operator++(int)
        {
            before was(now_);
            ++*this;
            return was;
        }

        /// Whether both are at an end, or at the same range. Since 0.1.
        friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.from_ == b.from_; }
        /// The opposite. Since 0.1.
        friend bool operator!=(const iterator& a, const iterator& b) noexcept { return a.from_ != b.from_; }

    private:
        friend class read_range;

        iterator(Stream* from, std::chrono::milliseconds wait) : from_(from), wait_(wait) { step(); }

        void step()
        {
            auto next = Reads::next(*from_, wait_);
            if (next && next.value()) {
                now_ = *next.value();
                return;
            }
            if (!next) read_range::fail(*from_, std::move(next).error());
            from_ = nullptr;
        }

        Stream* from_ = nullptr;
        std::chrono::milliseconds wait_{0};
        item now_;
    };

    /// Reads the first part that is left. Since 0.1.
    iterator begin() const { return iterator(from_, wait_); }

    /// What an iterator is equal to when there are no more parts. Since 0.1.
    iterator end() const noexcept { return iterator(); }

    /// What ended the range; nothing where that was the stream's end. Since 0.1.
    const std::optional<aipool::error>& error() const noexcept { return from_->error(); }

private:
    friend Stream;

    read_range(Stream& from, std::chrono::milliseconds wait) noexcept : from_(&from), wait_(wait) {}

    static void fail(Stream& stream, aipool::error&& why) { stream.failed_ = std::move(why); }

    Stream* from_;
    std::chrono::milliseconds wait_;
};

/// The events of a stream as a range. Since 0.1.
template <class Stream>
using event_range = read_range<Stream, impl::reads_events>;

/// The deltas of a client's answer as a range. Since 0.1.
template <class Stream>
using delta_range = read_range<Stream, impl::reads_deltas>;

}  // namespace v0
}  // namespace aipool
