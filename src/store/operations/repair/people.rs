//! People's ids that another one stands for (`waha_contacts.phone`).
//!
//! That two ids are one person is told by webhooks once, so it is kept: an id that stands for others and has no row
//! gets one, and of ids that stand for one another the one does that would be chosen when they meet.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, JoinType, Query};
use sea_orm::{ConnectionTrait, Order, Set};

use entity::waha_contacts::ActiveModel;

use super::chain::{ChainEnd, follow};
use super::{Fault, MendedPage, ROWS_MAX, Remedy, RepairFinding, add_finding};
use crate::change::person::is_lid;
use crate::store::connect::transaction::WriteContext;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::store::sql::locks::lock_rows;
use crate::store::sql::select::of_pairs;
use crate::store::tables::contact;
use crate::store::{Store, audit};

const PHONE: &str = "phone";

/// Session and id.
type PersonId = (i64, String);

/// An id of a person.
#[derive(Clone)]
struct PersonRow {
    phone: Option<String>,
    lid: Option<String>,
}

/// People with all who stand for them.
#[derive(Default)]
struct PeopleRows {
    rows: BTreeMap<PersonId, PersonRow>,
    leads: BTreeMap<PersonId, Option<PersonId>>,
}

/// What is done for a person.
#[derive(Debug, PartialEq, Eq)]
enum MendedPerson {
    /// This one stands for it; none: a LID stands for itself.
    Known(Fault, Option<String>),
    /// The one who stands for it gets a row.
    Made { jid: String, lid: Option<String> },
}

pub(super) fn place() -> String {
    format!("{}.{PHONE}", contact::TABLE)
}

impl MendedPerson {
    fn fault(&self) -> (Fault, Remedy) {
        match self {
            Self::Known(fault, _) => (*fault, Remedy::Lead),
            Self::Made { .. } => (Fault::Nothing, Remedy::Make),
        }
    }
}

impl Store {
    pub(super) async fn people_findings(&self) -> Result<Vec<RepairFinding>, StoreError> {
        let (mut found, mut after) = (Vec::new(), i64::MIN);
        loop {
            let db = &self.pool().db;
            let ids = broken(db, after).await?;
            let Some((last, _)) = ids.last() else { return Ok(found) };
            after = *last;
            let rows = PeopleRows::read(db, self.dialect, &ids).await?;
            for (id, mended) in rows.mended(&ids) {
                add_finding(&mut found, place(), mended.fault(), id);
            }
        }
    }

    pub(super) async fn mend_people(
        &self,
        after: i64,
        log: i64,
    ) -> Result<Option<MendedPage>, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let people = broken(&db, after).await?;
        let Some((after, _)) = people.last().cloned() else {
            db.rollback().await?;
            return Ok(None);
        };
        let context = self.write_context(&db);
        let ids: Vec<i64> = people.iter().map(|(id, _)| *id).collect();
        lock_rows(&db, contact::TABLE, &ids).await?;
        let mended = PeopleRows::read(&db, self.dialect, &people).await?.mended(&people);
        let sessions: BTreeMap<i64, i64> =
            people.into_iter().map(|(id, (session, _))| (id, session)).collect();
        write(&context, &sessions, &mended).await?;
        let rows = mended.len() as u64;
        audit::count(&db, log, rows).await?;
        let place = self.append_changes(&context).await?;
        self.commit_changes(db, place).await?;
        Ok(Some(MendedPage { after, rows }))
    }
}

/// Ids for which one stands that has no row, or for which another one stands, by their numbers.
async fn broken(db: &impl ConnectionTrait, after: i64) -> Result<Vec<(i64, PersonId)>, StoreError> {
    let of = |alias: &'static str, column: &'static str| {
        Expr::col((Alias::new(alias), Alias::new(column)))
    };
    let there = of("there", "session_id")
        .eq(of("here", "session_id"))
        .and(of("there", "jid").eq(of("here", PHONE)));
    let is_broken = of("there", "id").is_null().or(of("there", PHONE).ne(of("there", "jid")));
    let mut select = Query::select();
    select
        .columns(["id", "session_id", "jid"].map(|it| (Alias::new("here"), Alias::new(it))))
        .from_as(Alias::new(contact::TABLE), Alias::new("here"))
        .join_as(JoinType::LeftJoin, Alias::new(contact::TABLE), Alias::new("there"), there)
        .and_where(of("here", PHONE).ne(of("here", "jid")))
        .and_where(of("here", "id").gt(after))
        .and_where(is_broken)
        .order_by((Alias::new("here"), Alias::new("id")), Order::Asc)
        .limit(ROWS_MAX);
    let mut people = Vec::new();
    for row in db.query_all(&select).await? {
        let person = (row.try_get("", "session_id")?, row.try_get("", "jid")?);
        people.push((row.try_get("", "id")?, person));
    }
    Ok(people)
}

async fn write(
    context: &WriteContext<'_>,
    sessions: &BTreeMap<i64, i64>,
    mended: &[(i64, MendedPerson)],
) -> Result<(), StoreError> {
    let mut made = Vec::new();
    for (id, mended) in mended {
        match mended {
            MendedPerson::Made { jid, lid } => {
                let session = sessions.get(id).copied().unwrap_or_default();
                let row = contact::row_with_lid(session, jid, lid.as_deref(), context.now);
                made.push(ActiveModel { phone: Set(own(jid)), ..row });
            }
            MendedPerson::Known(_, phone) => {
                let mut update = Query::update();
                update
                    .table(Alias::new(contact::TABLE))
                    .values([
                        (PHONE, Expr::val(phone.clone())),
                        ("updated_at", context.now_value()),
                    ])
                    .and_where(Expr::col(Alias::new("id")).eq(*id));
                context.db.execute(&update).await?;
            }
        }
    }
    let ids = mended.iter().map(|(id, _)| *id);
    let changed = Cond::all().add(Expr::col(Alias::new("id")).is_in(ids));
    context.log_written(&contact::FOLLOWED, changed).await?;
    Ok(context.write(&contact::FOLLOWED, &contact::make(context.dialect), made).await?)
}

/// Who stands for an id that stands for itself.
fn own(jid: &str) -> Option<String> {
    (!is_lid(jid)).then(|| jid.to_owned())
}

impl PeopleRows {
    /// Reads these, and whoever stands for them.
    async fn read(
        db: &impl ConnectionTrait,
        dialect: Dialect,
        people: &[(i64, PersonId)],
    ) -> Result<Self, StoreError> {
        let mut read = Self::default();
        let mut wanted: BTreeSet<PersonId> = people.iter().map(|(_, it)| it.clone()).collect();
        while !wanted.is_empty() {
            let led_to = read.read_rows(db, dialect, &wanted).await?;
            let is_new = |it: &PersonId| !read.rows.contains_key(it) && !wanted.contains(it);
            wanted = led_to.into_iter().filter(is_new).collect();
        }
        Ok(read)
    }

    /// Returns who stands for them.
    async fn read_rows(
        &mut self,
        db: &impl ConnectionTrait,
        dialect: Dialect,
        wanted: &BTreeSet<PersonId>,
    ) -> Result<BTreeSet<PersonId>, StoreError> {
        let names = ("session_id", "jid");
        let columns = ["session_id", "jid", PHONE, "lid"];
        let select = of_pairs(dialect, contact::TABLE, names, &columns, wanted.iter());
        let mut led_to = BTreeSet::new();
        for row in db.query_all_raw(select).await? {
            let (session, jid): PersonId =
                (row.try_get("", "session_id")?, row.try_get("", "jid")?);
            let phone: Option<String> = row.try_get("", PHONE)?;
            let leads = phone.clone().filter(|phone| *phone != jid).map(|phone| (session, phone));
            led_to.extend(leads.clone());
            let found = PersonRow { phone, lid: row.try_get("", "lid")? };
            self.rows.insert((session, jid.clone()), found);
            self.leads.insert((session, jid), leads);
        }
        Ok(led_to)
    }

    fn mended(&self, people: &[(i64, PersonId)]) -> Vec<(i64, MendedPerson)> {
        people.iter().filter_map(|(id, it)| Some((*id, self.mended_person(it)?))).collect()
    }

    /// What is done for a person; none if nothing is wrong.
    fn mended_person(&self, person: &PersonId) -> Option<MendedPerson> {
        let PersonRow { phone, lid } = self.rows.get(person)?.clone();
        Some(match follow(person, &self.leads) {
            ChainEnd::Row(_, 0 | 1) => return None,
            ChainEnd::Row((_, jid), _) => MendedPerson::Known(Fault::Pointer, Some(jid)),
            ChainEnd::Nothing(last) if last == *person => MendedPerson::Made { jid: phone?, lid },
            ChainEnd::Nothing(last) => {
                let missing = self.rows.get(&last).and_then(|row| row.phone.clone());
                MendedPerson::Known(Fault::Pointer, missing)
            }
            ChainEnd::Circle(members) => {
                let is_member = members.contains(person);
                let fault = if is_member { Fault::Circle } else { Fault::Pointer };
                let first = members.into_iter().min_by_key(|(_, jid)| (is_lid(jid), jid.clone()));
                let first = first.map(|(_, jid)| jid);
                let stands_alone = first.as_ref() == Some(&person.1);
                MendedPerson::Known(
                    fault,
                    first.filter(|_| !stands_alone).or_else(|| own(&person.1)),
                )
            }
        })
    }
}
