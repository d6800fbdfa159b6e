//! How this program chooses sizes: the code that serves, not a copy of it.

pub mod adaptive;
pub mod decided;
