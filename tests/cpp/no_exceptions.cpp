/// Compiled with -fno-exceptions -fno-rtti: part of the suite, and with NO_EXCEPTIONS_MAIN a program that aborts as it
/// should.
#include <aipool.hpp>

#include <string>

#ifdef __cpp_exceptions
#error compile this without exceptions
#endif

#ifdef NO_EXCEPTIONS_MAIN

int main() { aipool::get("/relative").value(); }

#else

std::string use_without_exceptions(const aipool::pool& pool, const std::string& base);

std::string use_without_exceptions(const aipool::pool& pool, const std::string& base)
{
    const auto session = pool.get_session(base);
    if (!session) return session.error().message;
    const auto answer = session->get("/echo");
    if (!answer) return answer.error().message;
    if (answer.value().status() != 200) return "the answer is not 200";
    const auto refused = session->get("//no/scheme");
    if (refused || refused.error().code() != aipool::status::invalid_argument) return "a bad URL was not refused";
    if (!session->warm(1)) return "a session did not warm up";
    if (!pool.metrics() || !pool.reload_tls()) return "no metrics, or no reload";
    aipool::event_reader reader;
    if (!reader.lines()) return "no events";
    auto body = aipool::upload::make();
    if (!body || !body.value().write("x") || !body.value().finish()) return "no upload";
    aipool::request bytes;
    bytes.url = "/bytes/3";
    auto stream = session->stream(bytes);
    char part[4];
    if (stream && stream.value().read(part).value() != 3) return "the stream is not of 3 bytes";
    if (stream && stream.value().next_event()) return "bytes and events were mixed";
    aipool::client_options options;
    options.base_url = base + "/v1";
    options.model = "m";
    const auto client = aipool::client::make(pool, options);
    if (!client || !client->is_configured()) return "no client";
    const auto reply = client->generate("hi");
    if (!reply || reply->text != "You said: hi") return "no answer";
    aipool::call call;
    call.prompt = "hi";
    auto told = client->stream(call);
    if (!told) return told.error().message;
    std::string text;
    for (const auto& delta : told.value().deltas()) text += delta.text;
    if (told.value().error() || text != reply->text) return "no stream of deltas";
    const auto queue = aipool::queue::make(pool);
    if (!queue) return queue.error().message;
    int size = 0;
    const auto take = [&](aipool::result<aipool::response> came) { size = static_cast<int>(came.value().body().size()); };
    if (!queue->submit(session.value(), bytes, take)) return "it was not submitted";
    auto future = queue->submit_future(session.value(), bytes);
    if (!queue->close()) return "the queue did not close";
    while (queue->poll()) continue;
    if (size != 3 || !future.get()) return "the answers did not come";
    return "";
}

#endif
