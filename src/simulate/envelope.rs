//! What WAHA puts around a payload, per engine and age. Called by `History` for every webhook.

use super::json::{Null, Obj, obj};
use super::people::Form;
use super::seeded_rng::{Purpose, SeededRng};
use super::session::{Age, Engine, Session};

/// The complete body. `event_id` is not shown by a WAHA of old.
pub(crate) fn body(
    session: &Session,
    event_type: &str,
    event_id: &str,
    at_ms: i64,
    payload: &Obj,
) -> Vec<u8> {
    let head = if session.is_old() {
        obj! { "event": event_type, "session": &session.name }
    } else {
        obj! { "id": event_id, "timestamp": at_ms, "event": event_type, "session": &session.name }
            .with_some("metadata", metadata(session))
    };
    let shown = (session.engine != Engine::Gows).then(|| session.engine.name());
    head.with("me", session.paired.then(|| me(session, at_ms)))
        .with("payload", payload)
        .with_some("engine", shown)
        .with("environment", environment(session))
        .into_bytes()
}

/// `evt_` and a lower-case ULID of the time and of `key`, which names the event.
pub(crate) fn event_id(seed: u64, key: u64, at_ms: i64) -> String {
    let mut rng = SeededRng::of(seed, key, Purpose::EventId);
    let time = u128::from(at_ms.unsigned_abs() & 0xFFFF_FFFF_FFFF);
    let chance = (u128::from(rng.number()) << 16) | u128::from(rng.below(1 << 16));
    let mut id = String::with_capacity(30);
    id.push_str("evt_");
    id.extend((0..26).rev().map(|place| crockford((time << 80 | chance) >> (5 * place))));
    id
}

fn crockford(value: u128) -> char {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    char::from(LETTERS[usize::try_from(value & 31).expect("five bits fit usize")])
}

/// The user of the session, and nothing for every fifth.
fn metadata(session: &Session) -> Option<Obj> {
    let user = (1_000 + session.index).to_string();
    (session.index % 5 != 4).then(|| obj! { "user.id": user, "tenant.id": "t-simulated" })
}

/// The account.
pub(super) fn me(session: &Session, at_ms: i64) -> Obj {
    let id = session.me();
    let lid = session.account.id(Form::Lid);
    let name = session.push_name();
    let autumn = session.age == Age::Autumn;
    match (session.engine, session.age) {
        (_, Age::Old) => obj! { "id": id, "pushName": name },
        (Engine::Webjs, _) => {
            obj! { "id": id, "pushName": name }.with_some("lid", autumn.then_some(lid))
        }
        (Engine::Wpp, _) => obj! { "id": id, "lid": lid, "pushName": name },
        (Engine::Noweb, _) => {
            obj! { "id": id, "pushName": name, "lid": lid }.and(&limits(session, at_ms))
        }
        (Engine::Gows, _) => {
            let jid = format!("{}:14@s.whatsapp.net", session.account.phone());
            obj! { "id": id, "pushName": name, "lid": lid, "jid": jid }.and(&limits(session, at_ms))
        }
    }
}

/// What WhatsApp allows the account, told since 2026.8.
fn limits(session: &Session, at_ms: i64) -> Obj {
    const MONTH_S: i64 = 30 * 24 * 3_600;
    if session.age != Age::Autumn {
        return Obj::new();
    }
    let start = at_ms / 1_000 / MONTH_S * MONTH_S;
    let capping = obj! {
        "cappingStatus": "NONE", "totalQuota": -1, "usedQuota": 0, "cycleStart": start,
        "cycleEnd": start + MONTH_S - 1, "mvStatus": "NOT_ELIGIBLE", "oteStatus": "NOT_ELIGIBLE",
    };
    obj! { "reachoutTimelock": Null, "messageCapping": capping }
}

fn environment(session: &Session) -> Obj {
    let browser = session.engine.is_browser().then_some("/usr/bin/chromium");
    let environment = obj! {
        "version": session.age.version(), "engine": session.engine.name(), "tier": "CORE", "browser": browser,
    };
    if session.is_old() {
        return environment;
    }
    environment.and(&obj! { "platform": "linux/x64", "worker": obj! { "id": Null } })
}

#[cfg(test)]
mod tests {
    use super::event_id;

    #[test]
    fn event_ids_sort_by_time() {
        let ids: Vec<String> = (0..50).map(|n| event_id(9, n, 1_776_240_000_000 + 40)).collect();
        let later = event_id(9, 1, 1_776_240_000_041);
        assert!(ids.iter().all(|id| *id < later && id.len() == 30 && id.starts_with("evt_01")));
        assert_eq!(ids[3], event_id(9, 3, 1_776_240_000_040));
        assert_ne!(ids[3], ids[4]);
    }
}
