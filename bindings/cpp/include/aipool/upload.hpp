/// A request's body that is pushed while it goes out.
#pragma once

#include <aipool/handle.hpp>
#include <aipool/options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace aipool {
inline namespace v0 {

/// How far an upload is. Since 0.1.
struct upload_progress {
    std::uint64_t taken = 0;  ///< Bytes it took from you.
    std::uint64_t sent = 0;   ///< Of these, bytes that went to the wire.
};

/// A request's body that is pushed while it goes out: put it into request::upload of one request, then write from another
/// thread, or before the request is sent (256 KiB), or beside a queue. Move-only; its destructor gives it up without
/// waiting, and one that was not finished fails its request with status::cancelled. Since 0.1.
///
///     auto body = aipool::upload::make().value();
///     aipool::request request;
///     request.method = "POST";
///     request.upload = &body;
///     auto answer = queue.submit_future(session, request);
///     body.write("first ").value();
///     body.finish().value();
class upload {
public:
    /// A new one of `length` bytes, sent as content-length and held to; without it HTTP/1.1 sends chunks. Any thread.
    /// status::invalid_argument, status::limit. Since 0.1.
    static result<upload> make(std::optional<std::uint64_t> length = std::nullopt)
    {
        const std::int64_t known = length ? impl::to_c(length) : std::int64_t{AIP_UNLIMITED};
        auto made = impl::make<aip_upload>([&](auto out, auto error) { return aip_upload_new(known, out, error); });
        if (!made) return std::move(made).error();
        return upload(std::move(made).value());
    }

    /// Copies more bytes; how many it took, fewer than given where the wire is slower than you: give the rest again. Where
    /// it takes nothing it blocks for `wait` at most. One thread at a time. status::would_block where `wait` was 0, and a
    /// queue then says when to go on; status::timeout (detail::wait_limit) where it was not enough; status::closed when the
    /// request has ended; status::invalid_argument after finish() and beyond the length. Since 0.1.
    result<std::size_t> write(std::string_view bytes, std::chrono::milliseconds wait = std::chrono::milliseconds::max())
    {
        std::size_t taken = 0;
        aip_error failure{};
        const auto ended =
            aip_upload_write(handle_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(),
                             impl::to_c32(wait), &taken, &failure);
        if (ended != AIP_OK) return impl::not_done(ended, failure);
        return taken;
    }

    /// Ends the body: all of it was given. Never blocks, any thread. status::invalid_argument where bytes are missing to
    /// the length, or it was finished before. Since 0.1.
    result<void> finish()
    {
        return impl::run([&](auto error) { return aip_upload_finish(handle_.get(), error); });
    }

    /// How far it is; nothing when moved from. Any thread. Since 0.1.
    upload_progress progress() const noexcept
    {
        upload_progress so_far;
        aip_upload_progress(handle_.get(), &so_far.taken, &so_far.sent);
        return so_far;
    }

    /// The C handle, which stays this object's. Since 0.1.
    aip_upload* native_handle() const noexcept { return handle_.get(); }

private:
    explicit upload(impl::handle<aip_upload> handle) noexcept : handle_(std::move(handle)) {}

    impl::handle<aip_upload> handle_;
};

}  // namespace v0
}  // namespace aipool
