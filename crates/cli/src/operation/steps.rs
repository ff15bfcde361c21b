//! The steps of an operation, one a line.

use crate::api::{Operation, Step};
use crate::output::{self, Align, Table};

/// How many characters the whole duration of an operation is drawn with.
const BAR: usize = 32;

/// The steps with their times, and where in the operation each of them lay.
pub(crate) fn table(operation: &Operation) -> Table {
    let begin = operation.steps.iter().map(|step| step.started_at).fold(operation.started_at, i64::min);
    let end = operation.steps.iter().map(end_of).chain(operation.finished_at).fold(begin, i64::max);
    let mut table = Table::new(&[
        ("STEP", Align::Left),
        ("STATE", Align::Left),
        ("TIME", Align::Right),
        ("WHEN", Align::Left),
        ("DETAIL", Align::Left),
    ]);
    for step in &operation.steps {
        table.row([
            step.name.clone(),
            state(step),
            step.duration_us.map_or_else(|| "…".to_owned(), output::duration),
            bar(step.started_at - begin, end_of(step) - begin, end - begin),
            step.detail.clone().unwrap_or_default(),
        ]);
    }
    table
}

/// The step's state, and that it was taken on the way back if it was.
pub(crate) fn state(step: &Step) -> String {
    if step.direction == "back" { format!("undo: {}", step.state) } else { step.state.clone() }
}

fn end_of(step: &Step) -> i64 {
    step.started_at.saturating_add_unsigned(step.duration_us.unwrap_or(0))
}

/// From `begin` to `end` of `whole`, drawn to scale and never shorter than one character.
fn bar(begin: i64, end: i64, whole: i64) -> String {
    let cell = |at: i64| usize::try_from(i128::from(at.max(0)) * BAR as i128 / i128::from(whole.max(1))).unwrap_or(0).min(BAR);
    let first = cell(begin).min(BAR - 1);
    let last = cell(end).max(first + 1);
    format!("{}{}{}", "·".repeat(first), "█".repeat(last - first), "·".repeat(BAR - last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_to_scale_and_always_visible() {
        assert_eq!(bar(0, 50, 100), format!("{}{}", "█".repeat(16), "·".repeat(16)));
        assert_eq!(bar(100, 100, 100), format!("{}█", "·".repeat(31)));
        assert_eq!(bar(0, 0, 0).chars().count(), BAR);
        assert_eq!(bar(-5, 500, 100), "█".repeat(BAR));
    }
}
