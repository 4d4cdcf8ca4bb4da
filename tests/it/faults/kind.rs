//! All kinds of faults, by the names that `tests/faults --kinds` takes.

use super::account::Account;
use super::clock::ClockFault;
use super::disk::DiskFault;
use super::failover::FailoverFault;
use super::files::FileFault;
use super::history::HistoryFault;
use super::nodes::NodeFault;
use super::pages::PageFault;
use super::process::ProcessFault;
use super::rights::RightsFault;
use super::rotation::RotationFault;
use super::round::Round;
use super::servers::Servers;
use super::strangers::StrangerFault;

/// Kinds of one module, each with its name and what happens.
macro_rules! faults {
    ($(#[$doc:meta])* $group:ident { $($variant:ident: $name:literal, $line:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $group { $($variant),+ }

        impl $group {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            pub fn line(self) -> &'static str {
                match self { $(Self::$variant => $line),+ }
            }
        }
    };
}
pub(super) use faults;

/// The groups: one list for everything that goes through all of them.
macro_rules! groups {
    ($($group:ident($faults:ident) in $module:ident),+ $(,)?) => {
        /// What happens in a round.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($group($faults)),+ }

        impl Kind {
            pub fn all() -> Vec<Self> {
                let mut all = Vec::new();
                $(all.extend($faults::ALL.iter().map(|fault| Self::$group(*fault)));)+
                all
            }

            pub fn name(self) -> &'static str {
                match self { $(Self::$group(fault) => fault.name()),+ }
            }

            pub fn line(self) -> &'static str {
                match self { $(Self::$group(fault) => fault.line()),+ }
            }

            /// Whether this machine allows it.
            pub fn is_possible(self) -> bool {
                match self { $(Self::$group(fault) => fault.is_possible()),+ }
            }

            pub async fn run(self, round: &mut Round, servers: &Servers) -> Account {
                match self {
                    $(Self::$group(fault) => super::$module::run(fault, round, servers).await),+
                }
            }
        }
    };
}

groups!(
    Process(ProcessFault) in process,
    Disk(DiskFault) in disk,
    Page(PageFault) in pages,
    File(FileFault) in files,
    Stranger(StrangerFault) in strangers,
    Rights(RightsFault) in rights,
    Clock(ClockFault) in clock,
    Node(NodeFault) in nodes,
    Failover(FailoverFault) in failover,
    Rotation(RotationFault) in rotation,
    History(HistoryFault) in history,
);

impl Kind {
    /// These, separated by commas, or `all`. An error names what there is.
    pub fn named(names: &str) -> Result<Vec<Self>, String> {
        let all = Self::all();
        if names == "all" {
            return Ok(all);
        }
        let find = |name: &str| {
            let found = all.iter().find(|kind| kind.name() == name).copied();
            found.ok_or_else(|| {
                let known: Vec<&str> = all.iter().map(|kind| kind.name()).collect();
                format!("no kind is called {name:?}; there are {}", known.join(", "))
            })
        };
        names.split(',').map(|name| find(name.trim())).collect()
    }
}
