//! How much of what an Agent answers is taken in. A server that was taken over answers whatever it likes, and must not fill the memory or the
//! database that all servers share.

use opterius_model::clean;
use opterius_protocol::agent::{
    AccountDetail, AccountPage, Acknowledged, DriftReport, HeadPage, Health, NeverAnswer, NotedHead, OperationReport, PagesKept, Php, Plan,
    PlannedChange, StepReport, Usage, UsageReport,
};
use opterius_protocol::phpd::MOST_PHP_VERSIONS;
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::Value;

/// The longest text that is taken from an Agent, in characters.
pub(super) const LONGEST: usize = 4000;

/// The most steps that are taken of one operation; of more, the last ones.
const STEPS: usize = 200;

/// The most that is taken of what one account differs in, of each kind.
const CHANGES: usize = 100;

/// The most accounts that one server is believed to have. The tombstones of those that are gone count, too.
pub(crate) const ACCOUNTS: usize = 200_000;

/// The most parts, limits, jobs or pools that an Agent tells of.
const PARTS: usize = 200;

/// The most open operations that an Agent tells of.
const OPEN: usize = 10_000;

/// What an Agent answers, as the Panel takes it in.
pub(crate) trait Answer: Serialize + DeserializeOwned {
    /// Cleans every text and bounds every list.
    ///
    /// # Errors
    /// If it holds more than any server has reason to say, or is not of the contract any more once it is clean.
    fn admit(self) -> Result<Self, serde_json::Error> {
        cleaned(self)
    }
}

impl Answer for Usage {}
impl Answer for Acknowledged {}
impl Answer for PagesKept {}
impl Answer for NotedHead {}
impl Answer for AccountDetail {}
impl Answer for AccountPage {}
impl Answer for HeadPage {}

impl Answer for Php {
    fn admit(self) -> Result<Self, serde_json::Error> {
        at_most("pools", self.pools.len(), PARTS)?;
        cleaned(self)
    }
}

impl Answer for Health {
    fn admit(self) -> Result<Self, serde_json::Error> {
        at_most("parts", self.parts.len(), PARTS)?;
        at_most("limits", self.enforcement.len(), PARTS)?;
        at_most("jobs", self.jobs.len(), PARTS)?;
        at_most("open operations", self.open_operations.len(), OPEN)?;
        at_most("versions of PHP", self.php_versions.as_ref().map_or(0, Vec::len), MOST_PHP_VERSIONS)?;
        cleaned(self)
    }
}

impl Answer for Plan {
    fn admit(mut self) -> Result<Self, serde_json::Error> {
        bound(&mut self);
        cleaned(self)
    }
}

impl Answer for DriftReport {
    fn admit(mut self) -> Result<Self, serde_json::Error> {
        at_most("accounts", self.accounts.len(), ACCOUNTS)?;
        // One at a time: as a tree of JSON values a report takes many times its own room.
        self.accounts = self
            .accounts
            .into_iter()
            .map(|mut one| {
                bound(&mut one.plan);
                cleaned(one)
            })
            .collect::<Result<_, _>>()?;
        Ok(self)
    }
}

impl Answer for UsageReport {
    fn admit(self) -> Result<Self, serde_json::Error> {
        at_most("accounts", self.accounts.len(), ACCOUNTS)?;
        // The only text; it is kept with every account.
        let is_month = self.month.len() == 7
            && self.month.bytes().enumerate().all(|(at, byte)| if at == 4 { byte == b'-' } else { byte.is_ascii_digit() });
        if is_month { Ok(self) } else { Err(serde_json::Error::custom("the month is not a month such as 2026-10")) }
    }
}

impl Answer for NeverAnswer {
    fn admit(self) -> Result<Self, serde_json::Error> {
        Ok(match self {
            Self::NeverBegins => Self::NeverBegins,
            Self::Known(report) => Self::Known(Box::new(report.admit()?)),
        })
    }
}

impl Answer for OperationReport {
    fn admit(mut self) -> Result<Self, serde_json::Error> {
        let left_out = self.steps.len().saturating_sub(STEPS);
        if left_out > 0 {
            // One more makes room for the note.
            self.steps.drain(..=left_out);
            if let Some(first) = self.steps.first().cloned() {
                let detail = Some(format!("{} earlier steps are left out", left_out + 1));
                self.steps.insert(0, StepReport { detail, ..first });
            }
        }
        let left_out = self.left.len().saturating_sub(CHANGES);
        if left_out > 0 {
            self.left.truncate(CHANGES);
            self.left.push(and_more(left_out));
        }
        cleaned(self)
    }
}

fn bound(plan: &mut Plan) {
    let left_out = plan.changes.len().saturating_sub(CHANGES);
    if left_out > 0 {
        plan.changes.truncate(CHANGES);
        plan.changes.push(PlannedChange { resource: "more".to_owned(), change: and_more(left_out) });
    }
    for list in [&mut plan.conflicts, &mut plan.missing] {
        let left_out = list.len().saturating_sub(CHANGES);
        list.truncate(CHANGES);
        if let Some(last) = list.last_mut().filter(|_| left_out > 0) {
            last.detail = format!("{}; {}", clean(last.detail.as_bytes(), LONGEST / 2), and_more(left_out));
        }
    }
}

fn and_more(left_out: usize) -> String {
    format!("and {left_out} more, which are left out")
}

fn at_most(what: &str, number: usize, most: usize) -> Result<(), serde_json::Error> {
    if number > most { Err(serde_json::Error::custom(format!("it tells of {number} {what}; at most {most} are taken"))) } else { Ok(()) }
}

/// Every text one line of bounded length without control characters, but those of a Spec, which have types of their own.
fn cleaned<T: Serialize + DeserializeOwned>(answer: T) -> Result<T, serde_json::Error> {
    let mut value = serde_json::to_value(&answer)?;
    if clean_texts(&mut value) { serde_json::from_value(value) } else { Ok(answer) }
}

/// Says whether it changed anything.
fn clean_texts(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            let clean = clean(text.as_bytes(), LONGEST);
            let changes = clean != *text;
            if changes {
                *text = clean;
            }
            changes
        }
        Value::Array(all) => all.iter_mut().fold(false, |changed, one| clean_texts(one) | changed),
        Value::Object(fields) => {
            fields.iter_mut().filter(|(name, _)| *name != "spec").fold(false, |changed, (_, one)| clean_texts(one) | changed)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_of_an_answer_is_cleaned_and_a_spec_is_left_as_it_is() {
        let mut value = json!({"steps": [{"detail": "a\u{1b}[31mb", "n": 1}], "spec": {"content": " x "}, "memo": {"reason": "one\ntwo"}});
        assert!(clean_texts(&mut value));
        assert_eq!(
            value,
            json!({"steps": [{"detail": "a\u{fffd}[31mb", "n": 1}], "spec": {"content": " x "}, "memo": {"reason": "one two"}})
        );
        assert!(!clean_texts(&mut value));
        let mut long = json!("ä".repeat(LONGEST + 1));
        assert!(clean_texts(&mut long));
        assert_eq!(long.as_str().map(|text| text.chars().count()), Some(LONGEST));
    }
}
