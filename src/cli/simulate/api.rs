//! The simulated WAHA's REST API beside its webhooks: what it is like, and how it is disturbed.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use secrecy::SecretString;

use super::plan;
use crate::cli::output::errln;
use crate::lifecycle::stop_on_signals;
use crate::sender::Sending;
use crate::simulate::api::{Oddity, Options as ApiOptions, Served, Time};
use crate::simulate::{BYTES_MIN, Engine, Files, Plan};

/// How long WAHA waits for a session to work, at least.
const PATIENCE: Duration = Duration::from_secs(5);
/// Webhooks that are in the memory of a WAHA that restarts.
const LOST_PER_RESTART: u64 = 20;

/// Options of the API.
#[derive(Args)]
#[command(next_help_heading = "A whole WAHA")]
pub(super) struct ApiArgs {
    /// Answer WAHA's REST API there from the same history, also after the last webhook, until it is stopped.
    #[arg(long, value_name = "ADDRESS")]
    api: Option<SocketAddr>,
    /// What X-Api-Key must say; without it everybody may ask.
    #[arg(long, requires = "api", env = "WAHA_INGEST_SIMULATE_API_KEY", hide_env_values = true)]
    api_key: Option<SecretString>,
    /// Seconds that it keeps files; 0 for ever.
    #[arg(long, requires = "api", value_name = "SECONDS", default_value_t = 180)]
    media_lifetime: u64,
    /// Bytes of each file; without it 2 to 60 kB.
    #[arg(long, requires = "api", value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(BYTES_MIN..))]
    media_bytes: Option<u64>,
    /// Whose manners all sessions have; without it each has those of its engine.
    #[arg(long, requires = "api", value_enum)]
    engine_manner: Option<Engine>,
    /// What is odd besides, separated by commas.
    #[arg(long, requires = "api", value_enum, value_delimiter = ',')]
    oddities: Vec<Oddity>,
    /// Share of the webhooks that are never sent, from 0 to 1; the API shows what they tell.
    #[arg(long, requires = "api", default_value_t = 0.0, allow_negative_numbers = true)]
    lose: f64,
    /// Seconds, in the time of the history, that webhooks come later than the API shows what they tell.
    #[arg(long, requires = "api", value_name = "SECONDS", default_value_t = 0)]
    delay: u64,
    /// Restart every so many seconds: another start, no files, no connections, the last webhooks lost.
    #[arg(long, requires = "api", value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..))]
    restart_every: Option<u64>,
    /// Send nothing any more after so many webhooks, while all sessions say that they work.
    #[arg(long, requires = "api", value_name = "COUNT")]
    silent_after: Option<u64>,
}

impl ApiArgs {
    /// Starts it, if it is asked for.
    pub(super) fn serve(
        &self,
        options: &super::Options,
        sending: &Sending,
    ) -> anyhow::Result<Option<Box<Served>>> {
        let Some(address) = self.api else { return Ok(None) };
        ensure!((0.0..=1.0).contains(&self.lose), "--lose must be between 0 and 1");
        let api = ApiOptions {
            address,
            api_key: self.api_key.clone(),
            time: Time::Real,
            media_lifetime: Duration::from_secs(self.media_lifetime),
            manner: self.engine_manner,
            oddities: self.oddities.iter().copied().collect(),
            webhook_url: sending.urls.first().cloned(),
            webhook_key: sending.key.clone(),
            lose: self.lose,
            delay: Duration::from_secs(self.delay),
            lost_per_restart: LOST_PER_RESTART,
            silent_after: self.silent_after,
            patience: PATIENCE,
            ..ApiOptions::of(Plan { files: self.files(), ..plan(options)? })
        };
        let served = Served::start(api).with_context(|| format!("--api {address}"))?;
        errln!("{}: answers WAHA's REST API", served.url());
        Ok(Some(Box::new(served)))
    }

    /// How large files are; where they are is known once it is served.
    fn files(&self) -> Option<Files> {
        let bytes = self.media_bytes?;
        Some(Files { bytes_min: bytes, bytes_max: bytes, ..Files::at("") })
    }

    /// Restarts it as often as asked.
    pub(super) async fn restart_again_and_again(&self, served: Option<&Served>) -> Infallible {
        let (Some(seconds), Some(served)) = (self.restart_every, served) else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            served.restart().await;
        }
    }

    /// Goes on answering when all is sent.
    pub(super) async fn answer_until_stopped(&self, served: &Served) -> anyhow::Result<()> {
        let stop = stop_on_signals()?;
        errln!("{}: goes on answering until it is stopped", served.url());
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            never = self.restart_again_and_again(Some(served)) => match never {},
        }
    }
}
