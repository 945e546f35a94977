//! Given what has happened, when somebody asks, then this happens: tests as sentences, with nothing to mock.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::decider::Decider;
use crate::event::Event;
use crate::ids::AccountKey;

/// The account that specs are about.
pub const ACCOUNT: AccountKey = AccountKey::from_uuid(Uuid::from_u128(0xacc0));

pub fn id<I>(number: u128, name: fn(Uuid) -> I) -> I {
    name(Uuid::from_u128(number))
}

/// The moment that an RFC 3339 text says; anything else is a mistake of the test.
pub fn time(text: &str) -> DateTime<Utc> {
    let time = text.parse();
    assert!(time.is_ok(), "{text:?} is not a time");
    time.unwrap_or_default()
}

pub fn day(text: &str) -> NaiveDate {
    let day = text.parse();
    assert!(day.is_ok(), "{text:?} is not a day");
    day.unwrap_or_default()
}

pub fn given<A: Decider>(events: impl IntoIterator<Item = A::Event>) -> Given<A> {
    Given { state: fold(A::default(), events) }
}

#[derive(Debug)]
pub struct Given<A> {
    state: A,
}

#[derive(Debug)]
pub struct When<A: Decider> {
    state: A,
    answer: Result<Vec<A::Event>, A::Error>,
}

impl<A: Decider> Given<A> {
    pub fn when(self, at: DateTime<Utc>, command: A::Command) -> When<A> {
        let answer = self.state.decide(at, &command);
        When { state: self.state, answer }
    }

    /// As [`Given::when`], for what is asked without being a command of its own.
    pub fn when_asked(self, ask: impl FnOnce(&A) -> Result<Vec<A::Event>, A::Error>) -> When<A> {
        let answer = ask(&self.state);
        When { state: self.state, answer }
    }

    pub fn state(self) -> A {
        self.state
    }
}

impl<A: Decider> When<A> {
    /// Also says that every event can be stored and read back.
    pub fn then(self, expected: impl IntoIterator<Item = A::Event>) -> Given<A> {
        let expected: Vec<_> = expected.into_iter().collect();
        for event in &expected {
            let event: Event = event.clone().into();
            let read = event
                .payload()
                .map(|payload| Event::from_parts(event.kind(), event.event_type(), event.schema_version(), &payload));
            assert!(matches!(&read, Ok(Ok(read)) if *read == event), "{event:?} is read back as {read:?}");
        }
        assert_eq!(self.answer, Ok(expected.clone()));
        Given { state: fold(self.state, expected) }
    }

    pub fn then_nothing(self) -> Given<A> {
        self.then([])
    }

    pub fn then_refused(self, expected: A::Error) -> Given<A> {
        assert_eq!(self.answer, Err(expected));
        Given { state: self.state }
    }
}

fn fold<A: Decider>(mut state: A, events: impl IntoIterator<Item = A::Event>) -> A {
    for event in events {
        state.apply(&event);
    }
    state
}
