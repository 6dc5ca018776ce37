/// What is called for a stream that was submitted to a queue.
#pragma once

#include <aipool/function.hpp>
#include <aipool/stream.hpp>

namespace aipool {
inline namespace v0 {

/// What queue::poll() calls for one stream: any lambdas, moved in, each of which may be missing. Never two of one stream at
/// once, and in their order. The stream is the queue's, from on_head to the return of on_done; move it out to keep it.
/// Since 0.1.
struct stream_handlers {
    /// The head came.
    impl::function<void(aipool::stream&)> on_head;
    /// Reading is worth while again after a read that said status::would_block; and a last time before on_done, so whoever
    /// reads here until status::would_block reads all.
    impl::function<void(aipool::stream&)> on_readable;
    /// Writing the request's upload is worth while again after a write that said status::would_block.
    impl::function<void()> on_writable;
    /// The one end: the body has come whole, or failed, or no head came.
    impl::function<void(result<void>)> on_done;
};

}  // namespace v0
}  // namespace aipool
