//! What a panic says in the log: where, and what the code says about it, never a value.
//!
//! The standard hook prints the whole message, and a message such as that of a bad slice quotes the
//! text it was about. A message that is a literal holds no value; one that was put together may.

use std::panic::PanicHookInfo;

/// Reports panics through the log from now on.
pub(super) fn log_without_values() {
    std::panic::set_hook(Box::new(|info| {
        tracing::error!(
            location = info.location().map(tracing::field::display),
            error = literal(info),
            "panicked"
        );
    }));
}

fn literal(info: &PanicHookInfo<'_>) -> &'static str {
    info.payload().downcast_ref::<&'static str>().copied().unwrap_or("a message with values")
}
