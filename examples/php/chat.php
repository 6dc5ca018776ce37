<?php
// A chat that comes word by word, with an OpenAI-compatible server at AIPOOL_SANDBOX_HTTP: php -d ffi.enable=true chat.php
// The calls block, each within its limits. PHP 8.0 or newer.
// AIPOOL_LIBRARY: the path of libaipool.so, where the system does not find it.
declare(strict_types=1);

$header = file_get_contents(__DIR__ . '/../ffi/aipool.ffi.h');
$aip = FFI::cdef($header, getenv('AIPOOL_LIBRARY') ?: 'libaipool.so.0.1');
if ($aip->aip_abi_version() !== $aip->AIP_ABI_VERSION) {
    throw new Exception('libaipool is of another release than aipool.ffi.h');
}

/** A handle, freed when nobody has it any more. */
final class Handle
{
    public function __construct(private FFI $aip, private string $kind, public FFI\CData $token)
    {
    }

    public function __destruct()
    {
        $this->aip->{"aip_{$this->kind}_free"}($this->token);
    }
}

/** Calls with the aip_error at the end: a status below 10, or an exception. */
function check(string $name, mixed ...$inputs): int
{
    global $aip;
    $failure = $aip->new('aip_error');
    $status = $aip->$name(...[...$inputs, FFI::addr($failure)]);
    if ($status >= 10) {
        throw new Exception($aip->aip_status_name($status) . ': ' . FFI::string($failure->message), $status);
    }
    return $status;
}

/** The handle that a function makes. */
function made(string $kind, string $name, mixed ...$inputs): Handle
{
    global $aip;
    $place = $aip->new("aip_{$kind} *");
    check($name, ...[...$inputs, FFI::addr($place)]);
    return new Handle($aip, $kind, $place);
}

/** Bytes that a struct can point to: they have to live until the call that takes the struct returns. */
function bytes(string $text): FFI\CData
{
    global $aip;
    $copy = $aip->new('char[' . (strlen($text) + 1) . ']');
    FFI::memcpy($copy, $text, strlen($text));
    return $copy;
}

/** Sets these fields and their lengths; what is returned keeps their bytes. */
function set(FFI\CData $struct, array $texts): array
{
    global $aip;
    $kept = array_map('bytes', $texts);
    foreach ($texts as $name => $text) {
        $struct->$name = $aip->cast(FFI::typeof($struct->$name), FFI::addr($kept[$name]));
        $struct->{"{$name}_len"} = strlen($text);
    }
    return $kept;
}

function chat(Handle $session, string $words): string
{
    global $aip;
    $request = $aip->new('aip_request');
    $aip->aip_request_init(FFI::addr($request), FFI::sizeof($request));
    $messages = [['role' => 'user', 'content' => $words]];
    $kept = set($request, [
        'method' => 'POST',
        'url' => '/v1/chat/completions',
        'packed_headers' => "content-type\0application/json\0",
        'body' => json_encode(['model' => 'sandbox-small', 'stream' => true, 'messages' => $messages]),
        'end_marker' => '[DONE]',
    ]);
    $request->flags = $aip->AIP_REQUEST_STREAM;
    $response = made('response', 'aip_session_request', $session->token, FFI::addr($request));
    unset($kept); // the request was copied
    if ($aip->aip_response_status($response->token) !== 200) {
        throw new Exception('HTTP ' . $aip->aip_response_status($response->token));
    }
    $event = $aip->new('aip_stream_event');
    $answer = '';
    while (check('aip_response_next_event', $response->token, 30000, FFI::addr($event)) === $aip->AIP_OK) {
        $data = FFI::string($event->data, $event->data_len);
        $answer .= $data === '[DONE]' ? '' : json_decode($data)->choices[0]->delta->content ?? '';
    }
    return $answer;
}

/** The same by a client of the library's, which knows the provider's words. */
function generate(Handle $pool, string $base, string $prompt): string
{
    global $aip;
    $options = $aip->new('aip_client_options');
    $aip->aip_client_options_init(FFI::addr($options), FFI::sizeof($options));
    $options->kind = $aip->AIP_CLIENT_OPENAI;
    $kept = set($options, ['base_url' => $base, 'model' => 'sandbox-small']);
    $client = made('client', 'aip_client_new', $pool->token, FFI::addr($options));
    $response = made('response', 'aip_client_generate', $client->token, $prompt, strlen($prompt), null);
    $reply = $aip->new('aip_reply');
    check('aip_response_reply', $response->token, FFI::addr($reply), FFI::sizeof($reply));
    return FFI::string($reply->text, $reply->text_len);
}

function demo(string $base): void
{
    global $aip;
    $pool = made('pool', 'aip_pool_new', null);
    $session = made('session', 'aip_pool_get_session', $pool->token, $base, strlen($base), null);
    for ($number = 1; $number <= 20; $number++) {
        echo chat($session, "чат $number from PHP"), "\n";
    }
    echo generate($pool, "$base/v1", 'a client in PHP'), "\n";
    $counters = $aip->new('aip_pool_stats');
    check('aip_pool_get_stats', $pool->token, FFI::addr($counters), FFI::sizeof($counters));
    echo "connections: {$counters->connections_opened}\n";

    $nobody = 'http://127.0.0.1:1';
    $deaf = made('session', 'aip_pool_get_session', $pool->token, $nobody, strlen($nobody), null);
    try {
        chat($deaf, 'hello');
    } catch (Exception $failure) {
        echo strtok($failure->getMessage(), ':'), "\n";
    }
}

demo(getenv('AIPOOL_SANDBOX_HTTP') ?: throw new Exception("AIPOOL_SANDBOX_HTTP: the server's base URL"));
$left = $aip->new('aip_library_stats');
$aip->aip_stats(FFI::addr($left), FFI::sizeof($left));
echo "left: {$left->pools} {$left->sessions} {$left->responses}\n";
