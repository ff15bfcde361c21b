mod change;
mod conflicts;
mod create;
mod input;
mod list;
mod outcomes;
mod package;
mod terminate;
