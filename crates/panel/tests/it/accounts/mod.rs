mod conflicts;
mod create;
mod input;
mod list;
mod outcomes;
