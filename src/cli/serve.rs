//! `up`, `serve` and `work`: the same process with other roles.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::cli::output::errln;
use crate::config::{Config, SourceConfig, Verification};
use crate::lifecycle::{Parts, Roles, make_data_dir, start, stop_on_signals};
use crate::registrar::Manage;
use crate::server::descriptors::ensure_enough;

/// The source of a generated key.
const DEFAULT_SOURCE: &str = "default";

/// Options of `up`, `serve` and `work`.
#[derive(Args)]
#[command(
    after_help = "Example:\n  WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS=secret waha-ingest up"
)]
pub struct Options {
    /// Migrate the database first, also if it is no SQLite file.
    #[arg(long)]
    migrate: bool,
}

/// Everything in one process; without any source it makes a key.
pub async fn up(config: Arc<Config>, options: Options) -> anyhow::Result<ExitCode> {
    let (config, made) = if config.sources.is_empty() {
        let (config, made) = with_generated_key(config)?;
        (config, Some(made))
    } else {
        (config, None)
    };
    run(config, made, &options, Roles { serves: true, works: true }).await
}

/// The endpoint only.
pub async fn serve(config: Arc<Config>, options: Options) -> anyhow::Result<ExitCode> {
    ensure!(
        !config.sources.is_empty(),
        "no source is configured: set WAHA_INGEST__SOURCES__DEFAULT__HMAC_KEYS to WAHA's WHATSAPP_HOOK_HMAC_KEY"
    );
    run(config, None, &options, Roles { serves: true, works: false }).await
}

/// The consumers only.
pub async fn work(config: Arc<Config>, options: Options) -> anyhow::Result<ExitCode> {
    run(config, None, &options, Roles { serves: false, works: true }).await
}

async fn run(
    config: Arc<Config>,
    generated: Option<GeneratedKey>,
    options: &Options,
    roles: Roles,
) -> anyhow::Result<ExitCode> {
    ensure_enough()?;
    let stop = stop_on_signals()?;
    let parts = Parts::open(Arc::clone(&config), roles).await?;
    if roles.works && config.is_door_alone() {
        tracing::warn!(
            "database.url is not set beside a broker: the tables are in a file of the data folder; set it, \
             because `status`, `check` and other workers look for them nowhere else"
        );
    }
    if options.migrate
        && let Some(store) = &parts.store
    {
        migration::up(&store.connection()).await.context("migrating")?;
    }
    let running = start(&parts, roles)?;
    tracing::info!(
        public = running.public.map(tracing::field::display),
        admin = running.admin.map(tracing::field::display),
        works = roles.works,
        "started"
    );
    if let Some(public) = running.public {
        print_settings(&config, generated.as_ref(), public.port());
    }
    running.until(stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// A key that `up` made, now or before.
struct GeneratedKey {
    path: PathBuf,
    key: SecretString,
}

/// Without these WAHA drops what it can't deliver for half a minute, and files after three.
const LASTING: [(&str, &str); 4] = [
    ("WHATSAPP_HOOK_RETRIES_POLICY=exponential", "36 hours instead of half a minute"),
    ("WHATSAPP_HOOK_RETRIES_DELAY_SECONDS=2", "the first wait, twice"),
    ("WHATSAPP_HOOK_RETRIES_ATTEMPTS=15", "each wait is twice the one before"),
    ("WHATSAPP_FILES_LIFETIME=604800", "files for 7 days instead of 180 s"),
];

/// What to put into WAHA's environment. Where each session gets the webhook by itself it must not be there as well.
fn print_settings(config: &Config, generated: Option<&GeneratedKey>, port: u16) {
    let (own, others): (Vec<_>, Vec<_>) = config.sources.iter().partition(|it| registers(it));
    for source in own {
        errln!(
            "Source {} puts its webhook into WAHA's sessions by itself (manage = \"apply\"): leave WHATSAPP_HOOK_URL \
             out of that WAHA's environment, or each event comes twice.",
            source.name
        );
    }
    errln!("Put this into WAHA's environment (HOST is this machine as WAHA sees it):");
    for source in others {
        errln!("  WHATSAPP_HOOK_URL=http://HOST:{port}/webhooks/{}", source.name);
        errln!("  WHATSAPP_HOOK_EVENTS=*");
        match &source.verification {
            Verification::HmacSha512(_) => {
                errln!("  WHATSAPP_HOOK_HMAC_KEY={}", shown_key(generated, &source.name));
            }
            Verification::None => errln!("  # no key: source {} verifies nothing", source.name),
        }
    }
    // The retries of a webhook that is in a session are configured there.
    let is_hooked = config.sources.iter().any(|source| !registers(source));
    for (setting, why) in LASTING {
        if !is_hooked && setting.starts_with("WHATSAPP_HOOK_") {
            continue;
        }
        errln!("  {setting:<42} # {why}");
    }
}

/// Whether a source's webhook gets into WAHA's sessions by itself.
fn registers(source: &SourceConfig) -> bool {
    source.registration.as_ref().is_some_and(|it| it.manage == Manage::Apply)
}

/// The key itself on a terminal only: elsewhere stderr is a log.
fn shown_key(generated: Option<&GeneratedKey>, source: &str) -> String {
    match generated {
        None => format!("<the key of source {source}>"),
        Some(GeneratedKey { key, .. }) if std::io::stderr().is_terminal() => {
            key.expose_secret().to_owned()
        }
        Some(GeneratedKey { path, .. }) => format!("<the key in {}>", path.display()),
    }
}

/// Makes a key once and keeps it in the data folder.
fn with_generated_key(config: Arc<Config>) -> anyhow::Result<(Arc<Config>, GeneratedKey)> {
    make_data_dir(&config)?;
    let path = config.made_key_path();
    let key = if let Ok(key) = std::fs::read_to_string(&path) {
        key.trim().to_owned()
    } else {
        let key = new_key();
        write_secret(&path, &key).with_context(|| path.display().to_string())?;
        key
    };
    ensure!(!key.is_empty(), "{} is empty: remove it or put a key into it", path.display());
    errln!(
        "No source is configured: using \"{DEFAULT_SOURCE}\" with the key in {}",
        path.display()
    );
    let verification = Verification::HmacSha512(vec![key.clone().into()]);
    let mut config = Arc::into_inner(config).context("the configuration is in use")?;
    let (name, waha, registration) = (DEFAULT_SOURCE.to_owned(), None, None);
    config.sources.push(SourceConfig { name, verification, waha, registration });
    Ok((Arc::new(config), GeneratedKey { path, key: key.into() }))
}

#[expect(clippy::disallowed_methods, reason = "a key must not be guessed")]
fn new_key() -> String {
    use rand::Rng;
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// Writes a file that only its owner can read.
fn write_secret(path: &std::path::Path, secret: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{secret}")
}

/// The file of the key that `up` has made, if it holds one.
pub fn made_key(config: &Config) -> Option<PathBuf> {
    let path = config.made_key_path();
    let key = std::fs::read_to_string(&path).ok()?;
    (!key.trim().is_empty()).then_some(path)
}

/// The first key of a configured source, else the generated one; for `simulate`.
pub fn key_of(config: &Config, source: &str) -> Option<SecretString> {
    let configured = config.sources.iter().find(|candidate| candidate.name == source);
    match configured.map(|source| &source.verification) {
        Some(Verification::HmacSha512(keys)) => {
            keys.first().map(|key| key.expose_secret().to_owned().into())
        }
        Some(Verification::None) => None,
        None => {
            let key = std::fs::read_to_string(made_key(config)?).ok()?;
            Some(key.trim().to_owned().into())
        }
    }
}
