//! What this actuator took on: every resize with its state machine, its steps and its lines, and who may start the next.
//!
//! The store keeps it through a crash. Beside it stand, in memory, the resizes that are under way: for those who watch,
//! and for the time when the store can't be written. A machine that is down is never kept waiting for a disk.

mod admission;
mod document;
mod error;
pub mod fence;
mod format1;
mod hold;
mod live;
mod record;
mod refused;
mod salvage;
mod sql;
mod store;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod damage;
pub(crate) mod memory;

#[cfg(test)]
pub use self::record::Line;
pub use self::{
    admission::{Admission, Refusal},
    error::{OpenError, StoreError},
    live::Journal,
    record::{Kind, Record, RefusedType, Request, StepRecord},
    refused::{Memory, Refused, recall},
    sql::{SqlStore, open::shown},
    store::{Rails, Store},
};
