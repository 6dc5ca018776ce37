/// How a queue's completions get to those who wait for them. Nothing here is for users.
#pragma once

#include <aipool/call.hpp>
#include <aipool/completion.hpp>
#include <aipool/handle.hpp>
#include <aipool/request.hpp>
#include <aipool/stream_handlers.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace aipool {
inline namespace v0 {
namespace impl {

/// What is submitted, over what.
inline std::int32_t submit_in_c(aip_session* over, const aip_request* what, aip_queue* to, std::uint64_t tag, aip_error* why)
{
    return aip_session_submit(over, what, to, tag, why);
}
inline std::int32_t submit_in_c(aip_client* over, const aip_call* what, aip_queue* to, std::uint64_t tag, aip_error* why)
{
    return aip_client_submit(over, what, to, tag, why);
}

/// A request or a call as C reads it.
inline c_request in_c(const request& what, bool as_stream)
{
    return c_request(what, as_stream ? std::uint32_t{AIP_REQUEST_STREAM} : 0);
}
inline c_call in_c(const call& what, bool as_stream) { return c_call(what, as_stream); }

/// A submitted request, and who waits for it.
class operation {
public:
    operation() = default;
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;
    virtual ~operation() = default;

    /// Told of one completion: one at a time, in their order, on a polling thread.
    virtual void told(completion&& what) = 0;

    /// Whether it is told that reading is worth while once more before its end.
    virtual bool looks_again() const noexcept { return false; }

private:
    friend class dispatcher;

    // Guarded by the dispatcher's state_.
    std::vector<completion> inbox_;
    bool running_ = false;
    bool is_left_ = false;
    std::shared_ptr<operation> next_left_;
};

/// A request whose end is handled.
template <class Handler, class Writable>
class request_operation final : public operation {
public:
    template <class H, class W>
    request_operation(H&& handler, W&& writable)
        : handler_(std::forward<H>(handler)), writable_(std::forward<W>(writable))
    {
    }

    void told(completion&& what) override
    {
        if (what.kind == completion_kind::writable) writable_();
        if (what.kind == completion_kind::done) std::move(handler_)(outcome_of(std::move(what)));
    }

private:
    Handler handler_;
    Writable writable_;
};

/// A stream with handlers.
class stream_operation final : public operation {
public:
    explicit stream_operation(stream_handlers handlers) noexcept : handlers_(std::move(handlers)) {}

    bool looks_again() const noexcept override { return true; }

    void told(completion&& what) override
    {
        switch (what.kind) {
        case completion_kind::head:
            stream_ = std::move(what.stream);
            if (stream_ && handlers_.on_head) handlers_.on_head(*stream_);
            break;
        case completion_kind::readable:
            if (stream_ && handlers_.on_readable) handlers_.on_readable(*stream_);
            break;
        case completion_kind::writable:
            if (handlers_.on_writable) handlers_.on_writable();
            break;
        case completion_kind::done:
            if (handlers_.on_done) handlers_.on_done(ended(std::move(what.error)));
            break;
        case completion_kind::none: break;
        }
    }

private:
    static result<void> ended(error&& failure)
    {
        if (failure.status == status::ok) return {};
        return std::move(failure);
    }

    stream_handlers handlers_;
    std::optional<stream> stream_;
};

/// A queue and the operations whose ends are not told yet.
class dispatcher {
public:
    explicit dispatcher(aip_queue* owned) noexcept : queue_(owned) {}
    dispatcher(const dispatcher&) = delete;
    dispatcher& operator=(const dispatcher&) = delete;
    ~dispatcher() { aip_queue_free(queue_); }

    /// Freed or not: C knows.
    aip_queue* queue() const noexcept { return queue_; }

    /// Whose completions these are: those with handlers go to poll(), the others to next(). The first use decides.
    enum class use : int { undecided, raw, handled };

    result<void> claim(use wanted)
    {
        use found = use::undecided;
        if (use_.compare_exchange_strong(found, wanted) || found == wanted) return {};
        return own_error(status::invalid_argument,
                         wanted == use::raw
                             ? "queue: has handlers: poll() is for it; make another for tags and next()"
                             : "queue: has tags: next() is for it; make another for handlers and poll()");
    }

    template <class Over, class What>
    result<void> submit(Over* over, const What& what, std::shared_ptr<operation> waiting)
    {
        if (what.refused()) return *what.refused();
        if (auto mine = claim(use::handled); !mine) return mine;
        std::uint64_t tag = 0;
        {
            const std::lock_guard<std::mutex> lock(state_);
            tag = ++last_tag_;
            pending_.emplace(tag, std::move(waiting));
        }
        auto sent = run([&](auto error) { return submit_in_c(over, what.get(), queue_, tag, error); });
        if (!sent) forget(tag);
        return sent;
    }

    result<std::size_t> poll(std::chrono::milliseconds wait)
    {
        if (auto mine = claim(use::handled); !mine) return std::move(mine).error();
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(to_c32(wait));
        std::size_t handled = 0;
        while (auto left = a_left_one()) {
            ++handled;
            drain(std::move(left));
        }
        // Handlers that submit what ends at once do not keep it here for ever.
        constexpr std::size_t most = 1024;
        while (handled < most) {
            auto next = take(handled > 0, deadline);
            if (!next && handled > 0) break;
            if (!next) return std::move(next).error();
            if (!next.value()) break;
            ++handled;
            if (next.value()->mine) drain(std::move(next.value()->mine));
        }
        return handled;
    }

    /// Frees the queue and tells everybody who still waits that nothing will come.
    void shut() noexcept
    {
        aip_queue_free(queue_);
        for (;;) {
            std::shared_ptr<operation> mine;
            {
                const std::lock_guard<std::mutex> lock(state_);
                if (pending_.empty()) break;
                completion end;
                end.kind = completion_kind::done;
                end.error = own_error(status::cancelled, "queue: was destroyed while the request was under way");
                end.error.detail = detail::queue_closed;
                const auto first = pending_.begin();
                mine = put(first->second, std::move(end));
                pending_.erase(first);
            }
            if (mine) drain(std::move(mine));
        }
        while (auto left = a_left_one()) drain(std::move(left));
    }

private:
    /// A completion was taken; the operation is the taker's to drain unless another thread has it.
    struct taken {
        std::shared_ptr<operation> mine;
    };

    /// The next completion goes to its operation; nothing where none came in time, or somebody called wake().
    result<std::optional<taken>> take(bool at_once, std::chrono::steady_clock::time_point deadline)
    {
        // One thread takes at a time, so that an operation's completions keep their order on their way to its inbox.
        std::unique_lock<std::timed_mutex> taking(taking_, std::defer_lock);
        if (at_once ? !taking.try_lock() : !taking.try_lock_until(deadline)) return std::optional<taken>();
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        aip_completion from{};
        std::size_t count = 0;
        aip_error failure{};
        const auto ended = aip_queue_next(queue_, &from, 1, at_once ? 0 : to_c32(left), &count, &failure);
        const bool in_vain =
            ended == AIP_WOULD_BLOCK || (ended == AIP_TIMEOUT && failure.detail == AIP_DETAIL_WAIT_LIMIT);
        if (in_vain || (ended == AIP_OK && count == 0)) return std::optional<taken>();
        if (ended != AIP_OK) return not_done(ended, failure);
        completion came = to_completion(from);

        const std::lock_guard<std::mutex> lock(state_);
        const auto found = pending_.find(came.tag);
        if (found == pending_.end()) return std::optional<taken>(taken{});
        const auto to = found->second;
        if (came.kind == completion_kind::done) pending_.erase(found);
        return std::optional<taken>(taken{put(to, std::move(came))});
    }

    /// Under the lock. The operation, where it is the caller's to drain.
    static std::shared_ptr<operation> put(const std::shared_ptr<operation>& to, completion&& what)
    {
        if (what.kind == completion_kind::done && to->looks_again()) {
            to->inbox_.emplace_back().kind = completion_kind::readable;
        }
        to->inbox_.push_back(std::move(what));
        return std::exchange(to->running_, true) ? nullptr : to;
    }

    /// Tells an operation all it has to be told. What is left when a handler throws is told by the next poll().
    void drain(std::shared_ptr<operation> mine)
    {
        struct stop {
            ~stop()
            {
                if (of != nullptr) self->leave(std::move(of));
            }
            dispatcher* self;
            std::shared_ptr<operation> of;
        } stopping{this, std::move(mine)};
        for (;;) {
            completion next;
            {
                const std::lock_guard<std::mutex> lock(state_);
                auto& inbox = stopping.of->inbox_;
                if (inbox.empty()) {
                    stopping.of->running_ = false;
                    break;
                }
                next = std::move(inbox.front());
                inbox.erase(inbox.begin());
            }
            stopping.of->told(std::move(next));
        }
        stopping.of = nullptr;
    }

    /// A handler threw.
    void leave(std::shared_ptr<operation> thrown) noexcept
    {
        const std::lock_guard<std::mutex> lock(state_);
        thrown->running_ = false;
        if (thrown->inbox_.empty() || std::exchange(thrown->is_left_, true)) return;
        thrown->next_left_ = std::move(left_);
        left_ = std::move(thrown);
        aip_queue_wake(queue_);
    }

    /// One that a handler's exception left untold, now the caller's to drain.
    std::shared_ptr<operation> a_left_one()
    {
        const std::lock_guard<std::mutex> lock(state_);
        while (auto first = std::move(left_)) {
            left_ = std::move(first->next_left_);
            first->is_left_ = false;
            if (!std::exchange(first->running_, true)) return first;
        }
        return nullptr;
    }

    void forget(std::uint64_t tag)
    {
        std::shared_ptr<operation> gone;
        const std::lock_guard<std::mutex> lock(state_);
        const auto found = pending_.find(tag);
        if (found == pending_.end()) return;
        gone = std::move(found->second);
        pending_.erase(found);
    }

    aip_queue* const queue_;
    std::atomic<use> use_{use::undecided};
    std::timed_mutex taking_;
    std::mutex state_;
    std::unordered_map<std::uint64_t, std::shared_ptr<operation>> pending_;
    std::uint64_t last_tag_ = 0;
    std::shared_ptr<operation> left_;
};

}  // namespace impl
}  // namespace v0
}  // namespace aipool
