//! What one listener pair knows: its settings, what it has seen, what it has issued.

use std::sync::Arc;

use crate::armed::Armed;
use crate::gigachat;
use crate::ledger::Ledger;
use crate::naparnik;
use crate::permits::Permits;
use crate::quota::Quotas;
use crate::settings::Settings;
use crate::tokens::Tokens;
use crate::yandex;

#[derive(Default)]
pub struct Site {
    pub settings: Settings,
    pub armed: Armed,
    pub ledger: Arc<Ledger>,
    pub permits: Arc<Permits>,
    pub quotas: Quotas,
    pub tokens: Tokens,
    pub gigachat_files: gigachat::Files,
    pub yandex_operations: yandex::Operations,
    pub naparnik: naparnik::Conversations,
}

impl Site {
    /// Forgets everything but the requests that are under way.
    pub fn reset(&self) {
        self.settings.reset();
        self.armed.reset();
        self.ledger.reset();
        self.permits.reset();
        self.quotas.reset();
        self.tokens.reset();
        self.gigachat_files.reset();
        self.yandex_operations.reset();
        self.naparnik.reset();
    }
}
