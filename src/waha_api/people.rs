//! The people whom a session knows: its groups with their members, which LID belongs to which phone, names.
//!
//! `GET /api/{session}/groups`, `…/groups/{id}/participants/v2`, `/api/contacts/all`, `/api/{session}/lids`. None of
//! them shows the account online. A limit is always named: without one the engines ignore the offset, or have one
//! of their own.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::session_state::read;
use super::{Patience, WahaApi, WahaError};
use crate::waha::json;

/// Groups of a page: browsers tell some kilobytes of each.
pub const WAHA_GROUPS_MAX: usize = 200;
/// Contacts of a page.
pub const WAHA_CONTACTS_MAX: usize = 500;
/// LIDs of a page. NOWEB's pages overlap, so all are asked for at once as long as they are no more than that.
pub const WAHA_LIDS_MAX: usize = 50_000;

/// A list as WAHA wrote it.
#[derive(Debug)]
pub struct PeoplePage(Vec<Box<RawValue>>);

impl PeoplePage {
    /// Each row as WAHA wrote it.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|row| row.get())
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl WahaApi {
    /// Groups that the account is in, without their members: `limit` from `offset` on.
    pub async fn groups(
        &self,
        session: &str,
        offset: usize,
        limit: usize,
    ) -> Result<PeoplePage, WahaError> {
        let query = [("exclude", "participants"), ("sortBy", "id"), ("sortOrder", "asc")];
        let path = ["api", session, "groups"];
        let body = self.people(session, &path, &query, offset, limit).await?;
        list_or_object(&body)
    }

    /// All members of a group.
    pub async fn members(&self, session: &str, group: &str) -> Result<PeoplePage, WahaError> {
        let path = ["api", session, "groups", group, "participants", "v2"];
        list(&self.get(Patience::Reading, session, &path, &[]).await?.unwrap_or_default())
    }

    /// People in the account's address book: `limit` from `offset` on.
    pub async fn contacts(
        &self,
        session: &str,
        offset: usize,
        limit: usize,
    ) -> Result<PeoplePage, WahaError> {
        let query = [("session", session), ("sortBy", "id"), ("sortOrder", "asc")];
        let path = ["api", "contacts", "all"];
        list(&self.people(session, &path, &query, offset, limit).await?)
    }

    /// How many LIDs have a known phone.
    pub async fn lid_count(&self, session: &str) -> Result<usize, WahaError> {
        let body =
            self.get(Patience::Reading, session, &["api", session, "lids", "count"], &[]).await?;
        let count = read(&body.unwrap_or_default(), |node| node.at("count").int())?;
        let count = count.ok_or(WahaError::Unusable("it tells no count"))?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// Pairs of LID and phone, `limit` from `offset` on. NOWEB has them in another order each time.
    pub async fn lids(
        &self,
        session: &str,
        offset: usize,
        limit: usize,
    ) -> Result<PeoplePage, WahaError> {
        list(&self.people(session, &["api", session, "lids"], &[], offset, limit).await?)
    }

    /// The phone of a LID, or the LID of a phone: a pair, in which the other one is null if it is not known.
    pub async fn pair_of(&self, session: &str, id: &str) -> Result<PeoplePage, WahaError> {
        let lid = ["api", session, "lids", id];
        let phone = ["api", session, "lids", "pn", id];
        let path: &[&str] = if id.ends_with("@lid") { &lid } else { &phone };
        let body = self.get(Patience::Reading, session, path, &[]).await?.unwrap_or_default();
        let text = json::storable(&body);
        if text.trim().is_empty() {
            return Ok(PeoplePage(Vec::new()));
        }
        let pair = serde_json::from_str(&text).map_err(|_| WahaError::Unusable("it is no pair"))?;
        Ok(PeoplePage(vec![pair]))
    }

    async fn people(
        &self,
        session: &str,
        path: &[&str],
        query: &[(&str, &str)],
        offset: usize,
        limit: usize,
    ) -> Result<Vec<u8>, WahaError> {
        let (limit, offset) = (limit.to_string(), offset.to_string());
        let mut pairs = vec![("limit", limit.as_str()), ("offset", offset.as_str())];
        pairs.extend(query);
        Ok(self.get(Patience::Reading, session, path, &pairs).await?.unwrap_or_default())
    }
}

fn list(body: &[u8]) -> Result<PeoplePage, WahaError> {
    let text = json::storable(body);
    // Nothing at all is WAHA's null.
    if text.trim().is_empty() {
        return Ok(PeoplePage(Vec::new()));
    }
    let rows = serde_json::from_str(&text).map_err(|_| WahaError::Unusable("it is no list"))?;
    Ok(PeoplePage(rows))
}

/// NOWEB lists groups as an object with a key for each.
fn list_or_object(body: &[u8]) -> Result<PeoplePage, WahaError> {
    let text = json::storable(body);
    if !text.trim_start().starts_with('{') {
        return list(body);
    }
    let keyed: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(&text).map_err(|_| WahaError::Unusable("it is no list"))?;
    Ok(PeoplePage(keyed.into_values().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_as_a_list_or_as_an_object() {
        let rows = |text: &str| {
            let page = list_or_object(text.as_bytes());
            page.map(|page| page.rows().map(str::to_owned).collect::<Vec<_>>())
        };
        let expected = vec![r#"{"id":"1@g.us"}"#.to_owned(), r#"{"id":"2@g.us"}"#.to_owned()];
        assert_eq!(rows(r#"[{"id":"1@g.us"},{"id":"2@g.us"}]"#), Ok(expected.clone()));
        let keyed = r#" {"2@g.us":{"id":"2@g.us"},"1@g.us":{"id":"1@g.us"}}"#;
        assert_eq!(rows(keyed), Ok(expected));
        assert_eq!(rows("{}"), Ok(Vec::new()));
        assert_eq!(rows(""), Ok(Vec::new()));
        assert!(rows("{").is_err() && rows("<html>").is_err());
    }

    #[test]
    fn only_groups_may_be_an_object() {
        assert_eq!(list(b"").map(|page| page.len()), Ok(0));
        assert_eq!(list(b"[1]").map(|page| page.len()), Ok(1));
        assert!(list(br#"{"message":"x"}"#).is_err());
    }
}
