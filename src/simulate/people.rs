//! Who takes part: people with a phone number and a LID, groups, channels. Used by every family.
//!
//! Nobody is stored: a person is an index, and everything about the person follows from it. So
//! any number of people costs nothing, and each has one name for ever. Numbers are of the form
//! 1-xxx-555-xxxx, the first hundred from the range reserved for fiction.

/// A person, or the account of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Person {
    phone: u64,
    lid: u64,
    index: u64,
}

/// Which of the two names of a person an event uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Phone,
    Lid,
}

const FIRST_NAMES: &[&str] = &[
    "Dana",
    "Robin",
    "Kim",
    "Sam",
    "Noa",
    "Luca",
    "Mika",
    "Ariel",
    "Zoë",
    "José",
    "Ира",
    "نور",
    "陽菜",
    "Ada",
    "Femi",
    "Priya 🌻",
];
const LAST_NAMES: &[&str] = &["Example", "Sample", "Mustermann", "Doe", "Testova", "O'Demo"];

/// Largest number of people that get numbers of their own.
pub(crate) const PEOPLE_MAX: u64 = 7_000_000;

impl Person {
    /// The person number `index`, below [`PEOPLE_MAX`].
    pub(crate) fn contact(index: u64) -> Self {
        // 0 to 99 get 555-0100 to 555-0199.
        let line = (index + 100) % 10_000;
        let phone = 10_000_000_000 + (202 + (index + 100) / 10_000) * 10_000_000 + 5_550_000 + line;
        Self { phone, lid: 100_000_000_000_143 + index * 7_919, index }
    }

    /// The account behind session number `session`; outside the numbers of the contacts.
    pub(crate) fn account(session: u64) -> Self {
        let area = 999 - session / 10_000;
        let phone = 10_000_000_000 + area * 10_000_000 + 5_550_000 + session % 10_000;
        Self { phone, lid: 190_000_000_000_000 + session * 104_729, index: session }
    }

    pub(crate) fn name(self) -> String {
        let count = FIRST_NAMES.len();
        let index = usize::try_from(self.index).expect("fewer people than usize holds");
        let last = LAST_NAMES[index / count % LAST_NAMES.len()];
        match index / count / LAST_NAMES.len() {
            0 => format!("{} {last}", FIRST_NAMES[index % count]),
            round => format!("{} {last} {}", FIRST_NAMES[index % count], round + 1),
        }
    }

    pub(crate) const fn phone(self) -> u64 {
        self.phone
    }

    /// `…@c.us` or `…@lid`, as in WAHA's own fields.
    pub(crate) fn id(self, form: Form) -> String {
        match form {
            Form::Phone => format!("{}@c.us", self.phone),
            Form::Lid => format!("{}@lid", self.lid),
        }
    }

    /// `…@s.whatsapp.net` or `…@lid`, as in the engines' own fields.
    pub(crate) fn jid(self, form: Form) -> String {
        match form {
            Form::Phone => format!("{}@s.whatsapp.net", self.phone),
            Form::Lid => format!("{}@lid", self.lid),
        }
    }
}

impl Form {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Phone => Self::Lid,
            Self::Lid => Self::Phone,
        }
    }

    /// The word for it in `addressingMode`.
    pub(crate) const fn mode(self) -> &'static str {
        match self {
            Self::Phone => "pn",
            Self::Lid => "lid",
        }
    }
}

/// A group. Its first members never leave; guests come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group(pub(crate) u64);

const SUBJECTS: &[&str] = &["Field Team", "Depot", "Family 👪", "צוות", "Sales", "Night shift"];

impl Group {
    pub(crate) fn id(self) -> String {
        // Every tenth group is old and named after its founder and the time.
        if self.0 % 10 == 9 {
            format!("{}-{}@g.us", Person::contact(self.0).phone, 1_500_000_000 + self.0)
        } else {
            format!("120363{:012}@g.us", self.0 + 1)
        }
    }

    /// The name after `renamed` changes of it.
    pub(crate) fn subject(self, renamed: u64) -> String {
        let index = usize::try_from(self.0).expect("fewer groups than usize holds");
        let name = SUBJECTS[index % SUBJECTS.len()];
        if renamed == 0 {
            format!("{name} {}", self.0)
        } else {
            format!("{name} {} v{}", self.0, renamed + 1)
        }
    }

    /// How members are named in this group.
    pub(crate) const fn form(self) -> Form {
        if self.0 % 3 == 2 { Form::Phone } else { Form::Lid }
    }

    /// The lasting members besides the account, out of `people` people.
    pub(crate) fn members(self, people: u64) -> Vec<Person> {
        (0..self.size(people)).map(|seat| self.seat(seat, people)).collect()
    }

    /// The guest number `round`; none when all people are members already.
    pub(crate) fn guest(self, round: u64, people: u64) -> Option<Person> {
        let size = self.size(people);
        let others = people - size;
        (others > 0).then(|| self.seat(size + round % others, people))
    }

    fn size(self, people: u64) -> u64 {
        (3 + self.0 % 4).min(people)
    }

    fn seat(self, seat: u64, people: u64) -> Person {
        Person::contact((self.0 * 13 + seat) % people)
    }
}

/// The channel that session number `session` follows.
pub(crate) fn channel_id(session: u64) -> String {
    format!("120363{:09}777@newsletter", session + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Form, Group, Person};

    #[test]
    fn people_have_numbers_of_their_own() {
        let everybody = || (0..30_000).map(Person::contact).chain((0..500).map(Person::account));
        let phones: HashSet<_> = everybody().map(|person| person.id(Form::Phone)).collect();
        let lids: HashSet<_> = everybody().map(|person| person.id(Form::Lid)).collect();
        assert_eq!((phones.len(), lids.len()), (30_500, 30_500));
        assert_eq!(Person::contact(0).id(Form::Phone), "12025550100@c.us");
        assert_eq!(Person::contact(9_950).id(Form::Phone), "12035550050@c.us");
    }

    #[test]
    fn guests_are_no_members() {
        for number in 0..40 {
            let members = Group(number).members(9);
            assert!(members.iter().collect::<HashSet<_>>().len() == members.len());
            for round in 0..9 {
                assert!(!members.contains(&Group(number).guest(round, 9).unwrap()));
            }
        }
        assert_eq!(Group(1).guest(0, 2), None);
    }
}
