-- A chat that comes word by word, with an OpenAI-compatible server at AIPOOL_SANDBOX_HTTP: luajit examples/lua/chat.lua
-- The calls block, each within its limits. AIPOOL_LIBRARY: the path of libaipool.so, where the system does not find it.
local ffi = require("ffi")

local here = arg[0]:match("^(.*)/[^/]*$") or "."
local header = assert(io.open(here .. "/../ffi/aipool.ffi.h")):read("*a")
ffi.cdef(header)
local aip = ffi.load(os.getenv("AIPOOL_LIBRARY") or "libaipool.so.0.1")
assert(aip.aip_abi_version() == aip.AIP_ABI_VERSION, "libaipool is of another release than aipool.ffi.h")

local failure = ffi.new("aip_error")

-- The result of a call with the failure as its last argument: a status below 10, or an error.
local function check(status)
    if status >= 10 then
        error(ffi.string(aip.aip_status_name(status)) .. ": " .. ffi.string(failure.message), 0)
    end
    return status
end

-- The handle that `make` puts into a place, freed when nobody has it any more.
local function made(kind, make)
    local place = ffi.new("aip_" .. kind .. " *[1]")
    check(make(place))
    return ffi.gc(place[0], aip["aip_" .. kind .. "_free"])
end

local function session_of(pool, base)
    return made("session", function(place)
        return aip.aip_pool_get_session(pool, base, #base, nil, place, failure)
    end)
end

local function set(options, name, text)
    options[name], options[name .. "_len"] = text, #text
end

-- The text of a chunk of a chat: good enough for a demo, where no quote is escaped.
local function piece_of(data)
    return data:match('"content":"([^"]*)"') or ""
end

local function chat(session, words)
    local request = ffi.new("aip_request")
    aip.aip_request_init(request, ffi.sizeof(request))
    local form = '{"model":"sandbox-small","stream":true,"messages":[{"role":"user","content":"%s"}]}'
    local headers, body = "content-type\0application/json\0", form:format(words)
    set(request, "method", "POST")
    set(request, "url", "/v1/chat/completions")
    set(request, "packed_headers", headers)
    set(request, "body", body)
    set(request, "end_marker", "[DONE]")
    request.flags = aip.AIP_REQUEST_STREAM
    local response = made("response", function(place)
        return aip.aip_session_request(session, request, place, failure)
    end)
    if aip.aip_response_status(response) ~= 200 then
        error("HTTP " .. aip.aip_response_status(response), 0)
    end
    local event, pieces = ffi.new("aip_stream_event"), {}
    while check(aip.aip_response_next_event(response, 30000, event, failure)) == aip.AIP_OK do
        pieces[#pieces + 1] = piece_of(ffi.string(event.data, event.data_len))
    end
    return table.concat(pieces)
end

-- The same by a client of the library's, which knows the provider's words.
local function generate(pool, base, prompt)
    local options = ffi.new("aip_client_options")
    aip.aip_client_options_init(options, ffi.sizeof(options))
    options.kind = aip.AIP_CLIENT_OPENAI
    set(options, "base_url", base)
    set(options, "model", "sandbox-small")
    local client = made("client", function(place)
        return aip.aip_client_new(pool, options, place, failure)
    end)
    local response = made("response", function(place)
        return aip.aip_client_generate(client, prompt, #prompt, nil, place, failure)
    end)
    local reply = ffi.new("aip_reply")
    check(aip.aip_response_reply(response, reply, ffi.sizeof(reply), failure))
    return ffi.string(reply.text, reply.text_len)
end

local base = assert(os.getenv("AIPOOL_SANDBOX_HTTP"), "AIPOOL_SANDBOX_HTTP: the server's base URL")
local pool = made("pool", function(place)
    return aip.aip_pool_new(nil, place, failure)
end)
local session = session_of(pool, base)
for number = 1, 20 do
    print(chat(session, "чат " .. number .. " from Lua"))
end
print(generate(pool, base .. "/v1", "a client in Lua"))
local counters = ffi.new("aip_pool_stats")
check(aip.aip_pool_get_stats(pool, counters, ffi.sizeof(counters), failure))
print("connections: " .. tonumber(counters.connections_opened))

local nobody = session_of(pool, "http://127.0.0.1:1")
local _, message = pcall(chat, nobody, "hello")
print((message:gsub(":.*", "")))

pool, session, nobody = nil, nil, nil
collectgarbage()
local left = ffi.new("aip_library_stats")
aip.aip_stats(left, ffi.sizeof(left))
print(("left: %d %d %d"):format(tonumber(left.pools), tonumber(left.sessions), tonumber(left.responses)))
