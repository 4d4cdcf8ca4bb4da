//! `[admin]`: the admin listener and who may use it.

use std::net::SocketAddr;

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use crate::admin::{Access, Role, Token};
use crate::config::reader::Reader;
use crate::config::server::trusted_proxies;
use crate::config::source::{NAME_RULE, is_name};
use crate::store::operations::sessions::SessionReach;

/// Shortest secret, in bytes: nobody limits how often somebody guesses.
const SECRET_BYTES_MIN: usize = 16;

/// Who may use the admin listener.
pub struct AdminConfig {
    /// Who may come in, by name; none means everybody, on a loopback address only.
    pub tokens: Vec<TokenConfig>,
    /// Whether `/metrics` needs no token.
    pub open_metrics: bool,
    /// Whether there are pages for browsers.
    pub console: bool,
    /// Networks of the proxies before the listener.
    pub trusted_proxies: Vec<IpNet>,
}

/// Somebody who may use the admin listener.
pub struct TokenConfig {
    /// What it is called in logs and in the audit log.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// Which sessions it may see.
    pub reach: SessionReach,
    /// What the holder must know.
    pub secret: SecretString,
}

impl AdminConfig {
    /// As the listener uses it.
    pub fn access(&self) -> Access {
        Access::new(self.access_tokens(), self.open_metrics).behind(self.trusted_proxies.clone())
    }

    /// The tokens as the listener uses them.
    pub fn access_tokens(&self) -> Vec<Token> {
        let token =
            |it: &TokenConfig| Token::new(&it.name, it.role, &it.secret).reaching(it.reach.clone());
        self.tokens.iter().map(token).collect()
    }
}

/// Where the listener listens, if anywhere.
pub(super) fn read_listen(reader: &mut Reader) -> Option<SocketAddr> {
    // Empty variables count as not set, so there is a word for it.
    let told = reader.optional_text("admin.listen").filter(|told| told != "off");
    told.is_some().then(|| reader.address("admin.listen"))
}

pub(super) fn read(reader: &mut Reader, listen: Option<SocketAddr>) -> AdminConfig {
    let names = reader.names_below("admin.tokens");
    let tokens: Vec<TokenConfig> =
        names.into_iter().filter_map(|name| read_token(reader, name)).collect();
    let is_local = listen.is_none_or(|address| address.ip().to_canonical().is_loopback());
    reader.check(
        "admin.listen",
        is_local || !tokens.is_empty(),
        "any address but a loopback one needs tokens: give at least one [admin.tokens.NAME]",
    );
    check_different(reader, &tokens);
    let (open_metrics, console) = (reader.flag("admin.open_metrics"), reader.flag("admin.console"));
    let trusted_proxies = trusted_proxies(reader, "admin.trusted_proxies");
    AdminConfig { tokens, open_metrics, console, trusted_proxies }
}

fn read_token(reader: &mut Reader, name: String) -> Option<TokenConfig> {
    let key = |field: &str| format!("admin.tokens.{name}.{field}");
    reader.check(&format!("admin.tokens.{name}"), is_name(&name), NAME_RULE);
    let role = reader.choice(&key("role"), &Role::ALL.map(|role| (role.name(), role)));
    let reach = read_reach(reader, &key, role);
    let secret =
        reader.secret(&key("secret"), &key("secret_file")).unwrap_or_else(|| String::new().into());
    let is_long = secret.expose_secret().len() >= SECRET_BYTES_MIN;
    let problem = format!("must have at least {SECRET_BYTES_MIN} bytes (or give secret_file)");
    reader.check(&key("secret"), is_long, problem);
    is_long.then_some(TokenConfig { name, role, reach, secret })
}

/// Whoever sees counts, bodies or metrics sees those of all sessions: a limit there would be a promise
/// that nobody keeps.
fn read_reach(reader: &mut Reader, key: &impl Fn(&str) -> String, role: Role) -> SessionReach {
    let reach = SessionReach {
        sources: reader.list(&key("sources")),
        sessions: reader.list(&key("sessions")),
    };
    for (field, names) in [("sources", &reach.sources), ("sessions", &reach.sessions)] {
        let can_be = names.is_empty() || role == Role::Application;
        reader.check(&key(field), can_be, "only the role application can be limited to some");
    }
    reach
}

fn check_different(reader: &mut Reader, tokens: &[TokenConfig]) {
    for (index, token) in tokens.iter().enumerate() {
        let is_taken =
            |other: &TokenConfig| other.secret.expose_secret() == token.secret.expose_secret();
        let key = format!("admin.tokens.{}.secret", token.name);
        reader.check(&key, !tokens[..index].iter().any(is_taken), "another token has the same");
    }
}
