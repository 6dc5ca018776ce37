/// Requests over asio's event loop. Not in aipool.hpp: include it where asio, or with AIPOOL_BOOST_ASIO defined or where only
/// that is there boost.asio, is. One of the two in a program.
#pragma once

#include <aipool/queue.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

#include <unistd.h>

#if !defined(AIPOOL_BOOST_ASIO) && __has_include(<asio.hpp>)
#include <asio/any_io_executor.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/bind_executor.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/system_error.hpp>
namespace aipool {
inline namespace v0 {
namespace impl {
namespace net = ::asio;
using net_error = ::asio::error_code;
using net_exception = ::asio::system_error;
}  // namespace impl
}  // namespace v0
}  // namespace aipool
#else
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/system_error.hpp>
namespace aipool {
inline namespace v0 {
namespace impl {
namespace net = ::boost::asio;
using net_error = ::boost::system::error_code;
using net_exception = ::boost::system::system_error;
}  // namespace impl
}  // namespace v0
}  // namespace aipool
#endif

namespace aipool {
inline namespace v0 {

namespace impl {

/// A descriptor that is closed unless somebody took it.
struct held_fd {
    explicit held_fd(int owned) noexcept : fd(owned) {}
    held_fd(const held_fd&) = delete;
    held_fd& operator=(const held_fd&) = delete;
    ~held_fd()
    {
        if (fd >= 0) ::close(fd);
    }

    int fd;
};

/// A queue that an event loop polls while requests are under way.
class asio_pump : public std::enable_shared_from_this<asio_pump> {
public:
    asio_pump(const net::any_io_executor& executor, queue&& its)
        : executor_(executor), strand_(net::make_strand(executor)), descriptor_(strand_),
          queue_(std::make_shared<queue>(std::move(its)))
    {
    }

    /// A pump that has taken the queue's descriptor; status::system where the loop has no room for one.
    static result<std::shared_ptr<asio_pump>> make(const net::any_io_executor& executor, queue&& its)
    {
        const auto fd = its.fd();
        if (!fd) return fd.error();
        held_fd held(fd.value());
        net_error failure;
        std::shared_ptr<asio_pump> pump;
#ifdef __cpp_exceptions
        try {
#endif
            pump = std::make_shared<asio_pump>(executor, std::move(its));
            pump->descriptor_.assign(held.fd, failure);
#ifdef __cpp_exceptions
        } catch (const net_exception& thrown) {
            failure = thrown.code();
        }
#endif
        if (!failure) {
            held.fd = -1;
            return pump;
        }
        error told = own_error(status::system, "queue: the event loop cannot watch it: " + failure.message());
        told.os_error = failure.value();
        return told;
    }

    const net::any_io_executor& executor() const noexcept { return executor_; }

    template <class Over, class What, class Handler>
    void submit(const Over& over, const What& what, Handler&& handler)
    {
        using executor_type = net::associated_executor_t<std::decay_t<Handler>, net::any_io_executor>;
        struct state {
            void end(result<response> came)
            {
                auto executor = work.get_executor();
                net::post(executor, [mine = std::move(handler), outcome = std::move(came)]() mutable {
                    std::move(mine)(std::move(outcome));
                });
                work.reset();
            }

            std::decay_t<Handler> handler;
            net::executor_work_guard<executor_type> work;
        };
        auto executor = net::get_associated_executor(handler, executor_);
        // Shared, because a handler that is not called is gone with what it owns.
        const auto mine = std::make_shared<state>(
            state{std::forward<Handler>(handler), net::executor_work_guard<executor_type>(executor)});
        const auto its = shared();
        ++under_way_;
        const std::weak_ptr<asio_pump> self = weak_from_this();
        auto sent = its ? its->submit(over, what,
                                      [mine, self](result<response> came) {
                                          if (const auto pump = self.lock()) --pump->under_way_;
                                          mine->end(std::move(came));
                                      })
                        : result<void>(own_error(status::closed, "queue: is closed; make another"));
        if (!sent) {
            --under_way_;
            return mine->end(std::move(sent).error());
        }
        net::post(strand_, [pump = shared_from_this()] { pump->watch(); });
    }

    /// Destroys the queue, now or when who polls it comes back.
    void shut()
    {
        std::shared_ptr<queue> gone;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            gone = std::move(queue_);
        }
        gone.reset();
        net::post(strand_, [pump = shared_from_this()] {
            net_error ignored;
            pump->descriptor_.close(ignored);
        });
    }

    std::shared_ptr<queue> shared() const
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        return queue_;
    }

private:
    /// On the strand. The loop has work only while there is something to wait for.
    void watch()
    {
        if (watched_ || under_way_ == 0 || !descriptor_.is_open()) return;
        watched_ = true;
        descriptor_.async_wait(net::posix::stream_descriptor::wait_read,
                               net::bind_executor(strand_, [pump = shared_from_this()](net_error failure) {
                                   pump->watched_ = false;
                                   if (failure) return;
                                   // Handlers are posted, so nothing is thrown here, and what fails is told to them.
                                   if (const auto its = pump->shared()) (void)its->poll(std::chrono::milliseconds(0));
                                   pump->watch();
                               }));
    }

    net::any_io_executor executor_;
    net::strand<net::any_io_executor> strand_;
    net::posix::basic_stream_descriptor<net::strand<net::any_io_executor>> descriptor_;
    mutable std::mutex mutex_;
    std::shared_ptr<queue> queue_;
    std::atomic<std::size_t> under_way_{0};
    bool watched_ = false;
};

}  // namespace impl

/// A queue that asio's event loop polls: no thread of its own, no work for the loop while nothing is under way. Move-only.
/// Any thread, many at once. Its destructor ends what is under way: those handlers are posted with status::cancelled. It must
/// go before the loop's context does. Since 0.1.
///
///     asio::io_context loop;
///     auto queue = aipool::asio_queue::make(loop.get_executor(), pool).value();
///     aipool::async_request(queue, session, request, [](aipool::result<aipool::response> answer) {
///         if (answer) show(answer->body());
///     });
///     loop.run();
class asio_queue {
public:
    /// A queue for requests of this pool's sessions, polled on `executor`. status::limit, status::system; status::unsupported
    /// on Windows. Since 0.1.
    static result<asio_queue> make(const impl::net::any_io_executor& executor, const pool& of)
    {
        auto its = queue::make(of);
        if (!its) return std::move(its).error();
        auto pump = impl::asio_pump::make(executor, std::move(its).value());
        if (!pump) return std::move(pump).error();
        return asio_queue(std::move(pump).value());
    }

    /// What was moved from has no queue any more. Since 0.1.
    asio_queue(asio_queue&&) noexcept = default;
    /// Closes the queue that stood here, as the destructor does. Since 0.1.
    asio_queue& operator=(asio_queue&& other) noexcept
    {
        if (this != &other) {
            shut();
            pump_ = std::move(other.pump_);
        }
        return *this;
    }
    ~asio_queue() { shut(); }

    /// Where handlers without an executor of their own run. Not of an object moved from. Since 0.1.
    const impl::net::any_io_executor& get_executor() const noexcept { return pump_->executor(); }

private:
    template <class Token>
    friend auto async_request(const asio_queue& over, const session& by, request what, Token&& token);
    template <class Token>
    friend auto async_call(const asio_queue& over, const client& by, call what, Token&& token);

    explicit asio_queue(std::shared_ptr<impl::asio_pump> owned) noexcept : pump_(std::move(owned)) {}

    void shut() noexcept
    {
        if (const auto mine = std::move(pump_)) mine->shut();
    }

    std::shared_ptr<impl::asio_pump> pump_;
};

/// Sends a request over a session; any completion token of asio's: a handler of result<response>, use_future, use_awaitable.
/// A handler is never called within this function; it is posted to its executor. Every failure comes to it. The queue, the
/// session, and what request::cancel and request::upload point to, must live until the request is submitted, which with a lazy
/// token is when it is awaited. Cancellation is request::cancel's. Not over a queue that was moved from. Any thread. Since 0.1.
template <class Token>
auto async_request(const asio_queue& over, const session& by, request what, Token&& token)
{
    const session* const through = &by;
    return impl::net::async_initiate<Token, void(result<response>)>(
        [through](auto&& handler, const std::shared_ptr<impl::asio_pump>& pump, const request& sent) {
            pump->submit(*through, sent, std::forward<decltype(handler)>(handler));
        },
        token, over.pump_, std::move(what));
}

/// The same for a client's call, call::cancel included; response::reply() of what comes is what was answered. Since 0.1.
template <class Token>
auto async_call(const asio_queue& over, const client& by, call what, Token&& token)
{
    const client* const through = &by;
    return impl::net::async_initiate<Token, void(result<response>)>(
        [through](auto&& handler, const std::shared_ptr<impl::asio_pump>& pump, const call& sent) {
            pump->submit(*through, sent, std::forward<decltype(handler)>(handler));
        },
        token, over.pump_, std::move(what));
}

}  // namespace v0
}  // namespace aipool
