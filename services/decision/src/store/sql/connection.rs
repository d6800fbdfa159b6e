//! A connection in a transaction.

use sqlx::{Sqlite, pool::PoolConnection};

/// A connection of one of the two pools: the readers' sees one state of the database until it is dropped, the writer's
/// changes nothing unless it is committed.
pub(super) struct Connection(pub(super) PoolConnection<Sqlite>);
