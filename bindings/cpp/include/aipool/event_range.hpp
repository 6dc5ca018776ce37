/// The events of a stream as a range.
#pragma once

#include <aipool/error.hpp>
#include <aipool/event.hpp>

#include <chrono>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

namespace aipool {
inline namespace v0 {

/// The events of a stream: an input range for one loop, made by stream::events(), whose stream it borrows. It ends at the
/// stream's end and at a failure. For one thread at a time. Since 0.1.
template <class Stream>
class event_range {
public:
    /// Reads an event at each step; equal to end() when there is no more. Since 0.1.
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;  ///< One pass.
        using value_type = event_copy;                      ///< What can be kept.
        using difference_type = std::ptrdiff_t;             ///< Of no use.
        using pointer = const event*;                       ///< Lent until the next step.
        using reference = const event&;                     ///< Lent until the next step.

        /// The end of any range. Since 0.1.
        iterator() = default;

        /// The event, lent until the next step. Since 0.1.
        reference operator*() const noexcept { return now_; }
        pointer operator->() const noexcept { return &now_; }

        /// Reads the next event, as stream::next_event(). Since 0.1.
        iterator& operator++()
        {
            if (from_ != nullptr) step();
            return *this;
        }

        /// What stood here before the step, copied. Since 0.1.
        class before {
        public:
            explicit before(const event& from) : copy_(from) {}
            const event_copy& operator*() const noexcept { return copy_; }

        private:
            event_copy copy_;
        };
        before operator++(int)
        {
            before was(now_);
            ++*this;
            return was;
        }

        /// Whether both are at an end, or at the same range. Since 0.1.
        friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.from_ == b.from_; }
        friend bool operator!=(const iterator& a, const iterator& b) noexcept { return a.from_ != b.from_; }

    private:
        friend class event_range;

        iterator(Stream* from, std::chrono::milliseconds wait) : from_(from), wait_(wait) { step(); }

        void step()
        {
            auto next = from_->next_event(wait_);
            if (next && next.value()) {
                now_ = *next.value();
                return;
            }
            if (!next) event_range::fail(*from_, std::move(next).error());
            from_ = nullptr;
        }

        Stream* from_ = nullptr;
        std::chrono::milliseconds wait_{0};
        event now_;
    };

    /// Reads the first event that is left. Since 0.1.
    iterator begin() const { return iterator(from_, wait_); }

    /// What an iterator is equal to when there are no more events. Since 0.1.
    iterator end() const noexcept { return iterator(); }

    /// What ended the range; nothing where that was the stream's end. Since 0.1.
    const std::optional<aipool::error>& error() const noexcept { return from_->error(); }

private:
    friend Stream;

    event_range(Stream& from, std::chrono::milliseconds wait) noexcept : from_(&from), wait_(wait) {}

    static void fail(Stream& stream, aipool::error&& why) { stream.failed_ = std::move(why); }

    Stream* from_;
    std::chrono::milliseconds wait_;
};

}  // namespace v0
}  // namespace aipool
