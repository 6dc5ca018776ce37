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
    return "";
}

#endif
