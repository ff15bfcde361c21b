//! An operation as it happens.

use std::time::Duration;

use serde_json::Value;

use super::steps;
use crate::api::{Operation, Step};
use crate::failure::Failure;
use crate::output;
use crate::panel::{Panel, read};

/// How long an event stream may be silent before the operation is asked for instead.
const SILENCE: Duration = Duration::from_secs(20);

/// The longest event that is waited for, in bytes.
const LONGEST_EVENT: usize = 4 << 20;

/// Waits for the outcome of an operation and returns it. With `show`, prints each step as it ends.
///
/// The event stream only makes it quicker: if it breaks, the operation is asked for until it is decided.
pub(crate) async fn follow(id: &str, show: bool, panel: &Panel) -> Result<Operation, Failure> {
    let path = format!("/api/operations/{id}");
    let mut shown = Shown { show, steps: Vec::new() };
    if let Ok(response) = panel.events(&format!("{path}/events")).await {
        // What can go wrong with a stream is answered by asking.
        drop(read_events(response, &mut shown).await);
    }
    loop {
        let operation: Operation = read(&panel.get(&path).await?)?;
        operation.steps.iter().for_each(|step| shown.step(step));
        if operation.outcome != "running" {
            return Ok(operation);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Which steps were shown already: the stream and the operation tell of the same ones.
struct Shown {
    show: bool,
    steps: Vec<(String, String, i64)>,
}

impl Shown {
    fn step(&mut self, step: &Step) {
        let key = (step.name.clone(), step.direction.clone(), step.started_at);
        if step.state == "running" || self.steps.contains(&key) {
            return;
        }
        self.steps.push(key);
        if self.show {
            let time = step.duration_us.map_or_else(String::new, output::duration);
            let line =
                format!("  {:<14}  {:<15}  {time:>10}  {}", step.name, steps::state(step), step.detail.as_deref().unwrap_or_default());
            output::line(line.trim_end());
        }
    }
}

/// Reads events until the one that says that the operation is over, or until the stream ends.
async fn read_events(mut response: reqwest::Response, shown: &mut Shown) -> Result<(), Failure> {
    let mut parser = Parser::default();
    loop {
        let chunk = tokio::time::timeout(SILENCE, response.chunk())
            .await
            .map_err(|error| Failure::because("the events stopped", &error))?
            .map_err(|error| Failure::because("the events broke off", &error))?;
        let Some(chunk) = chunk else { return Ok(()) };
        if parser.waiting() + chunk.len() > LONGEST_EVENT {
            return Err(Failure::new("an event has no end"));
        }
        for (event, data) in parser.push(&chunk) {
            match event.as_str() {
                "done" => return Ok(()),
                "step" => shown.step(&read(&serde_json::from_str::<Value>(&data).unwrap_or_default())?),
                _ => {}
            }
        }
    }
}

/// Splits a stream of server-sent events (WHATWG HTML, section 9.2) into event names and their data.
#[derive(Default)]
struct Parser {
    buffer: Vec<u8>,
    event: String,
    data: Vec<String>,
}

impl Parser {
    /// How many bytes belong to an event that is not complete.
    fn waiting(&self) -> usize {
        self.buffer.len() + self.event.len() + self.data.iter().map(String::len).sum::<usize>()
    }

    /// Takes what arrived and returns the events that it completes.
    fn push(&mut self, bytes: &[u8]) -> Vec<(String, String)> {
        self.buffer.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
                if !data.is_empty() {
                    events.push((event, data.join("\n")));
                }
                continue;
            }
            let (field, value) =
                line.split_once(':').map_or((line, ""), |(field, value)| (field, value.strip_prefix(' ').unwrap_or(value)));
            match field {
                "event" => value.clone_into(&mut self.event),
                "data" => self.data.push(value.to_owned()),
                // Comments keep the connection alive; ids and retry times are of no use to us.
                _ => {}
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_wherever_the_network_cuts_them() {
        let stream = ": hello\r\n\nevent: step\ndata: {\"a\":\ndata: 1}\n\nevent:done\ndata:{}\r\n\r\n";
        for cut in 0..stream.len() {
            let mut parser = Parser::default();
            let mut events = parser.push(&stream.as_bytes()[..cut]);
            events.extend(parser.push(&stream.as_bytes()[cut..]));
            assert_eq!(events, [("step".to_owned(), "{\"a\":\n1}".to_owned()), ("done".to_owned(), "{}".to_owned())], "cut at {cut}");
        }
    }
}
