//! Reads and changes the configurations of a source's sessions.

use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep};

use super::compare::{Comparison, Difference, compare, registered, unregistered};
use super::problem::RegistrarProblem;
use super::reach::{check_reach, is_same_door};
use super::wanted::{Manage, RegistrarOptions};
use crate::store::operations::registrations::RegistrationState;
use crate::waha_api::{ConfiguredSession, WahaApi, WahaError};

/// A session that has not to start anew when its configuration changes.
const STOPPED: &str = "STOPPED";
/// One that works.
const WORKING: &str = "WORKING";
/// One that does not yet.
const STARTING: &str = "STARTING";
/// How long one that starts anew is waited for before the next one may.
const START_MAX: Duration = Duration::from_mins(1);
/// How often it is looked whether it works again.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks after our webhook in one WAHA.
pub struct Registrar {
    api: WahaApi,
    options: RegistrarOptions,
    start_max: Duration,
}

/// What a session's registration depends on beside its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// WAHA's worker that is asked, where there are several.
    pub worker: Option<String>,
    /// Where the webhook of WAHA's environment goes; none if the key may not see it.
    pub global_urls: Option<Vec<String>>,
}

/// How our webhook stands in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRegistration {
    /// WAHA's name of the session.
    pub session: String,
    /// WAHA's word of how it is.
    pub status: String,
    /// Whether all is well.
    pub state: RegistrationState,
    /// What is otherwise.
    pub differences: Vec<Difference>,
    /// Webhooks of the session to others.
    pub others: usize,
    /// The worker that runs it, if it is not the one that is asked: nothing is changed there.
    pub other_worker: Option<String>,
}

impl SessionRegistration {
    /// Whether it would start anew with a change.
    pub fn is_running(&self) -> bool {
        self.status != STOPPED
    }

    fn check_worker(&self) -> Result<(), RegistrarProblem> {
        self.other_worker
            .clone()
            .map_or(Ok(()), |worker| Err(RegistrarProblem::OtherWorker(worker)))
    }
}

impl Registrar {
    /// One that asks this WAHA.
    pub fn new(api: WahaApi, options: RegistrarOptions) -> Self {
        Self { api, options, start_max: START_MAX }
    }

    /// The same that waits otherwise than a minute for a session that starts anew.
    pub fn with_start_max(self, start_max: Duration) -> Self {
        Self { start_max, ..self }
    }

    /// Its source.
    pub fn source(&self) -> &str {
        self.api.source()
    }

    /// Where our door is for this WAHA.
    pub fn url(&self) -> &Url {
        &self.options.webhook.url
    }

    /// Who may change configurations.
    pub fn manage(&self) -> Manage {
        self.options.manage
    }

    /// What its sessions depend on.
    pub async fn surroundings(&self) -> Result<Surroundings, WahaError> {
        let worker = self.api.server_version().await?.worker;
        let global_urls = match self.api.global_webhook_urls().await {
            Ok(urls) => Some(urls),
            // A session's key, or a release without it.
            Err(WahaError::Forbidden | WahaError::Unsupported | WahaError::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(Surroundings { worker, global_urls })
    }

    /// How our webhook stands in each session that the key may see.
    pub async fn inspect(
        &self,
        around: &Surroundings,
    ) -> Result<Vec<SessionRegistration>, RegistrarProblem> {
        let sessions = self.api.configured_sessions().await?;
        Ok(sessions.iter().map(|session| self.judge(session, around)).collect())
    }

    /// How our webhook stands in one session now.
    pub async fn inspect_one(
        &self,
        session: &SessionRegistration,
        around: &Surroundings,
    ) -> Result<SessionRegistration, RegistrarProblem> {
        let found = self.api.configured_session(&session.session).await?;
        let judged = self.judge(&found, around);
        // Only the list of all tells the worker.
        Ok(SessionRegistration { other_worker: session.other_worker.clone(), ..judged })
    }

    /// Puts our webhook into a session's configuration, or right. Returns what was otherwise; nothing is written if
    /// nothing was.
    pub async fn register(
        &self,
        session: &SessionRegistration,
        around: &Surroundings,
    ) -> Result<Vec<Difference>, RegistrarProblem> {
        check_reach(self.url(), self.api.base_url())?;
        session.check_worker()?;
        if self.is_global(around) == Some(true) {
            return Err(RegistrarProblem::Global);
        }
        let found = self.api.configured_session(&session.session).await?;
        let comparison = self.compare(&found)?;
        if comparison.differences.is_empty() {
            return Ok(comparison.differences);
        }
        let key = self.options.key.get();
        let config = registered(config_of(&found), &self.options.webhook, key.as_ref())?;
        self.write(&session.session, &config.into(), |config| {
            Ok(compare(config, &self.options.webhook, key.as_ref())?.differences.is_empty())
        })
        .await?;
        Ok(comparison.differences)
    }

    /// Waits until a session that may just have started anew works again, or stands as it stood before, but for a minute
    /// at most: at any time one session of a source is kept from WhatsApp by us.
    pub async fn wait_for_start(&self, session: &SessionRegistration) {
        let until = Instant::now() + self.start_max;
        while session.is_running() && Instant::now() < until {
            // Not at once: a WAHA may say for a moment what was before.
            sleep(LOOK_EVERY).await;
            let found = self.api.configured_session(&session.session).await;
            if found.is_ok_and(|found| has_started(&session.status, &found.status)) {
                return;
            }
        }
    }

    /// Takes webhooks that go to a URL out of a session's configuration. False if there are none.
    pub async fn unregister(
        &self,
        session: &SessionRegistration,
        url: &Url,
    ) -> Result<bool, RegistrarProblem> {
        session.check_worker()?;
        let found = self.api.configured_session(&session.session).await?;
        let Some(config) = unregistered(config_of(&found), url)? else { return Ok(false) };
        let is_gone = |config: Option<&str>| Ok(unregistered(config, url)?.is_none());
        self.write(&session.session, &config.into(), is_gone).await?;
        Ok(true)
    }

    /// Whether a session has a webhook that goes to a URL.
    pub async fn has_webhook(&self, session: &str, url: &Url) -> Result<bool, RegistrarProblem> {
        let found = self.api.configured_session(session).await?;
        Ok(unregistered(config_of(&found), url)?.is_some())
    }

    /// Writes a configuration, and looks whether it is there: WAHA may answer with an error and go on, and another
    /// writer may come in between.
    async fn write(
        &self,
        session: &str,
        config: &SecretString,
        is_done: impl Fn(Option<&str>) -> Result<bool, RegistrarProblem>,
    ) -> Result<(), RegistrarProblem> {
        let written = self.api.replace_config(session, config).await;
        if let Err(error @ (WahaError::Forbidden | WahaError::Unsupported)) = written {
            return Err(RegistrarProblem::of_change(error));
        }
        let found = self.api.configured_session(session).await?;
        if is_done(config_of(&found))? {
            return Ok(());
        }
        Err(written.err().map_or(RegistrarProblem::NotKept, RegistrarProblem::of_change))
    }

    fn compare(&self, session: &ConfiguredSession) -> Result<Comparison, RegistrarProblem> {
        let key = self.options.key.get();
        Ok(compare(config_of(session), &self.options.webhook, key.as_ref())?)
    }

    fn judge(&self, session: &ConfiguredSession, around: &Surroundings) -> SessionRegistration {
        // One that can't be read holds up no other.
        let odd = Comparison { differences: vec![Difference::Unreadable], others: 0 };
        let Comparison { differences, others } = self.compare(session).unwrap_or(odd);
        let (state, differences) = judged(differences, self.is_global(around));
        SessionRegistration {
            session: session.name.clone(),
            status: session.status.clone(),
            state,
            differences,
            others,
            other_worker: other_worker(session, around),
        }
    }

    /// Whether WAHA's environment has our URL; none if that can't be seen.
    fn is_global(&self, around: &Surroundings) -> Option<bool> {
        let is_ours =
            |url: &String| Url::parse(url).is_ok_and(|url| is_same_door(&url, self.url()));
        Some(around.global_urls.as_ref()?.iter().any(is_ours))
    }
}

/// How it stands, with the webhook of WAHA's environment in view.
fn judged(
    mut differences: Vec<Difference>,
    is_global: Option<bool>,
) -> (RegistrationState, Vec<Difference>) {
    let is_missing = matches!(differences.as_slice(), [Difference::Missing(_)]);
    match (is_missing, is_global) {
        (true, Some(true)) => return (RegistrationState::Global, Vec::new()),
        (true, Some(false)) => return (RegistrationState::Missing, differences),
        (true, None) => return (RegistrationState::Unseen, differences),
        (false, Some(true)) => differences.push(Difference::Global),
        (false, Some(false) | None) => {}
    }
    let is_right = differences.is_empty();
    (if is_right { RegistrationState::Registered } else { RegistrationState::Differs }, differences)
}

/// Whether a session is at least as it was before it started anew.
fn has_started(before: &str, now: &str) -> bool {
    now == WORKING || (before != WORKING && ![STARTING, STOPPED, ""].contains(&now))
}

fn config_of(session: &ConfiguredSession) -> Option<&str> {
    session.config.as_ref().map(ExposeSecret::expose_secret)
}

/// The worker that runs a session, if that is not the one that is asked. It shows there as stopped, and a change
/// would not reach it.
fn other_worker(session: &ConfiguredSession, around: &Surroundings) -> Option<String> {
    let worker = session.worker.as_ref()?;
    let is_other = around.worker.as_ref().is_some_and(|own| own != worker);
    is_other.then(|| worker.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_that_can_not_be_seen_makes_no_drift() {
        let missing = || vec![Difference::Missing("{}".to_owned())];
        let state = |differences, global| judged(differences, global).0;
        assert_eq!(state(missing(), None), RegistrationState::Unseen);
        assert_eq!(state(missing(), Some(false)), RegistrationState::Missing);
        assert_eq!(state(missing(), Some(true)), RegistrationState::Global);
        assert_eq!(state(Vec::new(), None), RegistrationState::Registered);
        let twice = judged(Vec::new(), Some(true));
        assert_eq!(twice, (RegistrationState::Differs, vec![Difference::Global]));
    }

    #[test]
    fn a_session_has_started_when_it_works_or_is_as_it_was() {
        assert!(has_started(WORKING, WORKING) && has_started("FAILED", WORKING));
        assert!(!has_started(WORKING, STARTING) && !has_started(WORKING, "SCAN_QR_CODE"));
        assert!(has_started("SCAN_QR_CODE", "SCAN_QR_CODE") && !has_started("FAILED", STARTING));
    }

    #[test]
    fn sessions_of_other_workers_are_left_alone() {
        let session = |worker: Option<&str>| ConfiguredSession {
            name: "sales".to_owned(),
            status: STOPPED.to_owned(),
            worker: worker.map(str::to_owned),
            config: None,
        };
        let around =
            |own: Option<&str>| Surroundings { worker: own.map(str::to_owned), global_urls: None };
        let other = |worker, own| other_worker(&session(worker), &around(own));
        assert_eq!(other(Some("waha-1"), Some("waha-0")), Some("waha-1".to_owned()));
        assert_eq!(other(Some("waha-0"), Some("waha-0")), None);
        assert_eq!(other(None, Some("waha-0")), None);
        assert_eq!(other(Some("waha-0"), None), None, "a single process");
    }
}
