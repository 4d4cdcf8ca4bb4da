//! x
mod lid_merge;
