//! Messages of a chat or of all, and one by its id.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path};

use super::answer::{Answer, json};
use super::error::ApiError;
use super::failure::not_found_exception;
use super::gate::exception_of;
use super::oddity::Oddity;
use super::params::{Page, Params};
use super::row::{Kept, Row};
use super::served::Waha;
use super::state::State;
use crate::simulate::json::{Obj, obj};
use crate::simulate::message::{Chat, MediaTelling, ack_name, retold};
use crate::simulate::people::Form;

/// Messages of a page where none is asked for.
const LIMIT: usize = 10;
const ALL: &str = "all";
const ACKS: [&str; 6] = ["ERROR", "PENDING", "SERVER", "DEVICE", "READ", "PLAYED"];

/// What a list is asked for.
struct Wanted {
    page: Page,
    is_descending: bool,
    from_s: Option<i64>,
    until_s: Option<i64>,
    from_me: Option<bool>,
    ack: Option<&'static str>,
    is_downloading: bool,
    is_merging: bool,
}

impl Wanted {
    fn read(request: &HttpRequest) -> Result<Self, ApiError> {
        let mut params = Params::of(request);
        params.word("sortBy", &["timestamp", "messageTimestamp"]);
        let wanted = Self {
            page: params.page(),
            is_descending: params.is_descending(true),
            from_s: params.number("filter.timestamp.gte"),
            until_s: params.number("filter.timestamp.lte"),
            from_me: params.flag("filter.fromMe"),
            ack: params.word("filter.ack", &ACKS),
            is_downloading: params.flag("downloadMedia").unwrap_or(true),
            is_merging: params.flag("merge").unwrap_or(true),
        };
        params.check()?;
        Ok(wanted)
    }

    fn takes(&self, row: &Row, state: &State, position: usize) -> bool {
        let seconds = row.seconds();
        let is_within = self.from_s.is_none_or(|from_s| seconds >= from_s)
            && self.until_s.is_none_or(|until_s| seconds <= until_s);
        let engine = state.session(position).engine;
        // What is not shown matches as others' messages do.
        let from_me = row.kept.as_ref().is_some_and(|kept| kept.message.from_me);
        let ack = row.kept.as_ref().and_then(|kept| kept.ack(engine)).map(ack_name);
        is_within
            && self.from_me.is_none_or(|wanted| wanted == from_me)
            && self.ack.is_none_or(|wanted| Some(wanted) == ack)
    }
}

/// `limit`, `offset`, `sortOrder`, `filter.*`, `downloadMedia`, `merge`.
pub(super) async fn list(
    request: HttpRequest,
    path: Path<(String, String)>,
    waha: Data<Waha>,
) -> Answer {
    let (name, chat) = path.into_inner();
    let position = waha.ready(&name).await?;
    let wanted = Wanted::read(&request)?;
    let mut state = waha.state();
    check_store(&state, position)?;
    if chat == ALL && state.is(position, Oddity::NoAll) {
        return Err(no_all(&state, position));
    }
    let places = page(&mut state, position, &chat, &wanted);
    let ancient = state.is(position, Oddity::AncientRow).then(|| ancient(&chat));
    let told = |place| tell(&mut state, position, place, wanted.is_downloading);
    let told = places.into_iter().filter_map(told).chain(ancient);
    Ok(json(&told.collect::<Vec<Obj>>()))
}

/// A row that its engine keeps with a time that says nothing.
fn ancient(chat: &str) -> Obj {
    obj! {
        "id": format!("false_{chat}_3EB0000000000000000000"), "timestamp": 1_u64, "from": chat,
        "fromMe": false, "body": "", "hasMedia": false,
    }
}

/// One message; 404 where there is none or none that is shown.
pub(super) async fn get(
    request: HttpRequest,
    path: Path<(String, String, String)>,
    waha: Data<Waha>,
) -> Answer {
    let (name, chat, id) = path.into_inner();
    let position = waha.ready(&name).await?;
    let mut params = Params::of(&request);
    let is_downloading = params.flag("downloadMedia").unwrap_or(true);
    params.check()?;
    if id.contains('_') && !matches!(id.split('_').count(), 3 | 4) {
        let exception = not_found_exception("Message id has wrong format");
        return Err(exception_of(&waha, &request, b"", &exception));
    }
    let mut state = waha.state();
    check_store(&state, position)?;
    let place = find(&state, position, &chat, &id).ok_or_else(ApiError::message_not_found)?;
    let told = tell(&mut state, position, place, is_downloading);
    Ok(json(&told.ok_or_else(ApiError::message_not_found)?))
}

pub(super) fn check_store(state: &State, position: usize) -> Result<(), ApiError> {
    if !state.is(position, Oddity::StoreOff) {
        return Ok(());
    }
    Err(ApiError::BadRequest(
        "Enable NOWEB store \"config.noweb.store.enabled=True\" and \
         \"config.noweb.store.full_sync=True\" when starting a new session. Read more: ..."
            .to_owned(),
    ))
}

fn no_all(state: &State, position: usize) -> ApiError {
    let engine = state.options.manner.unwrap_or(state.session(position).engine).name();
    ApiError::NotImplemented(format!(
        "Can not get messages from 'all' in {engine} The method is not implemented by '{engine}' \
         engine. Check the docs and try another engine: https://waha.devlike.pro/"
    ))
}

/// The places of the rows of a page, also of those that are then left out.
fn page(state: &mut State, position: usize, chat: &str, wanted: &Wanted) -> Vec<usize> {
    state.lists += 1;
    let is = |oddity| state.is(position, oddity);
    let is_merging = wanted.is_merging && !is(Oddity::NoMerge);
    let chat = (chat != ALL).then(|| canonical(chat));
    let is_late = is(Oddity::LateFilters);
    let rows = &state.stores[position].rows;
    let is_counted = |row: &Row| row.kept.is_some() || is(Oddity::ShortPages);
    let is_here = |row: &Row| {
        chat.as_deref().is_none_or(|chat| is_of_chat(state, position, row.chat, chat, is_merging))
    };
    let mut places: Vec<usize> = (0..rows.len())
        .filter(|place| is_counted(&rows[*place]) && is_here(&rows[*place]))
        .filter(|place| is_late || wanted.takes(&rows[*place], state, position))
        .collect();
    let is_descending = wanted.is_descending || is(Oddity::OneOrder);
    sort(state, position, &mut places, is_descending || is_late);
    let offset = if is(Oddity::OffsetIgnored) { 0 } else { wanted.page.offset };
    let page = Page { limit: Some(wanted.page.limit.unwrap_or(LIMIT)), offset };
    if !is_late {
        return page.cut(places, false, is(Oddity::ZeroIsAll));
    }
    places.truncate(page.offset + page.limit.unwrap_or(LIMIT));
    places.retain(|place| wanted.takes(&rows[*place], state, position));
    sort(state, position, &mut places, is_descending);
    page.cut(places, false, false)
}

/// By the second only; what stands together there may change places between two requests.
fn sort(state: &State, position: usize, places: &mut [usize], is_descending: bool) {
    let is_swapped = state.lists.is_multiple_of(2) && state.is(position, Oddity::SwappedTies);
    let rows = &state.stores[position].rows;
    let tie = |place: usize| if is_swapped { usize::MAX - place } else { place };
    places.sort_by_key(|place| (rows[*place].seconds(), tie(*place)));
    if is_descending {
        places.reverse();
    }
}

/// WAHA's form of a chat id: a bare number and the engine's form are `…@c.us`.
pub(super) fn canonical(chat: &str) -> String {
    match chat.split_once('@') {
        None | Some((_, "s.whatsapp.net")) => {
            format!("{}@c.us", chat.split('@').next().unwrap_or_default())
        }
        Some(_) => chat.to_owned(),
    }
}

/// Whether a row of `chat` is one of the chat `wanted`, which is both names of a person where they are merged.
fn is_of_chat(state: &State, position: usize, chat: Chat, wanted: &str, is_merging: bool) -> bool {
    if chat.id() == wanted {
        return true;
    }
    let Chat::Direct(person, form) = chat else { return false };
    let is_linked = || state.stores[position].linked.contains(&person.id(Form::Phone));
    is_merging && person.id(form.other()) == wanted && is_linked()
}

/// The row of a message by its bare or whole id.
fn find(state: &State, position: usize, chat: &str, id: &str) -> Option<usize> {
    let is = |oddity| state.is(position, oddity);
    let is_whole = id.contains('_');
    let bare = id.split('_').nth(2).unwrap_or(id);
    let session = state.session(position);
    let fits = |row: &Row| {
        let Some(Kept { message, .. }) = &row.kept else { return false };
        let is_bare_fine = !is(Oddity::NoBareIds)
            && (!is(Oddity::WholeIds) || matches!(row.chat, Chat::Direct(..)));
        let is_named = if is_whole && is(Oddity::WholeIds) {
            message.head(session).id == id
        } else {
            message.bare_id == bare && (is_whole || is_bare_fine)
        };
        let is_here = || is_of_chat(state, position, row.chat, &canonical(chat), true);
        is_named && (!is(Oddity::RightChat) || chat == ALL || is_here())
    };
    state.stores[position].rows.iter().position(fits)
}

/// The message as it is by now, its file fetched if that is asked for.
pub(super) fn tell(
    state: &mut State,
    position: usize,
    place: usize,
    is_downloading: bool,
) -> Option<Obj> {
    // Edits are applied as the history tells them, whatever time it is.
    let now_ms = state.history_ms();
    let oddities = state.oddities(position);
    let kept = state.stores[position].rows.get(place)?.kept.as_ref()?;
    let session = state.session(position).as_known(kept.known);
    let (message, ack) = (kept.shown(now_ms, oddities), kept.ack(session.engine));
    let media =
        if is_downloading { state.fetch(position, &message) } else { MediaTelling::NotAsked };
    Some(retold(state.world.seed, &session, &message, ack, media))
}
