/// The sandbox as tests see it: fresh listeners, what they counted, and requests that are held until told.
#pragma once

#include <aipool.hpp>

#include <cstdint>
#include <future>
#include <string>

namespace sandbox {

/// An environment variable that scripts/with-sandbox sets.
std::string env(const char* name);

/// A control call on the first listener, over a pool of its own; its answer's body.
std::string control(const std::string& method, const std::string& path);

/// `key=` in the lines of a control answer.
std::string field(const std::string& lines, const std::string& key);

/// Waits until so many requests are held under this name.
void wait_held(const std::string& name, int count = 1);

/// Lets the requests held under this name go.
void release(const std::string& name);

/// A name for /hold that no other test has.
std::string fresh_name();

/// A fresh pair of ports with counters of its own.
struct listener {
    listener();

    std::string id;
    std::string http;
    std::string https;

    /// One of the counters.
    std::uint64_t count(const std::string& counter) const;
};

/// Options for a session with the sandbox's https ports.
aipool::session_options trusting();

/// A chat that is answered as a stream of events, a word each; with a fault, or none.
aipool::request chat(const std::string& words, const std::string& fault = "");

/// A request that is held by the sandbox, sent from a thread of its own.
class held_request {
public:
    /// Returns when the request is held. The session must outlive this object.
    explicit held_request(const aipool::session& session);
    ~held_request();

    /// Ends the hold and gives what became of the request.
    aipool::result<aipool::response> release();

    /// Gives what became of the request, which something else ends.
    aipool::result<aipool::response> outcome();

private:
    std::string name_ = fresh_name();
    std::future<aipool::result<aipool::response>> outcome_;
};

}  // namespace sandbox
