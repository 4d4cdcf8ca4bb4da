//! Asking WAHA to load a file once more costs it up to six tries with pauses, in GOWS minutes each: one at a time
//! of a session. Of one process: several workers ask one at a time each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Sessions of which somebody asks, by their ids.
#[derive(Clone, Default)]
pub(super) struct Asking(Arc<Mutex<HashMap<i64, Turns>>>);

#[derive(Default)]
struct Turns {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Who asks or waits for that.
    count: usize,
}

/// A place among those who ask about a session, until it is dropped.
pub(super) struct Place {
    asking: Asking,
    session_id: i64,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Asking {
    /// Takes a place: from now on the session is busy.
    pub(super) fn place(&self, session_id: i64) -> Place {
        let mut sessions = self.sessions();
        let turns = sessions.entry(session_id).or_default();
        turns.count += 1;
        Place { asking: self.clone(), session_id, turn: Arc::clone(&turns.turn) }
    }

    /// Sessions of which somebody asks already: another file whose link is dead would only take up room.
    pub(super) fn busy(&self) -> Vec<i64> {
        self.sessions().keys().copied().collect()
    }

    /// How many ask, or wait to.
    pub(super) fn count(&self) -> usize {
        self.sessions().values().map(|turns| turns.count).sum()
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<i64, Turns>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits for the turn to ask.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sessions = self.asking.sessions();
        if let Some(turns) = sessions.get_mut(&self.session_id) {
            turns.count -= 1;
            if turns.count == 0 {
                sessions.remove(&self.session_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn of_a_session_one_has_the_turn() {
        let asking = Asking::default();
        let places = [1, 1, 2].map(|session| asking.place(session));
        assert_eq!((asking.busy().len(), asking.count()), (2, 3));
        let first = places[0].turn().await;
        let _other = places[2].turn().await;
        let mut second = Box::pin(places[1].turn());
        assert!(tokio::time::timeout(Duration::ZERO, &mut second).await.is_err());
        drop(first);
        drop(second.await);
        drop(places);
        assert_eq!((asking.busy(), asking.count()), (Vec::new(), 0), "nothing is kept of it");
    }
}
