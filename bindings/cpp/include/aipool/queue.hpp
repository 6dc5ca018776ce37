/// Where submitted requests tell what became of them.
#pragma once

#include <aipool/async_stream.hpp>
#include <aipool/client.hpp>
#include <aipool/completion.hpp>
#include <aipool/dispatcher.hpp>
#include <aipool/pool.hpp>
#include <aipool/session.hpp>
#include <aipool/span.hpp>
#include <aipool/stream_handlers.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>

namespace aipool {
inline namespace v0 {

/// Where requests that nobody waits for tell what became of them: many of them under way, one thread or a few, no thread of
/// its own. A queue serves either handlers (submit() with lambdas, submit_future(), co_await; poll() dispatches) or tags
/// (submit() with a number; next() takes): its first use decides, and status::invalid_argument refuses the other.
///
/// Move-only. Any thread, many at once: const leaves the handle as it is. Its destructor cuts off what is under way and,
/// on its thread, calls every handler that still waits with status::cancelled (detail::queue_closed), so no future hangs and
/// no coroutine is forgotten; such a call must not throw. It never blocks. A handler may destroy its queue; else no thread may
/// be in a call on it. Since 0.1.
///
///     auto queue = aipool::queue::make(pool).value();
///     queue.submit(session, request, [](aipool::result<aipool::response> answer) {
///         if (answer) show(answer->body());
///     }).value();
///     queue.close().value();
///     while (queue.poll()) continue;  // until all have ended
class queue {
public:
    /// A queue for requests of this pool's sessions. Any thread. status::limit, status::system. Since 0.1.
    static result<queue> make(const aipool::pool& of)
    {
        auto made =
            impl::make<aip_queue>([&](auto out, auto error) { return aip_queue_new(of.native_handle(), out, error); });
        if (!made) return std::move(made).error();
        auto handle = std::move(made).value();
        // Whoever polls keeps it alive, as a handler may destroy the queue.
        queue its(std::make_shared<impl::dispatcher>(handle.get()));
        handle.release();
        return its;
    }

    /// What was moved from has no queue any more. Since 0.1.
    queue(queue&&) noexcept = default;
    /// Closes the queue that stood here, as the destructor does. Since 0.1.
    queue& operator=(queue&& other) noexcept
    {
        if (this != &other) {
            shut();
            dispatcher_ = std::move(other.dispatcher_);
        }
        return *this;
    }
    ~queue() { shut(); }

    /// Sends a request without waiting; next() tells what becomes of it by `tag`. Inputs are copied. Never blocks. Any thread.
    /// Where it succeeds exactly one completion_kind::done follows. status::closed for a closed session, pool or queue;
    /// status::invalid_argument, also for the session of another pool. Since 0.1.
    result<void> submit(const session& over, const aipool::request& what, std::uint64_t tag) const
    {
        return submit_raw(over, impl::in_c(what, false), tag);
    }

    /// The same for a client's call; response::reply() of its end is what was answered. status::not_configured. Since 0.1.
    result<void> submit(const client& over, const aipool::call& what, std::uint64_t tag) const
    {
        return submit_raw(over, impl::in_c(what, false), tag);
    }

    /// The same for a stream: further a completion_kind::head comes before the end, where there is a head. Since 0.1.
    result<void> submit_stream(const session& over, const aipool::request& what, std::uint64_t tag) const
    {
        return submit_raw(over, impl::in_c(what, true), tag);
    }

    /// The same for a client's call, whose stream is read with stream::deltas(). Since 0.1.
    result<void> submit_stream(const client& over, const aipool::call& what, std::uint64_t tag) const
    {
        return submit_raw(over, impl::in_c(what, true), tag);
    }

    /// Sends a request without waiting; poll() calls `handler` with what became of it: a callable of result<response>, moved
    /// in, called once, or not at all where this fails. `writable`, a callable of nothing, is called when writing the
    /// request's upload is worth while again. Otherwise as submit() with a tag. Since 0.1.
    template <class Handler, class Writable = void (*)(),
              class = std::enable_if_t<std::is_invocable_v<std::decay_t<Handler>, result<response>>>>
    result<void> submit(const session& over, const aipool::request& what, Handler&& handler,
                        Writable&& writable = [] {}) const
    {
        using operation = impl::request_operation<std::decay_t<Handler>, std::decay_t<Writable>>;
        return submit_to(over, impl::in_c(what, false), [&] {
            return std::make_shared<operation>(std::forward<Handler>(handler), std::forward<Writable>(writable));
        });
    }

    /// The same for a client's call. Since 0.1.
    ///
    ///     queue.submit(client, call, [](aipool::result<aipool::response> answer) {
    ///         if (answer) show(answer.value().reply().value().text);
    ///     }).value();
    template <class Handler, class = std::enable_if_t<std::is_invocable_v<std::decay_t<Handler>, result<response>>>>
    result<void> submit(const client& over, const aipool::call& what, Handler&& handler) const
    {
        using operation = impl::request_operation<std::decay_t<Handler>, void (*)()>;
        return submit_to(over, impl::in_c(what, false),
                         [&] { return std::make_shared<operation>(std::forward<Handler>(handler), [] {}); });
    }

    /// Sends a stream's request without waiting; poll() calls the handlers. Otherwise as submit(). Since 0.1.
    ///
    ///     aipool::stream_handlers chat;
    ///     chat.on_readable = [](aipool::stream& stream) {
    ///         for (const auto& event : stream.events(0ms)) show(event.data);  // until status::would_block
    ///     };
    ///     queue.submit_stream(session, request, std::move(chat)).value();
    result<void> submit_stream(const session& over, const aipool::request& what, stream_handlers handlers) const
    {
        return submit_to(over, impl::in_c(what, true),
                         [&] { return std::make_shared<impl::stream_operation>(std::move(handlers)); });
    }

    /// The same for a client's call, whose stream is read with stream::deltas(). Since 0.1.
    result<void> submit_stream(const client& over, const aipool::call& what, stream_handlers handlers) const
    {
        return submit_to(over, impl::in_c(what, true),
                         [&] { return std::make_shared<impl::stream_operation>(std::move(handlers)); });
    }

    /// Sends a request without waiting; the future becomes ready when poll() comes to its end, or at once where it could not
    /// be submitted. Another thread has to poll while you wait for it. Since 0.1.
    std::future<result<response>> submit_future(const session& over, const aipool::request& what) const
    {
        return future_of(over, what);
    }

    /// The same for a client's call. Since 0.1.
    std::future<result<response>> submit_future(const client& over, const aipool::call& what) const
    {
        return future_of(over, what);
    }

#ifdef AIPOOL_COROUTINES
    /// `co_await` gives result<response>, resumed from poll() on its thread. The request is submitted when it is awaited; the
    /// session, and what request::cancel and request::upload point to, must live until then. A coroutine that is destroyed
    /// before leaves its request to its end: set request::cancel to end it. Since 0.1.
    auto request(const session& over, aipool::request what) const
    {
        return impl::response_awaiter<aip_session, aipool::request>(shared(), over.native_handle(), std::move(what));
    }

    /// The same for a client's call: the client, and what call::cancel points to, must live until it is awaited. Since 0.1.
    auto request(const client& over, aipool::call what) const
    {
        return impl::response_awaiter<aip_client, aipool::call>(shared(), over.native_handle(), std::move(what));
    }

    /// `co_await` gives result<async_stream> when its head came; otherwise as request(). Since 0.1.
    auto stream(const session& over, aipool::request what) const
    {
        return async_stream::opening<aip_session, aipool::request>(shared(), over.native_handle(), std::move(what));
    }

    /// The same for a client's call, whose stream is read with async_stream::next_delta(). Since 0.1.
    auto stream(const client& over, aipool::call what) const
    {
        return async_stream::opening<aip_client, aipool::call>(shared(), over.native_handle(), std::move(what));
    }
#endif

    /// Calls the handlers of what has happened, on this thread; how many things that were. Where there is nothing it blocks
    /// for `wait` at most, and this thread drives the I/O meanwhile; 0 does not wait. 0 things where none came in time or
    /// wake() was called. Many threads may poll at once: handlers of one request never run at once and keep their order, those
    /// of different ones run side by side. status::end when the queue is closed, or its pool gone, and all requests have ended.
    /// What a handler throws leaves poll(): what it was called with is released, all else stays for the next call. Since 0.1.
    result<std::size_t> poll(std::chrono::milliseconds wait = std::chrono::milliseconds::max()) const
    {
        return shared()->poll(wait);
    }

    /// Takes completions of requests with tags, oldest request first, into `places`; how many. Waits and fails as poll();
    /// further status::limit when there is no room for a response's handle: nothing is lost, destroy some. Since 0.1.
    result<std::size_t> next(span<completion> places,
                             std::chrono::milliseconds wait = std::chrono::milliseconds::max()) const
    {
        const auto of = shared();
        if (auto mine = of->claim(impl::dispatcher::use::raw); !mine) return std::move(mine).error();
        std::size_t taken = 0;
        do {
            aip_completion from{};
            std::size_t count = 0;
            aip_error failure{};
            const auto ended = aip_queue_next(of->queue(), &from, std::min<std::size_t>(places.size(), 1),
                                              taken > 0 ? 0 : impl::to_c32(wait), &count, &failure);
            const bool in_vain =
                ended == AIP_WOULD_BLOCK || (ended == AIP_TIMEOUT && failure.detail == AIP_DETAIL_WAIT_LIMIT);
            if (ended != AIP_OK && !in_vain && taken == 0) return impl::not_done(ended, failure);
            if (ended != AIP_OK || count == 0) break;
            places.data()[taken++] = impl::to_completion(from);
        } while (taken < places.size());
        return taken;
    }

    /// A descriptor for poll, epoll, kqueue or an event loop: readable exactly as long as poll() or next() has something to
    /// give. Yours to close; each call makes another. Never read from it. Any thread. status::system; status::unsupported on
    /// Windows. Since 0.1.
    result<int> fd() const
    {
        std::int32_t made = -1;
        auto got = impl::run([&](auto error) { return aip_queue_fd(native_handle(), &made, error); });
        if (!got) return std::move(got).error();
        return int{made};
    }

    /// From now on eight bytes are written to `fd`, a pipe, socket or eventfd of yours, each time the queue stops being empty;
    /// poll(0) or next(..., 0) until nothing comes after each. It is duplicated; -1 ends it. Any thread.
    /// status::invalid_argument; status::unsupported on Windows. Since 0.1.
    result<void> set_notify_fd(int fd) const
    {
        return impl::run([&](auto error) { return aip_queue_set_notify_fd(native_handle(), fd, error); });
    }

    /// Brings one thread back from poll() or next(), now waiting or the next that waits, with nothing. Any thread, and any
    /// signal handler. Since 0.1.
    void wake() const noexcept { aip_queue_wake(native_handle()); }

    /// Takes no more requests; those accepted go on to their ends, and then poll() and next() say status::end. Closing twice
    /// is no failure. Never blocks. Any thread. Since 0.1.
    result<void> close() const
    {
        return impl::run([&](auto error) { return aip_queue_close(native_handle(), error); });
    }

    /// The C handle, which stays this object's. Since 0.1.
    aip_queue* native_handle() const noexcept { return dispatcher_ ? dispatcher_->queue() : nullptr; }

private:
    explicit queue(std::shared_ptr<impl::dispatcher> owned) noexcept : dispatcher_(std::move(owned)) {}

    /// For one that was moved from, C's word is that there is no queue.
    std::shared_ptr<impl::dispatcher> shared() const
    {
        return dispatcher_ ? dispatcher_ : std::make_shared<impl::dispatcher>(nullptr);
    }

    void shut() noexcept
    {
        if (const auto mine = std::move(dispatcher_)) mine->shut();
    }

    template <class Over, class What>
    std::future<result<response>> future_of(const Over& over, const What& what) const
    {
        // Shared, because a handler that is not called is gone with what it owns.
        const auto promise = std::make_shared<std::promise<result<response>>>();
        auto outcome = promise->get_future();
        auto sent = submit(over, what, [promise](result<response> came) { promise->set_value(std::move(came)); });
        if (!sent) promise->set_value(std::move(sent).error());
        return outcome;
    }

    template <class Over, class What>
    result<void> submit_raw(const Over& over, const What& what, std::uint64_t tag) const
    {
        if (what.refused()) return *what.refused();
        if (auto mine = shared()->claim(impl::dispatcher::use::raw); !mine) return mine;
        return impl::run([&](auto error) {
            return impl::submit_in_c(over.native_handle(), what.get(), native_handle(), tag, error);
        });
    }

    /// The operation is made only for a request that can be said in C, so that a handler is not moved for nothing.
    template <class Over, class What, class Make>
    result<void> submit_to(const Over& over, const What& what, Make make_operation) const
    {
        if (what.refused()) return *what.refused();
        return shared()->submit(over.native_handle(), what, make_operation());
    }

    std::shared_ptr<impl::dispatcher> dispatcher_;
};

}  // namespace v0
}  // namespace aipool
