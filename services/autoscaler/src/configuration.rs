//! The configuration of all four services, read and checked as one.

use common::config::{ConfigError, Settings, invalid};
use serde::Serialize;

/// The sections of the four services.
#[derive(Clone, Debug, Serialize)]
pub struct Configuration {
    pub predictor: predictor::Config,
    pub policy: decision::Policy,
    pub decision: decision::Config,
    pub actuator: actuator::Config,
    pub scheduler: scheduler::Config,
}

impl Configuration {
    /// Reads and validates each.
    ///
    /// # Errors
    /// The first key that is wrong.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let configuration = Self {
            predictor: predictor::Config::read(settings)?,
            policy: decision::Policy::read(settings)?,
            decision: decision::Config::read(settings)?,
            actuator: actuator::Config::read(settings)?,
            scheduler: scheduler::Config::read(settings)?,
        };
        configuration
            .databases_are_two()
            .map_err(|error| settings.placed(error))?;
        Ok(configuration)
    }

    /// What is well to know before it runs, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        notes.extend(self.decision.strategy_naming.note(&self.policy));
        if self.policy.strategy == decision::Strategy::Adaptive
            && let Err(short) = self.scheduler.window().holds_reviews()
        {
            notes.push(short.to_string());
        }
        notes.extend(self.scheduler.cost_of_a_day());
        notes
    }

    fn databases_are_two(&self) -> Result<(), ConfigError> {
        let journal = &self.actuator.database;
        if !common::files::same_file(&self.decision.database, journal.as_ref()) {
            return Ok(());
        }
        Err(invalid(
            "decision.database",
            format!(
                "{} is the file of actuator.database, too; each needs its own",
                self.decision.database.display()
            ),
        ))
    }

    /// No type ever becomes smaller where less history is read than is asked for. Not a reason to refuse to run: the way up
    /// needs none.
    ///
    /// # Errors
    /// Both keys, and what would do.
    pub fn window_holds_the_evidence(&self) -> Result<(), ConfigError> {
        let scheduler::Window {
            key,
            step_seconds,
            seconds,
        } = self.scheduler.window();
        let asked = self.policy.down_history_seconds;
        // The first and the last sample may each lie a step inside the window.
        let needed = match asked {
            0 => 0,
            asked => asked.saturating_add(2 * step_seconds),
        };
        if seconds >= needed {
            return Ok(());
        }
        Err(invalid(
            key,
            format!(
                "{seconds} is too short for policy.down_history_seconds ({asked}): with less history than that no type becomes \
                 smaller; read at least {needed}, or ask for less"
            ),
        ))
    }
}
