/// A stream that coroutines read; empty before C++20.
#pragma once

#include <aipool/dispatcher.hpp>

#if defined(__cpp_impl_coroutine) && __has_include(<coroutine>)
#define AIPOOL_COROUTINES 1

#include <coroutine>

// What starts an operation may be resumed, and its coroutine gone, before it returns: its locals must not be in the frame.
#if defined(__GNUC__)
#define AIPOOL_OUT_OF_FRAME __attribute__((noinline))
#else
#define AIPOOL_OUT_OF_FRAME
#endif

namespace aipool {
inline namespace v0 {

namespace impl {

/// An operation that a coroutine waits for, now and then.
class awaited final : public operation {
public:
    /// Who waits. Told on a polling thread, once for each await().
    class receiver {
    public:
        virtual void receive(completion&& what) = 0;

    protected:
        ~receiver() = default;
    };

    enum class waiting { begun, again, over };

    /// Begins to wait, unless there was news since the last time, or there will be none.
    waiting await(receiver& who)
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (std::exchange(news_, false)) return waiting::again;
        if (over_) return waiting::over;
        who_ = &who;
        return waiting::begun;
    }

    /// Ends a wait: its coroutine is destroyed.
    void forget(receiver& who) noexcept
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (who_ == &who) who_ = nullptr;
    }

    void told(completion&& what) override
    {
        if (what.kind == completion_kind::writable) return;
        receiver* who = nullptr;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (what.kind == completion_kind::done) over_ = true;
            who = std::exchange(who_, nullptr);
            if (who == nullptr) news_ = true;
        }
        if (who != nullptr) who->receive(std::move(what));
    }

private:
    std::mutex mutex_;
    receiver* who_ = nullptr;
    bool news_ = false;
    bool over_ = false;
};

/// What `co_await` waits with: a result that comes from a polling thread.
template <class Value>
class awaiter : private awaited::receiver {
public:
    awaiter(const awaiter&) = delete;
    awaiter& operator=(const awaiter&) = delete;
    virtual ~awaiter()
    {
        if (operation_) operation_->forget(*this);
    }

    bool await_ready() const noexcept { return false; }

    result<Value> await_resume() { return *std::move(outcome_); }

protected:
    explicit awaiter(std::shared_ptr<awaited> operation) noexcept : operation_(std::move(operation)) {}

    awaited::receiver& self() noexcept { return *this; }

    std::coroutine_handle<> waiting_;
    std::shared_ptr<awaited> operation_;
    std::optional<result<Value>> outcome_;
};

/// Waits until a read is not in vain.
template <class Value, class Read>
class read_awaiter final : public awaiter<Value> {
public:
    read_awaiter(std::shared_ptr<awaited> operation, Read read)
        : awaiter<Value>(std::move(operation)), read_(std::move(read))
    {
    }

    AIPOOL_OUT_OF_FRAME bool await_suspend(std::coroutine_handle<> waiting)
    {
        this->waiting_ = waiting;
        return !attempt();
    }

private:
    /// False where another attempt is to come; then this may be gone already.
    bool attempt()
    {
        for (;;) {
            auto got = read_();
            const bool in_vain = got.error().status == status::would_block;
            if (in_vain && this->operation_) {
                const auto waits = this->operation_->await(this->self());
                if (waits == awaited::waiting::begun) return false;
                if (waits == awaited::waiting::again) continue;
                got = own_error(status::cancelled, "queue: was destroyed while the stream was under way");
            }
            this->outcome_ = std::move(got);
            return true;
        }
    }

    void receive(completion&&) override
    {
        if (attempt()) this->waiting_.resume();
    }

    Read read_;
};

}  // namespace impl

/// A stream that coroutines read, made by `co_await queue.stream(session, request)`. Each wait is resumed from queue::poll(),
/// on its thread. Move-only; its destructor gives up what has not come, without waiting. For one coroutine at a time, and not
/// to be moved during a wait. A coroutine that is destroyed waits no more; do that where no thread is in poll(). Since 0.1.
///
///     auto chat = (co_await queue.stream(session, request)).value();
///     while (auto event = (co_await chat.next_event()).value()) show(event->data);
class async_stream : private stream {
public:
    /// As of stream. Since 0.1.
    using stream::header;
    /// As of stream. Since 0.1.
    using stream::headers;
    /// As of stream. Since 0.1.
    using stream::info;
    /// As of stream. Since 0.1.
    using stream::native_handle;
    /// As of stream. Since 0.1.
    using stream::status;
    /// As of stream. Since 0.1.
    using stream::trailers;

    /// `co_await` gives result<std::size_t>, as stream::read() with no limit to its wait. `to` must outlive that. Since 0.1.
    auto read(span<char> to)
    {
        auto attempt = [this, to] { return stream::read(to, std::chrono::milliseconds(0)); };
        return impl::read_awaiter<std::size_t, decltype(attempt)>(operation_, attempt);
    }

    /// `co_await` gives result<std::optional<event>>, as stream::next_event() with no limit to its wait. Since 0.1.
    auto next_event()
    {
        auto attempt = [this] { return stream::next_event(std::chrono::milliseconds(0)); };
        return impl::read_awaiter<std::optional<event>, decltype(attempt)>(operation_, attempt);
    }

    /// As stream::reply(). Since 0.1.
    using stream::reply;

    /// `co_await` gives result<std::optional<delta>>, as stream::next_delta() with no limit to its wait. Since 0.1.
    auto next_delta()
    {
        auto attempt = [this] { return stream::next_delta(std::chrono::milliseconds(0)); };
        return impl::read_awaiter<std::optional<delta>, decltype(attempt)>(operation_, attempt);
    }

    /// `co_await` gives result<async_stream>. Made by queue::stream(). Since 0.1.
    template <class Over, class What>
    class opening;

private:
    async_stream(aipool::stream&& head, std::shared_ptr<impl::awaited> operation) noexcept
        : aipool::stream(std::move(head)), operation_(std::move(operation))
    {
    }

    std::shared_ptr<impl::awaited> operation_;
};

namespace impl {

/// Submits a request or a call when it is awaited.
template <class Value, class Over, class What>
class submitting_awaiter : public awaiter<Value> {
public:
    AIPOOL_OUT_OF_FRAME bool await_suspend(std::coroutine_handle<> waiting)
    {
        this->waiting_ = waiting;
        // Of our own: from the submission on another thread may resume the coroutine, and this be gone.
        const auto to = to_;
        const auto operation = this->operation_;
        operation->await(this->self());
        auto sent = to->submit(over_, in_c(what_, as_stream_), operation);
        if (sent) return true;
        this->outcome_ = std::move(sent).error();
        return false;
    }

protected:
    submitting_awaiter(std::shared_ptr<dispatcher> to, Over* over, What what, bool as_stream)
        : awaiter<Value>(std::make_shared<awaited>()), to_(std::move(to)), over_(over), what_(std::move(what)),
          as_stream_(as_stream)
    {
    }

private:
    std::shared_ptr<dispatcher> to_;
    Over* over_;
    What what_;
    bool as_stream_;
};

template <class Over, class What>
class response_awaiter final : public submitting_awaiter<response, Over, What> {
public:
    response_awaiter(std::shared_ptr<dispatcher> to, Over* over, What what)
        : submitting_awaiter<response, Over, What>(std::move(to), over, std::move(what), false)
    {
    }

private:
    void receive(completion&& what) override
    {
        this->outcome_ = outcome_of(std::move(what));
        this->waiting_.resume();
    }
};

}  // namespace impl

template <class Over, class What>
class async_stream::opening final : public impl::submitting_awaiter<async_stream, Over, What> {
public:
    opening(std::shared_ptr<impl::dispatcher> to, Over* over, What what)
        : impl::submitting_awaiter<async_stream, Over, What>(std::move(to), over, std::move(what), true)
    {
    }

private:
    void receive(completion&& what) override
    {
        if (what.stream) {
            this->outcome_ = async_stream(*std::move(what.stream), this->operation_);
        } else {
            this->outcome_ = std::move(what.error);
        }
        this->waiting_.resume();
    }
};

}  // namespace v0
}  // namespace aipool

#endif
