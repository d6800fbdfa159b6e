//! What is written on an instance before it is stopped, so that it can be brought back without the journal.

use std::fmt;

use crate::seal::SEAL_LENGTH;

/// The tag's key.
pub const TAG: &str = "autoscaler:resize";

/// EC2 takes no values longer than 256, and a seal comes behind it.
const LONGEST: usize = 256 - SEAL_LENGTH;

/// The tag's value without its seal: `id=… from=… to=… else=…/…`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Breadcrumb {
    pub resize_id: String,
    pub from: String,
    pub target: String,
    /// As many as fit.
    pub fallbacks: Vec<String>,
}

impl Breadcrumb {
    /// The tag's key.
    pub const TAG: &str = TAG;

    /// Reads a value; `None` when it isn't one of ours.
    pub fn parse(value: &str) -> Option<Self> {
        let field = |name: &str| {
            value
                .split(' ')
                .filter_map(|part| part.split_once('='))
                .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
        };
        Some(Self {
            resize_id: field("id")?.to_owned(),
            from: field("from")?.to_owned(),
            target: field("to")?.to_owned(),
            fallbacks: field("else")
                .map(|names| names.split('/').map(str::to_owned).collect())
                .unwrap_or_default(),
        })
    }
}

impl fmt::Display for Breadcrumb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resize_id,
            from,
            target,
            fallbacks,
        } = self;
        let mut value = format!("id={resize_id} from={from} to={target}");
        for (index, name) in fallbacks.iter().enumerate() {
            let separator = if index == 0 { " else=" } else { "/" };
            if value.len() + separator.len() + name.len() > LONGEST {
                break;
            }
            value.push_str(separator);
            value.push_str(name);
        }
        formatter.write_str(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_fits_a_tag() {
        let mut crumb = Breadcrumb {
            resize_id: "0190c5d2-7b3c-7e1a-9f00-000000000001".to_owned(),
            from: "t3.small".to_owned(),
            target: "t3.medium".to_owned(),
            fallbacks: vec!["t3.large".to_owned(), "t3.xlarge".to_owned()],
        };
        assert_eq!(Breadcrumb::parse(&crumb.to_string()).as_ref(), Some(&crumb));
        crumb.fallbacks.clear();
        assert_eq!(Breadcrumb::parse(&crumb.to_string()).as_ref(), Some(&crumb));
        crumb.resize_id = "a".repeat(64);
        crumb.fallbacks = vec!["u7inh-32tb.480xlarge".to_owned(); 20];
        let value = crumb.to_string();
        assert!(value.len() <= LONGEST, "{value}");
        let sealed = crate::seal::Seal::fresh().seal(
            &value,
            "123456789012",
            "i-1",
            jiff::Timestamp::UNIX_EPOCH,
        );
        assert!(sealed.len() <= 256, "{sealed}");
        let sealed = Breadcrumb::parse(&sealed).unwrap();
        assert_eq!(
            sealed.fallbacks,
            Breadcrumb::parse(&value).unwrap().fallbacks
        );
        let back = Breadcrumb::parse(&value).unwrap();
        assert_eq!((back.resize_id, back.from), (crumb.resize_id, crumb.from));
        assert!((1..20).contains(&back.fallbacks.len()));
    }

    #[test]
    fn what_somebody_else_wrote_is_not_taken_for_ours() {
        for value in ["", "yes", "id= from=a to=b", "from=t3.small to=t3.large"] {
            assert_eq!(Breadcrumb::parse(value), None, "{value:?}");
        }
    }
}
