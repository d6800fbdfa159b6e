//! The closed loop on recorded demand: what a way of choosing sizes costs, how often it saturates and resizes. Pure.
//!
//! [`cells`] puts samples on steps, [`demand`] scales them to a [`ladder`]. A [`policy`] is shown one step after the other and
//! names a rung; [`play`] takes it there, [`account`] says what came of it. [`ours`] is how this program chooses, [`peers`] are
//! ways that others do, and [`oracle`] is the floor beneath all of them. [`entries`] lists who is compared, [`table`] shows it, [`rungs`] is what a
//! referee scores again. `docs/CLOSED-LOOP.md` has the protocol.
//!
//! Invariant: nobody is shown what comes after the present step, except the oracle and the best fixed rung.

pub mod account;
pub mod cells;
pub mod demand;
pub mod entries;
pub mod forecasts;
pub mod ladder;
pub mod oracle;
pub mod ours;
pub mod peers;
pub mod play;
pub mod policy;
pub mod rungs;
pub mod table;
