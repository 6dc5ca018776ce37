//! Requests held by name until a control call releases them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

#[derive(Debug, Default)]
pub struct Holds(Mutex<HashMap<String, Arc<Hold>>>);

impl Holds {
    pub fn named(&self, name: &str) -> Arc<Hold> {
        let mut holds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hold) = holds.get(name) {
            return Arc::clone(hold);
        }
        Arc::clone(holds.entry(name.to_owned()).or_default())
    }
}

/// The requests held under one name.
#[derive(Debug, Default)]
pub struct Hold(watch::Sender<State>);

#[derive(Debug, Default)]
struct State {
    /// How often the name has been released; a request waits for the next one only.
    releases: u64,
    held: u64,
}

impl Hold {
    /// Resolves at the next release; stops counting as held when dropped before.
    pub async fn wait_released(&self) {
        let mut state = self.0.subscribe();
        let mut arrival = 0;
        self.0.send_modify(|state| {
            state.held += 1;
            arrival = state.releases;
        });
        let _held = Held { hold: self, arrival };
        // The sender is `self`, so it outlives the wait.
        let _ = state.wait_for(|state| state.releases > arrival).await;
    }

    /// Releases all that are held now, and says how many they were.
    pub fn release(&self) -> u64 {
        let mut released = 0;
        self.0.send_modify(|state| {
            state.releases += 1;
            released = std::mem::take(&mut state.held);
        });
        released
    }

    /// Resolves once the number of held requests satisfies `enough`, and says the number.
    pub async fn wait_held(&self, mut enough: impl FnMut(u64) -> bool) -> u64 {
        let mut state = self.0.subscribe();
        state.wait_for(|state| enough(state.held)).await.map_or(0, |state| state.held)
    }
}

struct Held<'a> {
    hold: &'a Hold,
    arrival: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.hold.0.send_if_modified(|state| {
            // A release has taken this request off the count already.
            let counted = state.releases == self.arrival;
            if counted {
                state.held -= 1;
            }
            counted
        });
    }
}
