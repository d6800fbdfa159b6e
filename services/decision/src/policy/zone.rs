//! Zones of the IANA database, of the release that is built in: the machine's own is not asked, so that a stored decision is
//! made again the same elsewhere.

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The zone that a policy without one means.
pub const UTC: &str = "UTC";

/// The zone with a name such as `Europe/Berlin`; `None` where there is none.
pub fn find(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}
