// A chat that comes word by word, with an OpenAI-compatible server at AIPOOL_SANDBOX_HTTP. No thread waits: the queue
// writes to a pipe when it has something, and Node's loop watches the pipe.
// AIPOOL_LIBRARY: the path of libaipool.so, where the system does not find it.
import koffi from "koffi";
import fs from "node:fs";
import net from "node:net";

const header = fs.readFileSync(new URL("../ffi/aipool.ffi.h", import.meta.url), "utf8").replace(/\/\*.*?\*\//gs, "");
const library = koffi.load(process.env.AIPOOL_LIBRARY ?? "libaipool.so.0.1");

// Numbers, structures and functions as the header has them; what a pointer points to, the caller knows.
const AIP = Object.fromEntries([...header.matchAll(/(AIP_\w+) = (-?\d+),/g)].map(([, name, number]) => [name, Number(number)]));
for (const [, name, body] of header.matchAll(/typedef struct (\w+) \{(.*?)\} \w+;/gs)) {
  const fields = [...body.matchAll(/([\w ]+?[ *]+)(\w+)(?:\[(\d+)\])?;/g)].map(([, type, field, length]) => {
    type = type.includes("*") ? "void *" : type.replace("struct ", "").trim();
    return [field, length ? koffi.array(type, Number(length)) : type];
  });
  koffi.struct(name, Object.fromEntries(fields));
}
const aip = {};
for (const [, result, name, parameters] of header.matchAll(/^([\w ]+[ *]+)(aip_\w+)\(([^)]*)\);/gm)) {
  const types = parameters === "void" ? [] : parameters.split(",").map((one) => (one.includes("*") ? "void *" : one.trim().split(" ")[0]));
  aip[name] = library.func(name, result.includes("*") ? "str" : result.trim(), types);
}
if (aip.aip_abi_version() !== AIP.AIP_ABI_VERSION) throw new Error("libaipool is of another release than aipool.ffi.h");

const failure = koffi.alloc("aip_error", 1);

/** Calls with the aip_error at the end: a status below 10, or an Error. */
function call(name, ...inputs) {
  const status = aip[name](...inputs, failure);
  if (status >= 10) throw errorOf(koffi.decode(failure, "aip_error"));
  return status;
}

function errorOf({ status, detail, delivery, message }) {
  return Object.assign(new Error(`${aip.aip_status_name(status)}: ${message}`), { status, detail, delivery });
}

/** The handle a function makes. */
function made(name, ...inputs) {
  const place = koffi.alloc("void *", 1);
  call(name, ...inputs, place);
  const handle = koffi.decode(place, "void *");
  koffi.free(place);
  return handle;
}

/** A struct with its defaults and these fields; texts among them live as long as `fields`. */
function madeOf(name, init, fields) {
  const place = koffi.alloc(name, 1);
  aip[init](place, koffi.sizeof(name));
  koffi.encode(place, name, { ...koffi.decode(place, name), ...fields });
  return place;
}

function replyText(response) {
  const needed = Buffer.alloc(8);
  aip.aip_response_reply_copy(response, AIP.AIP_REPLY_TEXT, null, 0, needed, failure);
  const text = Buffer.alloc(Number(needed.readBigUInt64LE()) + 1); // never empty, as an empty Buffer has no address
  call("aip_response_reply_copy", response, AIP.AIP_REPLY_TEXT, text, text.length, null);
  return text.toString("utf8", 0, text.length - 1);
}

class Pool {
  #pool = made("aip_pool_new", null);
  #queue = made("aip_queue_new", this.#pool);
  #completions = koffi.alloc("aip_completion", 64);
  #count = Buffer.alloc(8);
  #streams = new Map();
  #tag = 0;

  constructor() {
    const pipe = koffi.load(null).func("pipe", "int", ["void *"]);
    const ends = new Int32Array(2);
    if (pipe(ends) !== 0) throw new Error("no pipe");
    call("aip_queue_set_notify_fd", this.#queue, ends[1]); // which duplicates it
    fs.closeSync(ends[1]);
    this.wakeups = new net.Socket({ fd: ends[0], readable: true, writable: false });
    this.wakeups.on("data", () => this.#take());
  }

  session(base) {
    const key = Buffer.from(base);
    return made("aip_pool_get_session", this.#pool, key, key.length, null);
  }

  client(base, model) {
    const fields = { base_url: Buffer.from(base), model: Buffer.from(model), kind: AIP.AIP_CLIENT_OPENAI };
    const lengths = { base_url_len: fields.base_url.length, model_len: fields.model.length };
    const options = madeOf("aip_client_options", "aip_client_options_init", { ...fields, ...lengths });
    const client = made("aip_client_new", this.#pool, options);
    koffi.free(options);
    return client;
  }

  /** Sends `body` as JSON: a Stream once the head has come. */
  post(session, path, body) {
    const parts = {
      method: Buffer.from("POST"),
      url: Buffer.from(path),
      packed_headers: Buffer.from("content-type\0application/json\0"),
      body: Buffer.from(JSON.stringify(body)),
      end_marker: Buffer.from("[DONE]"),
    };
    const lengths = Object.entries(parts).map(([name, bytes]) => [name + "_len", bytes.length]);
    const fields = { ...parts, ...Object.fromEntries(lengths), flags: AIP.AIP_REQUEST_STREAM };
    const request = madeOf("aip_request", "aip_request_init", fields);
    return new Promise((resolve, reject) => {
      const tag = ++this.#tag;
      call("aip_session_submit", session, request, this.#queue, tag); // the request is copied
      koffi.free(request);
      this.#streams.set(tag, { resolve, reject, parts, changed() {} }); // parts: named here to live until now
    });
  }

  /** Asks a client of the library's, which knows the provider's words: the answer's text. */
  generate(client, prompt) {
    const text = Buffer.from(prompt);
    const ask = madeOf("aip_call", "aip_call_init", { prompt: text, prompt_len: text.length });
    return new Promise((resolve, reject) => {
      const tag = ++this.#tag;
      call("aip_client_submit", client, ask, this.#queue, tag); // the call is copied
      koffi.free(ask);
      this.#streams.set(tag, { resolve, reject, changed() {} });
    });
  }

  #take() {
    while (call("aip_queue_next", this.#queue, this.#completions, 64, 0, this.#count) === AIP.AIP_OK) {
      const count = Number(this.#count.readBigUInt64LE());
      for (const { tag, kind, status, response, error } of koffi.decode(this.#completions, "aip_completion", count)) {
        const stream = this.#streams.get(Number(tag));
        if (kind === AIP.AIP_COMPLETION_HEAD) stream.resolve(new Stream(response, stream));
        else if (kind === AIP.AIP_COMPLETION_DONE) {
          this.#streams.delete(Number(tag));
          if (status !== AIP.AIP_OK) stream.reject(errorOf(error)); // of no effect once the head has come
          else if (response) stream.resolve(replyText(response));
          if (response) aip.aip_response_free(response);
        }
        stream.changed();
      }
    }
  }

  free() {
    aip.aip_pool_free(this.#pool);
    aip.aip_queue_free(this.#queue);
    this.wakeups.destroy();
  }
}

class Stream {
  constructor(response, state) {
    Object.assign(this, { response, state, status: aip.aip_response_status(response) });
  }

  /** The data of each event. */
  async *[Symbol.asyncIterator]() {
    const event = koffi.alloc("aip_stream_event", 1);
    try {
      for (;;) {
        const changed = new Promise((resolve) => (this.state.changed = resolve));
        const status = call("aip_response_next_event", this.response, 0, event);
        if (status === AIP.AIP_END) return;
        if (status === AIP.AIP_WOULD_BLOCK) await changed;
        else yield this.#data(Number(koffi.decode(event, "aip_stream_event").data_len));
      }
    } finally {
      koffi.free(event);
      aip.aip_response_free(this.response);
    }
  }

  #data(length) {
    const text = Buffer.alloc(length + 1); // never empty, as an empty Buffer has no address
    call("aip_response_event_copy", this.response, AIP.AIP_PART_DATA, text, text.length, null);
    return text.toString("utf8", 0, length);
  }
}

async function chat(pool, session, words) {
  const messages = [{ role: "user", content: words }];
  const stream = await pool.post(session, "/v1/chat/completions", { model: "sandbox-small", stream: true, messages });
  if (stream.status !== 200) throw new Error(`HTTP ${stream.status}`);
  let answer = "";
  for await (const data of stream) {
    if (data !== "[DONE]") answer += JSON.parse(data).choices[0]?.delta?.content ?? "";
  }
  return answer;
}

const pool = new Pool();
const session = pool.session(process.env.AIPOOL_SANDBOX_HTTP);
const questions = Array.from({ length: 20 }, (_, number) => `чат ${number} from Node`);
for (const answer of await Promise.all(questions.map((words) => chat(pool, session, words)))) console.log(answer);

const client = pool.client(process.env.AIPOOL_SANDBOX_HTTP + "/v1", "sandbox-small");
console.log(await pool.generate(client, "a client in Node"));
aip.aip_client_free(client);

const nobody = pool.session("http://127.0.0.1:1");
await chat(pool, nobody, "hello").then(
  () => console.log("somebody listens"),
  (error) => console.log(error.message.split(":")[0]),
);
for (const one of [session, nobody]) aip.aip_session_free(one);
pool.free();
const stats = koffi.alloc("aip_library_stats", 1);
aip.aip_stats(stats, koffi.sizeof("aip_library_stats"));
const { pools, sessions, responses, queues } = koffi.decode(stats, "aip_library_stats");
console.log(`left: ${[pools, sessions, responses, queues].join(" ")}`);
