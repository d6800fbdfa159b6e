//! Which columns a recording has, and what their names say about units. Pure.

use crate::{
    error::Fault,
    units::{CpuUnit, TIMES, TimeUnit},
};

/// Which columns a file has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// `series`, `timestamp`, `cpu`: without the first, machines would be mixed up.
    Fleet,
    /// `timestamp`, `cpu` (or `value`), and `series` where there is more than one.
    OneOrMore,
}

const CPUS: [(&str, Option<CpuUnit>); 3] = [
    ("cpu", None),
    ("cpu_percent", Some(CpuUnit::Percent)),
    ("cpu_ratio", Some(CpuUnit::Ratio)),
];
/// What the value of a single series may be called, too.
const VALUE: (&str, Option<CpuUnit>) = ("value", None);

/// Where the columns are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub series: Option<usize>,
    pub time: usize,
    pub time_unit: TimeUnit,
    pub cpu: usize,
    /// As far as the name says it.
    pub cpu_unit: Option<CpuUnit>,
}

impl Layout {
    /// That of a file with columns of these names, blanks around them and their case aside.
    ///
    /// # Errors
    /// Names the column that is missing.
    pub fn find<'a>(
        names: impl IntoIterator<Item = &'a str>,
        columns: Columns,
    ) -> Result<Self, Fault> {
        let names: Vec<String> = names
            .into_iter()
            .map(|name| name.trim().to_lowercase())
            .collect();
        let position = |name: &str| names.iter().position(|known| known == name);
        let series = position("series");
        if series.is_none() && columns == Columns::Fleet {
            return Err(Fault::NoColumn("series"));
        }
        let (time, time_unit) = TIMES
            .iter()
            .find_map(|(name, unit)| Some((position(name)?, *unit)))
            .ok_or(Fault::NoColumn(TIMES[0].0))?;
        let other = (columns == Columns::OneOrMore).then_some(&VALUE);
        let (cpu, cpu_unit) = CPUS
            .iter()
            .chain(other)
            .find_map(|(name, unit)| Some((position(name)?, *unit)))
            .ok_or(Fault::NoColumn(CPUS[0].0))?;
        Ok(Self {
            series,
            time,
            time_unit,
            cpu,
            cpu_unit,
        })
    }
}
