/// A client of one AI provider.
#pragma once

#include <aipool/call.hpp>
#include <aipool/client_options.hpp>
#include <aipool/pool.hpp>
#include <aipool/reply.hpp>
#include <aipool/session.hpp>
#include <aipool/stream.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aipool {
inline namespace v0 {

/// A client of one AI provider, over sessions of a pool. All clients of one host and credential in the process share its slots,
/// its pace, its breaker and its tokens. Move-only; calls under way go on when it goes. Any thread, many at once: const leaves
/// the handle as it is. Since 0.1.
///
///     aipool::client_options options;
///     options.from_environment = true;
///     auto client = aipool::client::make(options).value();
///     std::puts(client.generate("Why is the sky blue?").value().text.c_str());
class client {
public:
    /// A client over the global pool, whichever that is when a call is made. Nothing is sent. status::invalid_argument names a
    /// wrong option; of a credential it says the place of the bad character, never the text. What is missing is no error yet:
    /// see is_configured(). Since 0.1.
    static result<client> make(const client_options& options)
    {
        if (auto other = impl::other_abi()) return *std::move(other);
        return make(nullptr, options);
    }

    /// A client over a pool; when that is gone, calls are status::closed. Otherwise as above. Since 0.1.
    static result<client> make(const pool& over, const client_options& options)
    {
        // C would take the NULL for the global one.
        if (over.native_handle() == nullptr) {
            return impl::own_error(status::invalid_handle, "pool: this pool was moved from");
        }
        return make(over.native_handle(), options);
    }

    /// Done where the client has all it needs to ask; else status::not_configured, and the message names the option that is
    /// missing and its environment variable. Since 0.1.
    result<void> is_configured() const
    {
        return impl::run([&](auto error) { return aip_client_is_configured(handle_.get(), error); });
    }

    /// Asks with one prompt, and waits for the answer. Fails as call(). Since 0.1.
    result<reply> generate(std::string_view prompt, const aipool::call& how = {}) const
    {
        return replied(impl::answer(impl::c_call(how), [&](auto what, auto out, auto error) {
            return aip_client_generate(handle_.get(), prompt.data(), prompt.size(), what, out, error);
        }));
    }

    /// Asks, and waits for the whole answer. Fails as call(). Since 0.1.
    result<reply> chat(const aipool::call& what) const { return replied(call(what)); }

    /// Asks for the head of an answer that is read while it comes, with stream::deltas(). Fails as call(). Since 0.1.
    ///
    ///     auto answer = client.stream(call).value();
    ///     for (const auto& delta : answer.deltas())
    ///         if (delta.kind == aipool::delta_kind::text) show(delta.text);
    ///     if (answer.error()) throw aipool::exception(*answer.error());
    result<aipool::stream> stream(const aipool::call& what) const
    {
        auto head = send(impl::c_call(what, true));
        if (!head) return std::move(head).error();
        return impl::adopt::head(std::move(head).value());
    }

    /// The embeddings of texts, in their order; `how` may say more. Fails as call(). Since 0.1.
    result<std::vector<std::vector<float>>> embed(std::vector<std::string> inputs, aipool::call how = {}) const
    {
        how.kind = call_kind::embed;
        how.inputs = std::move(inputs);
        auto came = chat(how);
        if (!came) return std::move(came).error();
        return std::move(came.value().embeddings);
    }

    /// The names of the models there are. Fails as call(). Since 0.1.
    result<std::vector<std::string>> models(aipool::call how = {}) const
    {
        how.kind = call_kind::models;
        const auto came = chat(how);
        if (!came) return came.error();
        std::vector<std::string> names;
        std::string_view rest = came.value().text;
        while (!rest.empty()) {
            const std::size_t size = rest.find('\n');
            names.emplace_back(rest.substr(0, size));
            rest.remove_prefix(size == rest.npos ? rest.size() : size + 1);
        }
        return names;
    }

    /// Asks anything, and waits for the whole response, whose body is what the provider wrote; response::reply() is what that
    /// came to. Waits for a slot and for the pace of the provider, renews tokens, and tries again before the first byte of an
    /// answer; all within the call's limits. status::not_configured; status::auth, status::rate_limited, status::quota and
    /// status::provider with the provider's words in the error, and its response in error::partial; else as
    /// session::request(). Since 0.1.
    result<response> call(const aipool::call& what) const { return send(impl::c_call(what)); }

    /// The session that the client asks over: its pool's, shared; or, not `pooled`, one that is the caller's alone. Requests
    /// over it are not signed. Fails as pool::get_session(). Since 0.1.
    result<aipool::session> session(bool pooled = true) const
    {
        auto got = impl::make<aip_session>([&](auto out, auto error) {
            return aip_client_get_session(handle_.get(), pooled ? 1 : 0, out, error);
        });
        if (!got) return std::move(got).error();
        return aipool::session(std::move(got).value());
    }

    /// The C handle, which stays this object's. Since 0.1.
    aip_client* native_handle() const noexcept { return handle_.get(); }

private:
    explicit client(impl::handle<aip_client> handle) noexcept : handle_(std::move(handle)) {}

    static result<client> make(aip_pool* over, const client_options& options)
    {
        const impl::c_client_options c(options);
        if (c.refused()) return *c.refused();
        auto made =
            impl::make<aip_client>([&](auto out, auto error) { return aip_client_new(over, c.get(), out, error); });
        if (!made) return std::move(made).error();
        return client(std::move(made).value());
    }

    static result<reply> replied(result<response> came)
    {
        if (!came) return std::move(came).error();
        return came.value().reply();
    }

    result<response> send(const impl::c_call& what) const
    {
        return impl::answer(what, [&](auto asked, auto out, auto error) {
            return aip_client_call(handle_.get(), asked, out, error);
        });
    }

    impl::handle<aip_client> handle_;
};

}  // namespace v0
}  // namespace aipool
