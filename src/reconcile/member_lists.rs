//! Who is not in a whole list of a group's members any more. Pure.

use std::collections::{BTreeSet, HashMap};

use crate::change::person::is_lid;
use crate::normalize::listing::ListedMember;
use crate::store::operations::people::PersonIds;

/// Those of `here` who are not among `listed`, as far as that can be said: who is known by a phone alone may be one
/// of those who are listed by a LID alone, and the other way round.
pub(super) fn gone(
    here: Vec<String>,
    listed: &[ListedMember],
    known: &HashMap<String, PersonIds>,
) -> Vec<String> {
    let people: Vec<(Option<String>, Option<String>)> =
        listed.iter().map(|member| names(member, known)).collect();
    let phones: BTreeSet<&String> = people.iter().filter_map(|(phone, _)| phone.as_ref()).collect();
    let lids: BTreeSet<&String> = people.iter().filter_map(|(_, lid)| lid.as_ref()).collect();
    let (all_phones, all_lids) = (
        people.iter().all(|(phone, _)| phone.is_some()),
        people.iter().all(|(_, lid)| lid.is_some()),
    );
    let is_gone = |jid: &String| {
        let person = known.get(jid).cloned().unwrap_or_default();
        let own = |is: bool| is.then(|| jid.clone());
        let phone = person.phone.or_else(|| own(!is_lid(jid)));
        let lid = person.lid.or_else(|| own(is_lid(jid)));
        let is_listed = phone.as_ref().is_some_and(|phone| phones.contains(phone))
            || lid.as_ref().is_some_and(|lid| lids.contains(lid))
            || phones.contains(jid)
            || lids.contains(jid);
        let is_comparable = (phone.is_some() && all_phones) || (lid.is_some() && all_lids);
        !is_listed && is_comparable
    };
    here.into_iter().filter(is_gone).collect()
}

/// Phone and LID of a listed member, by the list and by what is known here.
fn names(
    member: &ListedMember,
    known: &HashMap<String, PersonIds>,
) -> (Option<String>, Option<String>) {
    let ids = known.get(&member.jid).cloned().unwrap_or_default();
    let own = |is: bool| is.then(|| member.jid.clone());
    let phone = ids.phone.or_else(|| member.phone.clone()).or_else(|| own(!is_lid(&member.jid)));
    let of_phone = phone.as_ref().and_then(|phone| known.get(phone)).cloned().unwrap_or_default();
    let lid = own(is_lid(&member.jid)).or(ids.lid).or(of_phone.lid);
    (of_phone.phone.or(phone), lid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(jid: &str, phone: Option<&str>) -> ListedMember {
        ListedMember { jid: jid.to_owned(), phone: phone.map(str::to_owned) }
    }

    fn known(pairs: &[(&str, &str)]) -> HashMap<String, PersonIds> {
        let ids = |(lid, phone): &(&str, &str)| {
            let ids = PersonIds { phone: Some((*phone).into()), lid: Some((*lid).into()) };
            [((*lid).to_owned(), ids.clone()), ((*phone).to_owned(), ids)]
        };
        pairs.iter().flat_map(ids).collect()
    }

    fn gone_of(here: &[&str], listed: &[ListedMember], pairs: &[(&str, &str)]) -> Vec<String> {
        gone(here.iter().map(|jid| (*jid).to_owned()).collect(), listed, &known(pairs))
    }

    #[test]
    fn who_is_not_listed_is_gone() {
        let listed = [member("1@c.us", Some("1@c.us")), member("12@lid", Some("2@c.us"))];
        assert_eq!(gone_of(&["1@c.us", "2@c.us", "3@c.us"], &listed, &[]), ["3@c.us"]);
        assert_eq!(gone_of(&["12@lid"], &listed, &[]), [""; 0]);
    }

    #[test]
    fn who_may_be_somebody_that_is_listed_is_not() {
        // A browser tells no phone of the LID: it may be the third one's.
        let listed = [member("1@c.us", Some("1@c.us")), member("12@lid", None)];
        assert_eq!(gone_of(&["3@c.us"], &listed, &[]), [""; 0]);
        // It is known whose it is.
        assert_eq!(gone_of(&["2@c.us", "3@c.us"], &listed, &[("12@lid", "2@c.us")]), ["3@c.us"]);
        // One who is known by a LID alone may have any of these phones.
        let phones = [member("1@c.us", Some("1@c.us"))];
        assert_eq!(gone_of(&["13@lid"], &phones, &[]), [""; 0]);
        assert_eq!(gone_of(&["13@lid"], &phones, &[("11@lid", "1@c.us")]), ["13@lid"]);
    }
}
