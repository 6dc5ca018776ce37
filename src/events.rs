//! STUB until the event ring is merged.

/// Why a connection takes no more requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    Idle = 1,
    Lifetime,
    ServerClosed,
    GoAway,
    Error,
    Cancelled,
    NoSession,
    PoolClosed,
    Stale,
    Limit,
    Suspect,
    NotReusable,
    Reloaded,
}

impl CloseReason {
    pub const COUNT: usize = 13;
    const ALL: [CloseReason; CloseReason::COUNT] = [
        CloseReason::Idle,
        CloseReason::Lifetime,
        CloseReason::ServerClosed,
        CloseReason::GoAway,
        CloseReason::Error,
        CloseReason::Cancelled,
        CloseReason::NoSession,
        CloseReason::PoolClosed,
        CloseReason::Stale,
        CloseReason::Limit,
        CloseReason::Suspect,
        CloseReason::NotReusable,
        CloseReason::Reloaded,
    ];

    pub fn number(self) -> u8 {
        self as u8
    }

    pub fn index(self) -> usize {
        self as usize - 1
    }

    pub fn from_number(number: u8) -> Option<CloseReason> {
        CloseReason::ALL.into_iter().find(|reason| reason.number() == number)
    }
}
