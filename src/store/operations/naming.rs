//! Whether a body names a message, a chat or a person: its bytes are searched, so it works on any body,
//! also on one that could not be normalized. The database searches those that it has as they came, we those
//! that are packed.

use memchr::memmem;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Func, SimpleExpr};
use sea_orm::{DbBackend, Value};

use entity::webhook_events::{Column, Entity};

use super::history::LedgerFilter;
use crate::store::bodies::is_packed;
use crate::waha::jid::spellings;

/// What a filter of the ledger names in bodies.
pub(super) struct NamedInBodies {
    /// Of each of them a body holds one.
    any_of: Vec<Vec<String>>,
}

impl NamedInBodies {
    pub(super) fn of(filter: &LedgerFilter) -> Self {
        let messages = filter.messages.clone();
        let chats = filter.chats.iter().flat_map(|chat| namings(chat)).collect();
        let persons = filter.persons.iter().flat_map(|it| namings(&person(it))).collect();
        let named = [messages, chats, persons].into_iter();
        Self { any_of: named.filter(|texts| !texts.is_empty()).collect() }
    }

    /// Rows that have it, and all whose bodies are packed; none if nothing is named. Of the ledger joined with
    /// the packed bodies.
    pub(super) fn condition(&self, backend: DbBackend) -> Option<Condition> {
        let body = || Expr::col((Entity, Column::Body));
        let any = |texts: &Vec<String>| {
            texts.iter().fold(Condition::any(), |any, text| any.add(holds(body(), text, backend)))
        };
        let all = self.any_of.iter().map(any).fold(Condition::all(), Condition::add);
        (!all.is_empty()).then(|| Condition::any().add(is_packed()).add(all))
    }

    /// Whether a body has it.
    pub(super) fn is_in(&self, body: &[u8]) -> bool {
        let holds = |text: &String| memmem::find(body, text.as_bytes()).is_some();
        self.any_of.iter().all(|texts| texts.iter().any(holds))
    }
}

/// Whether a column holds these bytes. Each database has a function that compares byte by byte.
pub(super) fn holds(column: SimpleExpr, text: &str, backend: DbBackend) -> SimpleExpr {
    let name = match backend {
        // In quotes it takes its arguments as any function does.
        DbBackend::Postgres => "\"position\"",
        _ => "instr",
    };
    let bytes = Expr::val(Value::from(text.as_bytes().to_vec()));
    Expr::expr(Func::cust(name).arg(column).arg(bytes)).gt(0)
}

/// How a chat or a person stands in a body: in quotes, or in a message's id between underscores.
pub(super) fn namings(jid: &str) -> impl Iterator<Item = String> + use<> {
    let spellings = spellings(jid).into_iter();
    spellings.flat_map(|id| ['"', '_'].map(|before| format!("{before}{id}")))
}

/// The id of a person, also of a number as people write it.
fn person(written: &str) -> String {
    let is_beside = |character: char| matches!(character, '+' | ' ' | '-' | '(' | ')' | '.');
    let digits: String = written.chars().filter(|it| !is_beside(*it)).collect();
    let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    if is_number { format!("{digits}@c.us") } else { written.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_person_however_it_is_written() {
        for written in ["+1 (202) 555-0142", "12025550142", "12025550142@c.us"] {
            assert_eq!(person(written), "12025550142@c.us");
        }
        assert_eq!(person("100000000000142@lid"), "100000000000142@lid");
        let all: Vec<String> = namings("1@c.us").collect();
        assert_eq!(all, ["\"1@c.us", "_1@c.us", "\"1@s.whatsapp.net", "_1@s.whatsapp.net"]);
    }
}
