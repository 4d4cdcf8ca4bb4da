//! What a simulated WAHA holds, behind one lock: its sessions' stores, its files, its time.

use std::collections::{HashMap, HashSet, VecDeque};

use super::failure::Faults;
use super::gate::Request;
use super::oddity::{Oddities, Oddity};
use super::options::{Options, Time};
use super::session_config::first_config;
use super::store::Store;
use crate::clock::{Clock, SystemClock};
use crate::simulate::file::Attached;
use crate::simulate::message::{Download, MediaTelling, Message, download, file_name};
use crate::simulate::session::{STARTUP_MS, Session, status_payload};
use crate::simulate::told::{Moment, Told};
use crate::simulate::world::World;
use crate::simulate::{Family, Sent, envelope, mix};

/// How long a session starts.
const START_MS: i64 = 1_500;

/// How a session that is WORKING sends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Messages come and can be read; their webhooks are never sent.
    Webhooks,
    /// Its connection is dead: nothing comes at all until it is restarted, then all at once.
    Dead,
}

/// A file that is there.
pub(super) struct Saved {
    pub(super) attached: Attached,
    pub(super) mimetype: &'static str,
    since_ms: i64,
}

/// Everything that is the case.
pub(super) struct State {
    pub(super) options: Options,
    pub(super) world: World,
    pub(super) stores: Vec<Store>,
    pub(super) started_ms: i64,
    history_ms: i64,
    ahead_ms: i64,
    files: HashMap<String, Saved>,
    /// Turns of messages whose files WhatsApp has no more.
    pub(super) gone: HashSet<u64>,
    pub(super) is_lossy: bool,
    pub(super) silence: Option<Silence>,
    /// Webhooks that are lost next, because they were in memory.
    pub(super) in_memory: u64,
    /// What came while the connections were dead.
    pub(super) backlog: VecDeque<Moment>,
    /// What WAHA itself has to tell: its sessions' new status.
    pub(super) news: VecDeque<Sent>,
    news_count: u64,
    pub(super) faults: Faults,
    pub(super) requests: Vec<Request>,
    /// Files that were fetched from WhatsApp over REST.
    pub(super) downloads: u64,
    /// Requests for lists so far, by which ties and LIDs change places.
    pub(super) lists: usize,
}

impl State {
    pub(super) fn new(options: Options) -> Self {
        let world = World::new(&options.plan);
        let is_paired = !options.plan.families.contains(Family::Session);
        let stores = world
            .sessions
            .iter()
            .map(|session| Store::new(is_paired, first_config(&options, session)));
        let mut state = Self {
            stores: stores.collect(),
            started_ms: 0,
            history_ms: options.plan.start_ms,
            world,
            ahead_ms: 0,
            files: HashMap::new(),
            gone: HashSet::new(),
            is_lossy: true,
            silence: None,
            in_memory: 0,
            backlog: VecDeque::new(),
            news: VecDeque::new(),
            news_count: 0,
            faults: Faults::default(),
            requests: Vec::new(),
            downloads: 0,
            lists: 0,
            options,
        };
        state.started_ms = state.now_ms();
        state.found_groups();
        state
    }

    fn found_groups(&mut self) {
        for position in 0..self.stores.len() {
            let account = self.world.sessions[position].account;
            for group in self.world.groups_of(position).collect::<Vec<_>>() {
                self.stores[position].found(group, account, self.world.people);
            }
        }
    }

    /// What time it is, in Unix milliseconds.
    pub(super) fn now_ms(&self) -> i64 {
        let now_ms = match self.options.time {
            Time::Real => SystemClock.now_ms(),
            Time::Manual => self.options.plan.start_ms + STARTUP_MS,
            Time::History => self.history_ms,
        };
        now_ms + self.ahead_ms
    }

    /// The time of the last webhook that was kept.
    pub(super) const fn history_ms(&self) -> i64 {
        self.history_ms
    }

    pub(super) const fn advance(&mut self, ms: i64) {
        self.ahead_ms += ms;
    }

    /// The manners of a session.
    pub(super) fn oddities(&self, position: usize) -> Oddities {
        let engine = self.options.manner.unwrap_or(self.world.sessions[position].engine);
        Oddities::of(engine).union(self.options.oddities)
    }

    pub(super) fn is(&self, position: usize, oddity: Oddity) -> bool {
        self.oddities(position).contains(oddity)
    }

    pub(super) fn session(&self, position: usize) -> &Session {
        &self.world.sessions[position]
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.world.sessions.iter().position(|session| session.name == name)
    }

    pub(super) fn status(&self, position: usize) -> &'static str {
        let is_elsewhere = self.is_elsewhere(position);
        if is_elsewhere { "STOPPED" } else { self.stores[position].status(self.now_ms()) }
    }

    /// Whether another worker runs it.
    pub(super) fn is_elsewhere(&self, position: usize) -> bool {
        position % 2 == 1 && self.options.oddities.contains(Oddity::OtherWorker)
    }

    /// Keeps what a webhook tells: from now on it can be read.
    pub(super) fn keep(&mut self, moment: &Moment) {
        let Moment { session: position, known, told, sent } = moment;
        self.history_ms = self.history_ms.max(sent.at_ms);
        self.world.sessions[*position].know(*known);
        if let Told::Message(message) = told {
            self.save_received(*position, message);
        }
        if let Told::Status(_) = told {
            self.stores[*position].status_changed_ms = sent.at_ms;
        }
        if let Told::Group(group, change) = told {
            let account = self.world.sessions[*position].account;
            let whose = (account, self.world.people);
            self.stores[*position].change_group(*group, *change, whose);
        }
        let oddities = self.oddities(*position);
        self.stores[*position].keep(told, *known, oddities);
    }

    /// WAHA fetches a file when its message comes, if it does.
    fn save_received(&mut self, position: usize, message: &Message) {
        let is_fetched = message.content.mimetype().is_some()
            && download(self.world.seed, message) == Download::Done;
        if is_fetched {
            self.save(position, message);
        }
    }

    /// What there was under the name stays, and its time runs on.
    fn save(&mut self, position: usize, message: &Message) {
        let (Some(attached), Some(mimetype)) = (&message.file, message.content.mimetype()) else {
            return;
        };
        let name = file_name(self.session(position), message);
        let since_ms = self.now_ms();
        let saved = Saved { attached: attached.clone(), mimetype, since_ms };
        if self.file(&name).is_none() {
            self.files.insert(name, saved);
        }
    }

    /// The file of this folder and name, while it is there.
    pub(super) fn file(&self, name: &str) -> Option<&Saved> {
        let lifetime_ms = i64::try_from(self.options.media_lifetime.as_millis()).unwrap_or(0);
        let now_ms = self.now_ms();
        let lasts = |saved: &&Saved| {
            lifetime_ms == 0
                || saved.attached.is_in_bucket()
                || now_ms < saved.since_ms + lifetime_ms
        };
        self.files.get(name).filter(lasts)
    }

    /// What is told of a file that somebody asks for, after fetching it where it is not there.
    pub(super) fn fetch(&mut self, position: usize, message: &Message) -> MediaTelling {
        if message.content.mimetype().is_none() {
            return MediaTelling::NotAsked;
        }
        match download(self.world.seed, message) {
            Download::Skipped => return MediaTelling::Skipped,
            Download::Gone => return MediaTelling::Gone,
            Download::Done | Download::TimedOut => {}
        }
        let name = file_name(self.session(position), message);
        if self.file(&name).is_some() {
            return MediaTelling::Link;
        }
        if self.gone.contains(&message.turn) {
            return MediaTelling::Gone;
        }
        self.downloads += 1;
        self.save(position, message);
        MediaTelling::Link
    }

    pub(super) fn remove_files(&mut self) {
        self.files.retain(|_, saved| saved.attached.is_in_bucket());
    }

    /// As when the process starts anew: another start, no files, every session connects again.
    pub(super) fn restart(&mut self) {
        // Two starts are never the same.
        self.started_ms = self.now_ms().max(self.started_ms + 1);
        self.remove_files();
        self.silence = None;
        self.in_memory = self.options.lost_per_restart;
        for position in 0..self.stores.len() {
            self.stores[position].emitted = [0; 2];
            self.start_session(position);
        }
    }

    /// Starts a session, or anew.
    pub(super) fn start_session(&mut self, position: usize) {
        let now_ms = self.now_ms();
        let store = &mut self.stores[position];
        store.activity_ms = None;
        store.is_dead = false;
        store.is_stopped = false;
        store.starting_until_ms = now_ms + START_MS;
        store.status_changed_ms = now_ms + START_MS;
        for (status, after_ms) in [("STOPPED", 0), ("STARTING", 1), ("WORKING", START_MS)] {
            self.tell_status(position, status, now_ms + after_ms);
        }
        self.stores[position].status = "WORKING";
    }

    pub(super) fn stop_session(&mut self, position: usize) {
        let now_ms = self.now_ms();
        self.stores[position].is_stopped = true;
        self.tell_status(position, "STOPPED", now_ms);
    }

    /// A webhook of WAHA itself.
    fn tell_status(&mut self, position: usize, status: &'static str, at_ms: i64) {
        self.news_count += 1;
        let session = &mut self.world.sessions[position];
        let Some(payload) = status_payload(session, status, at_ms) else { return };
        let key = mix(u64::MAX - self.news_count, position as u64);
        let event_id = envelope::event_id(self.world.seed, key, at_ms);
        self.news.push_back(Sent {
            event_type: "session.status",
            session: session.name.clone(),
            body: envelope::body(session, "session.status", &event_id, at_ms, &payload),
            webhook_id: (!session.is_old()).then_some(event_id),
            at_ms,
            request_id: format!("news{key:016x}"),
        });
    }
}
