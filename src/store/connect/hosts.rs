//! The servers that a database URL names: one, or several as libpq writes them, such as
//! `postgres://user:password@a:5432,b:5432/db?target_session_attrs=read-write`. The driver knows one, so
//! each gets a URL of its own. Pure.

use sea_orm::DbBackend;

use super::ConnectError;

/// Most servers in a URL.
const SERVERS_MAX: usize = 16;
/// libpq's way to say which of them is wanted. We always want the one that takes writes.
const WANTED: &str = "target_session_attrs";
/// Its values that say so, or say nothing.
const WANTED_VALUES: [&str; 3] = ["read-write", "primary", "any"];

/// How one server is reached. Holds a password.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::store) struct ServerUrl {
    pub(in crate::store) backend: DbBackend,
    pub(in crate::store) url: String,
    /// Host and port, for people; empty for a file.
    pub(in crate::store) name: String,
}

/// The servers of a URL, in its order; at least one.
pub(in crate::store) fn servers_of(url: &str) -> Result<Vec<ServerUrl>, ConnectError> {
    let backend = backend_of(url)?;
    let parts = UrlParts::of(url).filter(|_| backend != DbBackend::Sqlite);
    let Some(parts) = parts else {
        let url = url.to_owned();
        let name = String::new();
        return Ok(vec![ServerUrl { backend, url, name }]);
    };
    let hosts: Vec<&str> = parts.hosts.split(',').map(str::trim).collect();
    let has_gap = hosts.len() > 1 && hosts.iter().any(|host| host.is_empty());
    if has_gap || hosts.len() > SERVERS_MAX {
        return Err(ConnectError::Hosts(SERVERS_MAX));
    }
    let query = driver_query(parts.query)?;
    let server = |host: &&str| ServerUrl {
        backend,
        url: parts.url_of(host, &query),
        name: (*host).to_owned(),
    };
    Ok(hosts.iter().map(server).collect())
}

fn backend_of(url: &str) -> Result<DbBackend, ConnectError> {
    match url.split(':').next() {
        Some("sqlite") => Ok(DbBackend::Sqlite),
        Some("postgres" | "postgresql") => Ok(DbBackend::Postgres),
        Some("mysql" | "mariadb") => Ok(DbBackend::MySql),
        _ => Err(ConnectError::Url),
    }
}

/// The query without what the driver does not know.
fn driver_query(query: &str) -> Result<String, ConnectError> {
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((WANTED, value)) if WANTED_VALUES.contains(&value) => {}
            Some((WANTED, _)) => return Err(ConnectError::SessionAttributes),
            _ => kept.push(pair),
        }
    }
    Ok(kept.join("&"))
}

/// What a URL is made of.
struct UrlParts<'a> {
    scheme: &'a str,
    /// With its `@`, or empty.
    user: &'a str,
    hosts: &'a str,
    /// With its slash, or empty.
    path: &'a str,
    query: &'a str,
}

impl<'a> UrlParts<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let user_end = authority.rfind('@').map_or(0, |at| at + 1);
        let (user, hosts) = authority.split_at(user_end);
        Some(Self { scheme, user, hosts, path, query })
    }

    fn url_of(&self, host: &str, query: &str) -> String {
        let Self { scheme, user, path, .. } = self;
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{scheme}://{user}{host}{path}{mark}{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(url: &str) -> Vec<String> {
        servers_of(url).map_or_else(|_| Vec::new(), |it| it.into_iter().map(|it| it.url).collect())
    }

    #[test]
    fn each_host_gets_a_url_of_its_own() {
        let several = "postgres://u:p%2C@a:5432,[::1]:5433,c/db?target_session_attrs=read-write&sslmode=disable";
        let expected = [
            "postgres://u:p%2C@a:5432/db?sslmode=disable",
            "postgres://u:p%2C@[::1]:5433/db?sslmode=disable",
            "postgres://u:p%2C@c/db?sslmode=disable",
        ];
        assert_eq!(urls(several), expected);
        assert_eq!(urls("mysql://root@a, b/db"), ["mysql://root@a/db", "mysql://root@b/db"]);
        let names: Vec<String> =
            servers_of("mysql://r:s@a:1,b/db").unwrap().into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["a:1", "b"]);
    }

    #[test]
    fn one_host_stays_as_it_is() {
        for url in [
            "postgres://u@h/db?sslmode=require&application_name=x",
            "postgres:///db?host=/run/postgresql",
            "mysql://h",
            "sqlite://a,b.db?mode=rwc",
            "sqlite::memory:",
        ] {
            assert_eq!(urls(url), [url]);
        }
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        let many = ["h"; SERVERS_MAX + 1].join(",");
        let refused = [
            "postgres://a,,b/db".to_owned(),
            "postgres://a,b/db?target_session_attrs=standby".to_owned(),
            format!("postgres://{many}/db"),
            "redis://a".to_owned(),
        ];
        for url in refused {
            assert!(servers_of(&url).is_err(), "{url}");
        }
    }
}
