//! What brings back a machine that is down when a process begins, or can't begin: unfinished resizes of the journal, and
//! breadcrumbs on machines that no journal knows.

pub mod boot;
pub mod rescue;
pub mod stranded;
