//! What a session is asked for with, in C.

#![allow(non_camel_case_types)]

use std::ffi::c_char;
use std::net::IpAddr;

use super::args::{self, AIP_OFF, AIP_UNLIMITED, SizedStruct};
use super::request;
use crate::config::{
    ClientCertificate, ConnectionConfig, HttpVersion, Keepalive, KeyBytes, LimitOverrides, MOST_REDIRECTS,
    MOST_RETRIES, NetworkOptions, Override, PersistenceOverrides, ProxyOptions, ProxyUrl, RequestDefaults,
    STREAM_WINDOWS, SessionConfig, TlsOptions, TlsVersion, TransportKind, Trust,
};
use crate::error::{Error, Result};

/// HTTP/2 where the server offers it by ALPN, HTTP/1.1 otherwise (the default).
pub const AIP_HTTP_AUTO: u32 = 0;
/// HTTP/1.1 only.
pub const AIP_HTTP_1: u32 = 1;
/// HTTP/2 only; over plain http by prior knowledge.
pub const AIP_HTTP_2: u32 = 2;

/// The pool's own connections (the default).
pub const AIP_TRANSPORT_ENGINE: u32 = 0;
/// reqwest's: no limits of connections, no queue, no proxy. What it lacks is AIP_UNSUPPORTED by name.
pub const AIP_TRANSPORT_REQWEST: u32 = 1;

/// The system's roots and those of `ca_file` and `ca_bytes` (the default).
pub const AIP_TRUST_SYSTEM_AND_GIVEN: u32 = 0;
/// Those of `ca_file` and `ca_bytes` alone.
pub const AIP_TRUST_GIVEN_ONLY: u32 = 1;
/// Anybody: for a test server alone. Shown in stats, infos and events.
pub const AIP_TRUST_ANYBODY: u32 = 2;

/// TLS 1.2 or newer (the default).
pub const AIP_TLS_1_2: u32 = 0;
/// TLS 1.3 or newer.
pub const AIP_TLS_1_3: u32 = 1;

/// As http_proxy, https_proxy, all_proxy and no_proxy say when the session is made; loopback goes direct (the default).
pub const AIP_PROXY_ENVIRONMENT: u32 = 0;
/// No proxy.
pub const AIP_PROXY_OFF: u32 = 1;

/// What a session is asked for with. Call aip_session_options_init() first; every 0 is the default.
/// `ca_*`, `http_version`, `transport` and all from `trust` on shape connections: they are the session's identity. Another
/// `partition` is another session. Headers, limits, `max_redirects` and `max_retries` belong to the handle and may differ
/// from handle to handle.
#[repr(C)]
pub struct aip_session_options {
    /// sizeof(aip_session_options); set by aip_session_options_init().
    pub size: usize,
    /// Another partition is another session under the same key. UTF-8.
    pub partition: *const c_char,
    /// Bytes of `partition`, or AIP_NUL_TERMINATED.
    pub partition_len: usize,
    /// A file of certificates, PEM or DER, trusted as `trust` says. UTF-8 path.
    pub ca_file: *const c_char,
    /// Bytes of `ca_file`, or AIP_NUL_TERMINATED.
    pub ca_file_len: usize,
    /// Certificates, PEM or DER, trusted as `trust` says.
    pub ca_bytes: *const u8,
    /// Bytes of `ca_bytes`.
    pub ca_bytes_len: usize,
    /// Headers sent with every request that does not carry the same name, packed: name NUL value NUL name NUL value NUL.
    pub headers: *const c_char,
    /// Bytes of `headers`.
    pub headers_len: usize,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub timeout_ms: i64,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub connect_timeout_ms: i64,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub max_body_bytes: i64,
    /// AIP_HTTP_AUTO, AIP_HTTP_1 or AIP_HTTP_2.
    pub http_version: u32,
    /// AIP_TRANSPORT_ENGINE or AIP_TRANSPORT_REQWEST.
    pub transport: u32,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub queue_timeout_ms: i64,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub dns_timeout_ms: i64,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub tls_timeout_ms: i64,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub send_timeout_ms: i64,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub first_byte_timeout_ms: i64,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub between_bytes_timeout_ms: i64,
    /// Redirects followed, up to 30; 0 and AIP_OFF: none. Credentials never cross an origin.
    pub max_redirects: i64,
    /// Further attempts, up to 10: after failures where nothing was sent; after a broken connection where the request may
    /// be sent twice (see AIP_REQUEST_MAY_REPEAT); after 429, 503, 529 and what the server marks with x-should-retry, not
    /// before its Retry-After. 0 and AIP_OFF: none. All within timeout_ms.
    pub max_retries: i64,
    /// Whom the session trusts: AIP_TRUST_SYSTEM_AND_GIVEN, AIP_TRUST_GIVEN_ONLY or AIP_TRUST_ANYBODY.
    pub trust: u32,
    /// AIP_TLS_1_2 or AIP_TLS_1_3.
    pub min_tls: u32,
    /// The client's certificate chain, a PEM file, for servers that ask for one. UTF-8 path.
    pub client_cert_file: *const c_char,
    /// Bytes of `client_cert_file`, or AIP_NUL_TERMINATED.
    pub client_cert_file_len: usize,
    /// The same as PEM bytes.
    pub client_cert_bytes: *const u8,
    /// Bytes of `client_cert_bytes`.
    pub client_cert_bytes_len: usize,
    /// The chain's key, a PEM file without a password. UTF-8 path.
    pub client_key_file: *const c_char,
    /// Bytes of `client_key_file`, or AIP_NUL_TERMINATED.
    pub client_key_file_len: usize,
    /// The same as PEM bytes.
    pub client_key_bytes: *const u8,
    /// Bytes of `client_key_bytes`.
    pub client_key_bytes_len: usize,
    /// The name asked for (SNI) and verified in place of the URL's host.
    pub server_name: *const c_char,
    /// Bytes of `server_name`, or AIP_NUL_TERMINATED.
    pub server_name_len: usize,
    /// SHA-256 hashes of public keys (SPKI), 32 bytes each: the server's chain must hold one of them.
    pub pins: *const u8,
    /// Bytes of `pins`: a multiple of 32.
    pub pins_len: usize,
    /// A file that TLS session secrets are appended to, for a packet capture. UTF-8 path.
    pub key_log_file: *const c_char,
    /// Bytes of `key_log_file`, or AIP_NUL_TERMINATED.
    pub key_log_file_len: usize,
    /// A proxy: http://, https://, socks5:// or socks5h://, with user and password where it wants them. Set, it is used
    /// whatever `proxy_mode` says.
    pub proxy: *const c_char,
    /// Bytes of `proxy`, or AIP_NUL_TERMINATED.
    pub proxy_len: usize,
    /// Hosts that `proxy` is not used for, as in no_proxy: names, .suffixes, addresses, CIDR, separated by commas.
    pub no_proxy: *const c_char,
    /// Bytes of `no_proxy`, or AIP_NUL_TERMINATED.
    pub no_proxy_len: usize,
    /// Connections go to this unix socket, whatever the URL's host is. UTF-8 path.
    pub unix_socket: *const c_char,
    /// Bytes of `unix_socket`, or AIP_NUL_TERMINATED.
    pub unix_socket_len: usize,
    /// Addresses of host names that are not to be looked up: "host=address,address host=address".
    pub resolve: *const c_char,
    /// Bytes of `resolve`, or AIP_NUL_TERMINATED.
    pub resolve_len: usize,
    /// The address connections come from.
    pub local_address: *const c_char,
    /// Bytes of `local_address`, or AIP_NUL_TERMINATED.
    pub local_address_len: usize,
    /// Silent milliseconds before TCP keep-alive probes, 1000 at the least; 0 is 30000. AIP_OFF: no probes.
    pub keepalive_ms: i64,
    /// Bytes of one HTTP/2 stream that may wait unread, 1024 to 16777216; 0 is 65536, AIP_UNLIMITED the most. More for
    /// large downloads over long ways. What a hundred streams may hold is a hundred times that.
    pub stream_window_bytes: i64,
    /// AIP_PROXY_ENVIRONMENT or AIP_PROXY_OFF.
    pub proxy_mode: u32,
    /// Zero.
    pub reserved: u32,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub first_event_timeout_ms: i64,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub between_events_timeout_ms: i64,
}

const _: () = assert!(size_of::<aip_session_options>() == 408);

// SAFETY: repr(C), `size` first, pointers and integers only.
unsafe impl SizedStruct for aip_session_options {
    const FIRST_SIZE: usize = 408;
}

/// Sets all defaults. `size` is sizeof(aip_session_options).
/// The caller owns the struct. Any thread. No errors: NULL is ignored. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_session_options_init(options: *mut aip_session_options, size: usize) {
    // SAFETY: the header's contract.
    unsafe { args::init(options, size) }
}

/// The checked configuration, or `None` for NULL.
///
/// # Safety
/// The header's contract for session options.
pub unsafe fn config(options: *const aip_session_options) -> Result<Option<SessionConfig>> {
    // SAFETY: the header's contract, as for all that follows.
    let Some(options) = (unsafe { args::sized("options", "aip_session_options_init", options)? }) else {
        return Ok(None);
    };
    if options.reserved != 0 {
        return Err(Error::invalid("reserved", "is not 0; call aip_session_options_init() on the struct first"));
    }
    // SAFETY: the header's contract.
    let (partition, headers, tls, network) = unsafe {
        (
            args::text("partition", options.partition, options.partition_len)?,
            args::bytes("headers", options.headers.cast(), options.headers_len)?,
            tls(&options)?,
            network(&options)?,
        )
    };
    Ok(Some(SessionConfig {
        partition: partition.to_owned(),
        connection: ConnectionConfig {
            transport: args::choice(
                "transport",
                options.transport,
                &[(AIP_TRANSPORT_ENGINE, TransportKind::Engine), (AIP_TRANSPORT_REQWEST, TransportKind::Reqwest)],
                "AIP_TRANSPORT_ENGINE or AIP_TRANSPORT_REQWEST",
            )?,
            http_version: args::choice(
                "http_version",
                options.http_version,
                &[
                    (AIP_HTTP_AUTO, HttpVersion::Auto),
                    (AIP_HTTP_1, HttpVersion::Http1),
                    (AIP_HTTP_2, HttpVersion::Http2),
                ],
                "AIP_HTTP_AUTO, AIP_HTTP_1 or AIP_HTTP_2",
            )?,
            tls,
            network,
            stream_window: stream_window(options.stream_window_bytes)?,
        },
        defaults: RequestDefaults {
            limits: args::limits!(&options),
            persistence: PersistenceOverrides {
                retries: args::times("max_retries", options.max_retries, MOST_RETRIES)?,
                redirects: args::times("max_redirects", options.max_redirects, MOST_REDIRECTS)?,
            },
            headers: request::packed_headers("headers", headers)?,
        },
    }))
}

/// # Safety
/// The header's contract for session options.
unsafe fn tls(options: &aip_session_options) -> Result<TlsOptions> {
    // SAFETY: the header's contract, as for all that follows.
    let (ca_file, ca_bytes, client) = unsafe {
        (
            args::text("ca_file", options.ca_file, options.ca_file_len)?,
            args::bytes("ca_bytes", options.ca_bytes, options.ca_bytes_len)?,
            client_certificate(options)?,
        )
    };
    // SAFETY: as above.
    let (server_name, pins, key_log_file) = unsafe {
        (
            args::text("server_name", options.server_name, options.server_name_len)?,
            args::bytes("pins", options.pins, options.pins_len)?,
            args::text("key_log_file", options.key_log_file, options.key_log_file_len)?,
        )
    };
    let hashes = pins.chunks_exact(32);
    if !hashes.remainder().is_empty() {
        return Err(Error::invalid(
            "pins_len",
            "is no multiple of 32; give SHA-256 hashes as bytes, one after the other",
        ));
    }
    let trusts = [
        (AIP_TRUST_SYSTEM_AND_GIVEN, Trust::SystemAndGiven),
        (AIP_TRUST_GIVEN_ONLY, Trust::GivenOnly),
        (AIP_TRUST_ANYBODY, Trust::Anybody),
    ];
    let versions = [(AIP_TLS_1_2, TlsVersion::Tls12), (AIP_TLS_1_3, TlsVersion::Tls13)];
    let names = "AIP_TRUST_SYSTEM_AND_GIVEN, AIP_TRUST_GIVEN_ONLY or AIP_TRUST_ANYBODY";
    Ok(TlsOptions {
        ca_file: ca_file.to_owned(),
        ca_bytes: ca_bytes.into(),
        trust: args::choice("trust", options.trust, &trusts, names)?,
        client,
        server_name: server_name.to_owned(),
        pins: hashes.filter_map(|hash| hash.try_into().ok()).collect(),
        min_version: args::choice("min_tls", options.min_tls, &versions, "AIP_TLS_1_2 or AIP_TLS_1_3")?,
        key_log_file: key_log_file.to_owned(),
    })
}

/// # Safety
/// The header's contract for session options.
unsafe fn client_certificate(options: &aip_session_options) -> Result<ClientCertificate> {
    // SAFETY: the header's contract, as for all that follows.
    let (chain_file, chain_bytes) = unsafe {
        (
            args::text("client_cert_file", options.client_cert_file, options.client_cert_file_len)?,
            args::bytes("client_cert_bytes", options.client_cert_bytes, options.client_cert_bytes_len)?,
        )
    };
    // SAFETY: as above.
    let (key_file, key_bytes) = unsafe {
        (
            args::text("client_key_file", options.client_key_file, options.client_key_file_len)?,
            args::bytes("client_key_bytes", options.client_key_bytes, options.client_key_bytes_len)?,
        )
    };
    Ok(ClientCertificate {
        chain_file: chain_file.to_owned(),
        chain_bytes: chain_bytes.into(),
        key_file: key_file.to_owned(),
        key_bytes: KeyBytes::new(key_bytes.to_vec()),
    })
}

/// # Safety
/// The header's contract for session options.
unsafe fn network(options: &aip_session_options) -> Result<NetworkOptions> {
    // SAFETY: the header's contract, as for all that follows.
    let (unix_socket, resolve, local_address, proxy) = unsafe {
        (
            args::text("unix_socket", options.unix_socket, options.unix_socket_len)?,
            args::text("resolve", options.resolve, options.resolve_len)?,
            args::text("local_address", options.local_address, options.local_address_len)?,
            proxy(options)?,
        )
    };
    let from = match local_address {
        "" => None,
        text => Some(text.parse().map_err(|_| {
            Error::invalid("local_address", "is no IP address; write one of this machine's, without a port")
        })?),
    };
    Ok(NetworkOptions {
        proxy,
        unix_socket: (!unix_socket.is_empty()).then(|| unix_socket.into()),
        overrides: overrides(resolve)?.into(),
        local_address: from,
        keepalive: match args::time_limit("keepalive_ms", options.keepalive_ms)? {
            None => Keepalive::default(),
            Some(None) => Keepalive::Off,
            Some(Some(silence)) => Keepalive::after(silence),
        },
    })
}

/// # Safety
/// The header's contract for session options.
unsafe fn proxy(options: &aip_session_options) -> Result<ProxyOptions> {
    // SAFETY: the header's contract.
    let (url, except) = unsafe {
        (
            args::text("proxy", options.proxy, options.proxy_len)?,
            args::text("no_proxy", options.no_proxy, options.no_proxy_len)?,
        )
    };
    let modes = [(AIP_PROXY_ENVIRONMENT, ProxyOptions::Environment), (AIP_PROXY_OFF, ProxyOptions::Off)];
    let mode = args::choice("proxy_mode", options.proxy_mode, &modes, "AIP_PROXY_ENVIRONMENT or AIP_PROXY_OFF")?;
    if url.is_empty() {
        if !except.is_empty() {
            let mend = "goes with proxy, which is empty; the environment's proxy has no_proxy of its own";
            return Err(Error::invalid("no_proxy", mend));
        }
        return Ok(mode);
    }
    Ok(ProxyOptions::Through { url: ProxyUrl(url.to_owned()), except: except.to_owned() })
}

/// "host=address,address host=address".
fn overrides(text: &str) -> Result<Vec<Override>> {
    let broken =
        || Error::invalid("resolve", "is not \"host=address,address host=address\"; addresses are IPv4 or IPv6");
    let one = |entry: &str| {
        let (host, addresses) = entry.split_once('=').filter(|(host, _)| !host.is_empty()).ok_or_else(broken)?;
        let addresses = addresses.split(',').map(|address| address.parse::<IpAddr>().map_err(|_| broken()));
        Ok(Override { host: host.to_owned(), addresses: addresses.collect::<Result<_>>()? })
    };
    text.split_ascii_whitespace().map(one).collect()
}

fn stream_window(bytes: i64) -> Result<u32> {
    match bytes {
        0 => Ok(ConnectionConfig::default().stream_window),
        AIP_UNLIMITED | AIP_OFF => Ok(*STREAM_WINDOWS.end()),
        _ => u32::try_from(bytes)
            .ok()
            .filter(|bytes| STREAM_WINDOWS.contains(bytes))
            .ok_or_else(|| args::out_of_range("stream_window_bytes", bytes, "1024 to 16777216")),
    }
}
