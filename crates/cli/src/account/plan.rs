//! `opterius account plan`, and the plans of every other change.

use clap::Args;
use serde_json::Value;

use super::name::{self, Name};
use crate::api::{Obstacle, Plan};
use crate::failure::Failure;
use crate::output::{self, Align, Format, Table};
use crate::panel::{Order, Panel, read};

#[derive(Args)]
pub(crate) struct Options {
    /// The account
    #[arg(value_name = name::FORMS, value_parser = Name::parse)]
    account: Name,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let path = options.account.path(panel).await?;
    show(&panel.get(&format!("{path}/plan")).await?, format)
}

/// Asks what an order would change, and shows it. Nothing is changed.
pub(super) async fn ask(order: &Order, panel: &Panel, format: Format) -> Result<(), Failure> {
    show(&panel.order(&order.planned()).await?.data, format)
}

fn show(data: &Value, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        output::json(data);
        return Ok(());
    }
    let plan: Plan = read(data)?;
    if plan.changes.is_empty() && plan.conflicts.is_empty() && plan.missing.is_empty() {
        output::line("Nothing would change: everything is as it should be.");
    } else if plan.changes.is_empty() {
        output::line("It would change nothing.");
    } else {
        output::line(format!("It would make {}; nothing was changed yet.", output::count(plan.changes.len(), "change")));
        output::blank();
        output::line(changes(&plan));
    }
    for (heading, obstacles) in [("In the way:", &plan.conflicts), ("Missing:", &plan.missing)] {
        if !obstacles.is_empty() {
            output::blank();
            output::line(heading);
            for obstacle in obstacles {
                output::line(line(obstacle));
            }
        }
    }
    Ok(())
}

/// The changes of a plan, one a line, in the order in which they would be made.
pub(super) fn changes(plan: &Plan) -> Table {
    let mut table = Table::new(&[("WHAT", Align::Left), ("CHANGE", Align::Left)]);
    for change in &plan.changes {
        table.row([change.resource.clone(), change.change.clone()]);
    }
    table
}

/// What is in the way or is not there, with what to do.
pub(super) fn line(obstacle: &Obstacle) -> String {
    let step = obstacle.step.as_deref().filter(|step| !step.is_empty()).map_or_else(String::new, |step| format!("{step}: "));
    let hint = obstacle.hint.as_ref().map_or_else(String::new, |hint| format!("\n    hint: {hint}"));
    format!("  {step}{}{hint}", obstacle.detail)
}
