//! The simulator as a whole WAHA: its REST API, answered from the history whose webhooks it sends.
//!
//! [`Served`] is one, in process: tests start it, take its [`Webhooks`] and command what happens to it; the
//! command `simulate --api` does the same. A message can be read over REST from the moment at which its webhook
//! is taken, whether that is sent or lost. Each session has the manners of its engine ([`Oddity`]).
//!
//! Reading order: `options`, `oddity`; `state` holds what WAHA holds, filled by `webhooks`; `routes` names the
//! endpoints, and a file for each kind answers them. Invariant: what REST tells of a message and what its
//! webhook told agree in everything that WAHA keeps: both are made from the one message.

mod answer;
mod chats;
mod contacts;
mod error;
mod failure;
mod files;
mod gate;
mod groups;
mod known_files;
mod lids;
mod messages;
mod oddity;
mod options;
mod params;
mod routes;
mod row;
mod served;
mod server;
mod session_config;
mod sessions;
mod state;
mod store;
mod webhooks;

pub use self::failure::{Failure, Fault};
pub use self::gate::Request;
pub use self::known_files::{FileFate, KnownFile};
pub use self::oddity::{Oddities, Oddity};
pub use self::options::{Options, Time};
pub use self::served::Served;
pub use self::state::Silence;
pub use self::webhooks::Webhooks;
