//! The built binary as operators and other programs meet it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![expect(
    clippy::disallowed_methods,
    reason = "these tests watch the real time of real processes"
)]

mod bad_input;
mod by_hand;
mod demo;
mod measure;
mod names;
mod one_trace;
mod outlives;
mod publish_document;
mod readme;
mod real_parts;
mod reflection;
mod scraped_fleet;
mod siege;
mod support;
