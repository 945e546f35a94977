//! What every aggregate is: a state, a pure decision, and a fold.

use chrono::{DateTime, Utc};

use crate::event::Event;
use crate::kinds::AggregateKind;

pub trait Decider: Default + Clone + PartialEq + std::fmt::Debug {
    const KIND: AggregateKind;
    /// To be raised with every change of the state's JSON or of what `apply` makes of an event: a snapshot written
    /// under another number is not read.
    const SCHEMA: i32;

    type Command;
    type Event: Clone + PartialEq + std::fmt::Debug + Into<Event>;
    type Error: std::error::Error + PartialEq;

    /// The events that the command means now, or why not. No event: it has been said before.
    fn decide(&self, at: DateTime<Utc>, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Error>;

    /// What happened, happened: never argues, never computes what the event could have said.
    fn apply(&mut self, event: &Self::Event);
}

/// A command and the time it is decided at, for interfaces that hand over one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct At<C> {
    pub at: DateTime<Utc>,
    pub command: C,
}
