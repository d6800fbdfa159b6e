//! What is said about models: rows for people and scripts, made from scores.

pub mod bounds;
pub mod command;
pub mod examples;
pub mod html;
pub mod model;
pub mod peers;
pub mod reference;
pub mod reliability;
pub mod rows;
pub mod table;
#[cfg(test)]
pub mod testing;
pub mod weekly;
