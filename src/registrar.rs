//! Our webhook in the configurations of WAHA's sessions: whether it is there as it should be, and how it gets there.
//!
//! Started by `lifecycle` beside a worker, for sources that say where WAHA reaches the door
//! (`[sources.NAME.waha] webhook_url`); `cli` does the same at a command (`sources`).
//!
//! Reading order: `wanted`, what should be there; `compare`, what is otherwise, and the configuration with it put
//! right (pure), by `raw_json`; `reach`, whether WAHA can reach the door, and which URLs are the door's (pure); `sessions`, what is read and written;
//! `problem`, why it is not done, and the remedy; `schedule`, when it is looked at.
//!
//! Invariants: of a configuration nothing but our own entry changes, to the byte, because WAHA replaces it whole and
//! drops what it is not handed back; it is written only where our entry differs, because each writing starts the
//! session anew; configurations are secrets and reach no log, table or error.

mod compare;
mod problem;
mod raw_json;
mod reach;
mod schedule;
mod sessions;
mod wanted;

pub use compare::Difference;
pub use problem::RegistrarProblem;
pub use reach::{Unreachable, check_reach, check_url};
pub use schedule::{Registering, RegisteringError, run};
pub use sessions::{Registrar, SessionRegistration, Surroundings};
pub use wanted::{Manage, RegistrarOptions, SigningKey, WantedWebhook};
