//! Credentials are wiped when their client is freed: every block of memory that is given back is searched for them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use aipool::clients::config::{ClientConfig, ClientTuning};
use aipool::clients::kind::Kind;
use aipool::clients::unchecked_config::{Text, UncheckedConfig};
use aipool::clients::{Client, PoolSource};
use aipool::config::{PoolConfig, SessionConfig};
use aipool::pool::ConnectionPool;

const PLANTED: &[u8] = b"pl4nted-secret";
/// base64 of "pl4nted-secret:pl4nted-secret", without its padding.
const PLANTED_PAIR: &[u8] = b"cGw0bnRlZC1zZWNyZXQ6cGw0bnRlZC1zZWNyZXQ";

static FOUND: AtomicUsize = AtomicUsize::new(0);

struct Searching;

// SAFETY: all of it is the system's.
unsafe impl GlobalAlloc for Searching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise. Zeroed, so that what is read when it is freed was written by its owner.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the block is its owner's until it is given back here, and all of it was initialised.
        let block = unsafe { std::slice::from_raw_parts(place, layout.size()) };
        let holds = |what: &[u8]| block.windows(what.len()).any(|window| window == what);
        if layout.size() < 1 << 16 && (holds(PLANTED) || holds(PLANTED_PAIR)) {
            FOUND.fetch_add(1, Ordering::SeqCst);
        }
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static SEARCHING: Searching = Searching;

fn planted() -> Text {
    Text::new(String::from_utf8_lossy(PLANTED).into_owned())
}

fn given(kind: Kind) -> UncheckedConfig {
    let mut given = UncheckedConfig {
        api_key: planted(),
        access_token: planted(),
        password: planted(),
        oauth_token: planted(),
        user: Text::new("user".into()),
        folder: Text::new("folder".into()),
        ..UncheckedConfig::default()
    };
    if kind == Kind::GigaChat {
        (given.api_key, given.client_id, given.client_secret) = (Text::default(), planted(), planted());
    }
    given
}

#[test]
fn no_block_that_is_given_back_holds_a_credential() {
    drop(String::from_utf8_lossy(PLANTED).into_owned());
    assert_eq!(FOUND.swap(0, Ordering::SeqCst), 1, "what is not wiped is found");
    let pool = ConnectionPool::new(PoolConfig::default()).unwrap();
    for kind in [
        Kind::OpenAi,
        Kind::Ollama,
        Kind::GigaChat,
        Kind::Yandex,
        Kind::YandexOpenAi,
        Kind::Naparnik,
        Kind::NaparnikCompat,
    ] {
        let given = given(kind);
        let config = ClientConfig::new(kind, &given, ClientTuning::default(), SessionConfig::default()).unwrap();
        drop(given);
        let client = Client::new(config, PoolSource::Given(pool.clone())).unwrap();
        client.is_configured().unwrap();
        drop(client);
        assert_eq!(FOUND.load(Ordering::SeqCst), 0, "{kind:?}");
    }
}
