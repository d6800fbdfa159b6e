//! The fields of a request, checked: everything that is wrong is said at once.

use jiff::Timestamp;
use tonic::Status;

use crate::{
    ec2::{instance_type_problem, is_instance_id},
    status::{FieldViolation, invalid_argument},
    time,
};

const MAX_ID_CHARS: usize = 256;

/// A collector of what is wrong with a request.
#[derive(Debug)]
pub struct Fields {
    found: Vec<FieldViolation>,
    most: usize,
}

impl Default for Fields {
    /// One that keeps every violation.
    fn default() -> Self {
        Self::at_most(usize::MAX)
    }
}

impl Fields {
    /// One that keeps the first `most` violations: the rest would only repeat them.
    pub fn at_most(most: usize) -> Self {
        Self {
            found: Vec::new(),
            most,
        }
    }

    /// The number of violations so far.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// Whether it takes no more.
    pub fn is_full(&self) -> bool {
        self.found.len() >= self.most
    }

    /// Takes one more violation, unless it is full.
    pub fn bad(&mut self, field: impl Into<String>, description: impl Into<String>) {
        if !self.is_full() {
            self.found.push(FieldViolation::new(field, description));
        }
    }

    /// `value` when nothing was wrong.
    ///
    /// # Errors
    /// Every bad field.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<FieldViolation>> {
        match self.found.is_empty() {
            true => Ok(value),
            false => Err(self.found),
        }
    }

    /// Ok when nothing was wrong.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with every bad field.
    pub fn check(self) -> Result<(), Status> {
        self.finish(())
            .map_err(|violations| invalid_argument(&violations))
    }

    /// An id: 1 to 256 characters, none of them a control character.
    pub fn id(&mut self, field: &str, value: String) -> String {
        let length = value.chars().count();
        if length == 0 {
            self.bad(field, "is empty");
        } else if length > MAX_ID_CHARS {
            self.bad(
                field,
                format!("has {length} characters; at most {MAX_ID_CHARS} are allowed"),
            );
        } else if value.chars().any(char::is_control) {
            self.bad(field, "has control characters");
        }
        value
    }

    /// The same, but it may be empty.
    pub fn id_or_empty(&mut self, field: &str, value: String) -> String {
        match value.is_empty() {
            true => value,
            false => self.id(field, value),
        }
    }

    /// The id of an EC2 instance.
    pub fn instance_id(&mut self, field: &str, value: &str) {
        if !is_instance_id(value) {
            self.bad(field, "must be `i-` and 8 or 17 hexadecimal digits");
        }
    }

    /// The name of an instance type.
    pub fn instance_type(&mut self, field: &str, value: &str) {
        if let Some(problem) = instance_type_problem(value) {
            self.bad(field, problem);
        }
    }

    /// Between one and `most` of `what`, each of which passes `check`.
    pub fn each(
        &mut self,
        field: &str,
        values: &[String],
        (most, what): (usize, &str),
        check: impl Fn(&mut Self, &str, &str),
    ) {
        if !(1..=most).contains(&values.len()) {
            self.bad(field, format!("must hold 1 to {most} {what}"));
        }
        for (index, value) in values.iter().enumerate().take(most) {
            check(self, &format!("{field}[{index}]"), value);
        }
    }

    /// A number from `low` to `high`; NaN lies in no range.
    pub fn number(&mut self, field: &str, value: f64, low: f64, high: f64) -> f64 {
        if !(low..=high).contains(&value) {
            if high == f64::MAX {
                self.bad(field, format!("{value} is not a number from {low}"));
            } else {
                self.bad(field, format!("{value} is not between {low} and {high}"));
            }
        }
        value
    }

    /// A time that may be absent.
    pub fn time(&mut self, field: &str, time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
        let time = time::from_proto(&time?);
        if time.is_none() {
            self.bad(field, "lies outside the years 0 to 9999");
        }
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_up_to_a_number() {
        let mut fields = Fields::at_most(2);
        fields.instance_id("id", "i-0123abcd");
        assert_eq!(fields.count(), 0);
        fields.id("name", String::new());
        fields.number("share", f64::NAN, 0.0, 1.0);
        fields.instance_type("type", "t2");
        assert!(fields.is_full());
        let status = fields.check().unwrap_err();
        assert_eq!(
            status.message(),
            "name: is empty; share: NaN is not between 0 and 1"
        );
        assert_eq!(Fields::default().finish(1), Ok(1));
    }
}
