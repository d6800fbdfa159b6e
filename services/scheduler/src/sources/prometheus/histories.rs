//! What is kept of all queries from one tick to the next. All of it may be lost: then it is read again.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_api::LabelledSeries;

use super::{
    grid::{Grid, Plan},
    history::History,
    warming::{Budget, SHORT_SECONDS},
};

/// What nobody asked for so long is forgotten, seconds: its machines are gone, or asked for otherwise.
const FORGOTTEN_AFTER: i64 = 86_400;

/// A query that is asked tick by tick.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Question {
    /// The server, and on a machine that machine.
    pub place: String,
    /// In PromQL.
    pub query: String,
    /// The length of the window, seconds.
    pub seconds: u32,
}

/// The histories of all queries.
#[derive(Debug)]
pub struct Histories {
    instance_label: String,
    step_seconds: u32,
    kept: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// The end of the first tick, which sets the grid.
    phase: Option<i64>,
    /// With the end of the last tick that asked.
    of_question: HashMap<Question, (Arc<History>, i64)>,
    /// Expressions that give all machines, whichever they are asked for.
    give_all: HashSet<String>,
    /// Of the running tick.
    budget: Budget<Question>,
}

impl Histories {
    /// None yet; whole windows are read within `budget`.
    pub fn new(instance_label: &str, step_seconds: u32, budget: Budget<Question>) -> Self {
        let known = Known {
            phase: None,
            of_question: HashMap::new(),
            give_all: HashSet::new(),
            budget,
        };
        Self {
            instance_label: instance_label.to_owned(),
            step_seconds,
            kept: Mutex::new(known),
        }
    }

    /// A tick begins; what was not asked for lately is forgotten.
    pub fn begin(&self, now: i64) {
        let is_asked = |asked_at: i64| now - asked_at <= FORGOTTEN_AFTER;
        let mut known = self.known();
        known.budget.refill();
        known
            .of_question
            .retain(|_, (_, asked_at)| is_asked(*asked_at));
    }

    /// What a tick at `end` has to ask of so many targets.
    pub fn plan(&self, question: &Question, targets: usize, end: i64) -> Plan {
        let mut known = self.known();
        let grid = Grid {
            phase: *known.phase.get_or_insert(end),
            step_seconds: self.step_seconds,
        };
        let kept = known.of_question.get_mut(question);
        let (until, is_whole) = kept.map_or((None, false), |(history, asked_at)| {
            *asked_at = end;
            let until = Arc::make_mut(history).until(end);
            (until, history.is_whole())
        });
        let plan = grid.plan(until, end, question.seconds);
        let is_short = question.seconds <= SHORT_SECONDS;
        if is_short || (is_whole && plan.missing != plan.window) {
            plan
        } else if known.budget.take(question, targets) {
            grid.plan(None, end, question.seconds)
        } else {
            plan.shortened(SHORT_SECONDS)
        }
    }

    /// Adds the answer to what was missing.
    pub fn add(
        &self,
        question: &Question,
        answer: Vec<LabelledSeries>,
        plan: &Plan,
    ) -> Arc<History> {
        let history = self.change(question, plan.window.end, |history| {
            history.add(answer, plan)
        });
        if history.is_whole() {
            self.known().budget.done(question);
        }
        history
    }

    /// Adds the answer for the present, which is `end`.
    pub fn add_present(
        &self,
        question: &Question,
        answer: Vec<LabelledSeries>,
        end: i64,
    ) -> Arc<History> {
        self.change(question, end, |history| history.add_present(answer))
    }

    /// The lock is not held while a history changes, which takes its time.
    fn change(
        &self,
        question: &Question,
        end: i64,
        change: impl FnOnce(&mut History),
    ) -> Arc<History> {
        let kept = self.known().of_question.remove(question);
        let mut history = match kept {
            Some((history, _)) => history,
            None => Arc::new(History::new(&self.instance_label)),
        };
        change(Arc::make_mut(&mut history));
        let kept = (Arc::clone(&history), end);
        self.known().of_question.insert(question.clone(), kept);
        history
    }

    /// Forgets a query.
    pub fn forget(&self, question: &Question) {
        self.known().of_question.remove(question);
    }

    /// Whether an expression gives all machines, whichever it is asked for.
    pub fn gives_all(&self, expression: &str) -> bool {
        self.known().give_all.contains(expression)
    }

    /// Notes whether it does.
    pub fn set_gives_all(&self, expression: &str, gives_all: bool) {
        let mut known = self.known();
        match gives_all {
            true => known.give_all.insert(expression.to_owned()),
            false => known.give_all.remove(expression),
        };
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Each change of it is whole whoever panicked.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
