//! Who is logged in: sessions in the tables, and what this process remembers of them.
//!
//! Invariant: a session counts as long as its token has the same secret, in every process. While the tables
//! are away, what this process knows counts, because that is when somebody must look.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use subtle::ConstantTimeEq;
use tokio::time::{Instant, timeout};

use super::cookie::{Cookie, HOURS};
use super::error::PageError;
use crate::admin::access::{Origin, Right, Token};
use crate::admin::{Admin, Caller};
use crate::server::address::ClientAddress;
use crate::store::StoreError;
use crate::store::audit::{Actor, ActorChannel};
use crate::store::operations::console_sessions::ConsoleSession;
use crate::telemetry::cause::Causes;

/// For so long a process believes what it has read.
const FRESH: Duration = Duration::from_secs(5);
/// How long the tables may take to tell.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Sessions that are remembered, and addresses whose failed attempts are counted.
const KNOWN_MAX: usize = 4096;
/// Failed attempts of one address within [`WINDOW`].
const FAILURES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_mins(1);

/// Who is logged in, as this process knows it.
#[derive(Default)]
pub struct Users {
    known: Mutex<HashMap<String, Known>>,
    failures: Mutex<HashMap<ClientAddress, Failures>>,
}

/// A session that was read or begun here.
struct Known {
    session: ConsoleSession,
    read_at: Instant,
    /// Whether it is in the tables.
    is_stored: bool,
}

struct Failures {
    since: Instant,
    count: u32,
}

/// Somebody who looks at pages.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) caller: Caller,
    pub(super) cookie: Cookie,
    origin: Option<Origin>,
}

impl Visitor {
    pub(super) fn new(caller: Caller, cookie: Cookie, origin: Option<Origin>) -> Self {
        Self { caller, cookie, origin }
    }

    /// Who acts, for the audit log.
    pub(super) fn actor(&self) -> Actor {
        self.caller.actor(ActorChannel::Console, self.origin)
    }

    pub(super) fn may(&self, right: Right) -> bool {
        self.caller.role.gives(right)
    }
}

impl Users {
    /// Whose session a cookie stands for.
    pub(super) async fn caller(&self, admin: &Admin, cookie: &Cookie) -> Option<Caller> {
        let session = self.session(admin, &cookie.id_hash()).await?;
        let token = admin.access.token_named(&session.token_name)?;
        let is_same = cookie.binding(&token).as_bytes().ct_eq(session.binding.as_bytes());
        let lasts = session.expires_at.timestamp_millis() > admin.observer.now_ms();
        (bool::from(is_same) && lasts).then(|| token.caller())
    }

    async fn session(&self, admin: &Admin, id_hash: &str) -> Option<ConsoleSession> {
        let known = {
            let known = lock(&self.known);
            known.get(id_hash).map(|it| (it.session.clone(), it.read_at, it.is_stored))
        };
        if let Some((session, read_at, _)) = &known
            && read_at.elapsed() < FRESH
        {
            return Some(session.clone());
        }
        let read = match &admin.store {
            Some(store) => timeout(ANSWER_MAX, store.console_session(id_hash)).await.ok(),
            None => None,
        };
        match read {
            Some(Ok(Some(session))) => {
                self.remember(session.clone(), true);
                Some(session)
            }
            // Not there: it was ended elsewhere, unless it never got there.
            Some(Ok(None)) => {
                let (session, _, is_stored) = known?;
                if is_stored {
                    lock(&self.known).remove(id_hash);
                }
                (!is_stored).then_some(session)
            }
            Some(Err(_)) | None => known.map(|(session, ..)| session),
        }
    }

    fn remember(&self, session: ConsoleSession, is_stored: bool) {
        let mut known = lock(&self.known);
        if known.len() >= KNOWN_MAX {
            known.retain(|_, it| it.read_at.elapsed() < FRESH);
        }
        if known.len() < KNOWN_MAX {
            let read_at = Instant::now();
            known.insert(session.id_hash.clone(), Known { session, read_at, is_stored });
        }
    }

    /// Begins a session for the holder of a secret.
    pub(super) async fn log_in(
        &self,
        admin: &Admin,
        secret: &str,
        origin: Option<Origin>,
    ) -> Result<Cookie, PageError> {
        let address = origin.map(|origin| origin.sender);
        if address.is_some_and(|address| !self.may_try(address)) {
            return Err(PageError::TooManyAttempts);
        }
        let Some(token) = admin.access.holder(secret) else {
            if let Some(address) = address {
                self.note_failure(address);
                tracing::warn!(client.address = %address, "a log-in to the console failed");
            }
            return Err(PageError::WrongToken);
        };
        let caller = token.caller();
        caller.require(Right::View)?;
        let cookie = Cookie::random();
        let actor = caller.actor(ActorChannel::Console, origin);
        self.begin(admin, &cookie, &token, &actor).await;
        Ok(cookie)
    }

    async fn begin(&self, admin: &Admin, cookie: &Cookie, token: &Token, actor: &Actor) {
        let now = chrono::DateTime::<Utc>::from_timestamp_millis(admin.observer.now_ms());
        let session = ConsoleSession {
            id_hash: cookie.id_hash(),
            token_name: token.identity().0.to_owned(),
            binding: cookie.binding(token),
            expires_at: now.unwrap_or_default() + TimeDelta::hours(HOURS),
        };
        let stored = match &admin.store {
            Some(store) => timeout(ANSWER_MAX, store.begin_console_session(&session, actor)).await,
            None => return,
        };
        let is_stored = match stored {
            Ok(Ok(())) => true,
            Ok(Err(error)) => not_stored(actor, &error),
            // It may get there all the same, and is the same then.
            Err(_) => {
                tracing::warn!(
                    actor = actor.name,
                    "a log-in to the console is not in the audit log"
                );
                false
            }
        };
        self.remember(session, is_stored);
    }

    /// Ends a session.
    pub(super) async fn log_out(&self, admin: &Admin, visitor: &Visitor) -> Result<(), PageError> {
        let id_hash = visitor.cookie.id_hash();
        admin.store()?.end_console_session(&id_hash, &visitor.actor()).await?;
        lock(&self.known).remove(&id_hash);
        Ok(())
    }

    fn may_try(&self, address: ClientAddress) -> bool {
        let mut failures = lock(&self.failures);
        failures.retain(|_, it| it.since.elapsed() < WINDOW);
        match failures.get(&address) {
            Some(recent) => recent.count < FAILURES_MAX,
            // Where so many addresses fail at once, all others wait as well.
            None => failures.len() < KNOWN_MAX,
        }
    }

    fn note_failure(&self, address: ClientAddress) {
        let begun = Failures { since: Instant::now(), count: 0 };
        lock(&self.failures).entry(address).or_insert(begun).count += 1;
    }
}

fn not_stored(actor: &Actor, error: &StoreError) -> bool {
    let error = Causes(error);
    tracing::warn!(%error, actor = actor.name, "a log-in to the console is not in the audit log");
    false
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
