//! Generates the C header into OUT_DIR, refuses to build when the committed one differs, and sets the linker's words.

use std::path::Path;
use std::{env, fs};

/// The boundary's files, in the order of the header's sections.
const SECTIONS: [&str; 18] = [
    "library",
    "status",
    "args",
    "pool",
    "pool_stats",
    "session_options",
    "session",
    "request",
    "response",
    "cancel",
    "upload",
    "queue",
    "events",
    "live",
    "client_options",
    "call",
    "client",
    "reply",
];
/// The short names come last.
const LAST: &str = "short";
const HEADER: &str = "include/aipool.h";
const ACCEPT: &str = "AIPOOL_ACCEPT_HEADER";

fn main() {
    link_arguments();
    println!("cargo::rerun-if-changed=src/ffi");
    println!("cargo::rerun-if-changed=cbindgen.toml");
    println!("cargo::rerun-if-changed=src/header.h");
    println!("cargo::rerun-if-changed={HEADER}");
    println!("cargo::rerun-if-env-changed={ACCEPT}");
    let header = header();
    let generated = Path::new(&variable("OUT_DIR")).join("aipool.h");
    fs::write(&generated, &header).expect("OUT_DIR is writable");
    let committed = Path::new(&variable("CARGO_MANIFEST_DIR")).join(HEADER);
    if env::var_os(ACCEPT).is_some() {
        fs::write(&committed, &header).expect("include/aipool.h is writable");
    } else if fs::read_to_string(&committed).unwrap_or_default() != header {
        println!("cargo::error={HEADER} differs from what src/ffi says. To accept the new one: make header");
    }
}

fn header() -> String {
    let mut config = cbindgen::Config::from_file("cbindgen.toml").expect("cbindgen.toml is readable");
    config.header = Some(fs::read_to_string("src/header.h").expect("src/header.h is readable").trim_end().to_owned());
    config.after_includes = Some(macros());
    let mut builder = cbindgen::Builder::new().with_config(config);
    for section in SECTIONS.into_iter().chain([LAST]) {
        builder = builder.with_src(format!("src/ffi/{section}.rs"));
    }
    let mut text = Vec::new();
    builder.generate().expect("src/ffi parses").write(&mut text);
    let text = String::from_utf8(text).expect("the sources are UTF-8");
    refuse_two_definitions(&text);
    let guard = format!("{}(void);", abi_guard());
    assert!(text.contains(&guard), "src/ffi/library.rs lacks the function of this ABI: {guard}");
    with_guarded_short_names(&text)
}

/// A constant that both cbindgen and `macros` write would break every user who builds with -Werror.
fn refuse_two_definitions(header: &str) {
    let mut names: Vec<_> =
        header.lines().filter_map(|line| line.strip_prefix("#define ")?.split(' ').next()).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1] && pair[0] != "AIP_API");
    assert!(twice.is_none(), "the header defines {twice:?} twice");
}

/// A host whose own functions have the short names defines AIP_NO_SHORT_NAMES before it includes the header.
fn with_guarded_short_names(header: &str) -> String {
    let first = header.find("/**\n * aip_pool_new() under a short name").expect("the short names come last");
    let end = header.rfind("#ifdef __cplusplus").expect("cpp_compat ends the header");
    let (before, names, after) = (&header[..first], header[first..end].trim_end(), &header[end..]);
    format!("{before}#ifndef AIP_NO_SHORT_NAMES\n\n{names}\n\n#endif /* AIP_NO_SHORT_NAMES */\n\n{after}")
}

/// The versions come from Cargo.toml, so they cannot drift.
fn macros() -> String {
    let [major, minor, patch] = ["MAJOR", "MINOR", "PATCH"].map(|part| variable(&format!("CARGO_PKG_VERSION_{part}")));
    format!(
        r#"
#define AIP_VERSION_MAJOR {major}
#define AIP_VERSION_MINOR {minor}
#define AIP_VERSION_PATCH {patch}
#define AIP_VERSION "{major}.{minor}.{patch}"

/** A function that only libraries of this header's ABI have, named after it: what calls it links and loads with no other. */
#define AIP_ABI_GUARD {}

/** Switches a limit or a feature off. 0 is the default everywhere. */
#define AIP_OFF (-1)

/** No bound. 0 is the default everywhere. */
#define AIP_UNLIMITED (-2)

/** As a length: the text ends with a NUL. */
#define AIP_NUL_TERMINATED SIZE_MAX

#ifndef AIP_API
#if defined(_WIN32) && !defined(AIP_STATIC)
#define AIP_API __declspec(dllimport)
#else
#define AIP_API
#endif
#endif"#,
        abi_guard()
    )
}

fn link_arguments() {
    let abi = abi();
    match variable("CARGO_CFG_TARGET_OS").as_str() {
        "linux" | "freebsd" | "android" => {
            println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libaipool.so.{abi}");
            // Library threads and thread-local destructors must not outlive the code: never unmapped.
            println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
        }
        "macos" => println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libaipool.{abi}.dylib"),
        _ => {}
    }
}

/// Which ABI this is, as in the soname. While 0.x each minor version is one of its own.
fn abi() -> String {
    let (major, minor) = (variable("CARGO_PKG_VERSION_MAJOR"), variable("CARGO_PKG_VERSION_MINOR"));
    if major == "0" { format!("0.{minor}") } else { major }
}

fn abi_guard() -> String {
    format!("aip_abi_{}", abi().replace('.', "_"))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
