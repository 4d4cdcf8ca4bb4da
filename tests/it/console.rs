//! The console as a browser without scripts sees it: logging in, who may what, forms that need their code,
//! what each answer tells the browser, hostile texts, and the way of a broken webhook from page to page.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{COOKIE, HOST, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Method, StatusCode};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use waha_ingest::http_client;

use crate::admin_api::{Desk, secret};
use crate::database::{Database, Kind};
use crate::process::Setting;
use crate::replay_job::allow;
use crate::retries;
use crate::roles::{fill, post};
use crate::wait::wait_for;

const POLICY: &str = "content-security-policy";
const PATIENCE: Duration = Duration::from_secs(60);
/// What somebody wrote in the webhooks of [`fill`].
const WRITTEN: &str = "the red bicycle";
/// Everything that can be looked at, with what [`fill`] makes.
const PAGES: [&str; 34] = [
    "/",
    "/sessions",
    "/sessions?state=FAILED&source=&session=",
    "/sessions?state=silent",
    "/sessions/1",
    "/dead-letters",
    "/dead-letters?reason=malformed&since=12h&state=",
    "/dead-letters/list",
    "/dead-letters/1",
    "/retries",
    "/retries?group=none&id=",
    "/webhooks",
    "/webhooks?outcome=applied&since=2026-01-01",
    "/webhooks?chat=12025550142%40c.us&message=&person=",
    "/webhooks/1",
    "/jobs",
    "/audit",
    "/audit?action=",
    "/consumers",
    "/media",
    "/media?state=failed&reason=",
    "/completeness",
    "/completeness?session=shop&gaps=true",
    "/configuration",
    "/api",
    "/export/sessions",
    "/export/dead-letters?reason=malformed",
    "/export/dead-letter-groups",
    "/export/retries",
    "/export/webhooks?outcome=applied",
    "/export/jobs",
    "/export/audit-logs?action=read",
    "/export/consumers",
    "/export/media?state=waiting&reason=",
];
/// Pages that lead to a change.
const OPERATING: [&str; 6] = [
    "/dead-letters/replay?id=1",
    "/dead-letters/discard?id=1",
    "/dead-letters/restore?id=1",
    "/dead-letters/1/edit",
    "/retries/now?id=1",
    "/webhooks/renormalize?id=1",
];
/// Changes.
const CHANGES: [&str; 14] = [
    "/dead-letters/replay?id=1",
    "/dead-letters/discard?id=1",
    "/dead-letters/restore?id=1",
    "/dead-letters/1/edit",
    "/retries/now?id=1",
    "/webhooks/renormalize?id=1",
    "/jobs/1/cancel",
    "/jobs/1/resume",
    "/consumers/crm/pause",
    "/consumers/crm/resume",
    "/consumers/crm/rewind",
    "/consumers/crm/skip",
    "/media/1/retry",
    "/log-out",
];

/// A browser that runs no script and follows no link by itself.
struct Browser {
    origin: String,
    client: reqwest::Client,
    cookie: Option<String>,
}

/// An answer.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Page {
    fn location(&self) -> &str {
        self.headers[LOCATION].to_str().unwrap()
    }

    /// The code that the page's forms hold.
    fn code(&self) -> &str {
        let (_, rest) = self.text.split_once("name=\"code\" value=\"").expect("a form");
        rest.split('"').next().unwrap()
    }
}

impl Browser {
    fn new(setting: &Setting<'_>) -> Self {
        let client = http_client::plain().redirect(reqwest::redirect::Policy::none());
        Self {
            origin: format!("http://127.0.0.1:{}", setting.admin_port),
            client: client.build().unwrap(),
            cookie: None,
        }
    }

    async fn logged_in(setting: &Setting<'_>, role: &str) -> Self {
        let mut browser = Self::new(setting);
        let page = browser.log_in(&secret(role)).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        browser
    }

    /// Where no token is needed.
    async fn local(setting: &Setting<'_>) -> Self {
        let mut browser = Self::new(setting);
        let first = browser.shown("/").await;
        let cookie = first.headers[SET_COOKIE].to_str().unwrap();
        browser.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        browser
    }

    async fn log_in(&mut self, secret: &str) -> Page {
        let page = self.post("/log-in", &[("secret", secret), ("next", "/")]).await;
        if let Some(cookie) = page.headers.get(SET_COOKIE) {
            self.cookie = Some(cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        }
        page
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.origin));
        match &self.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        }
    }

    async fn send(request: reqwest::RequestBuilder) -> Page {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Page { status, headers, text: answer.text().await.unwrap() }
    }

    async fn get(&self, path: &str) -> Page {
        Self::send(self.request(Method::GET, path)).await
    }

    async fn shown(&self, path: &str) -> Page {
        let page = self.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
        page
    }

    fn form(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        let request = self.request(Method::POST, path);
        request.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        Self::send(self.form(path, fields).header(ORIGIN, &self.origin)).await
    }

    /// Sends the form of a page with its code; returns where that leads.
    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let shown = self.shown(path).await;
        let fields = [&[("code", shown.code())], fields].concat();
        let page = self.post(path, &fields).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}: {}", page.text);
        page.location().to_owned()
    }
}

/// A database and a folder, which the tests of this file fill by themselves.
macro_rules! desk {
    ($desk:ident) => {
        let (folder, database) =
            (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
        let $desk = Desk::open(&folder, &database).await;
    };
}

/// Actions of the audit log that went through the console, newest first.
async fn done(desk: &Desk<'_>) -> Vec<(String, String)> {
    let page = desk.json("api/v1/audit-logs?limit=500").await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let logs = page["audit_logs"].as_array().unwrap().iter();
    let logs = logs.filter(|log| log["channel"] == "console");
    logs.map(|log| (text(&log["actor"]), text(&log["action"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_a_session_that_ends_with_it() {
    desk!(desk);
    let mut browser = Browser::new(&desk.setting);
    let refused = browser.get("/webhooks?outcome=applied").await;
    let next = "/log-in?next=%2Fwebhooks%3Foutcome%3Dapplied";
    assert_eq!((refused.status, refused.location()), (StatusCode::SEE_OTHER, next));
    browser.shown(next).await;

    let wrong = browser.log_in("wrong secret wrong secret").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(
        wrong.text.contains("no token has this secret") && !wrong.text.contains("wrong secret")
    );
    let elsewhere = browser.form("/log-in", &[("secret", &secret("operator"))]);
    let elsewhere = Browser::send(elsewhere.header(ORIGIN, "https://evil.example")).await;
    assert_eq!(elsewhere.status, StatusCode::FORBIDDEN);
    assert!(!elsewhere.headers.contains_key(SET_COOKIE));

    let right = browser.log_in(&secret("operator")).await;
    assert_eq!((right.status, right.location()), (StatusCode::SEE_OTHER, "/"));
    let cookie = right.headers[SET_COOKIE].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let page = browser.shown("/").await;
    // It is no key to the API, which a page elsewhere could make a browser ask.
    assert_eq!(browser.get("/api/v1/status").await.status, StatusCode::UNAUTHORIZED);

    let out = browser.post("/log-out", &[("code", page.code())]).await;
    assert_eq!((out.status, out.location()), (StatusCode::SEE_OTHER, "/log-in"));
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER, "the cookie is of nobody");
    let operator = |action: &str| ("operator".to_owned(), action.to_owned());
    assert_eq!(done(&desk).await, [operator("log_out"), operator("log_in")]);

    let reader = Browser::logged_in(&desk.setting, "reader").await;
    reader.shown("/").await;
    let file = desk.setting.folder.join("waha-ingest.toml");
    let tokens = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, tokens.replace(&secret("reader"), "another secret, another")).unwrap();
    wait_for("the session to end with its token", PATIENCE, || async {
        (reader.get("/").await.status == StatusCode::SEE_OTHER).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_has_to_wait() {
    desk!(desk);
    let mut browser = Browser::new(&desk.setting);
    for number in 0..10 {
        let page = browser.log_in(&format!("wrong secret number {number}")).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{number}");
    }
    let page = browser.log_in(&secret("operator")).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(page.headers.contains_key("retry-after"));
}

/// Behind a proxy that is believed each visitor is one of his own, also in the audit log; others' word is not.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_who_guesses_keeps_nobody_else_out() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let more = "[admin]\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let desk = Desk::open_configured(&folder, &database, "", more).await;
    let browser = Browser::new(&desk.setting);
    let log_in = async |visitor: &str, secret: &str| {
        let form = browser.form("/log-in", &[("secret", secret)]).header(ORIGIN, &browser.origin);
        Browser::send(form.header("x-forwarded-for", visitor)).await.status
    };
    for number in 0..10 {
        let forged = format!("198.51.100.{number}, 203.0.113.7");
        assert_eq!(log_in(&forged, "a wrong secret").await, StatusCode::UNAUTHORIZED, "{number}");
    }
    let right = secret("operator");
    assert_eq!(log_in("203.0.113.7", &right).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(log_in("203.0.113.8", &right).await, StatusCode::SEE_OTHER);
    let page = desk.json("api/v1/audit-logs").await;
    let place = page["audit_logs"][0]["place"].as_str().unwrap();
    assert!(place.starts_with("203.0.113.8 through 127.0.0.1:"), "{place}");
}

/// What needs somebody comes first, and is found among many.
#[tokio::test(flavor = "multi_thread")]
async fn failed_sessions_come_first_and_are_found() {
    desk!(desk);
    for (number, status) in [(1, "WORKING"), (2, "FAILED"), (3, "STOPPED")] {
        let body = json!({
            "id": format!("evt_{number}"), "timestamp": 1_790_000_000_000_i64, "event": "session.status",
            "session": format!("s{number}"), "engine": "NOWEB", "me": { "id": "15550000001@c.us" },
            "payload": { "status": status },
        });
        post(&desk.setting, body.to_string()).await;
    }
    desk.setting.settled(PATIENCE).await;
    let viewer = Browser::logged_in(&desk.setting, "viewer").await;
    let links = |text: &str| -> Vec<String> {
        let links = text.split("href=\"/sessions/").skip(1);
        links.map(|it| it.split_once("\">").unwrap().1[..2].to_owned()).collect()
    };
    let all = viewer.shown("/sessions").await.text;
    assert_eq!(links(&all), ["s2", "s1", "s2", "s3"], "{all}");
    for (query, expected) in [
        ("state=FAILED", vec!["s2"]),
        ("state=silent", vec![]),
        ("session=s3&source=", vec!["s3"]),
        ("source=nosuch", vec![]),
        ("state=STOPPED&session=s2", vec![]),
    ] {
        let page = viewer.shown(&format!("/sessions?{query}")).await.text;
        assert_eq!(links(&page), expected, "{query}");
        let exported = viewer.shown(&format!("/export/sessions?{query}")).await.text;
        assert_eq!(exported.lines().count(), expected.len(), "{query}");
    }
    let told = desk.json("api/v1/sessions?status=FAILED&silent=false").await;
    assert_eq!(told["sessions"].as_array().unwrap().len(), 1, "{told}");
    let now = viewer.shown("/").await.text;
    assert!(now.contains("href=\"#h-sessions\">1 session failed</a>"), "{now}");
    assert!(now.contains("verdict warn"), "{now}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_sees_and_does_its_own() {
    desk!(desk);
    fill(&desk).await;
    for role in ["metrics", "application"] {
        let mut browser = Browser::new(&desk.setting);
        assert_eq!(browser.log_in(&secret(role)).await.status, StatusCode::FORBIDDEN, "{role}");
    }
    let viewer = Browser::logged_in(&desk.setting, "viewer").await;
    for path in PAGES.into_iter().filter(|path| !path.contains("chat=")) {
        let page = viewer.shown(path).await;
        assert!(!page.text.contains(WRITTEN), "{path}");
    }
    for path in ["/dead-letters/1/body", "/webhooks/1/body", "/dead-letters/export"] {
        assert_eq!(viewer.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    // Who may ask whether a body holds a text reads it so.
    let looking = ["/webhooks?message=x", "/dead-letters/list?chat=x", "/export/webhooks?person=x"];
    for path in looking {
        assert_eq!(viewer.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let reader = Browser::logged_in(&desk.setting, "reader").await;
    for field in ["name=\"message\"", "name=\"chat\"", "name=\"person\""] {
        assert!(!viewer.shown("/webhooks").await.text.contains(field), "{field}");
        assert!(reader.shown("/webhooks").await.text.contains(field), "{field}");
    }
    for browser in [&viewer, &reader] {
        for path in OPERATING {
            assert_eq!(browser.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
        }
        let code = browser.shown("/").await.code().to_owned();
        for path in CHANGES.into_iter().filter(|path| *path != "/log-out") {
            let page = browser.post(path, &[("code", &code), ("note", "x")]).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        }
    }
    for path in ["/webhooks/1", "/dead-letters/1"] {
        assert!(reader.shown(path).await.text.contains(WRITTEN), "{path}");
    }
    let body = reader.get("/webhooks/1/body").await;
    assert!(body.text.contains(WRITTEN));
    let kept = body.headers["content-disposition"].to_str().unwrap();
    assert!(kept.starts_with("attachment"), "{kept}");
    let reads = done(&desk).await.into_iter().filter(|it| it.1 == "read");
    assert!(reads.clone().all(|(actor, _)| actor == "reader"));
    assert_eq!(reads.count(), 3, "each reading is written down");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_changes_without_the_code_of_a_page() {
    desk!(desk);
    fill(&desk).await;
    let operator = Browser::logged_in(&desk.setting, "operator").await;
    let code = operator.shown("/").await.code().to_owned();
    let other = Browser::logged_in(&desk.setting, "operator").await;
    let foreign = other.shown("/").await.code().to_owned();
    let before = done(&desk).await;
    for path in CHANGES {
        for fields in [&[("note", "x")][..], &[("note", "x"), ("code", foreign.as_str())]] {
            let page = operator.post(path, fields).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        }
        let fields = [("note", "x"), ("code", code.as_str())];
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "same-site"),
        ] {
            let page = Browser::send(operator.form(path, &fields).header(name, value)).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}: {name}: {value}");
        }
    }
    assert_eq!(done(&desk).await, before, "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_holds_the_browser_to_itself() {
    desk!(desk);
    fill(&desk).await;
    let operator = Browser::logged_in(&desk.setting, "operator").await;
    let mut pages = Vec::new();
    for path in PAGES.into_iter().chain(OPERATING) {
        pages.push((path, operator.shown(path).await));
    }
    let nobody = Browser::new(&desk.setting);
    for path in ["/log-in", "/", "/dead-letters/x", "/jobs/77", "/webhooks?outcome=x"] {
        pages.push((path, nobody.get(path).await));
        pages.push((path, operator.get(path).await));
    }
    for (path, page) in &pages {
        let header = |name: &str| page.headers[name].to_str().unwrap();
        let policy = header(POLICY);
        assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        let text = &page.text;
        for inline in ["<script>", "<style", " style=", " onclick", "javascript:", "hx-on", "://"] {
            // The addresses of examples and of the configuration are text.
            let is_shown = inline == "://" && ["/", "/configuration", "/api"].contains(path);
            assert!(is_shown || !text.contains(inline), "{path}: {inline}");
        }
        assert!(!text.contains("href=\"http") && !text.contains("src=\"http"), "{path}");
    }
    let (_, settings) = pages.iter().find(|(path, _)| *path == "/configuration").unwrap();
    for part in ["waha-ingest.toml", "environment", "default", "(hidden)"] {
        assert!(settings.text.contains(part), "{part}");
    }
    assert!(!settings.text.contains(&secret("operator")));
    let first = &pages[0].1.text;
    for (ending, kind) in [("css", "text/css"), ("js", "text/javascript"), ("svg", "image/svg+xml")]
    {
        let mut names = first.split('"').filter(|it| it.starts_with("/assets/"));
        let name = names.find(|it| it.ends_with(ending)).unwrap();
        let asset = nobody.shown(name).await;
        assert!(asset.headers["content-type"].to_str().unwrap().starts_with(kind));
        assert!(asset.headers["cache-control"].to_str().unwrap().contains("immutable"));
    }
    assert_eq!(nobody.get("/assets/console.0000000000000000.css").await.status, 404);
    // A path that leads nowhere is told to a browser as a page, to a program as JSON.
    let nowhere = || nobody.request(Method::GET, "/nosuch");
    let page = Browser::send(nowhere().header("accept", "text/html,*/*")).await;
    assert_eq!(page.status, 404);
    assert!(page.text.starts_with("<!DOCTYPE html>") && page.headers.contains_key(POLICY));
    let told = Browser::send(nowhere()).await;
    assert_eq!((told.status, &told.text[..1]), (StatusCode::NOT_FOUND, "{"));
}

/// A link from elsewhere comes without the cookie; the page that then goes on by itself has it.
#[tokio::test(flavor = "multi_thread")]
async fn links_from_elsewhere_lead_in() {
    desk!(desk);
    let browser = Browser::new(&desk.setting);
    let visit = |path: &str| {
        let request = browser.request(Method::GET, path).header("sec-fetch-site", "cross-site");
        request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document")
    };
    let page = Browser::send(visit("/jobs?before=7")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("http-equiv=\"refresh\" content=\"0; url=/jobs?before=7\""));
    let inside = browser.request(Method::GET, "/jobs").header("sec-fetch-site", "cross-site");
    assert_eq!(Browser::send(inside).await.status, StatusCode::FORBIDDEN, "as a picture, say");
    let part = browser.request(Method::GET, "/").header("hx-request", "true");
    let part = Browser::send(part).await;
    assert_eq!(
        (part.status, &part.headers["hx-refresh"]),
        (StatusCode::OK, &"true".parse().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_wrote_is_text_and_all_of_it_is_seen() {
    desk!(desk);
    let hostile = "<img src=x onerror=alert(1)>\"'\u{202e}gpj\u{200b}";
    let body = json!({
        "id": format!("evt{hostile}"), "timestamp": 1_790_000_000_000_i64, "event": "message",
        "session": format!("s{hostile}"), "engine": "NOWEB", "me": { "id": "15550000001@c.us" },
        "payload": { "from": hostile, "body": format!("</pre><script>alert(1)</script>{hostile}") },
    });
    post(&desk.setting, body.to_string()).await;
    desk.setting.settled(PATIENCE).await;
    let operator = Browser::logged_in(&desk.setting, "operator").await;
    for path in [
        "/",
        "/dead-letters",
        "/dead-letters/list",
        "/dead-letters/1",
        "/dead-letters/1/edit",
        "/dead-letters/discard?id=1",
        "/webhooks",
        "/webhooks/1",
    ] {
        let text = operator.shown(path).await.text;
        assert!(!text.contains("<img src=x") && !text.contains("<script>alert"), "{path}");
        assert!(!text.contains('\u{202e}') && !text.contains('\u{200b}'), "{path}");
    }
    let letter = operator.shown("/dead-letters/1").await.text;
    assert!(
        letter.contains("&#60;img src=x onerror=alert(1)&#62;&#34;&#39;‹U+202E›gpj‹U+200B›"),
        "{letter}"
    );
    assert!(letter.contains("\\u202e"), "the body stays the JSON that it was");
    // What a filter in an address says is of strangers, too.
    let query = utf8_percent_encode(hostile, NON_ALPHANUMERIC);
    let listed = operator.shown(&format!("/dead-letters/list?reason={query}")).await.text;
    assert!(!listed.contains("<img src=x"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_webhook_is_found_read_mended_and_replayed_by_plain_forms() {
    desk!(desk);
    let broken = r#"{"event":"session.status","session":"s1","payload":{"status":"WORKING"}"#;
    post(&desk.setting, broken.to_owned()).await;
    desk.setting.settled(PATIENCE).await;
    let operator = Browser::logged_in(&desk.setting, "operator").await;

    let now = operator.shown("/").await.text;
    assert!(now.contains("malformed") && now.contains("Balanced"), "{now}");
    assert!(now.contains("verdict warn") && now.contains(">1 dead letter</a>"), "{now}");
    let listed = operator.shown("/dead-letters/list?reason=malformed").await.text;
    assert!(listed.contains("href=\"/dead-letters/1\""), "{listed}");
    let letter = operator.shown("/dead-letters/1").await.text;
    assert!(letter.contains("would fail again") && letter.contains("session.status"), "{letter}");

    let path = "/dead-letters/1/edit";
    let code = operator.shown(path).await.code().to_owned();
    let useless = [("code", code.as_str()), ("step", "save"), ("body", "still no JSON")];
    let refused = operator.post(path, &useless).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("breaks at line 1, column 1"), "{}", refused.text);
    let mended = format!("{broken}}}");
    let check = [("code", code.as_str()), ("step", "check"), ("body", mended.as_str())];
    let checked = operator.post(path, &check).await;
    assert_eq!(checked.status, StatusCode::OK, "{}", checked.text);
    assert!(checked.text.contains("would be applied") && checked.text.contains("class=\"added\""));
    assert!(
        operator.shown("/dead-letters/1").await.text.contains("would fail again"),
        "only checked"
    );
    let fields = [("step", "save"), ("body", mended.as_str()), ("note", "a brace was missing")];
    let to = operator.submit(path, &fields).await;
    let letter = operator.shown(&to).await.text;
    assert!(
        letter.contains("would be applied") && letter.contains("The body was replaced"),
        "{letter}"
    );

    let asked = operator.shown("/dead-letters/replay?id=1").await.text;
    assert!(asked.contains("Replay 1 dead letter?") && asked.contains("1 applied"), "{asked}");
    let job = operator.submit("/dead-letters/replay?id=1", &[("note", "mended")]).await;
    assert_eq!(job, "/jobs/1");
    wait_for("the replay to be applied", PATIENCE, || async {
        let page = operator.shown(&job).await.text;
        (page.contains("1 applied") && page.contains("done")).then_some(())
    })
    .await;
    let ended = operator.shown(&job).await.text;
    assert!(!ended.contains("Cancel"), "{ended}");
    let cancel = operator.shown("/jobs/1/cancel").await.text;
    assert!(cancel.contains("nothing to cancel") && !cancel.contains("<button class=\"danger\""));
    assert!(operator.shown("/dead-letters/1").await.text.contains("replayed"));
    let applied = operator.shown("/webhooks?outcome=applied").await.text;
    assert!(applied.contains("href=\"/webhooks/1\""), "{applied}");
    let done = done(&desk).await.into_iter().map(|(_, action)| action);
    let changes: Vec<String> = done.filter(|action| action != "read").collect();
    assert_eq!(changes, ["replay", "edit", "log_in"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn discarding_asks_first_and_is_taken_back() {
    desk!(desk);
    fill(&desk).await;
    let operator = Browser::logged_in(&desk.setting, "operator").await;
    let path = "/dead-letters/discard?reason=malformed";
    assert!(operator.shown(path).await.text.contains("Discard 1 dead letter?"));
    let code = operator.shown(path).await.code().to_owned();
    let without_note = operator.post(path, &[("code", &code)]).await;
    assert_eq!(without_note.status, StatusCode::BAD_REQUEST);
    let all = operator.post("/dead-letters/discard", &[("code", &code), ("note", "x")]).await;
    assert_eq!(all.status, StatusCode::BAD_REQUEST, "all of them must be said");
    let seen = [("note", "a test"), ("last_id", "0")];
    let nothing = operator.submit(path, &seen).await;
    assert!(operator.shown(&nothing).await.text.contains("0 dead letters discarded"), "{nothing}");
    let to = operator.submit(path, &[("note", "a test")]).await;
    assert!(operator.shown(&to).await.text.contains("1 dead letter discarded"), "{to}");
    let letter = operator.shown("/dead-letters/1").await.text;
    assert!(letter.contains("discarded") && letter.contains("a test"), "{letter}");
    let to = operator.submit("/dead-letters/restore?id=1", &[("note", "too soon")]).await;
    assert_eq!(to, "/dead-letters/1?done=restored");
    assert!(operator.shown(&to).await.text.contains("pending again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_seen_and_tried_now_by_plain_forms() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let setting = retries::waiting_long(Setting::new(folder.path(), &database.url));
    let _up = retries::start_failing(&setting, &database).await;
    let waiting = retries::waiting(&setting, |waiting| waiting.len() == retries::COUNT).await;
    let text = |name: &str| waiting[0][name].as_str().unwrap().to_owned();
    let (id, group, error) = (text("id"), text("group"), text("error"));
    let browser = Browser::local(&setting).await;
    // What the page shows of the queue may be a second old.
    wait_for("the first page to show it", PATIENCE, async || {
        let now = browser.shown("/").await.text;
        (now.contains(&format!("/retries?group={group}")) && now.contains("1811")).then_some(())
    })
    .await;
    let page = browser.shown("/retries").await.text;
    let act = format!("/retries/now?id={id}");
    for part in [error.as_str(), &act, "Try all now", ">in "] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let lines = browser.shown(&format!("/export/retries?group={group}")).await.text;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, waiting, "as the command lists them");

    assert!(browser.shown(&act).await.text.contains("Try 1 webhook now?"));
    let to = browser.submit(&act, &[("note", "a try")]).await;
    assert_eq!(to, "/retries?done=tried&count=1&unseen=0");
    assert!(browser.shown(&to).await.text.contains("1 webhook is tried now."));
    let again =
        |all: &[Value]| all.len() == retries::COUNT && all.iter().any(|it| it["attempts"] == 2);
    retries::waiting(&setting, again).await;

    allow(&database.connect().await).await;
    let code = browser.shown("/retries/now").await.code().to_owned();
    let unsaid = browser.post("/retries/now", &[("code", &code)]).await;
    assert_eq!(unsaid.status, StatusCode::BAD_REQUEST, "all of them must be said");
    let to = browser.submit("/retries/now", &[("all", "yes")]).await;
    assert!(browser.shown(&to).await.text.contains("3 webhooks are tried now."), "{to}");
    let status = setting.settled(PATIENCE).await;
    assert_eq!((&status["applied"], &status["balanced"]), (&json!(retries::COUNT), &json!(true)));
    assert!(browser.shown("/retries").await.text.contains("Nothing waits for its next attempt"));
    let log = browser.shown("/audit?action=retry").await.text;
    assert!(log.contains("a try") && log.contains("console") && log.contains(&id), "{log}");
}

/// Who looks is told when something has moved, until his session ends.
#[tokio::test(flavor = "multi_thread")]
async fn pages_in_motion_are_told_when_to_ask_again() {
    desk!(desk);
    let viewer = Browser::logged_in(&desk.setting, "viewer").await;
    assert!(viewer.shown("/").await.text.contains("data-events=\"/events/now\""));
    let mut events = viewer.request(Method::GET, "/events/now").send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    // The first says where it stands, each further one that a look at the queue was new.
    for _ in 0..3 {
        assert_eq!(events.chunk().await.unwrap().unwrap(), "data: moved\n\n");
    }
    let code = viewer.shown("/").await.code().to_owned();
    viewer.post("/log-out", &[("code", &code)]).await;
    let rest =
        tokio::time::timeout(PATIENCE, async { while let Ok(Some(_)) = events.chunk().await {} });
    rest.await.expect("it goes on without a session");
    let nobody = Browser::new(&desk.setting);
    assert_eq!(nobody.get("/events/now").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_kept_as_lines_of_json_whole() {
    desk!(desk);
    fill(&desk).await;
    let viewer = Browser::logged_in(&desk.setting, "viewer").await;
    for (list, resource, name) in [
        ("sessions", "sessions", "sessions"),
        ("dead-letters", "dead-letters", "dead_letters"),
        ("dead-letter-groups", "dead-letters/groups", "groups"),
        ("webhooks", "webhooks", "webhooks"),
        ("jobs", "replay-jobs", "jobs"),
        ("consumers", "consumers", "consumers"),
    ] {
        let page = viewer.shown(&format!("/export/{list}")).await;
        let kept = page.headers["content-disposition"].to_str().unwrap();
        assert!(kept.starts_with("attachment") && kept.contains(".jsonl"), "{kept}");
        let lines = page.text.lines().map(|line| serde_json::from_str(line).unwrap());
        let told = desk.json(&format!("api/v1/{resource}")).await;
        assert_eq!(lines.collect::<Vec<Value>>(), *told[name].as_array().unwrap(), "{list}");
    }
    let log = viewer.shown("/export/audit-logs?action=log_in").await.text;
    assert_eq!((log.lines().count(), log.contains("\"actor\":\"viewer\"")), (1, true), "{log}");
    let none = viewer.shown("/export/webhooks?session=nobody").await;
    assert_eq!(none.text, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_this_machine_alone_sees_it_and_forms_need_their_code() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let setting = Setting::new(folder.path(), &database.url);
    let _up = setting.up().await;
    let mut browser = Browser::new(&setting);
    let first = browser.shown("/").await;
    assert!(!first.text.contains("Log out"));
    let rebound = browser.request(Method::GET, "/").header(HOST, "evil.example:9090");
    assert_eq!(Browser::send(rebound).await.status, StatusCode::FORBIDDEN);
    let path = "/webhooks/renormalize?id=1";
    assert_eq!(browser.post(path, &[]).await.status, StatusCode::FORBIDDEN);
    let cookie = first.headers[SET_COOKIE].to_str().unwrap();
    browser.cookie = Some(cookie.split(';').next().unwrap().to_owned());
    assert_eq!(browser.post(path, &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.submit(path, &[]).await, "/audit?action=renormalize");
    let log = browser.shown("/audit?action=renormalize").await.text;
    assert!(log.contains("local") && log.contains("console"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_switched_off() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.environment.push(("WAHA_INGEST__ADMIN__CONSOLE", "false".to_owned()));
    let _up = setting.up().await;
    let browser = Browser::new(&setting);
    for path in ["/", "/log-in", "/dead-letters"] {
        assert_eq!(browser.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

/// A cookie opens the console of every process on the same tables, and of none once it was given back.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_holds_in_every_process() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = Database::create(Kind::Sqlite).await;
    let first = Desk::open(&one, &database).await;
    let second = Desk::open(&two, &database).await;
    let here = Browser::logged_in(&first.setting, "operator").await;
    let mut there = Browser::new(&second.setting);
    there.cookie.clone_from(&here.cookie);
    let page = there.shown("/jobs").await;
    let out = there.post("/log-out", &[("code", page.code())]).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER, "{}", out.text);
    wait_for("the session to end everywhere", PATIENCE, || async {
        (here.get("/jobs").await.status == StatusCode::SEE_OTHER).then_some(())
    })
    .await;
}

/// Whoever is woken because the tables are away gets in all the same, and is told what is away.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_can_log_in_while_the_tables_are_away() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    let db = database.connect().await;
    for table in ["console_sessions", "dead_letters"] {
        db.execute_unprepared(&format!("ALTER TABLE {table} RENAME TO {table}_away"))
            .await
            .unwrap();
    }
    let operator = Browser::logged_in(&desk.setting, "operator").await;
    let now = operator.shown("/").await.text;
    assert!(now.contains("The tables can't be read now"), "{now}");
    let letters = operator.get("/dead-letters").await;
    assert_eq!(letters.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(letters.text.contains("the database did not answer"), "{}", letters.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_and_no_export_takes_a_nul() {
    desk!(desk);
    let viewer = Browser::logged_in(&desk.setting, "viewer").await;
    for path in [
        "/media?reason=%00",
        "/completeness?session=%00",
        "/sessions?session=%00",
        "/webhooks?session=%00",
        "/export/sessions?session=%00",
        "/export/media?reason=%00",
    ] {
        assert_eq!(viewer.get(path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
}

/// WAHA's word is not shown as if it were believed.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_the_watchdog_found_in_trouble_come_first() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let desk = Desk::open(&folder, &database).await;
    for session in ["s1", "s2"] {
        let body = json!({
            "id": format!("evt_{session}"), "timestamp": 1_790_000_000_000_i64, "event": "session.status",
            "session": session, "engine": "NOWEB", "me": { "id": "15550000001@c.us" },
            "payload": { "status": "WORKING" },
        });
        post(&desk.setting, body.to_string()).await;
    }
    desk.setting.settled(PATIENCE).await;
    let found = "INSERT INTO waha_session_watches (session_id, verdict, reason, since_at, times, told, warned_at, \
                 due_at, lease_number, restarts, updated_at) SELECT id, 'dead', 'engine', updated_at, 2, 'dead', \
                 updated_at, updated_at, 1, 1, updated_at FROM waha_sessions WHERE name = 's2'";
    database.connect().await.execute_unprepared(found).await.unwrap();
    let viewer = Browser::logged_in(&desk.setting, "viewer").await;
    let all = viewer.shown("/sessions").await.text;
    let first = all.find("In trouble").expect("a list of them");
    let told = desk.json("api/v1/sessions?session=s2").await;
    let path = format!("/sessions/{}", told["sessions"][0]["id"]);
    assert!(first < all.find(&format!("{path}\"")).unwrap(), "{all}");
    assert_eq!(all.matches(">dead</span>").count(), 2, "before the list, and in it: {all}");
    assert!(
        !all[first..].contains("\"chip good\">WORKING</span> <span class=\"chip bad\">"),
        "{all}"
    );
    for (query, expected) in
        [("state=trouble", 1), ("state=trouble&session=s1", 0), ("state=WORKING", 2)]
    {
        let lines = viewer.shown(&format!("/export/sessions?{query}")).await.text;
        assert_eq!(lines.lines().count(), expected, "{query}");
    }
    let one = viewer.shown(&path).await.text;
    assert!(one.contains("<span class=\"chip bad\">dead</span>"), "{one}");
    let told = desk.json("api/v1/sessions?trouble=true").await;
    let sessions = told["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 1);
    let trouble = &sessions[0]["trouble"];
    assert_eq!((&trouble["verdict"], &trouble["restarts"]), (&json!("dead"), &json!(1)));
    let told = desk.json("api/v1/sessions?trouble=false").await;
    assert_eq!(
        (told["sessions"][0]["name"].as_str(), &told["sessions"][0]["trouble"]),
        (Some("s1"), &Value::Null)
    );
}
