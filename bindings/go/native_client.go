package aipool

/*
#include "native_options.h"
#include <stdlib.h>

// As in native.go: handles cross as integers, options and calls as structs of numbers and lengths.

// The texts stand in `block` one after the other, in the order of their fields; those of the session's options in another.
static int32_t aipgo_client_new(uintptr_t pool, const aip_client_options *lengths, const char *block,
                                const aip_session_options *session_lengths, const char *session_block, uintptr_t *client,
                                aip_error *error) {
    aip_client_options options = *lengths;
    options.base_url = aipgo_next(&block, options.base_url_len);
    options.auth_url = aipgo_next(&block, options.auth_url_len);
    options.api_key = aipgo_next(&block, options.api_key_len);
    options.access_token = aipgo_next(&block, options.access_token_len);
    options.user = aipgo_next(&block, options.user_len);
    options.password = aipgo_next(&block, options.password_len);
    options.client_id = aipgo_next(&block, options.client_id_len);
    options.client_secret = aipgo_next(&block, options.client_secret_len);
    options.oauth_token = aipgo_next(&block, options.oauth_token_len);
    options.scope = aipgo_next(&block, options.scope_len);
    options.folder = aipgo_next(&block, options.folder_len);
    options.organization = aipgo_next(&block, options.organization_len);
    options.model = aipgo_next(&block, options.model_len);
    options.embedding_model = aipgo_next(&block, options.embedding_model_len);
    options.affinity = aipgo_next(&block, options.affinity_len);
    options.operations_url = aipgo_next(&block, options.operations_url_len);
    aip_session_options session;
    if (session_lengths) {
        session = *session_lengths;
        aipgo_fill_options(&session, session_block);
        options.session = &session;
    }
    aip_client *made = NULL;
    int32_t status = aip_client_new((aip_pool *)pool, &options, &made, error);
    *client = (uintptr_t)made;
    return status;
}

static int32_t aipgo_client_configured(uintptr_t client, aip_error *error) {
    return aip_client_is_configured((aip_client *)client, error);
}

static int32_t aipgo_client_session(uintptr_t client, int use_pool, uintptr_t *session, aip_error *error) {
    aip_session *got = NULL;
    int32_t status = aip_client_get_session((aip_client *)client, use_pool, &got, error);
    *session = (uintptr_t)got;
    return status;
}

static void aipgo_client_free(uintptr_t client) { aip_client_free((aip_client *)client); }

// Texts of a list: `lengths` has as many as there are.
static const aip_text *aipgo_texts(aip_text *place, const size_t *lengths, size_t count, const char **block) {
    for (size_t i = 0; i < count; i++) {
        place[i].len = lengths[i];
        place[i].data = aipgo_next(block, lengths[i]);
    }
    return place;
}

// The texts stand in `block`: those of the call, of each message, of each stop, of each input. `text_lengths` are of stops and inputs.
static int32_t aipgo_client_submit(uintptr_t client, const aip_call *lengths, const aip_message *message_lengths,
                                   const size_t *text_lengths, const char *block, uintptr_t cancel, uintptr_t queue,
                                   uint64_t tag, aip_error *error) {
    aip_call call = *lengths;
    aip_message *messages = calloc(call.message_count + 1, sizeof *messages);
    aip_text *texts = calloc(call.stop_count + call.input_count + 1, sizeof *texts);
    // As Go does where there is no memory.
    if (!messages || !texts) abort();
    call.system = aipgo_next(&block, call.system_len);
    call.prompt = aipgo_next(&block, call.prompt_len);
    call.model = aipgo_next(&block, call.model_len);
    call.tools = aipgo_next(&block, call.tools_len);
    call.tool_choice = aipgo_next(&block, call.tool_choice_len);
    call.json_schema = aipgo_next(&block, call.json_schema_len);
    call.state = aipgo_next(&block, call.state_len);
    call.extra = aipgo_next(&block, call.extra_len);
    call.method = aipgo_next(&block, call.method_len);
    call.url = aipgo_next(&block, call.url_len);
    call.body = (const uint8_t *)aipgo_next(&block, call.body_len);
    call.content_type = aipgo_next(&block, call.content_type_len);
    call.headers = aipgo_next(&block, call.headers_len);
    call.idempotency_key = aipgo_next(&block, call.idempotency_key_len);
    for (size_t i = 0; i < call.message_count; i++) {
        aip_message *message = &messages[i];
        *message = message_lengths[i];
        message->content = aipgo_next(&block, message->content_len);
        message->name = aipgo_next(&block, message->name_len);
        message->call_id = aipgo_next(&block, message->call_id_len);
        message->tool_calls = aipgo_next(&block, message->tool_calls_len);
        message->state = aipgo_next(&block, message->state_len);
        message->raw = aipgo_next(&block, message->raw_len);
    }
    call.messages = messages;
    call.stop = aipgo_texts(texts, text_lengths, call.stop_count, &block);
    call.inputs = aipgo_texts(texts + call.stop_count, text_lengths + call.stop_count, call.input_count, &block);
    call.cancel = (aip_cancel *)cancel;
    int32_t status = aip_client_submit((aip_client *)client, &call, (aip_queue *)queue, tag, error);
    free(messages);
    free(texts);
    return status;
}

// The delta lends its texts until the next call that reads.
static int32_t aipgo_next_delta(uintptr_t response, uint32_t timeout_ms, aip_delta *delta, aip_error *error) {
    return aip_response_next_delta((aip_response *)response, timeout_ms, delta, error);
}

// The reply lends its texts until the next call that reads.
static int32_t aipgo_reply(uintptr_t response, aip_reply *reply, aip_error *error) {
    return aip_response_reply((aip_response *)response, reply, sizeof *reply, error);
}

static int32_t aipgo_tool_calls(uintptr_t response, char *buf, size_t cap, size_t *needed, aip_error *error) {
    return aip_response_reply_copy((aip_response *)response, AIP_REPLY_TOOL_CALLS, buf, cap, needed, error);
}

static int32_t aipgo_embedding(uintptr_t response, uint32_t index, float *buf, size_t cap, size_t *needed,
                               aip_error *error) {
    return aip_response_embedding((aip_response *)response, index, buf, cap, needed, error);
}

// Nothing here keeps a pointer or calls into Go.
#cgo noescape aipgo_client_new
#cgo noescape aipgo_client_configured
#cgo noescape aipgo_client_session
#cgo noescape aipgo_client_submit
#cgo noescape aipgo_next_delta
#cgo noescape aipgo_reply
#cgo noescape aipgo_tool_calls
#cgo noescape aipgo_embedding
#cgo nocallback aipgo_client_new
#cgo nocallback aipgo_client_configured
#cgo nocallback aipgo_client_session
#cgo nocallback aipgo_client_free
#cgo nocallback aipgo_client_submit
#cgo nocallback aipgo_next_delta
#cgo nocallback aipgo_reply
#cgo nocallback aipgo_tool_calls
#cgo nocallback aipgo_embedding
*/
import "C"

import (
	"strings"
	"unsafe"
)

// What a call is for.
const (
	operationChat   operationKind = C.AIP_CALL_CHAT
	operationEmbed  operationKind = C.AIP_CALL_EMBED
	operationModels operationKind = C.AIP_CALL_MODELS
	operationCount  operationKind = C.AIP_CALL_COUNT
	operationRaw    operationKind = C.AIP_CALL_RAW
)

// nativeClientNew makes a client over a pool; 0 is the shared one. headers are the session's, packed; they are cleared.
func nativeClientNew(pool uintptr, kind ClientKind, options *ClientOptions, headers []byte) (uintptr, *Error) {
	calls.enter()
	defer calls.leave()
	lengths := clientNumbers(kind, options)
	block := make([]byte, 0, credentialBytes(options))
	var sessionBlock []byte
	// Credentials are not left lying about.
	defer func() {
		clear(block[:cap(block)])
		clear(sessionBlock[:cap(sessionBlock)])
		clear(headers)
	}()
	putClientTexts(&lengths, options, &block)
	var session *C.aip_session_options
	if options.Session != nil {
		session = sessionNumbers(options.Session)
		sessionBlock = putTexts(session, options.Session, headers)
	}
	var client C.uintptr_t
	var failure C.aip_error
	status := C.aipgo_client_new(C.uintptr_t(pool), &lengths, packedChars(block), session, packedChars(sessionBlock), &client,
		&failure)
	return uintptr(client), toError(status, &failure)
}

func clientNumbers(kind ClientKind, options *ClientOptions) C.aip_client_options {
	lengths := C.aip_client_options{
		size:             C.sizeof_aip_client_options,
		kind:             C.uint32_t(kind),
		max_concurrency:  C.int64_t(options.MaxConcurrency),
		max_retries:      C.int64_t(options.MaxRetries),
		breaker_failures: C.int64_t(options.BreakerFailures),
		pacing:           C.int64_t(options.Pacing),
		poll_interval_ms: limit(options.PollInterval),
		api_version:      C.uint32_t(options.APIVersion),
	}
	if options.FromEnv {
		lengths.flags |= C.AIP_CLIENT_FROM_ENVIRONMENT
	}
	if options.Unpooled {
		lengths.flags |= C.AIP_CLIENT_UNPOOLED
	}
	return lengths
}

// clientTexts are the options' texts, in the order in which aipgo_client_new() takes them apart.
func clientTexts(options *ClientOptions) [16]string {
	return [...]string{
		options.BaseURL, options.AuthURL, options.APIKey, options.AccessToken, options.User, options.Password, options.ClientID,
		options.ClientSecret, options.OAuthToken, options.Scope, options.Folder, options.Organization, options.Model,
		options.EmbeddingModel, options.Affinity, options.OperationsURL,
	}
}

// credentialBytes is enough for all texts: a block that grows would leave copies behind.
func credentialBytes(options *ClientOptions) int {
	all := 0
	for _, text := range clientTexts(options) {
		all += len(text)
	}
	return all
}

func putClientTexts(lengths *C.aip_client_options, options *ClientOptions, block *[]byte) {
	texts := clientTexts(options)
	for i, length := range []*C.size_t{
		&lengths.base_url_len, &lengths.auth_url_len, &lengths.api_key_len, &lengths.access_token_len, &lengths.user_len,
		&lengths.password_len, &lengths.client_id_len, &lengths.client_secret_len, &lengths.oauth_token_len, &lengths.scope_len,
		&lengths.folder_len, &lengths.organization_len, &lengths.model_len, &lengths.embedding_model_len, &lengths.affinity_len,
		&lengths.operations_url_len,
	} {
		*length = put(block, texts[i])
	}
}

func nativeClientConfigured(client uintptr) *Error {
	var failure C.aip_error
	return toError(C.aipgo_client_configured(C.uintptr_t(client), &failure), &failure)
}

func nativeClientSession(client uintptr, usePool bool) (uintptr, *Error) {
	var session C.uintptr_t
	var failure C.aip_error
	status := C.aipgo_client_session(C.uintptr_t(client), flag(usePool), &session, &failure)
	return uintptr(session), toError(status, &failure)
}

func freeClient(client uintptr) {
	C.aipgo_client_free(C.uintptr_t(client))
}

// nativeClientSubmit gives a call to a queue.
func nativeClientSubmit(client uintptr, a *asked, queue uintptr, tag uint64) *Error {
	lengths := callNumbers(a)
	block := putCallTexts(&lengths, a)
	messages := make([]C.aip_message, len(a.call.Messages))
	for i := range a.call.Messages {
		messages[i] = putMessage(&block, &a.call.Messages[i], a.toolCalls[i])
	}
	texts := make([]C.size_t, 0, len(a.call.Stop)+len(a.inputs))
	for _, list := range [][]string{a.call.Stop, a.inputs} {
		for _, text := range list {
			texts = append(texts, put(&block, text))
		}
	}
	var failure C.aip_error
	status := C.aipgo_client_submit(C.uintptr_t(client), &lengths, unsafe.SliceData(messages), unsafe.SliceData(texts),
		packedChars(block), C.uintptr_t(a.cancel), C.uintptr_t(queue), C.uint64_t(tag), &failure)
	return toError(status, &failure)
}

func callNumbers(a *asked) C.aip_call {
	call := a.call
	numbers := C.aip_call{
		size:                      C.sizeof_aip_call,
		operation:                 C.uint32_t(a.operation),
		message_count:             C.size_t(len(call.Messages)),
		stop_count:                C.size_t(len(call.Stop)),
		input_count:               C.size_t(len(a.inputs)),
		max_tokens:                C.int64_t(call.MaxTokens),
		dimensions:                C.int64_t(call.Dimensions),
		response_format:           C.uint32_t(call.ResponseFormat),
		timeout_ms:                limit(call.Timeout),
		queue_timeout_ms:          limit(call.QueueTimeout),
		first_byte_timeout_ms:     limit(call.FirstByteTimeout),
		between_bytes_timeout_ms:  limit(call.BetweenBytesTimeout),
		first_event_timeout_ms:    limit(call.FirstEventTimeout),
		between_events_timeout_ms: limit(call.BetweenEventsTimeout),
		max_retries:               C.int64_t(call.MaxRetries),
	}
	if a.stream {
		numbers.flags |= C.AIP_CALL_STREAM
	}
	if call.Job {
		numbers.flags |= C.AIP_CALL_JOB
	}
	if call.Temperature != nil {
		numbers.set, numbers.temperature = numbers.set|C.AIP_SET_TEMPERATURE, C.double(*call.Temperature)
	}
	if call.TopP != nil {
		numbers.set, numbers.top_p = numbers.set|C.AIP_SET_TOP_P, C.double(*call.TopP)
	}
	if call.Seed != nil {
		numbers.set, numbers.seed = numbers.set|C.AIP_SET_SEED, C.int64_t(*call.Seed)
	}
	return numbers
}

// putCallTexts sets the lengths of the call's texts and returns the texts one after the other, in the order in which
// aipgo_client_submit() takes them apart.
func putCallTexts(lengths *C.aip_call, a *asked) []byte {
	call := a.call
	var block []byte
	lengths.system_len = put(&block, call.System)
	lengths.prompt_len = put(&block, call.Prompt)
	lengths.model_len = put(&block, call.Model)
	lengths.tools_len = put(&block, a.tools)
	lengths.tool_choice_len = put(&block, call.ToolChoice)
	lengths.json_schema_len = put(&block, []byte(call.JSONSchema))
	lengths.state_len = put(&block, call.State)
	lengths.extra_len = put(&block, []byte(call.Extra))
	lengths.method_len = put(&block, a.raw.Method)
	lengths.url_len = put(&block, a.raw.URL)
	lengths.body_len = put(&block, a.raw.Body)
	lengths.content_type_len = put(&block, a.raw.ContentType)
	lengths.headers_len = put(&block, a.headers)
	lengths.idempotency_key_len = put(&block, call.IdempotencyKey)
	return block
}

// putMessage appends a message's texts and returns their lengths.
func putMessage(block *[]byte, message *Message, toolCalls []byte) C.aip_message {
	lengths := C.aip_message{role: C.uint32_t(message.Role)}
	lengths.content_len = put(block, message.Content)
	lengths.name_len = put(block, message.Name)
	lengths.call_id_len = put(block, message.CallID)
	lengths.tool_calls_len = put(block, toolCalls)
	lengths.state_len = put(block, message.State)
	lengths.raw_len = put(block, []byte(message.Raw))
	return lengths
}

// nativeNextDelta reads the next part of an answer, as nativeRead does. For one caller at a time: nobody frees the response meanwhile.
func nativeNextDelta(response uintptr, wait uint32) (Delta, *Error) {
	if wait == 0 {
		calls.enter()
		defer calls.leave()
	}
	var delta C.aip_delta
	var failure C.aip_error
	status := C.aipgo_next_delta(C.uintptr_t(response), C.uint32_t(wait), &delta, &failure)
	if failure := toOutcome(status, &failure); failure != nil {
		return Delta{}, failure
	}
	return Delta{
		Kind:  DeltaKind(delta.kind),
		Index: int(delta.index),
		Text:  lent(delta.text, delta.text_len),
		ID:    lent(delta.id, delta.id_len),
		Name:  lent(delta.name, delta.name_len),
	}, nil
}

// taken is what an answer came to, and what a provider said of a failure.
type taken struct {
	reply                Reply
	errorCode, errorText string
}

// nativeReply copies what an answer came to. For one caller at a time, as nativeNextDelta.
func nativeReply(response uintptr) (taken, *Error) {
	calls.enter()
	defer calls.leave()
	var reply C.aip_reply
	var failure C.aip_error
	if failure := toError(C.aipgo_reply(C.uintptr_t(response), &reply, &failure), &failure); failure != nil {
		return taken{}, failure
	}
	return taken{
		reply: Reply{
			Text:         lent(reply.text, reply.text_len),
			Reasoning:    lent(reply.reasoning, reply.reasoning_len),
			FinishReason: FinishReason(reply.finish_reason),
			Finish:       lent(reply.finish, reply.finish_len),
			Model:        lent(reply.model, reply.model_len),
			ID:           lent(reply.id, reply.id_len),
			State:        lent(reply.state, reply.state_len),
			Usage: Usage{
				Prompt:     int64(reply.prompt_tokens),
				Completion: int64(reply.completion_tokens),
				Total:      int64(reply.total_tokens),
				Cached:     int64(reply.cached_tokens),
				Reasoning:  int64(reply.reasoning_tokens),
				Context:    int64(reply.context_tokens),
			},
			FirstToken: micros(reply.first_token_us),
			LongestGap: micros(reply.longest_gap_us),
			Parts:      uint64(reply.parts),
			ToolCalls:  nativeToolCalls(response, int(reply.tool_call_count)),
			Embeddings: nativeEmbeddings(response, int(reply.embedding_count)),
		},
		errorCode: lent(reply.error_code, reply.error_code_len),
		errorText: lent(reply.error_text, reply.error_text_len),
	}, nil
}

// takeReply copies a whole answer into Go memory, and what it came to, and frees it.
func takeReply(response uintptr) (taken, *Error) {
	all, failure := nativeReply(response)
	all.reply.Response = nativeTakeAll(response)
	return all, failure
}

func nativeToolCalls(response uintptr, count int) []ToolCall {
	if count == 0 {
		return nil
	}
	var needed C.size_t
	C.aipgo_tool_calls(C.uintptr_t(response), nil, 0, &needed, nil)
	text := make([]byte, int(needed))
	if C.aipgo_tool_calls(C.uintptr_t(response), packedChars(text), needed, &needed, nil) != C.AIP_OK {
		return nil
	}
	return toolCallsOf(text)
}

func nativeEmbeddings(response uintptr, count int) [][]float32 {
	if count == 0 {
		return nil
	}
	all := make([][]float32, count)
	var needed C.size_t
	for i := range all {
		// Each is mostly as long as the one before it.
		for {
			numbers := make([]float32, int(needed))
			status := C.aipgo_embedding(C.uintptr_t(response), C.uint32_t(i), (*C.float)(unsafe.SliceData(numbers)), needed, &needed,
				nil)
			if status == C.AIP_OK {
				all[i] = numbers[:int(needed)]
				break
			}
			if int(needed) <= len(numbers) {
				return nil
			}
		}
	}
	return all
}

// lent is a copy of a text that the library lends.
func lent(text *C.char, length C.size_t) string {
	if length == 0 {
		return ""
	}
	return strings.Clone(unsafe.String((*byte)(unsafe.Pointer(text)), int(length)))
}
