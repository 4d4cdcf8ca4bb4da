//! How our webhook stands, for people and programs.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::Found;
use crate::cli::output::{errln, json_line, outln, plain};
use crate::cli::table::{Table, kept, number, or_dash, spare, text};
use crate::registrar::{Difference, Registrar, SessionRegistration};

/// A row for each session.
pub(super) fn list(found: &[Found], json: bool) {
    if json {
        lines(found).for_each(|line| json_line(&line));
        return;
    }
    let mut table = Table::new(&[
        kept("source"),
        kept("session"),
        kept("status"),
        kept("webhook"),
        text("otherwise"),
        number("others"),
        spare("worker"),
    ]);
    for (_, registrar, session) in all(found) {
        let names: Vec<&str> = session.differences.iter().map(Difference::name).collect();
        table.row([
            registrar.source().to_owned(),
            session.session.clone(),
            session.status.clone(),
            session.state.name().to_owned(),
            or_dash(Some(names.join(", ")).filter(|names| !names.is_empty())),
            session.others.to_string(),
            or_dash(session.other_worker.clone()),
        ]);
    }
    table.print_or_none("sessions that the key may see");
}

/// What is otherwise; exit code 1 if something is.
pub(super) fn diff(found: &[Found], json: bool) -> ExitCode {
    let differs = |session: &SessionRegistration| !session.differences.is_empty();
    if json {
        let differing = all(found).filter(|(_, _, session)| differs(session));
        differing.for_each(|(_, registrar, session)| json_line(&line(registrar, session)));
    } else {
        for (_, registrar, session) in all(found).filter(|(_, _, session)| differs(session)) {
            print_differences(registrar, session);
        }
    }
    if all(found).any(|(_, _, session)| differs(session)) {
        return ExitCode::FAILURE;
    }
    errln!("nothing is otherwise than it should be");
    ExitCode::SUCCESS
}

/// A heading, and a line for each.
pub(super) fn print_differences(registrar: &Registrar, session: &SessionRegistration) {
    outln!("{}/{}: webhook to {}", registrar.source(), session.session, registrar.url());
    for difference in &session.differences {
        outln!("  {}", plain(&difference.to_string()));
    }
}

/// All sessions, with whose they are.
pub(super) fn all(
    found: &[Found],
) -> impl Iterator<Item = (&Found, &Registrar, &SessionRegistration)> {
    found.iter().flat_map(|it| it.sessions.iter().map(move |session| (it, &it.registrar, session)))
}

fn lines(found: &[Found]) -> impl Iterator<Item = Value> {
    all(found).map(|(_, registrar, session)| line(registrar, session))
}

fn line(registrar: &Registrar, session: &SessionRegistration) -> Value {
    let differences: Vec<Value> = session
        .differences
        .iter()
        .map(|it| json!({ "what": it.name(), "shown": it.to_string() }))
        .collect();
    json!({
        "source": registrar.source(), "session": session.session, "status": session.status,
        "url": registrar.url().as_str(), "state": session.state.name(),
        "differences": differences, "other_webhooks": session.others,
        "other_worker": session.other_worker,
    })
}
